//! Passes a stream through filters, event by event or as a whole.

use std::task::{Context, Poll};

use bytes::Bytes;
use outrigger_core::RefusalKind;
use outrigger_llm::errors::GatewayError;
use outrigger_llm::registry::error_event;

use super::Relay;
use crate::completion::Completion;
use crate::filter::{AnswerFilters, RunningFilters};
use crate::memory::MemoryLease;
use crate::request::body::overloaded;
use crate::request::refusal::Refusal;

impl Relay {
    /// Passes all further events through these filters. Call it before the caller has received anything.
    pub fn add_filters(&mut self, filters: AnswerFilters) {
        self.filters = (!filters.is_empty()).then(|| Box::new(RunningFilters::new(filters, self.caller_framing)));
    }

    /// Reads the stream to its end, for filters that see it as a whole. Returns the events in the caller's dialect, not
    /// as an array.
    ///
    /// # Errors
    /// The refusal for the caller, if the stream broke off or is too long.
    pub async fn collect(&mut self, completion: &mut Completion) -> Result<Bytes, Refusal> {
        let reframing = self.reframing.take();
        let mut whole = Vec::new();
        let mut lease = MemoryLease::default();
        while let Some(bytes) = std::future::poll_fn(|cx| self.poll_next(cx, completion)).await {
            let length = whole.len() + bytes.len();
            if length > self.memory.longest_answer() || lease.grow_to(2 * length, &self.memory).is_err() {
                return Err(overloaded());
            }
            whole.extend_from_slice(&bytes);
        }
        self.reframing = reframing;
        self.lease = lease;
        match completion.is_broken() {
            true => Err(Refusal::new(
                RefusalKind::UpstreamError,
                format!("the stream from {} is broken", self.source.provider),
            )),
            false => Ok(whole.into()),
        }
    }

    /// Sends these events instead of those that were read.
    pub fn replace(&mut self, events: Bytes) {
        (self.out, self.closed) = (events.into(), false);
    }

    /// Runs the filters. Ready when there is something to send, or when no filter is running.
    pub(super) fn poll_filters(&mut self, cx: &mut Context<'_>, completion: &mut Completion) -> Poll<Option<Vec<u8>>> {
        while let Some(filters) = &mut self.filters {
            match std::task::ready!(filters.poll(cx)) {
                Some(Ok(output)) if filters.is_done() => {
                    self.filters = None;
                    return Poll::Ready(Some(output).filter(|output| !output.is_empty()));
                }
                Some(Ok(output)) if output.is_empty() => {}
                Some(Ok(output)) => return Poll::Ready(Some(output)),
                Some(Err((name, refusal))) => {
                    self.filters = None;
                    return Poll::Ready(Some(self.fail(name, &refusal, completion)));
                }
                None if !self.out.is_empty() => filters.begin(Some(std::mem::take(&mut self.out))),
                None if self.over => filters.begin(None),
                None => break,
            }
        }
        Poll::Ready(None)
    }

    /// Ends an answer that a filter rejects: with an error event in the caller's dialect.
    fn fail(&mut self, name: &'static str, refusal: &Refusal, completion: &mut Completion) -> Vec<u8> {
        self.over = true;
        self.out.clear();
        completion.record_filter_failure(name, refusal.kind);
        let refusal = GatewayError {
            status: refusal.status,
            kind: refusal.kind.name(),
            message: &refusal.message,
            request_id: &completion.context.request_id,
            param: None,
            attempts: &[],
        };
        error_event(completion.context.operation.format(), &refusal)
    }
}

//! Reads a stream up to its first content. Events are buffered meanwhile, so that another candidate can still take
//! over.

use std::time::{Duration, Instant};

use super::{Relay, comment};
use crate::completion::Completion;
use crate::completion::Failed;
use crate::completion::handles::{remember_handle, response_handle};
use crate::relay::Conversion;
use crate::telemetry::attempt_error::AttemptError;

/// The limits of buffering before content.
const MAX_BUFFERED_EVENTS: usize = 64;
const MAX_BUFFERED_BYTES: usize = 256 << 10;
const MAX_BUFFERED_TIME: Duration = Duration::from_secs(10);

impl Relay {
    /// Reads until there is content, or until the caller should get what is buffered.
    ///
    /// # Errors
    /// A failure after which another candidate is tried.
    pub async fn read_until_content(&mut self, completion: &mut Completion) -> Result<(), Failed> {
        let buffer_until = Instant::now() + MAX_BUFFERED_TIME;
        let limit = self.timing.first;
        let mut release = self.timing.release;
        let mut last_received = Instant::now();
        let provider = self.source.provider.to_string();
        let mut events = 0;
        loop {
            let by = wait_until(
                limit.at,
                release.map_or(buffer_until, |caller| caller.at.min(buffer_until)),
                self.out.is_empty(),
            );
            completion.waits();
            let chunk = tokio::time::timeout_at(by.into(), self.body.chunk()).await;
            completion.waited();
            let chunk = match chunk {
                Err(_) if Instant::now() >= limit.at => return Err(limit.timed_out(&provider)),
                // The caller will not wait any longer. If the upstream is silent, keep the chance to fail over for as
                // long as possible.
                Err(_)
                    if release.is_some_and(|caller| {
                        last_received + caller.since < caller.at && Instant::now() < buffer_until
                    }) =>
                {
                    release = None;
                    continue;
                }
                // Ten seconds without content: send what is buffered.
                Err(_) => break,
                Ok(Some(Err(error))) => {
                    return Err(Failed::unreachable(AttemptError::Cut, format!("{provider}: {error}")));
                }
                Ok(Some(Ok(chunk))) => Some(chunk),
                Ok(None) => None,
            };
            let (content, error) = match &chunk {
                Some(chunk) => {
                    last_received = Instant::now();
                    self.read(chunk, completion)
                }
                None => self.read_rest(completion),
            };
            events += std::mem::take(&mut self.read_events);
            if let Some(broken) = error {
                // Content and an error in one chunk: the content came first.
                if !content {
                    let failed = broken.failed(&self.source);
                    return Err(if self.body.quoted() { failed.quoting() } else { failed });
                }
                self.handle_first_content(completion);
                self.break_off(&broken, completion);
                return Ok(());
            }
            if content {
                self.handle_first_content(completion);
                return Ok(());
            }
            if chunk.is_none() {
                return self.ended_before_content(completion);
            }
            if events > MAX_BUFFERED_EVENTS || self.out.len() > MAX_BUFFERED_BYTES {
                break;
            }
        }
        // No content yet, but no other candidate can take over. The limit for the first token still applies.
        completion.release_body();
        Ok(())
    }

    pub(super) fn handle_first_content(&mut self, completion: &mut Completion) {
        self.content = true;
        completion.record_first_content(self.translator.usage());
        let now = Instant::now();
        let took = now.saturating_duration_since(self.source.sent_at);
        self.source.health.record_first_token(&self.source.model, took, now);
        // The ids of translated answers are the gateway's own, and stored nowhere.
        if self.source.conversion == Conversion::Same
            && let Some(handle) = response_handle(completion.context.operation.kind, &self.out)
        {
            remember_handle(completion, &handle, self.source.stay);
        }
        completion.release_body();
    }

    pub(super) fn ended_before_content(&mut self, completion: &mut Completion) -> Result<(), Failed> {
        let finished = self
            .translator
            .close(&mut self.out, |usage, content_bytes| comment(completion, &self.source, usage, content_bytes));
        let provider = &self.source.provider;
        if !finished && self.out.is_empty() {
            return Err(Failed::empty(provider, None));
        }
        if !finished {
            let message = format!("{provider} closed the stream before any content");
            return Err(Failed::unreachable(AttemptError::Cut, message));
        }
        if self.translator.is_empty() {
            let mut body = std::mem::take(&mut self.out);
            if let Some(mut reframing) = self.reframing.take() {
                let output = std::mem::take(&mut body);
                reframing.frame(&output.into(), &mut body);
                reframing.end(&mut body);
            }
            let content_type = completion.context.stream_type();
            return Err(Failed::empty(provider, Some((content_type, body.into(), self.translator.usage()))));
        }
        self.over = true;
        self.handle_first_content(completion);
        Ok(())
    }
}

/// How long to wait for the next bytes before content. If nothing is buffered, only the limit for the first token
/// counts.
fn wait_until(first_by: Instant, buffer_until: Instant, nothing_buffered: bool) -> Instant {
    if nothing_buffered { first_by } else { first_by.min(buffer_until) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffered_events_are_sent_in_time_and_silence_has_the_limit_of_the_first_token() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        for (first_by, buffer_until, nothing_buffered, expected) in
            [(60, 10, true, 60), (60, 10, false, 10), (5, 10, true, 5), (5, 10, false, 5)]
        {
            assert_eq!(wait_until(at(first_by), at(buffer_until), nothing_buffered), at(expected));
        }
    }
}

//! Passes answers through filters.

use std::fmt;

use bytes::Bytes;
use outrigger_core::RefusalKind;
use outrigger_llm::operation::OperationKind;
use outrigger_llm::{Dialect, Malformed, chat, decode_response};

use super::events::EventFilters;
use super::{AnswerFilter, Refusal, RequestContext, StreamView};
use crate::request::answer_events;

/// The name of a filter, and why it rejects an answer.
pub type FilterFailure = (&'static str, Refusal);

/// The filters of an answer, in the order in which they see it. Empty by default; then nothing is allocated.
#[derive(Default)]
pub struct AnswerFilters(pub(super) Vec<(&'static str, Box<dyn AnswerFilter>)>);

impl fmt::Debug for AnswerFilters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A whole answer in the caller's dialect, as JSON.
#[derive(Clone, Debug)]
pub struct FullAnswer {
    body: Bytes,
    dialect: Dialect,
    replaced: bool,
}

impl FullAnswer {
    pub(crate) fn new(body: Bytes, dialect: Dialect) -> Self {
        FullAnswer { body, dialect, replaced: false }
    }

    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Decodes the answer, independent of its dialect.
    ///
    /// # Errors
    /// If it is no answer to a conversation.
    pub fn conversation(&self) -> Result<chat::ChatResponse, Malformed> {
        decode_response(self.dialect.format(), &serde_json::from_slice(&self.body).unwrap_or_default())
    }

    /// Replaces the answer with other JSON in the caller's dialect.
    pub fn replace(&mut self, body: impl Into<Bytes>) {
        (self.body, self.replaced) = (body.into(), true);
    }

    pub(crate) fn into_body(self) -> Bytes {
        self.body
    }
}

impl AnswerFilters {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a stream must be read to its end before the caller gets any of it.
    pub fn need_whole(&self) -> bool {
        self.0.iter().any(|(_, filter)| filter.stream_view() == StreamView::Whole)
    }

    /// Passes a whole answer through all filters.
    pub async fn whole(&mut self, mut answer: FullAnswer) -> Result<FullAnswer, FilterFailure> {
        for (name, filter) in &mut self.0 {
            filter.whole(&mut answer).await.map_err(|refusal| (*name, refusal))?;
        }
        Ok(answer)
    }

    /// Passes a stream that was read to its end through all filters, as events or as a whole answer.
    pub async fn stream(self, context: &RequestContext, mut bytes: Bytes) -> Result<Bytes, FilterFailure> {
        for (name, mut filter) in self.0 {
            let whole = match filter.stream_view() {
                StreamView::Events => None,
                StreamView::Whole if context.operation.kind == OperationKind::Chat => {
                    answer_events::assemble(context, &bytes)
                }
                StreamView::Whole => None,
            };
            match (filter.stream_view(), whole) {
                (StreamView::Events, _) => {
                    let mut filters = EventFilters::new(AnswerFilters(vec![(name, filter)]), context.framing());
                    let mut passed = filters.push(&bytes).await?;
                    passed.extend(filters.end().await?);
                    bytes = passed.into();
                }
                (StreamView::Whole, Some(whole)) => {
                    let mut answer = FullAnswer::new(whole.into(), context.dialect);
                    filter.whole(&mut answer).await.map_err(|refusal| (name, refusal))?;
                    if answer.replaced {
                        bytes = answer_events::events_of_whole(context, &answer.body).map_err(|problem| {
                            tracing::error!(filter = name, problem, "a filter returned an invalid answer");
                            let message = format!("filter {name} returned an invalid answer: {problem}");
                            (name, Refusal::new(RefusalKind::FilterFailed, message))
                        })?;
                    }
                }
                (StreamView::Whole, None) => {
                    let what = format!("a stream of {}", context.operation.name);
                    filter.cannot_view(&what).map_err(|refusal| (name, refusal))?;
                }
            }
        }
        Ok(bytes)
    }

    /// Tells all filters that they cannot see the answer.
    pub fn cannot_view(&mut self, what: &str) -> Result<(), FilterFailure> {
        self.0.iter_mut().try_for_each(|(name, filter)| filter.cannot_view(what).map_err(|refusal| (*name, refusal)))
    }
}

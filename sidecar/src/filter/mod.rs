//! The extension point for everything that attaches to a request: caches, guards, transformations, call-outs, tool
//! injection.
//!
//! ```text
//! request  ─► A.request ─► B.request ─► decide ─► A.decided ─► B.decided ─► attempt
//! answer   ◄─ A.answer  ◄─ B.answer  ◄──────────────────────────────────────┘
//! ```
//! Filters see a request in the order of the list, and its answer in reverse order. A filter may answer a request
//! itself. Then no provider is called, nothing is charged, and only the filters before it see the answer.
//!
//! The list belongs to the policy. Another policy may have another list, and a request keeps the list that it began
//! with. It is empty by default. Then nothing is called or allocated, and bytes of the same dialect are not parsed.

mod answer;
mod events;
mod filter_types;
mod request;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
pub use futures_util::future::BoxFuture;
use http::{Extensions, HeaderMap};
use outrigger_llm::{RequestError, chat};
use outrigger_policy::Decision;

pub(crate) use answer::{AnswerFilters, FilterFailure};
pub(crate) use events::RunningFilters;
pub(crate) use request::{FilterStop, after_deciding, before_deciding};

pub use crate::filter::answer::FullAnswer;
pub use crate::filter::events::StreamEvent;
pub use crate::filter::filter_types::{FilterError, FilterTypes};
pub use crate::request::context::RequestContext;
pub use crate::request::refusal::Refusal;
use crate::request::translation::RequestTranslation;
use crate::telemetry::record::Record;

/// An extension of the request path. Except for `name`, each method has a default that does nothing.
pub trait Filter: fmt::Debug + Send + Sync {
    /// The name in records and logs.
    fn name(&self) -> &'static str;

    /// Called before the decision. The caller's key is known, and the body is read.
    fn request<'a>(&'a self, _request: FilteredRequest<'a>) -> BoxFuture<'a, RequestVerdict> {
        Box::pin(std::future::ready(RequestVerdict::Continue))
    }

    /// Called after the decision and before the first attempt. The key is allowed to send this request. A cache looks
    /// here.
    fn decided<'a>(&'a self, _request: FilteredRequest<'a>, _decision: &'a Decision) -> BoxFuture<'a, DecidedVerdict> {
        Box::pin(std::future::ready(DecidedVerdict::Continue))
    }

    /// The filter for the answer to this request; `None` if the filter does not need it.
    fn answer(&self, _call: &RequestContext) -> Option<Box<dyn AnswerFilter>> {
        None
    }

    /// Called when the request has ended, whatever its outcome.
    fn recorded(&self, _record: &Record) {}
}

/// A filter for one answer, in the caller's dialect. It lives as long as the answer and may hold state.
pub trait AnswerFilter: Send + Sync {
    /// How it sees a stream.
    fn stream_view(&self) -> StreamView;

    /// Called with a whole answer. It may replace it, or reject it.
    fn whole<'a>(&'a mut self, answer: &'a mut FullAnswer) -> BoxFuture<'a, Result<(), Refusal>>;

    /// Called with an event of a stream. What the caller gets instead goes to `out`: the event, others, or nothing yet.
    fn event<'a>(
        &'a mut self,
        event: StreamEvent,
        out: &'a mut Vec<StreamEvent>,
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        out.push(event);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Called at the end of the stream. Events that were held back go to `out`.
    fn end<'a>(&'a mut self, _out: &'a mut Vec<StreamEvent>) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Called if the filter cannot see the answer: it is neither JSON nor events, or a stream that cannot be joined to
    /// a whole answer (`what` says which). `Ok` lets it pass.
    ///
    /// # Errors
    /// A [`Refusal`] rejects the answer.
    fn cannot_view(&mut self, what: &str) -> Result<(), Refusal>;
}

/// How an [`AnswerFilter`] sees a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamView {
    /// Event by event, as they arrive.
    Events,
    /// As one whole answer. The caller gets nothing before its end.
    Whole,
}

/// A request as a filter sees it.
pub struct FilteredRequest<'a> {
    pub context: &'a RequestContext,
    /// Data of this filter for this request, for its later methods; also in `context.notes`.
    pub notes: &'a mut Extensions,
    translation: &'a RequestTranslation,
}

impl FilteredRequest<'_> {
    /// Reads the conversation, independent of its dialect. It is parsed once for all filters.
    ///
    /// # Errors
    /// If it is no conversation, or there is not enough memory to parse it.
    pub async fn conversation<T>(&self, read: impl FnOnce(&chat::ChatRequest) -> T) -> Result<T, RequestError> {
        self.translation.make_room(self.context).await;
        self.translation.chat(self.context, |chat| Ok(read(chat)))
    }
}

impl fmt::Debug for FilteredRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilteredRequest").field("call", self.context).finish_non_exhaustive()
    }
}

/// A filter's verdict on a request before the decision.
#[derive(Debug)]
pub enum RequestVerdict {
    Continue,
    Edit(RequestEdit),
    /// The filter answers the request itself.
    Answer(FilterAnswer),
    Refuse(Refusal),
}

/// A filter's verdict on a request after the decision. Editing is no longer possible.
#[derive(Debug)]
pub enum DecidedVerdict {
    Continue,
    /// The filter answers the request itself.
    Answer(FilterAnswer),
    Refuse(Refusal),
}

/// Changes to a request. `None` leaves a part unchanged.
#[derive(Default)]
pub struct RequestEdit {
    /// In the caller's dialect. It is parsed again.
    pub body: Option<Bytes>,
    /// The requested model, whatever the body says.
    pub model: Option<String>,
    pub headers: Option<HeaderMap>,
}

impl fmt::Debug for RequestEdit {
    /// Only sizes and names: a body is a prompt, and headers contain the caller's key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestEdit")
            .field("body_bytes", &self.body.as_ref().map(Bytes::len))
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// A filter's own answer. It is recorded, and costs nothing.
#[derive(Debug)]
pub struct FilterAnswer {
    /// Headers that explain it: `x-outrigger-cache: hit`.
    pub headers: HeaderMap,
    pub body: FilterBody,
}

/// The body of a filter's own answer, in the caller's dialect.
#[derive(Debug)]
pub enum FilterBody {
    /// JSON. If the caller requested a stream, a conversation is sent as events.
    Whole(Bytes),
    /// Events, for a caller that requested a stream.
    Events(Bytes),
}

/// The filters of a policy, in order. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Filters(Option<Arc<[Arc<dyn Filter>]>>);

impl Filters {
    fn new(filters: Vec<Arc<dyn Filter>>) -> Self {
        Filters((!filters.is_empty()).then(|| filters.into()))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn all(&self) -> &[Arc<dyn Filter>] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Reports the end of a request to all filters.
    pub(crate) fn recorded(&self, record: &Record) {
        self.all().iter().for_each(|filter| filter.recorded(record));
    }

    /// The filters for the answer to this request, in the order in which they see it.
    pub(crate) fn for_answer(&self, context: &RequestContext) -> AnswerFilters {
        self.before(self.all().len(), context)
    }

    /// The same for the filters before `index`, which see the answer of that filter.
    pub(crate) fn before(&self, index: usize, context: &RequestContext) -> AnswerFilters {
        let filters = self.all().iter().take(index).rev();
        AnswerFilters(filters.filter_map(|filter| Some((filter.name(), filter.answer(context)?))).collect())
    }
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().iter().map(|filter| filter.name())).finish()
    }
}

//! The one seam for all that attaches to a request: caches, guards, transformations, call-outs, tool injection.
//!
//! ```text
//! request  ─► A.request ─► B.request ─► decide ─► A.decided ─► B.decided ─► attempt
//! answer   ◄─ A.answer  ◄─ B.answer  ◄──────────────────────────────────────┘
//! ```
//! Filters see a request in the order of the list, and its answer in the opposite one. A filter that answers by itself
//! ends the way: nobody is asked, nothing is charged, and only the filters before it see what it answers.
//!
//! The list is the policy's: another policy may have another one, and a request keeps the list that it began with. It is
//! empty by default. Then nothing is called or allocated, and bytes of the same dialect stay unparsed.

mod answer;
mod events;
mod request;
mod types;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
pub use futures_util::future::BoxFuture;
use http::{Extensions, HeaderMap};
use outrigger_llm::{RequestError, chat};
use outrigger_policy::Decision;

pub(crate) use answer::{AnswerFilters, FilterFailure};
pub(crate) use events::Filtering;
pub(crate) use request::{FilterStop, after_deciding, before_deciding};

pub use crate::filter::answer::FullAnswer;
pub use crate::filter::events::StreamEvent;
pub use crate::filter::types::{FilterError, FilterTypes};
pub use crate::request::context::RequestContext;
pub use crate::request::refusal::Refusal;
use crate::request::translation::RequestTranslation;
use crate::telemetry::record::Record;

/// Something that attaches to requests. Each method has a default that does nothing.
pub trait Filter: fmt::Debug + Send + Sync {
    /// Names it in records and logs.
    fn name(&self) -> &'static str;

    /// Before the decision: the caller is known, the body is read.
    fn request<'a>(&'a self, _request: FilteredRequest<'a>) -> BoxFuture<'a, RequestVerdict> {
        Box::pin(std::future::ready(RequestVerdict::Continue))
    }

    /// After the decision, before anybody is asked: a key that may not ask was refused already. A cache looks here.
    fn decided<'a>(&'a self, _request: FilteredRequest<'a>, _decision: &'a Decision) -> BoxFuture<'a, DecidedVerdict> {
        Box::pin(std::future::ready(DecidedVerdict::Continue))
    }

    /// What looks at the answer to this request; `None`: nothing does.
    fn answer(&self, _call: &RequestContext) -> Option<Box<dyn AnswerFilter>> {
        None
    }

    /// The request has ended, in whatever way.
    fn recorded(&self, _record: &Record) {}
}

/// What looks at one answer, in the caller's dialect. It lives as long as the answer and may keep what it needs.
pub trait AnswerFilter: Send + Sync {
    /// How it sees a stream.
    fn sees(&self) -> Sees;

    /// A whole answer: it sees it, replaces it, or fails it.
    fn whole<'a>(&'a mut self, answer: &'a mut FullAnswer) -> BoxFuture<'a, Result<(), Refusal>>;

    /// An event of a stream. What the caller gets in its place goes to `out`: the event, others, or nothing yet.
    fn event<'a>(
        &'a mut self,
        event: StreamEvent,
        out: &'a mut Vec<StreamEvent>,
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        out.push(event);
        Box::pin(std::future::ready(Ok(())))
    }

    /// The stream has ended. Events that were held back go to `out`.
    fn end<'a>(&'a mut self, _out: &'a mut Vec<StreamEvent>) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// The answer can't be shown: it is neither JSON nor events, or a stream that can't be put together to a whole
    /// (`what` says which). `Ok` lets it pass unseen.
    ///
    /// # Errors
    /// A [`Refusal`] fails the answer.
    fn unseen(&mut self, what: &str) -> Result<(), Refusal>;
}

/// How an [`AnswerFilter`] sees a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// Event by event, as they come.
    Events,
    /// As the whole answer that it amounts to. The caller gets nothing of it before.
    Whole,
}

/// A request as a filter sees it.
pub struct FilteredRequest<'a> {
    pub context: &'a RequestContext,
    /// What a filter keeps of this request, for its later methods: also in `call.notes`.
    pub notes: &'a mut Extensions,
    translation: &'a RequestTranslation,
}

impl FilteredRequest<'_> {
    /// Reads the conversation, in no dialect. It is parsed once, whoever asks.
    ///
    /// # Errors
    /// It is no conversation, or there is no memory to parse it.
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

/// What becomes of a request before the decision.
#[derive(Debug)]
pub enum RequestVerdict {
    Continue,
    Edit(RequestEdit),
    /// The filter answers by itself.
    Answer(FilterAnswer),
    Refuse(Refusal),
}

/// What becomes of a request after the decision: it can't be edited any more.
#[derive(Debug)]
pub enum DecidedVerdict {
    Continue,
    /// The filter answers by itself.
    Answer(FilterAnswer),
    Refuse(Refusal),
}

/// Changes to a request. What is `None` stays as it is.
#[derive(Default)]
pub struct RequestEdit {
    /// In the caller's dialect. It is read again.
    pub body: Option<Bytes>,
    /// The model that is asked for, whatever the body says.
    pub model: Option<String>,
    pub headers: Option<HeaderMap>,
}

impl fmt::Debug for RequestEdit {
    /// Sizes and names: a body is a prompt, and headers hold the caller's key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestEdit")
            .field("body_bytes", &self.body.as_ref().map(Bytes::len))
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// A filter's own answer. It is recorded, and charged nothing.
#[derive(Debug)]
pub struct FilterAnswer {
    /// Headers that say why: `x-outrigger-cache: hit`.
    pub headers: HeaderMap,
    pub body: FilterBody,
}

/// The body of a filter's own answer, in the caller's dialect.
#[derive(Debug)]
pub enum FilterBody {
    /// JSON. A conversation is sent as events to a caller who asked for a stream.
    Whole(Bytes),
    /// Events, for a caller who asked for a stream.
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

    /// Tells all of them that a request has ended.
    pub(crate) fn recorded(&self, record: &Record) {
        self.all().iter().for_each(|filter| filter.recorded(record));
    }

    /// What looks at the answer to this request, in the order in which it passes.
    pub(crate) fn for_answer(&self, context: &RequestContext) -> AnswerFilters {
        self.before(self.all().len(), context)
    }

    /// The same of the filters before one, for the answer of that one.
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

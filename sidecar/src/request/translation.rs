//! The request independent of its dialect. It is parsed on first use, after memory is reserved for it.

use outrigger_core::RefusalKind;
use outrigger_llm::chat::JsonObject;
use outrigger_llm::json::weight::Weight;
use outrigger_llm::operation::OperationKind;
use outrigger_llm::provider::{FitKey, Target};
use outrigger_llm::{RequestError, chat, decode_request};
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::memory::{LONG_WORK, Memory, MemoryLease, NoRoom};
use crate::request::body::overloaded;
use crate::request::context::RequestContext;
use crate::request::parsed_request::{self, MAX_NAME};
use crate::request::refusal::Refusal;

/// The request independent of its dialect. It is parsed on first use, after memory is reserved for it.
#[derive(Debug)]
pub struct RequestTranslation {
    memory: Memory,
    /// The reserved memory, or the reason why there is none.
    reserved: Mutex<Result<MemoryLease, NoRoom>>,
    read: RwLock<Option<ParsedBody>>,
    /// For each target that was checked: the field that it does not support, if any.
    unfit: Mutex<Vec<(FitKey, Option<String>)>>,
}

/// A parsed body.
#[derive(Debug)]
pub enum ParsedBody {
    Chat(Box<Result<chat::ChatRequest, RequestError>>),
    /// For other operations: the body as JSON, each key once.
    Body(Result<JsonObject, RequestError>),
}

/// The field that is reported as unsupported if there is not enough memory.
const NO_MEMORY: &str = "a request of this size";

impl RequestTranslation {
    /// A translation that has parsed nothing yet.
    #[must_use]
    pub fn new(memory: &Memory) -> Self {
        RequestTranslation {
            memory: memory.clone(),
            reserved: Mutex::new(Ok(MemoryLease::default())),
            read: RwLock::default(),
            unfit: Default::default(),
        }
    }

    /// Reserves the memory for parsing, and waits a moment for it.
    pub async fn make_room(&self, context: &RequestContext) {
        if lock(&self.reserved).as_ref().is_ok_and(|lease| lease.bytes() > 0) {
            return;
        }
        let weight = self.memory.work(context.body.len(), || weight(context)).await;
        let lease = self.memory.wait(weight, context.lease.bytes()).await;
        *lock(&self.reserved) = lease;
    }

    /// Whether waiting could help, because others use the memory now.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        matches!(*lock(&self.reserved), Err(NoRoom::Now))
    }

    /// The refusal if there is not enough memory.
    #[must_use]
    pub fn no_room(&self) -> Option<Refusal> {
        match lock(&self.reserved).as_ref().err()? {
            NoRoom::Now => Some(overloaded()),
            NoRoom::TooLarge { wanted, total } => {
                let mib = |bytes: &usize| bytes.div_ceil(1 << 20);
                let message = format!(
                    "the conversion of this request to another dialect may take {} MiB, and the gateway's memory \
                     allows {} MiB; a provider of the caller's own dialect needs no conversion",
                    mib(wanted),
                    total >> 20
                );
                Some(Refusal::new(RefusalKind::RequestTooLarge, message))
            }
        }
    }

    /// Frees the parsed form of a large body: it may take long until an answer begins. It is parsed again if another
    /// candidate is tried.
    pub fn release(&self, context: &RequestContext) {
        if context.body.len() >= LONG_WORK {
            *self.read.write() = None;
            *lock(&self.reserved) = Ok(MemoryLease::default());
        }
    }

    /// Reserves memory for an edit in the caller's own dialect.
    ///
    /// # Errors
    /// If there is not enough memory now.
    pub fn hold(&self, context: &RequestContext, bytes: usize) -> Result<MemoryLease, RequestError> {
        self.memory.hold(bytes).map_err(|no_room| {
            *lock(&self.reserved) = Err(no_room);
            RequestError::Unsupported { field: NO_MEMORY.to_owned(), upstream: context.dialect }
        })
    }

    /// The account of the memory.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Splits this many bytes off the reservation, for the output.
    #[must_use]
    pub fn part(&self, bytes: usize) -> MemoryLease {
        lock(&self.reserved).as_mut().map(|reserved| reserved.part(bytes)).unwrap_or_default()
    }

    /// Calls `of` with the parsed body, which is parsed first if needed.
    ///
    /// # Errors
    /// If there is not enough memory to parse it, or the error of `of`.
    pub fn with<T>(
        &self,
        context: &RequestContext,
        of: impl FnOnce(&ParsedBody) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        {
            let mut reserved = lock(&self.reserved);
            if reserved.as_ref().is_ok_and(|lease| lease.bytes() == 0) {
                *reserved = self.memory.hold(weight(context));
            }
            if reserved.is_err() {
                return Err(RequestError::Unsupported { field: NO_MEMORY.to_owned(), upstream: context.dialect });
            }
        }
        if let Some(read) = &*self.read.read() {
            return of(read);
        }
        let read = ParsedBody::of(context);
        let result = of(&read);
        *self.read.write() = Some(read);
        result
    }

    /// Calls `of` with the conversation.
    ///
    /// # Errors
    /// What is wrong with the conversation, for the caller.
    pub fn chat<T>(
        &self,
        context: &RequestContext,
        of: impl FnOnce(&chat::ChatRequest) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        self.with(context, |read| match read {
            ParsedBody::Chat(chat) => of(chat.as_ref().as_ref().map_err(Clone::clone)?),
            ParsedBody::Body(_) => {
                Err(RequestError::Unsupported { field: context.operation.name.to_owned(), upstream: context.dialect })
            }
        })
    }

    /// If parsing found that the conversation is invalid: the path in the body, and the problem.
    pub fn problem(&self) -> Option<(String, String)> {
        match &*self.read.read() {
            Some(ParsedBody::Chat(chat)) => match &**chat {
                Err(RequestError::Invalid { path, problem }) => Some((path.clone(), problem.clone())),
                _ => None,
            },
            _ => None,
        }
    }

    /// The field that the request needs and the target does not support.
    pub fn unfit(&self, context: &RequestContext, target: &Target<'_>) -> Option<String> {
        // Tokens are estimated where they can't be asked for.
        if target.takes(context.operation) || context.operation.kind == OperationKind::CountTokens {
            return None;
        }
        let key = target.fit_key();
        if let Some((_, lacks)) = lock(&self.unfit).iter().find(|(other, _)| *other == key) {
            return lacks.clone();
        }
        let lacks = match context.operation.kind {
            OperationKind::Chat | OperationKind::Responses | OperationKind::Embeddings | OperationKind::Rerank => {
                let judged = |read: &ParsedBody| {
                    Ok(parsed_request::unfit(context.operation, target, || read.chat(context), || read.body(context)))
                };
                self.with(context, judged).unwrap_or_else(|error| Some(error.to_string()))
            }
            _ => Some(context.operation.name.to_owned()),
        };
        lock(&self.unfit).push((key, lacks.clone()));
        lacks
    }
}

/// The memory for parsing a body and translating it to another dialect, in bytes.
fn weight(context: &RequestContext) -> usize {
    match context.operation.kind {
        OperationKind::Embeddings => Weight::of(&context.body).embedded(MAX_NAME),
        _ => Weight::of(&context.body).translated(),
    }
}

impl ParsedBody {
    fn of(context: &RequestContext) -> ParsedBody {
        let invalid = |problem| RequestError::Invalid { path: "body".to_owned(), problem };
        let body = parsed_request::object(context.dialect, &context.scanned, &context.body).map_err(invalid);
        let model = context.model.as_deref().unwrap_or_default();
        match context.operation.kind {
            OperationKind::Chat | OperationKind::Responses => {
                let format = context.operation.format();
                let chat = body.and_then(|body| decode_request(format, &body, model, context.stream));
                ParsedBody::Chat(Box::new(chat))
            }
            _ => ParsedBody::Body(body),
        }
    }

    fn chat(&self, context: &RequestContext) -> Result<&chat::ChatRequest, RequestError> {
        match self {
            ParsedBody::Chat(chat) => chat.as_ref().as_ref().map_err(Clone::clone),
            ParsedBody::Body(_) => {
                Err(RequestError::Unsupported { field: context.operation.name.to_owned(), upstream: context.dialect })
            }
        }
    }

    fn body(&self, context: &RequestContext) -> Result<&JsonObject, String> {
        match self {
            ParsedBody::Body(Ok(body)) => Ok(body),
            ParsedBody::Body(Err(RequestError::Invalid { problem, .. })) => Err(problem.clone()),
            _ => Err(format!("{} has none", context.operation.name)),
        }
    }
}

/// A poisoned lock is no problem: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

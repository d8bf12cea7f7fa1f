//! A request in no dialect: read when somebody needs it, in room that was made for it before.

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
use crate::request::parsed_request::{self, LONGEST_NAME};
use crate::request::refusal::Refusal;

/// The request in no dialect, read when somebody needs it, in room that was made for it before.
#[derive(Debug)]
pub struct RequestTranslation {
    memory: Memory,
    /// What it may take, or that there is no room for so much.
    room: Mutex<Result<MemoryLease, NoRoom>>,
    read: RwLock<Option<ParsedBody>>,
    /// What it needs and targets cannot be told, as far as that was asked.
    unfit: Mutex<Vec<(FitKey, Option<String>)>>,
}

/// What was read of a body.
#[derive(Debug)]
pub enum ParsedBody {
    Chat(Box<Result<chat::ChatRequest, RequestError>>),
    /// Of what is no conversation: the body as JSON, each key once.
    Body(Result<JsonObject, RequestError>),
}

/// The field that no dialect can be told for want of room.
const NO_ROOM: &str = "a request of this size";

impl RequestTranslation {
    /// Of a request of which nothing is read yet.
    #[must_use]
    pub fn new(memory: &Memory) -> Self {
        RequestTranslation {
            memory: memory.clone(),
            room: Mutex::new(Ok(MemoryLease::default())),
            read: RwLock::default(),
            unfit: Default::default(),
        }
    }

    /// Makes room for what is going to be read, and waits for it a moment.
    pub async fn make_room(&self, context: &RequestContext) {
        if lock(&self.room).as_ref().is_ok_and(|held| held.bytes() > 0) {
            return;
        }
        let weight = self.memory.work(context.body.len(), || weight(context)).await;
        let held = self.memory.wait(weight, context.held.bytes()).await;
        *lock(&self.room) = held;
    }

    /// Whether there would be room if it were waited for.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        matches!(*lock(&self.room), Err(NoRoom::Now))
    }

    /// Why it can't be read, if there is no room.
    #[must_use]
    pub fn no_room(&self) -> Option<Refusal> {
        match lock(&self.room).as_ref().err()? {
            NoRoom::Now => Some(overloaded()),
            NoRoom::Ever { wanted, total } => {
                let mib = |bytes: &usize| bytes.div_ceil(1 << 20);
                let message = format!(
                    "to tell this request in another dialect may take {} MiB, and the gateway's memory allows {}; a \
                     provider of the caller's own dialect takes it as it is",
                    mib(wanted),
                    total >> 20
                );
                Some(Refusal::new(RefusalKind::RequestTooLarge, message))
            }
        }
    }

    /// Forgets what was read of a large body: it may be long until an answer begins, and is read again if another candidate
    /// has to be asked.
    pub fn let_go(&self, context: &RequestContext) {
        if context.body.len() >= LONG_WORK {
            *self.read.write() = None;
            *lock(&self.room) = Ok(MemoryLease::default());
        }
    }

    /// Room for an edit in the caller's own dialect.
    ///
    /// # Errors
    /// There is none now.
    pub fn hold(&self, context: &RequestContext, bytes: usize) -> Result<MemoryLease, RequestError> {
        self.memory.hold(bytes).map_err(|no_room| {
            *lock(&self.room) = Err(no_room);
            RequestError::Unsupported { field: NO_ROOM.to_owned(), upstream: context.dialect }
        })
    }

    /// The memory that it is held in.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// So many bytes of its room, for what is made of it.
    #[must_use]
    pub fn part(&self, bytes: usize) -> MemoryLease {
        lock(&self.room).as_mut().map(|room| room.part(bytes)).unwrap_or_default()
    }

    /// Does something with what was read, which is read first if it was not.
    ///
    /// # Errors
    /// There is no room to read it, or what `of` says.
    pub fn with<T>(
        &self,
        context: &RequestContext,
        of: impl FnOnce(&ParsedBody) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        {
            let mut room = lock(&self.room);
            if room.as_ref().is_ok_and(|held| held.bytes() == 0) {
                *room = self.memory.hold(weight(context));
            }
            if room.is_err() {
                return Err(RequestError::Unsupported { field: NO_ROOM.to_owned(), upstream: context.dialect });
            }
        }
        if let Some(read) = &*self.read.read() {
            return of(read);
        }
        let read = ParsedBody::of(context);
        let told = of(&read);
        *self.read.write() = Some(read);
        told
    }

    /// Does something with the conversation.
    ///
    /// # Errors
    /// What is wrong with it, for the caller.
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

    /// Where the conversation, as far as anybody tried to read it, is not one: the place in the
    /// body, and what is wrong there.
    pub fn problem(&self) -> Option<(String, String)> {
        match &*self.read.read() {
            Some(ParsedBody::Chat(chat)) => match &**chat {
                Err(RequestError::Invalid { path, problem }) => Some((path.clone(), problem.clone())),
                _ => None,
            },
            _ => None,
        }
    }

    /// What this request needs and a target cannot be told.
    pub fn unfit(&self, context: &RequestContext, target: &Target<'_>) -> Option<String> {
        if target.api.dialect == context.dialect {
            return None;
        }
        let key = target.fit_key();
        if let Some((_, lacks)) = lock(&self.unfit).iter().find(|(known, _)| *known == key) {
            return lacks.clone();
        }
        let lacks = match context.operation.kind {
            OperationKind::Chat | OperationKind::Embeddings => {
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

/// What it takes to read a body, and to tell it in another dialect.
fn weight(context: &RequestContext) -> usize {
    match context.operation.kind {
        OperationKind::Embeddings => Weight::of(&context.body).embedded(LONGEST_NAME),
        _ => Weight::of(&context.body).translated(),
    }
}

impl ParsedBody {
    fn of(context: &RequestContext) -> ParsedBody {
        let invalid = |problem| RequestError::Invalid { path: "body".to_owned(), problem };
        let body = parsed_request::object(context.dialect, &context.scanned, &context.body).map_err(invalid);
        let model = context.model.as_deref().unwrap_or_default();
        match context.operation.kind {
            OperationKind::Chat => {
                let chat = body.and_then(|body| decode_request(context.dialect.format(), &body, model, context.stream));
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

/// What is in it is whole: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

//! Two places where more can be attached: after a caller is known, and while an answer goes by.
//!
//! Nothing is installed by default, and then nothing is called: bytes of the same dialect stay
//! unparsed. Caches, content capture and guardrails attach here.

use std::fmt;
use std::sync::Arc;

use outrigger_llm::framing::sse;

pub use crate::pipeline::call::Call;
pub use crate::pipeline::refuse::Refusal;
use crate::telemetry::record::Record;

/// May read, edit or refuse a request whose caller is known.
pub trait OnRequest: Send + Sync {
    /// # Errors
    /// A [`Refusal`] ends the request; the caller is told.
    fn identified(&self, call: &mut Call) -> Result<(), Refusal>;
}

/// May read what goes back.
pub trait OnAnswer: Send + Sync {
    /// An event of a stream, as it came from the upstream.
    fn event(&self, call: &Call, event: &sse::Event);
    /// The end of a request.
    fn recorded(&self, record: &Record);
}

/// What is installed.
#[derive(Clone, Default)]
pub struct Hooks {
    pub on_request: Option<Arc<dyn OnRequest>>,
    pub on_answer: Option<Arc<dyn OnAnswer>>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("on_request", &self.on_request.is_some())
            .field("on_answer", &self.on_answer.is_some())
            .finish()
    }
}

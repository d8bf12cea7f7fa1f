//! Facts about each type of provider: a row of [`TYPES`].
//!
//! | file | holds |
//! |---|---|
//! | `table` | the rows |
//! | `api` | the API of a server: dialect, format, paths, framing |
//! | `url` | the layouts of paths |
//! | `auth` | the header that carries a credential |
//! | `cap_field` | the fields that limit the tokens of an answer |
//! | `quirks` | what a server accepts and refuses besides its format |
//! | `chat_quirks` | what it accepts and refuses of an OpenAI chat completion |
//! | `target` | a model of a provider, for which a request is written |

mod api;
mod auth;
mod cap_field;
mod chat_quirks;
mod quirks;
mod table;
mod target;
mod url;

pub use api::{Api, Apis, BEDROCK, BEDROCK_CLAUDE};
pub use auth::Auth;
pub use cap_field::CapField;
pub use chat_quirks::{AcceptedFields, ChatQuirks, ToolCallIds};
pub use quirks::{Quirks, StreamUsage};
pub use table::{TYPES, UNKNOWN};
pub use target::{FitKey, Target};
pub use url::UrlLayout;

use crate::Dialect;

/// A type of provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderType {
    /// As in `LLMProvider.spec.type`.
    pub name: &'static str,
    /// `None` for `Mock`, where it is a setting.
    pub api: Option<&'static Api>,
    /// Another API of the same server, for callers who speak it.
    pub own: Option<&'static Api>,
    /// Other APIs of the same server, by the word with which a model's name begins.
    pub by_model: &'static [(&'static str, &'static Api)],
    /// Its API if the provider's object names an API version.
    pub versioned: Option<&'static Api>,
    /// The default endpoint, including its version path.
    pub endpoint: Option<&'static str>,
    pub auth: Auth,
    /// Whether it works without a credential.
    pub keyless: bool,
    /// Whether it has OpenAI's Responses itself. Others get such a request as a conversation.
    pub responses: bool,
    /// Whether it reranks documents.
    pub reranks: bool,
    pub quirks: Quirks,
    /// Environment variables for a credential if there are no objects, in order of precedence.
    pub variables: &'static [&'static str],
}

impl ProviderType {
    /// Its APIs. `mock` is the dialect of a type that has no API of its own.
    #[must_use]
    pub fn apis(&self, mock: Dialect) -> Apis {
        Apis { usual: self.api.unwrap_or(Api::of(mock)), own: self.own, by_model: self.by_model }
    }
}

/// The type with this name.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static ProviderType> {
    TYPES.iter().find(|kind| kind.name == name)
}

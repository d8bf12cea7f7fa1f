//! What is known of each type of provider without asking it: a row of [`TYPES`].
//!
//! | file | holds |
//! |---|---|
//! | `table` | the rows |
//! | `api` | what a server speaks: dialect, format, paths, framing |
//! | `url` | the layouts of paths |
//! | `auth` | the header that carries a credential |
//! | `quirks` | what a server accepts and refuses beside its format |
//! | `target` | a model of a provider, for which a request is written |

mod api;
mod auth;
mod quirks;
mod table;
mod target;
mod url;

pub use api::Api;
pub use auth::Auth;
pub use quirks::{Quirks, StreamUsage};
pub use table::{TYPES, UNKNOWN};
pub use target::{FitKey, Target};
pub use url::UrlLayout;

/// A type of provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderType {
    /// As in `LLMProvider.spec.type`.
    pub name: &'static str,
    /// `None` for `Mock`, for which it is a setting.
    pub api: Option<&'static Api>,
    /// Where it answers unless the object says otherwise, its version path included.
    pub endpoint: Option<&'static str>,
    pub auth: Auth,
    /// Works without a credential.
    pub keyless: bool,
    pub quirks: Quirks,
    /// Variables in which a credential is looked for when there are no objects, in order.
    pub variables: &'static [&'static str],
}

/// The type of that name.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static ProviderType> {
    TYPES.iter().find(|kind| kind.name == name)
}

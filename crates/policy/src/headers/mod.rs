//! Which headers are forwarded between a caller and a provider, in each direction. The gateway and the rules use the
//! same table.
//!
//! Between a caller and a provider of the same dialect every header without a row is forwarded, including unknown ones.
//! Between dialects only headers with a row that allows it are forwarded.

mod index;
mod of_sessions;
mod table;

pub use index::row;
pub use of_sessions::{SESSION_HEADERS, SessionHeaderProblem, session_header_problem};
pub use table::TABLE;

use Group::Proxy;
use HeaderAction::Forward;

/// What happens to a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderAction {
    Forward,
    Drop,
    /// Forwarded only if it concerns no one but the caller: if no other credential could have been used.
    ForwardIfOnlyCredential,
}

/// A group of headers with the same purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Credential,
    Ours,
    Account,
    Hop,
    Message,
    Proxy,
    Browser,
    Page,
    Override,
    Google,
    Cloud,
    Trace,
    Baggage,
    RateLimit,
    Server,
    Kept,
}

/// The row of a group.
#[derive(Clone, Copy, Debug)]
pub struct HeaderRule {
    pub group: Group,
    /// In lower case. `name*` stands for every name that begins so, `*name` for every name that ends so and has no row
    /// of its own.
    pub names: &'static [&'static str],
    /// Towards a provider of the caller's dialect.
    pub up: HeaderAction,
    /// Towards a provider of another dialect.
    pub across: HeaderAction,
    /// Back from a provider of the caller's dialect. Nothing is forwarded back from another dialect.
    pub down: HeaderAction,
    /// Whether it is hidden from rules.
    pub hidden: bool,
    /// The reason, in words for the documentation.
    pub why: &'static str,
}

/// What happens to a caller's header towards a provider of the caller's dialect.
#[must_use]
pub fn up(name: &str) -> HeaderAction {
    row(name).map_or(Forward, |row| row.up)
}

/// The names of the caller's headers that are forwarded to a provider of another dialect.
pub fn up_across() -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(|row| row.across == Forward).flat_map(|row| row.names.iter().copied())
}

/// What happens to a provider's header towards a caller of its dialect.
#[must_use]
pub fn down(name: &str) -> HeaderAction {
    row(name).map_or(Forward, |row| row.down)
}

/// Whether a header is hidden from rules, because callers put credentials in it.
#[must_use]
pub fn is_hidden(name: &str) -> bool {
    row(name).is_some_and(|row| row.hidden)
}

/// Whether a header shows that a proxy forwarded the request.
#[must_use]
pub fn is_of_a_proxy(name: &str) -> bool {
    row(name).is_some_and(|row| row.group == Proxy)
}

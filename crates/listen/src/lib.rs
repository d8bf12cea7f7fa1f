//! A TCP port that anybody may connect to: accepting, bounds on how many connections there are, and an orderly end.
//!
//! ```text
//! listener ──► accept ──► Connections::enter: In, Crowded or Out
//!                │                 └──► too many: one that waits is told to go
//!                └──► Serve::serve ──► until_end: the connection ends, is told to go, or the port is closed
//! ```
//!
//! This crate knows no HTTP and no TLS. Who serves a connection says when a request begins ([`Peer::begins`]), and
//! may say when a head has begun ([`Peer::hears`]) and when an answer is not read ([`Peer::is_unread`]).

mod accept;
mod connections;
mod ending;

pub use accept::{Port, Serve, accept, drain};
pub use connections::{ConnectionLimits, Connections, Entry, Eviction, NEVER, Peer, Times, Underway};
pub use ending::until_end;

//! A TCP port that anybody may connect to: accepts connections, limits their number, and ends them in order.
//!
//! ```text
//! listener ──► accept ──► Connections::admit: Accepted, OverLimit or Rejected
//!                │                 └──► too many: one that waits is asked to close
//!                └──► Serve::serve ──► until_end: the connection ends, is asked to close, or the port is closed
//! ```
//!
//! This crate contains no HTTP and no TLS. The code that serves a connection records when a request begins
//! ([`Peer::begin_request`]), and optionally when part of a head arrives ([`Peer::bytes_received`]) and when an answer
//! is not read ([`Peer::set_unread`]).

mod accept;
mod connections;
mod ending;
mod limits;
mod peer;

pub use accept::{Port, Serve, accept, drain};
pub use connections::{AdmitResult, Connections};
pub use ending::until_end;
pub use limits::{ConnectionLimits, ConnectionTimeouts, Eviction, NEVER};
pub use peer::{ActiveRequest, Peer};

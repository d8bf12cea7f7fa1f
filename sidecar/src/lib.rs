//! The data plane: what stands beside an application and answers its SDK.
//!
//! The way of a request is in `pipeline.rs`, and each step is a file:
//! [`accept`] → [`identify`] → [`receive`] → [`hooks`] → [`decide`] → [`attempt`] (for each
//! candidate: [`reserve`], [`prepare`], send, classify) → [`relay`] → [`charge`] → [`record`].
//!
//! [`Gateway`] is what a binary embeds: it is given a policy document and the credentials, swaps
//! them while it serves, and never goes without the last good one. [`intake`] chooses among those that come as mounted
//! files, by the operator's [`stream`], and from the process before.

pub mod accept;
pub mod access;
mod accounts;
mod admin;
mod affinity;
pub mod asked;
mod attempt;
mod attend;
mod breaker;
mod call;
mod charge;
mod client_timeouts;
mod decide;
mod duration;
mod ending;
pub mod files;
pub mod follow;
mod gateway;
mod handle;
mod headers;
mod health;
mod held;
pub mod hooks;
mod hop;
pub mod identify;
pub mod intake;
mod limits;
mod listing;
mod mask;
mod memory;
pub mod metrics;
pub mod mock;
mod mounted;
mod origin;
mod pages;
mod pipeline;
mod prepare;
pub mod private;
pub mod probe;
mod query;
mod receive;
pub mod record;
pub mod refuse;
mod relay;
mod reply;
mod reserve;
mod retry;
mod secret;
mod served;
mod sockets;
mod spending;
mod status;
pub mod stream;
mod understand;
mod unread;
pub mod upstream;
pub mod worst;

pub use gateway::{Gateway, InstallError, Settings};
pub use origin::{Link, Origin};
pub use pages::PagesError;
pub use query::Query;
pub use secret::{Secret, Secrets};
pub use served::ServeError;
pub use status::{Rejected, Status};

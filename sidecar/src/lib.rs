//! The data plane: the gateway that runs beside an application and answers its SDK.
//!
//! The path of a request is in [`pipeline`], and each step is a file: [`accept`](server::accept) →
//! [`identify`](pipeline::identify) → `receive` → [`filter`] → `decide` → `attempt` (for each candidate: `reserve`,
//! `prepare`, send, classify) → `relay` → `charge` → [`record`](telemetry::record).
//!
//! A program embeds [`Gateway`]. It gets a policy document and the credentials, replaces them while it serves, and
//! keeps the last good ones. [`config::source`] chooses among the policies of mounted files, of the operator's
//! [`stream`](config::stream), and of the previous process.

pub mod access;
mod attempt;
mod completion;
pub mod config;
mod cost;
mod duration;
pub mod filter;
mod gateway;
mod memory;
pub mod pipeline;
mod relay;
pub mod request;
mod runtime;
pub mod server;
mod sockets;
pub mod telemetry;
pub mod upstream;

pub use config::status::Status;
pub use cost::worst_case;
pub use gateway::rejected::{Rejected, RejectedObject};
pub use gateway::{Gateway, InstallError, POLICIES, Settings};
pub use request::query::Query;
pub use runtime::address::Address;
pub use runtime::journal::JournalError;
pub use runtime::origin::{Link, PolicyOrigin};
pub use runtime::pod_identity::{AwsPodIdentity, PodIdentity};
pub use runtime::secret::{Secret, Secrets};
pub use runtime::serve_error::ServeError;
pub use upstream::mock;

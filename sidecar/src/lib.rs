//! The data plane: what stands beside an application and answers its SDK.
//!
//! The way of a request, one file a step:
//! [`accept`] → [`identify`] → [`receive`] → [`hooks`] → [`decide`] → [`attempt`] (for each
//! candidate: [`prepare`], send, classify) → [`relay`] → [`record`].
//!
//! [`Gateway`] is what a binary embeds: it is given a policy document and the credentials, swaps
//! them while it serves, and never goes without the last good one.

pub mod accept;
mod admin;
mod affinity;
mod attempt;
mod breaker;
mod call;
mod decide;
mod duration;
mod ending;
pub mod files;
pub mod follow;
mod gateway;
mod handle;
mod headers;
mod health;
pub mod hooks;
mod identify;
mod listing;
mod memory;
pub mod metrics;
pub mod mock;
mod prepare;
mod receive;
pub mod record;
mod refuse;
mod relay;
mod retry;
mod secret;
mod served;
mod understand;
pub mod upstream;

pub use gateway::{Gateway, InstallError, Settings, Status};
pub use secret::{Secret, Secrets};
pub use served::ServeError;

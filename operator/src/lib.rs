//! The control plane: from objects in a cluster to what gateways beside applications obey.
//!
//! Pure in the middle: [`names`], [`binding`], [`object`], [`reason`], [`verdict`], [`revision`] and what is built of
//! them take values and return values. What talks to a cluster, to gateways or to the API server's webhooks stands at
//! the rim.

pub mod admission;
pub mod api;
pub mod api_error;
pub mod binding;
pub mod certs;
pub mod generated;
pub mod health;
pub mod inject;
pub mod lead;
pub mod metrics;
pub mod names;
pub mod object;
pub mod pods;
pub mod queue;
pub mod reason;
pub mod revision;
pub mod serve;
pub mod settings;
pub mod stream;
pub mod verdict;
pub mod watch;

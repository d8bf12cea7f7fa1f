//! The control plane: from objects in a cluster to what gateways beside applications obey.
//!
//! Pure in the middle: [`names`], [`binding`], [`object`], [`reason`], [`verdict`], [`revision`] and what is built of
//! them take values and return values. What talks to a cluster, to gateways or to the API server's webhooks stands at
//! the rim.

pub mod admission;
pub mod answers;
pub mod api;
pub mod api_error;
pub mod apply;
pub mod bare;
pub mod binding;
pub mod caches;
pub mod certs;
pub mod events;
pub mod evict;
pub mod feed;
pub mod generated;
pub mod genuine;
pub mod good;
pub mod health;
pub mod index;
pub mod inject;
mod judge;
pub mod lead;
pub mod lists;
pub mod metrics;
pub mod names;
pub mod object;
pub mod owner;
mod patience;
pub mod plan;
pub mod pods;
mod prepare;
mod processor;
pub mod queue;
mod raises;
pub mod reason;
pub mod reconcile;
pub mod refs;
pub mod response;
pub mod revision;
pub mod run;
mod scope;
pub mod seal;
pub mod secrets;
pub mod serve;
pub mod settings;
pub mod sources;
pub mod status;
pub mod stream;
pub mod tell;
pub mod verdict;
pub mod version;
pub mod watch;
pub mod watchdog;
pub mod watches;
mod withdrawn;

//! The control plane: turns the objects in a cluster into the policies of gateways.
//!
//! [`objects`], [`state`] (except its caches), [`plan`] and the documents of [`status`] are pure: they take values and
//! return values. The other modules call the cluster or serve gateways and the API server's webhooks.

pub mod admission;
pub mod api;
pub mod apply;
pub mod attestation;
pub mod certs;
pub mod inject;
pub mod ledger;
pub mod metrics;
pub mod names;
pub mod objects;
pub mod plan;
pub mod reconcile;
pub mod repair;
pub mod run;
pub mod runtime;
pub mod seal;
pub mod server;
pub mod settings;
pub mod state;
pub mod status;
pub mod stream;
pub mod watch;

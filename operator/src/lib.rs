//! The control plane: from objects in a cluster to what gateways beside applications obey.
//!
//! Pure in the middle: [`objects`], [`state`] but for its caches, [`plan`] and the documents of [`status`] take values and
//! return values. What talks to a cluster, to gateways or to the API server's webhooks stands at the rim.

pub mod admission;
pub mod api;
pub mod apply;
pub mod attestation;
pub mod certs;
pub mod inject;
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

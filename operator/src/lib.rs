//! The control plane: from objects in a cluster to what gateways beside applications obey.
//!
//! Pure in the middle: [`names`], [`binding`], [`object`], [`reason`], [`verdict`], [`revision`] and what is built of
//! them take values and return values. What talks to a cluster, to gateways or to the API server's webhooks stands at
//! the rim.

pub mod admission;
pub mod binding;
pub mod inject;
pub mod names;
pub mod object;
pub mod reason;
pub mod revision;
pub mod settings;
pub mod verdict;

//! The objects that users write: `LLMProvider`, `VirtualKey`, `RoutingRule`, `Budget` and `ModelCatalog` of
//! `outrigger.dev/v1alpha1`; and `LedgerShard`, which the operator writes for itself.
//!
//! - The types ([`LlmProvider`], [`VirtualKey`], [`RoutingRule`], [`Budget`], [`ModelCatalog`]) and the
//!   [`definitions()`] that are generated from them and installed in a cluster (committed in `crds/yaml/`).
//! - [`validate`] checks one object as an API server with these definitions would, without a cluster. `outrigger check`
//!   and `outrigger run` call it.
//!
//! Doc comments on fields of the types become the descriptions in `kubectl explain`: write them for users.

pub mod budget;
pub mod catalog;
pub mod cloud;
pub mod credential;
pub mod definitions;
pub mod duration;
pub mod fail_open;
pub mod injection;
pub mod ledger_shard;
pub mod limits;
pub mod mock;
pub mod model;
pub mod price;
pub mod provider;
pub mod routing_rule;
pub mod rule_test;
pub mod schema;
pub mod selector;
pub mod shapes;
pub mod status;
pub mod upstream;
pub mod virtual_key;
pub mod weights;

pub use budget::{Budget, BudgetRef, BudgetSpec};
pub use catalog::{CatalogModel, ModelCatalog, ModelCatalogSpec};
pub use credential::{CredentialSource, CredentialSpec, SecretKeyRef};
pub use definitions::definitions;
pub use duration::GoDuration;
pub use fail_open::OnLedgerUnavailable;
pub use ledger_shard::{LedgerShard, LedgerShardSpec};
pub use limits::LimitsSpec;
pub use model::ProviderModel;
pub use price::PriceSpec;
pub use provider::{LlmProvider, LlmProviderSpec, LlmProviderType, WithoutKey};
pub use routing_rule::{OnErrorPolicy, RoutingRule, RoutingRuleSpec, RuleScope, RuleTarget};
pub use schema::{SchemaFinding, validate, with_defaults};
pub use selector::{AllowedNamespaces, LabelSelector, NamespacesFrom};
pub use status::{LedgerActionStatus, LimitStatus, LimitedStatus, ObjectStatus, RaisedLimit, Sidecars, WorkloadSpend};
pub use virtual_key::{KeyProviderSpec, ProviderRef, VirtualKey, VirtualKeySpec};
pub use weights::BalancePolicy;

/// The API group of every object in this crate.
pub const GROUP: &str = "outrigger.dev";
/// The only version that is served.
pub const VERSION: &str = "v1alpha1";

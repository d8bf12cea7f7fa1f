//! `LedgerShard`: a part of the ledger's accounts. Only the operator writes it.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest record, in bytes. The ledger keeps its own records below a tenth of it, so that every count always fits.
pub const RECORD_MAX: usize = 1_000_000;

/// Accounts of the ledger, in the format of the ledger.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "outrigger.dev",
    version = "v1alpha1",
    kind = "LedgerShard",
    plural = "ledgershards",
    namespaced,
    derive = "PartialEq",
    doc = "A LedgerShard stores a part of the ledger: what was spent, and what is granted to gateways. The operator writes it in its own namespace. Do not change or delete one: spent budgets would start again, or requests would be refused.",
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct LedgerShardSpec {
    /// The accounts, as JSON in a string, because an API server does not keep numbers this large exactly.
    #[schemars(length(max = RECORD_MAX))]
    pub record: String,
}

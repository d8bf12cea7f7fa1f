//! `LedgerShard`: a part of the ledger's accounts. The operator writes it, and nobody else.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest record, in bytes. The ledger keeps its own below a tenth of it: what was counted must always fit.
pub const RECORD_MAX: usize = 1_000_000;

/// Accounts of the ledger, as it writes them.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "outrigger.dev",
    version = "v1alpha1",
    kind = "LedgerShard",
    plural = "ledgershards",
    namespaced,
    derive = "PartialEq",
    doc = "A LedgerShard keeps a part of what was spent and of what gateways hold. The operator writes it in its own namespace. Whoever changes or deletes one changes what was spent: budgets begin anew, or are refused.",
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct LedgerShardSpec {
    /// The accounts, as JSON in a string: their numbers are larger than an API server keeps exactly.
    #[schemars(length(max = RECORD_MAX))]
    pub record: String,
}

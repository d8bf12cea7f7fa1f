//! Weights: how often one of several is chosen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The default weight.
pub(crate) fn one() -> i32 {
    1
}

/// How the next one is chosen among those that may serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BalancePolicy {
    /// Only by weight, however fast each of them is.
    #[default]
    Weighted,
    /// By weight, less often those that are slow at present.
    Adaptive,
}

//! Weights: how often one of several is chosen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a weight is when it isn't said.
pub(crate) fn one() -> i32 {
    1
}

/// How the next one is drawn among those that may serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BalancePolicy {
    /// By weight alone, however fast each of them is.
    #[default]
    Weighted,
    /// By weight, less for those that are slow at present.
    Adaptive,
}

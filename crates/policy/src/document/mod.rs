//! The policy as data: `compile` writes it and every gateway reads it.
//!
//! Names are those of users. Unknown fields are ignored, so that a gateway can read documents of a newer operator; if
//! ignoring a field would be wrong, [`FORMAT`] is raised.

mod destination;
mod filter;
mod key;
mod limits;
mod mock;
mod provider;
mod read;
mod rule;
mod write;

pub use filter::FilterDoc;
pub use key::{KeyDoc, KeyProviderDoc, OnHangUp, OnLimit, UnknownCostPolicy};
pub use limits::{
    AppliesDoc, BudgetDoc, FailOpenDoc, LimitDoc, LimitsDoc, SessionDoc, SessionLimitDoc, ThresholdAction,
    ThresholdDoc, Unit,
};
pub use mock::{FaultDoc, FaultKind, MockDoc, MockToolCall};
pub use provider::{
    AwsIdentityDoc, AzureDoc, Balance, BedrockDoc, CatalogueDoc, CredentialDoc, EntraDoc, ModelDoc, ProviderDoc,
    TimeoutsDoc, VertexDoc, WorkloadIdentityDoc,
};
pub use read::ReadError;
pub use rule::{OnError, RuleDoc, ScopeDoc, TargetDoc};
use serde::{Deserialize, Serialize};
pub use write::write_json;

use crate::index::{KeyIndex, ProviderIndex};

/// The format of documents whose limits each gateway enforces alone.
pub const FORMAT: u32 = 1;
/// The format of documents with shared limits. A gateway that knows only the previous format would ignore
/// [`Document::ledger`] and allow every limit in full, so it must refuse them.
pub const FORMAT_SHARED: u32 = 2;
/// The formats that this crate reads.
pub const FORMATS: [u32; 2] = [FORMAT, FORMAT_SHARED];

/// The policy of a gateway, without the values of credentials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub format: u32,
    /// Rises with every change, and never falls.
    pub sequence: u64,
    pub providers: Vec<ProviderDoc>,
    /// The keys that may be used here. Callers that send no key use `default_key`.
    pub keys: Vec<KeyDoc>,
    /// The key of callers that send none, as `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_key: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleDoc>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetDoc>,
    /// Facts about models, in addition to those of providers: the first catalogue that has a model takes precedence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catalogues: Vec<CatalogueDoc>,
    /// Filters that requests pass in this order, and answers in the opposite order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterDoc>,
    /// How limits are enforced.
    #[serde(default, skip_serializing_if = "LedgerDoc::is_own")]
    pub ledger: LedgerDoc,
    /// Who counts requests that run at once. A gateway that does not know this counts its own.
    #[serde(default, skip_serializing_if = "LedgerDoc::is_own")]
    pub concurrency: LedgerDoc,
    /// Names of objects that these keys can't use.
    #[serde(default, skip_serializing_if = "OthersDoc::is_empty")]
    pub others: OthersDoc,
}

/// How limits are enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LedgerDoc {
    /// Each gateway enforces every limit alone, in full.
    #[default]
    Own,
    /// The operator's ledger grants each gateway a share, by its stream. Such a document has the format
    /// [`FORMAT_SHARED`].
    Shared,
}

impl LedgerDoc {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_own(&self) -> bool {
        *self == LedgerDoc::Own
    }
}

impl Document {
    /// The same document with shared limits: a gateway serves only what the ledger grants it. A gateway that can't do
    /// so refuses the document.
    pub fn shared(self) -> Document {
        Document { format: FORMAT_SHARED, ledger: LedgerDoc::Shared, concurrency: LedgerDoc::Shared, ..self }
    }

    /// The document of a provider in the policy.
    #[must_use]
    pub fn provider(&self, index: ProviderIndex) -> Option<&ProviderDoc> {
        self.providers.get(usize::from(index))
    }

    /// The document of a key in the policy.
    #[must_use]
    pub fn key(&self, index: KeyIndex) -> Option<&KeyDoc> {
        self.keys.get(usize::from(index))
    }
}

/// Names of objects that the keys of a policy can't use, for error messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OthersDoc {
    /// LLMProviders: a model's name may begin with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// Some VirtualKeys of the namespace, if callers that send no key have none here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

impl OthersDoc {
    /// Whether there are no names.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == OthersDoc::default()
    }
}

fn yes() -> bool {
    true
}

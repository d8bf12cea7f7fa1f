//! The policy as data: what `compile` writes and every gateway reads.
//!
//! Names are the users' own. Unknown fields are ignored, so that a gateway can read what a newer
//! operator writes; [`FORMAT`] is raised when that would be wrong.

mod filter;
mod goes;
mod limits;
mod mock;
mod read;

use std::collections::BTreeMap;

pub use filter::FilterDoc;
pub use limits::{AppliesDoc, BudgetDoc, LimitDoc, LimitsDoc, ThresholdAction, ThresholdDoc, Unit};
pub use mock::{FaultDoc, FaultKind, MockDoc, MockToolCall};
use outrigger_core::{ObjectRef, SecretRef};
pub use read::ReadError;
use serde::{Deserialize, Serialize};

use crate::index::{EntryIndex, KeyIndex, ProviderIndex};
use crate::prices::Price;

/// The format of documents whose limits each gateway grants itself.
pub const FORMAT: u32 = 1;
/// The format of documents whose limits are shared. A gateway that reads only the one before would pass over
/// [`Document::ledger`] and grant itself every limit in full, so it must refuse them.
pub const FORMAT_SHARED: u32 = 2;
/// The formats this crate reads.
pub const FORMATS: [u32; 2] = [FORMAT, FORMAT_SHARED];

/// Everything that a gateway obeys, but for the credentials themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub format: u32,
    /// Rises with every change; never goes back.
    pub sequence: u64,
    pub providers: Vec<ProviderDoc>,
    /// The keys that may be used here. Callers that name none get `default_key`.
    pub keys: Vec<KeyDoc>,
    /// The key of callers that name none, as `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_key: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleDoc>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetDoc>,
    /// What is known of models beside what providers say: the first that knows one takes precedence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catalogues: Vec<CatalogueDoc>,
    /// What requests pass, in this order, and their answers in the opposite one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterDoc>,
    /// Who grants what the limits allow.
    #[serde(default, skip_serializing_if = "LedgerDoc::is_own")]
    pub ledger: LedgerDoc,
    /// What is there beside, and out of reach of these keys.
    #[serde(default, skip_serializing_if = "OthersDoc::is_empty")]
    pub others: OthersDoc,
}

/// Who grants what limits allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LedgerDoc {
    /// Each gateway grants itself every limit in full.
    #[default]
    Own,
    /// The operator's ledger grants each gateway a share, by its stream. A document that says so has the format
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
    /// The same with its limits shared: a gateway serves them from what the ledger grants, and one that can't do so
    /// refuses the document.
    #[must_use]
    pub fn shared(self) -> Document {
        Document { format: FORMAT_SHARED, ledger: LedgerDoc::Shared, ..self }
    }

    /// What a provider of the policy was built from.
    #[must_use]
    pub fn provider(&self, index: ProviderIndex) -> Option<&ProviderDoc> {
        self.providers.get(usize::from(index))
    }

    /// What a key of the policy was built from.
    #[must_use]
    pub fn key(&self, index: KeyIndex) -> Option<&KeyDoc> {
        self.keys.get(usize::from(index))
    }
}

impl KeyDoc {
    /// What an entry of the key was built from.
    #[must_use]
    pub fn entry(&self, index: EntryIndex) -> Option<&KeyProviderDoc> {
        self.providers.get(usize::from(index))
    }
}

/// Names of what the keys of a policy can't use, so that whoever names it is told so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OthersDoc {
    /// LLMProviders: in front of a model's name they are providers all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// VirtualKeys that there are, where none is here for callers that name none: some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

impl OthersDoc {
    /// Whether there is nothing beside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == OthersDoc::default()
    }
}

/// A `ModelCatalog`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueDoc {
    pub namespace: String,
    pub name: String,
    /// It stands in the operator's namespace: providers of every namespace are told by it.
    #[serde(default)]
    pub everywhere: bool,
    pub models: Vec<ModelDoc>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Balance {
    /// By weight, whatever the health.
    #[default]
    Weighted,
    /// By weight, scaled by how fast each has been.
    Adaptive,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderDoc {
    pub namespace: String,
    pub name: String,
    /// As in `LLMProvider.spec.type`: `OpenAI`, `vLLM`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The type's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialDoc>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelDoc>,
    /// Only the models named in `models`.
    #[serde(default)]
    pub exclusive: bool,
    #[serde(default)]
    pub suspended: bool,
    #[serde(default)]
    pub timeouts: TimeoutsDoc,
    /// What credentials share when they belong to one account with the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default)]
    pub balance: Balance,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Its credentials may be sent without TLS from pods of other namespaces.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clear_text_credentials: bool,
    #[serde(default)]
    pub prewarm: bool,
    /// Certificate authorities to trust, PEM, in place of the public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The proxy that is asked for a way to the endpoint: `http://HOST:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// `LLMProvider.spec.mock`, as it stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mock: Option<MockDoc>,
    /// The account's, shared by all who use it here.
    #[serde(default, skip_serializing_if = "LimitsDoc::is_empty")]
    pub limits: LimitsDoc,
    /// What models cost that have no price of their own anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_price: Option<Price>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialDoc {
    pub name: String,
    pub weight: u32,
    /// Globs; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    #[serde(default)]
    pub suspended: bool,
    pub secret: SecretRef,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelDoc {
    pub name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// Words of [`outrigger_core::Capability`]; absent means what the catalogue says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// Milliseconds; absent means the default of the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutsDoc {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<u64>,
    /// One attempt; absent means its share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDoc {
    pub namespace: String,
    pub name: String,
    pub providers: Vec<KeyProviderDoc>,
    #[serde(default)]
    pub balance: Balance,
    /// Globs; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Whether answers of the OpenAI dialect carry `extra_fields`.
    pub extra_fields: bool,
    /// SHA-256, lower-case hex, of tokens that select this key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    #[serde(default, skip_serializing_if = "LimitsDoc::is_empty")]
    pub limits: LimitsDoc,
    /// The Budgets that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<ObjectRef>,
    /// No answer of this key's is longer: the gateway writes a cap where the caller's is higher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// No cap that the gateway writes is lower than this; absent means 1,024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_output_tokens: Option<u32>,
    /// Whether the gateway may write a cap where the caller set none.
    #[serde(default = "yes")]
    pub cap_output: bool,
    #[serde(default)]
    pub on_limit: OnLimit,
    /// Under a money budget: models without a price.
    #[serde(default)]
    pub unpriced: Unknown,
    /// Under a money budget: operations whose cost nobody can tell.
    #[serde(default)]
    pub unmetered: Unknown,
    #[serde(default)]
    pub on_hang_up: OnHangUp,
    /// Callers must send its name or a token of it, also where it is the default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_be_named: bool,
    #[serde(default)]
    pub suspended: bool,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Names of service accounts whose pods alone may use it; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_accounts: Option<Vec<String>>,
    /// Stands for callers of a place without a VirtualKey; there is no such object.
    #[serde(default)]
    pub keyless: bool,
}

/// When a provider's own budget or limit is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnLimit {
    /// The next candidate is asked.
    #[default]
    NextProvider,
    /// The request is refused.
    Reject,
}

/// What becomes of a request whose cost is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unknown {
    #[default]
    Refuse,
    /// Served, and counted as free.
    Allow,
}

/// When a caller goes away in mid-answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnHangUp {
    /// The upstream is cancelled, after a moment in which its usage may still come.
    #[default]
    Cancel,
    /// The answer is read to its end.
    Drain,
}

/// A provider as a key knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyProviderDoc {
    /// What pins, rules and headers say.
    pub name: String,
    pub provider: ObjectRef,
    pub weight: u32,
    /// Globs; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Names of the provider's credentials; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<String>,
    /// The key's own, for this provider.
    #[serde(default, skip_serializing_if = "LimitsDoc::is_empty")]
    pub limits: LimitsDoc,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleDoc {
    pub namespace: String,
    pub name: String,
    /// Lower first.
    pub priority: i32,
    /// Seconds since 1970; the older rule wins a tie.
    #[serde(default)]
    pub created: i64,
    pub scope: ScopeDoc,
    /// CEL; absent means always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    pub targets: Vec<TargetDoc>,
    /// `provider/model`, or a provider alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
    #[serde(default)]
    pub on_error: OnError,
    /// It stands in the operator's namespace, and acts on every key, after the namespace's own rules.
    #[serde(default)]
    pub everywhere: bool,
    /// Where set, what matches is refused, with this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject: Option<String>,
    /// Look again with the model of the target that was drawn, at most 10 times.
    #[serde(default)]
    pub chain: bool,
    /// Decide and record, and do nothing.
    #[serde(default)]
    pub shadow: bool,
}

/// Whom a rule concerns: the narrower, the earlier it is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScopeDoc {
    /// Keys of the rule's own namespace, by name.
    VirtualKeys(Vec<String>),
    Team(String),
    Customer(String),
    /// Every key of the rule's namespace.
    #[default]
    Namespace,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetDoc {
    pub provider: String,
    /// The model that was asked for when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub weight: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// What an expression that fails at run time means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    /// No match; counted and told.
    #[default]
    Skip,
    Refuse,
}

fn yes() -> bool {
    true
}

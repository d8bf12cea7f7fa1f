//! The policy as data: `compile` writes it and every gateway reads it.
//!
//! Names are those of users. Unknown fields are ignored, so that a gateway can read documents of a newer operator; if
//! ignoring a field would be wrong, [`FORMAT`] is raised.

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
        Document { format: FORMAT_SHARED, ledger: LedgerDoc::Shared, ..self }
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

impl KeyDoc {
    /// The document of an entry of the key.
    #[must_use]
    pub fn entry(&self, index: EntryIndex) -> Option<&KeyProviderDoc> {
        self.providers.get(usize::from(index))
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

/// A `ModelCatalog`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueDoc {
    pub namespace: String,
    pub name: String,
    /// Whether it applies to providers of every namespace, because it is in the operator's namespace.
    #[serde(default)]
    pub everywhere: bool,
    pub models: Vec<ModelDoc>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Balance {
    /// By weight, regardless of speed and failures.
    #[default]
    Weighted,
    /// By weight, scaled by speed and failures.
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
    /// Absent: the default of the type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialDoc>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelDoc>,
    /// Whether it serves only the models in `models`.
    #[serde(default)]
    pub exclusive: bool,
    #[serde(default)]
    pub suspended: bool,
    #[serde(default)]
    pub timeouts: TimeoutsDoc,
    /// The account that its credentials share, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default)]
    pub balance: Balance,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Whether its credentials may be sent without TLS from pods of other namespaces.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clear_text_credentials: bool,
    #[serde(default)]
    pub prewarm: bool,
    /// Certificate authorities to trust, PEM, in place of the public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The proxy through which the endpoint is reached: `http://HOST:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// From `LLMProvider.spec.mock`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mock: Option<MockDoc>,
    /// Limits of the provider, shared by everyone who uses it here.
    #[serde(default, skip_serializing_if = "LimitsDoc::is_empty")]
    pub limits: LimitsDoc,
    /// The price of models that have no other price.
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
    /// Names of [`outrigger_core::Capability`]; absent means those in a catalogue.
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
    /// One attempt; absent means its share of the total.
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
    /// Whether answers in OpenAI's format contain `extra_fields`.
    pub extra_fields: bool,
    /// SHA-256, lower-case hex, of tokens that select this key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    #[serde(default, skip_serializing_if = "LimitsDoc::is_empty")]
    pub limits: LimitsDoc,
    /// The Budgets that it refers to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<ObjectRef>,
    /// The most output tokens of an answer: the gateway lowers a higher limit of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// The lowest limit of output tokens that the gateway sets; absent means 1,024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_output_tokens: Option<u32>,
    /// Whether the gateway may set a limit of output tokens if the caller set none.
    #[serde(default = "yes")]
    pub cap_output: bool,
    #[serde(default)]
    pub on_limit: OnLimit,
    /// Under a budget in money: models without a price.
    #[serde(default)]
    pub unpriced: Unknown,
    /// Under a budget in money: operations whose cost can't be determined.
    #[serde(default)]
    pub unmetered: Unknown,
    #[serde(default)]
    pub on_hang_up: OnHangUp,
    /// Whether callers must send its name or a token of it, even if it is the default.
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
    /// Names of the service accounts whose pods may use it; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_accounts: Option<Vec<String>>,
    /// Whether it is the key of callers without a VirtualKey; there is no object for it.
    #[serde(default)]
    pub keyless: bool,
}

/// What to do if a provider's own budget or limit is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnLimit {
    /// Try the next candidate.
    #[default]
    NextProvider,
    /// Refuse the request.
    Reject,
}

/// What to do with a request whose cost is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unknown {
    #[default]
    Refuse,
    /// Serve it, and count it as free.
    Allow,
}

/// What to do if a caller disconnects before the end of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnHangUp {
    /// Cancel the upstream request, after a short time in which its usage may still arrive.
    #[default]
    Cancel,
    /// Read the answer to its end.
    Drain,
}

/// A provider in a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyProviderDoc {
    /// The name in requests, rules and headers.
    pub name: String,
    pub provider: ObjectRef,
    pub weight: u32,
    /// Globs; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Names of the provider's credentials; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<String>,
    /// The key's own limits for this provider.
    #[serde(default, skip_serializing_if = "LimitsDoc::is_empty")]
    pub limits: LimitsDoc,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleDoc {
    pub namespace: String,
    pub name: String,
    /// Lower numbers are evaluated first.
    pub priority: i32,
    /// Seconds since 1970; of two rules with the same priority, the older is first.
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
    /// Whether it applies to every key, after the rules of the key's namespace, because it is in the operator's
    /// namespace.
    #[serde(default)]
    pub everywhere: bool,
    /// If set, matching requests are refused with this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject: Option<String>,
    /// Whether to evaluate the rules again with the model of the chosen target, at most 10 times.
    #[serde(default)]
    pub chain: bool,
    /// Whether the decision is only recorded.
    #[serde(default)]
    pub shadow: bool,
}

/// The keys that a rule applies to. Rules with a narrower scope are evaluated first.
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
    /// Absent: the model in the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub weight: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// What to do if an expression fails at run time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    /// The rule does not match; the failure is counted and reported.
    #[default]
    Skip,
    Refuse,
}

fn yes() -> bool {
    true
}

//! Keys, and the providers that they may use.

use outrigger_core::ObjectRef;
use serde::{Deserialize, Serialize};

use super::{Balance, FailOpenDoc, LimitsDoc, SessionDoc};
use crate::index::EntryIndex;

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
    /// For these, and for those at its providers, while the ledger can't be reached; absent: nothing passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_open: Option<FailOpenDoc>,
    /// Limits on each of its sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionDoc>,
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
    #[serde(default = "super::yes")]
    pub cap_output: bool,
    #[serde(default)]
    pub on_limit: OnLimit,
    /// Under a budget in money: models without a price.
    #[serde(default)]
    pub unpriced: UnknownCostPolicy,
    /// Under a budget in money: operations whose cost can't be determined.
    #[serde(default)]
    pub unmetered: UnknownCostPolicy,
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

impl KeyDoc {
    /// The document of an entry of the key.
    #[must_use]
    pub fn entry(&self, index: EntryIndex) -> Option<&KeyProviderDoc> {
        self.providers.get(usize::from(index))
    }
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
pub enum UnknownCostPolicy {
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

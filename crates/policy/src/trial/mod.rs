//! Tests of rules: a situation, a request, and the expected result.

mod given;
mod run;
mod why;
mod work;

use std::collections::BTreeMap;

use outrigger_core::ObjectRef;

pub use given::limit_named;
pub use run::{TrialOutcome, decided, run, run_within};
pub use work::TrialWork;

/// One test of a rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    pub rule: ObjectRef,
    /// Its index in `spec.tests` of the rule.
    pub index: usize,
    pub name: String,
    pub given: Given,
    pub request: TrialRequest,
    pub expect: Expect,
}

/// The situation of a test. By default everything is healthy, and nothing is spent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// Unhealthy providers, by the key's names for them.
    pub unhealthy: Vec<String>,
    /// How far limits are used, in percent: by a Budget's name, or `limits.budgets[month]`,
    /// `providers[openai].limits.requests[hour]` of the key.
    pub spent: BTreeMap<String, u32>,
    /// Milliseconds since 1970.
    pub time: Option<i64>,
    /// The labels of the pod.
    pub labels: BTreeMap<String, String>,
    pub workload: Option<String>,
}

/// The request of a test.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrialRequest {
    /// The key: one in the rule's scope by name; absent: the first one, ordered by name.
    pub key: Option<String>,
    pub model: Option<String>,
    /// A type as in rules; absent: `chat_completion`.
    pub request_type: Option<String>,
    /// Names are not case-sensitive.
    pub headers: BTreeMap<String, String>,
    pub params: BTreeMap<String, String>,
    pub fallbacks: Option<Vec<String>>,
    pub input_tokens: Option<u64>,
    /// Names of [`outrigger_core::Capability`].
    pub needs: Vec<String>,
}

/// The expected result. All fields must match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// The first candidate's provider; if several are possible, the one with the largest weight.
    pub provider: Option<String>,
    /// Providers or `provider/model`: the first candidate is one of these, whatever is chosen at random.
    pub any_of: Vec<String>,
    /// How often each provider or `provider/model` is first, in percent, within 3 points.
    pub shares: BTreeMap<String, u32>,
    pub model: Option<String>,
    /// The rule that decides; empty: none.
    pub rule: Option<String>,
    /// Providers or `provider/model`, in the order of attempts after the first.
    pub fallbacks: Option<Vec<String>>,
    /// The type of the refusal: `budget_exceeded`.
    pub refused: Option<String>,
}

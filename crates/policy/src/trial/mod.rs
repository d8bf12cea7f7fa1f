//! The tests that a rule brings along: a request, what is given of the world, and what must come of it.

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
    /// Place in `spec.tests` of the rule.
    pub index: usize,
    pub name: String,
    pub given: Given,
    pub request: TrialRequest,
    pub expect: Expect,
}

/// The world of a test. What is not said is well: healthy, and nothing spent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// Providers that are down, by the key's names for them.
    pub unhealthy: Vec<String>,
    /// How far limits are used, in per cent: by a Budget's name, or `limits.budgets[month]`,
    /// `providers[openai].limits.requests[hour]` of the key.
    pub spent: BTreeMap<String, u32>,
    /// Milliseconds since 1970.
    pub time: Option<i64>,
    /// The pod's labels.
    pub labels: BTreeMap<String, String>,
    pub workload: Option<String>,
}

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrialRequest {
    /// Whose: a key of the rule's scope by name; absent: the first one, in order of names.
    pub key: Option<String>,
    pub model: Option<String>,
    /// As in rules; absent: `chat_completion`.
    pub request_type: Option<String>,
    /// In any case.
    pub headers: BTreeMap<String, String>,
    pub params: BTreeMap<String, String>,
    pub fallbacks: Option<Vec<String>>,
    pub input_tokens: Option<u64>,
    /// Words of [`outrigger_core::Capability`].
    pub needs: Vec<String>,
}

/// What must come of it. Everything that is said must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// The first candidate's provider; of several that may be drawn the heaviest.
    pub provider: Option<String>,
    /// Providers or `provider/model`: whatever is drawn, the first candidate is one of these.
    pub any_of: Vec<String>,
    /// How often each provider or `provider/model` is first, in per cent, within 3.
    pub shares: BTreeMap<String, u32>,
    pub model: Option<String>,
    /// The rule that decides; empty: none.
    pub rule: Option<String>,
    /// Providers or `provider/model`, in the order in which they are to be tried after the first.
    pub fallbacks: Option<Vec<String>>,
    /// The type of the refusal: `budget_exceeded`.
    pub refused: Option<String>,
}

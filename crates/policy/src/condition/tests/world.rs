//! The requests for the expressions of these tests.

use outrigger_core::{Capabilities, RequestType, Window};

use crate::condition::{ConditionCost, EvaluationBudget, Stop, Value, bounds, code::Code, evaluate};
use crate::decision::Skip;
use crate::document::{Document, FORMAT, KeyDoc, LimitDoc, LimitsDoc};
use crate::index::{KeyIndex, LimitIndex};
use crate::policy::{Credential, Policy, Provider};
use crate::request::values::{RequestTarget, RequestValues};
use crate::request::{Draw, GatewayState, Pace, Request};

/// A request, with everything that rules can read.
pub(super) struct World {
    policy: Policy,
    pub headers: Vec<(String, String)>,
    pub params: Vec<(String, String)>,
    pub labels: Vec<(String, String)>,
    pub model: String,
    pub needs: Capabilities,
}

/// The result of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Came {
    Bool(bool),
    /// A value of another type.
    Other(String),
    Missing,
    Failed,
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl World {
    pub(super) fn ordinary() -> Self {
        World {
            policy: policy("search"),
            headers: pairs(&[
                ("x-tier", "premium"),
                ("x-n", "42"),
                ("x-twice", "a"),
                ("x-twice", "b"),
                ("x-empty", ""),
            ]),
            params: pairs(&[("api-version", "v1"), ("b", "2")]),
            labels: pairs(&[("app", "search"), ("x-tier", "premium")]),
            model: "gpt-4o".to_owned(),
            needs: Capabilities::TOOLS | Capabilities::VISION,
        }
    }

    /// The largest request that rules can read.
    pub(super) fn largest() -> Self {
        let value = "v".repeat(bounds::VALUE - 1);
        let name = |index: usize| format!("x-{index:03}");
        let many = |long: usize| {
            let value = |index: usize| if index < long { value.clone() } else { format!("{index}") };
            (0..bounds::ENTRIES).map(|index| (name(index), value(index))).collect::<Vec<_>>()
        };
        World {
            policy: policy(&"k".repeat(500)),
            headers: many(7),
            params: many(7),
            labels: many(7),
            model: "m".repeat(bounds::TEXT),
            needs: Capabilities::TOOLS | Capabilities::VISION,
        }
    }

    pub(super) fn ask<T>(&self, ask: impl FnOnce(&RequestValues<'_>) -> T) -> T {
        let request = Request {
            key: KeyIndex::from(0),
            request_type: RequestType::ChatCompletionStream,
            model: Some(&self.model),
            provider: None,
            fallbacks: None,
            credential: None,
            headers: &self.headers,
            params: &self.params,
            draw: Draw::Likeliest,
            stay: None,
            state: self,
        };
        let asking = RequestTarget { provider: "a", entry: None, model: &self.model };
        ask(&RequestValues::new(&self.policy, &self.policy.keys[KeyIndex::from(0)], asking, &request))
    }

    /// The result and its cost, in steps and bytes.
    pub(super) fn evaluate(&self, code: &Code) -> (Result<Came, Stop>, ConditionCost) {
        self.ask(|inputs| {
            let mut budget = EvaluationBudget::of_a_request();
            budget.begin();
            let came = match evaluate(code, inputs, &mut budget) {
                Ok(Value::Bool(value)) => Ok(Came::Bool(value)),
                Ok(other) => Ok(Came::Other(other.kind().to_owned())),
                Err(Stop::Missing) => Ok(Came::Missing),
                Err(Stop::Failed(failure)) => {
                    assert!(!failure.to_string().contains('\n'));
                    Ok(Came::Failed)
                }
                Err(stop) => Err(stop),
            };
            let (steps, bytes) = budget.used();
            (came, ConditionCost { steps: steps.into(), bytes: bytes.into() })
        })
    }
}

fn policy(name: &str) -> Policy {
    let half = |name: &str| LimitDoc { name: name.to_owned(), max: 2, window: Window::Lifetime };
    let key = KeyDoc {
        limits: LimitsDoc {
            budgets: vec![half("sample")],
            requests: vec![half("sample")],
            tokens: vec![half("sample")],
            concurrent_requests: None,
        },
        namespace: "default".to_owned(),
        name: name.to_owned(),
        team: Some("red".to_owned()),
        customer: Some("acme".to_owned()),
        ..KeyDoc::default()
    };
    Policy::build(Document { format: FORMAT, keys: vec![key], ..Document::default() }).unwrap()
}

impl GatewayState for World {
    fn unfit(&self, _: &Provider, _: &str) -> Option<String> {
        None
    }

    fn gate(&self, _: &Provider, _: Option<&Credential>, _: &str) -> Option<Skip> {
        None
    }

    fn pace(&self, _: &Provider, _: Option<&Credential>, _: &str) -> Option<Pace> {
        None
    }

    fn used(&self, _: LimitIndex) -> u64 {
        1
    }

    fn input_tokens(&self) -> u64 {
        7_999
    }

    fn needs(&self) -> Capabilities {
        self.needs
    }

    fn workload(&self) -> &str {
        "search-7f"
    }

    fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    fn now(&self) -> i64 {
        1_795_627_815_250
    }

    fn knows(&self, variable: &str) -> bool {
        variable != "customer_id"
    }
}

//! Evaluates a condition on a sample of each request type, before the first request.

use outrigger_core::{Capabilities, RequestType, Window};

use crate::condition::EvaluationBudget;
use crate::decision::Skip;
use crate::document::{Document, FORMAT, KeyDoc, LimitDoc, LimitsDoc, SessionDoc, SessionLimitDoc};
use crate::index::{KeyIndex, LimitIndex};
use crate::policy::{Credential, Policy, Provider};
use crate::request::values::{RequestTarget, RequestValues};
use crate::request::{Draw, GatewayState, Pace, Request};
use crate::rules::expression::{Expression, ExpressionError};

/// The state of an ordinary request. Numbers are not 0, so that a division by them does not fail.
struct Sample;

impl GatewayState for Sample {
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
        1_000
    }

    fn needs(&self) -> Capabilities {
        Capabilities::TOOLS
    }

    fn workload(&self) -> &str {
        "sample"
    }

    fn now(&self) -> i64 {
        1_780_315_200_000
    }
}

impl Expression {
    /// See [`Expression::try_on_samples`].
    pub(crate) fn on_samples(&self) -> Result<(), (&'static str, ExpressionError)> {
        let half = |name: &str| LimitDoc { name: name.to_owned(), max: 2, window: Window::Lifetime };
        let key = KeyDoc {
            limits: LimitsDoc {
                budgets: vec![half("sample")],
                requests: vec![half("sample")],
                tokens: vec![half("sample")],
                concurrent_requests: None,
            },
            session: Some(SessionDoc {
                requests: vec![SessionLimitDoc { name: "sample".to_owned(), max: 2 }],
                ..SessionDoc::default()
            }),
            namespace: "default".to_owned(),
            name: "sample".to_owned(),
            team: Some("sample".to_owned()),
            customer: Some("sample".to_owned()),
            ..KeyDoc::default()
        };
        // A document with one key and no references is always valid.
        let Ok(policy) = Policy::build(Document { format: FORMAT, keys: vec![key], ..Document::default() }) else {
            return Ok(());
        };
        let Some(key) = policy.keys.first() else { return Ok(()) };
        for request_type in RequestType::ALL {
            let request = Request {
                key: KeyIndex::from(0),
                request_type,
                model: Some("sample"),
                provider: None,
                fallbacks: None,
                credential: None,
                headers: &[],
                params: &[],
                draw: Draw::Random(0),
                stay: None,
                state: &Sample,
            };
            let asking = RequestTarget { provider: "", entry: None, model: "sample" };
            let inputs = RequestValues::new(&policy, key, asking, &request);
            self.holds(&inputs, &mut EvaluationBudget::of_a_request()).map_err(|error| (request_type.name(), error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_find_errors_that_compiling_does_not() {
        for (source, fails) in [
            (r#"headers["x-tier"] == "premium""#, None),
            (r#"model.startsWith("gpt") && request_type != "embedding""#, None),
            (r#"request_type == "embedding" && model.size()"#, Some("embedding")),
            ("budget_used > 85 && tokens_used < 90.5 || request >= 100", None),
            ("8000 / input_tokens > 2 && 'Vision' in needs", None),
            ("labels['app'] == 'search' && workload != ''", None),
            ("now.getHours('Europe/Paris') >= 18 || now.getDayOfWeek() in [0, 6]", None),
            ("now < timestamp('2027-01-01T00:00:00Z')", None),
            ("now > 5", Some("chat_completion")),
            ("now.getHours(5) > 18", Some("chat_completion")),
            ("now < timestamp('tomorrow')", Some("chat_completion")),
            ("now", Some("chat_completion")),
            ("budget_used == 'all'", None),
            ("budget_used + 1 > 5", Some("chat_completion")),
            ("labels > 5", Some("chat_completion")),
            ("model", Some("chat_completion")),
            ("model < 3", Some("chat_completion")),
        ] {
            let got = Expression::compile(source).unwrap().try_on_samples();
            assert_eq!(got.as_ref().err().map(|(request_type, _)| *request_type), fails, "{source}: {got:?}");
        }
    }
}

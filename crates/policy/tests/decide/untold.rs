//! Requests with unknown data, such as those that are decided again from records.

use outrigger_policy::{Credential, GatewayState, Pace, Provider, Request, RuleIndex, Skip, decide};

use crate::world::*;

/// A state in which the headers of the request are unknown.
struct NoHeaders;

impl GatewayState for NoHeaders {
    fn unfit(&self, _: &Provider, _: &str) -> Option<String> {
        None
    }

    fn gate(&self, _: &Provider, _: Option<&Credential>, _: &str) -> Option<Skip> {
        None
    }

    fn pace(&self, _: &Provider, _: Option<&Credential>, _: &str) -> Option<Pace> {
        None
    }

    fn knows(&self, variable: &str) -> bool {
        variable != "headers"
    }
}

#[test]
fn a_condition_on_unknown_data_fails_unless_the_rest_decides() {
    for (when, decides, fails) in [
        (r#"headers["x-a"] == "1""#, false, true),
        (r#"!(headers["x-a"] == "1")"#, false, true),
        ("has(headers.x)", false, true),
        (r#"headers.exists(name, name == "x-a")"#, false, true),
        (r#"headers["x-a"] == "1" && model == "other""#, false, false),
        (r#"model == "other" && headers["x-a"] == "1""#, false, false),
        (r#"headers["x-a"] == "1" || model == "gpt-4o""#, true, false),
        (r#"headers["x-a"] == "1" || model == "other""#, false, true),
        (r#"headers["x-a"] == "1" && model == "gpt-4o""#, false, true),
        (r#"model == "gpt-4o""#, true, false),
    ] {
        let policy = policy(vec![provider("a", "vLLM")], key(vec![entry("a", 1)]), vec![rule("r", when, &["a"], &[])]);
        let decision = decide(&policy, &Request { state: &NoHeaders, ..ask("gpt-4o") });
        assert_eq!((decision.rule.is_some(), !decision.rule_errors.is_empty()), (decides, fails), "{when}");
        let reads = policy.rules[RuleIndex::from(0)].when.as_ref().unwrap().reads();
        assert_eq!(reads.contains(&"headers"), when.contains("headers"), "{when}");
    }
}

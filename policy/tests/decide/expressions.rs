//! The expressions of rules.

use outrigger_policy::{Expression, ExpressionError, KeyDoc, Request, VARIABLES, decide};

use crate::world::*;

/// Whether a rule with this condition decides over a request full of things to read.
fn holds(when: &str) -> Result<bool, String> {
    let key = KeyDoc { team: Some("red".into()), customer: Some("acme".into()), ..key(vec![entry("a", 1)]) };
    let policy = policy(vec![provider("a", "vLLM")], key, vec![rule("r", when, &["a"], &[])]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let request = Request {
        headers: &[pair("x-tier", "premium"), pair("x-n", "42")],
        params: &[pair("api-version", "v1")],
        request_type: "chat_completion_stream",
        ..ask("a/gpt-4o")
    };
    let decision = decide(&policy, &request);
    match decision.rule_errors.as_slice() {
        [] => Ok(decision.rule.is_some()),
        [(label, problem)] => {
            assert_eq!(&**label, "t/r");
            Err(problem.clone())
        }
        several => panic!("{several:?}"),
    }
}

#[test]
fn every_variable_has_its_value() {
    let read = [
        ("model", "model == 'gpt-4o'"),
        ("provider", "provider == 'a'"),
        ("request_type", "request_type == 'chat_completion_stream'"),
        ("headers", "headers['x-tier'] == 'premium'"),
        ("params", "params['api-version'] == 'v1'"),
        ("virtual_key_id", "virtual_key_id == 't/k'"),
        ("virtual_key_name", "virtual_key_name == 'k'"),
        ("team_id", "team_id == 'red'"),
        ("team_name", "team_name == 'red'"),
        ("customer_id", "customer_id == 'acme'"),
        ("customer_name", "customer_name == 'acme'"),
        ("virtual_key_namespace", "virtual_key_namespace == 't'"),
    ];
    assert_eq!(VARIABLES.iter().map(|variable| variable.name).collect::<Vec<_>>(), read.map(|(name, _)| name));
    for (name, when) in read {
        assert_eq!(holds(when), Ok(true), "{name}");
        assert_eq!(holds(&when.replace("==", "!=")), Ok(false), "{name}");
    }
}

#[test]
fn conditions() {
    for (when, expected) in [
        // What the request does not have is no match, whichever way it is asked.
        ("headers['x-none'] == 'a'", false),
        ("headers['x-none'] != 'a'", false),
        ("!(headers['x-none'] == 'a')", false),
        ("params.none == 'a'", false),
        ("headers['x-none'].startsWith('a')", false),
        // Unless the rest decides without it.
        ("headers['x-none'] == 'a' || model == 'gpt-4o'", true),
        ("model == 'gpt-4o' || headers['x-none'] == 'a'", true),
        ("headers['x-none'] == 'a' || model == 'other'", false),
        ("headers['x-none'] == 'a' && model == 'gpt-4o'", false),
        ("'x-none' in headers", false),
        ("!('x-none' in headers)", true),
        ("'x-tier' in headers && headers['x-tier'] == 'premium'", true),
        // Macros and their own names.
        ("headers.exists(h, h == 'x-tier')", true),
        ("headers.all(h, h.startsWith('x-'))", true),
        ("headers.exists_one(h, headers[h] == 'premium')", true),
        ("['gpt-4o', 'o3'].exists(m, m == model)", true),
        ("headers.filter(h, h == 'x-n').size() == 1", true),
        ("headers.map(h, headers[h]).size() == 2", true),
        ("model in ['gpt-4o', 'o3']", true),
        // Functions.
        ("model.matches('^gpt-4.*$') && size(model) == 6 && int(headers['x-n']) > 41", true),
        ("model.startsWith('gpt') && model.endsWith('4o') && model.contains('-')", true),
        ("string(1) == '1' && double('1.5') > 1.0 && uint(3) == 3u && bool('true')", true),
        ("model == 'gpt-4o' ? true : false", true),
    ] {
        assert_eq!(holds(when), Ok(expected), "{when}");
    }
}

#[test]
fn what_fails_at_run_time_is_no_match_and_told() {
    for (when, problem) in [
        ("int(model) > 1", "fails: "),
        ("model", "is string, and a condition must be true or false"),
        ("size(headers)", "is int, and a condition must be true or false"),
        ("model > 1", "fails: "),
        ("1 / (size(model) - 6) > 0", "fails: "),
        ("model.matches('(')", "fails: "),
    ] {
        let told = holds(when).unwrap_err();
        assert!(told.starts_with(problem) && !told.contains('\n'), "{when}: {told}");
    }
}

#[test]
fn what_can_be_known_when_the_rule_is_written_is_refused_then() {
    let variable = |name: &str, nearest: Option<&str>| {
        Err(ExpressionError::UnknownVariable { name: name.into(), nearest: nearest.map(str::to_owned) })
    };
    let function = |name: &str| Err(ExpressionError::UnknownFunction(name.to_owned()));
    for (when, expected) in [
        ("modle == 'a'", variable("modle", Some("model"))),
        ("zzz == 'a'", variable("zzz", None)),
        ("false && modle == 'a'", variable("modle", Some("model"))),
        ("headers.exists(h, k == 'a')", variable("k", None)),
        ("headers.exists(h, h == 'a') || h == 'a'", variable("h", None)),
        ("input_tokens < 8000", variable("input_tokens", None)),
        ("lower(model) == 'a'", function("lower")),
        ("model.lower() == 'a'", function("lower")),
        ("false && headers.exists(h, h.upper() == 'A')", function("upper")),
        ("headers.exists(h, h == 'a')", Ok(())),
    ] {
        assert_eq!(Expression::compile(when).map(drop), expected, "{when}");
    }
    for when in ["", "model ==", "model = 'a'", "'a", "a b", "headers.exists(1, true)"] {
        assert!(matches!(Expression::compile(when), Err(ExpressionError::Syntax(_))), "{when}");
    }
}

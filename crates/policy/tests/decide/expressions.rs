//! The expressions of rules.

use outrigger_core::{Capabilities, RequestType};
use outrigger_policy::{
    AppliesDoc, BudgetDoc, Expression, ExpressionError, KeyDoc, KeyProviderDoc, LimitsDoc, Request, SessionDoc,
    SessionLimitDoc, UnknownCostPolicy, VARIABLES, decide,
};

use crate::world::*;

/// Whether a rule with this condition decides a request with many values to read.
fn holds(when: &str) -> Result<bool, String> {
    let key = KeyDoc {
        team: Some("red".into()),
        customer: Some("acme".into()),
        limits: LimitsDoc {
            budgets: vec![limit("month", 200)],
            requests: vec![limit("hour", 4)],
            tokens: vec![limit("hour", 8)],
            concurrent_requests: None,
        },
        session: Some(SessionDoc {
            requests: vec![SessionLimitDoc { name: "run".into(), max: 8 }],
            ..SessionDoc::default()
        }),
        unpriced: UnknownCostPolicy::Allow,
        ..key(vec![entry("a", 1)])
    };
    let policy = policy(vec![provider("a", "vLLM")], key, vec![rule("r", when, &["a"], &[])]);
    let used = [("budgets[month]", 171), ("requests[hour]", 3), ("tokens[hour]", 1), ("session.requests[run]", 2)];
    let used = spent(&policy, &used);
    let world = World {
        input_tokens: 7_999,
        needs: Capabilities::TOOLS | Capabilities::VISION,
        labels: vec![("app".into(), "search".into())],
        workload: "search-7f",
        // A Wednesday; Paris has winter time: 2026-11-25T17:30:15.250Z.
        now: 1_795_627_815_250,
        ..used
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let request = Request {
        headers: &[pair("x-tier", "premium"), pair("x-n", "42")],
        params: &[pair("api-version", "v1")],
        request_type: RequestType::ChatCompletionStream,
        state: &world,
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
fn every_variable_has_the_expected_value() {
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
        ("budget_used", "budget_used == 85.5"),
        ("tokens_used", "tokens_used == 12.5"),
        ("request", "request == 75"),
        ("session_used", "session_used == 25"),
        ("input_tokens", "input_tokens == 7999"),
        ("needs", "needs == ['Tools', 'Vision']"),
        ("labels", "labels == {'app': 'search'}"),
        ("workload", "workload == 'search-7f'"),
        ("now", "now == timestamp('2026-11-25T17:30:15.25Z')"),
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
        // Data that the request does not have makes the condition false, however it is read.
        ("headers['x-none'] == 'a'", false),
        ("headers['x-none'] != 'a'", false),
        ("!(headers['x-none'] == 'a')", false),
        ("params.none == 'a'", false),
        ("headers['x-none'].startsWith('a')", false),
        // Unless the rest of the condition decides.
        ("headers['x-none'] == 'a' || model == 'gpt-4o'", true),
        ("model == 'gpt-4o' || headers['x-none'] == 'a'", true),
        ("headers['x-none'] == 'a' || model == 'other'", false),
        ("headers['x-none'] == 'a' && model == 'gpt-4o'", false),
        ("'x-none' in headers", false),
        ("!('x-none' in headers)", true),
        ("'x-tier' in headers && headers['x-tier'] == 'premium'", true),
        // Macros and their variables.
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
        // Numbers of all types compare with each other.
        ("budget_used > 85", true),
        ("85 < budget_used && budget_used < 86", true),
        ("budget_used >= 85.5 && budget_used <= 85.5", true),
        ("request != 75 || tokens_used > 12u", true),
        ("input_tokens < 8000 && input_tokens < 8000.5", true),
        ("budget_used > input_tokens", false),
        // Lists and maps.
        ("'Vision' in needs && !('Audio' in needs)", true),
        ("needs.exists(need, need == 'Tools')", true),
        ("labels['app'] == 'search' && labels.app.startsWith('s')", true),
        ("labels['none'] == 'search'", false),
        ("labels['none'] != 'search'", false),
        // Time.
        ("now > timestamp('2026-11-25T18:30:15+01:00')", true),
        ("now < timestamp(1795627815)", false),
        ("now.getHours() == 17 && now.getHours('Europe/Paris') == 18 && now.getHours('+05:30') == 23", true),
        ("now.getMinutes('+05:30') == 0 && now.getHours('-03:00') == 14", true),
        ("now.getDayOfWeek() == 3 && now.getDayOfWeek('Pacific/Auckland') == 4", true),
        ("now.getDate('Pacific/Auckland') == 26 && now.getDayOfMonth() == 24", true),
        ("now.getMonth() == 10 && now.getFullYear() == 2026 && now.getDayOfYear() == 328", true),
        ("now.getSeconds() == 15 && now.getMilliseconds() == 250", true),
        ("[now, timestamp(0)].exists(t, t == now)", true),
    ] {
        assert_eq!(holds(when), Ok(expected), "{when}");
    }
}

#[test]
fn failures_at_run_time_are_reported_and_do_not_match() {
    for (when, problem) in [
        ("int(model) > 1", "fails: "),
        ("model", "is string, and a condition must be true or false"),
        ("size(headers)", "is int, and a condition must be true or false"),
        ("model > 1", "fails: "),
        ("1 / (size(model) - 6) > 0", "fails: "),
        ("model.matches('(')", "fails: "),
        ("now > 5", "fails: "),
        ("now == now ? now : now", "is google.protobuf.Timestamp, and a condition must be true or false"),
        ("now.getHours(model) == 3", "fails: "),
        ("now < timestamp(model)", "fails: "),
        ("budget_used + 1 > 5", "fails: "),
    ] {
        let error = holds(when).unwrap_err();
        assert!(error.starts_with(problem) && !error.contains('\n'), "{when}: {error}");
    }
}

#[test]
fn static_errors_are_refused_when_the_rule_is_compiled() {
    let variable = |name: &str, nearest: Option<&str>| {
        Err(ExpressionError::UnknownVariable { name: name.into(), nearest: nearest.map(str::to_owned) })
    };
    let function = |name: &str| Err(ExpressionError::UnknownFunction(name.to_owned()));
    let zone = |name: &str, nearest: Option<&str>| {
        Err(ExpressionError::UnknownZone { name: name.into(), nearest: nearest.map(str::to_owned) })
    };
    for (when, expected) in [
        ("modle == 'a'", variable("modle", Some("model"))),
        ("zzz == 'a'", variable("zzz", None)),
        ("false && modle == 'a'", variable("modle", Some("model"))),
        ("headers.exists(h, k == 'a')", variable("k", None)),
        ("headers.exists(h, h == 'a') || h == 'a'", variable("h", None)),
        ("input_token < 8000", variable("input_token", Some("input_tokens"))),
        ("budget_usd > 85", variable("budget_usd", Some("budget_used"))),
        ("now.getHours('Europe/Pariss') > 8", zone("Europe/Pariss", Some("Europe/Paris"))),
        ("false && now.getDayOfWeek('Mars/Olympus') == 0", zone("Mars/Olympus", None)),
        ("now.getHours('+25:00') > 8", zone("+25:00", None)),
        ("now.getHours('+5:3') > 8", zone("+5:3", None)),
        ("now.getHours('') > 8", zone("", None)),
        ("now.getHours('America/Argentina/Buenos_Aires') > 8 && now.getHours('europe/paris') > 8", Ok(())),
        ("now.getHour() > 8", function("getHour")),
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

/// The hours of the nights in which clocks go forward and back.
#[test]
fn hours_follow_the_clock_when_summer_time_changes() {
    let policy =
        |when: &str| policy(vec![provider("a", "vLLM")], key(vec![entry("a", 1)]), vec![rule("r", when, &["a"], &[])]);
    for (time, hour, day) in [
        // 2026-03-29: from 02:00 to 03:00 in Paris.
        (1_774_742_400_000, 1, 0), // 00:00Z
        (1_774_745_999_999, 1, 0), // 00:59:59.999Z
        (1_774_746_000_000, 3, 0), // 01:00Z
        // 2026-10-25: 03:00 becomes 02:00.
        (1_792_882_800_000, 1, 0),  // 2026-10-24T23:00Z
        (1_792_886_400_000, 2, 0),  // 00:00Z, summer
        (1_792_890_000_000, 2, 0),  // 01:00Z, winter
        (1_792_893_600_000, 3, 0),  // 02:00Z
        (1_792_875_600_000, 23, 6), // 2026-10-24T21:00Z
    ] {
        let world = World { now: time, ..World::default() };
        let when = format!("now.getHours('Europe/Paris') == {hour} && now.getDayOfWeek('Europe/Paris') == {day}");
        let decision = decide(&policy(&when), &Request { state: &world, ..ask("m") });
        assert!(decision.rule.is_some(), "{time}: {when}");
    }
}

#[test]
fn times_out_of_range_cause_no_panic() {
    for now in [i64::MIN, i64::MAX] {
        let world = World { now, ..World::default() };
        let rules = vec![rule("r", "now.getFullYear() > 0 || now.getFullYear('Asia/Tokyo') <= 0", &["a"], &[])];
        let policy = policy(vec![provider("a", "vLLM")], key(vec![entry("a", 1)]), rules);
        assert_eq!(decide(&policy, &Request { state: &world, ..ask("m") }).rule.as_deref(), Some("t/r"));
    }
}

/// The highest use of the limits that count the request at any provider, and of those of the provider that it is pinned
/// to.
#[test]
fn rules_read_the_limits_that_count_the_request() {
    let money = |max| LimitsDoc { budgets: vec![limit("month", max)], ..LimitsDoc::default() };
    let applies = |models: &[&str], providers: &[&str]| {
        Some(AppliesDoc { keys: None, models: texts(models), providers: texts(providers) })
    };
    let build = |when: &str| {
        let key = KeyDoc {
            limits: money(1_000),
            budgets: vec![object("named")],
            unpriced: UnknownCostPolicy::Allow,
            ..key(vec![KeyProviderDoc { limits: money(1_000), ..entry("a", 1) }, entry("b", 1)])
        };
        let budgets = vec![
            BudgetDoc { max: 1_000, parent: Some(object("parent")), ..budget("named", &[]) },
            BudgetDoc { max: 1_000, ..budget("parent", &[]) },
            BudgetDoc { max: 1_000, applies_to: applies(&["gpt*"], &[]), ..budget("of-models", &[]) },
            BudgetDoc { max: 1_000, applies_to: applies(&[], &["b"]), ..budget("of-b", &[]) },
        ];
        let providers = vec![provider("a", "vLLM"), provider("b", "vLLM")];
        budgeted(providers, key, vec![rule("r", when, &["a"], &[])], budgets)
    };
    for (what, used, model, seen) in [
        ("nothing is used", vec![], "m", 0),
        ("the key's own", vec![("k: spec.limits.budgets[month]", 300)], "m", 30),
        ("one that it names", vec![("Budget t/named", 300)], "m", 30),
        ("its parent", vec![("Budget t/parent", 300)], "m", 30),
        ("the fullest", vec![("Budget t/named", 300), ("Budget t/parent", 400)], "m", 40),
        ("beyond the end", vec![("Budget t/named", 1_500)], "m", 150),
        ("of the model", vec![("Budget t/of-models", 300)], "gpt-5", 30),
        ("of another model", vec![("Budget t/of-models", 300)], "m", 0),
        ("an entry's, of a bare name", vec![("providers[a].limits.budgets[month]", 300)], "m", 0),
        ("an entry's, of its pin", vec![("providers[a].limits.budgets[month]", 300)], "a/m", 30),
        ("an entry's, of another pin", vec![("providers[a].limits.budgets[month]", 300)], "b/m", 0),
        ("a provider's Budget, of a bare name", vec![("Budget t/of-b", 300)], "m", 0),
        ("a provider's Budget, of its pin", vec![("Budget t/of-b", 300)], "b/m", 30),
    ] {
        let policy = build(&format!("budget_used == {seen} && tokens_used == 0 && request == 0"));
        let world = spent(&policy, &used);
        let decision = decide(&policy, &Request { state: &world, ..ask(model) });
        assert!(decision.rule.is_some(), "{what}");
    }
}

//! Verdicts about an object, and the resulting conditions.

use super::*;

#[test]
fn an_invalid_object_reports_where_and_what_serves() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    scene.put(2, json!({}));
    scene.verdict.refused = vec![
        problem(ConditionReason::Invalid, "spec.limits.budgets[0].timeZone", "there is no time zone `Mars`"),
        problem(ConditionReason::Malformed, "", "odd"),
    ];
    scene.verdict.serving = Some(1);
    let update = scene.update();
    let reasons: Vec<&str> = update.events.iter().map(|one| one.reason.word()).collect();
    assert_eq!(reasons, ["Invalid"], "recorded once");
    scene.write();
    assert_eq!(
        scene.conditions(),
        ["Accepted=False Invalid", WELL[1], WELL[2], "Ready=False Invalid", "Stalled=True Invalid"]
    );
    let message = "spec.limits.budgets[0].timeZone: there is no time zone `Mars`; odd. The last good version (generation 1) serves";
    for kind in ["Accepted", "Ready", "Stalled"] {
        assert_eq!(scene.condition(kind)["message"], message);
        assert_eq!(scene.condition(kind)["observedGeneration"], 2);
    }
    assert_eq!(scene.condition("Programmed")["observedGeneration"], 1, "the one that gateways serve");
    // Mended.
    scene.put(3, json!({}));
    scene.verdict = ObjectVerdict { generation: 3, ..ObjectVerdict::default() };
    scene.write();
    assert_eq!(scene.conditions(), WELL);
    assert_eq!(scene.condition("Stalled"), Value::Null);
}

#[test]
fn an_object_that_was_never_valid_serves_nothing() {
    let mut scene = StatusScene::new();
    scene.verdict.refused = vec![problem(ConditionReason::TestsFailed, "spec.tests[0]", "expected a, got b")];
    scene.write();
    assert_eq!(
        scene.conditions(),
        [
            "Accepted=False TestsFailed",
            WELL[1],
            "Programmed=False TestsFailed",
            "Ready=False TestsFailed",
            "Stalled=True TestsFailed"
        ]
    );
}

#[test]
fn a_too_large_policy_leaves_the_written_one() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    scene.verdict.refused =
        vec![problem(ConditionReason::TooLarge, "", "too much. What was written before stays in force")];
    let held = BTreeSet::from([binding()]);
    let differs = scene.statuses.planned("shop", &BTreeMap::new(), &held, scene.now.steady);
    assert_eq!(differs, BTreeSet::new());
    scene.write();
    assert_eq!(scene.conditions()[2..4], ["Programmed=False TooLarge", "Ready=False TooLarge"]);
    assert_eq!(scene.condition("Accepted")["message"], "too much. What was written before stays in force");
    assert_eq!(scene.numbers()["summary"], "1/1", "its gateways are still counted");
}

#[test]
fn a_missing_name_may_only_be_a_matter_of_order() {
    let mut scene = StatusScene::new();
    scene.verdict.unresolved =
        vec![problem(ConditionReason::SecretNotFound, "spec.x", "there is no Secret shop/openai")];
    scene.verdict.serving = Some(1);
    let unresolved = ["ResolvedRefs=False SecretNotFound", "Ready=False SecretNotFound"];
    let update = scene.update();
    assert_eq!(update.again, Some(scene.now.steady + ORDER));
    scene.write();
    let no_sidecars = "Programmed=True NoSidecars";
    assert_eq!(scene.conditions(), [WELL[0], unresolved[0], no_sidecars, unresolved[1]]);
    let message = scene.condition("Ready")["message"].clone();
    let served = ". What can be used of it serves; a value that gateways have of the Secret stays in use (`suspended: true` revokes it)";
    assert!(message.as_str().unwrap().ends_with(served), "{message}");
    scene.pass(30);
    scene.write();
    assert_eq!(scene.conditions()[4..], ["Stalled=True SecretNotFound"]);
    // An object that depends on a broken one waits for it, however long.
    scene.verdict.unresolved =
        vec![problem(ConditionReason::DependencyInvalid, "spec.x", "LLMProvider shop/openai is not accepted")];
    scene.pass(3_600);
    scene.write();
    assert_eq!(scene.conditions()[3..], ["Ready=False DependencyInvalid"]);
}

#[test]
fn an_object_that_is_switched_off_is_ready() {
    for (reason, message) in [
        (ConditionReason::Suspended, "in force: it is suspended, and nothing goes through it"),
        (ConditionReason::Expired, "in force: it has expired, and nothing goes through it"),
    ] {
        let mut scene = StatusScene::new();
        scene.look(&[("a", Some(7))]);
        scene.verdict.inactive = Some(reason);
        let events = scene.update().events;
        assert_eq!((events.len(), events[0].reason.word(), events[0].warning), (1, reason.word(), false));
        scene.write();
        assert_eq!(scene.conditions()[3], format!("Ready=True {}", reason.word()));
        assert_eq!(scene.condition("Ready")["message"], message);
    }
}

#[test]
fn warnings_are_reported_for_valid_objects() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7))]);
    scene.verdict.warnings = vec!["spec.models: `gpt-5` is not priced".to_owned()];
    scene.write();
    assert_eq!(scene.conditions(), WELL);
    assert_eq!(scene.condition("Accepted")["message"], "valid; note: spec.models: `gpt-5` is not priced");
}

#[test]
fn a_write_is_not_repeated_before_the_watch_reports_it() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7))]);
    let known = scene.index.get(&key()).unwrap().clone();
    let status = scene.update().status.unwrap();
    scene.statuses.wrote(&known, status, scene.now.steady);
    scene.pass(2);
    assert_eq!(scene.update(), StatusUpdate::default());
}

#[test]
fn defaults_of_the_definition_are_not_a_verdict() {
    let mut scene = StatusScene::new();
    let default = json!({"conditions": [{
        "type": "Ready", "status": "Unknown", "reason": "Pending", "message": "not seen yet",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }]});
    let mut object = scene.index.get(&key()).unwrap().version.value().clone();
    object["status"] = default;
    let _ = scene.index.apply(&object);
    scene.plan("d2");
    scene.look(&[("a", Some(7))]);
    scene.write();
    assert_eq!(scene.condition("Ready")["reason"], "Pending");
    assert_eq!(scene.condition("Ready")["lastTransitionTime"], "2026-11-25T12:02:00Z", "not the beginning of time");
}

#[test]
fn limits_are_shown_and_usage_is_not_guessed() {
    let mut scene = StatusScene::new();
    let limits = json!({"limits": {
        "budgets": [
            {"name": "month", "amount": "100.00", "window": "Month", "timeZone": "Europe/Paris"},
            {"name": "day", "amount": "90", "window": "Day"},
            {"name": "hour", "amount": "50", "rolling": "1h"},
        ],
        "requests": [{"name": "rpm", "max": 1, "window": "Minute"}],
    }});
    scene.put(1, limits);
    let status = scene.write().unwrap();
    let summary =
        json!({"limit": "$100.00", "limitName": "spec.limits.budgets[month]", "resets": "2026-11-30T23:00:00Z"});
    assert_eq!(status["summary"], summary);
    // The next month begins.
    scene.pass(6 * 86_400);
    let status = scene.write().unwrap();
    assert_eq!(status["summary"]["resets"], "2026-12-31T23:00:00Z");
    assert_eq!(status["conditions"][3]["lastTransitionTime"], "2026-11-25T12:02:00Z");
    scene.put(2, json!({"limits": {"requests": [{"name": "rpm", "max": 5, "window": "Minute"}]}}));
    let status = scene.write().unwrap();
    assert_eq!(status["summary"], json!({"limit": "5", "limitName": "spec.limits.requests[rpm]"}));
}

#[test]
fn fields_of_other_writers_in_a_status_are_kept() {
    let mut scene = StatusScene::new();
    scene.put(1, json!({"limits": {"budgets": [{"name": "day", "amount": "5", "window": "Day"}]}}));
    scene.look(&[("a", Some(7))]);
    scene.write();
    let mut object = scene.index.get(&key()).unwrap().version.value().clone();
    let mut status = scene.index.get(&key()).unwrap().status.clone().unwrap();
    status["conditions"].as_array_mut().unwrap().insert(0, json!({"type": "Theirs", "status": "True"}));
    object["status"] = status;
    object["metadata"]["resourceVersion"] = json!("99");
    let _ = scene.index.apply(&object);
    assert_eq!(scene.update().status, None);
}

#[test]
fn a_long_list_of_problems_is_truncated() {
    let mut scene = StatusScene::new();
    scene.verdict.refused =
        (0..40).map(|at| problem(ConditionReason::Invalid, &format!("spec.models[{at}]"), &"é".repeat(300))).collect();
    scene.write();
    let message = scene.condition("Ready")["message"].as_str().unwrap().to_owned();
    assert!(
        message.chars().count() <= 901 && message.ends_with("… . Nothing of it serves".trim_start_matches("… ")),
        "{message}"
    );
}

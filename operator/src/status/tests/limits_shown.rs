//! How limits stand, in the status of their object.

use outrigger_ledger::protocol::{AccountKey, FleetAccount, LimitKey};
use outrigger_ledger::shared::leader::{AccountStatus, LimitFigures};
use outrigger_ledger::shared::record::RaiseRecord;

use super::*;
use crate::status::events::EventReason;

/// 2026-11-01 and 2026-12-01, at midnight in UTC.
const NOVEMBER: i64 = 1_793_491_200_000;
const DECEMBER: i64 = 1_796_083_200_000;
const CENT: u64 = 10_000_000;

fn spec(amount: &str) -> Value {
    json!({"limits": {"budgets": [{"name": "month", "amount": amount, "window": "Month"}]}})
}

fn status(cents: u64) -> AccountStatus {
    let limit =
        LimitKey { limit: "VirtualKey shop/search: spec.limits.budgets[month]".to_owned(), unit: "usd".to_owned() };
    AccountStatus {
        key: AccountKey { limit, start: NOVEMBER },
        end: Some(DECEMBER),
        fleet: FleetAccount {
            limit: 100 * CENT,
            spent: cents * CENT,
            reserved: CENT,
            leased: 2 * CENT,
            age_ms: 3_000,
            ..FleetAccount::default()
        },
        available: (97 - cents.min(97)) * CENT,
        holders: 3,
        raise: None,
        spenders: vec![("shop/Deployment/search".to_owned(), cents * CENT)],
    }
}

impl StatusScene {
    fn limited() -> Self {
        let mut scene = StatusScene::new();
        scene.put(1, spec("1.00"));
        scene.figures(status(0));
        scene.write();
        scene.pass(60);
        scene
    }

    fn figures(&mut self, status: AccountStatus) {
        let limit = status.key.limit.clone();
        let figures = LimitFigures { limit, named: true, status: Some(status) };
        self.ledger.take(vec![figures], self.now.time);
    }

    fn spends(&mut self, cents: u64) -> Option<Value> {
        self.figures(status(cents));
        self.write()
    }
}

#[test]
fn a_status_says_how_each_limit_stands_over_all_gateways() {
    let mut scene = StatusScene::limited();
    let written = scene.spends(42).unwrap();
    let limit = json!({
        "name": "spec.limits.budgets[month]", "unit": "usd", "window": "Month", "limit": "$1.00", "spent": "$0.42",
        "reserved": "$0.01", "leased": "$0.02", "unconfirmed": "$0.00", "available": "$0.55",
        "worstCaseOvershoot": "$0.00", "periodStart": "2026-11-01T00:00:00Z", "resetsAt": "2026-12-01T00:00:00Z", "asOf": "2026-11-25T12:02:57Z",
        "workloads": [{"workload": "shop/Deployment/search", "spent": "$0.42"}],
    });
    assert_eq!(written["limits"], json!([limit]));
    let summary = json!({
        "spent": "$0.42", "limit": "$1.00", "available": "$0.55", "limitName": "spec.limits.budgets[month]",
        "resets": "2026-12-01T00:00:00Z",
    });
    assert_eq!(written["summary"], summary);
    let object = json!({
        "apiVersion": "outrigger.dev/v1alpha1", "kind": "VirtualKey", "metadata": {"name": "search", "namespace": "shop"},
        "spec": spec("1.00"), "status": written,
    });
    let read: Result<outrigger_crds::VirtualKey, _> = serde_json::from_value(object);
    assert_eq!(read.unwrap().status.unwrap().limits[0].spent, "$0.42", "the definition has the same fields");
}

#[test]
fn amounts_are_written_every_15_seconds_and_nothing_if_nothing_is_spent() {
    let mut scene = StatusScene::limited();
    assert!(scene.spends(10).is_some());
    scene.pass(14);
    assert_eq!(scene.spends(20), None);
    assert_eq!(
        scene.update().again,
        Some(scene.now.steady + Duration::from_secs(1)),
        "the last amount is written, too"
    );
    scene.pass(1);
    assert_eq!(scene.write().unwrap()["limits"][0]["spent"], "$0.20");
    scene.pass(3_600);
    // Gateways have reported since, and nothing new.
    scene.figures(AccountStatus { fleet: FleetAccount { age_ms: 1, ..status(20).fleet }, ..status(20) });
    assert_eq!(scene.write(), None);
}

#[test]
fn a_level_is_written_at_once_and_a_threshold_has_one_event_in_a_period() {
    let mut scene = StatusScene::limited();
    assert!(scene.spends(40).is_some());
    for (cents, reached, has_event) in [
        (49, None, false),
        (50, Some(50), false),
        (51, None, false),
        (81, Some(80), false),
        (90, Some(90), false),
        (96, Some(95), false),
        (100, Some(100), true),
    ] {
        scene.figures(status(cents));
        let has_one = scene.update().events.iter().any(|event| event.reason == EventReason::LimitReached);
        let written = scene.write();
        assert_eq!(
            written.as_ref().map(|written| written["limits"][0]["reached"].as_u64().unwrap()),
            reached,
            "{cents}"
        );
        assert_eq!(has_one, has_event, "{cents}");
    }
    scene.pass(15);
    scene.figures(status(102));
    assert_eq!(scene.update().events, []);
    let next = AccountStatus { key: AccountKey { start: DECEMBER, ..status(0).key }, ..status(100) };
    scene.pass(15);
    scene.figures(next);
    let note = &scene.update().events[0].note;
    assert!(note.starts_with("spec.limits.budgets[month] is used up: $1.00 of $1.00"), "{note}");
}

#[test]
fn the_thresholds_of_a_budget_have_events() {
    let limits = limits_of(&[("reached", json!(80)), ("periodStart", json!("p"))]);
    for (thresholds, reached, expected) in [
        (vec![], 95, None),
        (vec![85, 97], 95, Some("85 %")),
        (vec![80], 95, None),
        (vec![85], 100, Some("is used up")),
    ] {
        let after = ObjectLimits {
            limits: Some(vec![
                limits_of(&[("reached", json!(reached)), ("periodStart", json!("p"))])["limits"][0].clone(),
            ]),
            thresholds,
            ..ObjectLimits::default()
        };
        let events = change::events(Some(&limits), &after);
        assert_eq!(events.len(), usize::from(expected.is_some()), "{events:?}");
        assert!(events.iter().all(|event| event.note.contains(expected.unwrap())), "{events:?}");
    }
}

fn limits_of(fields: &[(&str, Value)]) -> Value {
    let mut limit = json!({"name": "spec.amount", "spent": "$0.90", "limit": "$1.00"});
    fields.iter().for_each(|(name, value)| limit[*name] = value.clone());
    json!({"limits": [limit]})
}

#[test]
fn a_lower_limit_and_a_raise_are_written_at_once() {
    let mut scene = StatusScene::limited();
    scene.spends(10);
    scene.figures(AccountStatus { fleet: FleetAccount { limit: 50 * CENT, ..status(10).fleet }, ..status(10) });
    assert_eq!(scene.write().unwrap()["limits"][0]["limit"], "$0.50");
    let raise = RaiseRecord { by: 20 * CENT, until: DECEMBER };
    let fleet = FleetAccount { limit: 70 * CENT, raised: 20 * CENT, ..status(10).fleet };
    scene.figures(AccountStatus { raise: Some(raise), fleet, ..status(10) });
    let limit = &scene.write().unwrap()["limits"][0];
    assert_eq!(limit["raised"], json!({"by": "$0.20", "until": "2026-12-01T00:00:00Z"}));
    assert_eq!(limit["limit"], "$0.70");
}

#[test]
fn a_renamed_limit_is_shown_with_what_its_old_name_spent() {
    let mut scene = StatusScene::limited();
    scene.spends(42);
    scene.put(2, json!({"limits": {"budgets": [{"name": "monthly", "amount": "1.00", "window": "Month"}]}}));
    // The ledger knows the new name a moment later.
    let mut renamed = status(0);
    renamed.key.limit.limit = renamed.key.limit.limit.replace("month", "monthly");
    scene.figures(renamed);
    let events = scene.update().events;
    let note = &events.iter().find(|event| event.reason == EventReason::LimitRemoved).unwrap().note;
    assert!(note.starts_with("spec.limits.budgets[month] is not in the object any more: $0.42 were spent"), "{note}");
    scene.write();
    scene.pass(60);
    assert_eq!(scene.update().events, [], "once");
}

#[test]
fn figures_stay_while_no_leader_reports_them_and_go_with_the_last_limit() {
    let mut scene = StatusScene::limited();
    scene.spends(42);
    scene.ledger.clear();
    scene.put(2, spec("2.00"));
    assert_eq!(scene.write().unwrap()["limits"][0]["spent"], "$0.42", "the next leader does not know them yet");
    scene.put(3, json!({}));
    let written = scene.write().unwrap();
    assert!(written.get("limits").is_none() && written.get("summary").is_none(), "{written}");
}

#[test]
fn the_last_ten_actions_stay() {
    let mut scene = StatusScene::limited();
    for n in 0..12 {
        scene.actions = vec![json!({"id": format!("a{n}"), "at": "2026-11-25T12:00:00Z", "result": "Done"})];
        scene.write().unwrap();
    }
    let written = scene.spends(42);
    assert_eq!(written, None, "15 s have not passed");
    scene.pass(15);
    let written = scene.write().unwrap();
    let ids: Vec<&str> = written["actions"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10", "a11"]);
    assert!(action::standing(Some(&written), "a1").is_none());
}

#[test]
fn an_annotation_that_comes_back_is_not_done_again_however_many_came_since() {
    let mut scene = StatusScene::limited();
    let entry = |id: &str| json!({"id": id, "at": "2026-11-25T12:00:00Z", "result": "Done"});
    scene.actions = vec![entry("git")];
    let mut written = scene.write().unwrap();
    for n in 0..12 {
        scene.actions = vec![entry(&format!("a{n}"))];
        written = scene.write().unwrap();
        // The tool puts its own annotation back.
        let git = action::standing(Some(&written), "git").unwrap();
        assert!(git.is_older());
        scene.actions = vec![git.entry()];
        written = scene.write().unwrap();
    }
    let actions = written["actions"].as_array().unwrap();
    assert_eq!(actions.len(), 10);
    assert!(!action::standing(Some(&written), "git").unwrap().is_older());
    assert_eq!(actions.iter().filter(|action| action["id"] == "git").count(), 1);
}

#[test]
fn the_worst_case_is_what_all_pods_may_use_without_the_ledger() {
    let mut scene = StatusScene::limited();
    for (setting, overshoot) in [
        (json!(null), "$0.00"),
        (json!({"policy": "FailOpen", "maxPerPod": {"budget": "0.50"}}), "$1.00"),
        (json!({"policy": "FailOpen", "maxPerPod": {"requests": 5}}), "$0.00"),
        (json!({"policy": "FailClosed"}), "$0.00"),
        (json!(7), "$0.00"),
    ] {
        let mut spec = spec("1.00");
        spec["onLedgerUnavailable"] = setting.clone();
        scene.look(&[("p1", Some(7)), ("p2", None)]);
        let generation = scene.verdict.generation + 1;
        scene.put(generation, spec);
        scene.pass(15);
        scene.figures(status(10));
        assert_eq!(scene.write().unwrap()["limits"][0]["worstCaseOvershoot"], overshoot, "{setting}");
    }
}

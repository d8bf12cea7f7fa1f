//! The state of gateways, and the resulting conditions.

use super::*;

#[test]
fn a_key_that_is_served_is_ready_and_is_written_once() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7)), ("b", Some(7))]);
    let status = scene.write().unwrap();
    assert_eq!(scene.conditions(), WELL);
    assert_eq!(status["observedGeneration"], 1);
    assert_eq!(
        status["conditions"][3],
        json!({
            "type": "Ready", "status": "True", "observedGeneration": 1, "lastTransitionTime": "2026-11-25T12:02:00Z",
            "reason": "Ready", "message": "in force",
        })
    );
    let numbers = json!({"live": 2, "connected": 2, "programmed": 2, "rejected": 0, "summary": "2/2"});
    assert_eq!(scene.numbers(), numbers);
    scene.pass(3_600);
    assert!(!scene.look(&[("a", Some(7)), ("b", Some(7))]));
    assert_eq!(scene.update(), StatusUpdate::default());
}

#[test]
fn a_key_without_pods_is_not_a_fault() {
    let mut scene = StatusScene::new();
    scene.write();
    let no_sidecars = "Programmed=True NoSidecars";
    assert_eq!(scene.conditions(), [WELL[0], WELL[1], no_sidecars, WELL[3]]);
    assert_eq!(scene.condition("Ready")["message"], "valid; no running gateway is bound to it");
}

#[test]
fn a_new_generation_counts_as_served_only_once_it_is() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    scene.put(2, json!({"team": "x"}));
    // Planned, and not written: gateways serve the previous policy.
    let differs = scene.plan("d2");
    assert_eq!(differs, BTreeSet::from([key()]));
    scene.write();
    let pending = ["Programmed=Unknown Pending", "Ready=Unknown Pending"];
    assert_eq!(scene.conditions(), [WELL[0], WELL[1], pending[0], pending[1]]);
    assert_eq!(scene.condition("Programmed")["observedGeneration"], 2);
    // Written, and not loaded.
    let _ = scene.statuses.stands(&binding(), 8, "d2", scene.now.steady);
    assert_eq!(scene.write(), None);
    scene.look(&[("a", Some(8))]);
    let update = scene.update();
    assert_eq!(update.events, [], "a change that goes well is no news");
    scene.write();
    assert_eq!(scene.conditions(), WELL);
}

#[test]
fn a_policy_change_by_other_objects_changes_no_status() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    scene.plan("d2");
    assert_eq!(scene.write(), None);
    let _ = scene.statuses.stands(&binding(), 8, "d2", scene.now.steady);
    assert_eq!(scene.write(), None);
    scene.pass(29);
    assert_eq!(scene.write(), None);
    scene.look(&[("a", Some(8))]);
    assert_eq!(scene.write(), None);
}

#[test]
fn a_gateway_behind_for_thirty_seconds_is_reported_until_it_loads_the_policy() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7)), ("b", Some(7))]);
    scene.write();
    scene.plan("d2");
    let _ = scene.statuses.stands(&binding(), 8, "d2", scene.now.steady);
    scene.look(&[("a", Some(8)), ("b", Some(7))]);
    assert_eq!(scene.update().again, Some(scene.now.steady + BEHIND));
    scene.pass(30);
    let events = scene.update().events;
    assert_eq!((events.len(), events[0].reason.word(), events[0].warning), (1, "SidecarsBehind", true));
    scene.write();
    assert_eq!(scene.conditions(), [WELL[0], WELL[1], "Programmed=False SidecarsBehind", "Ready=False SidecarsBehind"]);
    assert_eq!(scene.condition("Ready")["message"], "connected gateways of shop/search have not taken it for 30 s");
    scene.look(&[("a", Some(8)), ("b", Some(8))]);
    let update = scene.update();
    assert_eq!((update.events.len(), update.events[0].warning), (1, false), "well again");
    scene.write();
    assert_eq!(scene.conditions(), WELL);
}

#[test]
fn a_gateway_that_makes_progress_is_not_behind() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    for sequence in 8..20 {
        let digest = format!("d{sequence}");
        scene.plan(&digest);
        let _ = scene.statuses.stands(&binding(), sequence, &digest, scene.now.steady);
        scene.look(&[("a", Some(sequence - 1))]);
        scene.pass(20);
        assert_eq!(scene.write(), None, "{sequence}");
    }
}

#[test]
fn a_refusal_is_reported_immediately_with_object_path_and_message() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7)), ("b", Some(7))]);
    scene.write();
    let refusal = |sequence, object: &str| outrigger_sync::Rejection {
        sequence,
        object: object.to_owned(),
        path: "spec.endpoint".to_owned(),
        message: "no URL".to_owned(),
    };
    scene.plan("d2");
    let _ = scene.statuses.stands(&binding(), 8, "d2", scene.now.steady);
    let of_other = refusal(8, "LLMProvider shop/openai");
    scene.look_with(&[("a", Some(7)), ("b", Some(7))], Some(&of_other));
    scene.write();
    let rejected = ["Programmed=False Rejected", "Ready=False Rejected", "Stalled=True Rejected"];
    assert_eq!(scene.conditions(), [WELL[0], WELL[1], rejected[0], rejected[1]], "another object must be corrected");
    assert_eq!(
        scene.condition("Ready")["message"],
        "refused by a gateway: LLMProvider shop/openai: spec.endpoint: no URL. Those that refuse it go on with the one before"
    );
    let numbers = json!({"live": 2, "connected": 2, "programmed": 0, "rejected": 2, "summary": "0/2"});
    assert_eq!(scene.numbers(), numbers);
    scene.look_with(&[("a", Some(7)), ("b", Some(7))], Some(&refusal(8, "VirtualKey shop/search")));
    scene.write();
    assert_eq!(scene.conditions(), [WELL[0], WELL[1], rejected[0], rejected[1], rejected[2]], "this one is");
    // The refused policy is replaced: a newer one may be loaded.
    scene.plan("d3");
    let _ = scene.statuses.stands(&binding(), 9, "d3", scene.now.steady);
    scene.look_with(&[("a", Some(9)), ("b", Some(9))], None);
    scene.write();
    assert_eq!(scene.conditions(), WELL);
}

#[test]
fn five_minutes_without_a_stream_are_reported_and_make_no_condition_false() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7)), ("b", None)]);
    scene.write();
    assert_eq!(scene.conditions(), WELL);
    assert_eq!(scene.update().again, Some(scene.now.steady + UNCONNECTED));
    scene.pass(299);
    assert_eq!(scene.write(), None);
    scene.pass(1);
    assert_eq!(scene.update().events[0].reason.word(), "Unconnected");
    scene.write();
    assert_eq!(scene.conditions(), [WELL[0], WELL[1], "Programmed=True Unconnected", WELL[3]]);
    let message = scene.condition("Programmed")["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("gateways of shop/search have not been connected"), "{message}");
    assert!(message.contains("NetworkPolicy"), "{message}");
    scene.look(&[("a", Some(7)), ("b", Some(7))]);
    scene.write();
    assert_eq!(scene.conditions(), WELL);
}

#[test]
fn a_new_leader_keeps_statuses_until_gateways_reconnect() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7)), ("b", Some(7))]);
    scene.write();
    let stands = scene.index.clone();
    let mut next = StatusScene::began();
    next.index = stands;
    next.look(&[("a", None), ("b", None)]);
    assert_eq!(next.write(), None);
    assert_eq!(next.update().again, Some(next.now.steady + RETURN));
    next.pass(10);
    next.look(&[("a", Some(7)), ("b", None)]);
    assert_eq!(next.write(), None, "numbers wait as well");
    next.pass(20);
    let status = next.write().unwrap();
    assert_eq!(status["sidecars"]["connected"], 1);
    assert_eq!(next.conditions(), WELL, "one that is not back makes nothing False");
}

#[test]
fn numbers_alone_are_written_every_fifteen_seconds_at_most() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    let began = scene.now.steady;
    scene.pass(5);
    assert!(scene.look(&[("a", Some(7)), ("b", Some(7))]));
    let update = scene.update();
    assert_eq!((update.status, update.again), (None, Some(began + NUMBERS)));
    scene.pass(10);
    assert_eq!(scene.write().unwrap()["sidecars"]["summary"], "2/2");
    assert_eq!(scene.condition("Ready")["lastTransitionTime"], "2026-11-25T12:02:00Z");
}

#[test]
fn an_object_counts_the_gateways_of_all_its_policies() {
    let mut scene = StatusScene::new();
    let other = Binding::parse("shop", Some("search,batch")).unwrap();
    let mut second = (*revision("d9", &scene.objects)).clone();
    second.binding = other.clone();
    let revisions = BTreeMap::from([(binding(), revision(DIGEST, &scene.objects)), (other.clone(), Arc::new(second))]);
    let _ = scene.statuses.planned("shop", &revisions, &BTreeSet::new(), scene.now.steady);
    let _ = scene.statuses.stands(&other, 3, "d9", scene.now.steady);
    let live =
        [LivePod { uid: "a".to_owned(), binding: binding() }, LivePod { uid: "b".to_owned(), binding: other.clone() }];
    let state = |uid: &str, binding: Binding, sequence| SidecarState {
        namespace: "shop".to_owned(),
        pod: uid.to_owned(),
        uid: uid.to_owned(),
        binding,
        sequence: Some(sequence),
        rejected: None,
        version: String::new(),
        authorities: Vec::new(),
    };
    let states = [state("a", binding(), 7), state("b", other.clone(), 3)];
    assert_eq!(scene.statuses.look(&live, &states, scene.now.steady), BTreeSet::from([key()]));
    scene.write();
    assert_eq!(scene.numbers()["summary"], "2/2");
    // A binding that is no longer planned.
    let revisions = BTreeMap::from([(binding(), revision(DIGEST, &scene.objects))]);
    let differs = scene.statuses.planned("shop", &revisions, &BTreeSet::new(), scene.now.steady);
    assert_eq!(differs, BTreeSet::from([key()]));
    scene.pass(15);
    scene.write();
    assert_eq!(scene.numbers()["summary"], "1/1");
}

#[test]
fn a_policy_that_cannot_be_written_is_reported_until_it_is() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    scene.plan("d2");
    let why = "ConfigMap shop/outrigger-search could not be written: exceeded quota";
    assert_eq!(scene.statuses.failed(&binding(), why, scene.now.steady), BTreeSet::from([key()]));
    assert!(scene.statuses.failed(&binding(), why, scene.now.steady).is_empty(), "tried again, and the same");
    scene.write();
    let not_written = ["Programmed=False NotWritten", "Ready=False NotWritten", "Stalled=True NotWritten"];
    assert_eq!(scene.conditions(), [WELL[0], WELL[1], not_written[0], not_written[1], not_written[2]]);
    assert_eq!(scene.condition("Ready")["message"], format!("{why}. What was written before stays in force"));
    let _ = scene.statuses.stands(&binding(), 8, "d2", scene.now.steady);
    scene.look(&[("a", Some(8))]);
    scene.write();
    assert_eq!(scene.conditions(), WELL);
}

/// An object that was removed from a policy is in force until gateways have loaded the policy without it.
#[test]
fn an_object_removed_from_a_policy_is_ready_when_gateways_have_removed_it() {
    let mut scene = StatusScene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    scene.put(2, json!({"suspended": true}));
    scene.verdict.inactive = Some(ConditionReason::Suspended);
    scene.objects.clear();
    scene.plan("d2");
    scene.write();
    assert_eq!(scene.conditions()[2..], ["Programmed=Unknown Pending", "Ready=Unknown Pending"]);
    let _ = scene.statuses.stands(&binding(), 8, "d2", scene.now.steady);
    assert_eq!(scene.write(), None, "written, and not taken");
    assert!(scene.look(&[("a", Some(8))]));
    scene.pass(15);
    scene.write();
    assert_eq!(scene.conditions()[2..], ["Programmed=True NoSidecars", "Ready=True Suspended"]);
}

//! A key, a provider and their gateways, through time.

use serde_json::json;

use super::*;
use crate::index::Index;
use crate::object::Kind;
use crate::reason::Reason;
use crate::verdict::Problem;

const DIGEST: &str = "d1";

/// A leader with one key, one policy and a clock.
struct Scene {
    statuses: Statuses,
    index: Index,
    verdict: Verdict,
    now: Now,
    objects: BTreeSet<ObjectId>,
}

fn key() -> ObjectId {
    ObjectId { kind: Kind::VirtualKey, namespace: "shop".to_owned(), name: "search".to_owned() }
}

fn binding() -> Binding {
    Binding::of("shop", "search")
}

fn problem(reason: Reason, path: &str, message: &str) -> Problem {
    Problem { reason, path: path.to_owned(), message: message.to_owned() }
}

fn revision(digest: &str, objects: &BTreeSet<ObjectId>) -> Arc<Revision> {
    Arc::new(Revision {
        binding: binding(),
        document: outrigger_policy::Document::default(),
        digest: digest.to_owned(),
        credentials: Vec::new(),
        copied: BTreeSet::new(),
        objects: objects.clone(),
        allowed: BTreeMap::new(),
        sources: Vec::new(),
    })
}

impl Scene {
    /// Long after the leader began.
    fn new() -> Self {
        let mut scene = Self::began();
        scene.pass(120);
        scene
    }

    fn began() -> Self {
        let steady = Instant::now();
        let mut scene = Scene {
            statuses: Statuses::new(steady),
            index: Index::new("outrigger-system", false),
            verdict: Verdict { generation: 1, ..Verdict::default() },
            now: Now { steady, time: "2026-11-25T12:00:00.4Z".parse().unwrap() },
            objects: BTreeSet::from([key()]),
        };
        scene.put(1, json!({}));
        scene.plan(DIGEST);
        let _ = scene.statuses.stands(&binding(), 7, DIGEST, scene.now.steady);
        scene
    }

    fn plan(&mut self, digest: &str) -> BTreeSet<ObjectId> {
        let revisions = BTreeMap::from([(binding(), revision(digest, &self.objects))]);
        self.statuses.planned("shop", &revisions, &BTreeSet::new(), self.now.steady)
    }

    fn put(&mut self, generation: i64, spec: Value) {
        let status = self.index.get(&key()).and_then(|known| known.status.clone());
        let mut object = json!({
            "apiVersion": "outrigger.dev/v1alpha1",
            "kind": "VirtualKey",
            "metadata": {
                "name": "search", "namespace": "shop", "uid": "u1", "generation": generation,
                "resourceVersion": format!("g{generation}"),
            },
            "spec": spec,
        });
        if let Some(status) = status {
            object["status"] = status;
        }
        let _ = self.index.apply(&object);
        self.verdict.generation = generation;
    }

    fn pass(&mut self, seconds: u64) {
        let passed = Duration::from_secs(seconds);
        self.now = Now { steady: self.now.steady + passed, time: self.now.time + passed };
    }

    /// Gateways that run, with the sequence that each is at; `None`: not connected.
    fn look(&mut self, gateways: &[(&str, Option<u64>)]) -> bool {
        self.look_with(gateways, None)
    }

    fn look_with(&mut self, gateways: &[(&str, Option<u64>)], rejected: Option<&outrigger_sync::Rejection>) -> bool {
        let live = |(uid, _): &(&str, Option<u64>)| Live { uid: (*uid).to_owned(), binding: binding() };
        let live: Vec<Live> = gateways.iter().map(live).collect();
        let states: Vec<SidecarState> = gateways
            .iter()
            .filter_map(|(uid, sequence)| {
                Some(SidecarState {
                    namespace: "shop".to_owned(),
                    pod: (*uid).to_owned(),
                    uid: (*uid).to_owned(),
                    binding: binding(),
                    sequence: Some((*sequence)?),
                    rejected: rejected.cloned(),
                    version: "0.1.0".to_owned(),
                    authorities: Vec::new(),
                })
            })
            .collect();
        !self.statuses.look(&live, &states, self.now.steady).is_empty()
    }

    fn update(&self) -> Update {
        self.statuses.update(self.index.get(&key()).unwrap(), &self.verdict, self.now)
    }

    /// Writes what is to be written, and has the watch tell of it.
    fn write(&mut self) -> Option<Value> {
        let status = self.update().status?;
        let known = self.index.get(&key()).unwrap().clone();
        self.statuses.wrote(&known, status.clone(), self.now.steady);
        let mut object = known.version.value().clone();
        object["metadata"]["resourceVersion"] = json!(format!("{}+", known.resource_version));
        object["status"] = status.clone();
        let _ = self.index.apply(&object);
        Some(status)
    }

    /// `Accepted=True Accepted`, of what stands in the object now.
    fn said(&self) -> Vec<String> {
        let status = self.index.get(&key()).unwrap().status.clone().unwrap();
        let word = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
        let conditions = status["conditions"].as_array().unwrap();
        conditions
            .iter()
            .map(|one| format!("{}={} {}", word(one, "type"), word(one, "status"), word(one, "reason")))
            .collect()
    }

    fn condition(&self, kind: &str) -> Value {
        let status = self.index.get(&key()).unwrap().status.clone().unwrap();
        status["conditions"].as_array().unwrap().iter().find(|one| one["type"] == kind).cloned().unwrap_or_default()
    }

    fn numbers(&self) -> Value {
        self.index.get(&key()).unwrap().status.clone().unwrap()["sidecars"].clone()
    }
}

const WELL: [&str; 4] =
    ["Accepted=True Accepted", "ResolvedRefs=True Resolved", "Programmed=True Programmed", "Ready=True Ready"];

#[test]
fn a_key_that_is_served_is_ready_and_is_written_once() {
    let mut scene = Scene::new();
    scene.look(&[("a", Some(7)), ("b", Some(7))]);
    let status = scene.write().unwrap();
    assert_eq!(scene.said(), WELL);
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
    assert_eq!(scene.update(), Update::default());
}

#[test]
fn nobody_bound_is_no_fault() {
    let mut scene = Scene::new();
    scene.write();
    let no_sidecars = "Programmed=True NoSidecars";
    assert_eq!(scene.said(), [WELL[0], WELL[1], no_sidecars, WELL[3]]);
    assert_eq!(scene.condition("Ready")["message"], "valid; no running gateway is bound to it");
}

#[test]
fn a_new_generation_is_not_taken_for_served_before_it_is() {
    let mut scene = Scene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    scene.put(2, json!({"team": "x"}));
    // Planned, and not written: gateways serve what was.
    let differs = scene.plan("d2");
    assert_eq!(differs, BTreeSet::from([key()]));
    scene.write();
    let pending = ["Programmed=Unknown Pending", "Ready=Unknown Pending"];
    assert_eq!(scene.said(), [WELL[0], WELL[1], pending[0], pending[1]]);
    assert_eq!(scene.condition("Programmed")["observedGeneration"], 2);
    // Written, and not taken.
    let _ = scene.statuses.stands(&binding(), 8, "d2", scene.now.steady);
    assert_eq!(scene.write(), None);
    scene.look(&[("a", Some(8))]);
    let update = scene.update();
    assert_eq!(update.happenings, [], "a change that goes well is no news");
    scene.write();
    assert_eq!(scene.said(), WELL);
}

#[test]
fn a_policy_that_changes_because_of_others_leaves_an_object_alone() {
    let mut scene = Scene::new();
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
fn behind_for_thirty_seconds_is_told_and_over_once_it_is_taken() {
    let mut scene = Scene::new();
    scene.look(&[("a", Some(7)), ("b", Some(7))]);
    scene.write();
    scene.plan("d2");
    let _ = scene.statuses.stands(&binding(), 8, "d2", scene.now.steady);
    scene.look(&[("a", Some(8)), ("b", Some(7))]);
    assert_eq!(scene.update().again, Some(scene.now.steady + BEHIND));
    scene.pass(30);
    let happenings = scene.update().happenings;
    assert_eq!((happenings.len(), happenings[0].reason, happenings[0].warning), (1, "SidecarsBehind", true));
    scene.write();
    assert_eq!(scene.said(), [WELL[0], WELL[1], "Programmed=False SidecarsBehind", "Ready=False SidecarsBehind"]);
    assert_eq!(scene.condition("Ready")["message"], "connected gateways of shop/search have not taken it for 30 s");
    scene.look(&[("a", Some(8)), ("b", Some(8))]);
    let update = scene.update();
    assert_eq!((update.happenings.len(), update.happenings[0].warning), (1, false), "well again");
    scene.write();
    assert_eq!(scene.said(), WELL);
}

#[test]
fn a_gateway_that_moves_is_not_behind() {
    let mut scene = Scene::new();
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
fn a_refusal_is_told_at_once_with_object_path_and_message() {
    let mut scene = Scene::new();
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
    assert_eq!(scene.said(), [WELL[0], WELL[1], rejected[0], rejected[1]], "another object is to be mended");
    assert_eq!(
        scene.condition("Ready")["message"],
        "refused by a gateway: LLMProvider shop/openai: spec.endpoint: no URL. Those that refuse it go on with the one before"
    );
    let numbers = json!({"live": 2, "connected": 2, "programmed": 0, "rejected": 2, "summary": "0/2"});
    assert_eq!(scene.numbers(), numbers);
    scene.look_with(&[("a", Some(7)), ("b", Some(7))], Some(&refusal(8, "VirtualKey shop/search")));
    scene.write();
    assert_eq!(scene.said(), [WELL[0], WELL[1], rejected[0], rejected[1], rejected[2]], "this one is");
    // What was refused is no more: a newer one may be taken.
    scene.plan("d3");
    let _ = scene.statuses.stands(&binding(), 9, "d3", scene.now.steady);
    scene.look_with(&[("a", Some(9)), ("b", Some(9))], None);
    scene.write();
    assert_eq!(scene.said(), WELL);
}

#[test]
fn without_a_stream_for_five_minutes_is_told_and_makes_nothing_false() {
    let mut scene = Scene::new();
    scene.look(&[("a", Some(7)), ("b", None)]);
    scene.write();
    assert_eq!(scene.said(), WELL);
    assert_eq!(scene.update().again, Some(scene.now.steady + UNCONNECTED));
    scene.pass(299);
    assert_eq!(scene.write(), None);
    scene.pass(1);
    assert_eq!(scene.update().happenings[0].reason, "Unconnected");
    scene.write();
    assert_eq!(scene.said(), [WELL[0], WELL[1], "Programmed=True Unconnected", WELL[3]]);
    let message = scene.condition("Programmed")["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("gateways of shop/search have not been connected"), "{message}");
    assert!(message.contains("NetworkPolicy"), "{message}");
    scene.look(&[("a", Some(7)), ("b", Some(7))]);
    scene.write();
    assert_eq!(scene.said(), WELL);
}

#[test]
fn a_new_leader_leaves_things_as_they_are_until_gateways_are_back() {
    let mut scene = Scene::new();
    scene.look(&[("a", Some(7)), ("b", Some(7))]);
    scene.write();
    let stands = scene.index.clone();
    let mut next = Scene::began();
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
    assert_eq!(next.said(), WELL, "one that is not back makes nothing False");
}

#[test]
fn numbers_alone_are_written_every_fifteen_seconds_at_most() {
    let mut scene = Scene::new();
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
fn what_is_invalid_says_where_and_what_serves() {
    let mut scene = Scene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    scene.put(2, json!({}));
    scene.verdict.refused = vec![
        problem(Reason::Invalid, "spec.limits.budgets[0].timeZone", "there is no time zone `Mars`"),
        problem(Reason::Malformed, "", "odd"),
    ];
    scene.verdict.serving = Some(1);
    let update = scene.update();
    let reasons: Vec<&str> = update.happenings.iter().map(|one| one.reason).collect();
    assert_eq!(reasons, ["Invalid"], "told once");
    scene.write();
    assert_eq!(
        scene.said(),
        ["Accepted=False Invalid", WELL[1], WELL[2], "Ready=False Invalid", "Stalled=True Invalid"]
    );
    let told = "spec.limits.budgets[0].timeZone: there is no time zone `Mars`; odd. The last good version (generation 1) serves";
    for kind in ["Accepted", "Ready", "Stalled"] {
        assert_eq!(scene.condition(kind)["message"], told);
        assert_eq!(scene.condition(kind)["observedGeneration"], 2);
    }
    assert_eq!(scene.condition("Programmed")["observedGeneration"], 1, "the one that gateways serve");
    // Mended.
    scene.put(3, json!({}));
    scene.verdict = Verdict { generation: 3, ..Verdict::default() };
    scene.write();
    assert_eq!(scene.said(), WELL);
    assert_eq!(scene.condition("Stalled"), Value::Null);
}

#[test]
fn what_never_was_good_serves_nothing() {
    let mut scene = Scene::new();
    scene.verdict.refused = vec![problem(Reason::TestsFailed, "spec.tests[0]", "expected a, got b")];
    scene.write();
    assert_eq!(
        scene.said(),
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
fn what_is_too_large_leaves_what_was_written() {
    let mut scene = Scene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    scene.verdict.refused = vec![problem(Reason::TooLarge, "", "too much. What was written before stays in force")];
    let held = BTreeSet::from([binding()]);
    let differs = scene.statuses.planned("shop", &BTreeMap::new(), &held, scene.now.steady);
    assert_eq!(differs, BTreeSet::new());
    scene.write();
    assert_eq!(scene.said()[2..4], ["Programmed=False TooLarge", "Ready=False TooLarge"]);
    assert_eq!(scene.condition("Accepted")["message"], "too much. What was written before stays in force");
    assert_eq!(scene.numbers()["summary"], "1/1", "its gateways are still counted");
}

#[test]
fn a_missing_name_may_be_only_the_order_of_things() {
    let mut scene = Scene::new();
    scene.verdict.unresolved = vec![problem(Reason::SecretNotFound, "spec.x", "there is no Secret shop/openai")];
    scene.verdict.serving = Some(1);
    let unresolved = ["ResolvedRefs=False SecretNotFound", "Ready=False SecretNotFound"];
    let update = scene.update();
    assert_eq!(update.again, Some(scene.now.steady + ORDER));
    scene.write();
    let no_sidecars = "Programmed=True NoSidecars";
    assert_eq!(scene.said(), [WELL[0], unresolved[0], no_sidecars, unresolved[1]]);
    let told = scene.condition("Ready")["message"].clone();
    let served = ". What can be used of it serves; a value that gateways have of the Secret stays in use (`suspended: true` revokes it)";
    assert!(told.as_str().unwrap().ends_with(served), "{told}");
    scene.pass(30);
    scene.write();
    assert_eq!(scene.said()[4..], ["Stalled=True SecretNotFound"]);
    // What rests on something broken waits for it, however long.
    scene.verdict.unresolved =
        vec![problem(Reason::DependencyInvalid, "spec.x", "LLMProvider shop/openai is not accepted")];
    scene.pass(3_600);
    scene.write();
    assert_eq!(scene.said()[3..], ["Ready=False DependencyInvalid"]);
}

#[test]
fn off_is_in_force() {
    for (reason, message) in [
        (Reason::Suspended, "in force: it is suspended, and nothing goes through it"),
        (Reason::Expired, "in force: it has expired, and nothing goes through it"),
    ] {
        let mut scene = Scene::new();
        scene.look(&[("a", Some(7))]);
        scene.verdict.withdrawn = Some(reason);
        let happenings = scene.update().happenings;
        assert_eq!((happenings.len(), happenings[0].reason, happenings[0].warning), (1, reason.word(), false));
        scene.write();
        assert_eq!(scene.said()[3], format!("Ready=True {}", reason.word()));
        assert_eq!(scene.condition("Ready")["message"], message);
    }
}

#[test]
fn warnings_are_told_with_what_is_valid() {
    let mut scene = Scene::new();
    scene.look(&[("a", Some(7))]);
    scene.verdict.warnings = vec!["spec.models: `gpt-5` is not priced".to_owned()];
    scene.write();
    assert_eq!(scene.said(), WELL);
    assert_eq!(scene.condition("Accepted")["message"], "valid; note: spec.models: `gpt-5` is not priced");
}

#[test]
fn a_write_that_the_watch_has_not_told_of_is_not_done_again() {
    let mut scene = Scene::new();
    scene.look(&[("a", Some(7))]);
    let known = scene.index.get(&key()).unwrap().clone();
    let status = scene.update().status.unwrap();
    scene.statuses.wrote(&known, status, scene.now.steady);
    scene.pass(2);
    assert_eq!(scene.update(), Update::default());
}

#[test]
fn what_the_definition_gives_is_no_judgement() {
    let mut scene = Scene::new();
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
fn limits_are_told_and_what_is_spent_is_not_guessed() {
    let mut scene = Scene::new();
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
    let summary = json!({"limit": "100", "limitName": "spec.limits.budgets[month]", "resets": "2026-11-30T23:00:00Z"});
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
fn what_others_write_into_a_status_is_not_fought_over() {
    let mut scene = Scene::new();
    scene.put(1, json!({"limits": {"budgets": [{"name": "day", "amount": "5", "window": "Day"}]}}));
    scene.look(&[("a", Some(7))]);
    scene.write();
    let mut object = scene.index.get(&key()).unwrap().version.value().clone();
    let mut status = scene.index.get(&key()).unwrap().status.clone().unwrap();
    status["summary"]["spent"] = json!("1.25");
    status["conditions"].as_array_mut().unwrap().insert(0, json!({"type": "Theirs", "status": "True"}));
    object["status"] = status;
    object["metadata"]["resourceVersion"] = json!("99");
    let _ = scene.index.apply(&object);
    assert_eq!(scene.update().status, None);
}

#[test]
fn a_long_list_of_faults_is_cut() {
    let mut scene = Scene::new();
    scene.verdict.refused =
        (0..40).map(|at| problem(Reason::Invalid, &format!("spec.models[{at}]"), &"é".repeat(300))).collect();
    scene.write();
    let message = scene.condition("Ready")["message"].as_str().unwrap().to_owned();
    assert!(
        message.chars().count() <= 901 && message.ends_with("… . Nothing of it serves".trim_start_matches("… ")),
        "{message}"
    );
}

#[test]
fn an_object_is_counted_by_all_the_policies_that_it_is_in() {
    let mut scene = Scene::new();
    let other = Binding::parse("shop", Some("search,batch")).unwrap();
    let mut second = (*revision("d9", &scene.objects)).clone();
    second.binding = other.clone();
    let revisions = BTreeMap::from([(binding(), revision(DIGEST, &scene.objects)), (other.clone(), Arc::new(second))]);
    let _ = scene.statuses.planned("shop", &revisions, &BTreeSet::new(), scene.now.steady);
    let _ = scene.statuses.stands(&other, 3, "d9", scene.now.steady);
    let live = [Live { uid: "a".to_owned(), binding: binding() }, Live { uid: "b".to_owned(), binding: other.clone() }];
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
    // A binding that is planned no more.
    let revisions = BTreeMap::from([(binding(), revision(DIGEST, &scene.objects))]);
    let differs = scene.statuses.planned("shop", &revisions, &BTreeSet::new(), scene.now.steady);
    assert_eq!(differs, BTreeSet::from([key()]));
    scene.pass(15);
    scene.write();
    assert_eq!(scene.numbers()["summary"], "1/1");
}

#[test]
fn a_policy_that_the_cluster_does_not_take_is_told_until_it_does() {
    let mut scene = Scene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    scene.plan("d2");
    let why = "ConfigMap shop/outrigger-search could not be written: exceeded quota";
    assert_eq!(scene.statuses.failed(&binding(), why, scene.now.steady), BTreeSet::from([key()]));
    assert!(scene.statuses.failed(&binding(), why, scene.now.steady).is_empty(), "tried again, and the same");
    scene.write();
    let told = ["Programmed=False NotWritten", "Ready=False NotWritten", "Stalled=True NotWritten"];
    assert_eq!(scene.said(), [WELL[0], WELL[1], told[0], told[1], told[2]]);
    assert_eq!(scene.condition("Ready")["message"], format!("{why}. What was written before stays in force"));
    let _ = scene.statuses.stands(&binding(), 8, "d2", scene.now.steady);
    scene.look(&[("a", Some(8))]);
    scene.write();
    assert_eq!(scene.said(), WELL);
}

/// What is taken out of a policy is in force where gateways have not taken the one without it.
#[test]
fn an_object_that_leaves_a_policy_is_ready_when_gateways_have_let_it_go() {
    let mut scene = Scene::new();
    scene.look(&[("a", Some(7))]);
    scene.write();
    scene.put(2, json!({"suspended": true}));
    scene.verdict.withdrawn = Some(Reason::Suspended);
    scene.objects.clear();
    scene.plan("d2");
    scene.write();
    assert_eq!(scene.said()[2..], ["Programmed=Unknown Pending", "Ready=Unknown Pending"]);
    let _ = scene.statuses.stands(&binding(), 8, "d2", scene.now.steady);
    assert_eq!(scene.write(), None, "written, and not taken");
    assert!(scene.look(&[("a", Some(8))]));
    scene.pass(15);
    scene.write();
    assert_eq!(scene.said()[2..], ["Programmed=True NoSidecars", "Ready=True Suspended"]);
}

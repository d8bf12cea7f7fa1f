//! A key, a provider and their gateways, through time.

mod gateways;
mod judged;
mod limits_shown;

use serde_json::json;

use super::limits::ObjectLimits;
use super::*;
use crate::objects::id::ObjectKind;
use crate::state::index::ObjectIndex;
use crate::status::reason::ConditionReason;
use crate::status::verdict::ObjectProblem;

const DIGEST: &str = "d1";

/// A leader with one key, one policy and a clock.
struct StatusScene {
    statuses: Statuses,
    index: ObjectIndex,
    verdict: ObjectVerdict,
    ledger: LedgerFigures,
    actions: Vec<Value>,
    now: Now,
    objects: BTreeSet<ObjectId>,
}

fn key() -> ObjectId {
    ObjectId { kind: ObjectKind::VirtualKey, namespace: "shop".to_owned(), name: "search".to_owned() }
}

fn binding() -> Binding {
    Binding::of("shop", "search")
}

fn problem(reason: ConditionReason, path: &str, message: &str) -> ObjectProblem {
    ObjectProblem { reason, path: path.to_owned(), message: message.to_owned() }
}

fn revision(digest: &str, objects: &BTreeSet<ObjectId>) -> Arc<PolicyRevision> {
    Arc::new(PolicyRevision {
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

impl StatusScene {
    /// Long after the leader began.
    fn new() -> Self {
        let mut scene = Self::began();
        scene.pass(120);
        scene
    }

    fn began() -> Self {
        let steady = Instant::now();
        let mut scene = StatusScene {
            statuses: Statuses::new(steady),
            index: ObjectIndex::new("outrigger-system", false),
            verdict: ObjectVerdict { generation: 1, ..ObjectVerdict::default() },
            ledger: LedgerFigures::default(),
            actions: Vec::new(),
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
        let live = |(uid, _): &(&str, Option<u64>)| LivePod { uid: (*uid).to_owned(), binding: binding() };
        let live: Vec<LivePod> = gateways.iter().map(live).collect();
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

    fn update(&mut self) -> StatusUpdate {
        let known = self.index.get(&key()).unwrap();
        self.statuses.update(known, &self.verdict, &self.ledger, &self.actions, self.now)
    }

    /// Writes the pending status, and lets the watch report it.
    fn write(&mut self) -> Option<Value> {
        let status = self.update().status?;
        let known = self.index.get(&key()).unwrap().clone();
        self.statuses.wrote(&known, status.clone(), self.now.steady);
        self.actions.clear();
        let mut object = known.version.value().clone();
        object["metadata"]["resourceVersion"] = json!(format!("{}+", known.resource_version));
        object["status"] = status.clone();
        let _ = self.index.apply(&object);
        Some(status)
    }

    /// `Accepted=True Accepted`, from the object's current status.
    fn conditions(&self) -> Vec<String> {
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

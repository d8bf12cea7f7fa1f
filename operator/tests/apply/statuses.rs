//! The statuses of objects with limits: what the ledger tells of them, and what annotations ask of the ledger. The clock is
//! stopped, and goes on when nothing is left to do.

use std::sync::Arc;
use std::time::Duration;

use outrigger_ledger::protocol::{AccountKey, FleetAccount, LimitKey};
use outrigger_ledger::shared::leader::{AccountStatus, ActionRefusal, LedgerAction, LedgerVerb, LimitFigures};
use outrigger_ledger::shared::record::ActionRecord;
use outrigger_operator::ledger::actions::LedgerActions;
use outrigger_operator::ledger::figures::LedgerFigures;
use outrigger_operator::metrics::OperatorMetrics;
use outrigger_operator::objects::id::{ObjectId, ObjectKind};
use outrigger_operator::state::caches::Caches;
use outrigger_operator::state::index::ObjectIndex;
use outrigger_operator::status::RETURN;
use outrigger_operator::status::publisher::StatusPublisher;
use outrigger_operator::status::verdict::ObjectVerdict;
use outrigger_operator::stream::Hub;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::server::FakeApiServer;

const STATUS: &str = "/apis/outrigger.dev/v1alpha1/namespaces/shop/budgets/team/status";
const CENT: u64 = 10_000_000;

fn id() -> ObjectId {
    ObjectId { kind: ObjectKind::Budget, namespace: "shop".to_owned(), name: "team".to_owned() }
}

fn limit() -> LimitKey {
    LimitKey { limit: "Budget shop/team".to_owned(), unit: "usd".to_owned() }
}

/// A leader's publisher, a budget, and what its ledger is asked for.
struct Publishing {
    server: FakeApiServer,
    caches: Arc<Caches>,
    figures: Arc<LedgerFigures>,
    publisher: Arc<StatusPublisher>,
    acted: mpsc::UnboundedReceiver<LedgerAction>,
}

impl Publishing {
    /// The ledger answers with what was forgiven, or refuses.
    fn new(answer: Result<u128, ActionRefusal>) -> Self {
        let server = FakeApiServer::default();
        let caches = Arc::new(Caches::new(ObjectIndex::new("outrigger", false)));
        let (figures, actions) = (Arc::new(LedgerFigures::default()), Arc::new(LedgerActions::default()));
        let mut receiver = actions.receiver().unwrap();
        let (sender, acted) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(one) = receiver.recv().await {
                let id = one.action.id.clone();
                sender.send(one.action).unwrap();
                let _ = one.outcome.send(answer.map(|amount| ActionRecord { id, at: 1_796_025_600_000, amount }));
            }
        });
        let (hub, metrics) = (Arc::new(Hub::default()), Arc::new(OperatorMetrics::new().unwrap()));
        let publisher = StatusPublisher::new(server.client(), Arc::clone(&caches), hub, metrics, "a");
        let publisher = Arc::new(publisher.with_ledger(Arc::clone(&figures), actions));
        publisher.begin();
        let publishing = Publishing { server, caches, figures, publisher, acted };
        publishing.put(1, &Value::Null);
        let verdicts = [(id(), ObjectVerdict { generation: 1, ..ObjectVerdict::default() })];
        publishing.publisher.planned("shop", &Default::default(), &Default::default(), verdicts.into());
        publishing
    }

    /// The watch tells of the object as it stands, with an annotation.
    fn put(&self, version: u64, action: &Value) {
        let mut object = json!({
            "apiVersion": "outrigger.dev/v1alpha1", "kind": "Budget",
            "metadata": {
                "name": "team", "namespace": "shop", "uid": "u", "generation": 1,
                "resourceVersion": self.server.get(STATUS).map_or(json!(version.to_string()), |status| {
                    status["metadata"]["resourceVersion"].clone()
                }),
            },
            "spec": {"amount": "1.00", "window": "Month", "thresholds": [{"percent": 80, "action": "Notify"}]},
        });
        if let Some(text) = action.as_str() {
            object["metadata"]["annotations"] = json!({"outrigger.dev/ledger-action": text});
        }
        if let Some(status) = self.status() {
            object["status"] = status;
        }
        let _ = self.caches.change(|index| index.apply(&object));
        self.publisher.add([id()]);
    }

    fn spent(&self, cents: u64) {
        let status = AccountStatus {
            key: AccountKey { limit: limit(), start: 1_793_491_200_000 },
            end: Some(1_796_083_200_000),
            fleet: FleetAccount { limit: 100 * CENT, spent: cents * CENT, ..FleetAccount::default() },
            available: (100 - cents) * CENT,
            holders: 1,
            raise: None,
            spenders: Vec::new(),
        };
        let figures = LimitFigures { limit: limit(), named: true, status: Some(status) };
        self.figures.take(vec![figures], jiff::Timestamp::now());
    }

    async fn work_for(&self, time: Duration) {
        let working = async { tokio::join!(self.publisher.publish_all(), self.publisher.follow_figures()) };
        assert!(tokio::time::timeout(time, working).await.is_err());
    }

    fn status(&self) -> Option<Value> {
        Some(self.server.get(STATUS)?["status"].clone())
    }

    fn writes(&self) -> usize {
        self.server.requests().iter().filter(|request| *request == "PATCH team/status").count()
    }

    async fn acted(&mut self, text: &str) -> Value {
        self.put(1, &json!(text));
        self.work_for(Duration::from_secs(2)).await;
        self.status().unwrap()["actions"][0].clone()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_spent_is_written_a_few_times_and_a_threshold_at_once() {
    let publishing = Publishing::new(Ok(0));
    publishing.spent(1);
    publishing.work_for(Duration::from_secs(2)).await;
    assert_eq!(publishing.status().unwrap()["limits"][0]["spent"], "$0.01");
    publishing.writes();
    // A minute in which each second something is spent.
    for cents in 2..42 {
        publishing.put(1, &Value::Null);
        publishing.spent(cents);
        publishing.work_for(Duration::from_millis(1_500)).await;
    }
    let writes = publishing.writes();
    assert!((3..=5).contains(&writes), "{writes}");
    publishing.put(1, &Value::Null);
    publishing.spent(85);
    publishing.work_for(Duration::from_secs(1)).await;
    assert_eq!(publishing.status().unwrap()["summary"]["spent"], "$0.85");
    publishing.put(1, &Value::Null);
    publishing.work_for(Duration::from_secs(3_600)).await;
    assert_eq!(publishing.writes(), 1, "and nothing while nothing is spent");
}

#[tokio::test(start_paused = true)]
async fn an_annotation_has_the_ledger_act_once_and_the_status_says_so() {
    let mut publishing = Publishing::new(Ok(u128::from(42 * CENT)));
    let entry = publishing.acted(r#"{"id": "a-1", "verb": "forgive", "reason": "node lost"}"#).await;
    let expected = json!({
        "id": "a-1", "verb": "Forgive", "limit": "spec.amount", "at": "2026-11-30T08:00:00Z", "amount": "$0.42",
        "reason": "node lost", "result": "Done",
    });
    assert_eq!(entry, expected);
    let action = publishing.acted.recv().await.unwrap();
    assert_eq!(action, LedgerAction { id: "a-1".to_owned(), limit: limit(), verb: LedgerVerb::Forgive });
    let events = publishing.server.requests().iter().filter(|request| *request == "POST shop/events").count();
    assert_eq!(events, 1);
    // The annotation stays, and whatever changes, it is done.
    publishing.put(1, &json!(r#"{"id": "a-1", "verb": "forgive", "reason": "node lost"}"#));
    publishing.spent(90);
    publishing.work_for(Duration::from_secs(60)).await;
    assert!(publishing.acted.try_recv().is_err());
    assert_eq!(publishing.status().unwrap()["actions"], json!([expected]));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_done_is_refused_with_what_to_do() {
    let until = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    for (text, expected) in [
        ("{".to_owned(), "the annotation is no action"),
        ("x".repeat(5_000), "longer than 4096 bytes"),
        (r#"{"id": "a b", "verb": "reset"}"#.to_owned(), "id must be 1 to 64 letters"),
        (r#"{"id": "a", "verb": "reset", "by": "root"}"#.to_owned(), "unknown field `by`"),
        (r#"{"id": "a", "verb": "empty"}"#.to_owned(), "verb `empty` is none: write forgive, reset or raise"),
        (r#"{"id": "a", "verb": "reset", "limit": "day"}"#.to_owned(), "no limit `day`: it has `spec.amount`"),
        (r#"{"id": "a", "verb": "raise", "until": "x"}"#.to_owned(), "raise needs amount"),
        (r#"{"id": "a", "verb": "raise", "amount": "$5"}"#.to_owned(), "raise needs until"),
        (r#"{"id": "a", "verb": "raise", "amount": "much", "until": "x"}"#.to_owned(), "amount `much` is no amount"),
        (r#"{"id": "a", "verb": "raise", "amount": "$5", "until": "soon"}"#.to_owned(), "until `soon` is no time"),
        (
            r#"{"id": "a", "verb": "raise", "amount": "$5", "until": "2001-01-01T00:00:00Z"}"#.to_owned(),
            "until 2001-01-01T00:00:00Z has passed",
        ),
        (
            r#"{"id": "a", "verb": "raise", "amount": "$5", "until": "2999-01-01T00:00:00Z"}"#.to_owned(),
            "at most 366 days",
        ),
    ] {
        let mut publishing = Publishing::new(Ok(0));
        let entry = publishing.acted(&text).await;
        assert_eq!(entry["result"], "Refused", "{text}");
        let message = entry["message"].as_str().unwrap();
        assert!(message.contains(expected), "{text}: {message}");
        assert!(publishing.acted.try_recv().is_err(), "{text}");
    }
    let raise = format!(r#"{{"id": "a", "verb": "raise", "amount": "$5", "until": "{until}"}}"#);
    let mut publishing = Publishing::new(Err(ActionRefusal::NotShared));
    assert_eq!(publishing.acted(&raise).await, Value::Null, "a new leader may not know the policy yet");
    publishing.work_for(RETURN).await;
    let entry = publishing.acted(&raise).await;
    assert_eq!(entry["message"], ActionRefusal::NotShared.to_string());
    let mut publishing = Publishing::new(Ok(u128::from(500 * CENT)));
    assert_eq!(publishing.acted(&raise).await["amount"], "$5.00");
}

#[tokio::test(start_paused = true)]
async fn an_action_that_the_store_does_not_have_yet_is_tried_again() {
    let mut publishing = Publishing::new(Err(ActionRefusal::Unavailable));
    publishing.put(1, &json!(r#"{"id": "a", "verb": "reset"}"#));
    publishing.work_for(Duration::from_secs(30)).await;
    let mut tried = 0;
    while publishing.acted.try_recv().is_ok() {
        tried += 1;
    }
    assert!((3..=20).contains(&tried), "{tried}");
    let status = publishing.status().unwrap();
    assert!(status.get("actions").is_none() && status["conditions"][0]["type"] == "Accepted", "the rest does not wait");
}

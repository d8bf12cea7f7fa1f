//! Gateways that share a dollar, with the ledger's own leader behind their streams: they never spend more than one
//! dollar.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outrigger_core::{Millis, Periods};
use outrigger_ledger::protocol::{LimitKey, Term};
use outrigger_ledger::shared::leader::{GatewayLimits, Input, Leader, Output, SharedLimit};
use outrigger_ledger::shared::record::{StoreObject, StoreRecord, StoreVersion, Stored};
use outrigger_policy::Document;
use outrigger_sync::{FromGateway, FromOperator};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::escrow::{DOLLAR, nanos, spend, with_a_dollar};
use crate::meter::Meter;
use crate::operator::{Authority, Operator, OperatorSender, Pod, Sidecar, policy, soon};

fn the_dollar() -> SharedLimit {
    let id = LimitKey::new("VirtualKey default/app: spec.limits.budgets[all]", "usd");
    SharedLimit { id, max: DOLLAR, window: Periods::lifetime() }
}

/// A leader with a store that executes every write immediately, and the streams of the gateways.
struct LedgerServer {
    operator: Operator,
    document: Document,
    leader: Leader,
    store: BTreeMap<StoreObject, (u64, StoreRecord)>,
    gateways: HashMap<String, OperatorSender>,
    received_sender: UnboundedSender<(String, FromGateway)>,
    received: UnboundedReceiver<(String, FromGateway)>,
    /// Another leader takes over at each message.
    fail_over: UnboundedReceiver<()>,
}

fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as Millis
}

impl LedgerServer {
    fn lead(&mut self) {
        self.leader = Leader::new(Term(0));
        let stored = self.store.iter().map(|(object, (version, record))| Stored {
            object: *object,
            version: StoreVersion(version.to_string()),
            record: record.clone(),
        });
        let stored = stored.collect();
        self.step(Input::Loaded(stored));
        self.step(Input::Limits(vec![the_dollar()]));
    }

    fn step(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for output in self.leader.step(now(), input) {
                inputs.extend(self.done(output));
            }
        }
    }

    fn done(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Write { object, expected, record } => {
                let there = self.store.get(&object).map(|(version, _)| *version);
                if there.map(|version| StoreVersion(version.to_string())) != expected {
                    return Some(Input::Conflict { object });
                }
                let version = there.unwrap_or(0) + 1;
                self.store.insert(object, (version, record));
                Some(Input::Written { object, version: StoreVersion(version.to_string()) })
            }
            Output::Reload { object } => {
                let stored = self.store.get(&object).map(|(at, record)| (StoreVersion(at.to_string()), record.clone()));
                Some(Input::Reloaded { object, stored })
            }
            Output::Grants { holder, grants } => {
                if let Some(gateway) = self.gateways.get(&holder.pod) {
                    gateway.send(&FromOperator::Grants(grants));
                }
                None
            }
            Output::Deposed { .. } => panic!("no other leader"),
            Output::Finding(finding) => panic!("no false reports: {finding:?}"),
            #[allow(unreachable_patterns, reason = "the other outputs are for statuses")]
            _ => None,
        }
    }

    async fn serve(mut self) {
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut listening = JoinSet::new();
        self.lead();
        loop {
            tokio::select! {
                Some((pod, message)) = self.received.recv() => {
                    if let FromGateway::Usage(report) = message {
                        let wanted = BTreeSet::from([the_dollar().id]);
                        let limits = Arc::new(GatewayLimits { wanted, ..GatewayLimits::default() });
                        self.step(Input::Report { pod, limits, report });
                    }
                }
                Some(()) = self.fail_over.recv() => self.lead(),
                _ = ticks.tick() => {
                    while let Some(stream) = self.operator.try_stream() {
                        // Each pod has a token of its own.
                        let (pod, received_sender) = (stream.token.replace("Bearer ", ""), self.received_sender.clone());
                        let (sender, mut listener) = stream.split();
                        sender.send(&policy(&self.document, &[("metered-main", "sk-1")]));
                        self.gateways.insert(pod.clone(), sender);
                        listening.spawn(async move {
                            while let Some(message) = listener.recv().await {
                                received_sender.send((pod.clone(), message)).ok();
                            }
                        });
                    }
                    self.step(Input::Tick);
                }
            }
        }
    }
}

struct Fleet {
    authority: String,
    url: String,
    fail_over: UnboundedSender<()>,
    pods: usize,
    _serving: JoinSet<()>,
}

impl Fleet {
    async fn new(meter: &Meter) -> Fleet {
        let authority = Authority::new();
        let operator = Operator::new(&authority).await;
        let url = operator.url();
        let ((received_sender, received), (fail_over, fails)) = (unbounded_channel(), unbounded_channel());
        let server = LedgerServer {
            operator,
            document: with_a_dollar(&meter.url).shared(),
            leader: Leader::new(Term(0)),
            store: BTreeMap::new(),
            gateways: HashMap::new(),
            received_sender,
            received,
            fail_over: fails,
        };
        let mut serving = JoinSet::new();
        serving.spawn(server.serve());
        Fleet { authority: authority.pem, url, fail_over, pods: 0, _serving: serving }
    }

    /// A new pod, which has its policy.
    async fn pod(&mut self) -> (Pod, Sidecar) {
        self.pods += 1;
        let pod = Pod::new(&self.authority);
        pod.write("token", &format!("pod-{}\n", self.pods));
        let sidecar = self.gateway(&pod).await;
        (pod, sidecar)
    }

    /// A gateway in a pod, which has its policy.
    async fn gateway(&self, pod: &Pod) -> Sidecar {
        let sidecar = pod.start(&self.url).await;
        soon("a policy", async {
            while sidecar.ready().await["ready"] != true {
                tokio::task::yield_now().await;
            }
        })
        .await;
        sidecar
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dollar_that_three_gateways_share_is_spent_once_and_almost_completely() {
    let meter = Meter::new(1, false).await;
    let mut fleet = Fleet::new(&meter).await;
    let (a, b, c) = (fleet.pod().await, fleet.pod().await, fleet.pod().await);
    let [a, b, c] = [&a.1, &b.1, &c.1].map(|sidecar| &sidecar.running);
    let refused_at = tokio::join!(spend(a, &meter, 1, 8), spend(b, &meter, 2, 8), spend(c, &meter, 3, 8));
    let billed = meter.billed();
    assert!(billed <= DOLLAR, "{billed} nano-dollars of {DOLLAR} were spent");
    assert!(billed >= DOLLAR / 100 * 95, "only {billed} nano-dollars of {DOLLAR} could be spent");
    let first_refusal = refused_at.0.min(refused_at.1).min(refused_at.2);
    assert!(first_refusal >= DOLLAR, "a 402 at {first_refusal}, when money was only set aside");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_and_a_new_leader_cost_no_budget_and_fail_no_request() {
    let meter = Meter::new(2, false).await;
    let mut fleet = Fleet::new(&meter).await;
    for round in 0..4 {
        let (_pod, mut sidecar) = fleet.pod().await;
        for number in 0..10 {
            let body = json!({"model": "m", "max_tokens": 400, "messages": [{"role": "user", "content": "word"}]});
            let got = sidecar.running.post("/v1/chat/completions", &body).await;
            assert_eq!(got.status, 200, "round {round}, request {number}: {}", got.text);
            if number == 5 {
                fleet.fail_over.send(()).unwrap();
            }
        }
        soon("its end", sidecar.running.stop()).await.unwrap().unwrap();
    }
    let before = meter.billed();
    assert!(before > 0 && before < DOLLAR / 2, "{before}");
    // What earlier pods have spent is spent, and what they returned is available.
    let (_pod, sidecar) = fleet.pod().await;
    spend(&sidecar.running, &meter, 7, 8).await;
    let (billed, limits) = (meter.billed(), sidecar.running.admin("/policy").await["limits"].clone());
    assert!(billed <= DOLLAR, "{billed} nano-dollars of {DOLLAR} were spent");
    assert!(billed >= DOLLAR / 100 * 95, "only {billed} nano-dollars of {DOLLAR} could be spent");
    assert_eq!(nanos(&limits[0]["spent"]), billed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_or_killed_container_spends_the_rest() {
    let meter = Meter::new(3, false).await;
    let mut fleet = Fleet::new(&meter).await;
    let (pod, mut sidecar) = fleet.pod().await;
    let body = json!({"model": "m", "max_tokens": 400, "messages": [{"role": "user", "content": "word"}]});
    for round in 0..4 {
        for number in 0..5 {
            let got = sidecar.running.post("/v1/chat/completions", &body).await;
            assert_eq!(got.status, 200, "round {round}, request {number}: {}", got.text);
        }
        match round % 2 {
            0 => sidecar.ends().await,
            _ => sidecar.kill().await,
        }
        sidecar = fleet.gateway(&pod).await;
    }
    spend(&sidecar.running, &meter, 9, 8).await;
    let billed = meter.billed();
    assert!(billed <= DOLLAR, "{billed} nano-dollars of {DOLLAR} were spent");
    assert!(billed >= DOLLAR / 100 * 95, "only {billed} nano-dollars of {DOLLAR} could be spent");
}

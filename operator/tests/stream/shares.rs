//! Gateways that share a limit over their streams: the gateways' side of the ledger against the operator's.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use outrigger_core::{Millis, Window};
use outrigger_ledger::protocol::{AccountKey, AccountUsage, Grants, LimitKey, Term, UsageReport, WantedLimit};
use outrigger_ledger::shared::Holder;
use outrigger_ledger::shared::holder::{Due, HeldShort, MessageOutcome, SharedNo};
use outrigger_ledger::shared::leader::{
    AccountStatus, ActionRefusal, FindingKind, LedgerAction, LedgerFinding, LedgerVerb,
};
use outrigger_operator::ledger::actions::LedgerActions;
use outrigger_operator::ledger::driver::{FindingReporter, LedgerDriver, PodUids};
use outrigger_operator::ledger::figures::LedgerFigures;
use outrigger_operator::ledger::limits::PlannedLimits;
use outrigger_operator::ledger::store::LedgerStore;
use outrigger_operator::ledger::store::marker::StoreKind;
use outrigger_operator::metrics::OperatorMetrics;
use outrigger_operator::objects::binding::Binding;
use outrigger_operator::objects::id::ObjectKind;
use outrigger_operator::stream::ConnectedGateway;
use outrigger_policy::{BudgetDoc, Document, Unit};
use outrigger_sync::{FromGateway, FromOperator};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::{GatewayStream, SOON};
use crate::memory_store::{Fate, MemoryStore};
use crate::world::{StreamWorld, binding};

/// The pause between a gateway's checks for due reports.
const LOOK: Duration = Duration::from_millis(100);

/// A leader and its ledger.
pub struct LedgerWorld {
    world: StreamWorld,
    limits: Arc<PlannedLimits>,
    pub metrics: Arc<OperatorMetrics>,
    figures: Arc<LedgerFigures>,
    actions: Arc<LedgerActions>,
    findings: mpsc::UnboundedReceiver<(Option<String>, LedgerFinding)>,
    driver: JoinHandle<()>,
}

/// The cache of a cluster without pods, so only connected ones exist.
#[derive(Debug)]
struct Nobody;

impl PodUids for Nobody {
    fn uids(&self) -> HashSet<String> {
        HashSet::new()
    }

    fn workload(&self, gateway: &ConnectedGateway) -> Option<String> {
        Some(format!("{}/Deployment/{}", gateway.namespace, gateway.pod))
    }
}

#[derive(Debug)]
struct FindingSender(mpsc::UnboundedSender<(Option<String>, LedgerFinding)>);

impl FindingReporter for FindingSender {
    fn report<'a>(&'a self, gateway: Option<&'a ConnectedGateway>, finding: &'a LedgerFinding) -> BoxFuture<'a, ()> {
        self.0.send((gateway.map(|gateway| gateway.pod.clone()), finding.clone())).unwrap();
        Box::pin(async {})
    }
}

fn limit(name: &str) -> LimitKey {
    LimitKey { limit: format!("Budget shop/{name}"), unit: "usd".to_owned() }
}

fn document(name: &str, max: u64) -> Document {
    let budget = BudgetDoc {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        unit: Unit::Money,
        max,
        window: Window::Lifetime,
        parent: None,
        thresholds: Vec::new(),
        applies_to: None,
        fail_open: None,
    };
    Document { budgets: vec![budget], ..Document::default() }.shared()
}

impl LedgerWorld {
    /// The key `search` has the budget `team`. Another key of the namespace has the budget `others`.
    pub async fn new(store: &Arc<MemoryStore>, max: u64) -> Self {
        Self::missing(store, max, SOON).await
    }

    /// The same. Records are first moved here from the other store.
    pub async fn migrating(
        store: Arc<dyn LedgerStore>,
        kind: StoreKind,
        source: (StoreKind, Arc<dyn LedgerStore>),
        max: u64,
    ) -> Self {
        Self::with(store, max, |driver| driver.migrating(kind, source.0, source.1)).await
    }

    /// The same, with the time after which a pod without a stream counts as gone.
    pub async fn missing(store: &Arc<MemoryStore>, max: u64, missed: Duration) -> Self {
        Self::with(Arc::clone(store) as _, max, |driver| driver.missed_for(missed)).await
    }

    pub async fn with(store: Arc<dyn LedgerStore>, max: u64, how: impl FnOnce(LedgerDriver) -> LedgerDriver) -> Self {
        let world = StreamWorld::new().await;
        let (limits, metrics) = (Arc::new(PlannedLimits::default()), Arc::new(OperatorMetrics::new().unwrap()));
        let (sender, findings) = mpsc::unbounded_channel();
        let driver = LedgerDriver::new(
            store,
            Arc::clone(&limits),
            Arc::clone(&world.hub),
            Arc::new(Nobody),
            Arc::new(FindingSender(sender)),
            Arc::clone(&metrics),
        );
        let (figures, actions) = (Arc::new(LedgerFigures::default()), Arc::new(LedgerActions::default()));
        // Makes each check of the store happen soon.
        let driver = how(driver.missed_for(SOON).checked_every(LOOK));
        let driver = driver.with_views(Arc::clone(&figures), Arc::clone(&actions));
        let driver = tokio::spawn(async move { driver.run().await });
        let world = LedgerWorld { world, limits, metrics, figures, actions, findings, driver };
        world.plan(1, max);
        world
    }

    fn plan(&self, seen: u64, max: u64) {
        let (own, other) = (binding(), Binding::of("shop", "batch"));
        let documents = [(&own, &document("team", max)), (&other, &document("others", max))];
        self.limits.planned("shop", seen, documents.into_iter(), &BTreeSet::new());
    }

    /// The replica loses its Lease.
    pub fn end(self) {
        self.world.hub.lead(false);
        self.driver.abort();
    }

    /// Waits until figures of the budget are so.
    async fn stands(&self, so: impl Fn(&AccountStatus) -> bool) -> AccountStatus {
        let standing = async {
            loop {
                let changed = self.figures.changes().await;
                assert!(
                    changed.keys().all(|id| id.kind == ObjectKind::Budget && id.namespace == "shop"),
                    "{changed:?}"
                );
                if let Some(figure) = self.figures.of(&limit("team")).filter(|figure| so(&figure.status)) {
                    return figure.status;
                }
            }
        };
        tokio::time::timeout(SOON, standing).await.expect("figures")
    }

    async fn act(&self, id: &str, verb: LedgerVerb) -> Result<u128, ActionRefusal> {
        let action = LedgerAction { id: id.to_owned(), limit: limit("team"), verb };
        self.actions.act(action).await.map(|done| done.amount)
    }

    async fn found(&mut self) -> (Option<String>, FindingKind) {
        let (gateway, finding) = tokio::time::timeout(SOON, self.findings.recv()).await.unwrap().unwrap();
        (gateway, finding.kind)
    }
}

/// A gateway that spends.
pub struct Gateway {
    pod: &'static str,
    stream: GatewayStream,
    pub holder: Holder,
    pub team: SharedNo,
    began: Instant,
    pub spent: u64,
    /// The ledger may answer that it does not know the holder any more: its store was restored from a backup.
    may_be_void: bool,
}

impl Gateway {
    pub async fn new(world: &LedgerWorld, pod: &'static str) -> Self {
        let stream = GatewayStream::new(&world.world, &world.world.pod(pod, "default")).await;
        let mut holder = Holder::new(5);
        let team = holder.adopt([&limit("team")])[0];
        Gateway { pod, stream, holder, team, began: Instant::now(), spent: 0, may_be_void: false }
    }

    /// The store of the next leader was restored from a backup.
    pub fn restored(&mut self) {
        self.may_be_void = true;
    }

    /// Connects to another replica.
    pub async fn follow(&mut self, world: &LedgerWorld) {
        self.stream = GatewayStream::new(&world.world, &world.world.pod(self.pod, "default")).await;
        self.holder.connected();
    }

    pub fn now(&self) -> Millis {
        Millis::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    /// Spends an amount once it is granted. `false` if the ledger says that the limit is spent.
    pub async fn spend(&mut self, amount: u64) -> bool {
        let spending = async {
            loop {
                let now = self.now();
                match self.holder.reserve(self.team, amount, now) {
                    Ok(held) => {
                        self.holder.settle(held, amount, amount, now);
                        self.spent += amount;
                        return true;
                    }
                    Err(HeldShort::Spent { .. }) => return false,
                    Err(_) => self.talk().await,
                }
            }
        };
        match tokio::time::timeout(SOON, spending).await {
            Ok(spent) => spent,
            Err(_) => panic!("{}: no money, and no word that there is none: {:?}", self.pod, self.holder),
        }
    }

    /// Spends what it has, and reports. Returns whether the ledger says that the limit is spent.
    pub async fn turn(&mut self, amount: u64) -> bool {
        loop {
            let now = self.now();
            match self.holder.reserve(self.team, amount, now) {
                Ok(held) => {
                    self.holder.settle(held, amount, amount, now);
                    self.spent += amount;
                }
                Err(short) => {
                    self.talk().await;
                    return matches!(short, HeldShort::Spent { .. });
                }
            }
        }
    }

    /// Sends what is due, and handles what arrives.
    pub async fn talk(&mut self) {
        let now = self.now();
        if self.holder.due(now) == Due::Now
            && let Some(report) = self.holder.report(now)
        {
            self.stream.send(&FromGateway::Usage(report)).await;
        }
        // There may be no message. The gateway requests again later.
        if let Ok(Some(message)) = tokio::time::timeout(LOOK, self.stream.next()).await {
            self.take(&message);
        }
    }

    fn take(&mut self, message: &FromOperator) {
        if let FromOperator::Grants(grants) = message {
            let now = self.now();
            if self.holder.take(grants, now) == MessageOutcome::Void {
                assert!(self.may_be_void, "{}: the ledger has forgotten it", self.pod);
                self.holder.begin_anew(0);
            }
        }
    }

    /// Waits until the ledger has stored all of its spending.
    async fn leave(&mut self) {
        let leaving = async {
            while !self.holder.is_confirmed() {
                let report = self.holder.last_report(self.now());
                self.stream.send(&FromGateway::Usage(report)).await;
                if let Ok(Some(message)) = tokio::time::timeout(LOOK, self.stream.next()).await {
                    self.take(&message);
                }
            }
        };
        tokio::time::timeout(SOON, leaving).await.expect("word that it is kept");
    }
}

/// All gateways spend until the ledger tells each that the limit is spent. Returns their spending.
pub async fn spend_all(gateways: &mut [Gateway], amount: u64) -> u64 {
    let spending =
        async { while !join_all(gateways.iter_mut().map(|one| one.turn(amount))).await.iter().all(|out| *out) {} };
    tokio::time::timeout(SOON, spending).await.expect("word that there is none");
    gateways.iter().map(|gateway| gateway.spent).sum()
}

pub async fn spend_some(gateways: &mut [Gateway], amount: u64, times: usize) {
    for gateway in gateways {
        for _ in 0..times {
            assert!(gateway.spend(amount).await);
        }
    }
}

#[tokio::test]
async fn gateways_share_a_limit_down_to_the_last_unit() {
    let store = Arc::new(MemoryStore::default());
    let world = LedgerWorld::new(&store, 10_000).await;
    let mut gateways = [Gateway::new(&world, "a").await, Gateway::new(&world, "b").await];
    let spent = spend_all(&mut gateways, 100).await;
    assert_eq!(spent, 10_000);
    assert!(gateways.iter().all(|gateway| gateway.spent > 0), "both had some");
    let text = String::from_utf8(world.metrics.text()).unwrap();
    assert!(text.contains("outrigger_operator_ledger_writes_total{result=\"ok\"}"), "{text}");
}

#[tokio::test]
async fn a_raised_limit_is_available_to_all_at_once() {
    let store = Arc::new(MemoryStore::default());
    let world = LedgerWorld::new(&store, 1_000).await;
    let mut gateways = [Gateway::new(&world, "a").await, Gateway::new(&world, "b").await];
    assert_eq!(spend_all(&mut gateways, 100).await, 1_000);
    world.plan(2, 3_000);
    // A gateway treats the limit as spent until its next report is answered.
    let more = async { while spend_all(&mut gateways, 100).await < 3_000 {} };
    tokio::time::timeout(SOON, more).await.expect("the rest of what it was raised to");
    assert_eq!(gateways.iter().map(|gateway| gateway.spent).sum::<u64>(), 3_000);
}

/// The next leader knows only the store and what gateways report.
#[tokio::test]
async fn a_new_leader_grants_nothing_twice_and_loses_nothing() {
    let store = Arc::new(MemoryStore::default());
    let first = LedgerWorld::new(&store, 10_000).await;
    let mut gateways = [Gateway::new(&first, "a").await, Gateway::new(&first, "b").await];
    spend_some(&mut gateways, 100, 20).await;
    first.end();
    let second = LedgerWorld::new(&store, 10_000).await;
    for gateway in &mut gateways {
        gateway.follow(&second).await;
    }
    let [first, second_gateway] = gateways;
    let mut gateways = [first, second_gateway, Gateway::new(&second, "c").await];
    assert_eq!(spend_all(&mut gateways, 100).await, 10_000);
}

#[tokio::test]
async fn returned_grants_are_spent_by_others() {
    let store = Arc::new(MemoryStore::default());
    let world = LedgerWorld::new(&store, 10_000).await;
    let mut first = Gateway::new(&world, "a").await;
    spend_some(std::slice::from_mut(&mut first), 100, 5).await;
    first.leave().await;
    let mut others = [Gateway::new(&world, "b").await];
    assert_eq!(spend_all(&mut others, 100).await, 9_500);
}

#[tokio::test]
async fn store_failures_and_conflicts_lose_no_money() {
    let store = Arc::new(MemoryStore::default());
    let world = LedgerWorld::new(&store, 10_000).await;
    let mut gateways = [Gateway::new(&world, "a").await, Gateway::new(&world, "b").await];
    spend_some(&mut gateways, 100, 5).await;
    store.fates(&[Fate::WrittenInSilence, Fate::Written, Fate::LostInSilence, Fate::Failed, Fate::WrittenInSilence]);
    spend_some(&mut gateways, 100, 5).await;
    store.touch();
    assert_eq!(spend_all(&mut gateways, 100).await, 10_000);
    let text = String::from_utf8(world.metrics.text()).unwrap();
    assert!(text.contains("outrigger_operator_ledger_writes_total{result=\"unknown\"}"), "{text}");
}

#[tokio::test]
async fn an_impossible_report_is_a_finding_and_moves_no_money() {
    let store = Arc::new(MemoryStore::default());
    let mut world = LedgerWorld::new(&store, 10_000).await;
    let mut honest = [Gateway::new(&world, "a").await];
    assert!(honest[0].spend(100).await);
    let mut liar = Gateway::new(&world, "b").await;
    spend_some(std::slice::from_mut(&mut liar), 100, 3).await;
    let mut report = liar.holder.report(liar.now()).unwrap();
    let key = AccountKey { limit: limit("team"), start: 0 };
    report.accounts =
        vec![AccountUsage { account: key, spent: 1, reserved: 0, granted: 10, returned: 0, want: 0, least: 0 }];
    liar.stream.send(&FromGateway::Usage(report)).await;
    assert_eq!(world.found().await, (Some("b".to_owned()), FindingKind::Less));
    let held = liar.spent + liar.holder.free(liar.team, liar.now());
    assert_eq!(spend_all(&mut honest, 100).await, (10_000 - held) / 100 * 100);
}

/// What the pod may have spent counts as spent. The others get the rest of the budget.
#[tokio::test]
async fn the_grant_of_a_vanished_pod_counts_as_spent() {
    let store = Arc::new(MemoryStore::default());
    let world = LedgerWorld::missing(&store, 10_000, Duration::ZERO).await;
    let mut gone = Gateway::new(&world, "a").await;
    spend_some(std::slice::from_mut(&mut gone), 100, 5).await;
    let held = gone.spent + gone.holder.free(gone.team, gone.now());
    drop(gone);
    let mut others = [Gateway::new(&world, "b").await];
    let unconfirmed = async {
        loop {
            spend_all(&mut others, 100).await;
            let now = others[0].now();
            if let Some(fleet) = others[0].holder.fleet(others[0].team, now)
                && fleet.account.unconfirmed > 0
            {
                return fleet.account;
            }
            others[0].talk().await;
        }
    };
    let fleet = tokio::time::timeout(SOON, unconfirmed).await.expect("word of the pod that is gone");
    assert!(others[0].spent <= 10_000 - held, "{} are spent in addition to {held}", others[0].spent);
    assert!(fleet.spent + fleet.unconfirmed <= 10_000, "{fleet:?}");
}

/// The first report of a later leader is believed, because the store may have been restored. A second invented one is
/// refused.
#[tokio::test]
async fn invented_leaders_delay_others_only_once() {
    let store = Arc::new(MemoryStore::default());
    let mut world = LedgerWorld::new(&store, 10_000).await;
    let mut honest = [Gateway::new(&world, "a").await];
    spend_some(&mut honest, 100, 2).await;
    let liar = GatewayStream::new(&world.world, &world.world.pod("b", "default")).await;
    let lie = |number, term| UsageReport { epoch: 5, term: Term(term), number, whole: true, ..UsageReport::default() };
    liar.send(&FromGateway::Usage(lie(1, 1_000))).await;
    let following = async {
        while honest[0].holder.state().term <= Term(1_000) {
            let report = honest[0].holder.report(honest[0].now()).unwrap();
            honest[0].stream.send(&FromGateway::Usage(report)).await;
            honest[0].talk().await;
        }
    };
    tokio::time::timeout(SOON, following).await.expect("a leader above what was made up");
    liar.send(&FromGateway::Usage(lie(2, 900_000))).await;
    assert_eq!(world.found().await, (Some("b".to_owned()), FindingKind::Absurd));
    assert_eq!(spend_all(&mut honest, 100).await, 10_000);
}

#[tokio::test]
async fn another_keys_limit_is_refused() {
    let store = Arc::new(MemoryStore::default());
    let mut world = LedgerWorld::new(&store, 10_000).await;
    let mut stream = GatewayStream::new(&world.world, &world.world.pod("a", "default")).await;
    let mut term = Term(0);
    let others = || WantedLimit { limit: limit("others"), want: 100, least: 100 };
    let mut answers: Vec<Grants> = Vec::new();
    let asking = async {
        for number in 1.. {
            let report =
                UsageReport { epoch: 5, term, number, whole: true, wanted: vec![others()], ..UsageReport::default() };
            stream.send(&FromGateway::Usage(report)).await;
            while let Ok(Some(message)) = tokio::time::timeout(LOOK, stream.next()).await {
                if let FromOperator::Grants(grants) = message {
                    term = grants.term;
                    answers.push(grants);
                }
            }
            if let Ok(found) = world.findings.try_recv() {
                return found;
            }
        }
        unreachable!("it reports until it is answered")
    };
    let (gateway, finding) = tokio::time::timeout(SOON, asking).await.unwrap();
    assert_eq!((gateway.as_deref(), finding.kind), (Some("a"), FindingKind::NotAllowed));
    assert!(answers.iter().all(|grants| grants.accounts.iter().all(|account| account.granted == 0)), "{answers:?}");
}

#[tokio::test]
async fn figures_tell_what_all_gateways_have_spent_and_which_spent_most() {
    let store = Arc::new(MemoryStore::default());
    let world = LedgerWorld::new(&store, 10_000).await;
    assert_eq!(world.stands(|_| true).await.fleet.limit, 10_000, "before anybody has spent any of it");
    let mut gateways = [Gateway::new(&world, "a").await, Gateway::new(&world, "b").await];
    spend_some(&mut gateways[..1], 100, 20).await;
    spend_some(&mut gateways, 100, 10).await;
    for mut gateway in gateways {
        gateway.leave().await;
    }
    let status = world.stands(|status| status.fleet.spent == 4_000 && status.available == 6_000).await;
    let spenders = [("shop/Deployment/a", 3_000), ("shop/Deployment/b", 1_000)];
    assert_eq!(status.spenders, spenders.map(|(workload, spent)| (workload.to_owned(), spent)));
    assert_eq!((status.fleet.leased, status.fleet.unconfirmed), (0, 0));
}

/// The next leader finds the id of an action in the store.
#[tokio::test]
async fn an_action_is_done_once_whichever_replica_leads() {
    let store = Arc::new(MemoryStore::default());
    let world = LedgerWorld::new(&store, 1_000).await;
    let mut gateways = [Gateway::new(&world, "a").await];
    assert_eq!(spend_all(&mut gateways, 100).await, 1_000);
    world.stands(|status| status.fleet.spent == 1_000).await;
    store.fates(&[Fate::Failed, Fate::WrittenInSilence]);
    assert_eq!(world.act("r", LedgerVerb::Reset).await, Ok(1_000));
    // The word that it is spent holds until the next report is answered.
    let more = async { while spend_all(&mut gateways, 100).await < 1_500 {} };
    tokio::time::timeout(SOON, more).await.expect("what was reset");
    world.end();
    let next = LedgerWorld::new(&store, 1_000).await;
    for gateway in &mut gateways {
        gateway.follow(&next).await;
    }
    let again = async {
        loop {
            // It does not lead yet.
            match next.act("r", LedgerVerb::Reset).await {
                Err(ActionRefusal::Unavailable | ActionRefusal::NotShared) => {}
                done => return done,
            }
        }
    };
    assert_eq!(tokio::time::timeout(SOON, again).await.unwrap(), Ok(1_000), "what it came to then");
    assert_eq!(spend_all(&mut gateways, 100).await, 2_000);
    let until = jiff::Timestamp::now().as_millisecond() + 3_600_000;
    assert_eq!(next.act("u", LedgerVerb::Raise { by: 500, until }).await, Ok(500));
    let more = async { while spend_all(&mut gateways, 100).await < 2_500 {} };
    tokio::time::timeout(SOON, more).await.expect("what it was raised by");
    let none = LedgerAction { id: "n".to_owned(), limit: limit("none"), verb: LedgerVerb::Forgive };
    assert_eq!(next.actions.act(none).await, Err(ActionRefusal::NotShared));
}

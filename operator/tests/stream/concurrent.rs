//! Gateways that share a limit on concurrent requests over their streams: the gateways' side against the operator's.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use outrigger_ledger::permits::{PermitHolder, PermitNo, PermitReport, PermitSession, PermitUsage};
use outrigger_ledger::shared::holder::Due;
use outrigger_operator::ledger::driver::PodUids;
use outrigger_operator::ledger::limits::PlannedLimits;
use outrigger_operator::ledger::permits::PermitDriver;
use outrigger_operator::metrics::OperatorMetrics;
use outrigger_policy::{Document, KeyDoc, LimitsDoc};
use outrigger_sync::{FromGateway, FromOperator};
use tokio::task::JoinHandle;

use crate::client::{GatewayStream, SOON};
use crate::world::{StreamWorld, binding};

/// The pause between a gateway's checks for due reports.
const LOOK: Duration = Duration::from_millis(50);
const LIMIT: &str = "VirtualKey shop/search";

/// A cache without pods: only connected ones exist.
#[derive(Debug)]
struct Nobody;

impl PodUids for Nobody {
    fn uids(&self) -> HashSet<String> {
        HashSet::new()
    }
}

/// A replica that leads, and grants permits.
struct PermitWorld {
    world: StreamWorld,
    limits: Arc<PlannedLimits>,
    metrics: Arc<OperatorMetrics>,
    _driver: JoinHandle<()>,
}

impl PermitWorld {
    async fn new(most: u32) -> Self {
        let world = StreamWorld::new().await;
        let (limits, metrics) = (Arc::new(PlannedLimits::default()), Arc::new(OperatorMetrics::new().unwrap()));
        let (hub, pods) = (Arc::clone(&world.hub), Arc::new(Nobody));
        let driver = PermitDriver::new(Arc::clone(&limits), hub, pods, Arc::clone(&metrics));
        let driver = driver.missed_for(Duration::from_millis(100));
        let driver = tokio::spawn(async move { driver.run().await });
        let world = PermitWorld { world, limits, metrics, _driver: driver };
        world.plan(1, most);
        world
    }

    fn plan(&self, seen: u64, most: u32) {
        let limits = LimitsDoc { concurrent_requests: Some(most), ..LimitsDoc::default() };
        let (namespace, name) = ("shop".to_owned(), "search".to_owned());
        let key = KeyDoc { namespace, name, limits, ..KeyDoc::default() };
        let document = Document { keys: vec![key], ..Document::default() }.shared();
        self.limits.planned("shop", seen, [(&binding(), &document)].into_iter(), &BTreeSet::new());
    }
}

struct Gateway {
    stream: GatewayStream,
    holder: PermitHolder,
    limit: PermitNo,
    began: Instant,
}

impl Gateway {
    async fn new(world: &PermitWorld, pod: &'static str, process: u64) -> Self {
        let stream = GatewayStream::new(&world.world, &world.world.pod(pod, "default")).await;
        let mut holder = PermitHolder::new(process);
        let limit = holder.adopt([(LIMIT, 100)])[0];
        holder.connected();
        Gateway { stream, holder, limit, began: Instant::now() }
    }

    fn now(&self) -> i64 {
        self.began.elapsed().as_millis() as i64
    }

    /// Sends what is due, and handles what arrives.
    async fn talk(&mut self) {
        let now = self.now();
        if self.holder.due(now) == Due::Now
            && let Some(report) = self.holder.report(now)
        {
            self.stream.send(&FromGateway::Permits(report)).await;
        }
        if let Ok(Some(FromOperator::Permits(grants))) = tokio::time::timeout(LOOK, self.stream.next()).await {
            let now = self.now();
            self.holder.granted(&grants, now);
        }
    }

    /// Begins a request as soon as possible.
    async fn begins(&mut self) {
        self.holder.wait(self.limit);
        let begun = async {
            while self.holder.take(self.limit, self.now()).is_err() {
                self.talk().await;
            }
        };
        tokio::time::timeout(SOON, begun).await.expect("a permit");
        self.holder.waited(self.limit);
    }

    fn ends(&mut self) {
        let now = self.now();
        self.holder.release(self.limit, now);
    }
}

#[tokio::test]
async fn a_permit_moves_between_gateways_and_is_free_when_a_pod_is_gone() {
    let world = PermitWorld::new(1).await;
    let mut a = Gateway::new(&world, "a", 1).await;
    let mut b = Gateway::new(&world, "b", 2).await;
    // A new leader waits for the connected gateways, and grants nothing before.
    b.talk().await;
    a.begins().await;
    b.holder.wait(b.limit);
    for _ in 0..10 {
        b.talk().await;
        a.talk().await;
    }
    assert!(b.holder.take(b.limit, b.now()).is_err(), "one runs already");
    a.ends();
    a.talk().await;
    b.begins().await;
    // Its pod is gone, with the request that it had.
    drop(b);
    a.begins().await;
    assert_eq!(a.holder.view(a.limit).held, 1);
}

#[tokio::test]
async fn a_raised_limit_grants_more_and_no_gateway_gets_permits_of_another_key() {
    let world = PermitWorld::new(1).await;
    let mut a = Gateway::new(&world, "a", 1).await;
    a.begins().await;
    world.plan(2, 2);
    a.begins().await;
    let usage = PermitUsage { limit: "VirtualKey shop/other".to_owned(), need: 1, ..PermitUsage::default() };
    let session = PermitSession { process: 1, connection: 1 };
    let report = PermitReport { session, number: 1_000, limits: vec![usage], last: false };
    a.stream.send(&FromGateway::Permits(report)).await;
    let counted = "outrigger_operator_concurrency_findings_total{finding=\"not_allowed\"} 1";
    let found = async {
        while !String::from_utf8(world.metrics.text()).unwrap().contains(counted) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, found).await.expect("a finding");
}

//! The ledger's records are moved to another store and back while gateways spend: the limit holds, and nothing
//! acknowledged is lost.

use std::sync::Arc;

use futures_util::future::join_all;
use outrigger_operator::ledger::store::LedgerStore;
use outrigger_operator::ledger::store::kubernetes::KubernetesStore;
use outrigger_operator::ledger::store::marker::StoreKind;
use outrigger_operator::ledger::store::postgres::PostgresStore;

use crate::api_server::FakeApiServer;
use crate::client::SOON;
use crate::postgres_server::PostgresServer;
use crate::shares::{Gateway, LedgerWorld, spend_all};

const LIMIT: u64 = 200_000;
const AMOUNT: u64 = 500;
const PODS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// They spend until this much is spent in total.
async fn spend_until(gateways: &mut [Gateway], most: u64) {
    let spending = async {
        while total(gateways) < most {
            join_all(gateways.iter_mut().map(|gateway| gateway.turn(AMOUNT))).await;
        }
    };
    tokio::time::timeout(SOON, spending).await.expect("grants");
}

fn total(gateways: &[Gateway]) -> u64 {
    gateways.iter().map(|gateway| gateway.spent).sum()
}

fn has(world: &LedgerWorld, line: &str) -> bool {
    String::from_utf8(world.metrics.text()).unwrap().lines().any(|each| each == line)
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_spend_one_limit_while_its_records_move_there_and_back() {
    let server = PostgresServer::start();
    let kubernetes: Arc<dyn LedgerStore> =
        Arc::new(KubernetesStore::new(FakeApiServer::default().client(), "outrigger"));
    let postgres: Arc<dyn LedgerStore> = Arc::new(PostgresStore::new(server.secret("")));
    let stores = [(StoreKind::Kubernetes, kubernetes), (StoreKind::Postgres, postgres)];

    let mut leader = LedgerWorld::with(Arc::clone(&stores[0].1), LIMIT, |driver| driver).await;
    let mut gateways = join_all(PODS.map(|pod| Gateway::new(&leader, pod))).await;
    spend_until(&mut gateways, LIMIT / 8).await;
    for round in 0..4 {
        let (from, to) = (&stores[round % 2], &stores[(round + 1) % 2]);
        // The former leader continues: it has lost the Lease, and does not know it yet.
        let next = LedgerWorld::migrating(Arc::clone(&to.1), to.0, (from.0, Arc::clone(&from.1)), LIMIT).await;
        let moving = async {
            while !has(&next, "outrigger_operator_ledger_leader 1") || !has(&leader, FAULT) {
                join_all(gateways.iter_mut().map(|gateway| gateway.turn(AMOUNT))).await;
            }
        };
        tokio::time::timeout(SOON, moving).await.expect("the next one leads, and the one before does not");
        let spent = total(&gateways);
        assert!(spent <= LIMIT, "{spent}");
        // One by one they connect to the next leader.
        for gateway in &mut gateways {
            gateway.follow(&next).await;
        }
        std::mem::replace(&mut leader, next).end();
        spend_until(&mut gateways, (spent + LIMIT / 8).min(LIMIT)).await;
    }
    assert_eq!(spend_all(&mut gateways, AMOUNT).await, LIMIT);
}

const FAULT: &str = "outrigger_operator_ledger_store_fault{fault=\"moved\"} 1";

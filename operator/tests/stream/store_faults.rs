//! A store that fails, loses records or is restored: grants wait, gateways spend what they hold, and nothing is granted
//! twice.

use std::sync::Arc;

use kube::core::Status;
use outrigger_operator::api::CallError;
use outrigger_operator::ledger::store::StoreError;

use crate::client::SOON;
use crate::memory_store::MemoryStore;
use crate::shares::{Gateway, LedgerWorld, spend_all, spend_some};

const LIMIT: u64 = 10_000;

fn metrics(world: &LedgerWorld) -> String {
    String::from_utf8(world.metrics.text()).unwrap()
}

/// Spends and exchanges messages until the metrics have this line.
async fn until(world: &LedgerWorld, gateways: &mut [Gateway], amount: u64, line: &str) {
    let waiting = async {
        while !metrics(world).lines().any(|each| each == line) {
            for gateway in &mut *gateways {
                gateway.turn(amount).await;
            }
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("no {line} in {}", metrics(world)));
}

async fn two(world: &LedgerWorld) -> [Gateway; 2] {
    [Gateway::new(world, "a").await, Gateway::new(world, "b").await]
}

#[tokio::test]
async fn deleted_records_are_written_again() {
    for name in ["shard-0", "index"] {
        let store = Arc::new(MemoryStore::default());
        let world = LedgerWorld::new(&store, LIMIT).await;
        let mut gateways = two(&world).await;
        spend_some(&mut gateways, 100, 20).await;
        store.lose(name);
        // No new write of the record is needed for that.
        until(&world, &mut gateways, LIMIT, "outrigger_operator_ledger_restored_records_total 1").await;
        assert_eq!(spend_all(&mut gateways, 100).await, LIMIT, "{name}");
    }
}

/// As if the definition, or a table, were removed and created again while the operator runs.
#[tokio::test]
async fn a_store_that_loses_everything_is_written_again() {
    let store = Arc::new(MemoryStore::default());
    let world = LedgerWorld::new(&store, LIMIT).await;
    let mut gateways = two(&world).await;
    spend_some(&mut gateways, 100, 20).await;
    store.fail(Some(|| StoreError::NoDefinition));
    store.restore(std::collections::BTreeMap::new());
    for gateway in &mut gateways {
        let expected = gateway.spent + gateway.holder.free(gateway.team, gateway.now()) / 100 * 100;
        gateway.turn(100).await;
        assert!(gateway.spent >= expected, "what it holds is served");
    }
    until(&world, &mut gateways, 100, "outrigger_operator_ledger_store_fault{fault=\"missing\"} 1").await;
    store.fail(None);
    assert_eq!(spend_all(&mut gateways, 100).await, LIMIT);
    let text = metrics(&world);
    assert!(!text.contains("outrigger_operator_ledger_store_fault{"), "{text}");
}

#[tokio::test]
async fn a_store_that_is_restored_under_a_leader_costs_no_money() {
    let store = Arc::new(MemoryStore::default());
    let world = LedgerWorld::new(&store, LIMIT).await;
    let mut gateways = two(&world).await;
    spend_some(&mut gateways, 100, 5).await;
    let backup = store.backup();
    spend_some(&mut gateways, 100, 20).await;
    store.restore(backup);
    assert_eq!(spend_all(&mut gateways, 100).await, LIMIT);
}

/// Grants that are not in the backup may be spent twice, and no more. Live gateways report theirs.
#[tokio::test]
async fn after_a_restored_backup_the_gateways_reports_count() {
    let store = Arc::new(MemoryStore::default());
    let first = LedgerWorld::new(&store, LIMIT).await;
    let mut gateways = two(&first).await;
    spend_some(&mut gateways, 100, 5).await;
    let backup = store.backup();
    let before: u64 = gateways.iter().map(|gateway| gateway.spent).sum();
    spend_some(&mut gateways, 100, 20).await;
    let forgotten: u64 = gateways.iter().map(|gateway| gateway.spent).sum::<u64>() - before;
    assert!(forgotten > 0);
    first.end();
    store.restore(backup);
    let second = LedgerWorld::new(&store, LIMIT).await;
    for gateway in &mut gateways {
        gateway.restored();
        gateway.follow(&second).await;
    }
    let spent = spend_all(&mut gateways, 100).await;
    assert!((before + forgotten..=LIMIT + forgotten).contains(&spent), "{spent} with {forgotten} forgotten");
    // The ledger knows the real usage again.
    let known = async {
        loop {
            gateways[0].talk().await;
            let fleet = gateways[0].holder.fleet(gateways[0].team, gateways[0].now());
            if fleet.is_some_and(|fleet| fleet.account.spent == spent) {
                return;
            }
            gateways[1].talk().await;
        }
    };
    tokio::time::timeout(SOON, known).await.expect("all that is spent is known");
}

#[tokio::test]
async fn removed_permissions_stop_grants_until_they_return() {
    let forbidden: fn() -> StoreError = || {
        let status = Status::failure("the namespace is being terminated", "Forbidden").with_code(403);
        StoreError::Api(CallError::Refused(kube::Error::Api(Box::new(status))))
    };
    let store = Arc::new(MemoryStore::default());
    let world = LedgerWorld::new(&store, LIMIT).await;
    let mut gateways = two(&world).await;
    spend_some(&mut gateways, 100, 5).await;
    store.fail(Some(forbidden));
    until(&world, &mut gateways, 100, "outrigger_operator_ledger_store_fault{fault=\"forbidden\"} 1").await;
    store.fail(None);
    assert_eq!(spend_all(&mut gateways, 100).await, LIMIT);
}

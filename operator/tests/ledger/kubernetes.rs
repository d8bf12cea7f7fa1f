//! Shards as objects of an API server.

use std::sync::Arc;

use outrigger_operator::ledger::store::kubernetes::KubernetesStore;
use outrigger_operator::ledger::store::{LedgerStore, StoreError, WriteOutcome};

use crate::api_server::{FakeApiServer, Fault, status};
use crate::contract::{self, name, written};

fn store(server: &FakeApiServer) -> KubernetesStore {
    KubernetesStore::new(server.client(), "outrigger")
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_objects_satisfy_the_contract() {
    contract::holds(Arc::new(store(&FakeApiServer::default()))).await;
}

/// etcd may answer late, and have written.
#[tokio::test]
async fn a_write_answered_with_a_server_error_may_have_been_made() {
    let server = FakeApiServer::default();
    let store = store(&server);
    let first = written(store.write(&name("one"), None, "a").await);
    for fault in
        [Fault::WrittenButFailed(504), Fault::WrittenButFailed(500), Fault::Refused(status(503, "ServiceUnavailable"))]
    {
        server.fault(fault.clone());
        let before = store.read(&name("one")).await.unwrap().unwrap();
        let outcome = store.write(&name("one"), Some(&before.version), "b").await;
        assert!(matches!(outcome, WriteOutcome::Unknown(_)), "{fault:?}: {outcome:?}");
    }
    let stands = store.read(&name("one")).await.unwrap().unwrap();
    assert_eq!(stands.record, "b");
    assert!(matches!(store.write(&name("one"), Some(&first), "late").await, WriteOutcome::Conflict));
}

#[tokio::test]
async fn a_write_that_the_server_refuses_was_not_made() {
    let server = FakeApiServer::default();
    let store = store(&server);
    for code in [403, 413, 422, 429] {
        server.fault(Fault::Refused(status(code, "Refused")));
        let outcome = store.write(&name("one"), None, "a").await;
        assert!(matches!(outcome, WriteOutcome::Failed(_)), "{code}: {outcome:?}");
    }
    assert_eq!(store.read(&name("one")).await.unwrap(), None);
}

/// Otherwise a shard would look as if nothing had been spent yet.
#[tokio::test]
async fn a_missing_definition_is_distinguished_from_a_missing_shard() {
    let server = FakeApiServer::default();
    let store = store(&server);
    written(store.write(&name("one"), None, "a").await);
    server.with(|stored| stored.undefined = true);
    assert!(matches!(store.load().await, Err(StoreError::NoDefinition)));
    assert!(matches!(store.read(&name("one")).await, Err(StoreError::NoDefinition)));
    assert!(matches!(store.write(&name("two"), None, "a").await, WriteOutcome::Failed(StoreError::NoDefinition)));
}

//! Moves records between a Kubernetes API server and a real PostgreSQL, and back, with the process killed at any point.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use outrigger_operator::api::CallError;
use outrigger_operator::ledger::migrate::{
    MigrationError, MigrationOutcome, MigrationRefusal, MigrationSide, MigrationState, MigrationStep, RecordsAre,
    migrate, migration_state,
};
use outrigger_operator::ledger::store::kubernetes::KubernetesStore;
use outrigger_operator::ledger::store::marker::{StoreKind, StoreMarker};
use outrigger_operator::ledger::store::postgres::PostgresStore;
use outrigger_operator::ledger::store::{LedgerStore, ShardName, ShardVersion, StoreError, StoredShard, WriteOutcome};

use crate::api_server::FakeApiServer;
use crate::contract::{name, written};
use crate::postgres_server::PostgresServer;

const INDEX: &str = r#"{"index":{"format":1,"term":3,"shards":3}}"#;

/// When the moving process is killed.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Before the call.
    Before,
    /// After the store has done it, and before the result is known.
    After,
}

/// A store whose process is killed at one of its calls.
#[derive(Clone, Debug)]
struct Mortal {
    store: Arc<dyn LedgerStore>,
    calls_left: Arc<AtomicUsize>,
    death: Death,
}

impl Mortal {
    async fn call<T>(&self, call: BoxFuture<'_, T>, dead: impl FnOnce() -> T) -> T {
        let left = self.calls_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match (left, self.death) {
            (Ok(_), _) => call.await,
            (Err(_), Death::Before) => dead(),
            (Err(_), Death::After) => {
                // The process makes no call after this one.
                if self.calls_left.swap(0, Ordering::SeqCst) == 0 {
                    call.await;
                }
                dead()
            }
        }
    }
}

fn killed() -> StoreError {
    StoreError::Api(CallError::Late)
}

impl LedgerStore for Mortal {
    fn load(&self) -> BoxFuture<'_, Result<Vec<StoredShard>, StoreError>> {
        Box::pin(self.call(self.store.load(), || Err(killed())))
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<(ShardName, ShardVersion)>, StoreError>> {
        Box::pin(self.call(self.store.versions(), || Err(killed())))
    }

    fn read<'a>(&'a self, name: &'a ShardName) -> BoxFuture<'a, Result<Option<StoredShard>, StoreError>> {
        Box::pin(self.call(self.store.read(name), || Err(killed())))
    }

    fn write<'a>(
        &'a self,
        name: &'a ShardName,
        expected: Option<&'a ShardVersion>,
        record: &'a str,
    ) -> BoxFuture<'a, WriteOutcome> {
        Box::pin(self.call(self.store.write(name, expected, record), || WriteOutcome::Unknown(killed())))
    }

    fn delete<'a>(&'a self, name: &'a ShardName, expected: &'a ShardVersion) -> BoxFuture<'a, WriteOutcome> {
        Box::pin(self.call(self.store.delete(name, expected), || WriteOutcome::Unknown(killed())))
    }
}

/// The two stores of an installation.
struct Stores {
    kubernetes: Arc<dyn LedgerStore>,
    postgres: Arc<dyn LedgerStore>,
    _server: PostgresServer,
}

impl Stores {
    fn new() -> Self {
        let server = PostgresServer::start();
        Stores {
            kubernetes: Arc::new(KubernetesStore::new(FakeApiServer::default().client(), "outrigger")),
            postgres: Arc::new(PostgresStore::new(server.secret(""))),
            _server: server,
        }
    }

    fn side(&self, kind: StoreKind) -> &Arc<dyn LedgerStore> {
        match kind {
            StoreKind::Kubernetes => &self.kubernetes,
            StoreKind::Postgres => &self.postgres,
        }
    }

    async fn migrate(&self, from: StoreKind) -> Result<MigrationOutcome, MigrationError> {
        let to = other(from);
        migrate(
            MigrationSide { kind: from, store: &**self.side(from) },
            MigrationSide { kind: to, store: &**self.side(to) },
        )
        .await
    }

    /// The report of `outrigger-operator records`.
    async fn state(&self, from: StoreKind) -> MigrationState {
        let side = |kind| MigrationSide { kind, store: &**self.side(kind) };
        migration_state(side(other(from)), Some(side(from))).await
    }

    /// Killed at the call with this number.
    async fn migrate_until(
        &self,
        from: StoreKind,
        calls: usize,
        death: Death,
    ) -> Result<MigrationOutcome, MigrationError> {
        let calls_left = Arc::new(AtomicUsize::new(calls));
        let mortal = |kind| Mortal { store: Arc::clone(self.side(kind)), calls_left: Arc::clone(&calls_left), death };
        let (source, target) = (mortal(from), mortal(other(from)));
        migrate(MigrationSide { kind: from, store: &source }, MigrationSide { kind: other(from), store: &target }).await
    }
}

fn other(kind: StoreKind) -> StoreKind {
    match kind {
        StoreKind::Kubernetes => StoreKind::Postgres,
        StoreKind::Postgres => StoreKind::Kubernetes,
    }
}

async fn fill(store: &dyn LedgerStore, records: &BTreeMap<String, String>) {
    for (shard, record) in records {
        let found = store.read(&name(shard)).await.unwrap();
        written(store.write(&name(shard), found.map(|found| found.version).as_ref(), record).await);
    }
}

fn records(round: usize) -> BTreeMap<String, String> {
    let shard = |number: usize| {
        let page = format!(r#"[["pod-{round}-{number}",{},5,5,0,5,0]]"#, u64::MAX);
        let key = r#""key":{"limit":"Budget a/ë","unit":"usd","start":0}"#;
        format!(r#"{{"shard":{{"format":1,"term":3,"pages":[{{{key},"capacity":4,"holders":{page}}}]}}}}"#)
    };
    // The third shard was announced and never created.
    [("index".to_owned(), INDEX.to_owned()), ("shard-0".to_owned(), shard(0)), ("shard-1".to_owned(), shard(1))].into()
}

/// The records that a leader would read; `None` if it must not lead with this store.
async fn usable(store: &dyn LedgerStore) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for shard in store.load().await.unwrap() {
        match StoreMarker::of(&shard.record) {
            Some(StoreMarker::Lineage(_)) => {}
            Some(_) => return None,
            None => drop(found.insert(shard.name.0, shard.record)),
        }
    }
    found.contains_key("index").then_some(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_move_there_and_back_if_the_process_is_killed_at_any_call() {
    let stores = Stores::new();
    let mut from = StoreKind::Kubernetes;
    fill(&*stores.kubernetes, &records(0)).await;
    for death in [Death::Before, Death::After] {
        let mut moved = 0;
        for round in 0.. {
            let mut expected = records(round);
            fill(&**stores.side(from), &expected).await;
            expected.insert("shard-2".to_owned(), r#"{"shard":{"format":1,"term":0}}"#.to_owned());
            let first = stores.migrate_until(from, round, death).await;
            let (source, target) = (usable(&**stores.side(from)).await, usable(&**stores.side(other(from))).await);
            assert!(source.is_none() || target.is_none(), "{round}: two leaders could lead");
            let state = stores.state(from).await;
            let arrived = if target.is_some() { MigrationStep::Use } else { MigrationStep::Move };
            assert_eq!((state.next, state.refused.as_deref()), (Some(arrived), None), "{round}: {:?}", state.stores);
            if first.is_err() {
                stores.migrate(from).await.unwrap();
            }
            assert_eq!(usable(&**stores.side(from)).await, None, "{round}");
            assert_eq!(usable(&**stores.side(other(from))).await.as_ref(), Some(&expected), "{round}");
            assert!(matches!(stores.migrate(from).await, Ok(MigrationOutcome::Done)), "{round}");
            let noted: Vec<_> = stores
                .state(from)
                .await
                .stores
                .into_iter()
                .map(|store| (store.store, store.records, store.count))
                .collect();
            assert_eq!(noted, [(other(from), RecordsAre::InUse, 4), (from, RecordsAre::Moved, 4)], "{round}");
            from = other(from);
            if matches!(first, Ok(MigrationOutcome::Moved { records: 4 })) {
                moved += 1;
                // In both directions.
                if moved == 2 {
                    break;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_can_be_reverted_if_the_process_is_killed_at_any_call() {
    let stores = Stores::new();
    let (from, back) = (StoreKind::Kubernetes, StoreKind::Postgres);
    for round in 0.. {
        let mut expected = records(round);
        fill(&*stores.kubernetes, &expected).await;
        let begun = stores.migrate_until(from, round, Death::After).await;
        // It may be reverted after each of its calls, and the reversal may be killed at each call too.
        for calls in (0..).step_by(3) {
            let back_again = stores.migrate_until(back, calls, Death::Before).await;
            let usable = (usable(&*stores.kubernetes).await, usable(&*stores.postgres).await);
            assert!(usable.0.is_none() || usable.1.is_none(), "{round} {calls}");
            if back_again.is_ok() {
                break;
            }
        }
        let mut found = usable(&*stores.kubernetes).await.expect("records in use again");
        for records in [&mut found, &mut expected] {
            records.remove("shard-2");
        }
        assert_eq!(found, expected, "{round}");
        if begun.is_ok() {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_another_ledger_are_left_alone() {
    let stores = Stores::new();
    let (kubernetes, postgres) = (StoreKind::Kubernetes, StoreKind::Postgres);
    assert!(matches!(stores.migrate(kubernetes).await, Ok(MigrationOutcome::Nothing)));
    fill(&*stores.kubernetes, &records(1)).await;
    fill(&*stores.postgres, &records(2)).await;
    let before = (stores.kubernetes.load().await.unwrap(), stores.postgres.load().await.unwrap());
    for from in [kubernetes, postgres] {
        let refused = stores.migrate(from).await.unwrap_err();
        let both = MigrationRefusal::BothInUse { from, to: other(from) };
        assert!(matches!(&refused, MigrationError::Refused(found) if *found == both), "{refused}");
    }
    let state = stores.state(kubernetes).await;
    assert!(state.next.is_none() && state.refused.unwrap().contains("both have records that are in use"));
    assert_eq!((stores.kubernetes.load().await.unwrap(), stores.postgres.load().await.unwrap()), before);

    // A database that is not the one they were moved to.
    let stores = Stores::new();
    fill(&*stores.kubernetes, &records(1)).await;
    stores.migrate(kubernetes).await.unwrap();
    let another = PostgresServer::start();
    let another = PostgresStore::new(another.secret(""));
    let sides = (
        MigrationSide { kind: kubernetes, store: &*stores.kubernetes },
        MigrationSide { kind: postgres, store: &another },
    );
    let refused = migrate(sides.0, sides.1).await.unwrap_err();
    assert!(matches!(&refused, MigrationError::Refused(MigrationRefusal::OtherTarget { .. })), "{refused}");
    assert_eq!(another.load().await.unwrap(), []);
}

#[tokio::test]
async fn an_unreadable_store_is_reported_with_a_remedy() {
    let mut server = PostgresServer::start();
    let postgres = PostgresStore::new(server.secret(""));
    let kubernetes = KubernetesStore::new(FakeApiServer::default().client(), "outrigger");
    fill(&kubernetes, &records(1)).await;
    server.kill();
    let target = MigrationSide { kind: StoreKind::Postgres, store: &postgres };
    let source = MigrationSide { kind: StoreKind::Kubernetes, store: &kubernetes };
    let state = migration_state(target, Some(source)).await;
    assert_eq!((state.next, state.refused), (None, None));
    let [target, source] = <[_; 2]>::try_from(state.stores).unwrap();
    assert_eq!((target.records, source.records, source.count), (RecordsAre::Unknown, RecordsAre::InUse, 3));
    let error = target.error.unwrap();
    assert!(error.contains("the store does not answer") && !error.contains("s3cret"), "{error}");
}

/// A damaged record is not moved, and stays in use.
#[tokio::test]
async fn unreadable_records_are_not_moved() {
    let server = FakeApiServer::default();
    let (source, target) = (KubernetesStore::new(server.client(), "outrigger"), FakeApiServer::default());
    let target = KubernetesStore::new(target.client(), "outrigger");
    fill(&source, &[("index".to_owned(), "{".to_owned())].into()).await;
    let sides = (
        MigrationSide { kind: StoreKind::Kubernetes, store: &source },
        MigrationSide { kind: StoreKind::Postgres, store: &target },
    );
    let error = migrate(sides.0, sides.1).await.unwrap_err();
    assert!(matches!(error, MigrationError::Record { .. }), "{error}");
    assert_eq!(source.read(&name("index")).await.unwrap().unwrap().record, "{");
}

//! The guarantees that the ledger needs, for any store.

use std::sync::Arc;

use outrigger_operator::ledger::store::{LedgerStore, ShardName, ShardVersion, StoredShard, WriteOutcome};

pub fn name(name: &str) -> ShardName {
    ShardName(name.to_owned())
}

pub fn written(outcome: WriteOutcome) -> ShardVersion {
    match outcome {
        WriteOutcome::Written(version) => version,
        other => panic!("{other:?}"),
    }
}

fn is_conflict(outcome: &WriteOutcome) -> bool {
    matches!(outcome, WriteOutcome::Conflict)
}

/// For a store that is empty.
pub async fn holds(store: Arc<dyn LedgerStore>) {
    keeps_what_is_written_byte_for_byte(&*store).await;
    writes_over_the_version_that_is_expected_alone(&*store).await;
    gives_no_version_twice(&*store).await;
    lets_one_of_many_writers_follow_each_version(&store).await;
}

async fn keeps_what_is_written_byte_for_byte(store: &dyn LedgerStore) {
    assert_eq!(store.load().await.unwrap(), []);
    assert_eq!(store.read(&name("s-0")).await.unwrap(), None);
    let long = "x".repeat(100_000);
    let records = [format!("{{ \"granted\": {},\n\"who\":\"Zoë \\\"'$1\" }}", u64::MAX), String::new(), long];
    let mut expected = Vec::new();
    for (number, record) in records.into_iter().enumerate() {
        let name = name(&format!("s-{number}"));
        let version = written(store.write(&name, None, &record).await);
        let shard = StoredShard { name, version, record };
        assert_eq!(store.read(&shard.name).await.unwrap().as_ref(), Some(&shard));
        expected.push(shard);
    }
    assert_eq!(store.load().await.unwrap(), expected, "by name");
    for shard in expected {
        written(store.delete(&shard.name, &shard.version).await);
    }
    assert_eq!(store.load().await.unwrap(), []);
}

async fn writes_over_the_version_that_is_expected_alone(store: &dyn LedgerStore) {
    let one = name("one");
    let unknown = ShardVersion("77".to_owned());
    assert!(is_conflict(&store.write(&one, Some(&unknown), "a").await), "there is none");
    assert!(is_conflict(&store.delete(&one, &unknown).await));
    let first = written(store.write(&one, None, "a").await);
    assert!(is_conflict(&store.write(&one, None, "b").await), "there is one");
    let second = written(store.write(&one, Some(&first), "b").await);
    for late in [store.write(&one, Some(&first), "c").await, store.delete(&one, &first).await] {
        assert!(is_conflict(&late), "{late:?}");
    }
    let stands = store.read(&one).await.unwrap().unwrap();
    assert_eq!((stands.version, stands.record.as_str()), (second.clone(), "b"));
    written(store.delete(&one, &second).await);
    assert_eq!(store.read(&one).await.unwrap(), None);
}

/// A write that was in flight when its shard was deleted and created again must be refused.
async fn gives_no_version_twice(store: &dyn LedgerStore) {
    let one = name("one");
    let before = written(store.write(&one, None, "a").await);
    written(store.delete(&one, &before).await);
    let after = written(store.write(&one, None, "a").await);
    assert_ne!(before, after);
    assert!(is_conflict(&store.write(&one, Some(&before), "late").await));
    written(store.delete(&one, &after).await);
}

async fn lets_one_of_many_writers_follow_each_version(store: &Arc<dyn LedgerStore>) {
    const WRITERS: u64 = 8;
    const EACH: u64 = 10;
    let first = written(store.write(&name("count"), None, "0").await);
    let writers = (0..WRITERS).map(|_| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut made = 0;
            while made < EACH {
                let stands = store.read(&name("count")).await.unwrap().unwrap();
                let next = (stands.record.parse::<u64>().unwrap() + 1).to_string();
                match store.write(&stands.name, Some(&stands.version), &next).await {
                    WriteOutcome::Written(_) => made += 1,
                    WriteOutcome::Conflict => {}
                    other => panic!("{other:?}"),
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let stands = store.read(&name("count")).await.unwrap().unwrap();
    assert_eq!(stands.record, (WRITERS * EACH).to_string());
    assert!(is_conflict(&store.write(&stands.name, Some(&first), "late").await));
    written(store.delete(&stands.name, &stands.version).await);
}

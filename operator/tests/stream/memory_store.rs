//! A store in memory. Tests can make writes fail.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use outrigger_operator::api::CallError;
use outrigger_operator::ledger::store::{LedgerStore, ShardName, ShardVersion, StoreError, StoredShard, WriteOutcome};

/// The fate of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Written,
    /// The write succeeds, but its response is lost.
    WrittenInSilence,
    /// The write fails, and its response is lost.
    LostInSilence,
    Failed,
}

#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

/// The whole content of a store at one moment.
pub type Backup = BTreeMap<ShardName, StoredShard>;

#[derive(Debug, Default)]
struct State {
    shards: BTreeMap<ShardName, StoredShard>,
    versions: u64,
    /// The fates of the next writes. All later writes succeed.
    fates: VecDeque<Fate>,
    /// Every call fails with this.
    broken: Option<fn() -> StoreError>,
}

impl MemoryStore {
    pub fn fates(&self, fates: &[Fate]) {
        self.0.lock().unwrap().fates.extend(fates);
    }

    /// From now on every call fails with this; `None`: no call fails.
    pub fn fail(&self, how: Option<fn() -> StoreError>) {
        self.0.lock().unwrap().broken = how;
    }

    pub fn backup(&self) -> Backup {
        self.0.lock().unwrap().shards.clone()
    }

    /// Restores the store from a backup, like etcd: versions continue.
    pub fn restore(&self, backup: Backup) {
        let mut state = self.0.lock().unwrap();
        state.versions += 1_000;
        let State { shards, versions, .. } = &mut *state;
        *shards = backup;
        for shard in shards.values_mut() {
            *versions += 1;
            shard.version = ShardVersion(versions.to_string());
        }
    }

    /// Deletes a record, like a user would.
    pub fn lose(&self, name: &str) {
        assert!(self.0.lock().unwrap().shards.remove(&ShardName(name.to_owned())).is_some(), "{name}");
    }

    /// Another writer writes every shard unchanged.
    pub fn touch(&self) {
        let mut state = self.0.lock().unwrap();
        let State { shards, versions, .. } = &mut *state;
        for shard in shards.values_mut() {
            *versions += 1;
            shard.version = ShardVersion(versions.to_string());
        }
    }
}

fn silence() -> StoreError {
    StoreError::Api(CallError::Late)
}

impl LedgerStore for MemoryStore {
    fn load(&self) -> BoxFuture<'_, Result<Vec<StoredShard>, StoreError>> {
        let state = self.0.lock().unwrap();
        let shards = match state.broken {
            Some(how) => Err(how()),
            None => Ok(state.shards.values().cloned().collect()),
        };
        Box::pin(async { shards })
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<(ShardName, ShardVersion)>, StoreError>> {
        Box::pin(async { Ok(self.load().await?.into_iter().map(|shard| (shard.name, shard.version)).collect()) })
    }

    fn read<'a>(&'a self, name: &'a ShardName) -> BoxFuture<'a, Result<Option<StoredShard>, StoreError>> {
        let state = self.0.lock().unwrap();
        let shard = match state.broken {
            Some(how) => Err(how()),
            None => Ok(state.shards.get(name).cloned()),
        };
        Box::pin(async { shard })
    }

    fn write<'a>(
        &'a self,
        name: &'a ShardName,
        expected: Option<&'a ShardVersion>,
        record: &'a str,
    ) -> BoxFuture<'a, WriteOutcome> {
        let mut state = self.0.lock().unwrap();
        if let Some(how) = state.broken {
            return Box::pin(async move { WriteOutcome::Failed(how()) });
        }
        let fate = state.fates.pop_front().unwrap_or(Fate::Written);
        let stands = state.shards.get(name).map(|shard| &shard.version) == expected;
        let outcome = match fate {
            Fate::Failed => WriteOutcome::Failed(silence()),
            Fate::LostInSilence => WriteOutcome::Unknown(silence()),
            Fate::Written | Fate::WrittenInSilence if stands => {
                state.versions += 1;
                let version = ShardVersion(state.versions.to_string());
                let shard = StoredShard { name: name.clone(), version: version.clone(), record: record.to_owned() };
                state.shards.insert(name.clone(), shard);
                match fate {
                    Fate::Written => WriteOutcome::Written(version),
                    _ => WriteOutcome::Unknown(silence()),
                }
            }
            Fate::Written => WriteOutcome::Conflict,
            _ => WriteOutcome::Unknown(silence()),
        };
        Box::pin(async { outcome })
    }

    fn delete<'a>(&'a self, name: &'a ShardName, expected: &'a ShardVersion) -> BoxFuture<'a, WriteOutcome> {
        let mut state = self.0.lock().unwrap();
        let outcome = match state.shards.get(name).is_some_and(|shard| shard.version == *expected) {
            true => {
                state.shards.remove(name);
                WriteOutcome::Written(expected.clone())
            }
            false => WriteOutcome::Conflict,
        };
        Box::pin(async { outcome })
    }
}

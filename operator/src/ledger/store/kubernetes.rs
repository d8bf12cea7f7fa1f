//! Shards as `LedgerShard` objects in the operator's namespace, compared and swapped by `resourceVersion`.
//!
//! etcd acknowledges a write when a quorum has it on disk. Reads specify no `resourceVersion`, so the API server
//! answers with a quorum's state, and not from its cache.

use futures_util::future::BoxFuture;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams, Preconditions};
use kube::{Api, Client};
use outrigger_crds::{LedgerShard, LedgerShardSpec};

use super::{LedgerStore, ShardName, ShardVersion, StoreError, StoredShard, WriteOutcome};
use crate::api::{CallError, CallFailure, timed};
use crate::names::{FIELD_MANAGER, MANAGED_BY, MANAGED_BY_VALUE};

/// The objects of one namespace.
#[derive(Clone)]
pub struct KubernetesStore {
    shards: Api<LedgerShard>,
}

impl std::fmt::Debug for KubernetesStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KubernetesStore")
    }
}

impl KubernetesStore {
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        KubernetesStore { shards: Api::namespaced(client, namespace) }
    }

    async fn list(&self) -> Result<Vec<StoredShard>, StoreError> {
        let listed = timed(self.shards.list(&ListParams::default())).await.map_err(unless_defined)?;
        listed.items.into_iter().map(stored).collect()
    }

    async fn list_versions(&self) -> Result<Vec<(ShardName, ShardVersion)>, StoreError> {
        let listed = timed(self.shards.list_metadata(&ListParams::default())).await.map_err(unless_defined)?;
        listed.items.into_iter().map(|shard| versioned(shard.metadata)).collect()
    }

    async fn get(&self, name: &ShardName) -> Result<Option<StoredShard>, StoreError> {
        match timed(self.shards.get(&name.0)).await {
            Ok(shard) => stored(shard).map(Some),
            Err(error) if !error.is_not_found() => Err(error.into()),
            Err(_) => {
                // A server without the definition gives the same answer. Its answer to a list distinguishes the two
                // cases.
                timed(self.shards.list(&ListParams::default().limit(1))).await.map_err(unless_defined)?;
                Ok(None)
            }
        }
    }

    async fn put(&self, name: &ShardName, expected: Option<&ShardVersion>, record: &str) -> WriteOutcome {
        let mut shard = LedgerShard::new(&name.0, LedgerShardSpec { record: record.to_owned() });
        shard.metadata = ObjectMeta {
            resource_version: expected.map(|version| version.0.clone()),
            labels: Some([(MANAGED_BY.to_owned(), MANAGED_BY_VALUE.to_owned())].into()),
            ..shard.metadata
        };
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let written = match expected {
            None => timed(self.shards.create(&parameters, &shard)).await,
            Some(_) => timed(self.shards.replace(&name.0, &parameters, &shard)).await,
        };
        match written {
            Ok(shard) => match stored(shard) {
                Ok(shard) => WriteOutcome::Written(shard.version),
                Err(error) => WriteOutcome::Unknown(error),
            },
            Err(error) => failed(error, expected.is_some()),
        }
    }

    async fn remove(&self, name: &ShardName, expected: &ShardVersion) -> WriteOutcome {
        let preconditions = Preconditions { resource_version: Some(expected.0.clone()), uid: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match timed(self.shards.delete(&name.0, &parameters)).await {
            Ok(_) => WriteOutcome::Written(expected.clone()),
            Err(error) => failed(error, true),
        }
    }
}

impl LedgerStore for KubernetesStore {
    fn load(&self) -> BoxFuture<'_, Result<Vec<StoredShard>, StoreError>> {
        Box::pin(self.list())
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<(ShardName, ShardVersion)>, StoreError>> {
        Box::pin(self.list_versions())
    }

    fn read<'a>(&'a self, name: &'a ShardName) -> BoxFuture<'a, Result<Option<StoredShard>, StoreError>> {
        Box::pin(self.get(name))
    }

    fn write<'a>(
        &'a self,
        name: &'a ShardName,
        expected: Option<&'a ShardVersion>,
        record: &'a str,
    ) -> BoxFuture<'a, WriteOutcome> {
        Box::pin(self.put(name, expected, record))
    }

    fn delete<'a>(&'a self, name: &'a ShardName, expected: &'a ShardVersion) -> BoxFuture<'a, WriteOutcome> {
        Box::pin(self.remove(name, expected))
    }
}

fn stored(shard: LedgerShard) -> Result<StoredShard, StoreError> {
    let (name, version) = versioned(shard.metadata)?;
    Ok(StoredShard { name, version, record: shard.spec.record })
}

fn versioned(metadata: ObjectMeta) -> Result<(ShardName, ShardVersion), StoreError> {
    let name = metadata.name.unwrap_or_default();
    let version = metadata.resource_version.ok_or_else(|| StoreError::Unversioned(name.clone()))?;
    Ok((ShardName(name), ShardVersion(version)))
}

fn unless_defined(error: CallError) -> StoreError {
    if error.is_not_found() { StoreError::NoDefinition } else { error.into() }
}

/// An error below 500 is an answer: the server has checked the request and written nothing. Any other may come after
/// the write, as when etcd answers late.
fn failed(error: CallError, existed: bool) -> WriteOutcome {
    match error.failure() {
        CallFailure::Conflict => WriteOutcome::Conflict,
        CallFailure::NotFound if existed => WriteOutcome::Conflict,
        CallFailure::NotFound => WriteOutcome::Failed(StoreError::NoDefinition),
        CallFailure::Forbidden | CallFailure::Refused | CallFailure::Throttled => WriteOutcome::Failed(error.into()),
        CallFailure::ServerError | CallFailure::Unreachable => WriteOutcome::Unknown(error.into()),
    }
}

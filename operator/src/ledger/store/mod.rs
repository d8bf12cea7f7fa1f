//! Where the ledger's records are kept: Kubernetes objects, or a table of PostgreSQL.
//!
//! A store keeps shards: a name, a record that it does not read, and a version. Every write names the version that was read,
//! and is refused if another one stands there. That is all the ledger needs of it: whatever is written twice, late or by two
//! leaders, only one write follows each version.
//!
//! A write that fails may have been made all the same. The store says so ([`WriteOutcome::Unknown`]), and the shard is read
//! again before anything else is decided on it.

pub mod fault;
pub mod kubernetes;
pub mod marker;
pub mod postgres;

use std::fmt;

use futures_util::future::BoxFuture;
use thiserror::Error;

use crate::api::CallError;

/// A shard's name: a DNS label, which the ledger chooses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardName(pub String);

impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which version of a shard, in its store's own words. No version comes twice, also of a shard that was deleted and made
/// again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShardVersion(pub String);

/// A shard as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredShard {
    pub name: ShardName,
    pub version: ShardVersion,
    /// As it was written, byte for byte.
    pub record: String,
}

/// What became of a write.
#[derive(Debug)]
pub enum WriteOutcome {
    /// It stands, and outlives the store's process.
    Written(ShardVersion),
    /// Another version stands there, or none. Nothing was written.
    Conflict,
    /// It may have been written, or be written yet.
    Unknown(StoreError),
    /// Nothing was written.
    Failed(StoreError),
}

/// Why a store can't be used, or gave no answer.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("the API server: {0}")]
    Api(#[from] CallError),
    #[error("the API server has no LedgerShard objects: install the definitions (chart outrigger-crds)")]
    NoDefinition,
    #[error("LedgerShard {0} has no version")]
    Unversioned(String),
    #[error(transparent)]
    Postgres(#[from] postgres::PostgresError),
}

/// Keeps shards. What is acknowledged is not lost.
pub trait LedgerStore: fmt::Debug + Send + Sync + 'static {
    /// Every shard, as it stands once all that was acknowledged before is written.
    fn load(&self) -> BoxFuture<'_, Result<Vec<StoredShard>, StoreError>>;

    /// The version of every shard, without the records.
    fn versions(&self) -> BoxFuture<'_, Result<Vec<(ShardName, ShardVersion)>, StoreError>>;

    /// One shard; `None`: there is none.
    fn read<'a>(&'a self, name: &'a ShardName) -> BoxFuture<'a, Result<Option<StoredShard>, StoreError>>;

    /// Writes a record over the version that is expected; `None`: over nothing.
    fn write<'a>(
        &'a self,
        name: &'a ShardName,
        expected: Option<&'a ShardVersion>,
        record: &'a str,
    ) -> BoxFuture<'a, WriteOutcome>;

    /// Deletes the version that is expected. What is written then has the version that was deleted.
    fn delete<'a>(&'a self, name: &'a ShardName, expected: &'a ShardVersion) -> BoxFuture<'a, WriteOutcome>;
}

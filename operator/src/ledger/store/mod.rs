//! The store of the ledger's records: Kubernetes objects, or a table of PostgreSQL.
//!
//! A store keeps shards: a name, a record that it does not read, and a version. Every write names the version that was
//! read, and is refused if the shard has another one. The ledger needs no other guarantee: for any repeated, late or
//! concurrent writes, only one write follows each version.
//!
//! A write that fails may have been made nevertheless. Then the store returns [`WriteOutcome::Unknown`], and the shard
//! is read again before anything else is decided about it.

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

/// A shard as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredShard {
    pub name: ShardName,
    pub version: ShardVersion,
    /// As it was written, byte for byte.
    pub record: String,
}

/// The outcome of a write.
#[derive(Debug)]
pub enum WriteOutcome {
    /// It is stored, and outlives the store's process.
    Written(ShardVersion),
    /// The shard has another version, or does not exist. Nothing was written.
    Conflict,
    /// It may have been written, or may still be written.
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
    /// Every shard, after everything that was acknowledged before.
    fn load(&self) -> BoxFuture<'_, Result<Vec<StoredShard>, StoreError>>;

    /// The version of every shard, without the records.
    fn versions(&self) -> BoxFuture<'_, Result<Vec<(ShardName, ShardVersion)>, StoreError>>;

    /// One shard; `None` if it does not exist.
    fn read<'a>(&'a self, name: &'a ShardName) -> BoxFuture<'a, Result<Option<StoredShard>, StoreError>>;

    /// Writes a record over the expected version; `None`: the shard must not exist.
    fn write<'a>(
        &'a self,
        name: &'a ShardName,
        expected: Option<&'a ShardVersion>,
        record: &'a str,
    ) -> BoxFuture<'a, WriteOutcome>;

    /// Deletes the expected version. [`WriteOutcome::Written`] then contains the deleted version.
    fn delete<'a>(&'a self, name: &'a ShardName, expected: &'a ShardVersion) -> BoxFuture<'a, WriteOutcome>;
}

//! Reads the store's records.

use outrigger_ledger::shared::record::{StoreObject, StoreRecord, StoreVersion, Stored, UnreadableRecord};

use crate::ledger::migrate::MigrationError;
use crate::ledger::store::fault::StoreFault;
use crate::ledger::store::marker::{ArrivingRecords, LINEAGE, LedgerLineage, MovedRecord, StoreKind, StoreMarker};
use crate::ledger::store::{ShardName, StoreError, StoredShard};

/// Why records can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{name}: {error}")]
    Record { name: ShardName, error: UnreadableRecord },
    #[error("the ledger's records {} {to} (migration {migration})", moved_word(*.complete))]
    Moved { to: StoreKind, migration: LedgerLineage, complete: bool },
    #[error(
        "the ledger's records are being moved here from {from} (migration {migration}), and are not whole: set \
         ledger.migrateFrom to {from} until they are"
    )]
    Arriving { from: StoreKind, migration: LedgerLineage },
    #[error("the ledger's records can't be moved: {0}")]
    Migration(#[from] MigrationError),
    #[error("{name} is gone or was set back, and was written by somebody else just now")]
    NotRestored { name: ShardName },
}

impl RecordError {
    pub(super) fn fault(&self) -> StoreFault {
        match self {
            RecordError::Store(error) => error.fault(),
            RecordError::Moved { .. } => StoreFault::Moved,
            RecordError::Arriving { .. } => StoreFault::Migration,
            RecordError::Migration(MigrationError::Store { error, .. }) => error.fault(),
            RecordError::Migration(_) => StoreFault::Migration,
            RecordError::Record { error: UnreadableRecord::Later(_), .. } => StoreFault::Newer,
            RecordError::Record { .. } => StoreFault::Damaged,
            RecordError::NotRestored { .. } => StoreFault::Refused,
        }
    }
}

fn moved_word(complete: bool) -> &'static str {
    if complete { "were moved to" } else { "are being moved to" }
}

/// Every object of the ledger; other objects in the store are ignored.
///
/// # Errors
/// [`RecordError`]; if there are several, that of the index, which is the most informative.
pub(super) fn read(mut shards: Vec<StoredShard>) -> Result<Vec<Stored>, RecordError> {
    shards.sort_by_key(|shard| shard.name.0 != StoreObject::Index.to_string());
    let mut objects = Vec::new();
    for shard in shards {
        if shard.name.0 == LINEAGE {
            continue;
        }
        match shard.name.0.parse::<StoreObject>() {
            Ok(object) => {
                let (version, record) = record(shard)?;
                objects.push(Stored { object, version, record });
            }
            Err(error) => tracing::warn!(%error, "an unknown object in the ledger's store is ignored"),
        }
    }
    Ok(objects)
}

/// One object.
pub(super) fn record(shard: StoredShard) -> Result<(StoreVersion, StoreRecord), RecordError> {
    let record = match StoreMarker::of(&shard.record) {
        Some(StoreMarker::Moved(MovedRecord { to, migration, complete, .. })) => {
            return Err(RecordError::Moved { to, migration, complete });
        }
        Some(StoreMarker::Arriving(ArrivingRecords { from, migration, .. })) => {
            return Err(RecordError::Arriving { from, migration });
        }
        Some(StoreMarker::Lineage(_)) | None => StoreRecord::decode(&shard.record),
    };
    let record = record.map_err(|error| RecordError::Record { name: shard.name, error })?;
    Ok((StoreVersion(shard.version.0), record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::store::ShardVersion;

    fn error(objects: &[(&str, &str)]) -> RecordError {
        let shards = objects.iter().map(|(name, record)| StoredShard {
            name: ShardName((*name).to_owned()),
            version: ShardVersion("1".to_owned()),
            record: (*record).to_owned(),
        });
        read(shards.collect()).unwrap_err()
    }

    #[test]
    fn a_sealed_store_names_the_other_store() {
        let moved = |complete| {
            format!(
                r#"{{"moved":{{"to":"PostgreSQL","migration":{{"ledger":"6f1d","number":1}},"complete":{complete},"record":{{}}}}}}"#
            )
        };
        // A shard does not record whether all shards are complete.
        let found = error(&[("shard-0", &moved(false)), ("index", &moved(true))]);
        assert_eq!(found.to_string(), "the ledger's records were moved to PostgreSQL (migration 6f1d-1)");
        assert_eq!(found.fault(), StoreFault::Moved);
        let found = error(&[("index", &moved(false))]);
        assert_eq!(found.to_string(), "the ledger's records are being moved to PostgreSQL (migration 6f1d-1)");
        let arriving = r#"{"arriving":{"from":"Kubernetes","migration":{"ledger":"6f1d","number":1}}}"#;
        let found = error(&[("index", arriving)]);
        assert!(found.to_string().contains("set ledger.migrateFrom to Kubernetes"), "{found}");
        assert_eq!(found.fault(), StoreFault::Migration);
    }

    #[test]
    fn an_unreadable_record_is_named() {
        let found = error(&[("shard-3", "{")]);
        assert!(found.to_string().starts_with("shard-3: "), "{found}");
        assert_eq!(found.fault(), StoreFault::Damaged);
        let newer = error(&[("index", r#"{"index":{"format":99,"term":1,"shards":0}}"#)]);
        assert_eq!(newer.fault(), StoreFault::Newer);
    }
}

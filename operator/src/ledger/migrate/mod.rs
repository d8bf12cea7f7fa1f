//! Moves the ledger's records from one store to the other, while gateways continue to spend what they hold.
//!
//! ```text
//! 1  lineage of the source                    which ledger this is
//! 2  index of the target      = arriving      no leader uses the target
//! 3  index of the source      = moved         no leader before makes a shard any more
//! 4  each shard of the source = moved         no leader before writes a shard any more
//! 5  lineage and shards of the target         copied, read again and compared
//! 6  index of the target      = the source's  from here on the target is the one in use
//! 7  index of the source      = moved, complete
//! ```
//!
//! Each step is a compare-and-swap, and the next one begins when it is acknowledged. So the migration may stop at any
//! point: the next run continues, by the state of both stores (`plan`). A leader that does not know of the migration
//! yet can grant only what its records contained when they were sealed, and the next leader counts that as spent. Its
//! last writes are in the sealed copy.

mod plan;
mod state;

use std::collections::BTreeMap;

use outrigger_ledger::protocol::Term;
use outrigger_ledger::shared::record::{FORMAT, IndexRecord, ShardRecord, StoreObject, StoreRecord, UnreadableRecord};
use serde_json::value::RawValue;

pub use self::plan::MigrationRefusal;
use self::plan::{IndexState, MigrationPlan, StoreState, plan};
pub use self::state::{MigrationState, MigrationStep, RecordsAre, StoreReport, migration_state};
use super::store::marker::{ArrivingRecords, LINEAGE, LedgerLineage, MovedRecord, StoreKind, StoreMarker};
use super::store::{LedgerStore, ShardName, ShardVersion, StoreError, StoredShard, WriteOutcome};

/// How often a record is sealed again after its leader has written it.
const SEAL_ATTEMPTS: usize = 20;

/// One of the two stores.
#[derive(Clone, Copy, Debug)]
pub struct MigrationSide<'a> {
    pub kind: StoreKind,
    pub store: &'a dyn LedgerStore,
}

/// The result of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationOutcome {
    /// Neither store has records.
    Nothing,
    /// The records were in the target already.
    Done,
    /// This many records were moved.
    Moved { records: usize },
    /// An unfinished migration in the opposite direction is reverted.
    TakenBack { records: usize },
}

/// Why a migration did not finish. It may be run again.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error("{kind}: {error}")]
    Store { kind: StoreKind, error: StoreError },
    #[error(transparent)]
    Refused(#[from] MigrationRefusal),
    #[error("{kind}: {name} was written by somebody else meanwhile")]
    Conflict { kind: StoreKind, name: ShardName },
    #[error("{kind}: {name}: {error}")]
    Record { kind: StoreKind, name: ShardName, error: UnreadableRecord },
    #[error("{kind}: {name} belongs to another migration: restore the object or the row from a backup")]
    Foreign { kind: StoreKind, name: ShardName },
    #[error("{kind}: {name} is not what was copied: it is copied again")]
    Differs { kind: StoreKind, name: ShardName },
}

/// Moves everything from one store to the other, or continues an unfinished migration.
///
/// # Errors
/// [`MigrationError`]: both stores are in the state after the completed steps.
pub async fn migrate(from: MigrationSide<'_>, to: MigrationSide<'_>) -> Result<MigrationOutcome, MigrationError> {
    let target = Contents::load(to).await?;
    let source = match Contents::load(from).await {
        Ok(source) => source,
        // The old store may be removed later.
        Err(error) if target.came_from(from.kind) => {
            tracing::warn!(%error, "the store that the ledger was moved from is not looked at");
            return Ok(MigrationOutcome::Done);
        }
        Err(error) => return Err(error),
    };
    match plan(&source.state(), &target.state())? {
        MigrationPlan::Nothing => Ok(MigrationOutcome::Nothing),
        MigrationPlan::Done { confirm } => {
            if confirm {
                confirm_moved(from).await?;
            }
            Ok(MigrationOutcome::Done)
        }
        MigrationPlan::Move(migration) => {
            let migration = match migration {
                Some(migration) => migration,
                None => begin_lineage(from).await?.next(),
            };
            // The version on which the decision was based: another one may be in use already.
            let index = target.objects.get(&name(StoreObject::Index)).map(|index| &index.version);
            let records = move_records(from, to, index, &migration).await?;
            Ok(MigrationOutcome::Moved { records })
        }
        MigrationPlan::TakeBack(migration) => {
            let records = take_back(from, to, &migration).await?;
            Ok(MigrationOutcome::TakenBack { records })
        }
    }
}

/// In the first migration the ledger gets its name. Two concurrent runs agree on the first one.
async fn begin_lineage(from: MigrationSide<'_>) -> Result<LedgerLineage, MigrationError> {
    let name = ShardName(LINEAGE.to_owned());
    let lineage = LedgerLineage { ledger: format!("{:016x}", fastrand::u64(..)), number: 0 };
    from.write(&name, None, &StoreMarker::Lineage(lineage.clone()).encode()).await?;
    Ok(lineage)
}

async fn move_records(
    from: MigrationSide<'_>,
    to: MigrationSide<'_>,
    target_index: Option<&ShardVersion>,
    migration: &LedgerLineage,
) -> Result<usize, MigrationError> {
    let index = name(StoreObject::Index);
    let arriving = ArrivingRecords { from: from.kind, migration: migration.clone(), abandoned: false };
    let arrived = to.write(&index, target_index, &StoreMarker::Arriving(arriving).encode()).await?;

    let sealed_index = seal(from, to.kind, StoreObject::Index, migration).await?;
    let contents = Contents::load(from).await?;
    let count = contents.shards(sealed_index.as_deref())?;
    let mut records: BTreeMap<ShardName, String> = BTreeMap::new();
    for number in 0..count {
        let object = StoreObject::Shard(number);
        // A shard that was never created is empty: the previous leader can't create it any more.
        let record = seal(from, to.kind, object, migration).await?;
        records.insert(name(object), record.unwrap_or_else(empty_shard));
    }

    let mut there = Contents::load(to).await?;
    if there.objects.get(&index).is_none_or(|index| index.version != arrived) {
        return Err(MigrationError::Conflict { kind: to.kind, name: index });
    }
    let lineage = StoreMarker::Lineage(migration.clone()).encode();
    let mut copies: BTreeMap<ShardName, String> = records.clone();
    copies.insert(ShardName(LINEAGE.to_owned()), lineage);
    // Further shards of the target, from an earlier migration, are empty.
    for shard in there.objects.keys().filter(|name| is_shard(name)) {
        copies.entry(shard.clone()).or_insert_with(empty_shard);
    }
    for (name, record) in &copies {
        let before = there.objects.remove(name).map(|shard| shard.version);
        to.write(name, before.as_ref(), record).await?;
    }
    let written = Contents::load(to).await?;
    for (name, record) in &copies {
        if written.objects.get(name).is_none_or(|found| found.record != *record) {
            return Err(MigrationError::Differs { kind: to.kind, name: name.clone() });
        }
    }
    let index_record = sealed_index.unwrap_or_else(|| {
        let index = IndexRecord { format: FORMAT, term: Term(0), shards: count };
        StoreRecord::Index(index).encode()
    });
    // Another run that reverted the migration, or began another one, has replaced the version.
    to.write(&index, Some(&arrived), &index_record).await?;
    confirm_moved(from).await?;
    Ok(records.len() + 1)
}

/// Seals the current record, even if its leader writes it meanwhile. Returns the sealed record.
async fn seal(
    from: MigrationSide<'_>,
    to: StoreKind,
    object: StoreObject,
    migration: &LedgerLineage,
) -> Result<Option<String>, MigrationError> {
    let name = name(object);
    for _ in 0..SEAL_ATTEMPTS {
        let found = from.read(&name).await?;
        let (version, record) = match found {
            None => (None, None),
            Some(shard) => match StoreMarker::of(&shard.record) {
                None => (Some(shard.version), Some(shard.record)),
                Some(StoreMarker::Moved(moved)) if moved.migration == *migration => {
                    return Ok(moved.record.map(|record| record.get().to_owned()));
                }
                Some(_) => return Err(MigrationError::Foreign { kind: from.kind, name }),
            },
        };
        let raw = match &record {
            Some(record) => Some(raw(from.kind, &name, record)?),
            None => None,
        };
        let moved = MovedRecord { to, migration: migration.clone(), complete: false, record: raw };
        match from.write(&name, version.as_ref(), &StoreMarker::Moved(moved).encode()).await {
            Ok(_) => return Ok(record),
            Err(MigrationError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(MigrationError::Conflict { kind: from.kind, name })
}

/// Marks in the source that the target is in use.
async fn confirm_moved(from: MigrationSide<'_>) -> Result<(), MigrationError> {
    let index = name(StoreObject::Index);
    let Some(found) = from.read(&index).await? else { return Ok(()) };
    if let Some(StoreMarker::Moved(moved)) = StoreMarker::of(&found.record) {
        let moved = MovedRecord { complete: true, ..moved };
        from.write(&index, Some(&found.version), &StoreMarker::Moved(moved).encode()).await?;
    }
    Ok(())
}

/// `from` has an unfinished copy, and `to` the sealed records: these are unsealed, the index last.
async fn take_back(
    from: MigrationSide<'_>,
    to: MigrationSide<'_>,
    migration: &LedgerLineage,
) -> Result<usize, MigrationError> {
    let index = name(StoreObject::Index);
    let Some(found) = from.read(&index).await? else {
        return Err(MigrationError::Conflict { kind: from.kind, name: index });
    };
    match StoreMarker::of(&found.record) {
        Some(StoreMarker::Arriving(arriving)) if arriving.migration == *migration => {
            // From here on no run can finish it.
            let abandoned = StoreMarker::Arriving(ArrivingRecords { abandoned: true, ..arriving });
            from.write(&index, Some(&found.version), &abandoned.encode()).await?;
        }
        _ => return Err(MigrationError::Conflict { kind: from.kind, name: index }),
    }
    let contents = Contents::load(to).await?;
    let shards = contents.objects.values().filter(|shard| is_shard(&shard.name));
    let sealed_index = contents.objects.get(&index);
    let mut records = 0;
    for shard in shards.chain(sealed_index) {
        let Some(StoreMarker::Moved(moved)) = StoreMarker::of(&shard.record) else { continue };
        let record = match moved.record {
            Some(record) => record.get().to_owned(),
            None if shard.name == index => StoreRecord::Index(IndexRecord::default()).encode(),
            None => empty_shard(),
        };
        to.write(&shard.name, Some(&shard.version), &record).await?;
        records += 1;
    }
    Ok(records)
}

/// The whole content of a store.
struct Contents {
    kind: StoreKind,
    objects: BTreeMap<ShardName, StoredShard>,
}

impl Contents {
    async fn load(side: MigrationSide<'_>) -> Result<Contents, MigrationError> {
        let shards = side.store.load().await.map_err(|error| MigrationError::Store { kind: side.kind, error })?;
        let objects = shards.into_iter().map(|shard| (shard.name.clone(), shard)).collect();
        Ok(Contents { kind: side.kind, objects })
    }

    fn index(&self) -> IndexState {
        match self.objects.get(&name(StoreObject::Index)) {
            Some(index) => match StoreMarker::of(&index.record) {
                Some(StoreMarker::Moved(moved)) => {
                    IndexState::Moved { migration: moved.migration, complete: moved.complete }
                }
                Some(StoreMarker::Arriving(arriving)) => IndexState::Arriving(arriving),
                _ => IndexState::InUse,
            },
            // The index is missing: the shards contain what was granted.
            None if self.objects.keys().any(is_shard) => IndexState::InUse,
            None => IndexState::Empty,
        }
    }

    fn lineage(&self) -> Option<LedgerLineage> {
        let lineage = self.objects.get(&ShardName(LINEAGE.to_owned()))?;
        match StoreMarker::of(&lineage.record) {
            Some(StoreMarker::Lineage(lineage)) => Some(lineage),
            _ => None,
        }
    }

    fn state(&self) -> StoreState {
        StoreState { kind: self.kind, index: self.index(), lineage: self.lineage() }
    }

    /// Its records are in use, and were moved here at least once.
    fn came_from(&self, other: StoreKind) -> bool {
        other != self.kind
            && self.index() == IndexState::InUse
            && self.lineage().is_some_and(|lineage| lineage.number > 0)
    }

    /// How many records there are, the index among them.
    fn count(&self) -> usize {
        self.objects.keys().filter(|name| name.0.parse::<StoreObject>().is_ok()).count()
    }

    /// How many shards exist, or may exist.
    fn shards(&self, index: Option<&str>) -> Result<u32, MigrationError> {
        let error = |error| MigrationError::Record { kind: self.kind, name: name(StoreObject::Index), error };
        let listed = match index.map(StoreRecord::decode).transpose().map_err(error)? {
            Some(StoreRecord::Index(index)) => index.shards,
            _ => 0,
        };
        let numbers = self.objects.keys().filter_map(|name| match name.0.parse() {
            Ok(StoreObject::Shard(number)) => Some(number.saturating_add(1)),
            _ => None,
        });
        Ok(numbers.max().unwrap_or_default().max(listed))
    }
}

impl MigrationSide<'_> {
    async fn read(&self, name: &ShardName) -> Result<Option<StoredShard>, MigrationError> {
        self.store.read(name).await.map_err(|error| MigrationError::Store { kind: self.kind, error })
    }

    async fn write(
        &self,
        name: &ShardName,
        expected: Option<&ShardVersion>,
        record: &str,
    ) -> Result<ShardVersion, MigrationError> {
        match self.store.write(name, expected, record).await {
            WriteOutcome::Written(version) => Ok(version),
            WriteOutcome::Conflict => Err(MigrationError::Conflict { kind: self.kind, name: name.clone() }),
            WriteOutcome::Unknown(error) | WriteOutcome::Failed(error) => {
                Err(MigrationError::Store { kind: self.kind, error })
            }
        }
    }
}

fn name(object: StoreObject) -> ShardName {
    ShardName(object.to_string())
}

fn is_shard(name: &ShardName) -> bool {
    matches!(name.0.parse(), Ok(StoreObject::Shard(_)))
}

fn empty_shard() -> String {
    StoreRecord::Shard(ShardRecord { format: FORMAT, ..ShardRecord::default() }).encode()
}

/// A record that this version can read, unchanged.
fn raw(kind: StoreKind, name: &ShardName, record: &str) -> Result<Box<RawValue>, MigrationError> {
    let unreadable = |error| MigrationError::Record { kind, name: name.clone(), error };
    StoreRecord::decode(record).map_err(unreadable)?;
    RawValue::from_string(record.to_owned()).map_err(|error| unreadable(UnreadableRecord::Damaged(error)))
}

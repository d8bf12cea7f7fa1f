//! What the store acknowledged to this process. By this it detects that a record was deleted or restored from a backup.
//! The ledger then writes again what was acknowledged, and never starts over as if nothing had been spent.
//!
//! A record is written again only if no other leader has written since. A later leader knows more, and has the records of its
//! own.

use std::collections::BTreeMap;

use outrigger_ledger::protocol::Term;
use outrigger_ledger::shared::record::{StoreObject, StoreRecord, StoreVersion, Stored};
use parking_lot::Mutex;

use crate::ledger::store::{ShardName, ShardVersion};

/// How many writes of a record with unknown outcome are remembered.
const UNKNOWN_MAX: usize = 16;

/// Records by their objects.
#[derive(Debug, Default)]
pub(super) struct AcknowledgedRecords(Mutex<BTreeMap<StoreObject, AcknowledgedRecord>>);

#[derive(Debug, Default)]
struct AcknowledgedRecord {
    written: Option<(StoreVersion, StoreRecord)>,
    /// Later writes that may have been made.
    unknown: Vec<StoreRecord>,
    in_flight: usize,
}

/// A record to write again, over the existing version.
#[derive(Debug)]
pub(super) struct LostRecord {
    pub object: StoreObject,
    pub found: Option<StoreVersion>,
    pub record: StoreRecord,
}

impl AcknowledgedRecords {
    /// A leadership begins: no write of the previous one is in progress any more, except in the store.
    pub(super) fn begin(&self) {
        self.0.lock().values_mut().for_each(|known| known.in_flight = 0);
    }

    /// A write is sent.
    pub(super) fn sent(&self, object: StoreObject, record: &StoreRecord) {
        let mut records = self.0.lock();
        let known = records.entry(object).or_default();
        known.in_flight += 1;
        known.unknown.push(record.clone());
        if known.unknown.len() > UNKNOWN_MAX {
            known.unknown.remove(0);
        }
    }

    /// It was made. Earlier writes can't be made any more, because they name an older version.
    pub(super) fn written(&self, object: StoreObject, version: StoreVersion, record: StoreRecord) {
        let mut records = self.0.lock();
        let known = records.entry(object).or_default();
        known.in_flight = known.in_flight.saturating_sub(1);
        known.unknown.clear();
        known.written = Some((version, record));
    }

    /// It was certainly not made.
    pub(super) fn not_written(&self, object: StoreObject, record: &StoreRecord) {
        if let Some(known) = self.0.lock().get_mut(&object) {
            known.in_flight = known.in_flight.saturating_sub(1);
            if let Some(at) = known.unknown.iter().rposition(|sent| sent == record) {
                known.unknown.remove(at);
            }
        }
    }

    /// The outcome is unknown.
    pub(super) fn unknown(&self, object: StoreObject) {
        if let Some(known) = self.0.lock().get_mut(&object) {
            known.in_flight = known.in_flight.saturating_sub(1);
        }
    }

    /// The records to write again, given the store's versions. If another leader has written, this process's knowledge
    /// is out of date, and it is dropped.
    pub(super) fn lost(&self, stored: &[Stored]) -> Vec<LostRecord> {
        let mut records = self.0.lock();
        let stored: BTreeMap<StoreObject, &Stored> = stored.iter().map(|stored| (stored.object, stored)).collect();
        let own_term = records.values().filter_map(|known| Some(term(&known.written.as_ref()?.1))).max();
        let foreign = stored.values().any(|stored| {
            let own = records.get(&stored.object).is_some_and(|known| known.has(&stored.record));
            !own && own_term.is_some_and(|own_term| term(&stored.record) > own_term)
        });
        if foreign {
            records.clear();
            return Vec::new();
        }
        let lost = records.iter().filter_map(|(object, known)| {
            let (_, record) = known.written.as_ref()?;
            let found = stored.get(object);
            let set_back = found.is_none_or(|found| !known.has(&found.record) && term(&found.record) <= term(record));
            let found = found.map(|found| found.version.clone());
            set_back.then(|| LostRecord { object: *object, found, record: record.clone() })
        });
        lost.collect()
    }

    /// The versions of all records without a write that is in progress or has an unknown outcome.
    pub(super) fn settled(&self) -> Vec<(ShardName, ShardVersion)> {
        let records = self.0.lock();
        let settled = records.iter().filter(|(_, known)| known.in_flight == 0 && known.unknown.is_empty());
        settled.filter_map(|(object, known)| Some((name(*object), version(&known.written.as_ref()?.0)))).collect()
    }
}

impl AcknowledgedRecord {
    fn has(&self, record: &StoreRecord) -> bool {
        self.written.as_ref().is_some_and(|(_, written)| written == record) || self.unknown.contains(record)
    }
}

fn name(object: StoreObject) -> ShardName {
    ShardName(object.to_string())
}

fn version(version: &StoreVersion) -> ShardVersion {
    ShardVersion(version.0.clone())
}

fn term(record: &StoreRecord) -> Term {
    match record {
        StoreRecord::Index(index) => index.term,
        StoreRecord::Shard(shard) => shard.term,
    }
}

#[cfg(test)]
mod tests {
    use outrigger_ledger::shared::record::{FORMAT, IndexRecord, ShardRecord};

    use super::*;

    const SHARD: StoreObject = StoreObject::Shard(0);

    fn index(term: u64) -> StoreRecord {
        StoreRecord::Index(IndexRecord { format: FORMAT, term: Term(term), shards: 1 })
    }

    fn shard(term: u64) -> StoreRecord {
        StoreRecord::Shard(ShardRecord { format: FORMAT, term: Term(term), ..ShardRecord::default() })
    }

    fn stored(object: StoreObject, version: u64, record: StoreRecord) -> Stored {
        Stored { object, version: StoreVersion(version.to_string()), record }
    }

    fn acknowledged(term: u64) -> AcknowledgedRecords {
        let records = AcknowledgedRecords::default();
        for (object, record) in [(StoreObject::Index, index(term)), (SHARD, shard(term))] {
            records.sent(object, &record);
            records.written(object, StoreVersion("1".to_owned()), record);
        }
        records
    }

    fn lost(records: &AcknowledgedRecords, stored: &[Stored]) -> Vec<(StoreObject, Option<String>)> {
        records.lost(stored).into_iter().map(|lost| (lost.object, lost.found.map(|version| version.0))).collect()
    }

    #[test]
    fn deleted_and_restored_records_are_written_again() {
        let records = acknowledged(7);
        let now = |shard| [stored(StoreObject::Index, 1, index(7)), stored(SHARD, 2, shard)];
        assert_eq!(lost(&records, &now(shard(7))), []);
        assert_eq!(lost(&records, &now(shard(6))), [(SHARD, Some("2".to_owned()))]);
        assert_eq!(lost(&records, &now(shard(7))[..1]), [(SHARD, None)]);
        assert_eq!(lost(&records, &[]), [(StoreObject::Index, None), (SHARD, None)]);
    }

    #[test]
    fn records_of_another_leader_are_kept() {
        let records = acknowledged(7);
        assert_eq!(lost(&records, &[stored(StoreObject::Index, 3, index(8))]), []);
        assert_eq!(lost(&records, &[]), [], "what this process knew is out of date");
    }

    #[test]
    fn a_write_with_unknown_outcome_counts_as_this_processs_own() {
        let records = acknowledged(7);
        records.sent(StoreObject::Index, &index(8));
        records.unknown(StoreObject::Index);
        let now = [stored(StoreObject::Index, 2, index(8)), stored(SHARD, 1, shard(7))];
        assert_eq!(lost(&records, &now), []);
        assert_eq!(lost(&records, &now[..1]), [(SHARD, None)]);
        assert_eq!(records.settled(), [(ShardName("shard-0".to_owned()), ShardVersion("1".to_owned()))]);
        records.not_written(StoreObject::Index, &index(8));
        assert_eq!(lost(&records, &now[..1]), [], "another leader made the write");
    }
}

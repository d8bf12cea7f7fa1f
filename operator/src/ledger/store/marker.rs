//! Markers that a migration writes in place of the ledger's records, so that no leader uses an incomplete store.
//!
//! ```text
//! {"moved":{"to":"PostgreSQL","migration":{"ledger":"6f1d…","number":1},"complete":true,"record":{…}}}
//! {"arriving":{"from":"Kubernetes","migration":{"ledger":"6f1d…","number":1}}}
//! {"lineage":{"ledger":"6f1d…","number":1}}
//! ```
//!
//! `moved` seals a record: its version changes, so a write of the previous leader conflicts, and no leader reads it as
//! a record. `arriving` is in place of the index while records are copied. The object `lineage` identifies the ledger,
//! and counts its migrations: records of another ledger are never overwritten.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use crate::settings::StoreKind;

/// The object that holds a store's [`LedgerLineage`].
pub const LINEAGE: &str = "lineage";

/// Identifies the ledger and counts its migrations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLineage {
    /// Random, chosen at its first migration.
    pub ledger: String,
    pub number: u64,
}

impl LedgerLineage {
    /// The same after one more migration.
    #[must_use]
    pub fn next(&self) -> LedgerLineage {
        LedgerLineage { ledger: self.ledger.clone(), number: self.number.saturating_add(1) }
    }
}

impl fmt::Display for LedgerLineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ledger, self.number)
    }
}

/// A text that is not a record of the ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StoreMarker {
    Moved(MovedRecord),
    Arriving(ArrivingRecords),
    Lineage(LedgerLineage),
}

/// A sealed record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MovedRecord {
    pub to: StoreKind,
    pub migration: LedgerLineage,
    /// The other store is in use. Only the index contains this.
    #[serde(default)]
    pub complete: bool,
    /// The leader's record, byte for byte; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Box<RawValue>>,
}

/// A store to which records are copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrivingRecords {
    pub from: StoreKind,
    pub migration: LedgerLineage,
    /// The other store will be used again: this migration must not be finished.
    #[serde(default)]
    pub abandoned: bool,
}

impl StoreMarker {
    /// Absent: the text is a record, or damaged.
    #[must_use]
    pub fn of(text: &str) -> Option<StoreMarker> {
        serde_json::from_str(text).ok()
    }

    #[must_use]
    pub fn encode(&self) -> String {
        // Encoding can't fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_record_is_kept_byte_for_byte() {
        let record = r#"{"shard":{"format":1,"term":18446744073709551615,"who":"Zo\u00eb \"ë\"", "x": 1.50}}"#;
        let moved = MovedRecord {
            to: StoreKind::Postgres,
            migration: LedgerLineage { ledger: "a".to_owned(), number: 1 },
            complete: false,
            record: Some(RawValue::from_string(record.to_owned()).unwrap()),
        };
        let text = StoreMarker::Moved(moved).encode();
        let Some(StoreMarker::Moved(read)) = StoreMarker::of(&text) else { panic!("{text}") };
        assert_eq!(read.record.unwrap().get(), record);
        assert!(text.contains(r#""to":"PostgreSQL""#), "{text}");
    }

    #[test]
    fn records_are_not_markers() {
        for text in [r#"{"index":{"format":1,"term":1,"shards":1}}"#, r#"{"shard":{"format":1,"term":1}}"#, "", "{"] {
            assert!(StoreMarker::of(text).is_none(), "{text}");
        }
    }
}

//! The records in the ledger's store.
//!
//! ```text
//! index     the term of the leader, and how many shards there are
//! shard-0   the term of the leader that wrote it last
//!             account  limit, period; how much may have been granted
//!             page     some holders of an account: granted, returned, spent
//! shard-1   …
//! ```
//!
//! Each object is written as a whole, if it has not changed since it was read (compare and swap). Nothing is moved from
//! one object to another, and no write depends on two objects. Every sum of a page only grows, so it stays true while
//! other objects are written.
//!
//! A shard stays under [`SHARD_BYTES`]: space for a page's holders is reserved when the page is placed.

use std::fmt;
use std::str::FromStr;

use outrigger_core::Millis;
use serde::{Deserialize, Serialize};

use crate::protocol::{AccountKey, Term};

/// The format that is written. A reader refuses later ones.
pub const FORMAT: u32 = 1;
/// The longest object, [encoded](StoreRecord::encode).
pub const SHARD_BYTES: usize = 100_000;

/// An object of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreObject {
    Index,
    Shard(u32),
}

/// A store's name for the version of an object that was read or written: Kubernetes's `resourceVersion`, or a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreVersion(pub String);

/// An object as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub object: StoreObject,
    pub version: StoreVersion,
    pub record: StoreRecord,
}

/// The content of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StoreRecord {
    Index(IndexRecord),
    Shard(ShardRecord),
}

/// Why an object can't be used.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableRecord {
    #[error("the ledger's record is damaged: {0}")]
    Damaged(serde_json::Error),
    #[error(
        "the ledger's record has format {0}, and this version reads up to {FORMAT}: a newer version has written it"
    )]
    Later(u32),
}

/// The current leader, and the shards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexRecord {
    pub format: u32,
    pub term: Term,
    /// Shards from 0 up to this may exist: it is raised before one is created.
    pub shards: u32,
}

/// Some accounts and pages of holders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardRecord {
    pub format: u32,
    /// The first writer of a later term moves every `ceiling` in it to `former`.
    pub term: Term,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<HolderPage>,
}

/// One account. Sums are in its unit, gross, and wider than an amount, because returned amounts are granted again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountRecord {
    pub key: AccountKey,
    /// The first millisecond after its period; absent if it never ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Millis>,
    /// What leaders of earlier terms may have granted.
    pub former: u128,
    /// What the leader of this term may grant.
    pub ceiling: u128,
    /// What was spent when the account was reset: it counts no more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub written_off: u128,
    /// A raise of the limit. It counts until it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raise: Option<RaiseRecord>,
    /// The last actions on the limit, so that each is done once. The newest is the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<ActionRecord>,
    /// Since when no object has the limit; of accounts that never end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_since: Option<Millis>,
}

/// A limit that is raised for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaiseRecord {
    /// By so much, in the limit's unit.
    pub by: u64,
    /// The first millisecond after it.
    pub until: Millis,
}

/// An action that was done on a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRecord {
    pub id: String,
    pub at: Millis,
    /// What was forgiven, what was spent before the reset, or by how much the limit was raised.
    pub amount: u128,
}

/// Some holders of an account, and the sums of former ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HolderPage {
    pub key: AccountKey,
    /// The maximum number of holders.
    pub capacity: u32,
    pub holders: Vec<HolderRecord>,
    #[serde(default, skip_serializing_if = "ClosedSums::is_nothing")]
    pub closed: ClosedSums,
    /// The workloads of closed holders that spent most, and how much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spenders: Vec<(String, u128)>,
}

/// A holder: a pod, and the time at which its journal was begun.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HolderId {
    /// The pod's UID.
    pub pod: String,
    /// As [`UsageReport::epoch`](crate::protocol::UsageReport::epoch).
    pub epoch: u64,
}

/// A holder's part of an account. Written as `["pod", epoch, granted, most, returned, spent, state]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "HolderRow", from = "HolderRow")]
pub struct HolderRecord {
    pub holder: HolderId,
    /// The granted amount that it reported; for a holder that is gone, the total that it was granted.
    pub granted: u64,
    /// What it may have been granted without having reported it yet: its leader grants it no more before this is
    /// raised.
    pub most: u64,
    pub returned: u64,
    pub spent: u64,
    pub state: HolderStatus,
}

/// Whether a holder may still report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderStatus {
    Open,
    /// Its pod is gone, without a final report. `granted` is the total that it was granted.
    Gone,
    /// Its pod is gone, and it did not report in the leader's term: it may have been granted more.
    Lost,
}

/// The sums of holders that are no longer on a page: everything is settled, or they sent their final report, or they
/// are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClosedSums {
    pub granted: u128,
    pub returned: u128,
    pub spent: u128,
    /// The part of `spent` beyond `granted - returned` of its holder.
    pub debt: u128,
}

impl AccountRecord {
    /// Of which nothing was granted.
    #[must_use]
    pub fn new(key: AccountKey, end: Option<Millis>) -> Self {
        AccountRecord {
            key,
            end,
            former: 0,
            ceiling: 0,
            written_off: 0,
            raise: None,
            actions: Vec::new(),
            absent_since: None,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(amount: &u128) -> bool {
    *amount == 0
}

type HolderRow = (String, u64, u64, u64, u64, u64, u8);

impl StoreRecord {
    /// The stored form: compact JSON. Its numbers need more than 53 bits, so a store keeps it as a text, and not as an
    /// object whose numbers others may round.
    #[must_use]
    pub fn encode(&self) -> String {
        // Encoding can't fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Decodes the result of [`encode`](Self::encode).
    ///
    /// # Errors
    /// The text is not a record, or has a later format. Whoever continues without it forgets what was granted.
    pub fn decode(text: &str) -> Result<StoreRecord, UnreadableRecord> {
        let record: StoreRecord = serde_json::from_str(text).map_err(UnreadableRecord::Damaged)?;
        match record.format() {
            format if format > FORMAT => Err(UnreadableRecord::Later(format)),
            _ => Ok(record),
        }
    }

    fn format(&self) -> u32 {
        match self {
            StoreRecord::Index(index) => index.format,
            StoreRecord::Shard(shard) => shard.format,
        }
    }
}

impl ClosedSums {
    /// What holders that are gone may have spent without having reported it.
    #[must_use]
    pub fn unconfirmed(&self) -> u128 {
        self.granted.saturating_sub(self.returned).saturating_sub(self.spent.saturating_sub(self.debt))
    }

    fn is_nothing(&self) -> bool {
        *self == ClosedSums::default()
    }
}

impl From<HolderRow> for HolderRecord {
    fn from((pod, epoch, granted, most, returned, spent, state): HolderRow) -> Self {
        let state = match state {
            0 => HolderStatus::Open,
            1 => HolderStatus::Gone,
            _ => HolderStatus::Lost,
        };
        HolderRecord { holder: HolderId { pod, epoch }, granted, most, returned, spent, state }
    }
}

impl From<HolderRecord> for HolderRow {
    fn from(row: HolderRecord) -> Self {
        let state = match row.state {
            HolderStatus::Open => 0,
            HolderStatus::Gone => 1,
            HolderStatus::Lost => 2,
        };
        (row.holder.pod, row.holder.epoch, row.granted, row.most, row.returned, row.spent, state)
    }
}

impl fmt::Display for StoreObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreObject::Index => f.write_str("index"),
            StoreObject::Shard(number) => write!(f, "shard-{number}"),
        }
    }
}

/// A name that no object of the ledger has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no object of the ledger")]
pub struct NotAnObject(String);

impl FromStr for StoreObject {
    type Err = NotAnObject;

    fn from_str(name: &str) -> Result<Self, NotAnObject> {
        let shard = || name.strip_prefix("shard-")?.parse().ok();
        let object = if name == "index" { Some(StoreObject::Index) } else { shard().map(StoreObject::Shard) };
        // `shard-01` is another object than `shard-1`.
        object.filter(|object| object.to_string() == name).ok_or_else(|| NotAnObject(name.to_owned()))
    }
}

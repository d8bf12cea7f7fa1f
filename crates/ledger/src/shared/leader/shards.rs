//! The objects of the store: their content, and which must be written when.
//!
//! Writes are gathered for [`GATHER`], and sent at a [`WriteRate`], the most urgent first. An object has at most one
//! write or reload in progress.

use std::collections::BTreeSet;

use outrigger_core::Millis;

use super::write_rate::WriteRate;
use super::{AccountNo, HolderNo, PageNo};
use crate::protocol::DurableUsage;
use crate::shared::record::{SHARD_BYTES, StoreObject, StoreRecord, StoreVersion};

/// Changes are gathered for this time.
const GATHER: Millis = 200;
/// Changes that nothing waits for are written this long after they were made.
const LAZY: Millis = 10_000;
/// Space for the part of a shard besides its entries.
const HEAD_BYTES: usize = 200;

/// How soon something must be in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// Nobody waits.
    Lazy,
    /// Returned amounts that another holder waits for.
    Wanted,
    /// Something waits for it: a ceiling, a holder, a final report.
    Now,
}

#[derive(Clone, Debug)]
pub(super) struct Shards {
    pub(super) index_version: Option<StoreVersion>,
    /// How many shards the index certainly has, and how many it should have.
    pub(super) indexed: u32,
    pub(super) indexing: u32,
    index: UnderWay,
    pub(super) shards: Vec<ShardState>,
    rate: WriteRate,
    gathered_at: Millis,
    /// For the driver's metrics.
    pub(super) writes: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ShardState {
    pub(super) version: Option<StoreVersion>,
    pub(super) accounts: BTreeSet<AccountNo>,
    pub(super) pages: BTreeSet<PageNo>,
    /// The space reserved for its entries, in bytes.
    reserved: usize,
    dirty: Option<(Urgency, Millis)>,
    busy: UnderWay,
    /// Writes of which one may be in the store: the last, and earlier ones with unknown outcome.
    pub(super) attempts: Vec<WriteAttempt>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum UnderWay {
    #[default]
    No,
    Yes,
}

/// What was written, by number.
#[derive(Clone, Debug)]
pub(super) struct WriteAttempt {
    pub(super) record: StoreRecord,
    pub(super) ceilings: Vec<(AccountNo, u128)>,
    pub(super) pages: Vec<WrittenPage>,
}

#[derive(Clone, Debug)]
pub(super) struct WrittenPage {
    pub(super) page: PageNo,
    pub(super) returned: u128,
    pub(super) rows: Vec<WrittenRow>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenRow {
    pub(super) holder: HolderNo,
    pub(super) durable: DurableUsage,
    /// What it may be granted.
    pub(super) most: u64,
    /// The next leader will wait for its report of what it was granted.
    pub(super) open: bool,
}

/// What must be written now.
pub(super) enum WriteTurn {
    Index(u32),
    Shard(u32),
}

impl Shards {
    /// The shards of an index.
    pub(super) fn new(index: StoreVersion, count: u32, rate: WriteRate) -> Self {
        let mut shards = Vec::new();
        shards.resize_with(count as usize, ShardState::default);
        Shards {
            index_version: Some(index),
            indexed: count,
            indexing: count,
            index: UnderWay::No,
            shards,
            rate: rate.go_on(0),
            gathered_at: -GATHER,
            writes: 0,
        }
    }

    pub(super) fn get_mut(&mut self, shard: u32) -> Option<&mut ShardState> {
        self.shards.get_mut(shard as usize)
    }

    /// Finds space for this many bytes: in an existing shard, or in a new one.
    pub(super) fn place(&mut self, bytes: usize, preferred: Option<u32>) -> u32 {
        let fits = |shard: &ShardState| shard.reserved + bytes + HEAD_BYTES <= SHARD_BYTES;
        let preferred = preferred.filter(|number| self.shards.get(*number as usize).is_some_and(fits));
        let place = preferred.map(|number| number as usize).or_else(|| self.shards.iter().position(fits));
        let place = place.unwrap_or_else(|| {
            self.shards.push(ShardState::default());
            self.shards.len() - 1
        });
        if let Some(shard) = self.shards.get_mut(place) {
            shard.reserved += bytes;
        }
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// Reserves space for existing content.
    pub(super) fn keep(&mut self, shard: u32, bytes: usize) {
        if let Some(shard) = self.get_mut(shard) {
            shard.reserved += bytes;
        }
    }

    /// The content was removed.
    pub(super) fn free(&mut self, shard: u32, bytes: usize) {
        if let Some(shard) = self.get_mut(shard) {
            shard.reserved = shard.reserved.saturating_sub(bytes);
        }
    }

    /// Its content has changed.
    pub(super) fn touch(&mut self, shard: u32, urgency: Urgency, now: Millis) {
        if let Some(shard) = self.get_mut(shard) {
            let (before, since) = shard.dirty.unwrap_or((urgency, now));
            shard.dirty = Some((before.max(urgency), since));
        }
    }

    /// Something waits for a change in it.
    pub(super) fn quicken(&mut self, shard: u32) {
        if let Some((urgency, _)) = self.get_mut(shard).and_then(|shard| shard.dirty.as_mut()) {
            *urgency = (*urgency).max(Urgency::Wanted);
        }
    }

    /// The writes that are allowed now.
    pub(super) fn turns(&mut self, now: Millis) -> Vec<WriteTurn> {
        if now.saturating_sub(self.gathered_at) < GATHER {
            return Vec::new();
        }
        self.gathered_at = now;
        self.rate.fill(now);
        let mut turns = Vec::new();
        let count = u32::try_from(self.shards.len()).unwrap_or(u32::MAX);
        if self.indexed < count && self.index == UnderWay::No && self.rate.take() {
            (self.index, self.indexing) = (UnderWay::Yes, count);
            turns.push(WriteTurn::Index(count));
        }
        let due = |dirty: Option<(Urgency, Millis)>| {
            dirty.filter(|(urgency, since)| *urgency > Urgency::Lazy || now.saturating_sub(*since) >= LAZY)
        };
        let indexed = self.indexed as usize;
        let ready = self.shards.iter().enumerate().take(indexed).filter(|(_, shard)| shard.busy == UnderWay::No);
        let mut ready: Vec<(Urgency, Millis, usize)> = ready
            .filter_map(|(place, shard)| due(shard.dirty).map(|(urgency, since)| (urgency, since, place)))
            .collect();
        ready.sort_by_key(|(urgency, since, place)| (std::cmp::Reverse(*urgency), *since, *place));
        for (_, _, place) in ready {
            if !self.rate.take() {
                break;
            }
            if let Some(shard) = self.shards.get_mut(place) {
                (shard.dirty, shard.busy) = (None, UnderWay::Yes);
                turns.push(WriteTurn::Shard(u32::try_from(place).unwrap_or(u32::MAX)));
            }
        }
        self.writes += turns.len() as u64;
        turns
    }

    /// Nothing is in progress for it any more.
    pub(super) fn settled(&mut self, object: StoreObject) {
        match object {
            StoreObject::Index => self.index = UnderWay::No,
            StoreObject::Shard(number) => {
                if let Some(shard) = self.get_mut(number) {
                    shard.busy = UnderWay::No;
                }
            }
        }
    }
}

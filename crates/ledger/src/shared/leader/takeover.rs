//! How a leader takes over.
//!
//! ```text
//! claim    the index with a higher term                         ─► no earlier leader creates a shard any more
//! fence    every shard with this term; each ceiling is former   ─► no earlier leader writes a shard any more
//! lead
//! ```
//!
//! It grants nothing before every shard is fenced. Until then an earlier leader might write an account or a holder that
//! this one does not know.

use std::collections::BTreeMap;

use outrigger_core::Millis;

use super::input::Output;
use super::write_rate::WriteRate;
use crate::protocol::Term;
use crate::shared::record::{FORMAT, IndexRecord, ShardRecord, StoreObject, StoreRecord, StoreVersion, Stored};

/// A leader that has not taken over yet.
#[derive(Clone, Debug)]
pub(super) struct Takeover {
    /// Its term is higher than this, whatever the store has, because gateways know of that term.
    above: Term,
    index: Option<(StoreVersion, IndexRecord)>,
    loaded: BTreeMap<u32, (StoreVersion, ShardRecord)>,
    phase: TakeoverPhase,
}

#[derive(Clone, Debug)]
enum TakeoverPhase {
    Waiting,
    Claiming(IndexRecord),
    /// At the same rate as all writes of a leader: there may be many.
    Fencing {
        index: (StoreVersion, IndexRecord),
        shards: BTreeMap<u32, FencedShard>,
        rate: WriteRate,
    },
}

#[derive(Clone, Debug)]
struct FencedShard {
    version: Option<StoreVersion>,
    record: ShardRecord,
    state: FenceState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FenceState {
    ToDo,
    UnderWay,
    Done,
}

/// The content of the store, under this leader's term.
#[derive(Clone, Debug)]
pub(super) struct Fenced {
    pub(super) index: (StoreVersion, IndexRecord),
    pub(super) shards: BTreeMap<u32, (Option<StoreVersion>, ShardRecord)>,
    pub(super) rate: WriteRate,
}

/// The result of a step.
pub(super) enum TakeoverProgress {
    GoOn,
    Fenced(Fenced),
    Deposed(Option<Term>),
}

impl Takeover {
    pub(super) fn new(above: Term) -> Self {
        Takeover { above, index: None, loaded: BTreeMap::new(), phase: TakeoverPhase::Waiting }
    }

    /// The term that it has claimed.
    pub(super) fn term(&self) -> Option<Term> {
        match &self.phase {
            TakeoverPhase::Waiting | TakeoverPhase::Claiming(_) => None,
            TakeoverPhase::Fencing { index, .. } => Some(index.1.term),
        }
    }

    pub(super) fn loaded(&mut self, objects: Vec<Stored>, out: &mut Vec<Output>) {
        for Stored { object, version, record } in objects {
            match (object, record) {
                (StoreObject::Index, StoreRecord::Index(index)) => self.index = Some((version, index)),
                (StoreObject::Shard(number), StoreRecord::Shard(shard)) => {
                    drop(self.loaded.insert(number, (version, shard)))
                }
                // An object with the name of another kind: the driver has confused them, and nothing is granted.
                (StoreObject::Index | StoreObject::Shard(_), _) => {}
            }
        }
        self.claim(out);
    }

    fn claim(&mut self, out: &mut Vec<Output>) {
        let known = self.index.as_ref().map(|(_, index)| index.clone()).unwrap_or_default();
        // An index that was lost and created again lists fewer shards than there are.
        let seen = self.loaded.values().map(|(_, shard)| shard.term).max().unwrap_or_default();
        let last = self.loaded.keys().next_back().map_or(0, |number| number.saturating_add(1));
        let term = Term(known.term.max(seen).max(self.above).0.saturating_add(1));
        let claim = IndexRecord { format: FORMAT, term, shards: known.shards.max(last) };
        let expected = self.index.as_ref().map(|(version, _)| version.clone());
        self.phase = TakeoverPhase::Claiming(claim.clone());
        out.push(Output::Write { object: StoreObject::Index, expected, record: StoreRecord::Index(claim) });
    }

    pub(super) fn written(
        &mut self,
        object: StoreObject,
        version: StoreVersion,
        now: Millis,
        out: &mut Vec<Output>,
    ) -> TakeoverProgress {
        match (&mut self.phase, object) {
            (TakeoverPhase::Claiming(claim), StoreObject::Index) => {
                let index = (version, claim.clone());
                let mut shards: BTreeMap<u32, FencedShard> =
                    (0..index.1.shards).map(|number| (number, FencedShard::none())).collect();
                for (number, (version, record)) in std::mem::take(&mut self.loaded) {
                    shards.insert(number, FencedShard { version: Some(version), record, state: FenceState::ToDo });
                }
                self.phase = TakeoverPhase::Fencing { index, shards, rate: WriteRate::new(now) };
            }
            (TakeoverPhase::Fencing { shards, index, .. }, StoreObject::Shard(number)) => {
                if let Some(fence) = shards.get_mut(&number) {
                    fence.record = fenced(&fence.record, index.1.term);
                    (fence.version, fence.state) = (Some(version), FenceState::Done);
                }
            }
            _ => return TakeoverProgress::GoOn,
        }
        self.fence(now, out)
    }

    /// Fences the shards whose turn it is.
    pub(super) fn fence(&mut self, now: Millis, out: &mut Vec<Output>) -> TakeoverProgress {
        let TakeoverPhase::Fencing { index, shards, rate } = &mut self.phase else { return TakeoverProgress::GoOn };
        if shards.values().all(|fence| fence.state == FenceState::Done) {
            let shards =
                std::mem::take(shards).into_iter().map(|(number, fence)| (number, (fence.version, fence.record)));
            return TakeoverProgress::Fenced(Fenced {
                index: index.clone(),
                shards: shards.collect(),
                rate: rate.clone(),
            });
        }
        rate.fill(now);
        for (number, fence) in shards.iter_mut().filter(|(_, fence)| fence.state == FenceState::ToDo) {
            if !rate.take() {
                break;
            }
            fence.state = FenceState::UnderWay;
            let record = StoreRecord::Shard(fenced(&fence.record, index.1.term));
            out.push(Output::Write { object: StoreObject::Shard(*number), expected: fence.version.clone(), record });
        }
        TakeoverProgress::GoOn
    }

    /// It was not written, or the outcome is unknown: the content of the store decides.
    pub(super) fn failed(&mut self, object: StoreObject, out: &mut Vec<Output>) {
        out.push(Output::Reload { object });
    }

    pub(super) fn reloaded(
        &mut self,
        object: StoreObject,
        stored: Option<(StoreVersion, StoreRecord)>,
        now: Millis,
        out: &mut Vec<Output>,
    ) -> TakeoverProgress {
        match (&mut self.phase, object, stored) {
            (TakeoverPhase::Claiming(_), StoreObject::Index, stored) => {
                self.index = match stored {
                    Some((version, StoreRecord::Index(index))) => Some((version, index)),
                    _ => None,
                };
                // If it is the claimed term, it may be another leader's claim: a higher term is certainly our own.
                self.claim(out);
                TakeoverProgress::GoOn
            }
            (TakeoverPhase::Fencing { index, shards, .. }, StoreObject::Shard(number), stored) => {
                let term = index.1.term;
                let (version, record) = match stored {
                    Some((version, StoreRecord::Shard(record))) => (Some(version), record),
                    Some(_) => return TakeoverProgress::Deposed(None),
                    None => (None, ShardRecord::default()),
                };
                if record.term > term {
                    return TakeoverProgress::Deposed(Some(record.term));
                }
                // Only this leader writes this term.
                let state = if record.term == term { FenceState::Done } else { FenceState::ToDo };
                shards.insert(number, FencedShard { version, record, state });
                self.fence(now, out)
            }
            _ => TakeoverProgress::GoOn,
        }
    }
}

impl FencedShard {
    /// The index states that it may exist.
    fn none() -> Self {
        FencedShard { version: None, record: ShardRecord::default(), state: FenceState::ToDo }
    }
}

/// A shard under a later term: what earlier leaders may have granted, and nothing else.
fn fenced(shard: &ShardRecord, term: Term) -> ShardRecord {
    let mut shard = ShardRecord { format: FORMAT, term, ..shard.clone() };
    for account in &mut shard.accounts {
        account.former = account.former.saturating_add(std::mem::take(&mut account.ceiling));
    }
    shard
}

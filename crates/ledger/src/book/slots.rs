//! Maps slots of the page file to limits, and records which slots must be written.

use super::LimitNo;

#[derive(Debug)]
pub(super) struct PageSlots {
    /// By slot. The first is the header's.
    all: Vec<SlotState>,
    free: Vec<u32>,
    /// The slots to write, in the order in which they were first changed.
    dirty: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct SlotState {
    owner: SlotOwner,
    dirty: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotOwner {
    Header,
    Free,
    /// The slot stays unchanged, so that every start reports it until an administrator has inspected the file.
    Damaged,
    Limit(LimitNo),
    /// An account that the ledger grants: its holder provides the content.
    Granted,
}

impl PageSlots {
    pub(super) fn new() -> Self {
        let header = SlotState { owner: SlotOwner::Header, dirty: true };
        PageSlots { all: vec![header], free: Vec::new(), dirty: vec![0] }
    }

    /// Assigns a slot to a limit.
    pub(super) fn take(&mut self, limit: LimitNo) -> u32 {
        self.take_for(SlotOwner::Limit(limit))
    }

    pub(super) fn take_for(&mut self, owner: SlotOwner) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            // The header counts one more.
            self.touch(0);
            self.count()
        });
        self.own(slot, owner);
        slot
    }

    /// The number of slots, including the header.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    /// Marks the slot as free, and writes that.
    pub(super) fn give_back(&mut self, slot: u32) {
        self.own(slot, SlotOwner::Free);
        self.free.push(slot);
        self.touch(slot);
    }

    /// Takes over a slot that was read; `false` if another account owns it.
    pub(super) fn own(&mut self, slot: u32, owner: SlotOwner) -> bool {
        let place = slot as usize;
        while self.all.len() <= place {
            self.all.push(SlotState { owner: SlotOwner::Free, dirty: false });
        }
        match self.all.get_mut(place) {
            Some(slot) if slot.owner == SlotOwner::Free || owner == SlotOwner::Free => {
                slot.owner = owner;
                true
            }
            _ => false,
        }
    }

    /// Finds the free slots after a file was read.
    pub(super) fn find_free(&mut self) {
        let free = |(slot, at): (&SlotState, u32)| (slot.owner == SlotOwner::Free).then_some(at);
        self.free = self.all.iter().zip(0..).filter_map(free).collect();
        // The lowest first, so that the file grows last.
        self.free.reverse();
    }

    /// Marks a slot as changed.
    pub(super) fn touch(&mut self, slot: u32) {
        if let Some(state) = self.all.get_mut(slot as usize)
            && !state.dirty
        {
            state.dirty = true;
            self.dirty.push(slot);
        }
    }

    /// The slots to write, each with its owner. Afterwards none is pending.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u32, SlotOwner)> + '_ {
        let PageSlots { all, dirty, .. } = self;
        dirty.drain(..).map(|slot| match all.get_mut(slot as usize) {
            Some(state) => {
                state.dirty = false;
                (slot, state.owner)
            }
            None => (slot, SlotOwner::Damaged),
        })
    }
}

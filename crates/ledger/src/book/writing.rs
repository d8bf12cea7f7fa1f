//! Writes what has changed to the page file.

use super::Book;
use super::shared::SharedLimits;
use super::slots::SlotOwner;
use crate::page::{self, SLOT};

impl Book {
    /// Returns what has to be written to the page file since the last call: the bytes at `slot * SLOT`, each slot once,
    /// in the order of writing. The header is last, because it counts the slots before it.
    ///
    /// An attempt may be sent only after the writes that follow its reservation are complete. Two calls must not
    /// overtake each other on their way to the file: write before the next caller gets the book, or pass the writes to
    /// one writer in order.
    pub fn writes(&mut self, mut each: impl FnMut(u32, &[u8; SLOT])) {
        self.write_runs(|first, bytes| {
            let (slots, _) = bytes.as_chunks();
            (first..).zip(slots).for_each(|(slot, bytes)| each(slot, bytes));
        });
    }

    /// The same, with slots that follow each other in one piece: the number of the first one, and the bytes of all.
    pub fn write_runs(&mut self, mut each: impl FnMut(u32, &[u8])) {
        let Book { limits, slots, runs, shared, .. } = self;
        if let Some(shared) = shared {
            shared.writes(slots, runs, &mut each);
        }
        let count = slots.count();
        let mut header = false;
        for (slot, owner) in slots.drain() {
            match owner {
                SlotOwner::Header => header = true,
                SlotOwner::Free => runs.add(slot, |bytes| page::write_free(bytes, slot), &mut each),
                SlotOwner::Damaged | SlotOwner::Granted => {}
                SlotOwner::Limit(no) => {
                    if let Some(written) = limits.get(no.place()).and_then(|limit| limit.written(slot)) {
                        runs.add(slot, |bytes| written.write(bytes), &mut each);
                    }
                }
            }
        }
        runs.finish(&mut each);
        if header {
            let holder = shared.as_ref().and_then(SharedLimits::written);
            runs.add(0, |bytes| page::write_header(bytes, count, holder), &mut each);
            runs.finish(&mut each);
        }
    }

    /// Returns a slot once more, because the file could not be written.
    pub fn write_again(&mut self, slot: u32) {
        self.slots.touch(slot);
    }
}

//! Slots of the page file that are written together.
//!
//! A write costs a call into the operating system, which takes longer than everything else that a reservation does. So
//! slots that follow each other in the file are written by one call. The accounts of a request usually do: they were
//! added one after the other.
//!
//! A process that is killed during such a write has written some of its slots, each of them completely: systems copy
//! whole memory pages, and no slot crosses one.

use crate::page::SLOT;

/// How many slots are written by one call.
const LONGEST_RUN: usize = 16;

/// The slots that are to be written next. The memory is kept for the next time.
#[derive(Debug, Default)]
pub(super) struct PageRuns {
    first: u32,
    slots: u32,
    bytes: Vec<u8>,
}

impl PageRuns {
    /// Adds a slot, which `write` writes over zeros. If it does not follow those before it, these are passed to `each`
    /// first.
    pub(super) fn add(&mut self, slot: u32, write: impl FnOnce(&mut [u8; SLOT]), each: &mut impl FnMut(u32, &[u8])) {
        if slot != self.first + self.slots || self.bytes.len() >= LONGEST_RUN * SLOT {
            self.finish(each);
            self.first = slot;
        }
        self.slots += 1;
        self.bytes.extend_from_slice(&[0; SLOT]);
        if let Some(bytes) = self.bytes.last_chunk_mut() {
            write(bytes);
        }
    }

    /// Passes the last ones to `each`.
    pub(super) fn finish(&mut self, each: &mut impl FnMut(u32, &[u8])) {
        if self.slots > 0 {
            each(self.first, &self.bytes);
            self.slots = 0;
            self.bytes.clear();
        }
    }
}

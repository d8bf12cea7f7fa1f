//! Pages: some holders of an account, which are written together.

use super::{AccountNo, HolderNo};
use crate::protocol::AccountKey;
use crate::shared::record::{ClosedSums, HolderPage};

/// The first page of an account is small, because most accounts have few holders; later pages are larger.
const CAPACITIES: [u32; 3] = [8, 64, 500];
/// The longest row: a pod's UID, an epoch, four sums and a state, as JSON.
const ROW_BYTES: usize = 176;
/// So many workloads of closed holders are kept on a page.
const SPENDERS: usize = 10;
/// Of a workload's name at most so many bytes are kept.
pub(super) const LONGEST_WORKLOAD: usize = 96;
/// The longest row of a workload: its name and a sum, as JSON.
const SPENDER_BYTES: usize = LONGEST_WORKLOAD + 29;
/// The longest UID of a pod; a row with it fits.
pub(super) const LONGEST_POD: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct OpenPage {
    pub(super) account: AccountNo,
    pub(super) shard: u32,
    pub(super) capacity: u32,
    pub(super) holders: Vec<HolderNo>,
    pub(super) closed: ClosedSums,
    /// What was returned on it, as far as the store has it.
    pub(super) durable_returned: u128,
    /// The workloads of closed holders that spent most.
    pub(super) spenders: Vec<(String, u128)>,
}

impl OpenPage {
    pub(super) fn new(account: AccountNo, shard: u32, capacity: u32) -> Self {
        OpenPage {
            account,
            shard,
            capacity,
            holders: Vec::new(),
            closed: ClosedSums::default(),
            durable_returned: 0,
            spenders: Vec::new(),
        }
    }

    /// A holder of this workload is closed. Those that spent least are forgotten.
    pub(super) fn add_spender(&mut self, workload: &str, spent: u64) {
        if spent == 0 {
            return;
        }
        match self.spenders.iter_mut().find(|(known, _)| known == workload) {
            Some((_, sum)) => *sum = sum.saturating_add(spent.into()),
            None => self.spenders.push((workload.to_owned(), spent.into())),
        }
        self.spenders.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        self.spenders.truncate(SPENDERS);
    }

    pub(super) fn has_room(&self) -> bool {
        self.holders.len() < self.capacity as usize
    }
}

/// The size of the next page of an account that has this many pages.
pub(super) fn capacity(pages: usize) -> u32 {
    CAPACITIES.get(pages).or(CAPACITIES.last()).copied().unwrap_or(1)
}

/// The space reserved for a page.
pub(super) fn page_bytes(key: &AccountKey, capacity: u32) -> usize {
    key_bytes(key) + 300 + SPENDERS * SPENDER_BYTES + capacity as usize * ROW_BYTES
}

/// The space reserved for an account.
pub(super) fn account_bytes(key: &AccountKey) -> usize {
    key_bytes(key) + 200
}

/// In JSON a byte may become six.
fn key_bytes(key: &AccountKey) -> usize {
    let escaped =
        |text: &str| text.bytes().map(|byte| if matches!(byte, b'"' | b'\\' | 0..=31) { 6 } else { 1 }).sum::<usize>();
    escaped(&key.limit.limit) + escaped(&key.limit.unit) + 80
}

/// What was returned on a page that was read.
pub(super) fn returned(page: &HolderPage) -> u128 {
    page.holders.iter().map(|row| u128::from(row.returned)).fold(page.closed.returned, u128::saturating_add)
}

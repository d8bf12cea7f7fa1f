//! The page file: one account in each slot, overwritten in place.
//!
//! ```text
//! slot 0    "OUTRPAGE" version:u32 slot size:u32 slots:u32 epoch:u64 term:u64 runs:u32 closed:u8
//!           lost at:i64                                                                         zeros crc32
//! slot n>0  kind:u8 unit length:u8 name length:u16 n:u32 start:i64 end:i64 last:i64
//!           granted:u128 returned:u128 spent:u64 reserved:u64 unit:[u8;16] term:u64 name            zeros crc32
//! ```
//!
//! An account that the ledger grants has another kind. It has the journal's epoch where others have `last`, and the
//! term of the leader that was followed when it was written. Because of the epoch, an account of a void journal is not
//! taken for one of the next.
//!
//! All numbers are little-endian. A free slot is written as free, so zeros in place of an account are damage and not an
//! empty account. Each checksum covers the whole slot and its number, so a torn, damaged or misplaced slot is detected.
//!
//! Slot 0 is included in `slots`. It is written after the slots that it counts, so a file that ends before them was
//! truncated. A slot after them was being added when the process ended. Nothing relied on it yet, and it may be torn.
//! Version 1 has no count, so such a file may be truncated without notice. Version 2 has no ledger. It is written as
//! long as nothing is shared, so that an older program can read it.
//!
//! This module only knows the meaning of the bytes. The owner of the file reads and writes them.

use outrigger_core::{Millis, Period};

use crate::account::Counters;
use crate::name::{LONGEST_NAME, LONGEST_UNIT};
use crate::protocol::Term;
use crate::shared::holder::HolderState;

/// The size of a slot in bytes; slot `n` begins at byte `n * SLOT`. It is a sector, which disks write completely or not
/// at all.
pub const SLOT: usize = 512;

const MAGIC: &[u8; 8] = b"OUTRPAGE";
const VERSION: u32 = 3;
/// Written while nothing is shared.
const WITHOUT_LEDGER: u32 = 2;
/// Files of it are still read.
const WITHOUT_COUNT: u32 = 1;
const SUM: usize = SLOT - 4;
const NAME: usize = SUM - LONGEST_NAME;
const UNIT: usize = 80;
const TERM: usize = UNIT + LONGEST_UNIT;
const FREE: u8 = 1;
const ACCOUNT: u8 = 2;
const GRANTED: u8 = 3;

/// Of an account that the ledger grants: the journal that it was granted to, and the leader that was followed when it
/// was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantedTo {
    pub epoch: u64,
    pub term: Term,
}

/// An account as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRecord {
    pub(crate) slot: u32,
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) period: Period,
    pub(crate) last: Millis,
    pub(crate) counters: Counters,
    pub(crate) reserved: u64,
    /// Of an account that the ledger grants.
    pub(crate) granted_to: Option<GrantedTo>,
}

impl PageRecord {
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// The limit's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn unit(&self) -> &str {
        &self.unit
    }

    #[must_use]
    pub fn period(&self) -> Period {
        self.period
    }

    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The amount that was reserved when it was written.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Absent for an account that the gateway grants itself.
    #[must_use]
    pub fn granted_to(&self) -> Option<GrantedTo> {
        self.granted_to
    }
}

/// A slot whose account is unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slot {slot} of the page file is damaged: whose account it was and what is spent is not known")]
pub struct Damaged {
    pub slot: u32,
}

/// Why a file can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadablePage {
    #[error("it is empty, and a file of accounts never is: it was cut off, or could not be written")]
    Empty,
    #[error("it is no page file of accounts, or its first {SLOT} bytes are damaged")]
    Header,
    #[error("its format is {0}, and this program knows only {VERSION}: it was written by a newer one")]
    Version(u32),
}

/// Reads a whole file: its accounts, and what is damaged. Of the slots that are missing at its end, the first is
/// reported.
///
/// # Errors
/// The file has another format, or is empty.
pub fn records(file: &[u8]) -> Result<impl Iterator<Item = Result<PageRecord, Damaged>> + '_, UnreadablePage> {
    let PageHeader { slots: counted, .. } = check_header(file)?;
    let there = file.chunks(SLOT).zip(0_u32..).skip(1);
    let records = there.filter_map(move |(bytes, slot)| {
        let read = match bytes.try_into() {
            Ok(bytes) => read(slot, bytes),
            Err(_) => Err(Damaged { slot }),
        };
        match read {
            Err(_) if counted.is_some_and(|counted| slot >= counted) => None,
            read => read.transpose(),
        }
    });
    let present = u32::try_from(file.len().div_ceil(SLOT)).unwrap_or(u32::MAX);
    let missing = counted.filter(|counted| *counted > present).map(|_| Err(Damaged { slot: present }));
    Ok(records.chain(missing))
}

/// The gateway's identity for the ledger when a file was written; `None` if nothing was ever shared.
///
/// # Errors
/// As of [`records`].
pub fn holder_state(file: &[u8]) -> Result<Option<HolderState>, UnreadablePage> {
    check_header(file).map(|header| header.holder)
}

struct PageHeader {
    /// The number of slots, if the header counts them.
    slots: Option<u32>,
    holder: Option<HolderState>,
}

fn check_header(file: &[u8]) -> Result<PageHeader, UnreadablePage> {
    if file.is_empty() {
        return Err(UnreadablePage::Empty);
    }
    let header: &[u8; SLOT] = file.first_chunk().ok_or(UnreadablePage::Header)?;
    let mut fields = PageFields(header);
    if fields.take() != Some(*MAGIC) || !is_whole(header) {
        return Err(UnreadablePage::Header);
    }
    let version = fields.take().map(u32::from_le_bytes).unwrap_or_default();
    let _size: Option<[u8; 4]> = fields.take();
    let slots = fields.take().map(u32::from_le_bytes);
    match version {
        VERSION => Ok(PageHeader { slots, holder: read_holder(&mut fields) }),
        WITHOUT_LEDGER => Ok(PageHeader { slots, holder: None }),
        WITHOUT_COUNT => Ok(PageHeader { slots: None, holder: None }),
        other => Err(UnreadablePage::Version(other)),
    }
}

fn read_holder(fields: &mut PageFields<'_>) -> Option<HolderState> {
    let epoch = u64::from_le_bytes(fields.take()?);
    let term = Term(u64::from_le_bytes(fields.take()?));
    let runs = u32::from_le_bytes(fields.take()?);
    let [closed] = fields.take()?;
    let lost_at = Some(Millis::from_le_bytes(fields.take()?)).filter(|at| *at != 0);
    Some(HolderState { epoch, runs, term, closed: closed != 0, lost_at })
}

/// The content of a slot; `None` if it is free.
fn read(slot: u32, bytes: &[u8; SLOT]) -> Result<Option<PageRecord>, Damaged> {
    match is_whole(bytes).then(|| parse(slot, bytes)).flatten() {
        Some(record) => Ok(record),
        None => Err(Damaged { slot }),
    }
}

fn parse(slot: u32, bytes: &[u8; SLOT]) -> Option<Option<PageRecord>> {
    let mut fields = PageFields(bytes);
    let [kind, unit_length] = fields.take()?;
    let name_length = usize::from(u16::from_le_bytes(fields.take()?));
    if u32::from_le_bytes(fields.take()?) != slot {
        return None;
    }
    match kind {
        FREE => return Some(None),
        ACCOUNT | GRANTED => {}
        _ => return None,
    }
    let start = Millis::from_le_bytes(fields.take()?);
    let end = Some(Millis::from_le_bytes(fields.take()?)).filter(|end| *end != Millis::MAX);
    let last: [u8; 8] = fields.take()?;
    let counters = Counters {
        granted: u128::from_le_bytes(fields.take()?),
        returned: u128::from_le_bytes(fields.take()?),
        spent: u64::from_le_bytes(fields.take()?),
    };
    let reserved = u64::from_le_bytes(fields.take()?);
    let unit: [u8; LONGEST_UNIT] = fields.take()?;
    let term = Term(u64::from_le_bytes(fields.take()?));
    let (last, granted_to) = match kind {
        GRANTED => (start, Some(GrantedTo { epoch: u64::from_le_bytes(last), term })),
        _ => (Millis::from_le_bytes(last), None),
    };
    let unit = str::from_utf8(unit.get(..usize::from(unit_length))?).ok()?.to_owned();
    let name = str::from_utf8(bytes.get(NAME..SUM)?.get(..name_length)?).ok()?.to_owned();
    let period = Period { start, end };
    Some(Some(PageRecord { slot, name, unit, period, last, counters, reserved, granted_to }))
}

/// Writes the first slot of a file with this many slots, including itself, over zeros.
pub(crate) fn write_header(bytes: &mut [u8; SLOT], slots: u32, holder: Option<HolderState>) {
    let version = if holder.is_none() { WITHOUT_LEDGER } else { VERSION };
    put(bytes, 0, *MAGIC);
    put(bytes, 8, version.to_le_bytes());
    put(bytes, 12, (SLOT as u32).to_le_bytes());
    put(bytes, 16, slots.to_le_bytes());
    if let Some(HolderState { epoch, runs, term, closed, lost_at }) = holder {
        put(bytes, 20, epoch.to_le_bytes());
        put(bytes, 28, term.0.to_le_bytes());
        put(bytes, 36, runs.to_le_bytes());
        put(bytes, 40, [u8::from(closed)]);
        put(bytes, 41, lost_at.unwrap_or_default().to_le_bytes());
    }
    seal(bytes);
}

/// A whole file without an account.
#[must_use]
pub fn empty_file() -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    write_header(&mut bytes, 1, None);
    bytes
}

/// Writes a free slot over zeros.
pub(crate) fn write_free(bytes: &mut [u8; SLOT], number: u32) {
    put(bytes, 0, [FREE]);
    put(bytes, 4, number.to_le_bytes());
    seal(bytes);
}

/// The stored part of an account.
pub(crate) struct WrittenRecord<'a> {
    pub(crate) slot: u32,
    /// At most [`LONGEST_NAME`] bytes.
    pub(crate) name: &'a str,
    /// At most [`LONGEST_UNIT`] bytes.
    pub(crate) unit: &'a str,
    pub(crate) period: Period,
    pub(crate) last: Millis,
    pub(crate) counters: Counters,
    pub(crate) reserved: u64,
    pub(crate) granted_to: Option<GrantedTo>,
}

impl WrittenRecord<'_> {
    /// Writes it over zeros.
    pub(crate) fn write(&self, bytes: &mut [u8; SLOT]) {
        let (kind, last, term) = match self.granted_to {
            None => (ACCOUNT, self.last.to_le_bytes(), Term::default()),
            Some(to) => (GRANTED, to.epoch.to_le_bytes(), to.term),
        };
        // The lengths fit, as documented at the fields.
        put(bytes, 0, [kind, self.unit.len() as u8]);
        put(bytes, 2, (self.name.len() as u16).to_le_bytes());
        put(bytes, 4, self.slot.to_le_bytes());
        put(bytes, 8, self.period.start.to_le_bytes());
        put(bytes, 16, self.period.end.unwrap_or(Millis::MAX).to_le_bytes());
        put(bytes, 24, last);
        put(bytes, 32, self.counters.granted.to_le_bytes());
        put(bytes, 48, self.counters.returned.to_le_bytes());
        put(bytes, 64, self.counters.spent.to_le_bytes());
        put(bytes, 72, self.reserved.to_le_bytes());
        put_text(bytes, UNIT, self.unit);
        put(bytes, TERM, term.0.to_le_bytes());
        put_text(bytes, NAME, self.name);
        seal(bytes);
    }
}

/// The place is a constant, so that this is one store: it is done for each request.
#[inline(always)]
fn put<const N: usize>(bytes: &mut [u8; SLOT], at: usize, field: [u8; N]) {
    if let Some(place) = bytes.get_mut(at..at + N) {
        place.copy_from_slice(&field);
    }
}

fn put_text(bytes: &mut [u8; SLOT], at: usize, text: &str) {
    if let Some(place) = bytes.get_mut(at..at + text.len()) {
        place.copy_from_slice(text.as_bytes());
    }
}

fn seal(bytes: &mut [u8; SLOT]) {
    let sum = crc32fast::hash(&bytes[..SUM]);
    put(bytes, SUM, sum.to_le_bytes());
}

fn is_whole(bytes: &[u8; SLOT]) -> bool {
    bytes[SUM..] == crc32fast::hash(&bytes[..SUM]).to_le_bytes()
}

/// The fields of a slot, one after the other.
struct PageFields<'a>(&'a [u8]);

impl PageFields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }
}

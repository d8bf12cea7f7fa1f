//! Numbers of objects, converted for documents.

use outrigger_crds::GoDuration;

pub(crate) fn millis(duration: GoDuration) -> u64 {
    u64::try_from(duration.get().as_millis()).unwrap_or(u64::MAX)
}

/// The schema has no unsigned integers, and refuses negative ones.
pub(crate) fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

//! Tells states of the model apart, whatever the time is.

use std::fmt::{Debug, Write};

/// The same for states that differ only in the time: every timer may be due.
pub(super) fn fingerprint(state: &impl Debug) -> u64 {
    let mut print = Fingerprint { hash: 0xcbf2_9ce4_8422_2325, skip: false };
    let _ = write!(print, "{state:?}");
    print.hash
}

/// Hashes what is written to it, except for fields that are times.
struct Fingerprint {
    hash: u64,
    skip: bool,
}

impl Write for Fingerprint {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if text == ", " || text == " }" {
            self.skip = false;
        } else if is_time(text) {
            self.skip = true;
        }
        if !self.skip {
            for chunk in text.as_bytes().chunks(8) {
                let word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
                self.hash = (self.hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
            }
        }
        Ok(())
    }
}

fn is_time(field: &str) -> bool {
    matches!(
        field,
        "now"
            | "latest"
            | "stepped_at"
            | "steady"
            | "swept_at"
            | "answered_at"
            | "reported_at"
            | "lost_since"
            | "since"
            | "looked_at"
            | "served_at"
            | "recalled_at"
            | "oldest_report"
            | "filled_at"
            | "gathered_at"
            | "tokens"
            | "waiting_at"
            | "grown_at"
            | "age_ms"
            | "from"
            | "at"
            | "per_second"
            | "raising_since"
            | "fingerprint"
    )
}

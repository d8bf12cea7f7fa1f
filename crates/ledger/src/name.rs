//! Names of limits and units as they are stored: short enough for a slot of the page file.

use std::borrow::Cow;

use outrigger_core::hash::fnv1a;

/// Names of limits up to this many bytes are stored in full. Longer ones are distinguished by a hash of 64 bits.
pub const LONGEST_NAME: usize = 400;
pub(crate) const LONGEST_UNIT: usize = 16;

/// The text itself, or its beginning and a hash of the whole.
pub(crate) fn fitted(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest {
        return text.into();
    }
    let hash = fnv1a(text.as_bytes());
    let cut = text.floor_char_boundary(longest - 16);
    format!("{}{hash:016x}", &text[..cut]).into()
}

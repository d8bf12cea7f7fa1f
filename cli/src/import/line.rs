//! Foreign text as part of one line.

use outrigger_policy::is_printable;

/// Removes line breaks and terminal control characters.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|letter| if is_printable(letter) { letter } else { ' ' }).collect()
}

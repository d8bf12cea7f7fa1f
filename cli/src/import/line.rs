//! Foreign text as a part of one line.

use outrigger_policy::is_printable;

/// Without what would break the line, or move a terminal's cursor.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|letter| if is_printable(letter) { letter } else { ' ' }).collect()
}

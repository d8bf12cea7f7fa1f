//! Makes untrusted text safe to print: names, messages and paths from callers, providers and files, in a terminal or a
//! log.
//!
//! ```text
//! gpt\x1b]52;c;aGk=\x07   is shown as   gpt\u{1b}]52;c;aGk=\u{7}
//! ```

use std::fmt::{self, Display, Write};

/// Whether a character is safe to print: not a control character, not a line end, not invisible, and not changing the
/// direction of text.
#[must_use]
pub fn is_printable(letter: char) -> bool {
    !letter.is_control()
        && !matches!(
            letter,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Text on one line, with escapes for every character that is not printable: `\n`, `\u{1b}`.
#[derive(Clone, Copy, Debug)]
pub struct Printable<T>(pub T);

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Escapes what is written to it.
struct Escaping<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut from = 0;
        for (at, letter) in text.char_indices().filter(|(_, letter)| !is_printable(*letter)) {
            self.0.write_str(text.get(from..at).unwrap_or_default())?;
            match letter {
                '\n' => self.0.write_str("\\n")?,
                '\r' => self.0.write_str("\\r")?,
                '\t' => self.0.write_str("\\t")?,
                other => write!(self.0, "\\u{{{:x}}}", u32::from(other))?,
            }
            from = at + letter.len_utf8();
        }
        self.0.write_str(text.get(from..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_of_terminals_are_escaped() {
        for (text, shown) in [
            ("gpt-4o", "gpt-4o"),
            ("モデル ä 👩\u{200d}💻", "モデル ä 👩\u{200d}💻"),
            ("\u{1b}]52;c;aGk=\u{7}", "\\u{1b}]52;c;aGk=\\u{7}"),
            ("a\r\n2026 INFO all is well", "a\\r\\n2026 INFO all is well"),
            ("a\tb\0c\u{7f}", "a\\tb\\u{0}c\\u{7f}"),
            // C1 controls: some terminals read them as ESC [ and ESC ].
            ("\u{9b}31m\u{9d}0;x\u{9c}", "\\u{9b}31m\\u{9d}0;x\\u{9c}"),
            ("\u{202e}drow\u{2066}x\u{2069}\u{200f}", "\\u{202e}drow\\u{2066}x\\u{2069}\\u{200f}"),
            ("a\u{2028}b\u{2029}c\u{85}d", "a\\u{2028}b\\u{2029}c\\u{85}d"),
            ("\u{feff}\u{200b}\u{e0041}", "\\u{feff}\\u{200b}\\u{e0041}"),
        ] {
            assert_eq!(Printable(text).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn the_result_contains_only_printable_characters(text in "\\PC{0,8}[\\x00-\\x1f\\x7f-\\u{a0}\\u{2020}-\\u{2070}]{0,8}\\PC{0,8}") {
            let shown = Printable(&text).to_string();
            prop_assert!(shown.chars().all(is_printable), "{shown:?}");
        }
    }
}

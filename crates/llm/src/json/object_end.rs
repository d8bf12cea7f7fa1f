//! Where a JSON object ends that arrives in pieces.

/// Reads each byte once, and keeps nothing of the text: to parse the text again after each piece would take the square of
/// its length. Whether it is valid JSON is not checked: only strings and brackets decide.
#[derive(Debug, Default)]
pub(crate) struct ObjectEnd {
    /// The open brackets.
    depth: usize,
    in_string: bool,
    /// The last byte was the backslash of an escape.
    escaped: bool,
    stage: ObjectStage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ObjectStage {
    /// Only white space so far.
    #[default]
    Before,
    Inside,
    /// Only white space may follow.
    Ended,
    /// It is no object, or something follows it.
    Other,
}

impl ObjectEnd {
    /// Adds a piece of the text.
    pub(crate) fn push(&mut self, piece: &str) {
        for byte in piece.bytes() {
            self.stage = match self.stage {
                ObjectStage::Before | ObjectStage::Ended if byte.is_ascii_whitespace() => self.stage,
                ObjectStage::Before if byte == b'{' => {
                    self.depth = 1;
                    ObjectStage::Inside
                }
                ObjectStage::Inside => self.inside(byte),
                ObjectStage::Before | ObjectStage::Ended | ObjectStage::Other => ObjectStage::Other,
            };
        }
    }

    /// Whether the object is whole, so that only white space could follow.
    pub(crate) fn is_whole(&self) -> bool {
        self.stage == ObjectStage::Ended
    }

    /// Whether there was more than white space.
    pub(crate) fn has_begun(&self) -> bool {
        self.stage != ObjectStage::Before
    }

    fn inside(&mut self, byte: u8) -> ObjectStage {
        if self.in_string {
            self.in_string = byte != b'"' || self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            return ObjectStage::Inside;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        if self.depth == 0 { ObjectStage::Ended } else { ObjectStage::Inside }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::{Value, json};

    use super::*;

    fn is_whole(pieces: &[&str]) -> bool {
        let mut end = ObjectEnd::default();
        pieces.iter().for_each(|piece| end.push(piece));
        end.is_whole()
    }

    #[test]
    fn knows_the_end() {
        for (pieces, whole) in [
            (&["{}"][..], true),
            (&[" {\"a\"", ":{\"b\":[1,{}]}", "} \n"], true),
            (&[r#"{"a":"}"#], false),
            (&[r#"{"a":"\"#, r#""}"#], false),
            (&[r#"{"a":"\\"#, r#""}"#], true),
            (&["{}", "{}"], false),
            (&["[{}]"], false),
            (&["\"{}\""], false),
            (&["", " "], false),
        ] {
            assert_eq!(is_whole(pieces), whole, "{pieces:?}");
        }
    }

    proptest! {
        /// As a parser of the whole text says, at each character.
        #[test]
        fn agrees_with_a_parser(text in "\\PC{0,20}", list in proptest::collection::vec(any::<i8>(), 0..4)) {
            let object: Value = json!({"a": {&text: list}, "b": [text, null]});
            let text = format!("{object} ");
            let mut end = ObjectEnd::default();
            for (at, character) in text.char_indices() {
                let upto = &text[..at + character.len_utf8()];
                end.push(&upto[at..]);
                prop_assert_eq!(end.is_whole(), serde_json::from_str::<IgnoredAny>(upto).is_ok(), "{}", upto);
            }
        }
    }
}

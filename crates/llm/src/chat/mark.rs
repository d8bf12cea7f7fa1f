//! Marks thoughts that the gateway sends across dialects.
//!
//! Clients return an answer's thinking with the next request. That may go to another provider, which refuses a
//! signature that it did not create. So when a codec writes another provider's thought, it [`mark`]s it in place of the
//! signature: a codec that reads the mark gets the original signature back, together with its [`Origin`], and
//! [`crate::passthrough::strip_marks`] does the same in requests that are not encoded again.
//!
//! ```text
//! base64("outrigger" ORIGIN " " KIND VALUE)     KIND: s a signature, r redacted thinking, - nothing
//! ```
//!
//! It is Base64 because Google's SDKs decode signatures and encode them again, in either alphabet, with or without
//! padding.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::Thought;
use super::origin::Origin;

/// `outrigger` in Base64. Nine bytes end on a boundary, so the first twelve characters are always these, in each
/// alphabet.
pub const MARK: &str = "b3V0cmlnZ2Vy";

/// What a client is given in place of the signature of a provider's thought, or of its redacted data. Those themselves,
/// if the provider is of the caller's dialect.
#[must_use]
pub fn mark(origin: &Origin, thought: &Thought) -> String {
    if *origin == Origin::OWN {
        return thought.redacted.as_ref().or(thought.signature.as_ref()).cloned().unwrap_or_default();
    }
    let (kind, value) = match (&thought.redacted, &thought.signature) {
        (Some(data), _) => ("r", data.as_str()),
        (None, Some(signature)) => ("s", signature.as_str()),
        (None, None) => ("-", ""),
    };
    format!("{MARK}{}", STANDARD.encode(format!("{} {kind}{value}", origin.as_str())))
}

/// Whether the gateway wrote a signature.
#[must_use]
pub fn is_marked(signature: &str) -> bool {
    signature.starts_with(MARK)
}

/// The origin of a marked thought, and its signature or redacted data. `None` if it is not marked. The thought has no
/// origin if the mark is damaged.
#[must_use]
pub fn unmark(signature: &str) -> Option<Thought> {
    let packed = signature.strip_prefix(MARK)?;
    let standard: String = packed
        .trim_end_matches('=')
        .chars()
        .map(|character| match character {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    let text = STANDARD_NO_PAD.decode(standard).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Some(text.and_then(|text| read(&text)).unwrap_or_default())
}

fn read(text: &str) -> Option<Thought> {
    let (origin, rest) = text.split_once(' ')?;
    let origin = Some(Origin::parse(origin)?);
    let thought = Thought { origin, ..Thought::default() };
    Some(match (rest.get(..1)?, rest.get(1..)?) {
        ("s", value) => Thought { signature: Some(value.to_owned()), ..thought },
        ("r", value) => Thought { redacted: Some(value.to_owned()), ..thought },
        ("-", "") => thought,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE;
    use proptest::prelude::*;

    use super::*;

    fn signed(signature: &str) -> Thought {
        Thought { signature: Some(signature.to_owned()), ..Thought::default() }
    }

    #[test]
    fn marks_as_documented() {
        for (thought, plain) in [
            (signed("sig"), "outriggerclaude ssig"),
            (Thought { redacted: Some("data".into()), ..Thought::default() }, "outriggerclaude rdata"),
            (Thought::default(), "outriggerclaude -"),
        ] {
            let marked = mark(&Origin::CLAUDE, &thought);
            assert_eq!(STANDARD.decode(&marked).unwrap(), plain.as_bytes());
            assert_eq!(unmark(&marked), Some(Thought { origin: Some(Origin::CLAUDE), ..thought }));
        }
        assert_eq!(mark(&Origin::OWN, &signed("ErUB")), "ErUB");
        assert_eq!(unmark("ErUB"), None);
        for damaged in [MARK.to_owned(), format!("{MARK}!"), format!("{MARK}{}", STANDARD.encode("claude xy"))] {
            assert_eq!(unmark(&damaged), Some(Thought::default()), "{damaged}");
        }
    }

    proptest! {
        #[test]
        fn survives_an_sdk_that_decodes_and_encodes(signature in "\\PC{0,40}") {
            let marked = mark(&Origin::GEMINI, &signed(&signature));
            let reencoded = URL_SAFE.encode(STANDARD.decode(&marked).unwrap());
            for given in [marked.as_str(), reencoded.as_str(), reencoded.trim_end_matches('=')] {
                prop_assert!(is_marked(given));
                prop_assert_eq!(unmark(given), Some(Thought { origin: Some(Origin::GEMINI), ..signed(&signature) }));
            }
        }
    }
}

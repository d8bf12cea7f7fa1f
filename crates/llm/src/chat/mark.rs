//! Marks signatures of thoughts that the gateway sends across dialects.
//!
//! Clients return an answer's thinking with the next request. That may go to a provider of their own dialect, byte for
//! byte, and the provider refuses a signature that it did not create. So when a codec writes another provider's
//! thought, it [`mark`]s the signature: [`crate::passthrough::strip_marks`] finds the mark and removes the thought, and
//! a codec that reads the mark gets the original signature back.
//!
//! A marked signature is Base64, `base64("outrigger" + the original signature)`, because Google's SDKs decode
//! signatures and encode them again, in either alphabet, with or without padding.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// `outrigger` in Base64. Nine bytes end on a boundary, so the first twelve characters are always these, in each
/// alphabet.
pub const MARK: &str = "b3V0cmlnZ2Vy";

/// The signature for a client, in place of another provider's signature or of none.
#[must_use]
pub fn mark(signature: Option<&str>) -> String {
    format!("{MARK}{}", STANDARD.encode(signature.unwrap_or_default()))
}

/// Whether the gateway wrote a signature.
#[must_use]
pub fn is_marked(signature: &str) -> bool {
    signature.starts_with(MARK)
}

/// The provider's own signature: the argument of [`mark`], or the text itself if it is not marked.
#[must_use]
pub fn unmark(signature: &str) -> Option<String> {
    let Some(packed) = signature.strip_prefix(MARK) else { return Some(signature.to_owned()) };
    let standard: String = packed
        .trim_end_matches('=')
        .chars()
        .map(|character| match character {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    let bytes = STANDARD_NO_PAD.decode(standard).ok()?;
    String::from_utf8(bytes).ok().filter(|signature| !signature.is_empty())
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_as_documented() {
        assert_eq!(mark(None), "b3V0cmlnZ2Vy");
        assert_eq!(mark(Some("sig")), "b3V0cmlnZ2Vyc2ln");
        assert_eq!(STANDARD.decode(mark(Some("sig"))).unwrap(), b"outriggersig");
        assert_eq!(unmark("ErUB"), Some("ErUB".to_owned()));
        assert_eq!(unmark(&mark(None)), None);
        assert_eq!(unmark("b3V0cmlnZ2Vy!"), None);
    }

    proptest! {
        #[test]
        fn survives_an_sdk_that_decodes_and_encodes(signature in "\\PC{1,40}") {
            let marked = mark(Some(&signature));
            let reencoded = URL_SAFE.encode(STANDARD.decode(&marked).unwrap());
            for given in [marked.as_str(), reencoded.as_str(), reencoded.trim_end_matches('=')] {
                prop_assert!(is_marked(given));
                prop_assert_eq!(unmark(given), Some(signature.clone()));
            }
        }
    }
}

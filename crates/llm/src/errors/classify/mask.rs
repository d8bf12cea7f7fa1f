//! Masks API keys: providers quote keys in their errors, and logs must not contain them.

/// Prefixes of keys. The following text is a key if it is long enough.
const PREFIXES: &[&str] = &[
    "sk-", "sk_", "pk-", "AIza", "xai-", "gsk_", "csk-", "hf_", "nvapi-", "pplx-", "tgp_v1_", "ya29.", "AKIA", "ASIA",
    "eyJ",
];

/// Words before a key of any form.
const BEFORE: &[&str] = &["bearer ", "api key provided: ", "invalid api key: ", "access token: "];

/// The fewest characters after the prefix of a key.
const LEAST: usize = 6;

/// `text` with keys masked, truncated to `longest` characters.
pub(super) fn masked(text: &str, longest: usize) -> String {
    let mut out = String::new();
    let mut rest = text;
    // A key begins at the start of a word.
    let mut boundary = true;
    let mut left = longest;
    while left > 0 {
        let Some(first) = rest.chars().next() else { break };
        if boundary && let Some((shown, length)) = key(rest) {
            out.push_str(shown);
            out.push_str("***");
            rest = rest.get(length..).unwrap_or_default();
            left = left.saturating_sub(shown.chars().count() + 3);
            boundary = false;
            continue;
        }
        boundary = !first.is_ascii_alphanumeric();
        out.push(first);
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
        left -= 1;
    }
    out.chars().take(longest).collect()
}

/// The key at the start of `text`: the part that may be shown, and the length of the key in bytes.
fn key(text: &str) -> Option<(&str, usize)> {
    for before in BEFORE {
        if text.get(..before.len()).is_some_and(|start| start.eq_ignore_ascii_case(before)) {
            let length = token(text.get(before.len()..)?);
            return (length > 0).then_some((text.get(..before.len())?, before.len() + length));
        }
    }
    let prefix = PREFIXES.iter().find(|prefix| text.starts_with(**prefix))?;
    let length = token(text.get(prefix.len()..)?);
    (length >= LEAST).then_some((text.get(..prefix.len())?, prefix.len() + length))
}

/// The length in bytes of the key-like run at the start; a full stop at its end belongs to the sentence.
fn token(text: &str) -> usize {
    let length =
        text.find(|char: char| !(char.is_ascii_alphanumeric() || "-_.*+/=~".contains(char))).unwrap_or(text.len());
    text.get(..length).map_or(0, |token| token.trim_end_matches('.').len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_masked() {
        let table = [
            ("Incorrect API key provided: sk-proj-abc123***xyz. You can", "Incorrect API key provided: ***. You can"),
            ("Incorrect API key provided: my-secret.", "Incorrect API key provided: ***."),
            ("key sk-ant-api03-AbCdEf_-123 is bad", "key sk-*** is bad"),
            ("Invalid API key: AIzaSyD-abcdefghijklmnop", "Invalid API key: ***"),
            ("consumer 'api_key:AIzaSyD-abcdefghijklmnop'", "consumer 'api_key:AIza***'"),
            ("Authorization: Bearer abc.def.ghi, again", "Authorization: Bearer ***, again"),
            ("bearer token missing", "bearer *** missing"),
            ("the task-based risk-free disk-1234567", "the task-based risk-free disk-1234567"),
            ("sk-1", "sk-1"),
            ("xai-0123456789 gsk_0123456789", "xai-*** gsk_***"),
        ];
        for (text, expected) in table {
            assert_eq!(masked(text, 500), expected);
        }
        assert_eq!(masked("漢字漢字", 3), "漢字漢");
        assert_eq!(masked("a sk-0123456789", 5), "a sk-");
    }

    proptest! {
        #[test]
        fn keys_are_masked_at_any_position(before in "[ \"'(:,=]{0,3}", after in "[ \"'),;]", longest in 0usize..80) {
            let text = format!("{before}sk-SECRETSECRETSECRET{after} and AIzaSECRETSECRET");
            let masked = masked(&text, longest);
            prop_assert!(!masked.contains("SEC"), "{masked}");
            prop_assert!(masked.chars().count() <= longest);
        }

        #[test]
        fn any_text_is_accepted(text in ".{0,60}", longest in 0usize..40) {
            prop_assert!(masked(&text, longest).chars().count() <= longest);
        }
    }
}

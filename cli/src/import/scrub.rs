//! The last protection for keys: removes every key in the configuration from all text that is written.
//!
//! Fields that hold keys are never written. But a key may also occur as an id, as a name or in a URL.

use std::collections::BTreeSet;

use serde_json::Value;

use super::objects::File;

/// Shorter values are placeholders for a key, such as `none`.
const SHORTEST: usize = 16;

/// Texts that must not be written.
#[derive(Default)]
pub(crate) struct Scrub {
    /// Longest first, so that none is cut by a shorter one that it contains.
    keys: Vec<String>,
}

impl Scrub {
    pub fn of(configuration: &Value) -> Self {
        let mut keys = BTreeSet::new();
        collect(configuration, "", "", &mut keys);
        let mut keys: Vec<String> = keys.into_iter().collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.len()));
        Scrub { keys }
    }

    /// The text without keys. Equal keys get equal replacements, so that references stay valid.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (index, key) in self.keys.iter().enumerate() {
            if text.contains(key.as_str()) {
                text = text.replace(key.as_str(), &format!("redacted-{}", index + 1));
            }
        }
        text
    }

    /// All files except the one for keys.
    pub fn files(&self, files: Vec<File>) -> Vec<File> {
        let clean = |file: File| match file.secret {
            true => file,
            false => File { text: self.text(&file.text), ..file },
        };
        files.into_iter().map(clean).collect()
    }
}

fn collect(value: &Value, field: &str, around: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let text = text.trim();
            let reference = ["env.", "os.environ/", "vault."].iter().any(|mark| text.starts_with(mark));
            let is_key = text.starts_with("sk-") && text.len() > 5;
            if !reference && (is_key || (text.len() >= SHORTEST && holds_keys(field, around))) {
                into.insert(text.to_owned());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, field, around, into)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            // Elements of a list belong to the list's field.
            let around = if field.is_empty() { around } else { field };
            collect(value, name, around, into);
        }),
        _ => {}
    }
}

/// Whether a field of this name, below a field `around`, holds a key.
fn holds_keys(field: &str, around: &str) -> bool {
    let field = field.to_ascii_lowercase();
    match field.as_str() {
        "value" => matches!(around, "keys" | "virtual_keys"),
        _ => {
            let ends = ["api_key", "master_key", "access_key", "encryption_key", "salt_key", "credentials", "dsn"];
            let has = ["secret", "password", "authorization", "_token", "api-key"];
            around == "environment_variables"
                || ends.iter().any(|end| field.ends_with(end))
                || has.iter().any(|part| field.contains(part))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_removed_and_other_words_stay() {
        let scrub = Scrub::of(&json!({
            "keys": [{"value": "AIzaLiteral-0123456789", "name": "main-key-of-the-team"}],
            "virtual_keys": [{"id": "sk-bf-1", "value": "sk-bf-1234"}],
            "litellm_params": {"api_key": "none", "model": "openai/gpt-4o-mini-2024"},
            "password": "env.A_LONG_ENOUGH_NAME",
        }));
        for (text, clean) in [
            ("a AIzaLiteral-0123456789 b", "a redacted-1 b"),
            ("sk-bf-1 and sk-bf-1234", "redacted-3 and redacted-2"),
            ("none of main-key-of-the-team", "none of main-key-of-the-team"),
            ("openai/gpt-4o-mini-2024", "openai/gpt-4o-mini-2024"),
            ("env.A_LONG_ENOUGH_NAME", "env.A_LONG_ENOUGH_NAME"),
        ] {
            assert_eq!(scrub.text(text), clean);
        }
    }
}

//! Names that refer to a provider that is not there: `azure/gpt-4o` without an Azure provider, `opanai/gpt-4o` with a
//! provider `openai`.
//!
//! They must not reach a provider just because it accepts any name: the caller meant another one.

use crate::naming::vendor;
use crate::policy::{Key, Policy};

/// The first segment of a name, if it is a vendor's word or similar to a provider's name.
#[derive(Clone, Copy)]
pub(crate) struct Misnamed<'n> {
    /// As the caller wrote it.
    pub word: &'n str,
    /// The part after it.
    pub rest: &'n str,
    /// Whether it is similar to a provider's name.
    near: bool,
}

impl<'n> Misnamed<'n> {
    /// Checks a model's name.
    pub fn of(policy: &Policy, key: &Key, name: &'n str) -> Option<Self> {
        let (word, rest) = name.trim_start_matches('/').split_once('/')?;
        Self::word(policy, key, word, rest)
    }

    /// Checks a text that may consist of a provider only.
    pub fn alone(policy: &Policy, key: &Key, text: &'n str) -> Option<Self> {
        Self::word(policy, key, text, "")
    }

    fn word(policy: &Policy, key: &Key, word: &'n str, rest: &'n str) -> Option<Self> {
        let mut names = key.providers.iter().map(|entry| &*entry.name);
        let known = || policy.providers.iter().map(|provider| provider.id.name.as_str());
        let others = || policy.document.others.providers.iter().map(String::as_str);
        let near = names.any(|name| is_near(word, name)) || known().chain(others()).any(|name| is_near(word, name));
        // OpenRouter's own word for a vendor is not a typing error: `x-ai` with a provider `xai`.
        let near = near && !vendor::is_author(word);
        (near || vendor::named(word).is_some()).then_some(Misnamed { word, rest, near })
    }

    /// Whether models of a provider of this type have such names nevertheless.
    pub fn is_name_at(&self, kind: &str) -> bool {
        !self.near && vendor::begins(kind, self.word, self.rest)
    }

    /// The key's provider that was probably meant: with a similar name, or of the vendor's type.
    pub fn meant<'k>(&self, policy: &Policy, key: &'k Key) -> Option<&'k str> {
        let names = || key.providers.iter().map(|entry| (&*entry.name, &policy.providers[entry.provider]));
        let near = names().filter(|(name, _)| is_near(self.word, name));
        let near = near.min_by_key(|(name, _)| strsim::osa_distance(&plain(self.word), &plain(name)));
        let kind = vendor::named(self.word).and_then(vendor::VendorWord::kind);
        near.or_else(|| names().find(|(_, provider)| kind == Some(provider.kind.as_str()))).map(|(name, _)| name)
    }
}

/// Whether a word is so similar to a name that it may be a typing error: the same apart from case and punctuation, one
/// letter different, or two in a long name. `mistralai` and `deepseek-ai` are not similar to `mistral` and `deepseek`.
fn is_near(word: &str, name: &str) -> bool {
    if word.len() > name.len() + 8 || name.len() > word.len() + 8 {
        return false;
    }
    let (word, name) = (plain(word), plain(name));
    let shorter = word.chars().count().min(name.chars().count());
    if word == name {
        return shorter > 0;
    }
    let extends = word.starts_with(&name) || name.starts_with(&word);
    match shorter {
        0..=3 => false,
        4..=7 => strsim::osa_distance(&word, &name) <= 1,
        _ => strsim::osa_distance(&word, &name) <= if extends { 1 } else { 2 },
    }
}

/// Only letters and digits, in lower case.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_recognized() {
        for (word, name, near) in [
            ("OpenAI", "openai", true),
            ("open-ai", "openai", true),
            ("open_ai", "openai", true),
            (" openai", "openai", true),
            ("opanai", "openai", true),
            ("opneai", "openai", true),
            ("openi", "openai", true),
            ("openaii", "openai", true),
            ("anthrpoic", "anthropic", true),
            ("antrophic", "anthropic", true),
            ("anthropc", "anthropic", true),
            ("vllm-2", "vllm-1", true),
            ("openrouter", "openai", false),
            ("mistralai", "mistral", false),
            ("deepseek-ai", "deepseek", false),
            ("meta-llama", "llama", false),
            ("ab", "ac", false),
            ("AB", "ab", true),
            ("", "", false),
            ("-", "_", false),
        ] {
            assert_eq!(is_near(word, name), near, "{word} for {name}");
        }
    }
}

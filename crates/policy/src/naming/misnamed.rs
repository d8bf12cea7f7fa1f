//! Names that ask for somebody who is not there: `azure/gpt-4o` without an Azure, `opanai/gpt-4o` beside `openai`.
//!
//! They must not reach a provider only because that takes any name: it would be another one than was meant.

use crate::naming::vendor;
use crate::policy::{Key, Policy};

/// The first segment of a name, if it is somebody's word or nearly a provider's name.
#[derive(Clone, Copy)]
pub(crate) struct Misnamed<'n> {
    /// As the caller wrote it.
    pub word: &'n str,
    /// What stands behind it.
    pub rest: &'n str,
    /// It is nearly the name of a provider.
    near: bool,
}

impl<'n> Misnamed<'n> {
    /// Of a model's name.
    pub fn of(policy: &Policy, key: &Key, name: &'n str) -> Option<Self> {
        let (word, rest) = name.trim_start_matches('/').split_once('/')?;
        Self::word(policy, key, word, rest)
    }

    /// Of a text that may name a provider alone.
    pub fn alone(policy: &Policy, key: &Key, text: &'n str) -> Option<Self> {
        Self::word(policy, key, text, "")
    }

    fn word(policy: &Policy, key: &Key, word: &'n str, rest: &'n str) -> Option<Self> {
        let mut names = key.providers.iter().map(|entry| &*entry.name);
        let known = || policy.providers.iter().map(|provider| provider.id.name.as_str());
        let others = || policy.document.others.providers.iter().map(String::as_str);
        let near = names.any(|name| is_near(word, name)) || known().chain(others()).any(|name| is_near(word, name));
        // OpenRouter's own word for a vendor is no slip of the pen: `x-ai` beside a provider `xai`.
        let near = near && !vendor::is_author(word);
        (near || vendor::named(word).is_some()).then_some(Misnamed { word, rest, near })
    }

    /// Whether models of a provider of that type have such names all the same.
    pub fn is_name_at(&self, kind: &str) -> bool {
        !self.near && vendor::begins(kind, self.word, self.rest)
    }

    /// The key's provider that is meant, by its name for it: nearly of that name, or of the vendor's type.
    pub fn meant<'k>(&self, policy: &Policy, key: &'k Key) -> Option<&'k str> {
        let names = || key.providers.iter().map(|entry| (&*entry.name, &policy.providers[entry.provider]));
        let near = names().filter(|(name, _)| is_near(self.word, name));
        let near = near.min_by_key(|(name, _)| strsim::osa_distance(&plain(self.word), &plain(name)));
        let kind = vendor::named(self.word).and_then(vendor::VendorWord::kind);
        near.or_else(|| names().find(|(_, provider)| kind == Some(provider.kind.as_str()))).map(|(name, _)| name)
    }
}

/// Whether a word is so like a name that it may be a slip of the pen: but for case and punctuation the same, one letter
/// away, or two in a long one. `mistralai` and `deepseek-ai` are not `mistral` and `deepseek`.
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

/// Letters and digits, in lower case.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen() {
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

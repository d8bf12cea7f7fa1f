//! Whose thoughts and signatures something is.

use std::borrow::Cow;

/// The servers that can use a thought. Only they get it back.
///
/// A signature of Claude is valid at every server of Claude, and so is one of Gemini. The thoughts of other models go
/// back to providers of the same type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Cow<'static, str>);

impl Default for Origin {
    fn default() -> Self {
        Origin::UNKNOWN
    }
}

impl Origin {
    /// Nobody gets such a thought back.
    pub const UNKNOWN: Origin = Origin(Cow::Borrowed("unknown"));
    /// The caller's own dialect: an answer that is only written anew keeps its signatures as they are.
    pub const OWN: Origin = Origin(Cow::Borrowed("own"));
    /// Claude: at Anthropic, Vertex AI and others.
    pub const CLAUDE: Origin = Origin(Cow::Borrowed("claude"));
    /// Gemini: Google's API, Vertex AI, Google's OpenAI-compatible endpoint.
    pub const GEMINI: Origin = Origin(Cow::Borrowed("gemini"));

    /// Providers of a type.
    #[must_use]
    pub const fn of_type(name: &'static str) -> Origin {
        Origin(Cow::Borrowed(name))
    }

    /// Reads [`Origin::as_str`]. `None` if it is no such word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Origin> {
        let is_word = (1..=64).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_word.then(|| Origin(Cow::Owned(word.to_owned())))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether its thoughts come back although they have no signature. Claude refuses them and Gemini ignores them;
    /// the templates of open models read them.
    #[must_use]
    pub fn wants_unsigned(&self) -> bool {
        ![Origin::CLAUDE, Origin::GEMINI].contains(self)
    }
}

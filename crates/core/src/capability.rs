//! Capabilities of models.

use std::fmt;
use std::ops::BitOr;

use serde::{Deserialize, Serialize};

/// A feature that not every model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Capability {
    /// Calls tools.
    Tools,
    /// Reads images.
    Vision,
    /// Reads or writes audio.
    Audio,
    /// Reads documents such as PDF.
    Files,
    /// Reasons before it answers, so that its first token may take minutes.
    Reasoning,
    /// Answers in a JSON schema that the request sets.
    StructuredOutputs,
    /// Bills a repeated prefix at a lower price.
    PromptCaching,
    /// Turns text into vectors.
    Embeddings,
}

impl Capability {
    /// All capabilities, in the order in which sets list them.
    pub const ALL: [Self; 8] = [
        Self::Tools,
        Self::Vision,
        Self::Reasoning,
        Self::StructuredOutputs,
        Self::PromptCaching,
        Self::Audio,
        Self::Files,
        Self::Embeddings,
    ];

    /// The capability's name in objects, rules and errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tools => "Tools",
            Self::Vision => "Vision",
            Self::Reasoning => "Reasoning",
            Self::StructuredOutputs => "StructuredOutputs",
            Self::PromptCaching => "PromptCaching",
            Self::Audio => "Audio",
            Self::Files => "Files",
            Self::Embeddings => "Embeddings",
        }
    }

    /// The capability with this name, exactly as [`Capability::name`] returns it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// The set that contains only this capability.
    #[must_use]
    pub const fn alone(self) -> Capabilities {
        match self {
            Self::Tools => Capabilities::TOOLS,
            Self::Vision => Capabilities::VISION,
            Self::Reasoning => Capabilities::REASONING,
            Self::StructuredOutputs => Capabilities::STRUCTURED_OUTPUTS,
            Self::PromptCaching => Capabilities::PROMPT_CACHING,
            Self::Audio => Capabilities::AUDIO,
            Self::Files => Capabilities::FILES,
            Self::Embeddings => Capabilities::EMBEDDINGS,
        }
    }
}

/// A set of [`Capability`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Capabilities(pub u16);

impl Capabilities {
    pub const TOOLS: Self = Self(1);
    pub const VISION: Self = Self(1 << 1);
    pub const REASONING: Self = Self(1 << 2);
    pub const STRUCTURED_OUTPUTS: Self = Self(1 << 3);
    pub const PROMPT_CACHING: Self = Self(1 << 4);
    pub const AUDIO: Self = Self(1 << 5);
    pub const FILES: Self = Self(1 << 6);
    pub const EMBEDDINGS: Self = Self(1 << 7);

    /// Whether all capabilities in `other` are in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The capabilities in this set that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set with the capability of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Capability::from_name(name).map(Capability::alone)
    }

    /// The names in this set, in the order of [`Capability::ALL`].
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Capability::ALL.into_iter().filter(move |one| self.contains(one.alone())).map(Capability::name)
    }
}

impl BitOr for Capabilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_a_set() {
        let set = Capabilities::TOOLS | Capabilities::FILES;
        assert_eq!(set.names().collect::<Vec<_>>(), ["Tools", "Files"]);
        assert_eq!(format!("{set:?}"), r#"{"Tools", "Files"}"#);
        assert_eq!(set.without(Capabilities::TOOLS), Capabilities::FILES);
        assert!(set.without(set).is_empty() && !set.contains(Capabilities::VISION));
        for one in Capability::ALL {
            assert_eq!(one.alone().0.count_ones(), 1, "{one:?}");
            assert_eq!(one.alone().names().collect::<Vec<_>>(), [one.name()]);
            assert_eq!(Capabilities::from_name(one.name()), Some(one.alone()));
            assert_eq!(serde_json::to_value(one).unwrap(), one.name());
        }
        assert_eq!(Capabilities::from_name("tools"), None);
    }
}

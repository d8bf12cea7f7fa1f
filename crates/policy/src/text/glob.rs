//! Lists of model patterns: `*` is any run of characters, `?` any single one.

use wildmatch::WildMatch;

/// A list of patterns. An empty list has no effect: [`Globs::allows`] everything.
#[derive(Clone, Debug, Default)]
pub struct Globs(Vec<WildMatch>);

impl Globs {
    /// Each text is one pattern.
    #[must_use]
    pub fn new(patterns: &[String]) -> Self {
        Globs(patterns.iter().map(|pattern| WildMatch::new(pattern)).collect())
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the patterns matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether the list is empty, or one of the patterns matches.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.is_empty() || self.matches(name)
    }

    /// Whether one of the patterns is exactly `name`.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.literals().any(|pattern| pattern == name)
    }

    /// Whether a pattern matches `name` and contains its first segment literally, as `azure/*` does.
    #[must_use]
    pub fn spells(&self, word: &str, name: &str) -> bool {
        let spelt = |pattern: &WildMatch| {
            pattern.to_string().strip_prefix(word).is_some_and(|rest| rest.starts_with('/')) && pattern.matches(name)
        };
        self.0.iter().any(spelt)
    }

    /// Whether a pattern matches every name.
    #[must_use]
    pub fn matches_anything(&self) -> bool {
        self.0.iter().any(|pattern| is_anything(&pattern.pattern()))
    }

    /// The patterns without a wildcard.
    pub fn literals(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ToString::to_string).filter(|pattern| !is_pattern(pattern))
    }
}

/// Whether a name in a list is a pattern.
pub(crate) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Whether a pattern matches every name.
pub(crate) fn is_anything(pattern: &str) -> bool {
    !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::Globs;

    #[test]
    fn stars_match_slashes_and_empty_lists_allow_everything() {
        let globs = Globs::new(&["gpt-4o*".into(), "anthropic/*".into(), "o?".into()]);
        for (name, matches) in [
            ("gpt-4o", true),
            ("gpt-4o-mini", true),
            ("gpt-4", false),
            ("anthropic/claude/x", true),
            ("o1", true),
            ("o10", false),
            ("", false),
        ] {
            assert_eq!(globs.matches(name), matches, "{name}");
        }
        assert!(Globs::default().allows("anything"));
        assert!(!Globs::default().matches("anything"));
        assert!(!globs.names("gpt-4o"));
        assert!(globs.spells("anthropic", "anthropic/claude") && !globs.spells("gpt-4o", "gpt-4o/x"));
        assert!(!globs.matches_anything() && Globs::new(&["x".into(), "**".into()]).matches_anything());
    }
}

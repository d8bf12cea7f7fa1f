//! Allow-lists of Bifrost. An empty one allowed everything before version 1.5 and allows nothing since; one that is
//! absent is read like an empty one.

use super::super::report::{Fate, code};
use super::super::source::Node;

/// What an empty list means in this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Empty {
    /// `version: 1`.
    All,
    /// `version: 2`.
    Nothing,
    /// The file does not say: nothing, and it is told.
    Unsaid,
}

/// What a list allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    All,
    Nothing,
    These(Vec<String>),
}

impl Empty {
    pub fn of(root: &Node<'_>) -> Empty {
        match root.get("version").and_then(|node| node.whole()) {
            Some(1) => Empty::All,
            Some(_) => Empty::Nothing,
            None => Empty::Unsaid,
        }
    }

    /// What an empty or absent list at `path` means; that it had to be guessed is told.
    pub fn meaning(self, node: &Node<'_>, path: &str, what: &str) -> Allowed {
        match self {
            Empty::All => Allowed::All,
            Empty::Nothing => {
                let message = format!("empty or absent, which allows no {what} in a file of version 2");
                node.source().tell(Fate::Doubtful, path, message);
                Allowed::Nothing
            }
            Empty::Unsaid => {
                node.source().tell(
                    Fate::Doubtful,
                    path,
                    format!(
                        "empty or absent, which allows no {what} since Bifrost 1.5 and every {what} before; read as none. If every \
                         {what} is meant, write [\"*\"], or put \"version\": 1 at the top of the file, and import again"
                    ),
                );
                Allowed::Nothing
            }
        }
    }

    /// The list of a field, under any of its names.
    pub fn allowed(self, of: &Node<'_>, fields: &[&str], what: &str) -> Allowed {
        let found = fields.iter().find_map(|field| of.get(field));
        let path = match (&found, fields.first()) {
            (Some(node), _) => node.path().to_owned(),
            (None, Some(field)) => of.at(field),
            (None, None) => of.path().to_owned(),
        };
        let texts: Vec<String> =
            found.iter().flat_map(|node| node.texts()).map(|text| text.trim().to_owned()).collect();
        if texts.is_empty() {
            return self.meaning(of, &path, what);
        }
        let named: Vec<String> = texts.iter().filter(|text| *text != "*" && !text.is_empty()).cloned().collect();
        if named.is_empty() {
            return Allowed::All;
        }
        if named.len() < texts.len() {
            let message = format!("{} stands beside names, which Bifrost refuses: only the names count", code("*"));
            of.source().tell(Fate::Doubtful, &path, message);
        }
        let mut these: Vec<String> = Vec::new();
        for name in named {
            if !these.contains(&name) {
                these.push(name);
            }
        }
        Allowed::These(these)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::source::Source;
    use super::*;

    #[test]
    fn an_empty_list_means_what_the_version_says() {
        let these = |names: &[&str]| Allowed::These(names.iter().map(|name| (*name).to_owned()).collect());
        for (list, empty, expected, told) in [
            (json!(["*"]), Empty::Unsaid, Allowed::All, 0),
            (json!(["a", "b", "a"]), Empty::All, these(&["a", "b"]), 0),
            (json!(["*", "a"]), Empty::All, these(&["a"]), 1),
            (json!([]), Empty::All, Allowed::All, 0),
            (json!([]), Empty::Nothing, Allowed::Nothing, 1),
            (json!([]), Empty::Unsaid, Allowed::Nothing, 1),
            (json!(null), Empty::All, Allowed::All, 0),
            (json!(null), Empty::Unsaid, Allowed::Nothing, 1),
            (json!("gpt-4o"), Empty::Unsaid, Allowed::Nothing, 2),
        ] {
            let source = Source::new(json!({"models": list}));
            let allowed = empty.allowed(&source.root(), &["models"], "model");
            assert_eq!(allowed, expected, "{list} {empty:?}");
            let report = source.finish();
            let lines = report.count(Fate::Lost) + report.count(Fate::Doubtful);
            assert_eq!(lines, told, "{list} {empty:?}");
        }
    }
}

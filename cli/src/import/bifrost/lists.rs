//! Allow-lists of Bifrost. An empty list allowed everything before version 1.5, and allows nothing since. An absent
//! list is treated as empty.

use serde_json::Value;

use super::super::report::{Fate, code};
use super::super::source::Node;

/// What an empty list means in this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Empty {
    /// `version: 1`.
    All,
    /// `version: 2`.
    Nothing,
    /// The file has no version. Read as nothing, and reported.
    Unsaid,
    /// The file has no version, and its content is from before 1.5. Read as all, and reported once.
    Older,
}

/// Why a credential or a key with an empty list is suspended, as a comment in the output.
pub(crate) const SUSPENDED: &str = "since Bifrost 1.5 an empty list allows nothing. If everything is meant, as before 1.5, import again with \
                                    `--bifrost-version 1.4`, or write [\"*\"] into the list";

/// What a list allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    All,
    Nothing,
    These(Vec<String>),
}

impl Empty {
    /// The meaning by `requested`, the version from the command line; or else by the file's version, or by its content.
    pub fn of(root: &Node<'_>, requested: Option<Empty>) -> Empty {
        let version = root.get("version");
        let by_file = version.as_ref().and_then(|node| node.whole()).map(|version| match version {
            1 => Empty::All,
            _ => Empty::Nothing,
        });
        match (requested, by_file) {
            (Some(requested), by_file) => {
                if let Some(node) = version.filter(|_| by_file.is_some_and(|by_file| by_file != requested)) {
                    node.doubtful("the file has another version: `--bifrost-version` takes precedence");
                }
                requested
            }
            (None, Some(by_file)) => by_file,
            (None, None) if is_older(root) => {
                root.source().report(
                    Fate::Doubtful,
                    "version",
                    "absent, and every list of models of a key is empty or absent: since Bifrost 1.5 that would allow nothing at all, so the \
                     file is read as one of an older Bifrost, where empty lists allow everything. If nothing is meant, import again with \
                     `--bifrost-version 1.5`",
                );
                Empty::Older
            }
            (None, None) => Empty::Unsaid,
        }
    }

    /// From Bifrost's version, such as `1.4` or `v1.5.3`.
    ///
    /// # Errors
    /// The text is not a version.
    pub fn of_version(text: &str) -> Result<Empty, String> {
        let mut numbers = text.trim_start_matches('v').split('.').map(|number| {
            let digits = number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(number.len());
            number[..digits].parse::<u32>().ok()
        });
        match (numbers.next().flatten(), numbers.next().unwrap_or(Some(0))) {
            (Some(major), Some(minor)) if (major, minor) >= (1, 5) => Ok(Empty::Nothing),
            (Some(_), Some(_)) => Ok(Empty::All),
            _ => Err("must be a version of Bifrost, such as 1.4 or 1.5.2".to_owned()),
        }
    }

    /// What an empty or absent list at `path` means. Reports if it is a guess.
    pub fn meaning(self, node: &Node<'_>, path: &str, what: &str) -> Allowed {
        match self {
            Empty::All | Empty::Older => Allowed::All,
            Empty::Nothing => {
                let message = format!("empty or absent, which allows no {what} in a file of version 2");
                node.source().report(Fate::Doubtful, path, message);
                Allowed::Nothing
            }
            Empty::Unsaid => {
                node.source().report(
                    Fate::Doubtful,
                    path,
                    format!(
                        "empty or absent, which allows no {what} since Bifrost 1.5 and every {what} before; read as none. If every \
                         {what} is meant, write [\"*\"], or import again with `--bifrost-version 1.4`"
                    ),
                );
                Allowed::Nothing
            }
        }
    }

    /// The list in a field, under any of its names.
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
            let message =
                format!("{} is listed beside names, which Bifrost refuses: only the names are used", code("*"));
            of.source().report(Fate::Doubtful, &path, message);
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

/// Whether a file without a version was written before 1.5: no list contains `*`, and by the later meaning no
/// provider's key could be used for anything.
fn is_older(root: &Node<'_>) -> bool {
    fn has_star(value: &Value) -> bool {
        match value {
            Value::Array(items) => items.iter().any(|item| item == "*" || has_star(item)),
            Value::Object(fields) => fields.values().any(has_star),
            _ => false,
        }
    }
    let keys = |provider: &Value| provider.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(Value::Object(providers)) = root.raw().get("providers") else { return false };
    let keys: Vec<Value> = providers.values().flat_map(keys).collect();
    let allows_none = |key: &Value| {
        let served = |config: &str| key.get(config).and_then(|config| config.get("model_name")).is_some();
        let listed = key.get("models").and_then(Value::as_array).is_some_and(|models| !models.is_empty());
        !listed && !["vllm_key_config", "ollama_key_config", "sgl_key_config"].iter().any(|config| served(config))
    };
    !keys.is_empty() && keys.iter().all(allows_none) && !has_star(root.raw())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::source::ImportSource;
    use super::*;

    #[test]
    fn the_meaning_comes_from_the_flag_then_the_files_version_then_its_content() {
        let none = json!({"providers": {"openai": {"keys": [{"models": []}, {"value": "x"}]}}});
        let some = json!({"providers": {"openai": {"keys": [{"models": []}, {"models": ["gpt-4o"]}]}}});
        let star = json!({"providers": {"openai": {"keys": [{"models": []}]}}, "governance": {"virtual_keys": [{"key_ids": ["*"]}]}});
        let with = |mut value: Value, version: u32| {
            value["version"] = version.into();
            value
        };
        for (value, requested, expected) in [
            (none.clone(), None, Empty::Older),
            (some.clone(), None, Empty::Unsaid),
            (star, None, Empty::Unsaid),
            (json!({"providers": {}}), None, Empty::Unsaid),
            (with(none.clone(), 2), None, Empty::Nothing),
            (with(some, 1), None, Empty::All),
            (with(none.clone(), 2), Some(Empty::All), Empty::All),
            (none, Some(Empty::Nothing), Empty::Nothing),
        ] {
            assert_eq!(
                Empty::of(&ImportSource::new(value.clone()).root(), requested),
                expected,
                "{value} {requested:?}"
            );
        }
        for (text, expected) in [
            ("1.4", Ok(Empty::All)),
            ("v1.4.9", Ok(Empty::All)),
            ("1", Ok(Empty::All)),
            ("1.5", Ok(Empty::Nothing)),
            ("v1.5.0-prerelease2", Ok(Empty::Nothing)),
            ("2.0", Ok(Empty::Nothing)),
            ("new", Err(())),
            ("", Err(())),
        ] {
            assert_eq!(Empty::of_version(text).map_err(drop), expected, "{text}");
        }
    }

    #[test]
    fn the_meaning_of_an_empty_list_depends_on_the_version() {
        let these = |names: &[&str]| Allowed::These(names.iter().map(|name| (*name).to_owned()).collect());
        for (list, empty, expected, reported) in [
            (json!(["*"]), Empty::Unsaid, Allowed::All, 0),
            (json!(["a", "b", "a"]), Empty::All, these(&["a", "b"]), 0),
            (json!(["*", "a"]), Empty::All, these(&["a"]), 1),
            (json!([]), Empty::All, Allowed::All, 0),
            (json!([]), Empty::Nothing, Allowed::Nothing, 1),
            (json!([]), Empty::Unsaid, Allowed::Nothing, 1),
            (json!([]), Empty::Older, Allowed::All, 0),
            (json!(null), Empty::All, Allowed::All, 0),
            (json!(null), Empty::Unsaid, Allowed::Nothing, 1),
            (json!("gpt-4o"), Empty::Unsaid, Allowed::Nothing, 2),
        ] {
            let source = ImportSource::new(json!({"models": list}));
            let allowed = empty.allowed(&source.root(), &["models"], "model");
            assert_eq!(allowed, expected, "{list} {empty:?}");
            let report = source.finish();
            let lines = report.count(Fate::Lost) + report.count(Fate::Doubtful);
            assert_eq!(lines, reported, "{list} {empty:?}");
        }
    }
}

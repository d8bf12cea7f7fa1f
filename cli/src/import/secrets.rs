//! Keys of providers: the objects refer to Secrets, and never contain the values.
//!
//! If a Secret is not in its folder, `outrigger run` reads it from a variable: key `apiKey` of Secret `openai` from
//! OPENAI_API_KEY. The names here are chosen so that this is the variable that the configuration names.

use std::collections::BTreeSet;

use outrigger_compile::variable;
use serde_json::{Map, Value, json};

use super::name::Names;
use super::objects::{ImportedKind, ImportedObject};
use super::report::{Fate, code};
use super::source::Node;

/// Where a configuration has a key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// In a variable.
    Variable(String),
    /// In the configuration itself.
    Literal(String),
    /// Somewhere that is not read here, with a name for it.
    Elsewhere(&'static str),
}

/// A `secretRef`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ForeignSecret {
    pub name: String,
    pub key: String,
}

impl ForeignSecret {
    pub fn value(&self) -> Value {
        match self.key.as_str() {
            "apiKey" => json!({"name": self.name}),
            key => json!({"name": self.name, "key": key}),
        }
    }
}

/// One required key.
struct Needed {
    key_source: KeySource,
    /// The owner of the key: the provider, with what distinguishes it from others.
    owner: String,
    at: ForeignSecret,
    from: String,
}

/// All keys that the objects refer to.
#[derive(Default)]
pub(crate) struct NeededSecrets {
    /// Whether values are written.
    write: bool,
    /// Variables that the configuration names. No other key may be read from them.
    variables: BTreeSet<String>,
    needed: Vec<Needed>,
    names: Names,
}

impl KeySource {
    /// Parses `env.NAME`, an equivalent object, or the key itself.
    pub fn bifrost(node: &Node<'_>) -> Option<KeySource> {
        if !node.is_object() {
            let text = node.text()?.trim();
            return match (text.strip_prefix("env."), text.strip_prefix("vault.")) {
                (Some(name), _) => Some(KeySource::Variable(name.to_owned())),
                (_, Some(_)) => Some(KeySource::Elsewhere("a vault")),
                _ if text.is_empty() => None,
                _ => Some(KeySource::Literal(text.to_owned())),
            };
        }
        let text = |field: &str| node.get(field).and_then(|node| node.text()).filter(|text| !text.is_empty());
        let (value, variable, reference) = (text("value"), text("env_var"), text("ref"));
        for field in ["from_env", "type"] {
            if let Some(node) = node.get(field) {
                node.mark_handled();
            }
        }
        match (variable, value) {
            (Some(name), _) => Some(KeySource::Variable(name.trim_start_matches("env.").to_owned())),
            (None, Some(value)) => match value.strip_prefix("env.") {
                Some(name) => Some(KeySource::Variable(name.to_owned())),
                None => Some(KeySource::Literal(value.to_owned())),
            },
            (None, None) => match reference {
                Some(reference) if reference.starts_with("env.") => {
                    Some(KeySource::Variable(reference.trim_start_matches("env.").to_owned()))
                }
                Some(_) => Some(KeySource::Elsewhere("a vault")),
                None => None,
            },
        }
    }

    /// An access key of AWS, as a Secret holds it. Parts in variables can't be put together by an object.
    pub fn access_key(id: KeySource, secret: KeySource, session: Option<KeySource>) -> KeySource {
        let session = match session {
            None => Some(String::new()),
            Some(KeySource::Literal(session)) => Some(format!("aws_session_token = {session}\n")),
            Some(_) => None,
        };
        match (id, secret, session) {
            (KeySource::Literal(id), KeySource::Literal(secret), Some(session)) => {
                KeySource::Literal(format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n{session}"))
            }
            _ => KeySource::Elsewhere("separate variables for its id and its secret"),
        }
    }

    /// Parses `os.environ/NAME`, or the key itself.
    pub fn litellm(node: &Node<'_>) -> Option<KeySource> {
        let text = node.text()?.trim();
        match text.strip_prefix("os.environ/") {
            Some(name) => Some(KeySource::Variable(name.trim().to_owned())),
            None if text.is_empty() => None,
            None => Some(KeySource::Literal(text.to_owned())),
        }
    }
}

impl NeededSecrets {
    /// `mark` is the prefix of variable names in `configuration`. With `write`, keys in the configuration are written.
    pub fn new(write: bool, configuration: &Value, mark: &str) -> Self {
        let mut secrets = NeededSecrets { write, ..NeededSecrets::default() };
        named(configuration, mark, &mut secrets.variables);
        secrets
    }

    /// The Secret for a key of the provider `owner`. `hint` is its name if the configuration has none. What the user
    /// must do is reported at `node`.
    ///
    /// Each provider has its own Secrets. A value for one must not go to another vendor only because the configuration
    /// has the same text for both. A shared variable stays shared, and this is reported.
    pub fn refer(&mut self, key_source: &KeySource, owner: &str, hint: &str, node: &Node<'_>) -> ForeignSecret {
        let same =
            |needed: &&Needed| needed.key_source == *key_source && !matches!(key_source, KeySource::Elsewhere(_));
        let known = self.needed.iter().filter(same).find(|needed| needed.owner == owner);
        if let Some(Needed { at, from, .. }) = known {
            if let KeySource::Literal(_) = key_source {
                node.report(Fate::Doubtful, format!("the same key as {}: it is in {}", code(from), place(at)));
            }
            return at.clone();
        }
        let other = self.needed.iter().find(same).map(|needed| (needed.at.clone(), needed.from.clone()));
        match (key_source, other) {
            (KeySource::Variable(name), Some((at, from))) => {
                node.doubtful(format!(
                    "the variable {} holds the key of {} as well, so both have one Secret: if they are not of one vendor, give each its \
                     own",
                    code(name),
                    code(&from)
                ));
                self.needed.push(Needed {
                    key_source: key_source.clone(),
                    owner: owner.to_owned(),
                    at: at.clone(),
                    from: node.path().to_owned(),
                });
                return at;
            }
            (_, Some((_, from))) => node.report(
                Fate::Doubtful,
                format!("the same key as {}, of another provider: each has its own Secret", code(&from)),
            ),
            (_, None) => {}
        }
        let (at, reached) = match key_source {
            KeySource::Variable(name) => match reaching(name) {
                Some(at) if !self.needed.iter().any(|needed| needed.at == at) => {
                    self.names.free("secret", &at.name);
                    (at, true)
                }
                _ => (self.fresh(name.trim_end_matches("_API_KEY")), false),
            },
            KeySource::Literal(_) | KeySource::Elsewhere(_) => (self.fresh(hint), false),
        };
        let target = place(&at);
        match key_source {
            KeySource::Variable(_) if reached => {}
            KeySource::Variable(name) => node.lost(format!(
                "no Secret's name matches the variable {}: put the key into {target}",
                code(name)
            )),
            KeySource::Literal(_) if self.write => {
                node.doubtful(format!("the file contains the key itself: it was written to secrets.yaml, into {target}"));
            }
            KeySource::Literal(_) => node.lost(format!(
                "the file contains the key itself, and keys are not copied: put it into {target}, or import again with --secrets"
            )),
            KeySource::Elsewhere(source) => {
                node.lost(format!("the key is in {source}, which is not read here: put it into {target}"));
            }
        }
        let (owner, from) = (owner.to_owned(), node.path().to_owned());
        self.needed.push(Needed { key_source: key_source.clone(), owner, at: at.clone(), from });
        at
    }

    fn fresh(&mut self, hint: &str) -> ForeignSecret {
        // Two Secrets with the same variable would share a key.
        loop {
            let at = ForeignSecret { name: self.names.free("secret", hint), key: "apiKey".to_owned() };
            let own = variable(&at.name, &at.key);
            let taken = |needed: &Needed| variable(&needed.at.name, &needed.at.key) == own;
            if !self.variables.contains(&own) && !self.needed.iter().any(taken) {
                return at;
            }
        }
    }

    /// The Secrets: with values if requested and known, otherwise as comments to fill in. Those from a variable are
    /// left out.
    pub fn objects(&self) -> Vec<ImportedObject> {
        let mut objects: Vec<ImportedObject> = Vec::new();
        for (index, Needed { key_source, at, from, .. }) in self.needed.iter().enumerate() {
            // Several providers may share a variable.
            if self.needed[..index].iter().any(|before| before.at == *at) {
                continue;
            }
            let reached = matches!(key_source, KeySource::Variable(name) if variable(&at.name, &at.key) == *name);
            if reached {
                continue;
            }
            let mut secret = ImportedObject::new(ImportedKind::Secret, &at.name, from);
            let value = match key_source {
                KeySource::Literal(value) if self.write => {
                    secret.secret = true;
                    value.clone()
                }
                _ => {
                    secret.off = Some(format!(
                        "Fill in and take out of the comment; or, for `outrigger run`, set the variable {}",
                        variable(&at.name, &at.key)
                    ));
                    "...".to_owned()
                }
            };
            secret.set("stringData", Value::Object(Map::from_iter([(at.key.clone(), Value::String(value))])));
            objects.push(secret);
        }
        objects
    }
}

fn named(value: &Value, mark: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => into.extend(text.trim().strip_prefix(mark).map(str::to_owned)),
        Value::Array(items) => items.iter().for_each(|item| named(item, mark, into)),
        Value::Object(fields) => fields.values().for_each(|field| named(field, mark, into)),
        _ => {}
    }
}

/// Key `apiKey` of Secret `openai` (variable OPENAI_API_KEY)
fn place(at: &ForeignSecret) -> String {
    format!(
        "key `{}` of Secret `{}` (or, for `outrigger run`, the variable {})",
        at.key,
        at.name,
        variable(&at.name, &at.key)
    )
}

/// The Secret and key that `run` reads from a variable of this name, if any: `openai` and `apiKey` for OPENAI_API_KEY,
/// `azure-key` and `eu` for AZURE_KEY_EU.
fn reaching(name: &str) -> Option<ForeignSecret> {
    let secret = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let by_ending = name.strip_suffix("_API_KEY").map(|owner| (secret(owner), "apiKey".to_owned()));
    let by_last = name.rsplit_once('_').map(|(owner, last)| (secret(owner), last.to_ascii_lowercase()));
    [by_ending, by_last].into_iter().flatten().find_map(|(owner, key)| {
        let fits = super::name::label(&owner) == owner && !owner.is_empty() && variable(&owner, &key) == name;
        fits.then_some(ForeignSecret { name: owner, key })
    })
}

#[cfg(test)]
mod tests {
    use super::super::source::ImportSource;
    use super::*;

    #[test]
    fn a_reference_identifies_its_variable() {
        for (name, secret, key) in [
            ("OPENAI_API_KEY", "openai", "apiKey"),
            ("OPENAI_2_API_KEY", "openai-2", "apiKey"),
            ("AZURE_OPENAI_API_KEY_US_EAST_1", "azure-openai-api-key-us-east", "1"),
            ("GROQ_TOKEN", "groq", "token"),
        ] {
            let at = reaching(name).unwrap();
            assert_eq!((at.name.as_str(), at.key.as_str()), (secret, key));
            assert_eq!(variable(&at.name, &at.key), name);
        }
        for name in ["KEY", "openai_key", "A__B_API_KEY", "_API_KEY", ""] {
            assert_eq!(reaching(name), None, "{name}");
        }
    }

    #[test]
    fn a_key_is_only_written_on_request() {
        for write in [false, true] {
            let value = json!(["sk-literal-0001", "env.OPENAI_API_KEY", "env.weird", "sk-literal-0001"]);
            let mut secrets = NeededSecrets::new(write, &value, "env.");
            let source = ImportSource::new(value);
            let mut at = Vec::new();
            for node in source.root().items() {
                at.push(secrets.refer(&KeySource::bifrost(&node).unwrap(), "openai", "openai", &node));
            }
            assert_eq!(at[0], at[3], "the same key is the same Secret");
            assert_eq!(at[1].name, "openai", "the name of its variable, although another key wanted it first");
            assert_eq!(at[0].name, "openai-2");
            let objects = secrets.objects();
            let text = super::super::objects::files(&objects, None).unwrap().remove(0).text;
            assert_eq!(text.contains("sk-literal-0001"), write, "{text}");
            assert!(!source.finish().markdown("x").contains("sk-literal-0001"));
        }
    }

    #[test]
    fn each_provider_has_secrets_of_its_own() {
        for write in [false, true] {
            let value = json!([
                "sk-same-0001",
                "sk-same-0001",
                "sk-same-0001",
                "vault.a",
                "vault.b",
                "env.A_API_KEY",
                "env.A_API_KEY"
            ]);
            let mut secrets = NeededSecrets::new(write, &value, "env.");
            let source = ImportSource::new(value);
            let nodes = source.root().items();
            let mut refer = |at: usize, owner: &str| {
                secrets.refer(&KeySource::bifrost(&nodes[at]).unwrap(), owner, owner, &nodes[at]).name
            };
            assert_eq!(
                [refer(0, "openai"), refer(1, "openai"), refer(2, "anthropic")],
                ["openai", "openai", "anthropic"]
            );
            assert_ne!(refer(3, "openai"), refer(4, "openai"), "references to a vault may be different keys");
            assert_eq!([refer(5, "groq"), refer(6, "mistral")], ["a", "a"], "one variable is one key, as it was");
            let names: Vec<String> = secrets.objects().into_iter().map(|object| object.name).collect();
            assert_eq!(names.len(), 4, "{names:?}");
            let report = source.finish().markdown("x");
            for expected in [
                "`[1]`: the same key as `[0]`",
                "`[2]`: the same key as `[0]`, of another provider",
                "`[6]`: the variable `A_API_KEY`",
            ] {
                assert!(report.contains(expected), "{expected} in {report}");
            }
        }
    }

    #[test]
    fn keys_as_objects() {
        for (value, variable) in [
            (json!({"value": "", "env_var": "env.A_API_KEY", "from_env": true}), "A_API_KEY"),
            (json!({"value": "env.A_API_KEY"}), "A_API_KEY"),
            (json!({"ref": "env.A_API_KEY", "type": "env"}), "A_API_KEY"),
        ] {
            let source = ImportSource::new(value);
            assert!(KeySource::bifrost(&source.root()) == Some(KeySource::Variable(variable.to_owned())));
            assert_eq!(source.finish().count(super::super::report::Fate::Lost), 0);
        }
    }
}

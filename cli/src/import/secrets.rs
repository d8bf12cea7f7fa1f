//! Keys of providers: where they are held becomes a reference to a Secret, and what they are stays out of the objects.
//!
//! `outrigger run` looks for a Secret that is not in its folder in a variable: key `apiKey` of Secret `openai` in
//! OPENAI_API_KEY. The names here are chosen so that the variable is the one which the configuration named.

use std::collections::BTreeSet;

use outrigger_compile::variable;
use serde_json::{Map, Value, json};

use super::name::Names;
use super::objects::{ImportedKind, ImportedObject};
use super::report::{Fate, code};
use super::source::Node;

/// Where a configuration holds a key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// In a variable.
    Variable(String),
    /// In the configuration itself.
    Literal(String),
    /// Somewhere that is not read here: the word for it.
    Elsewhere(&'static str),
}

/// `secretRef`.
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

/// One key that is needed.
struct Needed {
    held: Held,
    /// Whose key it is: the provider, as it is told apart from others.
    owner: String,
    at: ForeignSecret,
    from: String,
}

/// All keys that the objects refer to.
#[derive(Default)]
pub(crate) struct NeededSecrets {
    /// Whether values are written.
    write: bool,
    /// Variables that the configuration names: no other key may be looked for in them.
    variables: BTreeSet<String>,
    needed: Vec<Needed>,
    names: Names,
}

impl Held {
    /// Reads `env.NAME`, an object that says the same, or the key itself.
    pub fn bifrost(node: &Node<'_>) -> Option<Held> {
        if !node.is_object() {
            let text = node.text()?.trim();
            return match (text.strip_prefix("env."), text.strip_prefix("vault.")) {
                (Some(name), _) => Some(Held::Variable(name.to_owned())),
                (_, Some(_)) => Some(Held::Elsewhere("a vault")),
                _ if text.is_empty() => None,
                _ => Some(Held::Literal(text.to_owned())),
            };
        }
        let text = |field: &str| node.get(field).and_then(|node| node.text()).filter(|text| !text.is_empty());
        let (value, variable, reference) = (text("value"), text("env_var"), text("ref"));
        for field in ["from_env", "type"] {
            if let Some(node) = node.get(field) {
                node.done();
            }
        }
        match (variable, value) {
            (Some(name), _) => Some(Held::Variable(name.trim_start_matches("env.").to_owned())),
            (None, Some(value)) => match value.strip_prefix("env.") {
                Some(name) => Some(Held::Variable(name.to_owned())),
                None => Some(Held::Literal(value.to_owned())),
            },
            (None, None) => match reference {
                Some(reference) if reference.starts_with("env.") => {
                    Some(Held::Variable(reference.trim_start_matches("env.").to_owned()))
                }
                Some(_) => Some(Held::Elsewhere("a vault")),
                None => None,
            },
        }
    }

    /// Reads `os.environ/NAME`, or the key itself.
    pub fn litellm(node: &Node<'_>) -> Option<Held> {
        let text = node.text()?.trim();
        match text.strip_prefix("os.environ/") {
            Some(name) => Some(Held::Variable(name.trim().to_owned())),
            None if text.is_empty() => None,
            None => Some(Held::Literal(text.to_owned())),
        }
    }
}

impl NeededSecrets {
    /// `mark` is what stands in front of a variable's name in `configuration`. With `write`, keys that stand in it are
    /// written.
    pub fn new(write: bool, configuration: &Value, mark: &str) -> Self {
        let mut secrets = NeededSecrets { write, ..NeededSecrets::default() };
        named(configuration, mark, &mut secrets.variables);
        secrets
    }

    /// The Secret for a key of `owner`, a provider. `hint` is a name for it where the configuration gives none; what the
    /// person has to do is told at `node`.
    ///
    /// Each provider has Secrets of its own: what is filled into one must not go to another vendor, only because both had
    /// the same words in the configuration. A variable is shared as it was, and that is told.
    pub fn refer(&mut self, held: &Held, owner: &str, hint: &str, node: &Node<'_>) -> ForeignSecret {
        let same = |needed: &&Needed| needed.held == *held && !matches!(held, Held::Elsewhere(_));
        let known = self.needed.iter().filter(same).find(|needed| needed.owner == owner);
        if let Some(Needed { at, from, .. }) = known {
            if let Held::Literal(_) = held {
                node.tell(Fate::Doubtful, format!("the same key as {}: it is in {}", code(from), place(at)));
            }
            return at.clone();
        }
        let other = self.needed.iter().find(same).map(|needed| (needed.at.clone(), needed.from.clone()));
        match (held, other) {
            (Held::Variable(name), Some((at, from))) => {
                node.doubtful(format!(
                    "the variable {} holds the key of {} as well, so both have one Secret: if they are not of one vendor, give each its \
                     own",
                    code(name),
                    code(&from)
                ));
                self.needed.push(Needed {
                    held: held.clone(),
                    owner: owner.to_owned(),
                    at: at.clone(),
                    from: node.path().to_owned(),
                });
                return at;
            }
            (_, Some((_, from))) => node.tell(
                Fate::Doubtful,
                format!("the same key as {}, of another provider: each has a Secret of its own", code(&from)),
            ),
            (_, None) => {}
        }
        let (at, reached) = match held {
            Held::Variable(name) => match reaching(name) {
                Some(at) if !self.needed.iter().any(|needed| needed.at == at) => {
                    self.names.free("secret", &at.name);
                    (at, true)
                }
                _ => (self.fresh(name.trim_end_matches("_API_KEY")), false),
            },
            Held::Literal(_) | Held::Elsewhere(_) => (self.fresh(hint), false),
        };
        let told = place(&at);
        match held {
            Held::Variable(_) if reached => {}
            Held::Variable(name) => node.lost(format!(
                "no Secret's name leads to a variable {}: put the key into {told}",
                code(name)
            )),
            Held::Literal(_) if self.write => {
                node.doubtful(format!("the key itself stands here: it was written to secrets.yaml, into {told}"));
            }
            Held::Literal(_) => node.lost(format!(
                "the key itself stands here, and keys are not copied: put it into {told}, or import again with --secrets"
            )),
            Held::Elsewhere(place) => {
                node.lost(format!("the key lies in {place}, which is not read here: put it into {told}"));
            }
        }
        let (owner, from) = (owner.to_owned(), node.path().to_owned());
        self.needed.push(Needed { held: held.clone(), owner, at: at.clone(), from });
        at
    }

    fn fresh(&mut self, hint: &str) -> ForeignSecret {
        // Two Secrets whose variables are the same would share a key.
        loop {
            let at = ForeignSecret { name: self.names.free("secret", hint), key: "apiKey".to_owned() };
            let own = variable(&at.name, &at.key);
            let taken = |needed: &Needed| variable(&needed.at.name, &needed.at.key) == own;
            if !self.variables.contains(&own) && !self.needed.iter().any(taken) {
                return at;
            }
        }
    }

    /// The Secrets: with values where they were asked for and are known, else as comments to be filled in. Those that
    /// a variable holds need none.
    pub fn objects(&self) -> Vec<ImportedObject> {
        let mut objects: Vec<ImportedObject> = Vec::new();
        for (index, Needed { held, at, from, .. }) in self.needed.iter().enumerate() {
            // Several providers may share a variable's.
            if self.needed[..index].iter().any(|before| before.at == *at) {
                continue;
            }
            let reached = matches!(held, Held::Variable(name) if variable(&at.name, &at.key) == *name);
            if reached {
                continue;
            }
            let mut secret = ImportedObject::new(ImportedKind::Secret, &at.name, from);
            let value = match held {
                Held::Literal(value) if self.write => {
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

/// The Secret and key that are looked for in a variable of this name, if there are any: `openai` and `apiKey` for
/// OPENAI_API_KEY, `azure-key` and `eu` for AZURE_KEY_EU.
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
    fn the_reference_leads_back_to_the_variable() {
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
    fn a_key_never_leaves_unless_asked_for() {
        for write in [false, true] {
            let value = json!(["sk-literal-0001", "env.OPENAI_API_KEY", "env.weird", "sk-literal-0001"]);
            let mut secrets = NeededSecrets::new(write, &value, "env.");
            let source = ImportSource::new(value);
            let mut at = Vec::new();
            for node in source.root().items() {
                at.push(secrets.refer(&Held::bifrost(&node).unwrap(), "openai", "openai", &node));
            }
            assert_eq!(at[0], at[3], "the same key is the same Secret");
            assert_eq!(at[1].name, "openai", "its variable's own, though another asked for the name before");
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
                secrets.refer(&Held::bifrost(&nodes[at]).unwrap(), owner, owner, &nodes[at]).name
            };
            assert_eq!(
                [refer(0, "openai"), refer(1, "openai"), refer(2, "anthropic")],
                ["openai", "openai", "anthropic"]
            );
            assert_ne!(refer(3, "openai"), refer(4, "openai"), "what lies in a vault may be two keys");
            assert_eq!([refer(5, "groq"), refer(6, "mistral")], ["a", "a"], "one variable is one key, as it was");
            let names: Vec<String> = secrets.objects().into_iter().map(|object| object.name).collect();
            assert_eq!(names.len(), 4, "{names:?}");
            let report = source.finish().markdown("x");
            for told in [
                "`[1]`: the same key as `[0]`",
                "`[2]`: the same key as `[0]`, of another provider",
                "`[6]`: the variable `A_API_KEY`",
            ] {
                assert!(report.contains(told), "{told} in {report}");
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
            assert!(Held::bifrost(&source.root()) == Some(Held::Variable(variable.to_owned())));
            assert_eq!(source.finish().count(super::super::report::Fate::Lost), 0);
        }
    }
}

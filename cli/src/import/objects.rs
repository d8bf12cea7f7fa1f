//! The imported objects, as files with comments that name their sources.

use serde_json::{Map, Value, json};

use super::line::one_line;

/// The kinds of objects, in the order of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ImportedKind {
    Secret,
    ConfigMap,
    Provider,
    Budget,
    Key,
    Rule,
}

impl ImportedKind {
    pub fn word(self) -> &'static str {
        match self {
            ImportedKind::Secret => "Secret",
            ImportedKind::ConfigMap => "ConfigMap",
            ImportedKind::Provider => "LLMProvider",
            ImportedKind::Budget => "Budget",
            ImportedKind::Key => "VirtualKey",
            ImportedKind::Rule => "RoutingRule",
        }
    }

    fn file(self) -> &'static str {
        match self {
            ImportedKind::Secret => "secrets.yaml",
            ImportedKind::ConfigMap | ImportedKind::Provider => "providers.yaml",
            ImportedKind::Budget => "budgets.yaml",
            ImportedKind::Key => "keys.yaml",
            ImportedKind::Rule => "rules.yaml",
        }
    }
}

/// The names of all files that an import may write, except the report.
pub(crate) const FILES: [&str; 5] = ["providers.yaml", "budgets.yaml", "keys.yaml", "rules.yaml", "secrets.yaml"];

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct ImportedObject {
    pub kind: ImportedKind,
    pub name: String,
    /// Path in the source.
    pub from: String,
    /// Comments above it.
    pub notes: Vec<String>,
    pub labels: Map<String, Value>,
    pub annotations: Map<String, Value>,
    /// `spec`, or the fields of a Secret or ConfigMap.
    pub body: Map<String, Value>,
    /// Why it is written as a comment only.
    pub off: Option<String>,
    /// It has a credential, so only its owner may read the file.
    pub secret: bool,
}

impl ImportedObject {
    pub fn new(kind: ImportedKind, name: &str, from: &str) -> Self {
        ImportedObject {
            kind,
            name: name.to_owned(),
            from: from.to_owned(),
            notes: Vec::new(),
            labels: Map::new(),
            annotations: Map::new(),
            body: Map::new(),
            off: None,
            secret: false,
        }
    }

    pub fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.body.insert(field.to_owned(), value.into());
    }

    /// The name in findings.
    pub fn label(&self, namespace: &str) -> String {
        format!("{} {namespace}/{}", self.kind.word(), self.name)
    }

    fn value(&self, namespace: Option<&str>) -> Value {
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), json!(self.name));
        if let Some(namespace) = namespace {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        for (field, values) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if !values.is_empty() {
                metadata.insert(field.to_owned(), Value::Object(values.clone()));
            }
        }
        let mut object = Map::new();
        let core = matches!(self.kind, ImportedKind::Secret | ImportedKind::ConfigMap);
        let version = if core { "v1" } else { "outrigger.dev/v1alpha1" };
        object.insert("apiVersion".to_owned(), json!(version));
        object.insert("kind".to_owned(), json!(self.kind.word()));
        object.insert("metadata".to_owned(), Value::Object(metadata));
        match core {
            true => object.extend(self.body.clone()),
            false => drop(object.insert("spec".to_owned(), Value::Object(self.body.clone()))),
        }
        Value::Object(object)
    }
}

/// A file to write.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub name: &'static str,
    pub text: String,
    pub secret: bool,
}

/// The files of some objects, by name as in [`FILES`].
///
/// # Errors
/// A value that YAML can't represent. Importers create none.
pub(crate) fn files(objects: &[ImportedObject], namespace: Option<&str>) -> Result<Vec<File>, serde_yaml::Error> {
    let mut files = Vec::new();
    for name in FILES {
        let mut mine: Vec<&ImportedObject> = objects.iter().filter(|object| object.kind.file() == name).collect();
        mine.sort_by_key(|object| object.kind);
        if mine.is_empty() {
            continue;
        }
        let texts: Vec<String> = mine.iter().map(|object| text(object, namespace)).collect::<Result<_, _>>()?;
        files.push(File { name, text: texts.join("---\n"), secret: mine.iter().any(|object| object.secret) });
    }
    Ok(files)
}

fn text(object: &ImportedObject, namespace: Option<&str>) -> Result<String, serde_yaml::Error> {
    let mut text = format!("# From {}\n", one_line(&object.from));
    for note in &object.notes {
        text.push_str(&format!("# {}\n", one_line(note)));
    }
    let yaml = serde_yaml::to_string(&object.value(namespace))?;
    match &object.off {
        None => text.push_str(&yaml),
        Some(why) => {
            text.push_str(&format!("# {}\n", one_line(why)));
            for line in yaml.lines() {
                text.push_str(&format!("# {line}\n"));
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_stays_a_comment() {
        let mut rule = ImportedObject::new(ImportedKind::Rule, "a", "governance.routing_rules[0]");
        rule.set("when", "model ==\n  'a'");
        rule.off = Some("not CEL here:\nkind: Secret".to_owned());
        let files = files(&[rule], Some("x")).unwrap();
        assert_eq!((files.len(), files[0].name), (1, "rules.yaml"));
        assert!(files[0].text.lines().all(|line| line.starts_with('#')), "{}", files[0].text);
    }
}

//! Validates one object as an API server with our definitions would, without a cluster.
//!
//! The steps are those of the API server: drop nulls and fill in defaults ([`with_defaults`]), check the structural
//! schema, the keys of lists and unknown fields (`kubectl` refuses them, the server drops them), and evaluate the CEL
//! rules if the structure is valid. A finding never repeats a value, because people paste API keys into the wrong
//! field.

mod cel;
mod defaults;
mod kinds;
mod lists;
mod metadata;
mod nearest;
mod path;
mod remedy;
mod structure;
mod unknown;

use std::fmt;

use serde_json::Value;

use crate::{GROUP, VERSION};
use kinds::SchemaKind;
use path::SchemaPath;

/// A problem in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFinding {
    /// The path of the field, such as `spec.credentials[0].weight`; empty for the object as a whole.
    pub path: String,
    /// What is wrong and how to fix it.
    pub message: String,
}

impl SchemaFinding {
    fn new(path: impl fmt::Display, message: impl Into<String>) -> Self {
        Self { path: path.to_string(), message: message.into() }
    }
}

impl fmt::Display for SchemaFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// All problems in an object of our group; empty if an API server would accept it.
pub fn validate(object: &Value) -> Vec<SchemaFinding> {
    let kind = match kind_of(object) {
        Ok(kind) => kind,
        Err(finding) => return vec![finding],
    };
    let object = defaults::apply(&kind.schema, object);
    let structure = structure::check(&kind.schema, &kind.validator, &object);
    let mut findings = metadata::check(&object);
    findings.extend(structure.findings);
    findings.extend(lists::check(&kind.schema, &object));
    findings.extend(unknown::check(&kind.schema, &object));
    if !structure.blocking {
        findings.extend(kind.rules.check(&kind.schema, &object));
    }
    if findings.is_empty()
        && let Err(error) = (kind.read)(object)
    {
        findings.push(SchemaFinding::new("", format!("can't be read: {error}")));
    }
    findings
}

/// The object as an API server would store it: without nulls, and with the schema's defaults. An object of another kind
/// is returned unchanged.
pub fn with_defaults(object: &Value) -> Value {
    match kind_of(object) {
        Ok(kind) => defaults::apply(&kind.schema, object),
        Err(_) => object.clone(),
    }
}

/// The kind that is closest to a misspelt name, or the name itself if none is close.
#[must_use]
pub fn closest_kind(name: &str) -> &str {
    let names = kinds::all().into_iter().flatten().map(|kind| kind.name.as_str());
    nearest::nearest(name, names).unwrap_or(name)
}

/// The kind that an object declares.
fn kind_of(object: &Value) -> Result<&'static SchemaKind, SchemaFinding> {
    let Value::Object(fields) = object else {
        return Err(SchemaFinding::new("", "an object must be a mapping with apiVersion, kind, metadata and spec"));
    };
    let text = |field: &'static str| match fields.get(field) {
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(SchemaFinding::new(field, "must be a string")),
        None => Err(SchemaFinding::new(field, "is required")),
    };
    let served = format!("{GROUP}/{VERSION}");
    if text("apiVersion")? != served {
        return Err(SchemaFinding::new("apiVersion", format!("must be {served}, the only supported version")));
    }
    let name = text("kind")?;
    let kinds = kinds::all()
        .map_err(|error| SchemaFinding::new("", format!("the definitions of this build are broken: {error}")))?;
    kinds.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
        let hint = match nearest::suggest(name, names.iter().copied()) {
            none if none.is_empty() => ":".to_owned(),
            hint => hint,
        };
        SchemaFinding::new("kind", format!("unknown kind{hint} {served} has {}", names.join(", ")))
    })
}

/// Visits each node of a value together with its schema, parents first. Skips everything below a node that allows any
/// fields.
fn walk<'a>(
    schema: &'a Value,
    value: &'a Value,
    path: &SchemaPath<'_>,
    visit: &mut dyn FnMut(&'a Value, &'a Value, &SchemaPath<'_>),
) {
    visit(schema, value, path);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let property = schema.get("properties").and_then(|properties| properties.get(name));
                if let Some(schema) = property.or_else(|| schema.get("additionalProperties")) {
                    walk(schema, value, &path.field(name), visit);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    walk(schema, item, &path.index(index), visit);
                }
            }
        }
        _ => {}
    }
}

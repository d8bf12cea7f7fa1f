//! Evaluates the CEL rules of the schema (`x-kubernetes-validations`).
//!
//! Rules use only what both the API server and the `cel` crate support: operators, `has`, `all`, `in`, `size`,
//! `contains`, `startsWith`, `matches`.

use std::{collections::HashMap, sync::Arc};

use cel::{Context, Env, Program};
use serde_json::Value;

use super::{SchemaFinding, path::SchemaPath, walk};

/// The compiled rules of one kind, by their text.
pub(super) struct Rules {
    env: Arc<Env>,
    programs: HashMap<String, Program>,
}

impl Rules {
    /// Compiles every rule in a schema.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let env = Env::stdlib();
        let mut programs = HashMap::new();
        let mut pending = vec![schema];
        while let Some(schema) = pending.pop() {
            for (rule, _) in rules_of(schema) {
                let program = env.compile(rule).map_err(|error| format!("rule `{rule}`: {error}"))?;
                programs.insert(rule.to_owned(), program);
            }
            pending.extend(
                schema
                    .get("properties")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flat_map(|properties| properties.values()),
            );
            pending.extend(schema.get("items"));
            pending.extend(schema.get("additionalProperties"));
        }
        Ok(Self { env: Arc::new(env), programs })
    }

    /// The rules that an object breaks. Its defaults must be filled in.
    pub fn check(&self, schema: &Value, object: &Value) -> Vec<SchemaFinding> {
        let mut findings = Vec::new();
        let nameless = !object.pointer("/metadata/name").is_some_and(Value::is_string);
        walk(schema, object, &SchemaPath::Root, &mut |schema, value, path| {
            let mut rules = rules_of(schema).peekable();
            // The rule at the root is about the object's name. A missing name is already a finding.
            if rules.peek().is_none() || (nameless && matches!(path, SchemaPath::Root)) {
                return;
            }
            let mut context = Context::with_env(Arc::clone(&self.env));
            context.add_variable_from_value("self", to_cel(value));
            // Rules with `oldSelf` need a previous version, which only a cluster has.
            for (rule, message) in rules.filter(|(rule, _)| !rule.contains("oldSelf")) {
                match self.programs.get(rule).map(|program| program.execute(&context)) {
                    Some(Ok(cel::Value::Bool(true))) => {}
                    Some(Ok(cel::Value::Bool(false))) => findings.push(SchemaFinding::new(path, message)),
                    // The API server also refuses an object if a rule can't be evaluated.
                    Some(Ok(_)) | None => findings.push(SchemaFinding::new(
                        path,
                        format!("{message} (rule `{rule}` does not return true or false)"),
                    )),
                    Some(Err(error)) => {
                        findings.push(SchemaFinding::new(path, format!("{message} (rule `{rule}` fails: {error})")))
                    }
                }
            }
        });
        findings
    }
}

/// The rules of one node, with their messages.
fn rules_of(schema: &Value) -> impl Iterator<Item = (&str, &str)> {
    let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten();
    rules.filter_map(|rule| {
        let text = rule.get("rule")?.as_str()?;
        Some((text, rule.get("message").and_then(Value::as_str).unwrap_or(text)))
    })
}

/// Converts by hand: serde would turn non-negative integers into CEL's unsigned ones, which Kubernetes never has.
fn to_cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => cel::Value::Int(integer),
            None => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => cel::Value::from(text.as_str()),
        Value::Array(items) => cel::Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(fields) => cel::Value::from(
            fields.iter().map(|(name, value)| (name.clone(), to_cel(value))).collect::<HashMap<_, _>>(),
        ),
    }
}

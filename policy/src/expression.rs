//! The expressions of rules: CEL, compiled once, over a closed table of variables.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::objects::{Key as CelKey, Map};
use cel::{Context, Env, ExecutionError, Program, Value};
use thiserror::Error;

use crate::policy::{Key, Policy};
use crate::request::Request;
use crate::syntax;
use crate::vocabulary::{Names, is_function};

/// A variable that a rule may read.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    pub name: &'static str,
    /// Its type, in CEL's words.
    pub kind: &'static str,
    pub meaning: &'static str,
}

/// All of them: the table that `check` and the documentation read too.
pub const VARIABLES: &[Variable] = &[
    Variable { name: "model", kind: "string", meaning: "the model asked for, without a provider in front" },
    Variable { name: "provider", kind: "string", meaning: "the provider in front of the model's name, or \"\"" },
    Variable {
        name: "request_type", kind: "string", meaning: "chat_completion, chat_completion_stream, responses, …"
    },
    Variable { name: "headers", kind: "map(string, string)", meaning: "the caller's, lower-cased, no credentials" },
    Variable { name: "params", kind: "map(string, string)", meaning: "the query's, no credentials" },
    Variable { name: "virtual_key_id", kind: "string", meaning: "the key as namespace/name" },
    Variable { name: "virtual_key_name", kind: "string", meaning: "the key's name" },
    Variable { name: "team_id", kind: "string", meaning: "the key's team, or \"\"" },
    Variable { name: "team_name", kind: "string", meaning: "the key's team, or \"\"" },
    Variable { name: "customer_id", kind: "string", meaning: "the key's customer, or \"\"" },
    Variable { name: "customer_name", kind: "string", meaning: "the key's customer, or \"\"" },
    // Not `namespace`: CEL has reserved that word.
    Variable { name: "virtual_key_namespace", kind: "string", meaning: "the key's namespace" },
];

/// Why an expression is not one that a rule can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExpressionError {
    #[error("is not CEL: {0}")]
    Syntax(String),
    #[error("`{name}` is no variable that rules know{}", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    UnknownVariable { name: String, nearest: Option<String> },
    #[error("`{0}` is no function that rules know")]
    UnknownFunction(String),
    #[error("is {0}, and a condition must be true or false")]
    NotBool(String),
    #[error("fails: {0}")]
    Runtime(String),
}

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A compiled condition.
#[derive(Debug)]
pub struct Expression {
    program: Program,
    /// Those of [`VARIABLES`] that it reads: the others are not computed.
    reads: Vec<&'static str>,
}

impl Expression {
    /// Compiles, and checks that each name is known.
    ///
    /// # Errors
    /// [`ExpressionError::Syntax`], [`ExpressionError::UnknownVariable`] or
    /// [`ExpressionError::UnknownFunction`].
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        let program = ENV.compile(source).map_err(|errors| ExpressionError::Syntax(syntax::told(source, &errors)))?;
        let names = Names::of(program.expression());
        let mut reads = Vec::new();
        for name in names.variables {
            match VARIABLES.iter().find(|variable| variable.name == name) {
                Some(variable) => reads.push(variable.name),
                None => {
                    return Err(ExpressionError::UnknownVariable {
                        name: name.to_owned(),
                        nearest: nearest(name, VARIABLES.iter().map(|v| v.name)),
                    });
                }
            }
        }
        if let Some(name) = names.functions.into_iter().find(|name| !is_function(name)) {
            return Err(ExpressionError::UnknownFunction(name.to_owned()));
        }
        Ok(Expression { program, reads })
    }

    /// Whether the condition holds. A header or parameter that the request does not have makes it
    /// false: that is what its author means, and no error.
    ///
    /// # Errors
    /// [`ExpressionError::Runtime`] when it fails otherwise, or is not a bool.
    pub(crate) fn holds(
        &self,
        policy: &Policy,
        key: &Key,
        asked: Asking<'_>,
        request: &Request<'_>,
    ) -> Result<bool, ExpressionError> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        for name in &self.reads {
            let value: Value = match *name {
                "model" => asked.model.into(),
                "provider" => asked.provider.into(),
                "request_type" => request.request_type.into(),
                "headers" => map(request.headers),
                "params" => map(request.params),
                "virtual_key_id" => key.id.to_string().into(),
                "virtual_key_name" => key.id.name.as_str().into(),
                "team_id" | "team_name" => key.team.as_deref().unwrap_or_default().into(),
                "customer_id" | "customer_name" => key.customer.as_deref().unwrap_or_default().into(),
                "virtual_key_namespace" => key.id.namespace.as_str().into(),
                _ => continue,
            };
            context.add_variable_from_value(*name, value);
        }
        match self.program.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(ExpressionError::NotBool(other.type_of().to_string())),
            Err(ExecutionError::NoSuchKey(_)) => Ok(false),
            Err(error) => Err(ExpressionError::Runtime(one_line(&error.to_string()))),
        }
    }
}

/// The names of the request as rules see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub provider: &'a str,
    /// The provider's place in [`Key::providers`].
    pub entry: Option<usize>,
    pub model: &'a str,
}

fn map(pairs: &[(String, String)]) -> Value {
    let map: HashMap<CelKey, Value> =
        pairs.iter().map(|(name, value)| (CelKey::from(name.as_str()), Value::from(value.as_str()))).collect();
    Value::Map(Map { map: Arc::new(map) })
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The known name most like `name`, if one is like it at all.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

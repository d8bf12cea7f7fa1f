//! The expressions of rules: CEL, compiled once, over a closed table of variables.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::common::types::CelBool;
use cel::objects::{Key as CelKey, Map};
use cel::{Context, Env, ExecutionError, IdedExpr, Program, Value};
use thiserror::Error;

use crate::document::Unit;
use crate::moment::{self, Moment, NoZone};
use crate::policy::{Key, Policy};
use crate::request::Request;
use crate::slip::{Slip, hyphens};
use crate::syntax;
use crate::vocabulary::{FUNCTIONS, MACROS, Names, is_function};

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
    Variable { name: "budget_used", kind: "double", meaning: "money that is spent, in per cent of the fullest limit" },
    Variable { name: "tokens_used", kind: "double", meaning: "tokens that are used, in per cent of the fullest limit" },
    Variable { name: "request", kind: "double", meaning: "requests that were made, in per cent of the fullest limit" },
    Variable { name: "input_tokens", kind: "int", meaning: "tokens of the request, estimated" },
    Variable { name: "needs", kind: "list(string)", meaning: "what a model must be able to do: Tools, Vision, …" },
    Variable { name: "labels", kind: "map(string, string)", meaning: "the pod's labels" },
    Variable { name: "workload", kind: "string", meaning: "the pod's name, or \"\"" },
    Variable { name: "now", kind: "timestamp", meaning: "the time" },
];

/// Why an expression is not one that a rule can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExpressionError {
    #[error("is not CEL: {0}")]
    Syntax(String),
    #[error("`{name}` is no variable that rules know{}", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    UnknownVariable { name: String, nearest: Option<String> },
    #[error("`{name}` is no function that rules know{like}", name = .0, like = like_function(.0))]
    UnknownFunction(String),
    #[error(transparent)]
    Slip(#[from] Slip),
    #[error("`{name}` is no time zone{}", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    UnknownZone { name: String, nearest: Option<String> },
    #[error("is {0}, and a condition must be true or false")]
    NotBool(String),
    #[error("fails: {0}")]
    Runtime(String),
}

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // It fails where the library has functions of these names by itself, as it does with a feature that is off: the test
    // of the table in `vocabulary.rs` would tell.
    let _declared = moment::declare(&mut env);
    Arc::new(env)
});

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
    /// [`ExpressionError::Syntax`], [`ExpressionError::UnknownVariable`],
    /// [`ExpressionError::UnknownFunction`] or [`ExpressionError::UnknownZone`]; [`ExpressionError::Slip`] where an
    /// unknown variable is the end of a name with hyphens.
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        let program = ENV.compile(source).map_err(|errors| ExpressionError::Syntax(syntax::told(source, &errors)))?;
        let names = Names::of(program.expression());
        let mut reads = Vec::new();
        for name in names.variables {
            match VARIABLES.iter().find(|variable| variable.name == name) {
                Some(variable) => reads.push(variable.name),
                None => {
                    if let Some(slip) = hyphens(program.expression()) {
                        return Err(slip.into());
                    }
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
        for name in names.zones {
            if let Err(NoZone { nearest }) = moment::zone(name) {
                return Err(ExpressionError::UnknownZone { name: name.to_owned(), nearest });
            }
        }
        Ok(Expression { program, reads })
    }

    /// Those of [`VARIABLES`] that it reads.
    #[must_use]
    pub fn reads(&self) -> &[&'static str] {
        &self.reads
    }

    pub(crate) fn tree(&self) -> &IdedExpr {
        self.program.expression()
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
        for name in self.reads.iter().filter(|name| request.conditions.knows(name)) {
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
                "budget_used" => most_used(policy, key, asked, request, Unit::Money).into(),
                "tokens_used" => most_used(policy, key, asked, request, Unit::Tokens).into(),
                "request" => most_used(policy, key, asked, request, Unit::Requests).into(),
                "input_tokens" => i64::try_from(request.conditions.input_tokens()).unwrap_or(i64::MAX).into(),
                "needs" => request.conditions.needs().names().collect::<Vec<_>>().into(),
                "labels" => map(request.conditions.labels()),
                "workload" => request.conditions.workload().into(),
                "now" => {
                    context.add_variable_as_val(*name, Box::new(Moment::of(request.conditions.now())));
                    continue;
                }
                _ => continue,
            };
            context.add_variable_from_value(*name, value);
        }
        match Value::resolve_val(self.program.expression(), &context) {
            Ok(value) => match value.downcast_ref::<CelBool>() {
                Some(holds) => Ok(*holds.inner()),
                None => Err(ExpressionError::NotBool(value.get_type().name().to_owned())),
            },
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

/// How far the fullest limit of a unit is used, in per cent: of those that count the request as it is asked for,
/// whoever serves it, and of those of a provider that it is pinned to. 0 without one.
fn most_used(policy: &Policy, key: &Key, asked: Asking<'_>, request: &Request<'_>, unit: Unit) -> f64 {
    let places = match asked.entry {
        Some(entry) => policy.limits_of(request.key, entry, asked.model),
        None => policy.limits.of_asked(request.key, &key.id, asked.model),
    };
    let counting = places.into_iter().filter(|place| policy.limits.all[*place].unit == unit);
    counting.map(|place| policy.limits.all[place].percent(request.conditions.used(place))).fold(0.0, f64::max)
}

fn map(pairs: &[(String, String)]) -> Value {
    let map: HashMap<CelKey, Value> =
        pairs.iter().map(|(name, value)| (CelKey::from(name.as_str()), Value::from(value.as_str()))).collect();
    Value::Map(Map { map: Arc::new(map) })
}

fn like_function(name: &str) -> String {
    let like = nearest(name, FUNCTIONS.into_iter().chain(MACROS));
    like.map(|like| format!(", did you mean `{like}`?")).unwrap_or_default()
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

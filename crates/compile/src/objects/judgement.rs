//! An object judged by itself, by its kind's schema and rules. It takes longer than what comes after, and changes only with
//! the object: who compiles the same object again keeps it.

use std::sync::Arc;

use outrigger_crds::{Budget, LlmProvider, ModelCatalog, RoutingRule, VirtualKey, schema};
use outrigger_policy::{Expression, ExpressionError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::read::source::Object;

/// What was found of an object of ours, or its type.
#[derive(Clone, Debug)]
pub struct Judgement(Result<Typed, Vec<schema::SchemaFinding>>);

#[derive(Clone, Debug)]
pub(crate) enum Typed {
    Provider(Box<LlmProvider>),
    Key(Box<VirtualKey>),
    Rule(Box<RoutingRule>, Condition),
    Budget(Box<Budget>),
    Catalog(Box<ModelCatalog>),
}

/// The condition of a rule, compiled and tried on samples; `None` where there is none.
pub(crate) type Condition = Option<Result<Arc<Expression>, ExpressionError>>;

fn condition(rule: &RoutingRule) -> Condition {
    let compiled = Expression::compile(rule.spec.when.as_deref()?).map(Arc::new);
    if let Ok(expression) = &compiled {
        // What came of it is kept in it.
        let _kept = expression.try_on_samples();
    }
    Some(compiled)
}

impl Judgement {
    #[must_use]
    pub fn of(object: &Object) -> Self {
        let found = schema::validate(&object.value);
        if !found.is_empty() {
            return Self(Err(found));
        }
        let value = schema::with_defaults(&object.value);
        let typed = match object.kind.as_str() {
            "LLMProvider" => read(value).map(Typed::Provider),
            "VirtualKey" => read(value).map(Typed::Key),
            "RoutingRule" => read(value).map(|rule| {
                let condition = condition(&rule);
                Typed::Rule(rule, condition)
            }),
            "Budget" => read(value).map(Typed::Budget),
            "ModelCatalog" => read(value).map(Typed::Catalog),
            // The schema knows no other kind, and has reported it.
            other => Err(schema::SchemaFinding { path: "kind".to_owned(), message: format!("unknown kind {other}") }),
        };
        Self(typed.map_err(|finding| vec![finding]))
    }

    pub(crate) fn sound(&self) -> Result<&Typed, &[schema::SchemaFinding]> {
        self.0.as_ref().map_err(Vec::as_slice)
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<Box<T>, schema::SchemaFinding> {
    let unreadable = |error| schema::SchemaFinding { path: String::new(), message: format!("can't be read: {error}") };
    serde_json::from_value(value).map(Box::new).map_err(unreadable)
}

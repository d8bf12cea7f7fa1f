//! Validates one object, by the schema and rules of its kind. This takes longer than the following steps, and the
//! result depends only on the object: callers that compile the same object again should keep it.

use std::sync::Arc;

use outrigger_crds::{Budget, LlmProvider, ModelCatalog, RoutingRule, VirtualKey, schema};
use outrigger_policy::{Expression, ExpressionError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::objects::kind::PolicyKind;
use crate::read::source::Object;

/// The typed object, or the findings.
#[derive(Clone, Debug)]
pub struct ObjectValidation(Result<Typed, Vec<schema::SchemaFinding>>);

#[derive(Clone, Debug)]
pub(crate) enum Typed {
    Provider(Box<LlmProvider>),
    Key(Box<VirtualKey>),
    Rule(Box<RoutingRule>, Condition),
    Budget(Box<Budget>),
    Catalog(Box<ModelCatalog>),
}

/// The condition of a rule, compiled and evaluated on samples; `None` if the rule has none.
pub(crate) type Condition = Option<Result<Arc<Expression>, ExpressionError>>;

fn condition(rule: &RoutingRule) -> Condition {
    let compiled = Expression::compile(rule.spec.when.as_deref()?).map(Arc::new);
    if let Ok(expression) = &compiled {
        // The expression keeps the result.
        let _kept = expression.try_on_samples();
    }
    Some(compiled)
}

impl ObjectValidation {
    #[must_use]
    pub fn of(object: &Object) -> Self {
        let found = schema::validate(&object.value);
        if !found.is_empty() {
            return Self(Err(found));
        }
        let value = schema::with_defaults(&object.value);
        let typed = match PolicyKind::from_name(&object.kind) {
            Some(PolicyKind::LlmProvider) => read(value).map(Typed::Provider),
            Some(PolicyKind::VirtualKey) => read(value).map(Typed::Key),
            Some(PolicyKind::RoutingRule) => read(value).map(|rule| {
                let condition = condition(&rule);
                Typed::Rule(rule, condition)
            }),
            Some(PolicyKind::Budget) => read(value).map(Typed::Budget),
            Some(PolicyKind::ModelCatalog) => read(value).map(Typed::Catalog),
            // The schema has already reported any other kind.
            None => {
                Err(schema::SchemaFinding { path: "kind".to_owned(), message: format!("unknown kind {}", object.kind) })
            }
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

//! A compiled routing rule, and the order in which rules are evaluated.

use std::collections::HashMap;
use std::sync::Arc;

use outrigger_core::ObjectRef;

use crate::build_error::BuildError;
use crate::document::{KeyDoc, OnError, RuleDoc, ScopeDoc, TargetDoc};
use crate::rules::expression::Expression;

/// Compiled conditions, by their text.
pub type CompiledConditions = HashMap<String, Arc<Expression>>;

#[derive(Debug)]
pub struct Rule {
    pub id: ObjectRef,
    /// `namespace/name`, shared with its decisions.
    pub label: Arc<str>,
    pub priority: i32,
    pub targets: Vec<TargetDoc>,
    pub fallbacks: Vec<String>,
    pub on_error: OnError,
    /// Whether it applies to the keys of every namespace, after their own rules.
    pub everywhere: bool,
    /// If set, matching requests are refused with this message.
    pub reject: Option<String>,
    /// Whether the rules are evaluated again with its decision.
    pub chain: bool,
    /// Whether it is only recorded.
    pub shadow: bool,
    pub when: Option<Arc<Expression>>,
    scope: ScopeDoc,
    created: i64,
}

impl Rule {
    /// `known`: compiled conditions, by their text.
    pub(crate) fn build(doc: &RuleDoc, known: &CompiledConditions) -> Result<Self, BuildError> {
        let id = ObjectRef { namespace: doc.namespace.clone(), name: doc.name.clone() };
        let when = match doc.when.as_deref() {
            None => None,
            Some(source) => Some(match known.get(source) {
                Some(expression) => Arc::clone(expression),
                None => Expression::compile(source)
                    .map(Arc::new)
                    .map_err(|error| BuildError::When { rule: id.clone(), error: Box::new(error) })?,
            }),
        };
        Ok(Rule {
            label: Arc::from(id.to_string()),
            id,
            priority: doc.priority,
            targets: doc.targets.clone(),
            fallbacks: doc.fallbacks.clone(),
            on_error: doc.on_error,
            everywhere: doc.everywhere,
            reject: doc.reject.clone(),
            chain: doc.chain,
            shadow: doc.shadow,
            when,
            scope: doc.scope.clone(),
            created: doc.created,
        })
    }

    /// Rules of the namespace come first; then narrower scopes, then priority, then age, then name.
    pub(crate) fn order(&self) -> (bool, u8, i32, i64, &str, &str) {
        let scope = match self.scope {
            ScopeDoc::VirtualKeys(_) => 0,
            ScopeDoc::Team(_) => 1,
            ScopeDoc::Customer(_) => 2,
            ScopeDoc::Namespace => 3,
        };
        (self.everywhere, scope, self.priority, self.created, &self.id.name, &self.id.namespace)
    }

    /// Whether the rule applies to the key with this name, team and customer.
    pub(crate) fn applies_to(&self, key: &ObjectRef, team: Option<&String>, customer: Option<&String>) -> bool {
        (self.everywhere || self.id.namespace == key.namespace) && self.scope.contains(&key.name, team, customer)
    }
}

impl RuleDoc {
    /// Like [`Rule::concerns`], for a document.
    #[must_use]
    pub fn concerns(&self, key: &KeyDoc) -> bool {
        (self.everywhere || self.namespace == key.namespace)
            && self.scope.contains(&key.name, key.team.as_ref(), key.customer.as_ref())
    }
}

impl ScopeDoc {
    fn contains(&self, name: &String, team: Option<&String>, customer: Option<&String>) -> bool {
        match self {
            ScopeDoc::VirtualKeys(names) => names.contains(name),
            ScopeDoc::Team(of) => team == Some(of),
            ScopeDoc::Customer(of) => customer == Some(of),
            ScopeDoc::Namespace => true,
        }
    }
}

//! Why a policy can't be built.

use outrigger_core::ObjectRef;
use thiserror::Error;

use crate::document::ReadError;
use crate::rules::expression::ExpressionError;

/// Why a document is not a valid policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    #[error(transparent)]
    Format(#[from] ReadError),
    #[error("VirtualKey {key}: providers[{name}] refers to LLMProvider {provider}, which is not in the policy")]
    NoProvider { key: ObjectRef, name: String, provider: ObjectRef },
    #[error("RoutingRule {rule}: `when` {error}")]
    When { rule: ObjectRef, error: Box<ExpressionError> },
    #[error("the default key {0} is not in the policy")]
    NoDefaultKey(String),
}

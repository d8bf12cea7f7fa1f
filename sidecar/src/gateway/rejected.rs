//! The reason why a change is not in force, as logs and `/readyz` show it.

use std::fmt;

use outrigger_policy::BuildError;
use outrigger_sync::Rejection;
use serde::{Serialize, Serializer};

use super::InstallError;
use crate::runtime::serve_error::ServeError;

/// Why a change is not in force: the object, the field, and the problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejected {
    pub object: RejectedObject,
    /// The field; empty for the whole object.
    pub path: String,
    pub message: String,
}

/// The object that a change was rejected for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RejectedObject {
    /// The policy as a whole.
    Policy,
    /// A kind, a namespace and a name, or a file.
    Named(String),
}

impl fmt::Display for RejectedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RejectedObject::Policy => f.write_str("policy"),
            RejectedObject::Named(name) => f.write_str(name),
        }
    }
}

impl Serialize for RejectedObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<Rejection> for Rejected {
    fn from(rejection: Rejection) -> Self {
        let Rejection { object, path, message, .. } = rejection;
        let object = if object.is_empty() { RejectedObject::Policy } else { RejectedObject::Named(object) };
        Rejected { object, path, message }
    }
}

impl Rejected {
    /// Finds the object and the field in an error, as far as the error names them.
    #[must_use]
    pub fn of(error: &InstallError) -> Self {
        let error = match error {
            InstallError::Serve(error) => error,
            InstallError::Filter(error) => {
                return Rejected {
                    path: format!("filters[{}]", error.index),
                    ..Self::policy("", error.problem.to_string())
                };
            }
            InstallError::Older { .. } | InstallError::Metrics(_) => return Self::policy("", error.to_string()),
        };
        let provider = |provider: &String| format!("LLMProvider {provider}");
        let (object, path, message) = match error {
            ServeError::Endpoint { provider: name, source } => {
                (provider(name), "spec.endpoint".to_owned(), source.to_string())
            }
            ServeError::NoEndpoint { provider: name, kind } => {
                (provider(name), "spec.endpoint".to_owned(), format!("is required for type {kind}"))
            }
            ServeError::Tls { provider: name, source } => {
                (provider(name), "spec.tls.caRef".to_owned(), source.to_string())
            }
            ServeError::Proxy { provider: name, path, source } => {
                (provider(name), (*path).to_owned(), source.to_string())
            }
            ServeError::Credential { provider: name, credential, secret } => (
                provider(name),
                format!("spec.credentials[{credential}].secretRef"),
                format!("the value in Secret {secret} has characters that are not allowed in a header"),
            ),
            ServeError::Policy(BuildError::NoProvider { key, name, provider }) => (
                format!("VirtualKey {key}"),
                format!("spec.providers[{name}]"),
                format!("refers to LLMProvider {provider}, which is not in the policy"),
            ),
            ServeError::Policy(BuildError::When { rule, error }) => {
                (format!("RoutingRule {rule}"), "spec.when".to_owned(), error.to_string())
            }
            ServeError::Limit(error) => {
                let (object, path) = error.limit.split_once(": ").unwrap_or((&error.limit, ""));
                (object.to_owned(), path.to_owned(), error.source.to_string())
            }
            ServeError::Policy(_) | ServeError::Accounts(_) => return Self::policy("", error.to_string()),
        };
        Rejected { object: RejectedObject::Named(object), path, message }
    }

    /// Rejects the policy as a whole, or one of its own fields.
    #[must_use]
    pub(crate) fn policy(path: &str, message: String) -> Self {
        Rejected { object: RejectedObject::Policy, path: path.to_owned(), message }
    }

    /// The message to the operator, for a policy with this sequence. It is limited in length.
    #[must_use]
    pub(crate) fn into_rejection(self, sequence: u64) -> Rejection {
        let Rejected { object, path, message } = self;
        let object = match object {
            RejectedObject::Policy => String::new(),
            RejectedObject::Named(name) => name,
        };
        Rejection { sequence, object, path, message }.bounded()
    }
}

//! The reason why a change is not in force, as logs and `/readyz` show it.

use outrigger_policy::BuildError;
use serde::Serialize;

use super::InstallError;
use crate::runtime::serve_error::ServeError;

/// Why a change is not in force: the object, the field, and the problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejected {
    pub object: String,
    pub path: String,
    pub message: String,
}

impl Rejected {
    /// Finds the object and the field in an error, as far as the error names them.
    #[must_use]
    pub fn of(error: &InstallError) -> Self {
        let error = match error {
            InstallError::Serve(error) => error,
            InstallError::Filter(error) => {
                return Rejected { path: format!("filters[{}]", error.index), ..Self::whole(&error.problem) };
            }
            InstallError::Older { .. } | InstallError::Metrics(_) => return Self::whole(error),
        };
        let provider = |provider: &String| format!("LLMProvider {provider}");
        let (object, path, message) = match error {
            ServeError::Endpoint { provider: name, source } => {
                (provider(name), "spec.endpoint".to_owned(), source.to_string())
            }
            ServeError::NoEndpoint { provider: name, kind } => {
                (provider(name), "spec.endpoint".to_owned(), format!("is needed for type {kind}"))
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
                format!("the value in Secret {secret} has characters that no header can carry"),
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
            ServeError::Policy(_) | ServeError::Accounts(_) => return Self::whole(error),
        };
        Rejected { object, path, message }
    }

    fn whole(error: &impl ToString) -> Self {
        Rejected { object: "policy".to_owned(), path: String::new(), message: error.to_string() }
    }
}

//! Inputs other than the objects that are compiled.

use crate::findings::finding::Severity;

/// The environment, by name of variable.
type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

pub(crate) struct CompileContext<'a> {
    /// Environment variables for credentials without a Secret; `None` in a cluster, where only Secrets hold them.
    pub environment: Option<&'a Environment<'a>>,
    /// The severity of a credential without a value.
    pub without_value: Severity,
    pub operator_namespace: &'a str,
}

//! What lies around the objects that are compiled.

use crate::findings::finding::Severity;

/// The environment, by name of variable.
type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

pub(crate) struct CompileContext<'a> {
    /// Where values are looked for that no Secret holds; `None` in a cluster, where only Secrets hold them.
    pub environment: Option<&'a Environment<'a>>,
    /// How bad it is that a value is nowhere.
    pub without_value: Severity,
    pub operator_namespace: &'a str,
}

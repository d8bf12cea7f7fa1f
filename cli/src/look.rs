//! Loads the policy of a folder, for commands that only read it.

use std::path::Path;

use outrigger_compile::{Finding, Inputs, OPERATOR_NAMESPACE, Severity, Source, compile};
use outrigger_core::SecretRef;
use outrigger_policy::{BuildError, Policy};
use thiserror::Error;

use crate::folder::{self, FolderError};

#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("the objects do not form a policy")]
    Build(#[from] BuildError),
}

/// A loaded folder.
#[derive(Debug)]
pub(crate) struct LoadedPolicy {
    pub source: Source,
    pub policy: Policy,
    /// Secrets of its credentials without a known value.
    pub without_value: Vec<SecretRef>,
    /// Errors that make objects unusable.
    pub errors: Vec<Finding>,
}

/// Reads a folder and builds the usable part of its policy.
///
/// # Errors
/// The folder can't be read, or its objects do not form a policy.
pub(crate) fn load(dir: &Path, keys: &[String]) -> Result<LoadedPolicy, LoadError> {
    let source = folder::objects(&folder::texts(dir)?);
    let inputs = Inputs {
        objects: &source.objects,
        unread: source.has_unread(),
        environment: &|name| std::env::var(name).ok(),
        keys,
        // Decisions must not depend on the machine that computes them.
        without_value: Severity::Warning,
        sequence: 1,
        operator_namespace: OPERATOR_NAMESPACE,
    };
    let compiled = compile(&inputs);
    let mut errors = compiled.findings;
    errors.extend(source.findings.iter().cloned());
    errors.retain(|finding| finding.severity == Severity::Error);
    errors.sort_by(|a, b| a.location.cmp(&b.location));
    let credentials = compiled.document.providers.iter().flat_map(|provider| &provider.credentials);
    let known = |at: &SecretRef| compiled.secrets.iter().any(|(known, _)| known == at);
    let mut without_value: Vec<SecretRef> =
        credentials.map(|credential| &credential.secret).filter(|at| !known(at)).cloned().collect();
    without_value.sort();
    without_value.dedup();
    Ok(LoadedPolicy { source, policy: Policy::build(compiled.document)?, without_value, errors })
}

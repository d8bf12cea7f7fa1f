//! From objects to the policy that a gateway obeys: the one place that knows both.
//!
//! Pure: [`read`] takes text, [`compile`] takes objects and returns a document, the credentials that it refers to, and
//! what is wrong. Files, the clock and the environment are the caller's. One file a step:
//!
//! ```text
//! read -> validate -> providers (credentials, authorities, mock) -> keys (namespaces) -> rules -> bindings
//! ```
//!
//! An object that can't be used is left out with an error that says so, and its neighbours stay.

mod authorities;
mod bindings;
mod credentials;
mod finding;
mod keys;
mod mock;
mod namespaces;
mod providers;
mod rules;
mod scalar;
mod source;
mod validate;
mod yaml;

use std::fmt;

use outrigger_policy::{Document, FORMAT, SecretAt};

pub use bindings::COMMAND_LINE;
pub use credentials::variable;
pub use finding::{Finding, Place, Severity};
pub use source::{DEFAULT_NAMESPACE, Object, Source, read};

/// What a policy is compiled from.
pub struct Inputs<'a> {
    pub objects: &'a [Object],
    /// The environment, by name of variable: where Secrets are looked for that no object holds.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Names (or `namespace/name`) of keys that were asked for; the first is the default.
    pub keys: &'a [String],
    /// How bad it is that a credential's value is nowhere: an error where objects are judged, a warning where they are
    /// served, because a gateway passes over such a credential.
    pub without_value: Severity,
    /// The document's.
    pub sequence: u64,
}

impl fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs")
            .field("objects", &self.objects)
            .field("keys", &self.keys)
            .field("without_value", &self.without_value)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

/// What objects amount to.
pub struct Compiled {
    /// What can be used of them. In canonical order, so that the same objects have the same digest.
    pub document: Document,
    /// The values of its credentials, as far as they were found.
    pub secrets: Vec<(SecretAt, String)>,
    /// By file and line.
    pub findings: Vec<Finding>,
}

impl Compiled {
    /// Whether nothing had to be left out.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }
}

/// Names the credentials, never their values.
impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled")
            .field("document", &self.document)
            .field("secrets", &self.secrets.iter().map(|(at, _)| at).collect::<Vec<_>>())
            .field("findings", &self.findings)
            .finish()
    }
}

/// Compiles a policy. Always succeeds: what can't be used is left out, and told.
#[must_use]
pub fn compile(inputs: &Inputs<'_>) -> Compiled {
    let mut findings = Vec::new();
    let folder = validate::folder(inputs.objects, &mut findings);
    let (providers, secrets) = providers::compile(&folder, inputs, &mut findings);
    let mut keys = keys::compile(&folder, &providers, &mut findings);
    let default_key = bindings::bind(&folder, inputs.keys, &providers, &mut keys, &mut findings);
    let rules = rules::compile(&folder, &providers, &keys, &mut findings);
    let document = Document {
        format: FORMAT,
        sequence: inputs.sequence,
        providers,
        keys,
        default_key,
        rules,
        ..Document::default()
    };
    finding::in_order(&mut findings);
    Compiled { document, secrets, findings }
}

//! Compiles objects to the policy of a gateway: the only crate that knows both.
//!
//! Without I/O: [`read`] takes text, [`compile`] takes objects and returns a document, the credentials that it refers
//! to, and findings. The caller supplies files, clock and environment. [`compile_in`] compiles a namespace of a
//! cluster, and [`Slices`] cut the policies of its pods out of the document. Each step has a file:
//!
//! ```text
//! read -> validation -> sorted -> providers (credentials, authorities, mock, limits, prices) -> catalogues -> budgets (limits)
//!      -> keys (namespaces, limits) -> bindings -> applies -> consumers -> clear_text -> rules (reachable) -> trials
//!      -> unpriced, downgrades (counted)
//! ```
//!
//! An object that can't be used is left out with an error, and the others stay. Findings that only follow from its
//! absence are not reported (`unusable`).

mod checks;
mod cluster;
mod findings;
mod keys;
mod limits;
mod objects;
mod prices;
mod providers;
mod read;
mod rules;
mod slice;

use std::fmt;
use std::sync::Arc;

use checks::counted::CountedPolicy;
use checks::{downgrades, unpriced};
use findings::finding;
use keys::{consumers, default_key};
use limits::{applies_to, budgets};
use objects::context::CompileContext;
use objects::id::id;
use objects::kind::PolicyKind;
use objects::sorted::{self, SortedObjects};
use outrigger_core::SecretRef;
use outrigger_policy::{BudgetDoc, BuildError, CompiledConditions, Document, FORMAT, KeyDoc, Policy, ProviderDoc};
use prices::catalogues;
use providers::clear_text;
use read::source;
use rules::trials;

pub use cluster::{Cluster, compile_in};
pub use findings::finding::{Cause, Finding, Severity, SourceLocation};
pub use keys::default_key::COMMAND_LINE;
pub use objects::validation::ObjectValidation;
pub use providers::credentials::variable;
pub use providers::pem::{Certificates, NoCertificates};
pub use read::source::{DEFAULT_NAMESPACE, Object, Source, read};
pub use rules::trials::LocatedTrial;
pub use slice::Slices;

/// The default namespace of the operator. Some of its objects apply to all namespaces.
pub const OPERATOR_NAMESPACE: &str = "outrigger-system";

/// The input of a policy.
pub struct Inputs<'a> {
    pub objects: &'a [Object],
    /// Whether a text contains parts that can't be read ([`Source::has_unread`]): a missing object may be in them.
    pub unread: bool,
    /// The environment, by name of variable. A credential whose Secret is not among the objects is looked up there.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Names (or `namespace/name`) of the requested keys; the first is the default.
    pub keys: &'a [String],
    /// The severity of a credential without a value: an error when objects are checked, a warning when they are served,
    /// because a gateway skips such a credential.
    pub without_value: Severity,
    /// The sequence of the document.
    pub sequence: u64,
    /// The namespace whose rules apply to the keys of every namespace, whose catalogues apply to providers of every
    /// namespace, and whose Budgets may apply to any namespace. Usually [`OPERATOR_NAMESPACE`].
    pub operator_namespace: &'a str,
}

impl fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs")
            .field("objects", &self.objects)
            .field("unread", &self.unread)
            .field("keys", &self.keys)
            .field("without_value", &self.without_value)
            .field("sequence", &self.sequence)
            .field("operator_namespace", &self.operator_namespace)
            .finish_non_exhaustive()
    }
}

/// The result of compiling.
pub struct Compiled {
    /// The policy, from all objects that can be used. In canonical order, so that the same objects have the same
    /// digest.
    pub document: Document,
    /// The values of its credentials that were found.
    pub secrets: Vec<(SecretRef, String)>,
    /// The credentials whose Secret is not among the objects: their values are from the environment, see [`variable`].
    pub from_environment: Vec<SecretRef>,
    /// Ordered by file and line.
    pub findings: Vec<Finding>,
    /// The tests of the document's rules. They have not run yet.
    pub trials: Vec<LocatedTrial>,
    /// The compiled conditions of the document's rules, by their text: for [`Compiled::policy`].
    pub conditions: CompiledConditions,
}

impl Compiled {
    /// Whether no object had to be left out.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }

    /// Requests that a budget counts without a reference: all fields must match.
    pub fn policy(&self) -> Result<Policy, BuildError> {
        Policy::build_with(self.document.clone(), &self.conditions)
    }
}

/// Shows the credentials' names, never their values.
impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled")
            .field("document", &self.document)
            .field("secrets", &self.secrets.iter().map(|(at, _)| at).collect::<Vec<_>>())
            .field("from_environment", &self.from_environment)
            .field("findings", &self.findings)
            .field("trials", &self.trials)
            .finish()
    }
}

/// Compiles a policy. Always succeeds: objects that can't be used are left out, and reported.
#[must_use]
pub fn compile(inputs: &Inputs<'_>) -> Compiled {
    let mut findings = Vec::new();
    let (ours, others): (Vec<&Object>, Vec<&Object>) =
        inputs.objects.iter().partition(|object| source::is_ours(&object.api_version));
    let validations: Vec<ObjectValidation> = ours.iter().map(|object| ObjectValidation::of(object)).collect();
    let mut sorted = sorted::sort(ours.into_iter().zip(&validations), others.into_iter(), &mut findings);
    sorted.unread = inputs.unread;
    let context = CompileContext {
        environment: Some(inputs.environment),
        without_value: inputs.without_value,
        operator_namespace: inputs.operator_namespace,
    };
    let bind =
        |sorted: &SortedObjects<'_>, providers: &[ProviderDoc], keys: &mut Vec<KeyDoc>, findings: &mut Vec<Finding>| {
            default_key::bind(sorted, inputs.keys, providers, keys, findings)
        };
    let mut compiled = in_steps(sorted, &context, &bind, findings);
    compiled.document.sequence = inputs.sequence;
    compiled
}

/// Adds the key of callers that name no key, and returns the default key.
type Bind<'a> = dyn Fn(&SortedObjects<'_>, &[ProviderDoc], &mut Vec<KeyDoc>, &mut Vec<Finding>) -> Option<String> + 'a;

fn in_steps(
    mut sorted: SortedObjects<'_>,
    context: &CompileContext<'_>,
    bind: &Bind<'_>,
    mut findings: Vec<Finding>,
) -> Compiled {
    let operator_namespace = context.operator_namespace;
    let (providers, secrets) = providers::compile(&sorted, context, &mut findings);
    sorted.record_left_out(PolicyKind::LlmProvider, providers.iter().map(keys::id));
    let is_object = |at: &SecretRef| sorted.secrets.contains_key(&id(at.namespace(), at.name()));
    let from_environment = secrets.iter().map(|(at, _)| at).filter(|at| !is_object(at)).cloned().collect();
    let catalogues = catalogues::compile(&sorted, operator_namespace, &mut findings);
    let mut budgets = budgets::compile(&sorted, &mut findings);
    sorted.record_left_out(PolicyKind::Budget, budgets.iter().map(BudgetDoc::id));
    let mut keys = keys::compile(&sorted, &providers, &budgets, &mut findings);
    sorted.record_left_out(PolicyKind::VirtualKey, keys.iter().map(|key| id(&key.namespace, &key.name)));
    let default_key = bind(&sorted, &providers, &mut keys, &mut findings);
    applies_to::compile(&sorted, operator_namespace, &keys, &mut budgets, &mut findings);
    let mut document = Document {
        format: FORMAT,
        sequence: 0,
        providers,
        keys,
        default_key,
        rules: Vec::new(),
        budgets,
        catalogues,
        ..Document::default()
    };
    consumers::enforce(&sorted, &mut document, &mut findings);
    // In a cluster, no environment variable holds a credential.
    clear_text::enforce(&sorted, context.environment.is_some(), &mut document, &mut findings);
    document.rules = rules::compile(&sorted, operator_namespace, &document.providers, &document.keys, &mut findings);
    sorted.record_left_out(PolicyKind::RoutingRule, document.rules.iter().map(|rule| id(&rule.namespace, &rule.name)));
    let trials = trials::compile(&sorted, operator_namespace, &document, &mut findings);
    let conditions: CompiledConditions = document
        .rules
        .iter()
        .filter_map(|rule| {
            let condition = sorted.conditions.get(&id(&rule.namespace, &rule.name))?.as_ref()?;
            Some((rule.when.clone()?, Arc::clone(condition.as_ref().ok()?)))
        })
        .collect();
    if let Some(counted) = CountedPolicy::of(&document, &conditions) {
        unpriced::check(&sorted, &counted, &mut findings);
        downgrades::check(&sorted, &counted, &mut findings);
    }
    finding::in_order(&mut findings);
    Compiled { document, secrets, from_environment, findings, trials, conditions }
}

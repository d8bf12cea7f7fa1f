//! From objects to the policy that a gateway obeys: the one place that knows both.
//!
//! Pure: [`read`] takes text, [`compile`] takes objects and returns a document, the credentials that it refers to, and
//! what is wrong. Files, the clock and the environment are the caller's. For a namespace of a cluster it is [`compile_in`],
//! and [`Slices`] cut what its pods obey out of the document. One file a step:
//!
//! ```text
//! read -> judgement -> validate -> providers (credentials, authorities, mock, limits, prices) -> catalogues -> budgets (limits)
//!      -> keys (namespaces, limits) -> bindings -> applies -> consumers -> clear_text -> rules (fence) -> trials
//!      -> unpriced, downgrades (counted)
//! ```
//!
//! An object that can't be used is left out with an error that says so, and its neighbours stay. What would follow from
//! its absence alone is not told (`missing`).

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
use objects::id::id;
use objects::validate::{self, SortedObjects};
use objects::world::CompileContext;
use outrigger_core::SecretRef;
use outrigger_policy::{BudgetDoc, BuildError, CompiledConditions, Document, FORMAT, KeyDoc, Policy, ProviderDoc};
use prices::catalogues;
use providers::clear_text;
use read::source;
use rules::trials;

pub use cluster::{Cluster, compile_in};
pub use findings::finding::{Cause, Finding, Severity, SourcePlace};
pub use keys::default_key::COMMAND_LINE;
pub use objects::judgement::Judgement;
pub use providers::credentials::variable;
pub use providers::pem::{Certificates, NoCertificates};
pub use read::source::{DEFAULT_NAMESPACE, Object, Source, read};
pub use rules::trials::PlacedTrial;
pub use slice::Slices;

/// Where the operator lives, unless set otherwise: what stands there acts on all namespaces.
pub const OPERATOR_NAMESPACE: &str = "outrigger-system";

/// What a policy is compiled from.
pub struct Inputs<'a> {
    pub objects: &'a [Object],
    /// Whether a text held more that could not be read ([`Source::has_unread`]): what is not among the objects may be there.
    pub unread: bool,
    /// The environment, by name of variable: where Secrets are looked for that no object holds.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Names (or `namespace/name`) of keys that were asked for; the first is the default.
    pub keys: &'a [String],
    /// How bad it is that a credential's value is nowhere: an error where objects are judged, a warning where they are
    /// served, because a gateway passes over such a credential.
    pub without_value: Severity,
    /// The document's.
    pub sequence: u64,
    /// Its rules act on the keys of every namespace, its catalogues price providers of every namespace, and its Budgets may
    /// apply to them: [`OPERATOR_NAMESPACE`], as a rule.
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

/// What objects amount to.
pub struct Compiled {
    /// What can be used of them. In canonical order, so that the same objects have the same digest.
    pub document: Document,
    /// The values of its credentials, as far as they were found.
    pub secrets: Vec<(SecretRef, String)>,
    /// Those of them that no object holds: their values are from the environment, from [`variable`].
    pub from_environment: Vec<SecretRef>,
    /// By file and line.
    pub findings: Vec<Finding>,
    /// The tests of the document's rules, not run yet.
    pub trials: Vec<PlacedTrial>,
    /// The conditions of the document's rules, by their text: for [`Compiled::policy`].
    pub conditions: CompiledConditions,
}

impl Compiled {
    /// Whether nothing had to be left out.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }

    /// The policy that the document is, without compiling its conditions anew.
    ///
    /// # Errors
    /// As [`Policy::build`].
    pub fn policy(&self) -> Result<Policy, BuildError> {
        Policy::build_with(self.document.clone(), &self.conditions)
    }
}

/// Names the credentials, never their values.
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

/// Compiles a policy. Always succeeds: what can't be used is left out, and reported.
#[must_use]
pub fn compile(inputs: &Inputs<'_>) -> Compiled {
    let mut findings = Vec::new();
    let (ours, others): (Vec<&Object>, Vec<&Object>) =
        inputs.objects.iter().partition(|object| source::is_ours(&object.api_version));
    let judgements: Vec<Judgement> = ours.iter().map(|object| Judgement::of(object)).collect();
    let mut folder = validate::folder(ours.into_iter().zip(&judgements), others.into_iter(), &mut findings);
    folder.unread = inputs.unread;
    let world = CompileContext {
        environment: Some(inputs.environment),
        without_value: inputs.without_value,
        operator_namespace: inputs.operator_namespace,
    };
    let bind =
        |folder: &SortedObjects<'_>, providers: &[ProviderDoc], keys: &mut Vec<KeyDoc>, findings: &mut Vec<Finding>| {
            default_key::bind(folder, inputs.keys, providers, keys, findings)
        };
    let mut compiled = in_steps(folder, &world, &bind, findings);
    compiled.document.sequence = inputs.sequence;
    compiled
}

/// Gives callers that name no key one, and says which.
type Bind<'a> = dyn Fn(&SortedObjects<'_>, &[ProviderDoc], &mut Vec<KeyDoc>, &mut Vec<Finding>) -> Option<String> + 'a;

fn in_steps(
    mut folder: SortedObjects<'_>,
    world: &CompileContext<'_>,
    bind: &Bind<'_>,
    mut findings: Vec<Finding>,
) -> Compiled {
    let operator_namespace = world.operator_namespace;
    let (providers, secrets) = providers::compile(&folder, world, &mut findings);
    folder.left_out("LLMProvider", providers.iter().map(keys::id));
    let is_object = |at: &SecretRef| folder.secrets.contains_key(&id(at.namespace(), at.name()));
    let from_environment = secrets.iter().map(|(at, _)| at).filter(|at| !is_object(at)).cloned().collect();
    let catalogues = catalogues::compile(&folder, operator_namespace, &mut findings);
    let mut budgets = budgets::compile(&folder, &mut findings);
    folder.left_out("Budget", budgets.iter().map(BudgetDoc::id));
    let mut keys = keys::compile(&folder, &providers, &budgets, &mut findings);
    folder.left_out("VirtualKey", keys.iter().map(|key| id(&key.namespace, &key.name)));
    let default_key = bind(&folder, &providers, &mut keys, &mut findings);
    applies_to::compile(&folder, operator_namespace, &keys, &mut budgets, &mut findings);
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
    consumers::enforce(&folder, &mut document, &mut findings);
    // In a cluster no variable holds a credential.
    clear_text::enforce(&folder, world.environment.is_some(), &mut document, &mut findings);
    document.rules = rules::compile(&folder, operator_namespace, &document.providers, &document.keys, &mut findings);
    folder.left_out("RoutingRule", document.rules.iter().map(|rule| id(&rule.namespace, &rule.name)));
    let trials = trials::compile(&folder, operator_namespace, &document, &mut findings);
    let conditions: CompiledConditions = document
        .rules
        .iter()
        .filter_map(|rule| {
            let condition = folder.conditions.get(&id(&rule.namespace, &rule.name))?.as_ref()?;
            Some((rule.when.clone()?, Arc::clone(condition.as_ref().ok()?)))
        })
        .collect();
    if let Some(counted) = CountedPolicy::of(&document, &conditions) {
        unpriced::check(&folder, &counted, &mut findings);
        downgrades::check(&folder, &counted, &mut findings);
    }
    finding::in_order(&mut findings);
    Compiled { document, secrets, from_environment, findings, trials, conditions }
}

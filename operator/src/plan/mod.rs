//! Plans a namespace: evaluates its objects, cuts the result by binding, and computes a digest of each policy.

pub(crate) mod choose;
mod delivery;
mod digest;
pub mod last_good;
mod missing_credentials;
mod narrow;
pub(crate) mod prepare;
pub mod revision;
pub(crate) mod revoked;
pub(crate) mod scope;
pub mod sources;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use outrigger_compile::Slices;
use outrigger_core::SecretRef;
use outrigger_policy::{Document, LedgerDoc};

use crate::objects::binding::Binding;
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::version::ObjectVersion;
use crate::plan::choose::{EvaluatedNamespace, changed, evaluate};
use crate::plan::last_good::{LastGood, NamespaceView};
use crate::plan::revision::{NamespacePlan, PolicyRevision};
use crate::plan::sources::{SecretVersion, SourceBundle};
use crate::state::index::ObjectIndex;
use crate::status::reason::ConditionReason;
use crate::status::verdict::ObjectProblem;

/// The largest policy as JSON, in bytes. A ConfigMap takes little more than a million, and holds more than the policy.
pub const LARGEST: usize = 900_000;

/// Plans a namespace. The result depends only on the index, the last good versions and the time, and not on the order
/// of events.
#[must_use]
pub fn plan(index: &ObjectIndex, last_good: &mut LastGood, namespace: &str, now: Timestamp) -> NamespacePlan {
    let evaluated = evaluate(index, last_good, namespace);
    let mut plan = NamespacePlan {
        namespace: namespace.to_owned(),
        verdicts: verdicts::of(index, last_good, namespace, &evaluated, now),
        recheck: recheck(&evaluated, now),
        dependencies: evaluated.dependencies.clone(),
        exported: announced(last_good, namespace),
        index_changes: index.changes(),
        ..NamespacePlan::default()
    };
    let slices = Slices::of(&evaluated.compiled.document);
    let maker = RevisionBuilder {
        index,
        namespace,
        evaluated: &evaluated,
        view: last_good.view(namespace),
        last_good,
        values: evaluated.compiled.secrets.iter().map(|(at, value)| (at, value.as_str())).collect(),
    };
    for binding in bindings(index, namespace) {
        let mut document = slices.slice(namespace, binding.keys(), now.as_second());
        // A policy without limits has nothing to share, and older gateways can still read it.
        if index.shares_limits() && document.is_limited() {
            document = document.shared();
        } else if index.shares_limits() && !document.concurrent_limits().is_empty() {
            // Older gateways pass over this, and count their own.
            document.concurrency = LedgerDoc::Shared;
        }
        let mut json = json(&document);
        if json.len() > LARGEST {
            too_large(&mut plan, &binding, json.len());
            let Some(before) = last_good.policy(&binding) else {
                plan.too_large.insert(binding);
                continue;
            };
            document = narrow::narrow(before, &document);
            json = self::json(&document);
        }
        let revision = Arc::new(maker.revision(binding.clone(), document, &json));
        plan.revisions.insert(binding, revision);
    }
    last_good.store_policies(namespace, &plan.revisions, &plan.too_large);
    plan
}

fn json(document: &Document) -> Vec<u8> {
    // The document holds only strings and numbers, so writing it cannot fail.
    serde_json::to_vec(document).unwrap_or_default()
}

/// One binding for every key and for every pod; where there are pods, also the default one.
fn bindings(index: &ObjectIndex, namespace: &str) -> BTreeSet<Binding> {
    let of_pods = index.bindings(namespace);
    let mut all: BTreeSet<Binding> = of_pods.into_iter().flatten().cloned().collect();
    if !all.is_empty() {
        all.insert(Binding::default_of(namespace));
    }
    let keys = index.of(ObjectKind::VirtualKey, namespace);
    all.extend(keys.filter_map(|(id, _)| Binding::parse(namespace, Some(&id.name)).ok()));
    all
}

/// The objects for which other namespaces see something else than at the last plan of this namespace.
fn announced(last_good: &mut LastGood, namespace: &str) -> BTreeSet<ObjectId> {
    let Some(home) = last_good.home_mut(namespace) else { return BTreeSet::new() };
    let changed = changed(&home.announced, &home.exports);
    home.announced = home.exports.clone();
    changed
}

/// The time when the next key expires.
fn recheck(evaluated: &EvaluatedNamespace, now: Timestamp) -> Option<Timestamp> {
    let keys = evaluated.chosen.values().filter(|chosen| chosen.version.id.kind == ObjectKind::VirtualKey);
    let times = keys.filter_map(|chosen| chosen.version.expires_at());
    times.filter(|at| *at > now).min()
}

fn too_large(plan: &mut NamespacePlan, binding: &Binding, size: usize) {
    let message = format!(
        "the policy of {} would be {} kB, and the limit is {} kB: give its keys fewer providers, rules or catalogues. The \
         last written policy stays in force, without what was removed since",
        binding.object_name(),
        size / 1000,
        LARGEST / 1000
    );
    for key in binding.keys() {
        let id = ObjectId { kind: ObjectKind::VirtualKey, namespace: binding.namespace.clone(), name: key.clone() };
        if let Some(verdict) = plan.verdicts.get_mut(&id) {
            verdict.refused.push(ObjectProblem {
                reason: ConditionReason::TooLarge,
                path: String::new(),
                message: message.clone(),
            });
        }
    }
}

struct RevisionBuilder<'a> {
    index: &'a ObjectIndex,
    namespace: &'a str,
    evaluated: &'a EvaluatedNamespace,
    view: Option<&'a NamespaceView>,
    last_good: &'a LastGood,
    values: BTreeMap<&'a SecretRef, &'a str>,
}

impl RevisionBuilder<'_> {
    fn revision(&self, binding: Binding, document: Document, json: &[u8]) -> PolicyRevision {
        let objects = objects(&document);
        let reached = delivery::of(self.index, &binding, &document, &|id| self.serving(id));
        let allowed = delivery::allowed(&binding, &document, &|id| self.serving(id));
        let digest = digest::of(json, &reached, &allowed, &|at| self.view?.secrets.get(at));
        PolicyRevision {
            copied: delivery::copied(&reached),
            sources: self.sources(&objects, &document),
            allowed,
            credentials: delivery::values(reached, &self.values),
            binding,
            document,
            digest,
            objects,
        }
    }

    /// The version of an object that serves.
    fn serving(&self, id: &ObjectId) -> Option<&Arc<ObjectVersion>> {
        let own = || self.evaluated.chosen.get(id).map(|chosen| &chosen.version);
        self.evaluated.foreign.get(id).or_else(own)
    }

    /// The good versions of its objects, with what they need beside.
    fn sources(&self, objects: &BTreeSet<ObjectId>, document: &Document) -> Vec<u8> {
        let past = |id: &ObjectId| self.last_good.past(self.index, self.namespace, id);
        let versions: Vec<&Arc<ObjectVersion>> = objects.iter().filter_map(past).collect();
        let mut bundles: Vec<SourceBundle<'_>> = Vec::new();
        let places: Vec<_> = versions.iter().map(|version| version.certificate_authority()).collect();
        for (version, place) in versions.iter().zip(&places) {
            let of_document = document
                .providers
                .iter()
                .find(|provider| provider.namespace == version.id.namespace && provider.name == version.id.name);
            let pem =
                of_document.filter(|_| version.id.kind == ObjectKind::LlmProvider).and_then(|one| one.ca.as_deref());
            if let (Some((wanted, key)), Some(pem)) = (place, pem) {
                bundles.push(SourceBundle { wanted, key, pem });
            }
        }
        bundles.sort();
        bundles.dedup();
        let at = document.providers.iter().flat_map(|provider| &provider.credentials).map(|one| &one.secret);
        let secrets: BTreeMap<&SecretRef, &SecretVersion> =
            at.filter_map(|at| Some((at, self.view?.secrets.get(at)?))).collect();
        sources::write(versions.iter().map(|version| version.as_ref()), bundles.into_iter(), secrets.into_iter())
    }
}

/// The objects that a document was compiled from.
fn objects(document: &Document) -> BTreeSet<ObjectId> {
    let id = |kind: ObjectKind, namespace: &str, name: &str| ObjectId {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let providers = document.providers.iter().map(|one| id(ObjectKind::LlmProvider, &one.namespace, &one.name));
    let keys = document.keys.iter().filter(|key| !key.keyless);
    let keys = keys.map(|one| id(ObjectKind::VirtualKey, &one.namespace, &one.name));
    let rules = document.rules.iter().map(|one| id(ObjectKind::RoutingRule, &one.namespace, &one.name));
    let budgets = document.budgets.iter().map(|one| id(ObjectKind::Budget, &one.namespace, &one.name));
    let catalogues = document.catalogues.iter().map(|one| id(ObjectKind::ModelCatalog, &one.namespace, &one.name));
    providers.chain(keys).chain(rules).chain(budgets).chain(catalogues).collect()
}

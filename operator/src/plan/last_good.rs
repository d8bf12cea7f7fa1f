//! The last good version of each object. It serves while the present version cannot be used.
//!
//! **Last good, or gone.** If an object becomes *invalid* or *unresolved*, its last good version keeps serving, so that
//! a half-done edit or a missing Secret breaks nothing. If something is *revoked* (deleted, suspended, expired, no
//! longer shared), this is a valid new state and takes effect at once: see `operator/src/plan/revoked.rs`. Only a
//! Budget still applies after its deletion, as long as something references it, because a limit must not disappear by
//! accident.
//!
//! The plan of an object's own namespace decides whether a version is good, and other namespaces follow it. After a
//! restart, the versions are read from what was stored beside each policy ([`LastGood::restore`]). What a namespace's
//! ConfigMaps contain counts only for that namespace: a user who may write them must not decide about another
//! namespace's provider.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_core::SecretRef;
use outrigger_policy::Document;

use crate::objects::binding::Binding;
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::refs::{Reference, ValueRef};
use crate::objects::version::ObjectVersion;
use crate::plan::revision::PolicyRevision;
use crate::plan::sources::{self, SecretVersion, SourcesError};
use crate::state::index::{ObjectIndex, ValueSource};

/// The good versions, found by this process's plans or read from stored policies.
///
/// Everything is stored by namespace and shared until it changes, so a copy is cheap. A plan works on a copy.
/// [`Self::learn`] takes over its results for its own namespace, so no plan waits for another.
#[derive(Clone, Debug, Default)]
pub struct LastGood {
    /// Found by the plans of the objects' own namespaces, or stored there.
    good: BTreeMap<String, Arc<Versions>>,
    views: BTreeMap<String, Arc<NamespaceView>>,
    homes: BTreeMap<String, Arc<HomeState>>,
    /// The last planned policy of each binding, for when the next one is too large.
    policies: BTreeMap<String, Arc<Policies>>,
}

type Versions = BTreeMap<ObjectId, Arc<ObjectVersion>>;
type Policies = BTreeMap<Binding, KnownPolicy>;

#[derive(Clone, Debug)]
enum KnownPolicy {
    Planned(Arc<PolicyRevision>),
    /// Written before this process started.
    Written(Arc<Document>),
}

/// What one namespace remembers about others.
#[derive(Clone, Debug, Default)]
pub(crate) struct NamespaceView {
    /// Objects of other namespaces as of when its policy was written. Used if their own namespace remembers nothing.
    pub objects: BTreeMap<ObjectId, Arc<ObjectVersion>>,
    /// The sources of bundles of certificates, as last read.
    pub bundles: BTreeMap<ValueRef, Arc<ValueSource>>,
    /// The versions of the credentials' Secrets whose values were last read.
    pub secrets: BTreeMap<SecretRef, SecretVersion>,
}

/// What a namespace last decided about its own objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct HomeState {
    /// The index's stamp at that time.
    pub stamp: u64,
    pub chosen: BTreeMap<ObjectId, Chosen>,
    /// Substitutes for the present Secrets and ConfigMaps.
    pub values: BTreeMap<ValueRef, Arc<ValueSource>>,
    /// What other namespaces see of it: now, and when they were last notified.
    pub exports: Exports,
    pub announced: Exports,
}

pub(crate) type Exports = BTreeMap<ObjectId, Export>;

/// What other namespaces see of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Export {
    /// Uid and generation of the present version.
    pub now: (String, i64),
    /// The version that serves: its generation, and whether it is usable, known to be good, and uses an old bundle.
    pub serves: (i64, bool, bool, bool),
}

/// The version of an object that serves.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub version: Arc<ObjectVersion>,
    /// Whether something of it serves. Otherwise it is only listed as missing.
    pub usable: bool,
    /// Whether its own namespace has a good version: this one or the last one.
    pub known: bool,
}

impl LastGood {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what was stored beside a policy of a namespace: [`crate::names::SOURCES_FILE`]. Called before the first
    /// plan.
    ///
    /// # Errors
    /// The bytes are not valid sources. Nothing of them is used.
    pub fn restore(&mut self, namespace: &str, bytes: &[u8]) -> Result<(), SourcesError> {
        let read = sources::read(bytes)?;
        let view = Arc::make_mut(self.views.entry(namespace.to_owned()).or_default());
        let mut own_versions = self.good.remove(namespace).unwrap_or_default();
        for version in read.objects {
            let own = version.id.namespace == namespace;
            let into = if own { Arc::make_mut(&mut own_versions) } else { &mut view.objects };
            // Policies of a namespace are not written at the same time. The newest version counts.
            let newer = into.get(&version.id).is_none_or(|known| known.generation < version.generation);
            if newer {
                into.insert(version.id.clone(), Arc::new(version));
            }
        }
        if !own_versions.is_empty() {
            self.good.insert(namespace.to_owned(), own_versions);
        }
        for (wanted, holding) in read.bundles {
            view.bundles.insert(wanted, Arc::new(holding));
        }
        view.secrets.extend(read.secrets);
        Ok(())
    }

    /// Whether the written policy of a binding has not been read yet.
    #[must_use]
    pub fn needs_written_policy(&self, binding: &Binding) -> bool {
        self.known_policy(binding).is_none()
    }

    /// Stores a binding's written policy, read because of [`Self::needs_written_policy`].
    pub fn read_back(&mut self, binding: &Binding, document: Document) {
        let policies = Arc::make_mut(self.policies.entry(binding.namespace.clone()).or_default());
        policies.entry(binding.clone()).or_insert_with(|| KnownPolicy::Written(Arc::new(document)));
    }

    /// The last planned or written policy of a binding.
    pub(crate) fn policy(&self, binding: &Binding) -> Option<&Document> {
        match self.known_policy(binding)? {
            KnownPolicy::Planned(revision) => Some(&revision.document),
            KnownPolicy::Written(document) => Some(document),
        }
    }

    fn known_policy(&self, binding: &Binding) -> Option<&KnownPolicy> {
        self.policies.get(&binding.namespace)?.get(binding)
    }

    /// Stores the planned policies of a namespace. For bindings in `too_large`, the previous ones stay.
    pub(crate) fn store_policies(
        &mut self,
        namespace: &str,
        planned: &BTreeMap<Binding, Arc<PolicyRevision>>,
        too_large: &BTreeSet<Binding>,
    ) {
        let mut policies = self.policies.remove(namespace).unwrap_or_default();
        let policies_mut = Arc::make_mut(&mut policies);
        policies_mut.retain(|binding, _| too_large.contains(binding));
        policies_mut.extend(
            planned.iter().map(|(binding, revision)| (binding.clone(), KnownPolicy::Planned(revision.clone()))),
        );
        if !policies_mut.is_empty() {
            self.policies.insert(namespace.to_owned(), policies);
        }
    }

    /// The last good version of an object, if the present object has the same uid.
    pub(crate) fn of(&self, now: &ObjectVersion) -> Option<&Arc<ObjectVersion>> {
        self.good_version(&now.id).filter(|version| version.uid == now.uid)
    }

    fn good_version(&self, id: &ObjectId) -> Option<&Arc<ObjectVersion>> {
        self.good.get(&id.namespace)?.get(id)
    }

    /// The last version of a deleted Budget.
    pub(crate) fn deleted_budget(&self, viewer: &str, id: &ObjectId) -> Option<&Arc<ObjectVersion>> {
        let seen = || self.views.get(viewer).and_then(|view| view.objects.get(id));
        self.good_version(id).or_else(seen).filter(|_| id.kind == ObjectKind::Budget)
    }

    /// An object of another namespace as `viewer` remembers it, if the present object has the same uid.
    pub(crate) fn seen_by(&self, viewer: &str, now: &ObjectVersion) -> Option<&Arc<ObjectVersion>> {
        self.views.get(viewer)?.objects.get(&now.id).filter(|version| version.uid == now.uid)
    }

    /// The highest generation of an object that other namespaces remember. They use it while its own namespace has
    /// none.
    pub(crate) fn seen_elsewhere(&self, now: &ObjectVersion) -> Option<i64> {
        let others = self.views.iter().filter(|(viewer, _)| **viewer != now.id.namespace);
        others.filter_map(|(viewer, _)| self.seen_by(viewer, now)).map(|version| version.generation).max()
    }

    /// All remembered versions of an object.
    pub(crate) fn versions(&self, viewer: &str, id: &ObjectId) -> Vec<Arc<ObjectVersion>> {
        let seen = self.views.get(viewer).and_then(|view| view.objects.get(id));
        self.good_version(id).into_iter().chain(seen).cloned().collect()
    }

    /// The source of a bundle of certificates, as last read for a namespace.
    pub(crate) fn bundle(&self, viewer: &str, wanted: &ValueRef) -> Option<&Arc<ValueSource>> {
        self.views.get(viewer)?.bundles.get(wanted)
    }

    /// What a namespace last chose for one of its own objects.
    pub(crate) fn chosen(&self, id: &ObjectId) -> Option<&Chosen> {
        self.homes.get(&id.namespace)?.chosen.get(id)
    }

    /// Whether a namespace's choices about its own objects are up to date.
    pub(crate) fn is_up_to_date(&self, index: &ObjectIndex, namespace: &str) -> bool {
        self.homes.get(namespace).is_some_and(|home| home.stamp == index.stamp(namespace))
    }

    pub(crate) fn view(&self, viewer: &str) -> Option<&NamespaceView> {
        self.views.get(viewer).map(AsRef::as_ref)
    }

    pub(crate) fn view_mut(&mut self, viewer: &str) -> &mut NamespaceView {
        Arc::make_mut(self.views.entry(viewer.to_owned()).or_default())
    }

    pub(crate) fn home(&self, namespace: &str) -> Option<&HomeState> {
        self.homes.get(namespace).map(AsRef::as_ref)
    }

    pub(crate) fn home_mut(&mut self, namespace: &str) -> Option<&mut HomeState> {
        self.homes.get_mut(namespace).map(Arc::make_mut)
    }

    pub(crate) fn put_home(&mut self, namespace: &str, home: HomeState) {
        self.homes.insert(namespace.to_owned(), Arc::new(home));
    }

    /// The remembered version of an object, as `viewer` may use it.
    pub(crate) fn past(&self, index: &ObjectIndex, viewer: &str, id: &ObjectId) -> Option<&Arc<ObjectVersion>> {
        match index.get(id) {
            Some(known) => self.of(&known.version).or_else(|| self.seen_by(viewer, &known.version)),
            None => self.deleted_budget(viewer, id),
        }
    }

    /// Forgets a namespace without objects.
    pub(crate) fn forget(&mut self, namespace: &str) {
        self.views.remove(namespace);
        self.homes.remove(namespace);
    }

    pub(crate) fn keep(&mut self, version: &Arc<ObjectVersion>) {
        let versions = self.good.entry(version.id.namespace.clone()).or_default();
        Arc::make_mut(versions).insert(version.id.clone(), version.clone());
    }

    /// Forgets deleted objects of a namespace. A deleted Budget stays as long as an object, or a version that serves
    /// instead of it, references it. `dependencies` are those of the namespace itself.
    pub(crate) fn forget_gone(&mut self, index: &ObjectIndex, namespace: &str, dependencies: &BTreeSet<Reference>) {
        let named = |id: &ObjectId| {
            !index.users(id).is_empty()
                || dependencies.contains(&Reference::Object(id.clone()))
                || index.is_dependency_elsewhere(namespace, id)
        };
        let gone = |id: &ObjectId| index.get(id).is_none() && !(id.kind == ObjectKind::Budget && named(id));
        if let Some(versions) = self.good.get_mut(namespace) {
            let versions = Arc::make_mut(versions);
            versions.retain(|id, _| !gone(id));
            if versions.is_empty() {
                self.good.remove(namespace);
            }
        }
        let of_others = |id: &ObjectId| !gone(id);
        if let Some(view) = self.views.get_mut(namespace).map(Arc::make_mut) {
            view.objects.retain(|id, _| of_others(id));
        }
    }

    /// Takes over what a plan of a namespace changed in its copy: everything of that namespace, and versions of others
    /// that were not known yet. `index` is the present state.
    pub fn learn(&mut self, index: &ObjectIndex, namespace: &str, planned: Self) {
        let LastGood { mut good, mut views, mut homes, mut policies } = planned;
        put(&mut self.good, namespace, good.remove(namespace));
        put(&mut self.views, namespace, views.remove(namespace));
        put(&mut self.homes, namespace, homes.remove(namespace));
        put(&mut self.policies, namespace, policies.remove(namespace));
        for (name, home) in homes {
            self.homes.entry(name).or_insert(home);
        }
        for (name, found) in good {
            if self.good.get(&name).is_some_and(|known| Arc::ptr_eq(known, &found)) {
                continue;
            }
            let is_there =
                |version: &ObjectVersion| index.get(&version.id).is_some_and(|now| now.version.uid == version.uid);
            for version in found.values().filter(|version| is_there(version)) {
                let newer = self.of(version).is_none_or(|known| known.generation < version.generation);
                if newer {
                    self.keep(version);
                }
            }
        }
    }
}

fn put<T>(all: &mut BTreeMap<String, T>, name: &str, one: Option<T>) {
    match one {
        Some(one) => all.insert(name.to_owned(), one),
        None => all.remove(name),
    };
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value(namespace: &str, generation: i64) -> Value {
        json!({
            "apiVersion": "outrigger.dev/v1alpha1", "kind": "Budget",
            "metadata": {"namespace": namespace, "name": "b", "uid": namespace, "generation": generation},
            "spec": {"amount": generation.to_string(), "window": "Day"},
        })
    }

    fn store(good: &mut LastGood, namespace: &str, generation: i64) {
        good.keep(&Arc::new(ObjectVersion::of(&value(namespace, generation)).unwrap()));
    }

    fn generation(good: &LastGood, namespace: &str) -> Option<i64> {
        let id = ObjectId { kind: ObjectKind::Budget, namespace: namespace.to_owned(), name: "b".to_owned() };
        good.good_version(&id).map(|version| version.generation)
    }

    #[test]
    fn a_plan_replaces_its_own_namespace_and_adds_unknown_versions_of_others() {
        let mut index = ObjectIndex::new("outrigger-system", false);
        for namespace in ["shop", "platform", "new"] {
            let _ = index.apply(&value(namespace, 3));
        }
        let mut good = LastGood::new();
        ["shop", "platform", "gone"].into_iter().for_each(|namespace| store(&mut good, namespace, 2));
        let mut planned = good.clone();
        // Meanwhile, other namespaces were planned, and one was deleted.
        store(&mut good, "platform", 3);
        good.good.remove("gone");
        store(&mut planned, "shop", 1);
        ["platform", "gone"].into_iter().for_each(|namespace| store(&mut planned, namespace, 2));
        store(&mut planned, "new", 3);
        good.learn(&index, "shop", planned);
        let known = ["shop", "platform", "gone", "new"].map(|namespace| generation(&good, namespace));
        assert_eq!(known, [Some(1), Some(3), None, Some(3)]);
        // A version that the plan removed is removed here too.
        let mut planned = good.clone();
        planned.good.remove("shop");
        good.learn(&index, "shop", planned);
        assert_eq!(generation(&good, "shop"), None);
    }
}

//! The last good version of each object. It serves while the present version cannot be used.
//!
//! **Last good, or gone.** What is *invalid* or *unresolved* keeps serving as it was, so a half-done edit or a missing Secret
//! takes nothing down. What is *revoked* (deleted, suspended, expired, no longer shared) is a valid new state and is in force at
//! once: see `operator/src/plan/revoked.rs`. Only a Budget outlives its deletion, for as long as something names it: a limit
//! must not vanish by accident.
//!
//! The plan of an object's own namespace decides whether a version is good, and other namespaces follow it. After a restart the
//! versions are read back from what was written beside each policy ([`LastGood::restore`]). What a namespace's ConfigMaps say
//! counts for that namespace alone: whoever may write them must not decide what another namespace's provider was.

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

/// What was good, by the process's own experience and by what was written.
///
/// Everything is kept by namespace, and shared until it changes: a copy is cheap. A plan works on a copy, and what it made of
/// its own namespace is [learned](Self::learn), so that no plan waits for another.
#[derive(Clone, Debug, Default)]
pub struct LastGood {
    /// By the plans of their homes, and by what was written there.
    good: BTreeMap<String, Arc<Versions>>,
    views: BTreeMap<String, Arc<NamespaceView>>,
    homes: BTreeMap<String, Arc<HomeState>>,
    /// What was planned for each binding last, for when the next can't be written.
    policies: BTreeMap<String, Arc<Policies>>,
}

type Versions = BTreeMap<ObjectId, Arc<ObjectVersion>>;
type Policies = BTreeMap<Binding, KnownPolicy>;

#[derive(Clone, Debug)]
enum KnownPolicy {
    Planned(Arc<PolicyRevision>),
    /// Of before this process.
    Written(Arc<Document>),
}

/// What a namespace alone remembers.
#[derive(Clone, Debug, Default)]
pub(crate) struct NamespaceView {
    /// Objects of other namespaces, as they were when its policy was written: for a home that remembers nothing.
    pub objects: BTreeMap<ObjectId, Arc<ObjectVersion>>,
    /// Where bundles of certificates came from, as they were last read.
    pub bundles: BTreeMap<ValueRef, Arc<ValueSource>>,
    /// The versions of credentials' Secrets as their values were last read.
    pub secrets: BTreeMap<SecretRef, SecretVersion>,
}

/// What a namespace said last of its own objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct HomeState {
    /// The index's, at that time.
    pub stamp: u64,
    pub chosen: BTreeMap<ObjectId, Chosen>,
    /// What is used in the place of what holds values now.
    pub values: BTreeMap<ValueRef, Arc<ValueSource>>,
    /// What others see of it: now, and when they were last told.
    pub exports: Exports,
    pub announced: Exports,
}

pub(crate) type Exports = BTreeMap<ObjectId, Export>;

/// What others see of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Export {
    /// The version that is there: uid and generation.
    pub now: (String, i64),
    /// The one that serves: generation, and whether it is usable, known to be good, and trusts an old bundle.
    pub serves: (i64, bool, bool, bool),
}

/// The version of an object that serves.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub version: Arc<ObjectVersion>,
    /// Something of it serves. Else it is there to be missed.
    pub usable: bool,
    /// Its home has a good version of it: this one, or the last.
    pub known: bool,
}

impl LastGood {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads back what was written beside a policy of a namespace: [`crate::names::SOURCES_FILE`]. Before the first plan.
    ///
    /// # Errors
    /// It is none; what it holds is passed over as a whole.
    pub fn restore(&mut self, namespace: &str, bytes: &[u8]) -> Result<(), SourcesError> {
        let read = sources::read(bytes)?;
        let view = Arc::make_mut(self.views.entry(namespace.to_owned()).or_default());
        let mut own_versions = self.good.remove(namespace).unwrap_or_default();
        for version in read.objects {
            let own = version.id.namespace == namespace;
            let into = if own { Arc::make_mut(&mut own_versions) } else { &mut view.objects };
            // Policies of one namespace are not written all at once: the newest version counts.
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

    /// Whether it is not known what was written for a binding.
    #[must_use]
    pub fn wants_policy(&self, binding: &Binding) -> bool {
        self.known_policy(binding).is_none()
    }

    /// Takes what was written for a binding, as it was found when [`Self::wants_policy`].
    pub fn read_back(&mut self, binding: &Binding, document: Document) {
        let policies = Arc::make_mut(self.policies.entry(binding.namespace.clone()).or_default());
        policies.entry(binding.clone()).or_insert_with(|| KnownPolicy::Written(Arc::new(document)));
    }

    /// What was planned or written for a binding before.
    pub(crate) fn policy(&self, binding: &Binding) -> Option<&Document> {
        match self.known_policy(binding)? {
            KnownPolicy::Planned(revision) => Some(&revision.document),
            KnownPolicy::Written(document) => Some(document),
        }
    }

    fn known_policy(&self, binding: &Binding) -> Option<&KnownPolicy> {
        self.policies.get(&binding.namespace)?.get(binding)
    }

    /// Those of a namespace, as they were planned; of `held` ones what is known stays.
    pub(crate) fn keep_policies(
        &mut self,
        namespace: &str,
        planned: &BTreeMap<Binding, Arc<PolicyRevision>>,
        held: &BTreeSet<Binding>,
    ) {
        let mut policies = self.policies.remove(namespace).unwrap_or_default();
        let kept = Arc::make_mut(&mut policies);
        kept.retain(|binding, _| held.contains(binding));
        kept.extend(
            planned.iter().map(|(binding, revision)| (binding.clone(), KnownPolicy::Planned(revision.clone()))),
        );
        if !kept.is_empty() {
            self.policies.insert(namespace.to_owned(), policies);
        }
    }

    /// The last good version of an object of a namespace's own, if it is of the object that is there now.
    pub(crate) fn of(&self, now: &ObjectVersion) -> Option<&Arc<ObjectVersion>> {
        self.good_one(&now.id).filter(|version| version.uid == now.uid)
    }

    fn good_one(&self, id: &ObjectId) -> Option<&Arc<ObjectVersion>> {
        self.good.get(&id.namespace)?.get(id)
    }

    /// A Budget that is gone, as it was.
    pub(crate) fn deleted_budget(&self, viewer: &str, id: &ObjectId) -> Option<&Arc<ObjectVersion>> {
        let seen = || self.views.get(viewer).and_then(|view| view.objects.get(id));
        self.good_one(id).or_else(seen).filter(|_| id.kind == ObjectKind::Budget)
    }

    /// An object of another namespace as a namespace remembers it, if it is the one that is there now.
    pub(crate) fn seen_by(&self, viewer: &str, now: &ObjectVersion) -> Option<&Arc<ObjectVersion>> {
        self.views.get(viewer)?.objects.get(&now.id).filter(|version| version.uid == now.uid)
    }

    /// The generation of an object that some other namespace remembers, and serves while its home knows none.
    pub(crate) fn seen_elsewhere(&self, now: &ObjectVersion) -> Option<i64> {
        let others = self.views.iter().filter(|(viewer, _)| **viewer != now.id.namespace);
        others.filter_map(|(viewer, _)| self.seen_by(viewer, now)).map(|version| version.generation).max()
    }

    /// All that are remembered of an object.
    pub(crate) fn versions(&self, viewer: &str, id: &ObjectId) -> Vec<Arc<ObjectVersion>> {
        let seen = self.views.get(viewer).and_then(|view| view.objects.get(id));
        self.good_one(id).into_iter().chain(seen).cloned().collect()
    }

    /// What holds a bundle of certificates, as it was last read for a namespace.
    pub(crate) fn bundle(&self, viewer: &str, wanted: &ValueRef) -> Option<&Arc<ValueSource>> {
        self.views.get(viewer)?.bundles.get(wanted)
    }

    /// What a namespace said last of an object of its own.
    pub(crate) fn chosen(&self, id: &ObjectId) -> Option<&Chosen> {
        self.homes.get(&id.namespace)?.chosen.get(id)
    }

    /// Whether a namespace's last word on its own objects is up to date.
    pub(crate) fn is_judged(&self, index: &ObjectIndex, namespace: &str) -> bool {
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

    /// What is kept of an object for one that looks at it, wherever it stands.
    pub(crate) fn past(&self, index: &ObjectIndex, viewer: &str, id: &ObjectId) -> Option<&Arc<ObjectVersion>> {
        match index.get(id) {
            Some(known) => self.of(&known.version).or_else(|| self.seen_by(viewer, &known.version)),
            None => self.deleted_budget(viewer, id),
        }
    }

    /// Forgets a namespace that has nothing any more.
    pub(crate) fn forget(&mut self, namespace: &str) {
        self.views.remove(namespace);
        self.homes.remove(namespace);
    }

    pub(crate) fn keep(&mut self, version: &Arc<ObjectVersion>) {
        let versions = self.good.entry(version.id.namespace.clone()).or_default();
        Arc::make_mut(versions).insert(version.id.clone(), version.clone());
    }

    /// Forgets what of a namespace is gone for good: a Budget is not, as long as somebody names it, or something that serves
    /// in the place of another. `dependencies` is what the namespace itself hangs on.
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

    /// Takes what a plan of a namespace has made of a copy of this: all of that namespace, and what it found out on its way of
    /// others that nobody knew yet. `index` is what there is now.
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

    fn kept(good: &mut LastGood, namespace: &str, generation: i64) {
        good.keep(&Arc::new(ObjectVersion::of(&value(namespace, generation)).unwrap()));
    }

    fn generation(good: &LastGood, namespace: &str) -> Option<i64> {
        let id = ObjectId { kind: ObjectKind::Budget, namespace: namespace.to_owned(), name: "b".to_owned() };
        good.good_one(&id).map(|version| version.generation)
    }

    #[test]
    fn a_plan_says_what_its_namespace_is_and_of_others_what_nobody_knew() {
        let mut index = ObjectIndex::new("outrigger-system", false);
        for namespace in ["shop", "platform", "new"] {
            let _ = index.apply(&value(namespace, 3));
        }
        let mut good = LastGood::new();
        ["shop", "platform", "gone"].into_iter().for_each(|namespace| kept(&mut good, namespace, 2));
        let mut planned = good.clone();
        // Meanwhile others were planned, of whom one is gone.
        kept(&mut good, "platform", 3);
        good.good.remove("gone");
        kept(&mut planned, "shop", 1);
        ["platform", "gone"].into_iter().for_each(|namespace| kept(&mut planned, namespace, 2));
        kept(&mut planned, "new", 3);
        good.learn(&index, "shop", planned);
        let known = ["shop", "platform", "gone", "new"].map(|namespace| generation(&good, namespace));
        assert_eq!(known, [Some(1), Some(3), None, Some(3)]);
        // And what it says is gone, is.
        let mut planned = good.clone();
        planned.good.remove("shop");
        good.learn(&index, "shop", planned);
        assert_eq!(generation(&good, "shop"), None);
    }
}

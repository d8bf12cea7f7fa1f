//! The last good version of each object, which serves while the present one can't be used.
//!
//! **Last good, or gone.** What is *invalid* or *unresolved* serves on as it was: an edit that is half done, a Secret that
//! isn't there yet, takes nothing down. What is *withdrawn* (deleted, suspended, expired, no longer shared) is a valid new
//! state, in force at once: see `operator/src/withdrawn.rs`. A Budget alone outlives its deletion, as long as it is named: a limit
//! must not vanish by accident.
//!
//! Whether an object is good is found by its home namespace's plan, and other namespaces go by that. After a restart it is
//! read back from what was written beside each policy ([`LastGood::restore`]). There a namespace's own words count for the
//! namespace alone: whoever may write its ConfigMaps must not get to say what a provider of another namespace was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_policy::{Document, SecretAt};

use crate::binding::Binding;
use crate::index::{Holding, Index};
use crate::object::{Kind, ObjectId};
use crate::refs::{Named, Wanted};
use crate::revision::Revision;
use crate::sources::{self, SecretVersion, SourcesError};
use crate::version::Version;

/// What was good, by the process's own experience and by what was written.
#[derive(Debug, Default)]
pub struct LastGood {
    /// By the plans of their homes, and by what was written there.
    good: BTreeMap<ObjectId, Arc<Version>>,
    views: BTreeMap<String, View>,
    pub(crate) homes: BTreeMap<String, Home>,
    /// What was planned for each binding last, for when the next can't be written.
    policies: BTreeMap<Binding, Policy>,
}

#[derive(Debug)]
enum Policy {
    Planned(Arc<Revision>),
    /// Of before this process.
    Written(Box<Document>),
}

/// What a namespace alone remembers.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// Objects of other namespaces, as they were when its policy was written: for a home that remembers nothing.
    pub objects: BTreeMap<ObjectId, Arc<Version>>,
    /// Where bundles of certificates came from, as they were last read.
    pub bundles: BTreeMap<Wanted, Arc<Holding>>,
    /// The versions of credentials' Secrets as their values were last read.
    pub secrets: BTreeMap<SecretAt, SecretVersion>,
}

/// What a namespace said last of its own objects.
#[derive(Debug, Default)]
pub(crate) struct Home {
    /// The index's, at that time.
    pub stamp: u64,
    pub chosen: BTreeMap<ObjectId, Chosen>,
    /// What is used in the place of what holds values now.
    pub values: BTreeMap<Wanted, Arc<Holding>>,
    /// What others see of it: now, and when they were last told.
    pub exports: Exports,
    pub told: Exports,
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
    pub version: Arc<Version>,
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
        let view = self.views.entry(namespace.to_owned()).or_default();
        for version in read.objects {
            let into = if version.id.namespace == namespace { &mut self.good } else { &mut view.objects };
            // Policies of one namespace are not written all at once: the newest version counts.
            let newer = into.get(&version.id).is_none_or(|known| known.generation < version.generation);
            if newer {
                into.insert(version.id.clone(), Arc::new(version));
            }
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
        !self.policies.contains_key(binding)
    }

    /// Takes what was written for a binding, as it was found when [`Self::wants_policy`].
    pub fn read_back(&mut self, binding: &Binding, document: Document) {
        self.policies.entry(binding.clone()).or_insert_with(|| Policy::Written(Box::new(document)));
    }

    /// What was planned or written for a binding before.
    pub(crate) fn policy(&self, binding: &Binding) -> Option<&Document> {
        match self.policies.get(binding)? {
            Policy::Planned(revision) => Some(&revision.document),
            Policy::Written(document) => Some(document),
        }
    }

    /// Those of a namespace, as they were planned; of `held` ones what is known stays.
    pub(crate) fn keep_policies(
        &mut self,
        namespace: &str,
        planned: &BTreeMap<Binding, Arc<Revision>>,
        held: &BTreeSet<Binding>,
    ) {
        self.policies.retain(|binding, _| binding.namespace != namespace || held.contains(binding));
        let planned = planned.iter().map(|(binding, revision)| (binding.clone(), Policy::Planned(revision.clone())));
        self.policies.extend(planned);
    }

    /// The last good version of an object of a namespace's own, if it is of the object that is there now.
    pub(crate) fn of(&self, now: &Version) -> Option<&Arc<Version>> {
        self.good.get(&now.id).filter(|version| version.uid == now.uid)
    }

    /// A Budget that is gone, as it was.
    pub(crate) fn ghost(&self, viewer: &str, id: &ObjectId) -> Option<&Arc<Version>> {
        let seen = || self.views.get(viewer).and_then(|view| view.objects.get(id));
        self.good.get(id).or_else(seen).filter(|_| id.kind == Kind::Budget)
    }

    /// An object of another namespace as a namespace remembers it, if it is the one that is there now.
    pub(crate) fn seen_by(&self, viewer: &str, now: &Version) -> Option<&Arc<Version>> {
        self.views.get(viewer)?.objects.get(&now.id).filter(|version| version.uid == now.uid)
    }

    /// The generation of an object that some other namespace remembers, and serves while its home knows none.
    pub(crate) fn seen_elsewhere(&self, now: &Version) -> Option<i64> {
        let others = self.views.iter().filter(|(viewer, _)| **viewer != now.id.namespace);
        others.filter_map(|(viewer, _)| self.seen_by(viewer, now)).map(|version| version.generation).max()
    }

    /// All that are remembered of an object.
    pub(crate) fn versions(&self, viewer: &str, id: &ObjectId) -> Vec<Arc<Version>> {
        let seen = self.views.get(viewer).and_then(|view| view.objects.get(id));
        self.good.get(id).into_iter().chain(seen).cloned().collect()
    }

    /// What holds a bundle of certificates, as it was last read for a namespace.
    pub(crate) fn bundle(&self, viewer: &str, wanted: &Wanted) -> Option<&Arc<Holding>> {
        self.views.get(viewer)?.bundles.get(wanted)
    }

    /// What a namespace said last of an object of its own.
    pub(crate) fn chosen(&self, id: &ObjectId) -> Option<&Chosen> {
        self.homes.get(&id.namespace)?.chosen.get(id)
    }

    /// Whether a namespace's last word on its own objects is up to date.
    pub(crate) fn is_judged(&self, index: &Index, namespace: &str) -> bool {
        self.homes.get(namespace).is_some_and(|home| home.stamp == index.stamp(namespace))
    }

    pub(crate) fn view(&self, viewer: &str) -> Option<&View> {
        self.views.get(viewer)
    }

    pub(crate) fn view_mut(&mut self, viewer: &str) -> &mut View {
        self.views.entry(viewer.to_owned()).or_default()
    }

    /// What is kept of an object for one that looks at it, wherever it stands.
    pub(crate) fn past(&self, index: &Index, viewer: &str, id: &ObjectId) -> Option<&Arc<Version>> {
        match index.get(id) {
            Some(known) => self.of(&known.version).or_else(|| self.seen_by(viewer, &known.version)),
            None => self.ghost(viewer, id),
        }
    }

    /// Forgets a namespace that has nothing any more.
    pub(crate) fn forget(&mut self, namespace: &str) {
        self.views.remove(namespace);
        self.homes.remove(namespace);
    }

    pub(crate) fn keep(&mut self, version: &Arc<Version>) {
        self.good.insert(version.id.clone(), version.clone());
    }

    /// Forgets what of a namespace is gone for good: a Budget is not, as long as somebody names it, or something that serves
    /// in the place of another. `looked` is what the namespace itself hangs on.
    pub(crate) fn forget_gone(&mut self, index: &Index, namespace: &str, looked: &BTreeSet<Named>) {
        let named = |id: &ObjectId| {
            !index.users(id).is_empty()
                || looked.contains(&Named::Object(id.clone()))
                || index.is_looked_at_beside(namespace, id)
        };
        let gone = |id: &ObjectId| index.get(id).is_none() && !(id.kind == Kind::Budget && named(id));
        for kind in Kind::ALL {
            let first = ObjectId { kind, namespace: namespace.to_owned(), name: String::new() };
            let own = self.good.range(first..).map(|(id, _)| id).take_while(|id| id.kind == kind);
            let own = own.take_while(|id| id.namespace == namespace).filter(|id| gone(id)).cloned();
            for id in own.collect::<Vec<_>>() {
                self.good.remove(&id);
            }
        }
        let of_others = |id: &ObjectId| !gone(id);
        if let Some(view) = self.views.get_mut(namespace) {
            view.objects.retain(|id, _| of_others(id));
        }
    }
}

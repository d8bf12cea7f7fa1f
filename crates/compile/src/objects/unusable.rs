//! Objects that exist and can't be used. Findings about other objects must not claim that they are missing, nor repeat
//! their problem.

use std::collections::HashSet;

use outrigger_core::ObjectRef;
use outrigger_policy::KeyDoc;

use crate::objects::id::id;
use crate::objects::kind::PolicyKind;
use crate::objects::sorted::{Keyless, SortedObjects};
use crate::read::source::DEFAULT_KEY;

/// The message for a missing object, while there are texts that can't be read.
pub(crate) fn in_unread_text(kind: PolicyKind, id: &ObjectRef) -> String {
    format!("{} {id} is in no file that can be read: mend the others first", kind.name())
}

impl SortedObjects<'_> {
    /// Records the objects of a kind that are not in the document, whichever step left them out.
    pub fn record_left_out(&mut self, kind: PolicyKind, made: impl Iterator<Item = ObjectRef>) {
        let made: HashSet<ObjectRef> = made.collect();
        let there: Vec<&ObjectRef> = match kind {
            PolicyKind::LlmProvider => self.providers.keys().collect(),
            PolicyKind::VirtualKey => self.keys.keys().collect(),
            PolicyKind::Budget => self.budgets.keys().collect(),
            PolicyKind::RoutingRule => self.rules.keys().collect(),
            PolicyKind::ModelCatalog => self.catalogs.keys().collect(),
        };
        let missing = there.into_iter().filter(|id| !made.contains(*id));
        self.unusable.extend(missing.map(|id| (kind, id.clone())));
    }

    /// Whether an unusable object of a kind matches, or may match: a text that can't be read may contain any object.
    pub fn has_unusable(&self, kind: PolicyKind, such: impl Fn(&ObjectRef) -> bool) -> bool {
        self.unread || self.unusable.iter().any(|(of, id)| *of == kind && such(id))
    }

    /// Whether the key of callers without a key may be missing: a provider that can't be used may have allowed it.
    pub fn may_miss_keyless(&self, such: impl Fn(&ObjectRef) -> bool) -> bool {
        let names = self.key_names();
        match self.keyless {
            Keyless::WithoutAnyKey => names.is_empty() && self.has_unusable(PolicyKind::LlmProvider, such),
            Keyless::WithoutDefault => {
                let has_default = |id: &ObjectRef| names.contains(&crate::objects::id::id(&id.namespace, DEFAULT_KEY));
                self.has_unusable(PolicyKind::LlmProvider, |id| such(id) && !has_default(id))
            }
        }
    }

    /// The key's names for those of its providers that can't be used.
    pub fn unusable_providers<'k>(&'k self, key: &'k KeyDoc) -> Vec<&'k str> {
        let own = self.keys.get(&id(&key.namespace, &key.name)).filter(|_| !key.keyless);
        match own.map(|read| read.typed.spec.providers.as_slice()) {
            None | Some([]) => {
                let of = self
                    .unusable
                    .iter()
                    .filter(|(kind, id)| *kind == PolicyKind::LlmProvider && id.namespace == key.namespace);
                of.map(|(_, id)| id.name.as_str()).collect()
            }
            Some(named) => {
                let names = named.iter().map(|entry| entry.name.as_str());
                names.filter(|name| !key.providers.iter().any(|entry| entry.name == *name)).collect()
            }
        }
    }
}

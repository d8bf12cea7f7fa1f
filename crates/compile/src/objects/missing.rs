//! What is there and can't be used: nothing that follows from it may claim that it isn't there, or say it again.

use std::collections::HashSet;

use outrigger_core::ObjectRef;
use outrigger_policy::KeyDoc;

use crate::objects::id::id;
use crate::objects::validate::{Keyless, SortedObjects};
use crate::read::source::DEFAULT_KEY;

/// Of an object that is named, while there are texts that can't be read.
pub(crate) fn unread(kind: &str, id: &ObjectRef) -> String {
    format!("{kind} {id} is in no file that can be read: mend the others first")
}

impl SortedObjects<'_> {
    /// Notes those of a kind that nothing was made of, whatever the step that left them out.
    pub fn left_out(&mut self, kind: &'static str, made: impl Iterator<Item = ObjectRef>) {
        let made: HashSet<ObjectRef> = made.collect();
        let there: Vec<&ObjectRef> = match kind {
            "LLMProvider" => self.providers.keys().collect(),
            "VirtualKey" => self.keys.keys().collect(),
            "Budget" => self.budgets.keys().collect(),
            "RoutingRule" => self.rules.keys().collect(),
            _ => Vec::new(),
        };
        let missing = there.into_iter().filter(|id| !made.contains(*id));
        self.unsound.extend(missing.map(|id| (kind, id.clone())));
    }

    /// Whether one of a kind that can't be used is such a one, or may be: nobody knows what a text holds that can't be read.
    pub fn misses(&self, kind: &str, such: impl Fn(&ObjectRef) -> bool) -> bool {
        self.unread || self.unsound.iter().any(|(of, id)| *of == kind && such(id))
    }

    /// Whether the key of those who name none may be missing: there would be one, and a provider that can't be used may
    /// have allowed it.
    pub fn misses_keyless(&self, such: impl Fn(&ObjectRef) -> bool) -> bool {
        let names = self.key_names();
        match self.keyless {
            Keyless::WithoutAnyKey => names.is_empty() && self.misses("LLMProvider", such),
            Keyless::WithoutDefault => {
                let has_default = |id: &ObjectRef| names.contains(&crate::objects::id::id(&id.namespace, DEFAULT_KEY));
                self.misses("LLMProvider", |id| such(id) && !has_default(id))
            }
        }
    }

    /// A key's names for providers that it has and can't use.
    pub fn missing_providers<'k>(&'k self, key: &'k KeyDoc) -> Vec<&'k str> {
        let own = self.keys.get(&id(&key.namespace, &key.name)).filter(|_| !key.keyless);
        match own.map(|read| read.typed.spec.providers.as_slice()) {
            None | Some([]) => {
                let of =
                    self.unsound.iter().filter(|(kind, id)| *kind == "LLMProvider" && id.namespace == key.namespace);
                of.map(|(_, id)| id.name.as_str()).collect()
            }
            Some(named) => {
                let names = named.iter().map(|entry| entry.name.as_str());
                names.filter(|name| !key.providers.iter().any(|entry| entry.name == *name)).collect()
            }
        }
    }
}

//! Plans that wait for Secrets and ConfigMaps that have only just been referenced and have not been read yet. Pure:
//! times are arguments.
//!
//! Only the namespaces that need a value wait for it, once and for a short time. A value that cannot be read delays no
//! other namespace, and several such values do not delay a plan one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::objects::refs::ValueRef;

/// How long a plan waits for a value. Then the value counts as missing until it is read.
pub const VALUE_WAIT: Duration = Duration::from_secs(3);

/// The namespaces that wait, and the values that they wait for.
#[derive(Debug, Default)]
pub struct ValueWait {
    /// How long plans wait for each unread value, counted from when the first one needed it.
    until: BTreeMap<ValueRef, Instant>,
    waiting: BTreeMap<String, BTreeSet<ValueRef>>,
}

impl ValueWait {
    /// Until when a namespace's plan must wait, unless [`ValueWait::read`] returns it sooner. `None` if it need not
    /// wait.
    pub fn postpone(
        &mut self,
        namespace: &str,
        dependencies: &BTreeSet<ValueRef>,
        unread: &BTreeSet<ValueRef>,
        now: Instant,
    ) -> Option<Instant> {
        self.until.retain(|value, _| unread.contains(value));
        for value in unread {
            self.until.entry(value.clone()).or_insert(now + VALUE_WAIT);
        }
        let waits = |value: &&ValueRef| self.until.get(*value).is_some_and(|until| *until > now);
        let missing: BTreeSet<ValueRef> = dependencies.iter().filter(waits).cloned().collect();
        let until = missing.iter().filter_map(|value| self.until.get(value)).max().copied();
        match until {
            Some(_) => self.waiting.insert(namespace.to_owned(), missing),
            None => self.waiting.remove(namespace),
        };
        until
    }

    /// The number of namespaces that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the namespaces that no longer wait for any value.
    pub fn read(&mut self, unread: &BTreeSet<ValueRef>) -> Vec<String> {
        let over = |values: &BTreeSet<ValueRef>| values.is_disjoint(unread);
        let ready: Vec<String> =
            self.waiting.iter().filter(|(_, values)| over(values)).map(|(namespace, _)| namespace.clone()).collect();
        ready.iter().for_each(|namespace| drop(self.waiting.remove(namespace)));
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::refs::ValueKind;

    fn values(names: &[&str]) -> BTreeSet<ValueRef> {
        let value =
            |name: &&str| ValueRef { holder: ValueKind::Secret, namespace: "llm".to_owned(), name: (*name).to_owned() };
        names.iter().map(value).collect()
    }

    #[test]
    fn only_dependent_namespaces_wait_for_a_value_and_only_once() {
        let (mut value_wait, now) = (ValueWait::default(), Instant::now());
        let unread = values(&["a", "b"]);
        assert_eq!(value_wait.postpone("none", &values(&["c"]), &unread, now), None);
        let until = value_wait.postpone("shop", &values(&["a", "c"]), &unread, now).unwrap();
        assert_eq!(until, now + VALUE_WAIT);
        // Another namespace waits only for the rest of the time.
        let later = now + Duration::from_secs(2);
        assert_eq!(value_wait.postpone("bank", &values(&["a", "b"]), &unread, later), Some(until));
        assert_eq!(value_wait.postpone("shop", &values(&["a"]), &unread, until), None, "the wait has ended");
        assert_eq!(value_wait.postpone("bank", &values(&["b"]), &unread, until), None);
        // Once it was read and is referenced again, a new wait begins.
        assert_eq!(value_wait.postpone("shop", &values(&["a"]), &values(&[]), until), None);
        assert!(value_wait.postpone("shop", &values(&["a"]), &unread, until).is_some());
    }

    #[test]
    fn a_namespace_is_ready_when_all_its_values_are_read() {
        let (mut value_wait, now) = (ValueWait::default(), Instant::now());
        let unread = values(&["a", "b"]);
        assert!(value_wait.postpone("shop", &unread, &unread, now).is_some());
        assert!(value_wait.postpone("bank", &values(&["a"]), &unread, now).is_some());
        assert_eq!(value_wait.read(&values(&["b"])), ["bank"]);
        assert_eq!(value_wait.read(&values(&["b"])), Vec::<String>::new());
        assert_eq!(value_wait.read(&values(&[])), ["shop"]);
    }
}

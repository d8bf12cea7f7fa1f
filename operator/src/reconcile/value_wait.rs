//! Plans that wait for Secrets and ConfigMaps which were just named and have not been read yet. Pure: times are arguments.
//!
//! Only the namespaces that need a value wait for it, once and for a short time. A value that cannot be read delays nobody else,
//! and several such values do not delay a plan one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::objects::refs::ValueRef;

/// How long a value is waited for. Then it is taken as missing, until it is read.
pub const VALUE_WAIT: Duration = Duration::from_secs(3);

/// Who waits for what.
#[derive(Debug, Default)]
pub struct ValueWait {
    /// Until when each that is not read is waited for: from when the first was.
    until: BTreeMap<ValueRef, Instant>,
    waiting: BTreeMap<String, BTreeSet<ValueRef>>,
}

impl ValueWait {
    /// Until when a namespace's plan is to be put off, unless [`ValueWait::read`] names it sooner. `None`: it need not wait.
    pub fn put_off(
        &mut self,
        namespace: &str,
        hangs_on: &BTreeSet<ValueRef>,
        unread: &BTreeSet<ValueRef>,
        now: Instant,
    ) -> Option<Instant> {
        self.until.retain(|value, _| unread.contains(value));
        for value in unread {
            self.until.entry(value.clone()).or_insert(now + VALUE_WAIT);
        }
        let waits = |value: &&ValueRef| self.until.get(*value).is_some_and(|until| *until > now);
        let missing: BTreeSet<ValueRef> = hangs_on.iter().filter(waits).cloned().collect();
        let until = missing.iter().filter_map(|value| self.until.get(value)).max().copied();
        match until {
            Some(_) => self.waiting.insert(namespace.to_owned(), missing),
            None => self.waiting.remove(namespace),
        };
        until
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The namespaces that wait for nothing any more.
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
    fn a_value_is_waited_for_once_by_those_that_hang_on_it() {
        let (mut value_wait, now) = (ValueWait::default(), Instant::now());
        let unread = values(&["a", "b"]);
        assert_eq!(value_wait.put_off("none", &values(&["c"]), &unread, now), None);
        let until = value_wait.put_off("shop", &values(&["a", "c"]), &unread, now).unwrap();
        assert_eq!(until, now + VALUE_WAIT);
        // Another one waits no longer for what is being waited for, and hardly for what nobody waited for yet.
        let later = now + Duration::from_secs(2);
        assert_eq!(value_wait.put_off("bank", &values(&["a", "b"]), &unread, later), Some(until));
        assert_eq!(value_wait.put_off("shop", &values(&["a"]), &unread, until), None, "it has had its time");
        assert_eq!(value_wait.put_off("bank", &values(&["b"]), &unread, until), None);
        // Named anew, it is another matter.
        assert_eq!(value_wait.put_off("shop", &values(&["a"]), &values(&[]), until), None);
        assert!(value_wait.put_off("shop", &values(&["a"]), &unread, until).is_some());
    }

    #[test]
    fn who_waits_is_named_when_all_it_waits_for_was_read() {
        let (mut value_wait, now) = (ValueWait::default(), Instant::now());
        let unread = values(&["a", "b"]);
        assert!(value_wait.put_off("shop", &unread, &unread, now).is_some());
        assert!(value_wait.put_off("bank", &values(&["a"]), &unread, now).is_some());
        assert_eq!(value_wait.read(&values(&["b"])), ["bank"]);
        assert_eq!(value_wait.read(&values(&["b"])), Vec::<String>::new());
        assert_eq!(value_wait.read(&values(&[])), ["shop"]);
    }
}

//! Sessions of keys that limit them. Each run or conversation has its own accounts, in memory, until it ends.

use std::sync::Arc;

use outrigger_core::hash::fnv1a_parts;
use outrigger_core::{Millis, ObjectRef};
use outrigger_ledger::session::{
    SessionId, SessionLimit, SessionOwner, SessionRefused, SessionWant, Sessions, SessionsFull,
};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// The most sessions that a gateway remembers. Each takes about 300 bytes, all of them about 3 MB.
pub const MOST: usize = 10_000;

/// All sessions of a gateway.
#[derive(Debug)]
pub struct LiveSessions {
    table: Mutex<Sessions>,
    /// The origin of the monotonic clock by which sessions end.
    begun: Instant,
}

/// A request in its session. While this value lives, the session is not forgotten.
#[derive(Debug)]
pub struct SessionUse {
    sessions: Arc<LiveSessions>,
    id: SessionId,
}

/// What is reserved for one attempt. It is settled once. If it is dropped instead, it is charged in full.
#[derive(Debug)]
pub struct SessionHold {
    sessions: Arc<LiveSessions>,
    id: SessionId,
    wants: Vec<SessionWant>,
}

impl Default for LiveSessions {
    fn default() -> Self {
        LiveSessions { table: Mutex::new(Sessions::new(MOST)), begun: Instant::now() }
    }
}

impl LiveSessions {
    /// Adds a request to the session of a key that the caller named. The session ends after `idle` milliseconds without a
    /// request.
    ///
    /// # Errors
    /// [`SessionsFull`].
    pub fn join(self: &Arc<Self>, key: &ObjectRef, name: &[u8], idle: u64) -> Result<SessionUse, SessionsFull> {
        let (id, owner) = (id(key, name), owner(key));
        self.table.lock().begin(id, owner, Millis::try_from(idle).unwrap_or(Millis::MAX), self.now())?;
        Ok(SessionUse { sessions: Arc::clone(self), id })
    }

    /// How many sessions there are, and how many were forgotten before they ended.
    pub fn count(&self) -> (usize, u64) {
        let mut table = self.table.lock();
        (table.count(self.now()), table.forgotten())
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.begun.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }
}

impl SessionUse {
    /// The name in records. It does not reveal the name that the caller chose.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{:016x}", self.id.0 >> 64)
    }

    /// What the session has spent of a limit.
    #[must_use]
    pub fn used(&self, limit: SessionLimit) -> u64 {
        self.sessions.table.lock().used(self.id, limit)
    }

    /// What is neither spent nor reserved.
    #[must_use]
    pub fn available(&self, limit: SessionLimit, max: u64) -> u64 {
        self.sessions.table.lock().available(self.id, limit, max)
    }

    /// Reserves all of these amounts and what `beside` reserves, or nothing. No other request sees a part of it: one that did
    /// would wait for an amount that is free again at once.
    ///
    /// # Errors
    /// A limit of the session has no room, or the error of `beside`.
    pub fn hold<T, E: From<SessionRefused>>(
        &self,
        wants: Vec<SessionWant>,
        beside: impl FnOnce() -> Result<T, E>,
    ) -> Result<(SessionHold, T), E> {
        let mut table = self.sessions.table.lock();
        table.fits(self.id, &wants)?;
        let beside = beside()?;
        table.reserve(self.id, &wants)?;
        Ok((SessionHold { sessions: Arc::clone(&self.sessions), id: self.id, wants }, beside))
    }
}

impl Drop for SessionUse {
    fn drop(&mut self) {
        self.sessions.table.lock().end(self.id, self.sessions.now());
    }
}

impl SessionHold {
    /// Charges what was used, and nothing for limits that `actual` does not name.
    pub fn settle(mut self, actual: &[(SessionLimit, u64)]) {
        let spent = |limit| actual.iter().find(|(one, _)| *one == limit).map_or(0, |(_, amount)| *amount);
        self.settle_with(|want| spent(want.limit));
    }

    fn settle_with(&mut self, actual: impl Fn(&SessionWant) -> u64) {
        let mut table = self.sessions.table.lock();
        for want in std::mem::take(&mut self.wants) {
            table.settle(self.id, want.limit, want.amount, actual(&want));
        }
    }
}

impl Drop for SessionHold {
    fn drop(&mut self) {
        self.settle_with(|want| want.amount);
    }
}

/// The hash of a key.
fn owner(key: &ObjectRef) -> SessionOwner {
    SessionOwner(fnv1a_parts(&[key.namespace.as_bytes(), key.name.as_bytes()]))
}

/// The hash of a session. Records show a part of it, so it must not reveal the name.
fn id(key: &ObjectRef, name: &[u8]) -> SessionId {
    let mut hash = Sha256::new();
    for part in [key.namespace.as_bytes(), key.name.as_bytes()] {
        hash.update(part);
        hash.update([0xff]);
    }
    hash.update(name);
    let hash = hash.finalize();
    SessionId(hash.iter().take(16).fold(0, |id, byte| id << 8 | u128::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONEY: SessionLimit = SessionLimit(1);

    fn key(namespace: &str, name: &str) -> ObjectRef {
        ObjectRef { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn one_lasts_as_long_as_its_requests_and_for_its_time_after_them() {
        let sessions = Arc::new(LiveSessions::default());
        let first = sessions.join(&key("a", "b"), b"run", 1_000).unwrap();
        let hold = |session: &SessionUse, amount| {
            let want = SessionWant { limit: MONEY, max: 10, amount };
            session.hold(vec![want], || Ok::<_, SessionRefused>(())).map(|(held, ())| held)
        };
        let held = hold(&first, 6).unwrap();
        let second = sessions.join(&key("a", "b"), b"run", 1_000).unwrap();
        let refused = hold(&second, 6).unwrap_err();
        assert_eq!(refused, SessionRefused::Contended { limit: MONEY });
        held.settle(&[(MONEY, 4)]);
        // One that nobody settles is charged.
        drop(hold(&second, 5).unwrap());
        assert_eq!((first.used(MONEY), first.available(MONEY, 10)), (9, 1));
        // Nothing is reserved if there is no room beside it.
        let beside = || Err::<(), _>(SessionRefused::Contended { limit: SessionLimit(2) });
        let want = SessionWant { limit: MONEY, max: 10, amount: 1 };
        assert_eq!(first.hold(vec![want], beside).unwrap_err(), SessionRefused::Contended { limit: SessionLimit(2) });
        assert_eq!(first.available(MONEY, 10), 1);
        drop(first);
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        assert_eq!(sessions.count(), (1, 0), "it has a request");
        drop(second);
        tokio::time::advance(std::time::Duration::from_millis(999)).await;
        let again = sessions.join(&key("a", "b"), b"run", 1_000).unwrap();
        assert_eq!(again.used(MONEY), 9);
        drop(again);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!(sessions.join(&key("a", "b"), b"run", 1_000).unwrap().used(MONEY), 0);
    }

    #[test]
    fn sessions_of_one_name_are_each_their_key_s_and_say_nothing_of_it() {
        let ids = [("a", "b", "run"), ("a", "br", "un"), ("ab", "", "run"), ("a", "b", "run2")];
        let ids = ids.map(|(namespace, name, run)| id(&key(namespace, name), run.as_bytes()));
        for (place, one) in ids.iter().enumerate() {
            assert!(!ids[..place].contains(one));
        }
        let sessions = Arc::new(LiveSessions::default());
        let used = sessions.join(&key("a", "b"), b"run-of-alice", 1).unwrap();
        assert_eq!(used.name().len(), 16);
        assert!(!format!("{used:?}{}", used.name()).contains("alice"));
    }
}

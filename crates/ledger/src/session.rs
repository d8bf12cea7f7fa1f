//! Accounts of sessions: how much each run or conversation has used of each of its limits. A session begins with its first
//! request and ends after a time without requests. It has no periods, and no ledger grants anything.
//!
//! The number of sessions is limited. If there are too many, the session that was idle for longest is forgotten. A session
//! with a request in progress is never forgotten. All times are milliseconds of one monotonic clock.

use std::collections::{BTreeMap, HashMap};

use outrigger_core::Millis;
use smallvec::SmallVec;

/// How many limits of a session are stored without an allocation.
const INLINE: usize = 4;

/// Names a session: a hash of the key and of the name that the caller chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u128);

/// Names a limit of sessions: a hash of its name and unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionLimit(pub u64);

/// An amount of a limit that allows `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionWant {
    pub limit: SessionLimit,
    pub max: u64,
    pub amount: u64,
}

/// Why nothing was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionRefused {
    /// It would not fit even if every reservation came back unused.
    Exhausted { limit: SessionLimit, spent: u64, max: u64 },
    /// It would fit if other requests of the session returned their reservations.
    Contended { limit: SessionLimit },
}

/// All sessions have requests in progress, and there is no room for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllBusy;

/// All sessions of a process. For one thread at a time, like a [`Book`](crate::Book).
#[derive(Debug)]
pub struct Sessions {
    most: usize,
    all: HashMap<SessionId, Session>,
    /// Sessions without a request, by the time when their last request ended, and by a number if the times are equal.
    idle: BTreeMap<(Millis, u64), SessionId>,
    number: u64,
    forgotten: u64,
}

#[derive(Debug, Default)]
struct Session {
    used: SmallVec<[Used; INLINE]>,
    /// Requests in progress.
    requests: u32,
    /// Its key in `idle`, if it has no request.
    idle: Option<(Millis, u64)>,
    /// It ends after so long without a request.
    ends_after: Millis,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    limit: SessionLimit,
    spent: u64,
    reserved: u64,
}

impl Session {
    fn used(&self, limit: SessionLimit) -> Used {
        let found = self.used.iter().find(|used| used.limit == limit);
        found.copied().unwrap_or(Used { limit, spent: 0, reserved: 0 })
    }

    fn of(&mut self, limit: SessionLimit) -> Option<&mut Used> {
        if !self.used.iter().any(|used| used.limit == limit) {
            self.used.push(Used { limit, spent: 0, reserved: 0 });
        }
        self.used.iter_mut().find(|used| used.limit == limit)
    }

    fn has_ended(&self, now: Millis) -> bool {
        self.idle.is_some_and(|(since, _)| now.saturating_sub(since) >= self.ends_after)
    }
}

impl Sessions {
    /// Remembers at most `most` sessions.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Sessions { most, all: HashMap::new(), idle: BTreeMap::new(), number: 0, forgotten: 0 }
    }

    /// A request of a session begins. The session ends after `ends_after` without a request.
    ///
    /// # Errors
    /// [`AllBusy`]: there is no room for one more.
    pub fn begin(&mut self, id: SessionId, ends_after: Millis, now: Millis) -> Result<(), AllBusy> {
        if !self.all.contains_key(&id) && self.all.len() >= self.most {
            let (_, longest) = self.idle.pop_first().ok_or(AllBusy)?;
            let ended = self.all.remove(&longest).is_none_or(|session| session.has_ended(now));
            self.forgotten += u64::from(!ended);
        }
        let session = self.all.entry(id).or_default();
        if session.has_ended(now) {
            session.used.clear();
        }
        if let Some(place) = session.idle.take() {
            self.idle.remove(&place);
        }
        session.requests = session.requests.saturating_add(1);
        session.ends_after = ends_after;
        Ok(())
    }

    /// The request ends.
    pub fn end(&mut self, id: SessionId, now: Millis) {
        let Some(session) = self.all.get_mut(&id) else { return };
        session.requests = session.requests.saturating_sub(1);
        if session.requests == 0 && session.idle.is_none() {
            self.number += 1;
            let place = (now, self.number);
            session.idle = Some(place);
            self.idle.insert(place, id);
        }
    }

    /// Whether all of these amounts could be reserved.
    ///
    /// # Errors
    /// The limit that has no room. An exhausted limit comes before a contended one.
    pub fn fits(&self, id: SessionId, wants: &[SessionWant]) -> Result<(), SessionRefused> {
        let session = self.all.get(&id);
        let mut refused = None;
        for SessionWant { limit, max, amount } in wants.iter().copied() {
            let (spent, reserved) = session.map_or((0, 0), |session| {
                let used = session.used(limit);
                (used.spent, used.reserved)
            });
            match spent.saturating_add(amount) {
                wanted if wanted > max => return Err(SessionRefused::Exhausted { limit, spent, max }),
                wanted if wanted.saturating_add(reserved) > max => {
                    refused.get_or_insert(SessionRefused::Contended { limit });
                }
                _ => {}
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Reserves all of these amounts, or none, for a request that has [begun](Self::begin).
    ///
    /// # Errors
    /// As [`fits`](Self::fits).
    pub fn reserve(&mut self, id: SessionId, wants: &[SessionWant]) -> Result<(), SessionRefused> {
        self.fits(id, wants)?;
        let session = self.all.entry(id).or_default();
        for want in wants {
            if let Some(used) = session.of(want.limit) {
                used.reserved = used.reserved.saturating_add(want.amount);
            }
        }
        Ok(())
    }

    /// Ends a reservation of so much: `actual` is spent, the rest is free again.
    pub fn settle(&mut self, id: SessionId, limit: SessionLimit, reserved: u64, actual: u64) {
        if let Some(used) = self.all.get_mut(&id).and_then(|session| session.of(limit)) {
            used.reserved = used.reserved.saturating_sub(reserved);
            used.spent = used.spent.saturating_add(actual);
        }
    }

    /// What a session has spent of a limit.
    #[must_use]
    pub fn used(&self, id: SessionId, limit: SessionLimit) -> u64 {
        self.all.get(&id).map_or(0, |session| session.used(limit).spent)
    }

    /// What is neither spent nor reserved.
    #[must_use]
    pub fn available(&self, id: SessionId, limit: SessionLimit, max: u64) -> u64 {
        let used = self.all.get(&id).map(|session| session.used(limit));
        used.map_or(max, |used| max.saturating_sub(used.spent).saturating_sub(used.reserved))
    }

    /// Removes sessions that have ended. Returns how many are left.
    pub fn count(&mut self, now: Millis) -> usize {
        let Sessions { all, idle, .. } = self;
        idle.retain(|_, id| {
            let ended = all.get(id).is_none_or(|session| session.has_ended(now));
            if ended {
                all.remove(id);
            }
            !ended
        });
        self.all.len()
    }

    /// How many sessions were forgotten before they ended, to make room for others.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MONEY: SessionLimit = SessionLimit(1);
    const TOKENS: SessionLimit = SessionLimit(2);
    const HOUR: Millis = 3_600_000;

    fn want(limit: SessionLimit, max: u64, amount: u64) -> SessionWant {
        SessionWant { limit, max, amount }
    }

    #[test]
    fn all_is_reserved_or_nothing_and_what_is_spent_is_told_before_what_is_contended() {
        let mut sessions = Sessions::new(10);
        let id = SessionId(7);
        sessions.begin(id, HOUR, 0).unwrap();
        sessions.reserve(id, &[want(MONEY, 100, 60), want(TOKENS, 10, 4)]).unwrap();
        let both = [want(MONEY, 100, 60), want(TOKENS, 10, 11)];
        let exhausted = SessionRefused::Exhausted { limit: TOKENS, spent: 0, max: 10 };
        assert_eq!(sessions.reserve(id, &both), Err(exhausted));
        assert_eq!(sessions.reserve(id, &[want(MONEY, 100, 60)]), Err(SessionRefused::Contended { limit: MONEY }));
        assert_eq!((sessions.available(id, MONEY, 100), sessions.available(id, TOKENS, 10)), (40, 6));
        sessions.settle(id, MONEY, 60, 10);
        assert_eq!((sessions.used(id, MONEY), sessions.available(id, MONEY, 100)), (10, 90));
        // Another one of the same limit has its own.
        assert_eq!((sessions.used(SessionId(8), MONEY), sessions.available(SessionId(8), MONEY, 100)), (0, 100));
    }

    #[test]
    fn one_ends_after_a_while_without_a_request_and_not_while_one_runs() {
        let mut sessions = Sessions::new(10);
        let (idle, busy) = (SessionId(1), SessionId(2));
        for id in [idle, busy] {
            sessions.begin(id, HOUR, 0).unwrap();
            sessions.reserve(id, &[want(MONEY, 100, 60)]).unwrap();
            sessions.settle(id, MONEY, 60, 60);
        }
        sessions.end(idle, 0);
        assert_eq!(sessions.count(HOUR - 1), 2);
        sessions.begin(idle, HOUR, HOUR - 1).unwrap();
        assert_eq!(sessions.used(idle, MONEY), 60, "it was not idle for long enough");
        sessions.end(idle, HOUR - 1);
        sessions.begin(idle, HOUR, 2 * HOUR).unwrap();
        assert_eq!(sessions.used(idle, MONEY), 0, "another one of the same name");
        sessions.end(idle, 2 * HOUR);
        assert_eq!((sessions.count(9 * HOUR), sessions.used(busy, MONEY)), (1, 60));
    }

    #[test]
    fn the_one_that_is_idle_for_longest_makes_room_and_never_one_with_a_request() {
        let mut sessions = Sessions::new(3);
        for (id, now) in [(1, 10), (2, 20), (3, 30)] {
            sessions.begin(SessionId(id), HOUR, now).unwrap();
        }
        assert_eq!(sessions.begin(SessionId(4), HOUR, 40), Err(AllBusy));
        sessions.begin(SessionId(1), HOUR, 45).unwrap();
        for (id, now) in [(3, 50), (2, 60), (1, 70)] {
            sessions.end(SessionId(id), now);
        }
        sessions.begin(SessionId(4), HOUR, 80).unwrap();
        sessions.begin(SessionId(5), HOUR, 80).unwrap();
        // The first has a request still: it began two.
        assert_eq!(sessions.begin(SessionId(6), HOUR, 80), Err(AllBusy));
        assert_eq!((sessions.forgotten(), sessions.count(80)), (2, 3));
        // Those that had ended are no loss.
        sessions.end(SessionId(4), 80);
        sessions.begin(SessionId(6), HOUR, 80 + HOUR).unwrap();
        assert_eq!(sessions.forgotten(), 2);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Begin(u8),
        End(u8),
        Reserve(u8, u64),
        Settle(u8, u64),
        Wait(u16),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u8..6).prop_map(Step::Begin),
            (0_u8..6).prop_map(Step::End),
            (0_u8..6, 0_u64..60).prop_map(|(id, amount)| Step::Reserve(id, amount)),
            (0_u8..6, 0_u64..60).prop_map(|(id, amount)| Step::Settle(id, amount)),
            (0_u16..500).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Whatever happens: no session with a request is forgotten or passes its limit, and there are never too many.
        #[test]
        fn no_session_under_way_is_forgotten_or_passes_its_limit(steps in prop::collection::vec(step(), 1..200)) {
            const MAX: u64 = 100;
            let mut sessions = Sessions::new(3);
            let mut now = 0;
            // By session: requests under way, reservations, what was spent since it is known to live.
            let mut known: HashMap<u8, (u32, Vec<u64>, u64)> = HashMap::new();
            for step in steps {
                match step {
                    Step::Wait(ms) => now += Millis::from(ms),
                    Step::Begin(id) => {
                        let began = sessions.begin(SessionId(id.into()), 1_000, now);
                        let busy = known.values().filter(|(requests, ..)| *requests > 0).count();
                        let is_busy = known.get(&id).is_some_and(|(requests, ..)| *requests > 0);
                        prop_assert_eq!(began.is_err(), busy >= 3 && !is_busy);
                        if began.is_ok() {
                            let spent = sessions.used(SessionId(id.into()), MONEY);
                            let one = known.entry(id).or_default();
                            prop_assert!(spent == one.2 || (one.0 == 0 && spent == 0), "{} of {}", spent, one.2);
                            (one.0, one.2) = (one.0 + 1, spent);
                        }
                    }
                    Step::End(id) => {
                        if let Some((requests, reserved, _)) = known.get_mut(&id)
                            && *requests > 0
                            && (*requests > 1 || reserved.is_empty())
                        {
                            *requests -= 1;
                            sessions.end(SessionId(id.into()), now);
                        }
                    }
                    Step::Reserve(id, amount) => {
                        if let Some((requests, reserved, spent)) = known.get_mut(&id)
                            && *requests > 0
                        {
                            let held: u64 = reserved.iter().sum();
                            let fits = sessions.reserve(SessionId(id.into()), &[want(MONEY, MAX, amount)]).is_ok();
                            prop_assert_eq!(fits, *spent + held + amount <= MAX);
                            if fits {
                                reserved.push(amount);
                            }
                        }
                    }
                    Step::Settle(id, amount) => {
                        if let Some((_, reserved, spent)) = known.get_mut(&id)
                            && let Some(held) = reserved.pop()
                        {
                            let actual = amount.min(held);
                            sessions.settle(SessionId(id.into()), MONEY, held, actual);
                            *spent += actual;
                            prop_assert_eq!(sessions.used(SessionId(id.into()), MONEY), *spent);
                        }
                    }
                }
                prop_assert!(sessions.all.len() <= 3);
            }
        }
    }
}

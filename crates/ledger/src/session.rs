//! Accounts of sessions: how much each run or conversation has used of each of its limits. A session begins with its first
//! request and ends after a time without requests. It has no periods, and no ledger grants anything.
//!
//! The number of sessions is limited. If there are too many, one that has ended makes room, or else the one that was idle for
//! longest of the owner with the most sessions. So an owner never loses a session to another one that has more, however many
//! sessions that one begins. A session with a request in progress is never forgotten. All times are milliseconds of one
//! monotonic clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use outrigger_core::Millis;
use smallvec::SmallVec;

/// How many limits of a session are stored without an allocation.
const INLINE: usize = 4;

/// Names a session: a hash of the key and of the name that the caller chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u128);

/// Whose a session is: a hash of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionOwner(pub u64);

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

/// There is no room for another session of this owner: others have requests in progress, or belong to owners with fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionsFull;

/// All sessions of a process. For one thread at a time, like a [`Book`](crate::Book).
#[derive(Debug)]
pub struct Sessions {
    most: usize,
    all: HashMap<SessionId, Session>,
    owners: HashMap<SessionOwner, OwnedSessions>,
    number: u64,
    forgotten: u64,
}

/// The sessions of one owner.
#[derive(Debug, Default)]
struct OwnedSessions {
    count: usize,
    /// Those without a request, by the time when their last request ended, and by a number if the times are equal.
    idle: BTreeMap<(Millis, u64), SessionId>,
}

#[derive(Debug)]
struct Session {
    owner: SessionOwner,
    used: SmallVec<[SessionAmount; INLINE]>,
    /// Requests in progress.
    requests: u32,
    /// Its key in `idle`, if it has no request.
    idle: Option<(Millis, u64)>,
    /// It ends after so long without a request.
    ends_after: Millis,
}

#[derive(Clone, Copy, Debug)]
struct SessionAmount {
    limit: SessionLimit,
    spent: u64,
    reserved: u64,
}

impl Session {
    fn new(owner: SessionOwner) -> Self {
        Session { owner, used: SmallVec::new(), requests: 0, idle: None, ends_after: 0 }
    }

    fn used(&self, limit: SessionLimit) -> SessionAmount {
        let found = self.used.iter().find(|used| used.limit == limit);
        found.copied().unwrap_or(SessionAmount { limit, spent: 0, reserved: 0 })
    }

    fn of(&mut self, limit: SessionLimit) -> Option<&mut SessionAmount> {
        if !self.used.iter().any(|used| used.limit == limit) {
            self.used.push(SessionAmount { limit, spent: 0, reserved: 0 });
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
        Sessions { most, all: HashMap::new(), owners: HashMap::new(), number: 0, forgotten: 0 }
    }

    /// A request of a session begins. The session ends after `ends_after` without a request. The owner is a part of the id.
    ///
    /// # Errors
    /// [`SessionsFull`]: nothing can be forgotten for one more.
    pub fn begin(
        &mut self,
        id: SessionId,
        owner: SessionOwner,
        ends_after: Millis,
        now: Millis,
    ) -> Result<(), SessionsFull> {
        if !self.all.contains_key(&id) {
            if self.all.len() >= self.most {
                let forgotten = self.may_be_forgotten(owner, now).ok_or(SessionsFull)?;
                let ended = self.remove(forgotten).is_none_or(|session| session.has_ended(now));
                self.forgotten += u64::from(!ended);
            }
            self.owners.entry(owner).or_default().count += 1;
        }
        let session = self.all.entry(id).or_insert_with(|| Session::new(owner));
        if session.has_ended(now) {
            session.used.clear();
        }
        if let Some(place) = session.idle.take()
            && let Some(owned) = self.owners.get_mut(&session.owner)
        {
            owned.idle.remove(&place);
        }
        session.requests = session.requests.saturating_add(1);
        session.ends_after = ends_after;
        Ok(())
    }

    /// The session that makes room for another one of this owner: one that has ended, or else one of the owner with the most.
    fn may_be_forgotten(&self, owner: SessionOwner, now: Millis) -> Option<SessionId> {
        let own = self.owners.get(&owner).map_or(0, |owned| owned.count);
        let mut most = None;
        for (other, owned) in &self.owners {
            let Some((place, oldest)) = owned.idle.first_key_value() else { continue };
            if self.all.get(oldest).is_none_or(|session| session.has_ended(now)) {
                return Some(*oldest);
            }
            // Of two that have as many, the one whose session was idle for longer.
            let rank = (owned.count, Reverse(*place));
            if (*other == owner || owned.count > own) && most.is_none_or(|(most, _)| rank > most) {
                most = Some((rank, *oldest));
            }
        }
        most.map(|(_, oldest)| oldest)
    }

    fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.all.remove(&id)?;
        if let Some(owned) = self.owners.get_mut(&session.owner) {
            owned.count = owned.count.saturating_sub(1);
            if let Some(place) = session.idle {
                owned.idle.remove(&place);
            }
            if owned.count == 0 {
                self.owners.remove(&session.owner);
            }
        }
        Some(session)
    }

    /// The request ends.
    pub fn end(&mut self, id: SessionId, now: Millis) {
        let Some(session) = self.all.get_mut(&id) else { return };
        session.requests = session.requests.saturating_sub(1);
        if session.requests == 0 && session.idle.is_none() {
            self.number += 1;
            let place = (now, self.number);
            session.idle = Some(place);
            self.owners.entry(session.owner).or_default().idle.insert(place, id);
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
        let Some(session) = self.all.get_mut(&id) else { return Ok(()) };
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
        let ended: Vec<SessionId> =
            self.all.iter().filter(|(_, session)| session.has_ended(now)).map(|(id, _)| *id).collect();
        for id in ended {
            self.remove(id);
        }
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
    const ONE: SessionOwner = SessionOwner(1);

    fn want(limit: SessionLimit, max: u64, amount: u64) -> SessionWant {
        SessionWant { limit, max, amount }
    }

    #[test]
    fn all_is_reserved_or_nothing_and_exhausted_limits_are_named_before_contended_ones() {
        let mut sessions = Sessions::new(10);
        let id = SessionId(7);
        sessions.begin(id, ONE, HOUR, 0).unwrap();
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
            sessions.begin(id, ONE, HOUR, 0).unwrap();
            sessions.reserve(id, &[want(MONEY, 100, 60)]).unwrap();
            sessions.settle(id, MONEY, 60, 60);
        }
        sessions.end(idle, 0);
        assert_eq!(sessions.count(HOUR - 1), 2);
        sessions.begin(idle, ONE, HOUR, HOUR - 1).unwrap();
        assert_eq!(sessions.used(idle, MONEY), 60, "it was not idle for long enough");
        sessions.end(idle, HOUR - 1);
        sessions.begin(idle, ONE, HOUR, 2 * HOUR).unwrap();
        assert_eq!(sessions.used(idle, MONEY), 0, "another one of the same name");
        sessions.end(idle, 2 * HOUR);
        assert_eq!((sessions.count(9 * HOUR), sessions.used(busy, MONEY)), (1, 60));
    }

    #[test]
    fn the_one_that_is_idle_for_longest_makes_room_and_never_one_with_a_request() {
        let mut sessions = Sessions::new(3);
        for (id, now) in [(1, 10), (2, 20), (3, 30)] {
            sessions.begin(SessionId(id), ONE, HOUR, now).unwrap();
        }
        assert_eq!(sessions.begin(SessionId(4), ONE, HOUR, 40), Err(SessionsFull));
        sessions.begin(SessionId(1), ONE, HOUR, 45).unwrap();
        for (id, now) in [(3, 50), (2, 60), (1, 70)] {
            sessions.end(SessionId(id), now);
        }
        sessions.begin(SessionId(4), ONE, HOUR, 80).unwrap();
        sessions.begin(SessionId(5), ONE, HOUR, 80).unwrap();
        // The first has a request still: it began two.
        assert_eq!(sessions.begin(SessionId(6), ONE, HOUR, 80), Err(SessionsFull));
        assert_eq!((sessions.forgotten(), sessions.count(80)), (2, 3));
        // Those that had ended are no loss.
        sessions.end(SessionId(4), 80);
        sessions.begin(SessionId(6), ONE, HOUR, 80 + HOUR).unwrap();
        assert_eq!(sessions.forgotten(), 2);
    }

    #[test]
    fn an_owner_with_many_makes_room_for_those_with_few_and_takes_nothing_from_them() {
        let mut sessions = Sessions::new(6);
        let (few, many) = (SessionOwner(1), SessionOwner(2));
        let begin = |sessions: &mut Sessions, id, owner, now| {
            let began = sessions.begin(SessionId(id), owner, HOUR, now);
            if began.is_ok() {
                sessions.end(SessionId(id), now);
            }
            began
        };
        for id in [1, 2] {
            begin(&mut sessions, id, few, 0).unwrap();
            sessions.settle(SessionId(id), MONEY, 0, 7);
        }
        for id in 100..200 {
            begin(&mut sessions, id, many, 10).unwrap();
        }
        assert_eq!((sessions.forgotten(), sessions.owners[&few].count, sessions.owners[&many].count), (96, 2, 4));
        // The one with few gets as many as the other, and then forgets its own.
        for id in 3..9 {
            begin(&mut sessions, id, few, 20).unwrap();
        }
        assert_eq!((sessions.owners[&few].count, sessions.owners[&many].count), (3, 3));
        // Sessions that have ended make room first, whoever has them.
        begin(&mut sessions, 300, many, 15 + HOUR).unwrap();
        assert_eq!((sessions.owners[&few].count, sessions.owners[&many].count), (3, 3));
        assert_eq!(sessions.count(20 + 2 * HOUR), 0);
        assert!(sessions.owners.is_empty(), "nothing is left of owners without sessions");
    }

    #[test]
    fn an_owner_that_keeps_many_busy_is_refused_another_one_and_forgets_nobody_s() {
        let mut sessions = Sessions::new(4);
        let (few, many) = (SessionOwner(1), SessionOwner(2));
        sessions.begin(SessionId(1), few, HOUR, 0).unwrap();
        sessions.end(SessionId(1), 0);
        for id in 10..13 {
            sessions.begin(SessionId(id), many, HOUR, 1).unwrap();
        }
        assert_eq!(sessions.begin(SessionId(13), many, HOUR, 2), Err(SessionsFull));
        assert_eq!(sessions.begin(SessionId(10), many, HOUR, 2), Ok(()), "one that it has already");
        assert_eq!(sessions.begin(SessionId(2), few, HOUR, 2), Ok(()), "in the place of its own");
        assert_eq!((sessions.forgotten(), sessions.count(2)), (1, 4));
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
                        let began = sessions.begin(SessionId(id.into()), ONE, 1_000, now);
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

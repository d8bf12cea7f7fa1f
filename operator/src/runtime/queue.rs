//! A work queue by key. A key is queued once and never runs twice at the same time. After a failure it runs again, with
//! a growing delay.
//!
//! ```text
//! add ─► waiting until due ─► next ─► running ─► done ─► (gone, or waiting again)
//! ```
//!
//! The number of keys bounds its size. Adding a key that waits does not delay it, so a stream of changes cannot
//! postpone it forever. A key that is added while it runs, runs once more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a key waits, to combine changes.
pub const DEBOUNCE: Duration = Duration::from_millis(10);
const FIRST: Duration = Duration::from_millis(250);
const MOST: Duration = Duration::from_secs(60);

/// The result of a key's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkOutcome {
    Done,
    /// Run again at that time, although nothing failed.
    Again(Instant),
    /// Retry after a growing pause.
    Failed,
    /// It took long. The key does not run before the first time, even if it is added, so that others get their turn.
    /// The second time is when it runs again if it is not added.
    Late(Instant, Option<Instant>),
}

/// Keys with pending work.
#[derive(Debug)]
pub struct Queue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
    debounce: Duration,
}

#[derive(Debug)]
struct State<K> {
    waiting: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
    /// When to run once more.
    running: BTreeMap<K, Option<Instant>>,
    /// The number of failures in a row.
    failed: BTreeMap<K, u32>,
    /// Waiting keys that only wait for their own next time.
    resting: BTreeSet<K>,
    /// The earliest time of keys that took long.
    not_before: BTreeMap<K, Instant>,
}

impl<K: Clone + Debug + Ord> Queue<K> {
    #[must_use]
    pub fn new(debounce: Duration) -> Self {
        let state = State {
            waiting: BTreeMap::new(),
            order: BTreeSet::new(),
            running: BTreeMap::new(),
            failed: BTreeMap::new(),
            resting: BTreeSet::new(),
            not_before: BTreeMap::new(),
        };
        Queue { state: Mutex::new(state), changed: Notify::new(), debounce }
    }

    /// Queues a key to run soon.
    pub fn add(&self, key: K) {
        self.add_at(key, Instant::now() + self.debounce);
    }

    /// Queues a key for that time, unless it is queued for an earlier one.
    pub fn add_at(&self, key: K, due: Instant) {
        self.lock().add(key, due);
        self.changed.notify_one();
    }

    /// The next key that is due. Must be returned with [`Queue::done`].
    pub async fn next(&self) -> K {
        loop {
            let changed = self.changed.notified();
            let due = match self.lock().take(Instant::now()) {
                Ok(key) => {
                    // Other keys may be due too, and the worker that was woken for one of them sleeps again.
                    self.changed.notify_one();
                    return key;
                }
                Err(due) => due,
            };
            match due {
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(due) => {}
                },
                None => changed.await,
            }
        }
    }

    /// Reports a key's result.
    pub fn done(&self, key: K, outcome: WorkOutcome) {
        let mut state = self.lock();
        let requested = state.running.remove(&key).flatten();
        let again = match outcome {
            WorkOutcome::Done => {
                state.failed.remove(&key);
                None
            }
            WorkOutcome::Again(due) => {
                state.failed.remove(&key);
                Some(due)
            }
            WorkOutcome::Late(until, again) => {
                state.failed.remove(&key);
                let now = Instant::now();
                state.not_before.retain(|_, until| *until > now);
                state.not_before.insert(key.clone(), until);
                again
            }
            WorkOutcome::Failed => {
                let failures = state.failed.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                Some(Instant::now() + pause(*failures))
            }
        };
        let due = match (outcome, requested, again) {
            // A new change does not shorten the pause, so a key that fails and changes often causes no load.
            (WorkOutcome::Failed, _, again) => again,
            (_, Some(requested), Some(again)) => Some(requested.min(again)),
            (_, requested, again) => requested.or(again),
        };
        if let Some(due) = due {
            state.add(key.clone(), due);
        }
        if requested.is_none() && matches!(outcome, WorkOutcome::Again(_)) {
            state.resting.insert(key);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The number of keys that wait or run. Keys that only wait for their own next time do not count, so that a caller
    /// can wait until the work is done.
    #[must_use]
    pub fn depth(&self) -> usize {
        let now = Instant::now();
        let state = self.lock();
        let rest = |(key, due): &(&K, &Instant)| **due > now && state.resting.contains(*key);
        let resting = state.waiting.iter().filter(rest).count();
        state.waiting.len() - resting + state.running.len()
    }

    /// Drops waiting keys. Running keys do not run again.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.waiting.clear();
        state.order.clear();
        state.failed.clear();
        state.resting.clear();
        state.not_before.clear();
        state.running.values_mut().for_each(|again| *again = None);
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock()
    }
}

impl<K: Clone + Ord> State<K> {
    fn add(&mut self, key: K, due: Instant) {
        self.resting.remove(&key);
        if let Some(again) = self.running.get_mut(&key) {
            *again = Some(again.map_or(due, |again| again.min(due)));
            return;
        }
        let due = self.not_before.get(&key).map_or(due, |least| due.max(*least));
        // A key that failed keeps its pause, and its next run includes later changes.
        if let Some(previous) = self.waiting.get(&key).copied() {
            if previous <= due || self.failed.contains_key(&key) {
                return;
            }
            self.order.remove(&(previous, key.clone()));
        }
        self.waiting.insert(key.clone(), due);
        self.order.insert((due, key));
    }

    /// Takes the next key, or returns the time at which it is due.
    fn take(&mut self, now: Instant) -> Result<K, Option<Instant>> {
        match self.order.first() {
            Some((due, _)) if *due > now => return Err(Some(*due)),
            None => return Err(None),
            Some(_) => {}
        }
        let (_, key) = self.order.pop_first().ok_or(None)?;
        self.waiting.remove(&key);
        self.resting.remove(&key);
        self.not_before.remove(&key);
        self.running.insert(key.clone(), None);
        Ok(key)
    }
}

/// Doubles with each failure, and is randomized, because many keys often fail for the same reason.
fn pause(failures: u32) -> Duration {
    let whole = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(MOST);
    whole.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn queue() -> Queue<&'static str> {
        Queue::new(DEBOUNCE)
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_runs_once_and_is_not_delayed() {
        let queue = queue();
        let began = Instant::now();
        queue.add("a");
        tokio::time::advance(DEBOUNCE / 2).await;
        queue.add("a");
        queue.add("b");
        assert_eq!(queue.next().await, "a");
        assert_eq!(began.elapsed(), DEBOUNCE);
        queue.done("a", WorkOutcome::Done);
        assert_eq!(queue.next().await, "b");
        queue.done("b", WorkOutcome::Done);
        assert_eq!(queue.depth(), 0);
        assert!(queue.next().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_added_while_it_runs_runs_once_more_afterwards() {
        let queue = queue();
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.add("a");
        queue.add("a");
        tokio::time::advance(MOST).await;
        assert!(queue.next().now_or_never().is_none(), "it runs");
        queue.done("a", WorkOutcome::Done);
        assert_eq!(queue.next().await, "a");
        queue.done("a", WorkOutcome::Done);
        assert_eq!(queue.depth(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_retried_with_growing_pauses() {
        let queue = queue();
        queue.add("a");
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let began = Instant::now();
            assert_eq!(queue.next().await, "a");
            pauses.push(began.elapsed());
            queue.done("a", WorkOutcome::Failed);
            // An added key does not shorten the pause.
            queue.add("a");
        }
        assert!(pauses[1] >= FIRST / 2 && pauses[1] <= FIRST + Duration::from_millis(1), "{pauses:?}");
        assert!(pauses[11] >= MOST / 2 && pauses[11] <= MOST + Duration::from_millis(1), "{pauses:?}");
        assert_eq!(queue.next().await, "a");
        queue.done("a", WorkOutcome::Done);
        queue.add("a");
        let began = Instant::now();
        assert_eq!(queue.next().await, "a");
        assert!(began.elapsed() <= DEBOUNCE + Duration::from_millis(1), "a success resets the failures");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_took_long_waits_even_if_added_and_others_do_not() {
        let queue = queue();
        for again in [None, Some(MOST)] {
            queue.add("a");
            assert_eq!(queue.next().await, "a");
            let began = Instant::now();
            queue.add("a");
            queue.done("a", WorkOutcome::Late(began + 2 * FIRST, again.map(|after| began + after)));
            queue.add("a");
            queue.add("b");
            assert_eq!(queue.next().await, "b");
            assert!(began.elapsed() <= DEBOUNCE + Duration::from_millis(1));
            queue.done("b", WorkOutcome::Done);
            assert_eq!(queue.next().await, "a");
            assert!(began.elapsed() >= 2 * FIRST && began.elapsed() <= 2 * FIRST + Duration::from_millis(1));
            queue.done("a", WorkOutcome::Done);
            // After that, it runs as usual.
            queue.add("a");
            let began = Instant::now();
            assert_eq!(queue.next().await, "a");
            assert!(began.elapsed() <= DEBOUNCE + Duration::from_millis(1));
            queue.done("a", WorkOutcome::Done);
        }
        assert_eq!(queue.depth(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_runs_at_its_time_unless_it_is_added_for_an_earlier_one() {
        let queue = queue();
        let began = Instant::now();
        queue.add_at("late", began + MOST);
        queue.add("soon");
        assert_eq!(queue.next().await, "soon");
        queue.done("soon", WorkOutcome::Again(began + MOST * 2));
        assert_eq!(queue.next().await, "late");
        assert_eq!(began.elapsed(), MOST);
        queue.add("soon");
        assert_eq!(queue.next().await, "soon");
        assert!(began.elapsed() <= MOST + DEBOUNCE + Duration::from_millis(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_waits_for_its_next_time_is_not_pending_work() {
        let queue = queue();
        queue.add("a");
        assert_eq!(queue.depth(), 1, "although it waits to combine changes");
        assert_eq!(queue.next().await, "a");
        assert_eq!(queue.depth(), 1);
        queue.done("a", WorkOutcome::Again(Instant::now() + MOST));
        assert_eq!(queue.depth(), 0);
        queue.add_at("a", Instant::now() + MOST / 2);
        assert_eq!(queue.depth(), 1, "it was added");
        tokio::time::advance(MOST / 2).await;
        assert_eq!(queue.next().await, "a");
        queue.done("a", WorkOutcome::Again(Instant::now() + MOST));
        tokio::time::advance(MOST).await;
        assert_eq!(queue.depth(), 1, "it is due");
        assert_eq!(queue.next().await, "a");
        queue.done("a", WorkOutcome::Failed);
        assert_eq!(queue.depth(), 1, "a failure is pending work");
    }

    #[tokio::test(start_paused = true)]
    async fn workers_share_due_keys() {
        let queue = std::sync::Arc::new(Queue::new(Duration::ZERO));
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let queue = std::sync::Arc::clone(&queue);
            workers.spawn(async move { queue.next().await });
        }
        tokio::task::yield_now().await;
        (0..4).for_each(|key| queue.add(key));
        let mut taken = workers.join_all().await;
        taken.sort_unstable();
        assert_eq!(taken, [0, 1, 2, 3]);
    }
}

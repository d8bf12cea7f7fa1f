//! What the gateway has learnt of each place it sends to: cool-downs, breakers, pace.
//!
//! State belongs to an identity (provider, credential and the hash of its value), not to a policy:
//! a swap finds it again, and a rotated credential starts afresh.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use outrigger_policy::{Pace, Skip};

use crate::breaker::Breaker;

/// Models remembered for one lane, in each respect; beyond that all of it is dropped, and learnt anew.
const MODELS: usize = 128;
/// How often the log speaks of one credential's refusals, in milliseconds.
const TOLD_EVERY: u64 = 60_000;
/// How fast the average of the first token's time forgets: half a minute.
const DECAY: f64 = 30.0;

/// One provider with one credential.
#[derive(Debug)]
pub struct Lane {
    born: Instant,
    /// Milliseconds after `born` until which nothing is sent; 0 for none.
    rests_until: AtomicU64,
    /// Breakers by model, and cool-downs of one model.
    models: Mutex<HashMap<String, ModelState>>,
    /// Whether `models` holds anything: most lanes never fail.
    troubled: AtomicU32,
    in_flight: AtomicU32,
    /// By model: the time to the first token, in milliseconds, and when it was last learnt.
    paces: Mutex<HashMap<String, (f64, Instant)>>,
    /// Said that it does not know `stream_options`.
    pub refuses_usage: AtomicBool,
    /// Milliseconds after `born` from which on the log may speak of a refusal again.
    tells_from: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default)]
struct ModelState {
    breaker: Breaker,
    rests_until: Option<Instant>,
}

impl Default for Lane {
    fn default() -> Self {
        Lane {
            born: Instant::now(),
            rests_until: AtomicU64::new(0),
            models: Mutex::default(),
            troubled: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            paces: Mutex::default(),
            refuses_usage: AtomicBool::new(false),
            tells_from: AtomicU64::new(0),
        }
    }
}

impl Lane {
    /// Why nothing should be sent for a model now.
    pub fn gate(&self, model: &str, now: Instant) -> Option<Skip> {
        let until = self.rests_until.load(Ordering::Relaxed);
        if until > 0 && self.since_born(now) < until {
            return Some(Skip::Cooldown);
        }
        if self.troubled.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let state = models.get(model)?;
        if state.rests_until.is_some_and(|until| now < until) {
            return Some(Skip::Cooldown);
        }
        state.breaker.is_open(now).then_some(Skip::Breaker)
    }

    /// Begins a request. The first after a breaker's pause is the one that tries: the pause begins
    /// anew for those that are decided while it is under way.
    pub fn enter(&self, model: &str, now: Instant) {
        if self.troubled.load(Ordering::Relaxed) > 0
            && let Some(state) = self.models.lock().unwrap_or_else(PoisonError::into_inner).get_mut(model)
        {
            state.breaker.enter(now);
        }
    }

    /// The credential rests, for every model.
    pub fn rest(&self, pause: Duration, now: Instant) {
        let until = self.since_born(now).saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        self.rests_until.fetch_max(until, Ordering::Relaxed);
    }

    /// Whether the log should speak of a refusal now: once a minute for each credential.
    pub fn may_tell(&self, now: Instant) -> bool {
        let now = self.since_born(now);
        let next = now.saturating_add(TOLD_EVERY);
        self.tells_from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |from| (now >= from).then_some(next)).is_ok()
    }

    /// One model rests.
    pub fn rest_model(&self, model: &str, pause: Duration, now: Instant) {
        self.with(model, |state| state.rests_until = state.rests_until.max(Some(now + pause)));
    }

    pub fn failed(&self, model: &str, now: Instant) {
        self.with(model, |state| state.breaker.failed(now));
    }

    /// The breaker's count begins anew; a rest that a provider asked for goes on.
    pub fn succeeded(&self, model: &str, now: Instant) {
        if self.troubled.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        match models.get_mut(model) {
            Some(state) if state.rests_until.is_some_and(|until| now < until) => state.breaker = Breaker::default(),
            Some(_) => {
                models.remove(model);
            }
            None => {}
        }
        self.troubled.store(u32::try_from(models.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    fn with(&self, model: &str, change: impl FnOnce(&mut ModelState)) {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        if models.len() >= MODELS && !models.contains_key(model) {
            models.clear();
        }
        change(models.entry(model.to_owned()).or_default());
        self.troubled.store(u32::try_from(models.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Counts a request that is under way until the guard is dropped.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Notes how long the first token of a stream took. A peak counts at once, calm is learnt slowly.
    pub fn saw_first_token(&self, model: &str, took: Duration, now: Instant) {
        let ms = took.as_secs_f64() * 1_000.0;
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        match paces.get_mut(model) {
            Some(pace) if ms < pace.0 => {
                let keep = (-now.saturating_duration_since(pace.1).as_secs_f64() / DECAY).exp();
                *pace = (pace.0 * keep + ms * (1.0 - keep), now);
            }
            Some(pace) => *pace = (ms, now),
            None => {
                if paces.len() >= MODELS {
                    paces.clear();
                }
                paces.insert(model.to_owned(), (ms, now));
            }
        }
    }

    pub fn pace(&self, model: &str) -> Option<Pace> {
        let (first_token_ms, _) = *self.paces.lock().unwrap_or_else(PoisonError::into_inner).get(model)?;
        Some(Pace { first_token_ms, in_flight: self.in_flight.load(Ordering::Relaxed) })
    }

    fn since_born(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX)
    }
}

/// See [`Lane::busy`].
#[derive(Debug)]
pub struct Busy(Arc<Lane>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_rests_as_long_as_it_was_told_and_no_shorter() {
        let lane = Lane::default();
        let now = Instant::now();
        lane.rest(Duration::from_secs(10), now);
        lane.rest(Duration::from_secs(1), now);
        assert_eq!(lane.gate("m", now + Duration::from_secs(9)), Some(Skip::Cooldown));
        assert_eq!(lane.gate("m", now + Duration::from_secs(11)), None);
    }

    #[test]
    fn a_refusal_is_logged_once_a_minute() {
        let lane = Lane::default();
        let now = Instant::now();
        let after = |seconds| lane.may_tell(now + Duration::from_secs(seconds));
        assert_eq!([after(0), after(1), after(59), after(61), after(62)], [true, false, false, true, false]);
    }

    #[test]
    fn a_breaker_concerns_its_model_alone() {
        let lane = Lane::default();
        let now = Instant::now();
        (0..5).for_each(|_| lane.failed("a", now));
        assert_eq!(lane.gate("a", now), Some(Skip::Breaker));
        assert_eq!(lane.gate("b", now), None);
        lane.succeeded("a", now);
        assert_eq!(lane.gate("a", now), None);
    }

    #[test]
    fn a_success_closes_the_breaker_and_ends_no_rest() {
        let lane = Lane::default();
        let now = Instant::now();
        (0..5).for_each(|_| lane.failed("a", now));
        lane.rest_model("a", Duration::from_secs(30), now);
        lane.succeeded("a", now);
        assert_eq!(lane.gate("a", now), Some(Skip::Cooldown));
        assert_eq!(lane.gate("a", now + Duration::from_secs(31)), None);
    }

    #[test]
    fn peaks_count_at_once_and_calm_is_learnt() {
        let lane = Lane::default();
        let now = Instant::now();
        lane.saw_first_token("m", Duration::from_millis(100), now);
        lane.saw_first_token("m", Duration::from_millis(900), now);
        assert!((lane.pace("m").unwrap().first_token_ms - 900.0).abs() < 1.0);
        lane.saw_first_token("m", Duration::from_millis(100), now + Duration::from_secs(30));
        let learnt = lane.pace("m").unwrap().first_token_ms;
        assert!((350.0..450.0).contains(&learnt), "{learnt}");
    }
}

//! The health of each provider and credential: pauses, circuit breakers, latency.
//!
//! State belongs to an identity (provider, credential and the hash of its value), not to a policy: the next policy
//! finds it again, and a rotated credential starts afresh.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use outrigger_policy::{Measure, Observed, Pace, Skip};
use parking_lot::Mutex;

use crate::runtime::breaker::Breaker;

/// The most models with state for one credential. Beyond that, all of it is dropped and learnt again.
const MAX_MODELS: usize = 128;
/// The interval between log lines about refusals of one credential, in milliseconds.
const REFUSAL_LOG_INTERVAL: u64 = 60_000;

/// The health of one provider with one credential.
#[derive(Debug)]
pub struct BackendHealth {
    created: Instant,
    /// Nothing is sent until this time, in milliseconds after `created`; 0 for none.
    paused_until: AtomicU64,
    /// Breakers and pauses of single models.
    models: Mutex<HashMap<String, ModelState>>,
    /// The length of `models`. Most credentials never fail, so this avoids the lock.
    model_count: AtomicU32,
    in_flight: AtomicU32,
    /// By model: latency and the rate of failures.
    observed: Mutex<HashMap<String, Observed>>,
    /// The upstream does not know `stream_options`.
    pub refuses_usage: AtomicBool,
    /// When the next log line about a refusal may be written, in milliseconds after `created`.
    next_refusal_log: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default)]
struct ModelState {
    breaker: Breaker,
    paused_until: Option<Instant>,
}

impl Default for BackendHealth {
    fn default() -> Self {
        BackendHealth {
            created: Instant::now(),
            paused_until: AtomicU64::new(0),
            models: Mutex::default(),
            model_count: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            observed: Mutex::default(),
            refuses_usage: AtomicBool::new(false),
            next_refusal_log: AtomicU64::new(0),
        }
    }
}

impl BackendHealth {
    /// Why nothing should be sent for a model now; `None` if it may be used.
    pub fn gate(&self, model: &str, now: Instant) -> Option<Skip> {
        let until = self.paused_until.load(Ordering::Relaxed);
        if until > 0 && self.since_created(now) < until {
            return Some(Skip::Cooldown);
        }
        if self.model_count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let models = self.models.lock();
        let state = models.get(model)?;
        if state.paused_until.is_some_and(|until| now < until) {
            return Some(Skip::Cooldown);
        }
        state.breaker.is_open(now).then_some(Skip::Breaker)
    }

    /// Begins a request. The first one after a breaker's pause is the trial.
    pub fn begin(&self, model: &str, now: Instant) {
        if self.model_count.load(Ordering::Relaxed) > 0
            && let Some(state) = self.models.lock().get_mut(model)
        {
            state.breaker.begin(now);
        }
    }

    /// Pauses the credential for all models.
    pub fn pause(&self, pause: Duration, now: Instant) {
        let until = self.since_created(now).saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        self.paused_until.fetch_max(until, Ordering::Relaxed);
    }

    /// Whether to log a refusal now: once a minute for each credential.
    pub fn may_log_refusal(&self, now: Instant) -> bool {
        let now = self.since_created(now);
        let next = now.saturating_add(REFUSAL_LOG_INTERVAL);
        self.next_refusal_log
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |from| (now >= from).then_some(next))
            .is_ok()
    }

    /// Pauses one model.
    pub fn pause_model(&self, model: &str, pause: Duration, now: Instant) {
        self.with(model, |state| state.paused_until = state.paused_until.max(Some(now + pause)));
    }

    /// Records a failed attempt that began at `began`.
    pub fn record_failure(&self, model: &str, began: Instant, now: Instant) {
        self.with(model, |state| state.breaker.record_failure(began, now));
        self.observe(model, now, |observed, at| observed.ended(false, at));
    }

    /// Records a failure of a provider that is up. It opens no breaker.
    pub fn record_unserved(&self, model: &str, now: Instant) {
        self.observe(model, now, |observed, at| observed.ended(false, at));
    }

    /// Records an attempt that timed out without an answer.
    pub fn record_timeout(&self, model: &str, measure: Measure, began: Instant, now: Instant) {
        let waited = now.saturating_duration_since(began);
        self.observe(model, now, |observed, at| observed.waited(measure, waited, at));
    }

    /// Records a whole answer.
    pub fn record_answer(&self, model: &str, took: Option<Duration>, now: Instant) {
        self.record_up(model, now);
        self.observe(model, now, |observed, at| {
            if let Some(took) = took {
                observed.took(Measure::Whole, took, at);
            }
            observed.ended(true, at);
        });
    }

    /// Records the end of a stream.
    pub fn record_stream_end(&self, model: &str, now: Instant) {
        self.record_up(model, now);
        self.observe(model, now, |observed, at| observed.ended(true, at));
    }

    /// Records that the provider is up: it answered, perhaps with a refusal. Resets the breaker. A pause that a
    /// provider asked for continues.
    pub fn record_up(&self, model: &str, now: Instant) {
        if self.model_count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut models = self.models.lock();
        match models.get_mut(model) {
            Some(state) if state.paused_until.is_some_and(|until| now < until) => state.breaker = Breaker::default(),
            Some(_) => {
                models.remove(model);
            }
            None => {}
        }
        self.model_count.store(u32::try_from(models.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    fn with(&self, model: &str, change: impl FnOnce(&mut ModelState)) {
        let mut models = self.models.lock();
        if models.len() >= MAX_MODELS && !models.contains_key(model) {
            models.clear();
        }
        change(models.entry(model.to_owned()).or_default());
        self.model_count.store(u32::try_from(models.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Counts a request as in progress until the guard is dropped. `began`: as in [`BackendHealth::begin`].
    pub fn busy(self: &Arc<Self>, model: &Arc<str>, began: Instant) -> Busy {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Busy { health: Arc::clone(self), model: Arc::clone(model), began }
    }

    /// Records the time to the first token of a stream.
    pub fn record_first_token(&self, model: &str, took: Duration, now: Instant) {
        self.observe(model, now, |observed, at| observed.took(Measure::FirstToken, took, at));
    }

    fn observe(&self, model: &str, now: Instant, change: impl FnOnce(&mut Observed, Duration)) {
        let at = now.saturating_duration_since(self.created);
        let mut observed = self.observed.lock();
        if let Some(of_model) = observed.get_mut(model) {
            return change(of_model, at);
        }
        if observed.len() >= MAX_MODELS {
            observed.clear();
        }
        change(observed.entry(model.to_owned()).or_default(), at);
    }

    /// The latency and the rate of failures of a model, by this measure.
    pub fn pace(&self, model: &str, measure: Measure, now: Instant) -> Option<Pace> {
        let at = now.saturating_duration_since(self.created);
        let pace = self.observed.lock().get(model)?.pace(measure, at)?;
        Some(Pace { in_flight: self.in_flight.load(Ordering::Relaxed), ..pace })
    }

    fn since_created(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.created).as_millis()).unwrap_or(u64::MAX)
    }
}

/// See [`BackendHealth::busy`].
#[derive(Debug)]
pub struct Busy {
    health: Arc<BackendHealth>,
    model: Arc<str>,
    began: Instant,
}

impl Drop for Busy {
    /// The end of the request. Its outcome is recorded before.
    fn drop(&mut self) {
        self.health.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.health.model_count.load(Ordering::Relaxed) > 0
            && let Some(state) = self.health.models.lock().get_mut(&*self.model)
        {
            state.breaker.end_without_outcome(self.began, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pause_counts() {
        let health = BackendHealth::default();
        let now = Instant::now();
        health.pause(Duration::from_secs(10), now);
        health.pause(Duration::from_secs(1), now);
        assert_eq!(health.gate("m", now + Duration::from_secs(9)), Some(Skip::Cooldown));
        assert_eq!(health.gate("m", now + Duration::from_secs(11)), None);
    }

    #[test]
    fn a_refusal_is_logged_once_a_minute() {
        let health = BackendHealth::default();
        let now = Instant::now();
        let after = |seconds| health.may_log_refusal(now + Duration::from_secs(seconds));
        assert_eq!([after(0), after(1), after(59), after(61), after(62)], [true, false, false, true, false]);
    }

    #[test]
    fn a_breaker_affects_only_its_model() {
        let health = BackendHealth::default();
        let now = Instant::now();
        (0..5).for_each(|_| health.record_failure("a", now, now));
        assert_eq!(health.gate("a", now), Some(Skip::Breaker));
        assert_eq!(health.gate("b", now), None);
        health.record_stream_end("a", now);
        assert_eq!(health.gate("a", now), None);
    }

    #[test]
    fn a_success_closes_the_breaker_and_ends_no_pause() {
        let health = BackendHealth::default();
        let now = Instant::now();
        (0..5).for_each(|_| health.record_failure("a", now, now));
        health.pause_model("a", Duration::from_secs(30), now);
        health.record_stream_end("a", now);
        assert_eq!(health.gate("a", now), Some(Skip::Cooldown));
        assert_eq!(health.gate("a", now + Duration::from_secs(31)), None);
    }

    #[test]
    fn latency_rises_immediately_and_falls_slowly() {
        let health = BackendHealth::default();
        let now = Instant::now();
        health.record_first_token("m", Duration::from_millis(100), now);
        health.record_first_token("m", Duration::from_millis(900), now);
        let pace = |now| health.pace("m", Measure::FirstToken, now).and_then(|pace| pace.ms).unwrap();
        assert!((pace(now) - 900.0).abs() < 1.0);
        health.record_first_token("m", Duration::from_millis(100), now + Duration::from_secs(30));
        let learnt = pace(now + Duration::from_secs(30));
        assert!((350.0..450.0).contains(&learnt), "{learnt}");
    }
    #[test]
    fn an_answer_of_any_kind_closes_the_breaker() {
        let now = Instant::now();
        let later = now + Duration::from_secs(2);
        for (name, comes, shut) in [
            (
                "a failure",
                (|health: &BackendHealth, now| health.record_failure("m", now, now)) as fn(&BackendHealth, Instant),
                true,
            ),
            ("a whole answer", |health, now| health.record_answer("m", Some(Duration::ZERO), now), false),
            ("a stream's end", |health, now| health.record_stream_end("m", now), false),
            ("a refusal of the request", |health, now| health.record_up("m", now), false),
        ] {
            let health = BackendHealth::default();
            (0..5).for_each(|_| health.record_failure("m", now, now));
            health.begin("m", later);
            assert_eq!(health.gate("m", later), Some(Skip::Breaker), "others wait for the one that tries");
            comes(&health, later);
            assert_eq!(health.gate("m", later).is_some(), shut, "{name}");
        }
    }

    #[test]
    fn a_cancelled_trial_lets_the_next_request_try() {
        let health = Arc::new(BackendHealth::default());
        let (model, now) = (Arc::from("m"), Instant::now());
        let before = now.checked_sub(Duration::from_secs(3)).unwrap();
        (0..5).for_each(|_| health.record_failure("m", before, before));
        health.begin("m", now);
        let trying = health.busy(&model, now);
        drop(health.busy(&model, before));
        assert_eq!(health.gate("m", now), Some(Skip::Breaker), "who began before has nothing to do with it");
        drop(trying);
        assert_eq!(health.gate("m", Instant::now()), None);
        // Dropping the guard after a failure of the trial does not undo the failure.
        let again = Instant::now();
        health.begin("m", again);
        let trying = health.busy(&model, again);
        health.record_failure("m", again, again);
        drop(trying);
        assert_eq!(health.gate("m", Instant::now()), Some(Skip::Breaker));
    }

    #[test]
    fn records_whole_answers_and_failures_as_well_as_streams() {
        let health = BackendHealth::default();
        let now = Instant::now();
        assert_eq!(health.pace("m", Measure::Whole, now), None);
        health.record_failure("m", now, now);
        assert!(health.pace("m", Measure::Whole, now).unwrap().errors > 0.2);
        health.record_answer("m", Some(Duration::from_millis(700)), now);
        let pace = health.pace("m", Measure::Whole, now).unwrap();
        assert_eq!(pace.ms, Some(700.0));
        assert_eq!(health.pace("m", Measure::FirstToken, now).unwrap().ms, None, "streams are measured apart");
        assert_eq!(health.pace("other", Measure::Whole, now), None, "models are apart");
    }
}

//! Simulates `Adaptive` for minutes with backends of given behaviour: seeded, and without a clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::balanced;
use crate::decide::observed::{Measure, Observed};
use crate::document::Balance;
use crate::request::{Draw, Pace};
use outrigger_core::hash::spread_parts;

/// The behaviour of a backend at a moment, in seconds since the start.
#[derive(Clone, Copy)]
struct Behaviour {
    /// The mean time of an answer, in milliseconds; each takes between 50 % and 150 % of it.
    ms: f64,
    /// The fraction of attempts that fail, and after how many milliseconds.
    fails: f64,
    fails_in: f64,
}

const GOOD: Behaviour = Behaviour { ms: 400.0, fails: 0.0, fails_in: 5.0 };

type SimulatedBackend = fn(f64) -> Behaviour;

struct Simulation {
    backends: Vec<SimulatedBackend>,
    /// Requests a second.
    rate: f64,
    seconds: f64,
    /// The fraction of requests that are streams.
    streamed: f64,
}

/// The end of an attempt, ordered by time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SimulatedAnswer {
    at: Duration,
    backend: usize,
    succeeded: bool,
    streamed: bool,
    took: Duration,
}

impl Simulation {
    fn new(backends: &[SimulatedBackend]) -> Self {
        Simulation { backends: backends.to_vec(), rate: 5.0, seconds: 600.0, streamed: 0.0 }
    }

    /// The share of each backend in first attempts, between two moments.
    fn shares(&self, from: f64, until: f64) -> Vec<f64> {
        let mut dice = fastrand::Rng::with_seed(42);
        let weights: Vec<(f64, u64)> =
            (0..self.backends.len()).map(|at| (50.0, spread_parts(&[&[at as u8]]))).collect();
        let mut seen = vec![Observed::default(); self.backends.len()];
        let mut busy = vec![0u32; self.backends.len()];
        let mut asked = vec![0u32; self.backends.len()];
        let mut under_way: BinaryHeap<Reverse<SimulatedAnswer>> = BinaryHeap::new();
        let mut now = 0.0;
        while now < self.seconds {
            now += -(1.0 - dice.f64()).ln() / self.rate;
            let at = Duration::from_secs_f64(now);
            while under_way.peek().is_some_and(|Reverse(next)| next.at <= at) {
                let Some(Reverse(outcome)) = under_way.pop() else { break };
                busy[outcome.backend] -= 1;
                let seen = &mut seen[outcome.backend];
                if outcome.succeeded {
                    seen.took(measure(outcome.streamed), outcome.took, outcome.at);
                }
                seen.ended(outcome.succeeded, outcome.at);
            }
            let streamed = dice.f64() < self.streamed;
            let pace = |backend: usize| {
                let known = seen[backend].pace(measure(streamed), at).unwrap_or_default();
                Some(Pace { in_flight: busy[backend], ..known })
            };
            let order = balanced(Balance::Adaptive, &weights, Draw::Random(dice.u64(..)), 0, pace);
            if (from..until).contains(&now) {
                asked[order[0]] += 1;
            }
            // If one fails, the others are tried, as in the gateway.
            let mut begins = now;
            for backend in order {
                let behaves = (self.backends[backend])(now);
                let succeeded = dice.f64() >= behaves.fails;
                let ms = if succeeded { behaves.ms * (0.5 + dice.f64()) } else { behaves.fails_in };
                busy[backend] += 1;
                let ends = Duration::from_secs_f64(begins + ms / 1_000.0);
                let took = Duration::from_secs_f64(ms / 1_000.0);
                under_way.push(Reverse(SimulatedAnswer { at: ends, backend, succeeded, streamed, took }));
                begins += ms / 1_000.0;
                if succeeded {
                    break;
                }
            }
        }
        let all: u32 = asked.iter().sum();
        asked.iter().map(|asked| f64::from(*asked) / f64::from(all.max(1))).collect()
    }
}

fn measure(streamed: bool) -> Measure {
    if streamed { Measure::FirstToken } else { Measure::Whole }
}

fn good(_: f64) -> Behaviour {
    GOOD
}

fn slow(_: f64) -> Behaviour {
    Behaviour { ms: 2_000.0, ..GOOD }
}

fn half_fails(_: f64) -> Behaviour {
    Behaviour { fails: 0.5, ..GOOD }
}

/// Fails within 5 ms: by times alone it is the fastest.
fn fails_at_once(_: f64) -> Behaviour {
    Behaviour { fails: 1.0, ..GOOD }
}

fn fails_for_five_minutes(now: f64) -> Behaviour {
    if now < 300.0 { fails_at_once(now) } else { GOOD }
}

fn slow_for_five_minutes(now: f64) -> Behaviour {
    if now < 300.0 { slow(now) } else { GOOD }
}

#[test]
fn shares_follow_the_behaviour_of_backends() {
    for streamed in [0.0, 1.0, 0.5] {
        for (name, backends, from, until, expected) in [
            ("equal ones stay fair", [good as SimulatedBackend, good], 0.0, 600.0, 0.45..0.55),
            ("a slow one gets less", [slow, good], 60.0, 600.0, 0.10..0.25),
            ("one that fails half of its requests gets less", [half_fails, good], 60.0, 600.0, 0.08..0.22),
            ("one that fails at once is not fast", [fails_at_once, good], 60.0, 600.0, 0.05..0.12),
            ("and is found out within a minute", [fails_at_once, good], 0.0, 60.0, 0.05..0.20),
            ("what has recovered has its share again", [fails_for_five_minutes, good], 420.0, 600.0, 0.40..0.60),
            ("so has what was slow", [slow_for_five_minutes, good], 420.0, 600.0, 0.40..0.60),
            ("before that it had little", [fails_for_five_minutes, good], 60.0, 300.0, 0.05..0.12),
        ] {
            let share = Simulation { streamed, ..Simulation::new(&backends) }.shares(from, until)[0];
            assert!(expected.contains(&share), "{name}, {streamed} streamed: {share}");
        }
    }
}

#[test]
fn a_new_backend_is_neither_flooded_nor_starved() {
    // Nothing is known of the third until its first answer.
    let shares = Simulation { rate: 50.0, seconds: 5.0, ..Simulation::new(&[good, good, good]) }.shares(0.0, 5.0);
    assert!(shares.iter().all(|share| (0.2..0.5).contains(share)), "{shares:?}");
    fn appears(now: f64) -> Behaviour {
        if now < 60.0 { fails_at_once(now) } else { GOOD }
    }
    let shares = Simulation::new(&[appears, good, good]).shares(60.0, 90.0);
    assert!(shares[0] < 2.0 / 3.0, "no stampede to what has just recovered: {shares:?}");
}

#[test]
fn one_request_a_minute_is_enough_to_update_measurements() {
    let rare =
        |backends: &[SimulatedBackend]| Simulation { rate: 1.0 / 60.0, seconds: 60_000.0, ..Simulation::new(backends) };
    let failing = rare(&[fails_at_once, good]).shares(600.0, 60_000.0)[0];
    assert!(failing < 0.35, "{failing}");
    let equal = rare(&[good, good]).shares(0.0, 60_000.0)[0];
    assert!((0.4..0.6).contains(&equal), "{equal}");
}

#[test]
fn a_backend_without_streams_is_compared_by_whole_answers() {
    // It has served whole answers for a while. Then streams come, for which nothing is known.
    let run = Simulation { streamed: 0.0, ..Simulation::new(&[slow, good]) };
    assert!(run.shares(60.0, 600.0)[0] < 0.25, "by whole answers it is slow");
    let mut seen = Observed::default();
    seen.took(Measure::Whole, Duration::from_secs(9), Duration::ZERO);
    assert_eq!(seen.pace(Measure::FirstToken, Duration::ZERO), None, "and for streams it counts as the best");
}

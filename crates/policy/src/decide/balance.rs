//! The order in which to try several candidates.

use crate::decide::weighted::{order, pick};
use crate::document::Balance;
use crate::request::{Draw, Pace};

/// Makes the second random choice of a request independent of the first.
const SECOND: u64 = 0x5851_f42d_4c95_7f2d;

/// The half-life, in seconds, of a measured time without newer answers: a backend that was slow, and got almost no
/// requests since, is tried again.
const HALF: f64 = 120.0;
/// The smallest remaining part of a weight, so that every backend is tried now and then.
const LEAST: f64 = 0.1;
/// Scaled weights that differ by no more than this fraction count as equal.
const EQUAL: f64 = 0.1;

impl Pace {
    /// The pace of a provider with several credentials: as fast as the best one, and as busy as all together.
    #[must_use]
    pub fn of_all(paces: impl IntoIterator<Item = Pace>) -> Option<Pace> {
        paces.into_iter().reduce(|one, other| {
            let cost = |pace: &Pace| pace.time().unwrap_or(0.0) / pace.trust();
            let best = if cost(&other) < cost(&one) { other } else { one };
            Pace { in_flight: one.in_flight.saturating_add(other.in_flight), ..best }
        })
    }

    fn time(&self) -> Option<f64> {
        self.ms.map(|ms| ms.max(1e-3))
    }

    /// The remaining part of a weight at this rate of failures: a tenth costs a quarter of it, one half costs seven
    /// eighths.
    fn trust(&self) -> f64 {
        (1.0 - self.errors.clamp(0.0, 0.99)).powi(3)
    }

    /// The remaining part of a weight, relative to a backend with the best time and no failures.
    fn share(&self, best: f64) -> f64 {
        // A backend without a measured time counts as the best, so that it gets its share and is measured.
        let slower = self.time().map_or(1.0, |ms| (ms / best).max(1.0));
        let still = 0.5f64.powf(self.age.as_secs_f64() / HALF);
        self.trust() / (1.0 + (slower - 1.0) * still)
    }
}

/// The order of several, given as (weight, identity): the chosen one first.
///
/// [`Balance::Adaptive`] scales each weight by how much slower its answers are than the best one's, and by its rate of
/// failures, down to a tenth. For a session, only the weights count under either balance: the measurements of one pod
/// would send it elsewhere than those of another, and away from its cache.
pub(crate) fn balanced(
    balance: Balance,
    weights: &[(f64, u64)],
    draw: Draw,
    salt: u64,
    pace: impl Fn(usize) -> Option<Pace>,
) -> Vec<usize> {
    if balance == Balance::Weighted || matches!(draw, Draw::Session(_)) {
        return order(weights, draw, salt);
    }
    let paces: Vec<Pace> = (0..weights.len()).map(|index| pace(index).unwrap_or_default()).collect();
    // The best of those that can be chosen.
    let weighted_paces = || weights.iter().zip(&paces).filter(|((weight, _), _)| *weight > 0.0).map(|(_, pace)| pace);
    let best = weighted_paces().filter_map(Pace::time).fold(f64::INFINITY, f64::min);
    let most = weighted_paces().map(|pace| pace.share(best)).fold(f64::MIN_POSITIVE, f64::max);
    let factor = |pace: &Pace| (pace.share(best) / most).clamp(LEAST, 1.0);
    let scaled: Vec<(f64, u64)> =
        weights.iter().zip(&paces).map(|((weight, id), pace)| (weight * factor(pace), *id)).collect();
    let mut order = order(&scaled, draw, salt);
    // If two are equal, the less busy one: a second random choice proposes, the load decides.
    if let (Some(first), Some(second)) = (pick(&scaled, draw, salt), pick(&scaled, draw, salt ^ SECOND)) {
        let (one, other) = (scaled[first].0, scaled[second].0);
        let equal = (one - other).abs() <= EQUAL * one.max(other);
        if equal && paces[second].in_flight < paces[first].in_flight {
            to_front(&mut order, |position| position == second);
        }
    }
    order
}

/// Moves the first index for which `wanted` is true to the front. The others keep their order.
pub(crate) fn to_front(order: &mut [usize], wanted: impl Fn(usize) -> bool) {
    if let Some(at) = order.iter().position(|position| wanted(*position)) {
        order[..=at].rotate_right(1);
    }
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use outrigger_core::hash::spread_parts;

    fn known(ms: f64, in_flight: u32) -> Pace {
        Pace { ms: Some(ms), in_flight, ..Pace::default() }
    }

    fn firsts(weights: &[f64], paces: &[Option<(f64, u32)>]) -> Vec<u32> {
        let weights: Vec<(f64, u64)> =
            weights.iter().enumerate().map(|(at, weight)| (*weight, spread_parts(&[&[at as u8]]))).collect();
        let mut counts = vec![0; weights.len()];
        for request in 0..10_000u64 {
            let draw = Draw::Random(spread_parts(&[&request.to_le_bytes()]));
            let pace = |at: usize| paces[at].map(|(ms, in_flight)| known(ms, in_flight));
            counts[balanced(Balance::Adaptive, &weights, draw, 0, pace)[0]] += 1;
        }
        counts
    }

    #[test]
    fn slower_backends_get_less_but_at_least_a_tenth_of_their_weight() {
        for (name, weights, paces, share) in [
            ("nothing is known", [50.0, 50.0], [None, None], 5_000),
            ("twice as slow", [50.0, 50.0], [Some((100.0, 0)), Some((200.0, 0))], 6_667),
            ("a hundred times as slow", [50.0, 50.0], [Some((10.0, 0)), Some((1_000.0, 0))], 9_091),
            ("one is not known yet", [50.0, 50.0], [None, Some((1_000.0, 0))], 5_000),
            ("the best took no time", [50.0, 50.0], [Some((0.0, 0)), Some((1_000.0, 0))], 9_091),
            ("weights and times", [80.0, 20.0], [Some((400.0, 0)), Some((100.0, 0))], 5_000),
            ("weight 0 stays 0", [100.0, 0.0], [Some((900.0, 0)), Some((1.0, 0))], 10_000),
        ] {
            let first = firsts(&weights, &paces)[0];
            assert!(first.abs_diff(share) <= 200, "{name}: {first}, not {share}");
        }
    }

    #[test]
    fn failures_reduce_the_share_and_old_measurements_fade() {
        let first = |one: Pace, other: Pace| {
            let weights = [(50.0, spread_parts(&[b"a"])), (50.0, spread_parts(&[b"b"]))];
            let draws = (0..10_000u64).map(|request| Draw::Random(spread_parts(&[&request.to_le_bytes()])));
            let pace = |at: usize| Some(if at == 0 { one } else { other });
            draws.filter(|draw| balanced(Balance::Adaptive, &weights, *draw, 0, pace)[0] == 0).count()
        };
        let good = known(100.0, 0);
        let old = |seconds| Pace { age: Duration::from_secs(seconds), ..known(1_000.0, 0) };
        for (name, one, share) in [
            ("a tenth fails", Pace { errors: 0.1, ..good }, 4_216),
            ("half fail", Pace { errors: 0.5, ..good }, 1_111),
            ("all fail, and at once", Pace { ms: Some(1.0), errors: 0.9, ..good }, 909),
            ("nothing but failures, so that no time is known", Pace { ms: None, errors: 0.9, ..good }, 909),
            ("slow just now", old(0), 909),
            ("slow two minutes ago", old(120), 1_538),
            ("slow half an hour ago", old(1_800), 5_000),
        ] {
            let drawn = first(one, good);
            assert!(drawn.abs_diff(share) <= 200, "{name}: {drawn}, not {share}");
        }
        let both = Pace { errors: 0.8, ..good };
        assert!(first(both, both).abs_diff(5_000) <= 200, "if all fail equally, the weights decide");
    }

    #[test]
    fn a_provider_is_as_good_as_its_best_credential() {
        let all = |paces: &[Pace]| Pace::of_all(paces.iter().copied());
        assert_eq!(all(&[]), None);
        assert_eq!(all(&[known(900.0, 2), known(100.0, 3)]), Some(known(100.0, 5)));
        let failing = Pace { errors: 0.9, ..known(100.0, 1) };
        assert_eq!(all(&[failing, known(900.0, 1)]), Some(known(900.0, 2)));
    }

    #[test]
    fn of_equal_backends_the_less_busy_one_is_chosen() {
        let paces = [Some((100.0, 9)), Some((100.0, 1))];
        let counts = firsts(&[50.0, 50.0], &paces);
        assert!(counts[1].abs_diff(7_500) <= 200, "{counts:?}: drawn twice, the less busy one wins if either names it");
        let unequal = firsts(&[80.0, 20.0], &[Some((100.0, 9)), Some((100.0, 1))]);
        assert!(unequal[0].abs_diff(8_000) <= 200, "{unequal:?}: load decides between equals alone");
    }

    #[test]
    fn a_session_does_not_move_when_measured_times_change() {
        let weights = [(50.0, spread_parts(&[b"a"])), (50.0, spread_parts(&[b"b"]))];
        for session in 0..200 {
            let draw = Draw::Session(session);
            let slow = |slow: usize| move |at: usize| Some(known(if at == slow { 900.0 } else { 10.0 }, 0));
            let by_weight = balanced(Balance::Weighted, &weights, draw, 0, |_| None);
            assert_eq!(balanced(Balance::Adaptive, &weights, draw, 0, slow(0)), by_weight);
            assert_eq!(balanced(Balance::Adaptive, &weights, draw, 0, slow(1)), by_weight);
        }
    }
}

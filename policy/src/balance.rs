//! The order in which to try several that all may serve.

use crate::document::Balance;
use crate::draw::{order, pick};
use crate::request::{Draw, Pace};

/// Makes the second draw of a request independent of the first.
const SECOND: u64 = 0x5851_f42d_4c95_7f2d;

/// The order of several, given as (weight, identity): the drawn one first.
///
/// [`Balance::Adaptive`] scales each weight by how much slower its first token comes than the
/// best one's, down to a tenth. A session is drawn by the weights alone under either balance: what
/// one pod has measured would send it elsewhere than another pod does, and away from its cache.
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
    let paces: Vec<Option<Pace>> = (0..weights.len()).map(pace).collect();
    let time = |pace: &Pace| pace.first_token_ms.max(1e-3);
    // The best of those that can be drawn.
    let drawn = weights.iter().zip(&paces).filter(|((weight, _), _)| *weight > 0.0);
    let best = drawn.filter_map(|(_, pace)| pace.as_ref()).map(time).fold(f64::INFINITY, f64::min);
    // One of which nothing is known yet counts as the best, so that it gets its share and is learnt.
    let factor = |pace: &Option<Pace>| pace.as_ref().map_or(1.0, |pace| (best / time(pace)).clamp(0.1, 1.0));
    let scaled: Vec<(f64, u64)> =
        weights.iter().zip(&paces).map(|((weight, id), pace)| (weight * factor(pace), *id)).collect();
    let mut places = order(&scaled, draw, salt);
    // Between equals the less busy one: a second draw proposes, the load decides.
    if let (Some(first), Some(second)) = (pick(&scaled, draw, salt), pick(&scaled, draw, salt ^ SECOND)) {
        let busy = |index: usize| paces[index].map_or(0, |pace| pace.in_flight);
        let equal = (scaled[first].0 - scaled[second].0).abs() < f64::EPSILON;
        if equal && busy(second) < busy(first) {
            to_front(&mut places, |place| place == second);
        }
    }
    places
}

/// Moves the first place that `wanted` names to the front, the others keeping their order.
pub(crate) fn to_front(places: &mut [usize], wanted: impl Fn(usize) -> bool) {
    if let Some(at) = places.iter().position(|place| wanted(*place)) {
        places[..=at].rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::hash;

    fn firsts(weights: &[f64], paces: &[Option<(f64, u32)>]) -> Vec<u32> {
        let weights: Vec<(f64, u64)> =
            weights.iter().enumerate().map(|(at, weight)| (*weight, hash(&[&[at as u8]]))).collect();
        let mut counts = vec![0; weights.len()];
        for request in 0..10_000u64 {
            let draw = Draw::Random(hash(&[&request.to_le_bytes()]));
            let pace = |at: usize| paces[at].map(|(first_token_ms, in_flight)| Pace { first_token_ms, in_flight });
            counts[balanced(Balance::Adaptive, &weights, draw, 0, pace)[0]] += 1;
        }
        counts
    }

    #[test]
    fn the_slower_get_less_and_never_under_a_tenth_of_their_weight() {
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
    fn between_equals_the_less_busy_one() {
        let paces = [Some((100.0, 9)), Some((100.0, 1))];
        let counts = firsts(&[50.0, 50.0], &paces);
        assert!(counts[1].abs_diff(7_500) <= 200, "{counts:?}: drawn twice, the less busy one wins if either names it");
        let unequal = firsts(&[80.0, 20.0], &[Some((100.0, 9)), Some((100.0, 1))]);
        assert!(unequal[0].abs_diff(8_000) <= 200, "{unequal:?}: load decides between equals alone");
    }

    #[test]
    fn a_session_does_not_move_with_the_times() {
        let weights = [(50.0, hash(&[b"a"])), (50.0, hash(&[b"b"]))];
        for session in 0..200 {
            let draw = Draw::Session(session);
            let slow = |slow: usize| {
                move |at: usize| Some(Pace { first_token_ms: if at == slow { 900.0 } else { 10.0 }, in_flight: 0 })
            };
            let by_weight = balanced(Balance::Weighted, &weights, draw, 0, |_| None);
            assert_eq!(balanced(Balance::Adaptive, &weights, draw, 0, slow(0)), by_weight);
            assert_eq!(balanced(Balance::Adaptive, &weights, draw, 0, slow(1)), by_weight);
        }
    }
}

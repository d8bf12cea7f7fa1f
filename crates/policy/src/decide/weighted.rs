//! Chooses one of several by weight: at random, or always the same for a session.

use crate::request::Draw;
use outrigger_core::hash::{spread, spread_parts};

/// 53 bits as a number in (0, 1).
fn unit(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// The index of the chosen one; `None` if no weight is above zero.
///
/// `weights` are (weight, identity). At random, each is chosen in proportion to its weight. For a session, weighted
/// rendezvous hashing: the highest `-weight / ln(h)` wins, so that every pod chooses the same one, and when one drops
/// out only its own sessions move.
pub(crate) fn pick(weights: &[(f64, u64)], draw: Draw, salt: u64) -> Option<usize> {
    match draw {
        Draw::Random(bits) => {
            let total: f64 = weights.iter().map(|(weight, _)| weight.max(0.0)).sum();
            if total <= 0.0 {
                return None;
            }
            let mut rest = unit(spread(bits ^ salt)) * total;
            let mut last = None;
            for (index, (weight, _)) in weights.iter().enumerate().filter(|(_, (weight, _))| *weight > 0.0) {
                last = Some(index);
                rest -= weight;
                if rest < 0.0 {
                    break;
                }
            }
            last
        }
        Draw::Session(session) => weights
            .iter()
            .enumerate()
            .filter(|(_, (weight, _))| *weight > 0.0)
            .map(|(index, (weight, identity))| {
                (index, -weight / unit(spread_parts(&[&session.to_le_bytes(), &identity.to_le_bytes()])).ln())
            })
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(index, _)| index),
        Draw::Likeliest => weights
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, (weight, _))| *weight > 0.0)
            .max_by(|a, b| a.1.0.total_cmp(&b.1.0))
            .map(|(index, _)| index),
    }
}

/// The order in which to try several: the chosen one, then the rest by weight, then as listed.
pub(crate) fn order(weights: &[(f64, u64)], draw: Draw, salt: u64) -> Vec<usize> {
    let first = pick(weights, draw, salt);
    let mut rest: Vec<usize> = (0..weights.len()).filter(|index| Some(*index) != first).collect();
    rest.sort_by(|a, b| weights[*b].0.total_cmp(&weights[*a].0));
    first.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_thousand_choices_match_the_weights_within_two_percent() {
        let weights = [(80.0, 1), (20.0, 2), (0.0, 3)];
        let mut counts = [0u32; 3];
        for request in 0..10_000u64 {
            counts[pick(&weights, Draw::Random(spread_parts(&[&request.to_le_bytes()])), 0).unwrap()] += 1;
        }
        assert!((7_800..=8_200).contains(&counts[0]), "{counts:?}");
        assert_eq!(counts[2], 0, "weight 0 is never chosen first");
    }

    #[test]
    fn sessions_follow_the_weights() {
        let weights = [(80.0, spread_parts(&[b"a"])), (20.0, spread_parts(&[b"b"]))];
        let first = (0..10_000u64)
            .filter(|session| pick(&weights, Draw::Session(spread_parts(&[&session.to_le_bytes()])), 0) == Some(0))
            .count();
        assert!((7_800..=8_200).contains(&first), "{first}");
    }

    #[test]
    fn salt_makes_the_choices_of_one_request_independent() {
        let weights = [(1.0, 1), (1.0, 2)];
        let both = (0..4_000u64)
            .filter(|request| {
                let bits = spread_parts(&[&request.to_le_bytes()]);
                pick(&weights, Draw::Random(bits), 1) == Some(0) && pick(&weights, Draw::Random(bits), 2) == Some(0)
            })
            .count();
        assert!((900..=1_100).contains(&both), "{both}");
    }

    #[test]
    fn the_likeliest_has_the_largest_weight_and_is_the_first_of_equals() {
        for (weights, expected) in [
            (vec![(1.0, 1), (3.0, 2), (3.0, 3)], Some(1)),
            (vec![(0.0, 1), (0.5, 2)], Some(1)),
            (vec![(0.0, 1)], None),
            (vec![], None),
        ] {
            assert_eq!(pick(&weights, Draw::Likeliest, 7), expected, "{weights:?}");
        }
    }

    proptest! {
        #[test]
        fn a_session_moves_only_when_its_own_backend_is_removed(
            session: u64, weights in prop::collection::vec(1u32..100, 2..8), gone in 0usize..8,
        ) {
            let all: Vec<(f64, u64)> =
                weights.iter().enumerate().map(|(i, w)| (f64::from(*w), spread_parts(&[&[i as u8]]))).collect();
            let before = pick(&all, Draw::Session(session), 0).unwrap();
            let gone = gone % all.len();
            let mut fewer = all.clone();
            fewer[gone].0 = 0.0;
            let after = pick(&fewer, Draw::Session(session), 0).unwrap();
            let as_promised = if before == gone { after != gone } else { after == before };
            prop_assert!(as_promised);
        }

        #[test]
        fn an_order_contains_each_once(weights in prop::collection::vec(0u32..5, 0..9), bits: u64) {
            let weights: Vec<(f64, u64)> = weights.iter().map(|w| (f64::from(*w), 7)).collect();
            let mut order = order(&weights, Draw::Random(bits), 0);
            order.sort_unstable();
            prop_assert_eq!(order, (0..weights.len()).collect::<Vec<_>>());
        }
    }
}

//! Converts the shares of other gateways, which are floats, into whole weights.

/// The largest weight that an object may have.
const MAX: f64 = 1_000_000.0;

/// Whole numbers in the proportion of `shares`, as small as possible. Negative shares count as zero, and a positive
/// share never becomes zero.
pub(crate) fn whole(shares: &[f64]) -> Vec<i64> {
    let shares: Vec<f64> = shares.iter().map(|share| if share.is_finite() { share.max(0.0) } else { 0.0 }).collect();
    let largest = shares.iter().copied().fold(0.0, f64::max);
    if largest <= 0.0 {
        return vec![0; shares.len()];
    }
    let exact = (0..=6).map(|places| 10_f64.powi(places)).find(|scale| {
        largest * scale <= MAX
            && shares.iter().all(|share| {
                let scaled = share * scale;
                (scaled - scaled.round()).abs() < 1e-9 * scaled.max(1.0)
            })
    });
    // Shares that six decimal places can't represent, such as thirds, are rounded to a ten-thousandth of the largest.
    let scale = exact.unwrap_or(10_000.0 / largest);
    let weights: Vec<i64> = shares
        .iter()
        .map(|share| {
            // At most a million, see above.
            #[expect(clippy::cast_possible_truncation, reason = "at most a million")]
            let weight = (share * scale).round() as i64;
            if *share > 0.0 { weight.max(1) } else { 0 }
        })
        .collect();
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    weights.iter().map(|weight| weight / divisor).collect()
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proportion_is_kept() {
        for (shares, expected) in [
            (vec![0.8, 0.2], vec![4, 1]),
            (vec![0.7, 0.3, 0.0], vec![7, 3, 0]),
            (vec![1.0], vec![1]),
            (vec![0.5, 0.5], vec![1, 1]),
            (vec![0.333, 0.667], vec![333, 667]),
            (vec![1.0 / 3.0, 2.0 / 3.0], vec![1, 2]),
            (vec![2.0, 1e-9], vec![10_000, 1]),
            (vec![5_000_000.0, 2_500_000.0], vec![2, 1]),
            (vec![0.0, 0.0], vec![0, 0]),
            (vec![-1.0, f64::NAN, 3.0], vec![0, 0, 1]),
            (vec![], vec![]),
        ] {
            assert_eq!(whole(&shares), expected, "{shares:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn weights_are_valid(shares in proptest::collection::vec(0.0_f64..1e9, 1..6)) {
            let weights = whole(&shares);
            for (weight, share) in weights.iter().zip(&shares) {
                proptest::prop_assert!((0..=1_000_000).contains(weight));
                proptest::prop_assert_eq!(*weight > 0, *share > 0.0);
            }
        }
    }
}

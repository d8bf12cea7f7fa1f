//! Amounts of money, for people.

use std::fmt;

/// Nano-dollars, told in dollars with two to nine decimals: `$500.00`, `$0.000125`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dollars(pub u64);

impl Dollars {
    /// The amount without its sign, as a decimal for programs: `0.000125`.
    #[must_use]
    pub fn exact(self) -> String {
        self.to_string().split_off(1)
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let decimals = format!("{nanos:09}");
        let (cents, rest) = decimals.split_at(2);
        write!(f, "${whole}.{cents}{}", rest.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::Dollars;

    #[test]
    fn two_decimals_at_least_and_no_more_than_say_something() {
        for (nanos, told) in [
            (0, "$0.00"),
            (500_000_000_000, "$500.00"),
            (2_500_000_000, "$2.50"),
            (2_505_000_000, "$2.505"),
            (125_000, "$0.000125"),
            (1, "$0.000000001"),
            (u64::MAX, "$18446744073.709551615"),
        ] {
            assert_eq!(Dollars(nanos).to_string(), told);
            assert_eq!(format!("${}", Dollars(nanos).exact()), told);
        }
    }
}

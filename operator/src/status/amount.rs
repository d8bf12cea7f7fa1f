//! Amounts of limits in words: dollars, or a number of tokens or requests.

use outrigger_core::Money;
use outrigger_policy::Unit;

/// Nano-dollars of a cent.
const CENT: u64 = 10_000_000;

/// Exact: `$0.000125`, `1200`.
pub(super) fn exact(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Money => Money::from_nanos(amount).to_string(),
        Unit::Tokens | Unit::Requests => amount.to_string(),
    }
}

/// To the cent, for a column: `$0.42`. Something that is less than a cent is `<$0.01`.
pub(super) fn rounded(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Money if (1..CENT / 2).contains(&amount) => "<$0.01".to_owned(),
        Unit::Money => {
            let cents = amount / CENT + u64::from(amount % CENT >= CENT / 2);
            Money::from_nanos(cents.saturating_mul(CENT)).to_string()
        }
        Unit::Tokens | Unit::Requests => amount.to_string(),
    }
}

/// What somebody wrote: `$50`, `0.50`, `1000`.
pub(super) fn read(unit: Unit, text: &str) -> Option<u64> {
    let amount = match unit {
        Unit::Money => text.strip_prefix('$').unwrap_or(text).parse::<Money>().ok().map(Money::nanos),
        Unit::Tokens | Unit::Requests => text.parse().ok(),
    };
    amount.filter(|amount| *amount > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_in_dollars_and_to_the_cent_in_columns() {
        for (nanos, text, column) in [
            (0, "$0.00", "$0.00"),
            (1, "$0.000000001", "<$0.01"),
            (4_999_999, "$0.004999999", "<$0.01"),
            (5_000_000, "$0.005", "$0.01"),
            (420_000_000, "$0.42", "$0.42"),
            (424_999_999, "$0.424999999", "$0.42"),
            (425_000_000, "$0.425", "$0.43"),
            (100_000_000_000, "$100.00", "$100.00"),
            (u64::MAX, "$18446744073.709551615", "$18446744073.709551615"),
        ] {
            assert_eq!(exact(Unit::Money, nanos), text);
            assert_eq!(rounded(Unit::Money, nanos), column, "{text}");
        }
        assert_eq!((exact(Unit::Tokens, 1_200), rounded(Unit::Requests, 7)), ("1200".to_owned(), "7".to_owned()));
    }

    #[test]
    fn what_people_write_is_read() {
        for (unit, text, amount) in [
            (Unit::Money, "$50", Some(50_000_000_000)),
            (Unit::Money, "0.5", Some(500_000_000)),
            (Unit::Money, "50 dollars", None),
            (Unit::Money, "$0", None),
            (Unit::Tokens, "1000", Some(1_000)),
            (Unit::Tokens, "$5", None),
            (Unit::Requests, "-5", None),
        ] {
            assert_eq!(read(unit, text), amount, "{text}");
        }
    }
}

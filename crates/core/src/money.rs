//! Amounts of money, exact to the nano-dollar: as objects write them, as programs read them, and for people.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// What objects may write: under a billion dollars, with at most nine places. That fits into an integer of nano-dollars
/// many times over.
pub const AMOUNT_PATTERN: &str = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?$";

/// Nine digits, the point, nine places.
#[cfg(any(test, feature = "schema"))]
const MAX_LENGTH: usize = 19;

const NANOS_PER_DOLLAR: u64 = 1_000_000_000;

/// An amount of money, in nano-dollars.
///
/// It reads and writes itself as dollars in a text such as `"12.50"`, because a number of YAML is a float to some readers,
/// and none holds 0.1. For people it displays itself with two to nine decimals: `$12.50`, `$0.000125`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u64);

/// Why a text is no [`Money`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no amount: write dollars with at most nine digits after the point, such as \"12.50\"")]
pub struct MoneyError(String);

impl Money {
    /// So many nano-dollars: a dollar is 1,000,000,000 of them.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// In nano-dollars.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// As a decimal for programs, with two to nine decimals and without a sign: `0.000125`.
    #[must_use]
    pub fn exact(self) -> String {
        self.to_string().split_off(1)
    }

    /// As short as objects can write it: `2.5`.
    #[must_use]
    pub fn shortest(self) -> String {
        let exact = self.exact();
        exact.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let wrong = || MoneyError(text.chars().take(40).collect());
        let (dollars, places) = match text.split_once('.') {
            Some((dollars, places)) if !places.is_empty() => (dollars, places),
            Some(_) => return Err(wrong()),
            None => (text, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let plain = dollars == "0" || !dollars.starts_with('0');
        if dollars.is_empty() || dollars.len() > 9 || places.len() > 9 || !plain || !digits(dollars) || !digits(places)
        {
            return Err(wrong());
        }
        let dollars: u64 = dollars.parse().map_err(|_| wrong())?;
        let nanos: u64 = format!("{places:0<9}").parse().map_err(|_| wrong())?;
        Ok(Self(dollars * NANOS_PER_DOLLAR + nanos))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, nanos) = (self.0 / NANOS_PER_DOLLAR, self.0 % NANOS_PER_DOLLAR);
        let decimals = format!("{nanos:09}");
        let (cents, rest) = decimals.split_at(2);
        write!(f, "${dollars}.{cents}{}", rest.trim_end_matches('0'))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shortest())
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Money {
    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": AMOUNT_PATTERN, "minLength": 1, "maxLength": MAX_LENGTH})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_to_the_nano_dollar() {
        for (text, nanos, shortest) in [
            ("0", 0, "0"),
            ("0.0", 0, "0"),
            ("50.00", 50_000_000_000, "50"),
            ("2.50", 2_500_000_000, "2.5"),
            ("0.1", 100_000_000, "0.1"),
            ("0.000000001", 1, "0.000000001"),
            ("999999999.999999999", 999_999_999_999_999_999, "999999999.999999999"),
        ] {
            let money: Money = text.parse().unwrap();
            assert_eq!(money.nanos(), nanos, "{text}");
            assert_eq!(money.shortest(), shortest);
            assert_eq!(shortest.parse(), Ok(money), "what is written reads back");
            assert_eq!(serde_json::to_value(money).unwrap(), shortest);
        }
    }

    #[test]
    fn refuses() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "12,50",
            "1,000.00",
            "-1",
            "+1",
            "$5",
            "5 ",
            "1e3",
            "00.5",
            "01",
            "0.0000000001",
            "1000000000",
            "1.2.3",
            "٣",
        ] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Money>("5").is_err());
        assert!(serde_json::from_str::<Money>("0.1").is_err());
    }

    /// What the schema lets through is read, and what it refuses is not: no regex is at hand, so by hand.
    #[test]
    fn as_long_as_the_schema_allows() {
        assert_eq!("999999999.999999999".len(), MAX_LENGTH);
    }

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
            let money = Money::from_nanos(nanos);
            assert_eq!(money.to_string(), told);
            assert_eq!(format!("${}", money.exact()), told);
        }
    }
}

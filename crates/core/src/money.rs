//! Amounts of money, exact to the nano-dollar: as written in objects, as decimals for programs, and for people.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// What objects may contain: less than a billion dollars, with at most nine digits after the point. In nano-dollars
/// this fits into a 64-bit integer many times over.
pub const AMOUNT_PATTERN: &str = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?$";

/// Nine digits, the point, nine digits.
#[cfg(any(test, feature = "schema"))]
const MAX_LENGTH: usize = 19;

const NANOS_PER_DOLLAR: u64 = 1_000_000_000;

/// An amount of money, in nano-dollars.
///
/// It is serialized as dollars in a string such as `"12.50"`, because some readers parse a YAML number as a float,
/// which cannot represent 0.1. `Display` shows two to nine decimals: `$12.50`, `$0.000125`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u64);

/// Why a text is not a [`Money`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no amount: write dollars with at most nine digits after the point, such as \"12.50\"")]
pub struct MoneyError(String);

impl Money {
    /// An amount of this many nano-dollars. A dollar is 1,000,000,000 nano-dollars.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The amount in nano-dollars.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// A decimal for programs, with two to nine decimals and without a currency sign: `0.000125`.
    #[must_use]
    pub fn exact(self) -> String {
        self.to_string().split_off(1)
    }

    /// The shortest decimal that objects can contain: `2.5`.
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
        let (dollars, decimals) = match text.split_once('.') {
            Some((dollars, decimals)) if !decimals.is_empty() => (dollars, decimals),
            Some(_) => return Err(wrong()),
            None => (text, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let plain = dollars == "0" || !dollars.starts_with('0');
        if dollars.is_empty()
            || dollars.len() > 9
            || decimals.len() > 9
            || !plain
            || !digits(dollars)
            || !digits(decimals)
        {
            return Err(wrong());
        }
        let dollars: u64 = dollars.parse().map_err(|_| wrong())?;
        let nanos: u64 = format!("{decimals:0<9}").parse().map_err(|_| wrong())?;
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
    fn rejects_invalid_amounts() {
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

    /// Parsing accepts what the schema's pattern accepts, and nothing else. The test has no regex library.
    #[test]
    fn max_length_is_the_longest_valid_amount() {
        assert_eq!("999999999.999999999".len(), MAX_LENGTH);
    }

    #[test]
    fn shows_at_least_two_decimals_and_no_trailing_zeros() {
        for (nanos, expected) in [
            (0, "$0.00"),
            (500_000_000_000, "$500.00"),
            (2_500_000_000, "$2.50"),
            (2_505_000_000, "$2.505"),
            (125_000, "$0.000125"),
            (1, "$0.000000001"),
            (u64::MAX, "$18446744073.709551615"),
        ] {
            let money = Money::from_nanos(nanos);
            assert_eq!(money.to_string(), expected);
            assert_eq!(format!("${}", money.exact()), expected);
        }
    }
}

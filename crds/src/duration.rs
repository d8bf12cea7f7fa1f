//! Durations in Gateway API's format: Go's syntax without signs, fractions and units below a millisecond.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// One to four numbers of at most five digits, each with its unit: GEP-2257, a subset of Go's `time.ParseDuration`.
pub const PATTERN: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

/// Four times five digits and a unit of two letters.
const MAX_LENGTH: usize = 28;

/// The longest duration that can be written back as one number of hours.
const MAX: Duration = Duration::from_secs(99_999 * 3600);

/// A duration such as `30s`, `1h30m` or `200ms`; at least `0s`, at most `99999h`, in whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(Duration);

/// Why a text is not a [`GoDuration`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Wrong syntax: for example a fraction, a sign or an unknown unit.
    #[error("`{0}` is not a duration: write numbers with a unit (h, m, s or ms), such as 30s, 1h30m or 200ms")]
    Syntax(String),
    /// Each part is well-formed, but the sum is too large.
    #[error("`{0}` is longer than 99999h")]
    TooLong(String),
}

impl GoDuration {
    /// The duration as `std` and tokio use it.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// A duration of this many milliseconds.
    pub fn from_millis(millis: u32) -> Self {
        Self(Duration::from_millis(millis.into()))
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let syntax = || DurationError::Syntax(text.chars().take(40).collect());
        let mut rest = text;
        let mut total = Duration::ZERO;
        let mut parts = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at_checked(digits).ok_or_else(syntax)?;
            if !(1..=5).contains(&digits) {
                return Err(syntax());
            }
            let number: u64 = number.parse().map_err(|_| syntax())?;
            // `ms` is tested before `m`: the longest unit matches, as in Go.
            let (millis, tail) = if let Some(tail) = tail.strip_prefix("ms") {
                (1, tail)
            } else if let Some(tail) = tail.strip_prefix('h') {
                (3_600_000, tail)
            } else if let Some(tail) = tail.strip_prefix('m') {
                (60_000, tail)
            } else if let Some(tail) = tail.strip_prefix('s') {
                (1_000, tail)
            } else {
                return Err(syntax());
            };
            total += Duration::from_millis(number * millis);
            parts += 1;
            rest = tail;
        }
        if !(1..=4).contains(&parts) {
            return Err(syntax());
        }
        if total > MAX {
            return Err(DurationError::TooLong(text.to_owned()));
        }
        Ok(Self(total))
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let parts = [
            (seconds / 3600, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
            (u64::from(self.0.subsec_millis()), "ms"),
        ];
        if parts.iter().all(|(number, _)| *number == 0) {
            return f.write_str("0s");
        }
        parts.iter().filter(|(number, _)| *number > 0).try_for_each(|(number, unit)| write!(f, "{number}{unit}"))
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for GoDuration {
    fn schema_name() -> Cow<'static, str> {
        "GoDuration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": PATTERN, "maxLength": MAX_LENGTH})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, millis, shortest) in [
            ("30s", 30_000, "30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("200ms", 200, "200ms"),
            ("90m", 5_400_000, "1h30m"),
            ("1h0m0s", 3_600_000, "1h"),
            ("0s", 0, "0s"),
            ("1s1s", 2_000, "2s"),
            ("1m5ms", 60_005, "1m5ms"),
            ("99999h", 359_996_400_000, "99999h"),
        ] {
            let duration: GoDuration = text.parse().unwrap();
            assert_eq!(duration.get(), Duration::from_millis(millis), "{text}");
            assert_eq!(duration.to_string(), shortest);
            assert_eq!(shortest.parse(), Ok(duration), "what is written reads back");
            assert_eq!(serde_json::to_value(duration).unwrap(), shortest);
        }
    }

    #[test]
    fn refuses() {
        for text in
            ["", "30", "s", "1.5h", "-1s", "+1s", "1d", "1us", "1 s", "100000s", "1h1h1h1h1h", "1h ", "１s", "1é"]
        {
            assert!(matches!(text.parse::<GoDuration>(), Err(DurationError::Syntax(_))), "{text}");
        }
        assert_eq!("99999h1ms".parse::<GoDuration>(), Err(DurationError::TooLong("99999h1ms".into())));
        assert!(serde_json::from_str::<GoDuration>("30").is_err());
    }
}

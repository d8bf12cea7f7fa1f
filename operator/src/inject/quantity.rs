//! Kubernetes quantities such as `500m`, `1.5Gi` and `2e3`, as far as two of them must be compared.

use serde_json::Value;

/// An amount in billionths, rounded up. Never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(u128);

const WHOLE: u128 = 1_000_000_000;

impl Quantity {
    /// `None` for text that is no quantity, for negative and for overlarge amounts.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('+').unwrap_or(text);
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 24 {
            return None;
        }
        let (times, tenths) = factor(suffix)?;
        let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
        let shift = tenths.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let amount = digits.checked_mul(times)?.checked_mul(WHOLE)?;
        let power = 10u128.checked_pow(shift.unsigned_abs());
        match (shift < 0, power) {
            (false, power) => amount.checked_mul(power?).map(Quantity),
            (true, power) => Some(Quantity(power.map_or(u128::from(amount > 0), |power| amount.div_ceil(power)))),
        }
    }

    /// Parses a field of a pod, which may be a string or a number.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// The factor of a suffix, and its power of ten.
fn factor(suffix: &str) -> Option<(u128, i32)> {
    let binary = |power: u32| Some((1u128 << (10 * power), 0));
    match suffix {
        "n" => Some((1, -9)),
        "u" => Some((1, -6)),
        "m" => Some((1, -3)),
        "" => Some((1, 0)),
        "k" => Some((1, 3)),
        "M" => Some((1, 6)),
        "G" => Some((1, 9)),
        "T" => Some((1, 12)),
        "P" => Some((1, 15)),
        "E" => Some((1, 18)),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            Some((1, exponent.parse::<i32>().ok().filter(|power| power.abs() <= 18)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_amounts_are_equal_in_every_notation() {
        for (one, other) in [
            ("1", "1000m"),
            ("0.5", "500m"),
            ("1Gi", "1024Mi"),
            ("1.5Gi", "1536Mi"),
            ("1e3", "1k"),
            ("2E3", "2000"),
            ("1E", "1000P"),
            ("100u", "0.1m"),
            ("1n", "0.1n"),
            (".5", "+0.50"),
        ] {
            assert!(Quantity::parse(one).is_some(), "{one}");
            assert_eq!(Quantity::parse(one), Quantity::parse(other), "{one} {other}");
        }
        assert!(Quantity::parse("64m") < Quantity::parse("16Mi"));
        assert_eq!(Quantity::of(&json!(1.5)), Quantity::parse("1500m"));
        assert!(Quantity::parse("0").is_some_and(Quantity::is_zero));
    }

    #[test]
    fn invalid_quantities_are_rejected() {
        for bad in
            ["", ".", "-1", "1.2.3", "1 Gi", "1gb", "Mi", "1e", "1e99", "1e-99", "999999999999999999999999E", "½"]
        {
            assert_eq!(Quantity::parse(bad), None, "{bad}");
        }
        assert_eq!(Quantity::of(&json!(null)), None);
    }
}

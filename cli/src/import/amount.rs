//! Converts money from floats to the decimals of objects.

use super::report::Fate;
use super::source::Node;

/// Dollars with at most nine decimal places, such as `"12.5"`. Rounding is reported at `node`.
pub(crate) fn dollars(number: f64, node: &Node<'_>) -> Option<String> {
    if number >= 1e9 {
        node.report(Fate::Lost, "an object can't have a limit of a billion dollars or more");
        return None;
    }
    let text = decimal(number);
    if text == "0" {
        node.report(Fate::Doubtful, "less than a nano-dollar, which was read as one");
        return Some("0.000000001".to_owned());
    }
    Some(text)
}

/// At most nine decimal places, without trailing zeros. Only twelve significant digits of a float of dollars are used,
/// so 0.1 + 0.2 is 0.3.
pub(crate) fn decimal(number: f64) -> String {
    let text = format!("{number:.9}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_match_the_input() {
        for (number, text) in [
            (50.0, "50"),
            (0.1 + 0.2, "0.3"),
            (12.5, "12.5"),
            (2.5e-6 * 1e6, "2.5"),
            (1.5e-7 * 1e6, "0.15"),
            (1_000.0, "1000"),
            (0.0, "0"),
            (1e-10, "0"),
            (1e-9, "0.000000001"),
        ] {
            assert_eq!(decimal(number), text);
        }
    }
}

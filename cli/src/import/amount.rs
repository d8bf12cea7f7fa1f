//! Money as objects write it, from the floats of others.

use super::report::Fate;
use super::source::Node;

/// `"12.5"`: dollars with at most nine places. What is not exact is told at `node`.
pub(crate) fn dollars(number: f64, node: &Node<'_>) -> Option<String> {
    if number >= 1e9 {
        node.tell(Fate::Lost, "a billion dollars or more is no limit that an object can have");
        return None;
    }
    let text = decimal(number);
    if text == "0" {
        node.tell(Fate::Doubtful, "less than a nano-dollar, which was read as one");
        return Some("0.000000001".to_owned());
    }
    Some(text)
}

/// At most nine places, without the zeros at the end. Twelve digits are as many as a float of dollars can be trusted
/// with: 0.1 + 0.2 is 0.3.
pub(crate) fn decimal(number: f64) -> String {
    let text = format!("{number:.9}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_what_was_written() {
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

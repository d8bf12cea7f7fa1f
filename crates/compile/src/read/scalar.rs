//! Scalars of YAML 1.2's core schema.

use saphyr_parser::{ScalarStyle, Tag};
use serde_json::{Number, Value};

/// Booleans of YAML 1.1 that are text in 1.2.
pub(crate) fn is_boolean_elsewhere(text: &str) -> bool {
    ["yes", "no", "on", "off"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A scalar of the core schema: plain ones may be null, a boolean or a number; all others are text.
pub(crate) fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, &'static str> {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => return Ok(text.into()),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix != "binary" => {}
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => return Ok(text.into()),
        Some(_) => return Err("a custom tag (`!name`) is not allowed here: remove it"),
        None if style != ScalarStyle::Plain => return Ok(text.into()),
        None => {}
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => match number(text) {
            Some(Some(number)) => Value::Number(number),
            Some(None) => return Err("no object can hold .inf or .nan: quote it if it is meant as text"),
            None => text.into(),
        },
    })
}

/// A number; `Some(None)` for one that JSON can't represent; `None` for text that is not a number.
fn number(text: &str) -> Option<Option<Number>> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(None);
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = text.strip_prefix(prefix) {
            let all = !rest.is_empty() && rest.chars().all(|digit| digit.is_digit(radix));
            return if all { u64::from_str_radix(rest, radix).ok().map(|number| Some(number.into())) } else { None };
        }
    }
    let shape = digits.trim_start_matches(|digit: char| digit.is_ascii_digit());
    if digits.is_empty() || !digits.contains(|digit: char| digit.is_ascii_digit()) {
        return None;
    }
    if shape.is_empty() {
        let text = text.strip_prefix('+').unwrap_or(text);
        let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
        if let Ok(number) = whole {
            return Some(Some(number));
        }
    } else if !shape.starts_with(['.', 'e', 'E'])
        || digits.contains(|c: char| !matches!(c, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'))
    {
        return None;
    }
    // The rest is `1.5`, `.5`, `1.`, `1e3`: Rust parses the floats of the core schema.
    text.parse::<f64>().ok().map(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_may_be_null_booleans_or_numbers() {
        for (text, expected) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("true", json!(true)),
            ("yes", json!("yes")),
            ("12", json!(12)),
            ("-12", json!(-12)),
            ("+12", json!(12)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("1.2.3", json!("1.2.3")),
            ("10m", json!("10m")),
            ("30s", json!("30s")),
            ("e3", json!("e3")),
            (".", json!(".")),
            ("0x", json!("0x")),
            ("infinity", json!("infinity")),
        ] {
            assert_eq!(scalar(text, ScalarStyle::Plain, None), Ok(expected), "{text}");
        }
        for text in [".inf", "-.INF", ".nan"] {
            assert!(scalar(text, ScalarStyle::Plain, None).is_err(), "{text}");
        }
    }

    #[test]
    fn quoted_block_and_tagged_scalars_are_text() {
        let tag = |handle: &str, suffix: &str| Tag { handle: handle.to_owned(), suffix: suffix.to_owned() };
        for style in [ScalarStyle::SingleQuoted, ScalarStyle::DoubleQuoted, ScalarStyle::Literal, ScalarStyle::Folded] {
            assert_eq!(scalar("12", style, None), Ok(json!("12")));
        }
        assert_eq!(scalar("12", ScalarStyle::Plain, Some(&tag("tag:yaml.org,2002:", "str"))), Ok(json!("12")));
        assert_eq!(scalar("12", ScalarStyle::Plain, Some(&tag("tag:yaml.org,2002:", "int"))), Ok(json!(12)));
        assert!(scalar("12", ScalarStyle::Plain, Some(&tag("!", "Ref"))).is_err());
        assert!(scalar("aGk=", ScalarStyle::Plain, Some(&tag("tag:yaml.org,2002:", "binary"))).is_err());
    }
}

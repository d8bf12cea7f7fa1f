//! Suggests what to write in place of a value of the wrong type.
//!
//! A finding repeats no value, because people paste API keys into the wrong field. Numbers are short enough. A name is
//! repeated only if it is short and the field is not for a credential.

use serde_json::Value;

use crate::shapes;

/// Longer than a usual name, shorter than any API key.
const NAME_MAX: usize = 24;

/// `: write …`, or empty. `schema` is the schema of the field, `field` its name.
pub(super) fn remedy(expected: &str, schema: &Value, field: &str, value: &Value) -> String {
    match (expected, value) {
        ("string", Value::Number(number)) => in_unit(schema, number.as_u64()),
        ("string", Value::Bool(_)) => ": put it in quotes".to_owned(),
        ("integer", Value::String(text)) => bare_number(text),
        ("boolean", Value::String(text)) => match text.trim() {
            "true" | "false" => ": remove the quotes".to_owned(),
            _ => ": write true or false, without quotes".to_owned(),
        },
        ("object", Value::String(text)) => name_of_reference(schema, field, text),
        ("array", Value::Number(_) | Value::String(_) | Value::Bool(_)) => list_of_entries(schema),
        _ => String::new(),
    }
}

/// For a number where the schema wants text with a unit: quotes alone are not enough.
fn in_unit(schema: &Value, number: Option<u64>) -> String {
    let pattern = schema.get("pattern").and_then(Value::as_str).unwrap_or_default();
    let unit = match pattern {
        shapes::ROLLING | crate::duration::PATTERN => "s",
        shapes::PERCENT => "%",
        _ => return ": put it in quotes".to_owned(),
    };
    match number {
        Some(number) if number < 100_000 => format!(": write {number}{unit}"),
        _ => format!(": write whole numbers with a unit, such as 90{unit}"),
    }
}

/// For text where the schema wants an integer: a number in quotes, or with a percent sign.
fn bare_number(text: &str) -> String {
    let text = text.trim();
    let bare = text.strip_suffix('%').map_or(text, str::trim_end);
    let is_short = bare.len() <= 9 && bare.parse::<i64>().is_ok();
    match (is_short, bare.len() < text.len()) {
        (true, true) => format!(": write {bare}"),
        (true, false) => ": remove the quotes".to_owned(),
        (false, _) => ": write only digits, without quotes".to_owned(),
    }
}

/// For a single value where the schema wants a list of mappings: an entry with what it must have.
fn list_of_entries(schema: &Value) -> String {
    let required = schema.pointer("/items/required").and_then(Value::as_array).into_iter().flatten();
    let fields: Vec<String> = required.filter_map(Value::as_str).map(|name| format!("{name}: …")).collect();
    match fields.is_empty() {
        true => String::new(),
        false => format!(": write a list such as [{{{}}}]", fields.join(", ")),
    }
}

/// For text where the schema wants a mapping that needs only a name.
fn name_of_reference(schema: &Value, field: &str, text: &str) -> String {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if required != ["name"] {
        return String::new();
    }
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
    let is_name = !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(is_word) && !text.starts_with("sk-");
    // In the field for a Secret's name, the text may be the secret itself.
    match is_name && field != "secretRef" {
        true => format!(": write {{name: {text}}}"),
        false => ": write {name: …}".to_owned(),
    }
}

/// `: write Month` for the names that other systems use for a window: `1mo`, `monthly`.
pub(super) fn window(options: &[&str], written: &str) -> Option<&'static str> {
    let unit = written.trim().trim_start_matches('1').trim_start();
    let window = match unit {
        // In other systems, `1M` is a month and `1m` a minute.
        "m" | "min" | "minutely" => "Minute",
        "h" | "hr" | "hourly" => "Hour",
        "d" | "daily" => "Day",
        "w" | "weekly" => "Week",
        "M" | "mo" | "mon" | "monthly" => "Month",
        "q" | "Q" | "quarterly" => "Quarter",
        "y" | "Y" | "yr" | "yearly" | "annually" => "Year",
        _ => return None,
    };
    options.contains(&window).then_some(window)
}

/// The name in this schema of a field that has another name in a similar object: `amount` of a limit that is not in
/// money.
pub(super) fn field<'a>(written: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let name_here = match written {
        "amount" | "limit" => "max",
        "max" => "amount",
        _ => "",
    };
    let per_million = format!("{written}PerMillion");
    known.into_iter().find(|name| *name == name_here || *name == per_million)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn suggests_what_to_write_for_a_wrong_type() {
        let percent = json!({"type": "string", "pattern": shapes::PERCENT});
        let rolling = json!({"type": "string", "pattern": shapes::ROLLING});
        let plain = json!({"type": "string"});
        let reference = json!({"type": "object", "required": ["name"]});
        for (expected, schema, field, value, suggestion) in [
            ("integer", &plain, "weight", json!("80%"), ": write 80"),
            ("integer", &plain, "weight", json!("80 %"), ": write 80"),
            ("integer", &plain, "weight", json!("80"), ": remove the quotes"),
            ("integer", &plain, "weight", json!("200k"), ": write only digits, without quotes"),
            ("integer", &plain, "weight", json!([]), ""),
            ("string", &rolling, "rolling", json!(60), ": write 60s"),
            ("string", &rolling, "rolling", json!(1.5), ": write whole numbers with a unit, such as 90s"),
            ("string", &percent, "team", json!(90), ": write 90%"),
            ("string", &plain, "amount", json!(90), ": put it in quotes"),
            ("boolean", &plain, "suspended", json!("true"), ": remove the quotes"),
            ("boolean", &plain, "suspended", json!("yes"), ": write true or false, without quotes"),
            ("object", &reference, "budgetRefs", json!("team"), ": write {name: team}"),
            ("object", &reference, "secretRef", json!("openai"), ": write {name: …}"),
            ("object", &reference, "budgetRefs", json!("sk-short"), ": write {name: …}"),
            ("object", &reference, "budgetRefs", json!("a: b"), ": write {name: …}"),
            ("object", &json!({"required": ["name", "price"]}), "models", json!("a"), ""),
            ("object", &plain, "limits", json!("a"), ""),
        ] {
            assert_eq!(remedy(expected, schema, field, &value), suggestion, "{expected} {field} {value}");
        }
    }

    #[test]
    fn suggests_the_window_for_names_of_other_systems() {
        let options = ["Minute", "Hour", "Day", "Week", "Month", "Quarter", "Year", "Lifetime"];
        for (written, expected) in [
            ("1mo", Some("Month")),
            ("1M", Some("Month")),
            ("1d", Some("Day")),
            ("30d", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(window(&options, written), expected, "{written}");
        }
        assert_eq!(window(&["Notify"], "1mo"), None);
    }

    #[test]
    fn suggests_the_field_of_a_similar_object() {
        let price = ["inputPerMillion", "outputPerMillion", "perImage"];
        assert_eq!(field("input", price.into_iter()), Some("inputPerMillion"));
        assert_eq!(field("amount", ["name", "max"].into_iter()), Some("max"));
        assert_eq!(field("max", ["name", "amount"].into_iter()), Some("amount"));
        assert_eq!(field("amount", price.into_iter()), None);
    }
}

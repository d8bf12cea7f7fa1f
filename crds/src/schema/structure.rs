//! Checks the structural schema: types, required fields, bounds, patterns.

use jsonschema::{
    ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
    paths::{Location, LocationSegment},
};
use serde_json::Value;

use super::{SchemaFinding, nearest, remedy};
use crate::shapes;

/// The result of checking an object against the structural schema.
pub(super) struct Structure {
    pub findings: Vec<SchemaFinding>,
    /// Whether a finding is so severe that an API server wouldn't evaluate the rules.
    pub blocking: bool,
}

pub(super) fn check(schema: &Value, validator: &Validator, object: &Value) -> Structure {
    let mut structure = Structure { findings: Vec::new(), blocking: false };
    for error in validator.iter_errors(object) {
        use ValidationErrorKind as Kind;
        structure.blocking |= matches!(
            error.kind(),
            Kind::Type { .. }
                | Kind::Required { .. }
                | Kind::Enum { .. }
                | Kind::MaxLength { .. }
                | Kind::MaxItems { .. }
                | Kind::MaxProperties { .. }
                | Kind::Format { .. }
        );
        let mut path = field_path(error.instance_path());
        if let Kind::Required { property: Value::String(field) } = error.kind() {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(field);
        }
        structure.findings.push(SchemaFinding { path, message: message(schema, &error) });
    }
    structure
}

/// `/spec/credentials/0/weight` as `spec.credentials[0].weight`.
fn field_path(location: &Location) -> String {
    let mut path = String::new();
    for segment in location {
        match segment {
            LocationSegment::Property(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&name);
            }
            LocationSegment::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// The nearest field, skipping indexes of lists.
fn field(location: &Location) -> String {
    let name = |segment: LocationSegment<'_>| match segment {
        LocationSegment::Property(name) => Some(name.to_string()),
        LocationSegment::Index(_) => None,
    };
    location.into_iter().filter_map(name).next_back().unwrap_or_default()
}

/// A description of what is wrong. It never contains the value itself.
fn message(schema: &Value, error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    let characters = |count: u64| if count == 1 { "character" } else { "characters" };
    let entries = |count: u64| if count == 1 { "entry" } else { "entries" };
    match error.kind() {
        Kind::Type { kind } => {
            // The last segment of the path is the keyword `type`.
            let node = error.schema_path().as_str().rsplit_once('/').and_then(|(pointer, _)| schema.pointer(pointer));
            wrong_type(kind, node.unwrap_or(&Value::Null), &field(error.instance_path()), error.instance())
        }
        Kind::Required { .. } => "is required".to_owned(),
        Kind::Enum { options } => {
            let options: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let written = error.instance().as_str().unwrap_or_default();
            let hint = match remedy::window(&options, written) {
                Some(window) => format!(": write {window}"),
                None => nearest::suggest(written, options.iter().copied()),
            };
            format!("must be one of {}{hint}", options.join(", "))
        }
        Kind::Pattern { pattern } => match shapes::expected(pattern) {
            Some(words) => format!("must be {words}"),
            None => format!("must match {pattern}"),
        },
        Kind::Minimum { limit } => format!("must be at least {}", whole(limit)),
        Kind::Maximum { limit } => format!("must be at most {}", whole(limit)),
        Kind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinLength { limit } => format!("must have at least {limit} {}", characters(*limit)),
        Kind::MaxLength { limit } => format!("must have at most {limit} {}", characters(*limit)),
        Kind::MinItems { limit: 1 } => "must not be an empty list: leave it out, or list at least one".to_owned(),
        Kind::MinItems { limit } => format!("must have at least {limit} {}", entries(*limit)),
        Kind::MaxItems { limit } | Kind::MaxProperties { limit } => {
            format!("must have at most {limit} {}", entries(*limit))
        }
        Kind::Format { format } if format == "date-time" => {
            "must be an existing time in RFC 3339, such as 2027-06-01T00:00:00Z".to_owned()
        }
        _ => error.masked_with("the value").to_string(),
    }
}

fn wrong_type(expected: &TypeKind, schema: &Value, field: &str, value: &Value) -> String {
    let expected = match expected {
        TypeKind::Single(kind) => kind.to_string(),
        TypeKind::Multiple(_) => "another type".to_owned(),
    };
    let name = match expected.as_str() {
        "string" => "a string",
        "integer" => "a whole number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        other => other,
    };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    };
    format!("must be {name}, not {found}{}", remedy::remedy(&expected, schema, field, value))
}

/// Writes a bound, which is a float, without `.0`.
fn whole(limit: &Value) -> String {
    match limit.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => (float as i64).to_string(),
        _ => limit.to_string(),
    }
}

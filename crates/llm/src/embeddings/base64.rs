//! Vectors as Base64 of little-endian 32-bit floats.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};

pub(super) fn encode(vector: &[Number]) -> String {
    let floats = vector.iter().map(|number| number.as_f64().unwrap_or_default() as f32);
    STANDARD.encode(floats.flat_map(f32::to_le_bytes).collect::<Vec<u8>>())
}

/// `None` for bytes of another type (Perplexity has vectors of `int8`), which are recognized because they are not
/// numbers.
pub(super) fn decode(text: &str) -> Option<Vec<Number>> {
    let bytes = STANDARD.decode(text).ok()?;
    let (floats, rest) = bytes.as_chunks::<4>();
    let numbers = floats.iter().map(|bytes| Number::from_f64(f64::from(f32::from_le_bytes(*bytes))));
    numbers.collect::<Option<Vec<Number>>>().filter(|_| rest.is_empty())
}

/// A list of numbers; `None` if one is not a number.
pub(super) fn numbers(values: Vec<Value>) -> Option<Vec<Number>> {
    let number = |value| match value {
        Value::Number(number) => Some(number),
        _ => None,
    };
    values.into_iter().map(number).collect()
}

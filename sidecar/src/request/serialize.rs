//! Serializes JSON bodies.

use serde_json::Value;

/// Serializes a value. `expected_length`: an estimate of the length, in bytes.
pub fn serialize(value: &Value, expected_length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(expected_length + expected_length / 8 + 128);
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(&mut text, value);
    text
}

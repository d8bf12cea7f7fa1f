//! Writes JSON.

use std::io::Write;

use serde::Serialize;

/// Writes a value as JSON. The writer is no type parameter, so that the code that serializes a document, which is long,
/// is in the program once and not for each type of writer.
///
/// # Errors
/// Those of the writer.
pub fn write_json(value: &impl Serialize, writer: &mut dyn Write) -> serde_json::Result<()> {
    serde_json::to_writer(writer, value)
}

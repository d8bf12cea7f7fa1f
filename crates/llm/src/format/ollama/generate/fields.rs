//! Every field of a request for `POST /api/generate`, as typed in Ollama's SDK. All others are refused.
//!
//! If the handling depends on the value, the decoder records the field only for a value that matters: `raw: false` has no
//! effect, and neither has an empty `suffix` or `template`.

use crate::chat::fields::FieldRow;
use crate::format::ollama::fields::{CARRIED, REFUSED, SETTINGS, row, with_settings};

#[rustfmt::skip] // A row a line.
const GENERATE: [FieldRow; 7] = [
    row("prompt", CARRIED, r#""Hi""#, "as the user's turn"),
    row("system", CARRIED, r#""Be brief.""#, ""),
    row("images", CARRIED, r#"["iVBORw0KGgo="]"#, "the type is found in the bytes; PNG if it is unknown"),
    row("suffix", REFUSED, r#""}""#, "text after the answer, which only models for code know"),
    row("template", REFUSED, r#""{{ .Prompt }}""#, "the model's own template is on its server"),
    row("raw", REFUSED, "true", "a prompt with the marks of the model's own template; false is carried"),
    row("context", REFUSED, "[1,2]", "tokens of an earlier answer, which only that server can read"),
];

pub const FIELDS: &[FieldRow] = &with_settings::<{ GENERATE.len() }, { SETTINGS.len() + GENERATE.len() }>(GENERATE);

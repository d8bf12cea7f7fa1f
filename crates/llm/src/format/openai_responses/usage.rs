//! `usage` of a response.

use serde_json::{Value, json};

use crate::usage::Usage;

/// Encodes usage; null if nothing is known. Clients require each of these numbers: unknown ones are zero.
pub(super) fn encode(usage: &Usage) -> Value {
    if usage.input.is_none() && usage.output.is_none() {
        return Value::Null;
    }
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    let written = usage.cache_write.unwrap_or(0).saturating_add(usage.cache_write_1h.unwrap_or(0));
    json!({
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": usage.cached_input.unwrap_or(0), "cache_write_tokens": written},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning.unwrap_or(0)},
        "total_tokens": input.saturating_add(output),
    })
}

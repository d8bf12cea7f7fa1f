//! `usage`, in both directions.
//!
//! `billed_units` is what a request costs. `tokens` also counts what Cohere adds to a prompt, which it does not bill,
//! and `cached_tokens` is a part of that sum. So input and output are the billed ones, and cached tokens, which have no
//! price of their own, are not read.

use serde_json::{Value, json};

use crate::chat::JsonObject;
use crate::usage::{self, Usage};

/// Decodes a `usage` object, or `meta` of an answer with embeddings.
pub(super) fn read(object: &Value) -> Usage {
    let figure = |pointer: &str| object.pointer(pointer).and_then(usage::count);
    Usage {
        input: figure("/billed_units/input_tokens").or_else(|| figure("/tokens/input_tokens")),
        output: figure("/billed_units/output_tokens").or_else(|| figure("/tokens/output_tokens")),
        reasoning: figure("/tokens/reasoning_tokens"),
        ..Usage::default()
    }
}

/// Encodes `usage`; `None` if nothing is known.
pub(super) fn encode(usage: &Usage) -> Option<Value> {
    if usage.is_empty() {
        return None;
    }
    let mut counts = JsonObject::new();
    for (key, count) in [("input_tokens", usage.input), ("output_tokens", usage.output)] {
        if let Some(count) = count {
            counts.insert(key.into(), json!(count));
        }
    }
    let mut tokens = counts.clone();
    if let Some(reasoning) = usage.reasoning {
        tokens.insert("reasoning_tokens".into(), json!(reasoning));
    }
    let mut encoded = JsonObject::new();
    encoded.insert("billed_units".into(), Value::Object(counts));
    encoded.insert("tokens".into(), Value::Object(tokens));
    if let Some(cached) = usage.cached_input {
        encoded.insert("cached_tokens".into(), json!(cached));
    }
    Some(Value::Object(encoded))
}

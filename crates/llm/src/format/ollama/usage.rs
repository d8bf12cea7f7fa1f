//! The counts in the last line, in both directions.

use serde_json::{Value, json};

use crate::chat::JsonObject;
use crate::usage::{self, Usage};

/// Decodes the counts of an answer.
pub(super) fn read(answer: &Value) -> Usage {
    let figure = |key: &str| answer.get(key).and_then(usage::count);
    Usage { input: figure("prompt_eval_count"), output: figure("eval_count"), ..Usage::default() }
}

/// Adds the counts to an answer.
pub(super) fn encode(usage: &Usage, answer: &mut JsonObject) {
    for (key, count) in [("prompt_eval_count", usage.input), ("eval_count", usage.output)] {
        if let Some(count) = count {
            answer.insert(key.into(), json!(count));
        }
    }
}

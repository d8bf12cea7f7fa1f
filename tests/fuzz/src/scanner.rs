//! The scanner of request bodies, and the edits at the positions that it finds.

use outrigger_llm::passthrough::scan::{Edits, scan};
use serde_json::Value;

const MODEL: &str = "another-model";

/// A body that the scanner accepts is a JSON object. An edit of the model changes only the model, and the fields that
/// the gateway removes.
pub(crate) fn body(input: &[u8]) {
    let Ok(scanned) = scan(input) else { return };
    let whole: Result<Value, _> = serde_json::from_slice(input);
    // The scanner does not look into values: it accepts numbers beyond any float, and unlimited nesting.
    let Ok(Value::Object(mut before)) = whole else { return };
    assert_eq!(scanned.model.as_deref(), before.get("model").and_then(Value::as_str), "the model");
    let edited = scanned.edit(input, Edits { model: Some(MODEL), ..Edits::default() });
    let edited: Result<Value, _> = serde_json::from_slice(&edited);
    let Ok(Value::Object(mut after)) = edited else { panic!("an edit turns an object into another type: {edited:?}") };
    assert_eq!(after.remove("model"), Some(MODEL.into()), "the model after the edit");
    before.remove("model");
    if scanned.own_fallbacks.is_none() {
        before.remove("fallbacks");
    }
    assert_eq!(after, before, "an edit changes another field");
}

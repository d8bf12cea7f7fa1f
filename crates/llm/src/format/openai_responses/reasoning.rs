//! Thoughts as reasoning items.
//!
//! The text of a thought is the item's summary. What the thought's own provider wants back is its `encrypted_content`,
//! [marked](crate::chat::mark) as the gateway's. The id of each such item is marked too, so that the item is found again
//! if its request goes to a server that has this API, where it would be unknown.

use serde_json::{Value, json};

use crate::RequestError;
use crate::chat::mark::{is_marked, mark, unmark};
use crate::chat::origin::Origin;
use crate::chat::{JsonObject, Thought};
use crate::format::openai_chat::shape::{self, NotedFields};

/// The id of the item at an index of an answer.
pub(super) fn item_id(answer: &str, index: usize) -> String {
    let place = Thought { signature: Some(format!("{answer}_{index}")), ..Thought::default() };
    format!("rs_{}", mark(&Origin::UNKNOWN, &place).trim_end_matches('='))
}

/// The `encrypted_content` of a thought; `None` if its provider does not want it back.
pub(super) fn encrypted(thought: &Thought, origin: &Origin) -> Option<String> {
    let returns = thought.signature.is_some() || thought.redacted.is_some() || origin.wants_unsigned();
    (returns && *origin != Origin::UNKNOWN).then(|| mark(origin, thought))
}

/// Whether the gateway wrote a reasoning item, for a thought of another provider.
pub(super) fn is_foreign(item: &JsonObject) -> bool {
    let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
    text("id").strip_prefix("rs_").is_some_and(is_marked) || is_marked(text("encrypted_content"))
}

/// Decodes a reasoning item. What a server with this API encrypted is recorded: nobody else can read it.
pub(super) fn decode(item: &JsonObject, path: &str, noted: &mut NotedFields) -> Result<Option<Thought>, RequestError> {
    let mut text = texts(item, path, "summary")?;
    if text.is_empty() {
        text = texts(item, path, "content")?;
    }
    let mut thought = Thought { text: (!text.is_empty()).then_some(text), ..Thought::default() };
    if let Some(value) = shape::present(item, "encrypted_content") {
        let sealed = shape::text(value, path, "encrypted_content")?;
        match unmark(sealed) {
            None => noted.note(path, "encrypted_content"),
            Some(own) => thought = Thought { text: thought.text, ..own },
        }
    }
    Ok((thought != Thought::default()).then_some(thought))
}

/// The texts of a list of parts, joined.
fn texts(item: &JsonObject, path: &str, key: &str) -> Result<String, RequestError> {
    let Some(value) = shape::present(item, key) else { return Ok(String::new()) };
    let parts = shape::array(value, path, key)?;
    let read: Vec<&str> = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
    Ok(read.join("\n\n"))
}

/// A reasoning item; with what its provider wants back, if `encrypts`.
pub(super) fn item(id: &str, thought: &Thought, origin: &Origin, encrypts: bool) -> Value {
    let summary: Vec<Value> = thought.text.iter().map(|text| json!({"type": "summary_text", "text": text})).collect();
    let mut item = json!({"type": "reasoning", "id": id, "summary": summary});
    if encrypts && let Some(encrypted) = encrypted(thought, origin) {
        item["encrypted_content"] = Value::String(encrypted);
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(item: &Value) -> (Option<Thought>, Vec<String>) {
        let mut noted = NotedFields::default();
        let thought = decode(item.as_object().unwrap(), "input[1]", &mut noted).unwrap();
        (thought, noted.into_paths())
    }

    #[test]
    fn thoughts_come_back_as_they_were() {
        let server = Origin::of_type("vLLM");
        let of = |text: Option<&str>, signature: Option<&str>, redacted: Option<&str>| Thought {
            text: text.map(str::to_owned),
            signature: signature.map(str::to_owned),
            redacted: redacted.map(str::to_owned),
            origin: Some(server.clone()),
        };
        for thought in [
            of(Some("Hm.\n\nWell."), Some("sig=="), None),
            of(None, Some("sig"), None),
            of(None, None, Some("data")),
            of(Some("Hm."), None, None),
        ] {
            let written = item(&item_id("a1", 0), &thought, &server, true);
            assert!(is_foreign(written.as_object().unwrap()), "{written}");
            assert_eq!(read(&written), (Some(thought.clone()), vec![]), "{written}");
            let short = item(&item_id("a1", 0), &thought, &server, false);
            assert_eq!(short.get("encrypted_content"), None);
            assert_eq!(read(&short).0, thought.text.map(|text| Thought { text: Some(text), ..Thought::default() }));
        }
    }

    #[test]
    fn what_openai_encrypted_is_recorded() {
        let item = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAA"});
        assert!(!is_foreign(item.as_object().unwrap()));
        assert_eq!(read(&item), (None, vec!["input[].encrypted_content".to_owned()]));
    }
}

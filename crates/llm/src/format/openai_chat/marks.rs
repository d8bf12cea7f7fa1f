//! Removes the gateway's marks from a turn that is returned to a provider of the same format, and thoughts and ids of
//! calls in a form that this provider refuses: an earlier turn was another's.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::{Value, json};

use super::model::takes_signatures;
use super::tool_id;
use crate::chat::JsonObject;
use crate::format::marks::{Marks, unpack_at};
use crate::provider::{ChatQuirks, Target};

pub(crate) const MARKS: Marks = Marks { turns: "\"messages\"", budget: None, holds_foreign };

/// Whether a message changed; `None` if nothing is left of it.
pub(crate) fn strip(message: &mut JsonObject, target: &Target<'_>) -> Option<bool> {
    let model = target.model;
    let fit = |id: &str| tool_id::fit(id, target).into_owned();
    let mut changed = unpack_at(message, "tool_call_id", fit).is_some() || shorten(message, "tool_call_id", target);
    changed |= strip_thoughts(message, target.quirks().chat);
    let mut marked = false;
    for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(call) = call.as_object_mut() else { continue };
        // If the id is not packed, the gateway did not add the signature next to it.
        let Some(carried) = unpack_at(call, "id", fit) else {
            changed |= shorten(call, "id", target);
            continue;
        };
        marked = true;
        match carried.signature {
            // For clients that kept only the id.
            Some(signature) if takes_signatures(model) => {
                call.entry("extra_content").or_insert_with(|| json!({"google": {"thought_signature": signature}}));
            }
            Some(_) => drop_signature(call),
            None => {}
        }
    }
    if marked {
        // The gateway wrote this answer, with another provider's thoughts.
        message.shift_remove("reasoning_content");
    }
    Some(changed || marked)
}

/// Makes the id of another server's call valid.
fn shorten(object: &mut JsonObject, key: &str, target: &Target<'_>) -> bool {
    let Some(Value::String(id)) = object.get_mut(key).filter(|_| is_strict(target.quirks().chat)) else { return false };
    let Cow::Owned(fitted) = tool_id::fit(id, target) else { return false };
    *id = fitted;
    true
}

/// The fields of a message with thoughts.
const THOUGHTS: [&str; 3] = ["reasoning_content", "reasoning", "reasoning_details"];

fn strip_thoughts(message: &mut JsonObject, quirks: &ChatQuirks) -> bool {
    if message.get("role").and_then(Value::as_str) != Some("assistant") {
        return false;
    }
    let before = message.len();
    for key in THOUGHTS {
        if refuses(quirks, key) {
            message.shift_remove(key);
        }
    }
    let mut changed = message.len() < before;
    let parts = message.get_mut("content").filter(|_| refuses_parts(quirks));
    if let Some(Value::Array(parts)) = parts {
        let before = parts.len();
        parts.retain(|part| part.get("type").and_then(Value::as_str) != Some("thinking"));
        changed |= parts.len() < before;
        if parts.is_empty() && before > 0 {
            message.insert("content".to_owned(), json!(""));
        }
    }
    changed
}

/// Whether the assistant's messages must not have this field.
fn refuses(quirks: &ChatQuirks, key: &str) -> bool {
    quirks.messages.iter().any(|(role, known)| *role == "assistant" && !known.contains(&key))
}

/// Whether the server validates messages. Others may be of any vendor: what is their own can't be told apart.
fn is_strict(quirks: &ChatQuirks) -> bool {
    !quirks.messages.is_empty()
}

/// Whether the content must not have parts with thoughts.
fn refuses_parts(quirks: &ChatQuirks) -> bool {
    !quirks.thinking_parts && is_strict(quirks)
}

/// Only what a turn of the assistant, or a tool's result, may hold counts: other requests are read once.
fn holds_foreign(target: &Target<'_>, text: &[u8]) -> bool {
    static WORDS: LazyLock<[Finder<'static>; 5]> =
        LazyLock::new(|| ["\"assistant\"", "\"tool\"", "id\"", "\"reasoning", "\"thinking\""].map(Finder::new));
    let [turn, result, id, field, part] = &*WORDS;
    let quirks = target.quirks().chat;
    if !is_strict(quirks) || turn.find(text).is_none() && result.find(text).is_none() {
        return false;
    }
    // Not `reasoning_effort`, which many requests have.
    let is_thought = |at: usize| !text.get(at + field.needle().len()..).unwrap_or_default().starts_with(b"_effort");
    id.find_iter(text).any(|at| is_long(target, text, at))
        || refuses_parts(quirks) && part.find(text).is_some()
        || refuses(quirks, THOUGHTS[0]) && field.find_iter(text).any(is_thought)
}

/// Whether the key that ends here with `id"` is that of a call's id which the target refuses.
fn is_long(target: &Target<'_>, text: &[u8], at: usize) -> bool {
    let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + 3..).unwrap_or_default());
    if !before.ends_with(b"\"") && !before.ends_with(b"\"tool_call_") {
        return false;
    }
    let value = after.trim_ascii_start().strip_prefix(b":").unwrap_or_default().trim_ascii_start();
    let Some(value) = value.strip_prefix(b"\"") else { return false };
    let end = memchr::memchr(b'"', value).unwrap_or(value.len());
    let id = value.get(..end).and_then(|id| std::str::from_utf8(id).ok()).unwrap_or_default();
    !matches!(tool_id::fit(id, target), Cow::Borrowed(_))
}

fn drop_signature(call: &mut JsonObject) {
    let Some(extra) = call.get_mut("extra_content").and_then(Value::as_object_mut) else { return };
    if let Some(google) = extra.get_mut("google").and_then(Value::as_object_mut) {
        google.shift_remove("thought_signature");
        if google.is_empty() {
            extra.shift_remove("google");
        }
    }
    if extra.is_empty() {
        call.shift_remove("extra_content");
    }
}

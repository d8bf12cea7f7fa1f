//! Taking out again what the gateway itself put into a conversation.
//!
//! Across dialects an answer is told with things that only the gateway can read: thought signatures
//! inside the ids of tool calls ([`signature`]), and thoughts under a [`mark`]. The client hands them
//! back with its next request. If that goes to a provider of the client's own dialect, its bytes
//! are not told anew, and the provider would refuse them: OpenAI an id over 40 characters, Anthropic
//! and Gemini a signature that is not their own. So here, and here alone, such a body is edited:
//!
//! | dialect | ids of calls and results | thoughts | beside |
//! |---|---|---|---|
//! | OpenAI | unpacked, and made fit | none stand in it | Gemini's signature goes, unless the model is Gemini's |
//! | Anthropic | unpacked | marked ones go | so does a thinking budget, if the turn in hand now lacks thinking |
//! | Gemini | unpacked | marked ones go | a marked call gets Google's stand-in for a signature, or none |
//!
//! Turns in which neither stands keep their bytes, and so does everything beside the turns.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::Dialect;
use crate::chat::Object;
use crate::chat::mark::{self, is_marked};
use crate::chat::signature::{self, unpack};
use crate::gemini::request::stand_in;
use crate::openai::model::takes_signatures;
use crate::openai::tool_id;

/// The body without what the gateway put in, for an upstream of the caller's own dialect and the
/// model named `model` there. `None`: there is nothing of the kind, and the bytes go as they are.
///
/// Only the places are looked at where the gateway puts something: words that merely look like it,
/// in a text or in a tool's arguments, stay.
#[must_use]
pub fn take_out(dialect: Dialect, model: &str, body: &[u8]) -> Option<Vec<u8>> {
    if !holds_any(body) {
        return None;
    }
    // What is not the dialect's is the upstream's to refuse.
    let mut members: Members<'_> = serde_json::from_slice(body).ok()?;
    let list = if dialect == Dialect::Gemini { "contents" } else { "messages" };
    let conversation = members.get(list)?.to_owned();
    let turns: Vec<&RawValue> = serde_json::from_str(&conversation).ok()?;

    let mut told: Vec<Cow<'_, str>> = Vec::with_capacity(turns.len());
    let mut changed = false;
    for turn in turns {
        let text = turn.get();
        let edited = if holds_any(text.as_bytes()) { edit(dialect, model, text) } else { Edited::Same };
        match edited {
            Edited::Same => told.push(Cow::Borrowed(text)),
            Edited::Gone => changed = true,
            Edited::Changed(turn) => {
                changed = true;
                told.push(Cow::Owned(turn.to_string()));
            }
        }
    }
    if !changed {
        return None;
    }
    if dialect == Dialect::Anthropic && members.get("thinking").is_some_and(is_budget) && lacks_thinking(&told) {
        members.0.retain(|(key, _)| key != "thinking");
    }
    members.set(list, format!("[{}]", told.join(",")));
    Some(members.to_bytes())
}

fn holds_any(bytes: &[u8]) -> bool {
    [signature::MARK, mark::MARK].iter().any(|mark| memmem::find(bytes, mark.as_bytes()).is_some())
}

/// What became of a turn.
enum Edited {
    Same,
    Changed(Value),
    /// There was nothing else in it.
    Gone,
}

fn edit(dialect: Dialect, model: &str, text: &str) -> Edited {
    let Ok(mut turn) = serde_json::from_str::<Value>(text) else { return Edited::Same };
    let Some(object) = turn.as_object_mut() else { return Edited::Same };
    let changed = match dialect {
        Dialect::OpenAi => openai(object, model),
        Dialect::Anthropic => anthropic(object),
        Dialect::Gemini => gemini(object, model),
    };
    match changed {
        None => Edited::Gone,
        Some(false) => Edited::Same,
        Some(true) => Edited::Changed(turn),
    }
}

/// Whether a message was changed; `None` if nothing is left of it.
fn openai(message: &mut Object, model: &str) -> Option<bool> {
    let fit = |id: &str| tool_id::fit(id, model).into_owned();
    let mut changed = unpack_at(message, "tool_call_id", fit).is_some();
    for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(call) = call.as_object_mut() else { continue };
        // The signature beside an id that is not packed was not put there by the gateway.
        let Some(signature) = unpack_at(call, "id", fit) else { continue };
        changed = true;
        if takes_signatures(model) {
            // Where the client kept the id alone.
            call.entry("extra_content").or_insert_with(|| json!({"google": {"thought_signature": signature}}));
        } else {
            drop_signature(call);
        }
    }
    Some(changed)
}

fn drop_signature(call: &mut Object) {
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

fn anthropic(message: &mut Object) -> Option<bool> {
    let Some(blocks) = message.get_mut("content").and_then(Value::as_array_mut) else { return Some(false) };
    let before = blocks.len();
    blocks.retain(|block| {
        let signature = match block.get("type").and_then(Value::as_str) {
            Some("thinking") => block.get("signature"),
            Some("redacted_thinking") => block.get("data"),
            _ => None,
        };
        !signature.and_then(Value::as_str).is_some_and(is_marked)
    });
    let mut changed = blocks.len() < before;
    if changed && blocks.is_empty() {
        return None;
    }
    for block in blocks.iter_mut().filter_map(Value::as_object_mut) {
        let key = match block.get("type").and_then(Value::as_str) {
            Some("tool_use") => "id",
            Some("tool_result") => "tool_use_id",
            _ => continue,
        };
        changed |= unpack_at(block, key, str::to_owned).is_some();
    }
    Some(changed)
}

fn gemini(content: &mut Object, model: &str) -> Option<bool> {
    const SIGNATURE: [&str; 2] = ["thoughtSignature", "thought_signature"];
    let marked = |part: &Value, key: &str| part.get(key).and_then(Value::as_str).is_some_and(is_marked);
    let Some(parts) = content.get_mut("parts").and_then(Value::as_array_mut) else { return Some(false) };
    let before = parts.len();
    parts.retain(|part| {
        let is_thought = part.get("thought").and_then(Value::as_bool) == Some(true);
        !(is_thought && SIGNATURE.iter().any(|key| marked(part, key)))
    });
    let mut changed = parts.len() < before;
    if changed && parts.is_empty() {
        return None;
    }
    for part in parts {
        if let Some(key) = SIGNATURE.into_iter().find(|key| marked(part, key))
            && let Some(part) = part.as_object_mut()
        {
            changed = true;
            match stand_in(model) {
                Some(stand_in) => drop(part.insert(key.to_owned(), json!(stand_in))),
                None => drop(part.shift_remove(key)),
            }
        }
        for key in ["functionCall", "function_call", "functionResponse", "function_response"] {
            if let Some(call) = part.get_mut(key).and_then(Value::as_object_mut) {
                changed |= unpack_at(call, "id", str::to_owned).is_some();
            }
        }
    }
    Some(changed)
}

/// Unpacks the id under `key` and makes it fit; the signature that was in it.
fn unpack_at(object: &mut Object, key: &str, fit: impl Fn(&str) -> String) -> Option<String> {
    let id = object.get_mut(key)?;
    let (own, signature) = unpack(id.as_str()?);
    if signature.is_some() {
        *id = Value::String(fit(&own));
    }
    signature
}

fn is_budget(thinking: &str) -> bool {
    serde_json::from_str::<Value>(thinking).is_ok_and(|thinking| thinking["type"] == "enabled")
}

/// Whether the assistant's turn in hand begins without thinking, which Anthropic refuses where a
/// budget for thinking is given.
fn lacks_thinking(turns: &[Cow<'_, str>]) -> bool {
    let mut latest = turns.iter().rev().map(|turn| serde_json::from_str::<Value>(turn).unwrap_or_default());
    let first = |turn: &Value| turn.pointer("/content/0/type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let turn = match latest.next() {
        Some(turn) if turn["role"] == "assistant" => Some(turn),
        Some(turn) if first(&turn) == "tool_result" => latest.next(),
        _ => None,
    };
    turn.is_some_and(|turn| !matches!(first(&turn).as_str(), "thinking" | "redacted_thinking"))
}

/// The members of an object in order, their values as the bytes that they are.
struct Members<'b>(Vec<(String, Cow<'b, str>)>);

impl Members<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| &**value)
    }

    fn set(&mut self, key: &str, value: String) {
        if let Some((_, old)) = self.0.iter_mut().find(|(name, _)| name == key) {
            *old = Cow::Owned(value);
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let members: Vec<String> =
            self.0.iter().map(|(key, value)| format!("{}:{value}", Value::from(key.as_str()))).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;

        impl<'de> Visitor<'de> for Reading {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((key, Cow::Borrowed(value.get())));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reading)
    }
}

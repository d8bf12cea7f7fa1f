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
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::{Value, json};

use crate::Dialect;
use crate::chat::Object;
use crate::chat::mark::{self, is_marked};
use crate::chat::signature::{self, unpack};
use crate::format::gemini::request::stand_in;
use crate::format::openai_chat::model::takes_signatures;
use crate::format::openai_chat::tool_id;
use crate::json::raw::{self, is, member};

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
    let text = std::str::from_utf8(body).ok()?;
    let list = if dialect == Dialect::Gemini { "\"contents\"" } else { "\"messages\"" };
    let (mut turns, mut budget) = (None, false);
    raw::members(text, |key, value| {
        if unescaped(key.get(), list) {
            turns.get_or_insert(value.get());
        }
        let thinks = dialect == Dialect::Anthropic && unescaped(key.get(), "\"thinking\"");
        budget |= thinks && is(member(value.get(), "type"), "enabled");
    })
    .ok()?;

    let mut told = Told { list: turns?, upto: 0, out: None, first: true };
    // The last turn, and the one before it.
    let mut latest: [Cow<'_, str>; 2] = [Cow::Borrowed(""), Cow::Borrowed("")];
    raw::elements(turns?, |turn| {
        let text = turn.get();
        let edited = if holds_any(text.as_bytes()) { edit(dialect, model, text) } else { Edited::Same };
        let last = match edited {
            Edited::Gone => return told.leave_out(text),
            Edited::Same => Cow::Borrowed(text),
            Edited::Changed(turn) => Cow::Owned(turn.to_string()),
        };
        told.tell(text, &last);
        latest.swap(0, 1);
        latest[1] = last;
    })
    .ok()?;
    let turns = told.done()?;
    let lacks_thinking = budget && lacks_thinking(&latest);

    let mut out = Vec::with_capacity(turns.len() + body.len() - told.list.len());
    out.push(b'{');
    raw::members(text, |key, value| {
        let (key, value) = (key.get(), value.get());
        if lacks_thinking && unescaped(key, "\"thinking\"") {
            return;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(key.as_bytes());
        out.push(b':');
        match std::ptr::eq(value, told.list) {
            true => out.extend_from_slice(&turns),
            false => out.extend_from_slice(value.as_bytes()),
        }
    })
    .ok()?;
    out.push(b'}');
    Some(out)
}

/// Whether something stands in a body that the gateway put there, perhaps.
#[must_use]
pub fn holds_any(bytes: &[u8]) -> bool {
    static MARKS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| [signature::MARK, mark::MARK].map(Finder::new));
    MARKS.iter().any(|mark| mark.find(bytes).is_some())
}

/// Whether a key, with its quotes, is this one, escapes undone.
fn unescaped(key: &str, known: &str) -> bool {
    key == known
        || key.contains('\\') && serde_json::from_str::<String>(key).is_ok_and(|key| known[1..known.len() - 1] == key)
}

/// The list of turns as it is told. Nothing is copied of it before the first turn that is told otherwise.
struct Told<'a> {
    list: &'a str,
    /// Up to here the list was gone through.
    upto: usize,
    out: Option<Vec<u8>>,
    /// Nothing stands in what is told.
    first: bool,
}

impl Told<'_> {
    fn tell(&mut self, turn: &str, told: &str) {
        let at = self.place(turn);
        if self.out.is_none() && !std::ptr::eq(turn, told) {
            self.begin(at);
        }
        if let Some(out) = &mut self.out {
            if !self.first {
                out.push(b',');
            }
            out.extend_from_slice(told.as_bytes());
        }
        self.first = false;
        self.upto = at + turn.len();
    }

    fn leave_out(&mut self, turn: &str) {
        let at = self.place(turn);
        if self.out.is_none() {
            self.begin(at);
        }
        self.upto = at + turn.len();
    }

    fn place(&self, turn: &str) -> usize {
        turn.as_ptr() as usize - self.list.as_ptr() as usize
    }

    /// From here on it is written: what is before goes along.
    fn begin(&mut self, at: usize) {
        let before = if self.first { 1 } else { self.upto };
        let mut out = Vec::with_capacity(self.list.len() + self.list.len() / 16);
        out.extend_from_slice(&self.list.as_bytes()[..before.min(at)]);
        self.out = Some(out);
    }

    /// What is told instead of the list; none where it is told as it is.
    fn done(&mut self) -> Option<Vec<u8>> {
        let mut out = self.out.take()?;
        out.push(b']');
        Some(out)
    }
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

/// Whether the assistant's turn in hand begins without thinking, which Anthropic refuses where a
/// budget for thinking is given.
fn lacks_thinking([before, last]: &[Cow<'_, str>; 2]) -> bool {
    let first = |turn: &str| {
        let mut kind = None;
        raw::elements(member(turn, "content")?, |block| {
            kind.get_or_insert_with(|| member(block.get(), "type").unwrap_or_default());
        })
        .ok()?;
        kind.map(str::to_owned)
    };
    let turn = match first(last) {
        _ if is(member(last, "role"), "assistant") => last,
        Some(kind) if kind == "\"tool_result\"" && !before.is_empty() => before,
        _ => return false,
    };
    !matches!(first(turn).as_deref(), Some("\"thinking\"" | "\"redacted_thinking\""))
}

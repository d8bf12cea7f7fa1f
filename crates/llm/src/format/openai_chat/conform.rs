//! Makes a request fit a server with this format that accepts less than others ([`ChatQuirks`]).
//!
//! Requests of other formats are encoded as OpenAI would accept them, and end here. A caller's own bytes pass through
//! to the first candidate. They come here if another one is tried that the caller did not write them for, because its
//! refusal would end the failover.

mod messages;
#[cfg(test)]
mod tests;
mod tools;

use serde_json::{Value, json};

use super::content::unsupported;
use super::fields::FIELDS;
use super::model::ModelFamily;
use super::request::asks_nothing;
use super::shape::NotedFields;
use super::thinking;
use crate::RequestError;
use crate::chat::fields::FieldHandling::Hint;
use crate::chat::{Effort, JsonObject, Thinking};
use crate::provider::{ChatQuirks, StreamUsage, Target};

/// What was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BodyChanges {
    /// The top-level fields that are different now, new or gone.
    pub touched: Vec<String>,
    /// What was left out, or lowered: paths of the caller's fields.
    pub left_out: Vec<String>,
}

impl BodyChanges {
    fn touch(&mut self, field: &str) {
        if !self.touched.iter().any(|known| known == field) {
            self.touched.push(field.to_owned());
        }
    }

    fn leave_out(&mut self, path: &str) {
        if !self.left_out.iter().any(|known| known == path) {
            self.left_out.push(path.to_owned());
        }
    }
}

/// BodyChanges a body so that the target accepts it. A body that it accepts stays as it is.
///
/// # Errors
/// [`RequestError::Unsupported`] for what the target refuses, if an answer without it would be another one.
pub(crate) fn conform(body: &mut JsonObject, target: &Target<'_>) -> Result<BodyChanges, RequestError> {
    let quirks = target.quirks().chat;
    let mut changes = BodyChanges::default();
    cap(body, target, &mut changes);
    fields(body, target, &mut changes)?;
    if let Some(Value::Array(messages)) = body.get_mut("messages")
        && messages::conform(messages, target, &mut changes)?
    {
        changes.touch("messages");
    }
    tools::conform(body, quirks, &mut changes)?;
    let stops = body.get("stop").and_then(Value::as_array).map_or(0, Vec::len);
    if quirks.stops.is_some_and(|most| stops > most) {
        return Err(unsupported(&format!("{stops} stop sequences")));
    }
    effort(body, quirks, &mut changes);
    temperature(body, quirks, &mut changes);
    Ok(changes)
}

/// The limit of output in the field that the target, and its model, read.
fn cap(body: &mut JsonObject, target: &Target<'_>, changes: &mut BodyChanges) {
    const BOTH: [&str; 2] = ["max_completion_tokens", "max_tokens"];
    let known: Vec<&str> = target.quirks().caps.iter().map(|field| field.key()).collect();
    let Some(first) = known.first() else { return };
    let family = ModelFamily::of(target.model);
    // OpenAI's reasoning models refuse the older field, which others of its models accept.
    let newer = family.cap() == BOTH[0] && known.contains(&BOTH[0]);
    let wanted = if newer { BOTH[0] } else { first };
    let accepted = |field: &str| if newer { field == BOTH[0] } else { known.contains(&field) };
    let present: Vec<&str> = BOTH.into_iter().filter(|field| body.contains_key(*field)).collect();
    if present.iter().all(|field| accepted(field)) {
        return;
    }
    // The new spelling overrides the older one.
    let value = present.iter().filter_map(|field| body.get(*field)).find(|value| !value.is_null()).cloned();
    for field in present {
        changes.touch(field);
        body.shift_remove(field);
    }
    if let Some(value) = value {
        changes.touch(wanted);
        body.insert(wanted.to_owned(), value);
    }
}

/// The fields of the body.
fn fields(body: &mut JsonObject, target: &Target<'_>, changes: &mut BodyChanges) -> Result<(), RequestError> {
    let quirks = target.quirks().chat;
    let accepts =
        |field: &str| quirks.fields.has(field) || target.quirks().caps.iter().any(|known| known.key() == field);
    let refused: Vec<String> = body
        .keys()
        .filter(|field| !accepts(field) || quirks.renamed.iter().any(|(from, _)| *from == field.as_str()))
        .cloned()
        .collect();
    for field in refused {
        let Some(value) = body.shift_remove(&field) else { continue };
        changes.touch(&field);
        // Usage is reported unasked.
        let unasked = field == "stream_options" && target.quirks().stream_usage == StreamUsage::Always;
        if value.is_null() || unasked || asks_nothing(&field, &value) {
            continue;
        }
        if let Some((_, to)) = quirks.renamed.iter().find(|(from, _)| *from == field) {
            changes.touch(to);
            body.entry(*to).or_insert(value);
            continue;
        }
        match &*field {
            "reasoning" | "thinking" | "enable_thinking" => {
                let thinking = match &*field {
                    "reasoning" => thinking::reasoning(&value, &mut NotedFields::default())?,
                    "thinking" => thinking::thinking(&value, &mut NotedFields::default())?,
                    _ => value.as_bool().map(thinking::switch),
                };
                match thinking.as_ref().and_then(|thinking| word(thinking, quirks)) {
                    Some(word) if accepts("reasoning_effort") => {
                        changes.touch("reasoning_effort");
                        body.entry("reasoning_effort").or_insert(json!(word));
                    }
                    _ if matches!(thinking, Some(Thinking::Adaptive) | None) => {}
                    _ => changes.leave_out(&field),
                }
            }
            _ if is_hint(&field) => changes.leave_out(&field),
            _ => return Err(unsupported(&field)),
        }
    }
    Ok(())
}

/// Whether an answer has the same meaning without the field: where it cannot be translated, it is left out too.
fn is_hint(path: &str) -> bool {
    let by_any = |row: &&crate::chat::fields::FieldRow| {
        crate::Format::ALL.iter().any(|format| row.handling_by_format.towards(*format) == Hint)
    };
    matches!(path, "top_k" | "reasoning_effort") || FIELDS.iter().filter(|row| row.path == path).any(|row| by_any(&row))
}

/// The value of `reasoning_effort` for this; `None` if the model decides, or the server knows no such value.
fn word(thinking: &Thinking, quirks: &ChatQuirks) -> Option<&'static str> {
    let effort = match thinking {
        Thinking::Adaptive => return None,
        Thinking::Off => return quirks.efforts.iter().copied().find(|word| *word == "none"),
        Thinking::Effort(effort) => *effort,
        Thinking::Budget(tokens) => Effort::of_tokens(*tokens),
    };
    Some(closest(effort.word(), quirks).unwrap_or(effort.word()))
}

/// The closest effort that is accepted: a lower one, else a higher one. `None` if it is accepted itself.
fn closest(asked: &str, quirks: &ChatQuirks) -> Option<&'static str> {
    if quirks.efforts.is_empty() || quirks.efforts.contains(&asked) {
        return None;
    }
    let rank = |word: &str| Effort::parse(word).map(|effort| effort as u8 + 1).unwrap_or_default();
    let thinks = || quirks.efforts.iter().copied().filter(|word| rank(word) > 0);
    match asked {
        "none" => thinks().next(),
        _ => thinks().rfind(|word| rank(word) <= rank(asked)).or_else(|| thinks().next()),
    }
}

fn effort(body: &mut JsonObject, quirks: &ChatQuirks, changes: &mut BodyChanges) {
    let Some(Value::String(asked)) = body.get_mut("reasoning_effort") else { return };
    if let Some(closest) = closest(asked, quirks) {
        *asked = closest.to_owned();
        changes.touch("reasoning_effort");
        changes.leave_out("reasoning_effort");
    }
}

fn temperature(body: &mut JsonObject, quirks: &ChatQuirks, changes: &mut BodyChanges) {
    let Some(value) = body.get_mut("temperature") else { return };
    let highest = quirks.temperature_tenths as f64 / 10.0;
    if value.as_f64().is_some_and(|asked| asked > highest) {
        *value = json!(highest);
        changes.touch("temperature");
        changes.leave_out("temperature");
    }
}

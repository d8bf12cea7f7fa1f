//! All edits of a body in the caller's own dialect.

use std::borrow::Cow;
use std::ops::Range;

use super::generation::GenerationConfig;
use super::{Field, Scanned};
use crate::provider::CapField;

/// See the fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct Edits<'a> {
    /// The upstream's name of the model, for a body that contains it.
    pub model: Option<&'a str>,
    /// The `anthropic_version` of a body for a server that reads the model in the path: it replaces `model`. Other
    /// servers refuse the field, so it is taken out for them.
    pub version: Option<&'a str>,
    /// Whether the body keeps `model` beside that version.
    pub keeps_model: bool,
    /// Whether `stream` must be in the body, or must not. `None`: it stays as it is.
    pub stream: Option<bool>,
    pub betas: BetaField<'a>,
    /// Whether to request the usage of a stream.
    pub ask_usage: bool,
    /// The limit of an answer's tokens.
    pub cap: Option<Cap<'a>>,
}

/// What happens to `anthropic_beta`, which some servers of Claude read in the body, and others in a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BetaField<'a> {
    /// It stays as it is.
    #[default]
    Kept,
    /// It is taken out.
    Removed,
    /// The body has these. If there are none, it is taken out.
    Set(&'a [String]),
}

/// A limit that is written if the caller set none, or a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap<'a> {
    pub tokens: u64,
    /// The fields that the provider observes; if empty, none is written.
    pub fields: &'a [CapField],
}

/// A piece of an edited body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyPiece {
    /// A range of the caller's own bytes.
    Kept(Range<usize>),
    /// The text that replaces them.
    Said(String),
}

/// The changes: ranges to replace, and members to add.
#[derive(Default)]
struct Changes {
    places: Vec<(Range<usize>, String)>,
    added: Vec<String>,
}

impl Scanned {
    /// The body for the upstream. Without changes, these are the caller's own bytes.
    #[must_use]
    pub fn edit<'b>(&self, body: &'b [u8], edits: Edits<'_>) -> Cow<'b, [u8]> {
        let pieces = self.pieces(body, edits);
        if let [BodyPiece::Kept(_)] = pieces.as_slice() {
            return Cow::Borrowed(body);
        }
        let mut edited = Vec::with_capacity(body.len() + 64);
        for piece in &pieces {
            match piece {
                BodyPiece::Kept(range) => edited.extend_from_slice(&body[range.clone()]),
                BodyPiece::Said(text) => edited.extend_from_slice(text.as_bytes()),
            }
        }
        Cow::Owned(edited)
    }

    /// The same in pieces, so that the unchanged part of a long body need not be copied.
    #[must_use]
    pub fn pieces(&self, body: &[u8], edits: Edits<'_>) -> Vec<BodyPiece> {
        let mut changes = Changes::default();
        let mut removed: Vec<Range<usize>> = Vec::new();
        match (edits.model, self.place(Field::Model)) {
            (Some(model), Some(member)) if self.model.as_deref() != Some(model) => {
                changes.places.push((member.value.clone(), quote(model)));
            }
            // The path contains the model (an Azure deployment), and this upstream expects it in the body.
            (Some(model), None) => changes.added.push(format!("\"model\":{}", quote(model))),
            (None, Some(member)) if edits.version.is_some() && !edits.keeps_model => {
                removed.push(member.whole.clone());
            }
            _ => {}
        }
        match (edits.version, self.place(Field::AnthropicVersion)) {
            (Some(version), Some(member)) if body[member.value.clone()] == *quote(version).as_bytes() => {}
            (Some(version), Some(member)) => changes.places.push((member.value.clone(), quote(version))),
            (Some(version), None) => changes.added.push(format!("\"anthropic_version\":{}", quote(version))),
            (None, Some(member)) => removed.push(member.whole.clone()),
            (None, None) => {}
        }
        match (edits.stream, self.place(Field::Stream)) {
            (Some(true), Some(member)) if !self.stream => {
                changes.places.push((member.value.clone(), "true".to_owned()));
            }
            (Some(true), None) => changes.added.push("\"stream\":true".to_owned()),
            (Some(false), Some(member)) => removed.push(member.whole.clone()),
            _ => {}
        }
        match (edits.betas, self.place(Field::AnthropicBeta)) {
            (BetaField::Set(betas), member) if !betas.is_empty() => {
                let list = serde_json::Value::from(betas).to_string();
                match member {
                    Some(member) if body[member.value.clone()] == *list.as_bytes() => {}
                    Some(member) => changes.places.push((member.value.clone(), list)),
                    None => changes.added.push(format!("\"anthropic_beta\":{list}")),
                }
            }
            (BetaField::Set(_) | BetaField::Removed, Some(member)) => removed.push(member.whole.clone()),
            _ => {}
        }
        let fallbacks = self.place(Field::Fallbacks).filter(|_| self.own_fallbacks.is_none());
        removed.extend(fallbacks.map(|member| member.whole.clone()));
        let kept = self.members - removed.len();
        let removed = without_commas(body, removed);
        changes.places.extend(removed.into_iter().map(|range| (range, String::new())));
        if edits.ask_usage && !self.include_usage {
            match self.place(Field::StreamOptions) {
                // A null, or an object with another value: written again, with its other members.
                Some(member) => changes.places.push((member.value.clone(), asking_usage(&body[member.value.clone()]))),
                None => changes.added.push("\"stream_options\":{\"include_usage\":true}".to_owned()),
            }
        }
        if let Some(cap) = edits.cap {
            self.cap(body, cap, &mut changes);
        }
        if !changes.added.is_empty() {
            // First in the object, so that the caller's members keep their order.
            let comma = if kept > 0 { "," } else { "" };
            changes.places.push((self.inside..self.inside, changes.added.join(",") + comma));
        }
        changes.places.sort_by_key(|(range, _)| (range.start, range.end));
        let mut pieces = Vec::with_capacity(changes.places.len() * 2 + 1);
        let mut at = 0;
        for (range, text) in changes.places {
            pieces.push(BodyPiece::Kept(at..range.start));
            pieces.push(BodyPiece::Said(text));
            at = range.end;
        }
        pieces.push(BodyPiece::Kept(at..body.len()));
        pieces
    }

    /// Writes the limit into each field where the caller's value is larger, or not a number; if the caller set none,
    /// into the first field.
    fn cap(&self, body: &[u8], cap: Cap<'_>, changes: &mut Changes) {
        let tokens = cap.tokens.to_string();
        if self.takes(body, cap) {
            let fitted = self.fit_thinking(body, cap.tokens);
            changes.places.extend(fitted.into_iter().map(|fitted| (fitted.at, fitted.text)));
        }
        let mut present = false;
        for field in cap.fields {
            let Some(at) = self.cap_at(*field).filter(|at| body.get((*at).clone()) != Some(b"null")) else { continue };
            present = true;
            if self.caps[*field as usize].is_none_or(|own| own > cap.tokens) {
                changes.places.push((at, tokens.clone()));
            }
        }
        match cap.fields.first() {
            Some(CapField::Generation) if !present => {
                // Google accepts either spelling; the caller's is kept.
                let names = match self.snake_case {
                    true => ("generation_config", "max_output_tokens"),
                    false => ("generationConfig", "maxOutputTokens"),
                };
                self.add_to_config((&self.generation, Field::GenerationConfig), names, &tokens, changes);
            }
            Some(CapField::Inference) if !present => {
                let names = ("inferenceConfig", "maxTokens");
                self.add_to_config((&self.inference, Field::InferenceConfig), names, &tokens, changes);
            }
            Some(CapField::Options) if !present => {
                self.add_to_config((&self.options, Field::Options), ("options", "num_predict"), &tokens, changes);
            }
            Some(field) if !present => match self.place(field.top()) {
                Some(null) => changes.places.push((null.value.clone(), tokens)),
                None => changes.added.push(format!("\"{}\":{tokens}", field.key())),
            },
            _ => {}
        }
    }

    /// Whether a limit is written: the caller's is larger, or there is none.
    pub(super) fn takes(&self, body: &[u8], cap: Cap<'_>) -> bool {
        let present = |field: &CapField| self.cap_at(*field).is_some_and(|at| body.get(at) != Some(b"null"));
        let more = |field: &CapField| self.caps[*field as usize].is_none_or(|own| own > cap.tokens);
        let mut present = cap.fields.iter().filter(|field| present(field)).peekable();
        !cap.fields.is_empty() && (present.peek().is_none() || present.any(more))
    }

    /// The location of the value of a field that limits the output.
    fn cap_at(&self, field: CapField) -> Option<Range<usize>> {
        match field {
            CapField::Generation => self.generation.as_ref()?.cap_at.clone(),
            CapField::Inference => self.inference.as_ref()?.cap_at.clone(),
            CapField::Options => self.options.as_ref()?.cap_at.clone(),
            _ => Some(self.place(field.top())?.value.clone()),
        }
    }

    /// Adds the limit to a nested object, or the object with the limit to the body.
    fn add_to_config(
        &self,
        (config, field): (&Option<GenerationConfig>, Field),
        (outer, inner): (&str, &str),
        tokens: &str,
        changes: &mut Changes,
    ) {
        match (config, self.place(field)) {
            (Some(config), _) => changes.places.push(match &config.cap_at {
                Some(null) => (null.clone(), tokens.to_owned()),
                None => {
                    let comma = if config.members > 0 { "," } else { "" };
                    (config.inside..config.inside, format!("\"{inner}\":{tokens}{comma}"))
                }
            }),
            (None, Some(null)) => changes.places.push((null.value.clone(), format!("{{\"{inner}\":{tokens}}}"))),
            (None, None) => changes.added.push(format!("\"{outer}\":{{\"{inner}\":{tokens}}}")),
        }
    }
}

/// The ranges of members including the commas that belong to them. Neighbours are one range.
fn without_commas(body: &[u8], mut members: Vec<Range<usize>>) -> Vec<Range<usize>> {
    if members.len() > 1 {
        members.sort_by_key(|range| range.start);
        members.dedup_by(|next, before| {
            let between = &body[before.end..next.start];
            let joins = between.iter().all(|byte| *byte == b',' || byte.is_ascii_whitespace());
            if joins {
                before.end = next.end;
            }
            joins
        });
    }
    members.iter().map(|member| without_comma(body, member)).collect()
}

/// A member's range including the comma that belongs to it.
fn without_comma(body: &[u8], whole: &Range<usize>) -> Range<usize> {
    let space = |byte: &&u8| byte.is_ascii_whitespace();
    let after = whole.end + body[whole.end..].iter().take_while(space).count();
    if body.get(after) == Some(&b',') {
        return whole.start..after + 1;
    }
    let before = whole.start - body[..whole.start].iter().rev().take_while(space).count();
    if before > 0 && body[before - 1] == b',' {
        return before - 1..whole.end;
    }
    whole.clone()
}

fn asking_usage(value: &[u8]) -> String {
    let mut options = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(value).unwrap_or_default();
    options.insert("include_usage".to_owned(), true.into());
    serde_json::Value::Object(options).to_string()
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

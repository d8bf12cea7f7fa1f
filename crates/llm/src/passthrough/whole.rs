//! A whole answer, looked at without rewriting it.

use serde::Deserialize;
use serde_json::Value;

use crate::Dialect;
use crate::chat::StreamError;
use crate::format::anthropic::watch as anthropic;
use crate::format::gemini::watch as gemini;
use crate::format::openai_chat::{watch as openai, watched_usage};
use crate::format::openai_responses::watch as responses;
use crate::json::lenient::{Count, Fault, List, Millis, Object, Present, Served, Text, object};
use crate::json::raw;
use crate::tokens::usage::Usage;

/// What a whole answer told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whole {
    pub usage: Usage,
    /// The model's name as the upstream tells it.
    pub model: Option<String>,
    /// Nothing in it, neither words nor thoughts nor tool calls, and no finish reason that explains
    /// that.
    pub empty: bool,
    /// Why it is no answer of this operation.
    pub malformed: Option<String>,
    /// An error told under 200. Then it is neither empty nor malformed.
    pub error: Option<StreamError>,
}

/// Looks at a non-streaming answer. `operation` is one of `chat`, `completions`, `responses`,
/// `messages`, `generate_content`, `embeddings`, `count_tokens`, `models`; of any other, whose
/// answer may be no JSON at all, nothing is asked.
#[must_use]
pub fn whole(dialect: Dialect, operation: &str, body: &[u8]) -> Whole {
    let read = match operation {
        "chat" | "completions" => chat(body),
        "responses" => response(body),
        "messages" => message(body),
        "generate_content" => generate_content(body),
        "embeddings" | "count_tokens" | "models" => plain(dialect, operation, body),
        "images" => return pictures(body),
        _ => return other(body),
    };
    read.unwrap_or_else(|| {
        malformed(if body.trim_ascii().is_empty() { "the body is empty" } else { "not a JSON object" })
    })
}

fn malformed(why: &str) -> Whole {
    Whole { malformed: Some(why.to_owned()), ..Whole::default() }
}

fn failed(error: StreamError, usage: Usage, model: Option<String>) -> Whole {
    Whole { usage, model, error: Some(error), ..Whole::default() }
}

fn chat(body: &[u8]) -> Option<Whole> {
    let mut slow = None;
    let chunk: openai::Chunk<'_> = object(body, &mut slow)?;
    let usage = chunk.tokens().map(|tokens| tokens.usage()).unwrap_or_default();
    let model = chunk.model.owned();
    if let Some(error) = chunk.error.0 {
        return Some(failed(error, usage, model));
    }
    let Some(choices) = &chunk.choices.0 else { return Some(malformed("`choices` is missing")) };
    let filled = choices.iter().any(openai::Choice::filled);
    let empty = !filled && !choices.iter().any(openai::Choice::explained);
    Some(Whole { usage: usage.believed(filled), model, empty, ..Whole::default() })
}

fn response(body: &[u8]) -> Option<Whole> {
    let mut slow = None;
    let response: responses::Response<'_> = object(body, &mut slow)?;
    let usage = response.tokens().map(|tokens| tokens.usage()).unwrap_or_default();
    let model = response.model.owned();
    let explained = response.explained();
    if let Some(error) = response.error.0 {
        return Some(failed(error, usage, model));
    }
    if response.output.0.is_none() && !(response.object.is("response") && explained) {
        return Some(malformed("`output` is missing"));
    }
    let filled = response.output.iter().any(responses::Item::filled);
    let empty = !explained && !filled;
    Some(Whole { usage: usage.believed(filled), model, empty, ..Whole::default() })
}

fn message(body: &[u8]) -> Option<Whole> {
    let mut slow = None;
    let message: anthropic::Message<'_> = object(body, &mut slow)?;
    let usage = message.usage.0.map(|tokens| tokens.usage()).unwrap_or_default();
    let model = message.model.owned();
    if let Some(error) = message.error.0 {
        return Some(failed(error, usage, model));
    }
    let Some(content) = &message.content.0 else { return Some(malformed("`content` is missing")) };
    let filled = content.iter().any(anthropic::Block::filled);
    let empty = !filled && !anthropic::explains(&message.stop_reason);
    Some(Whole { usage: usage.believed(filled), model, empty, ..Whole::default() })
}

/// One answer, or the list of pieces that a stream without `alt=sse` is.
fn generate_content(body: &[u8]) -> Option<Whole> {
    let whole = Whole { empty: true, ..Whole::default() };
    let mut pieces = Pieces { whole, tokens: gemini::Tokens::default(), filled: false };
    if body.trim_ascii_start().first() != Some(&b'[') {
        pieces.add(body)?;
        return Some(pieces.done());
    }
    let mut all = Some(());
    raw::elements(std::str::from_utf8(body).ok()?, |piece| {
        all = all.and_then(|()| pieces.add(piece.get().as_bytes()));
    })
    .ok()?;
    all.map(|()| pieces.done())
}

/// One answer in pieces, as far as it was read.
struct Pieces {
    whole: Whole,
    tokens: gemini::Tokens,
    /// There is something in it.
    filled: bool,
}

impl Pieces {
    /// None: that is no object.
    fn add(&mut self, body: &[u8]) -> Option<()> {
        let Pieces { whole, tokens, filled } = self;
        if whole.malformed.is_some() {
            return Some(());
        }
        let mut slow = None;
        let piece: gemini::Piece<'_> = object(body, &mut slow)?;
        if !piece.known() {
            *whole = malformed("`candidates` is missing");
            return Some(());
        }
        *filled |= piece.candidates.iter().any(gemini::Candidate::filled);
        whole.empty &= !*filled && !piece.candidates.iter().any(gemini::Candidate::explained) && !piece.blocked();
        if whole.model.is_none() {
            whole.model = piece.model_version.owned();
        }
        tokens.merge(piece.usage_metadata.0);
        if whole.error.is_none() {
            whole.error = piece.error.0;
        }
        Some(())
    }

    fn done(self) -> Whole {
        let Pieces { mut whole, tokens, filled } = self;
        if whole.malformed.is_none() {
            whole.usage = tokens.usage().believed(filled);
            whole.empty &= whole.error.is_none();
        }
        whole
    }
}

/// Answers that are no conversation.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Plain<'a> {
    #[serde(borrow)]
    model: Text<'a>,
    usage: Object<watched_usage::Tokens>,
    usage_metadata: Object<gemini::Tokens>,
    error: Fault,
    data: Present,
    embedding: Present,
    embeddings: Present,
    #[serde(rename = "input_tokens")]
    input_tokens: Count,
    /// Seconds of what was transcribed.
    duration: Millis,
    #[serde(rename = "service_tier")]
    service_tier: Served,
}

fn plain(dialect: Dialect, operation: &str, body: &[u8]) -> Option<Whole> {
    let mut slow = None;
    let plain: Plain<'_> = object(body, &mut slow)?;
    let openai = plain.usage.0.map(|tokens| tokens.usage());
    let gemini = plain.usage_metadata.0.as_ref().map(gemini::Tokens::usage);
    let usage = openai.or(gemini).unwrap_or_default().believed(false);
    let model = plain.model.owned();
    if let Some(error) = plain.error.0 {
        return Some(failed(error, usage, model));
    }
    let (there, field) = match (operation, dialect) {
        ("embeddings", Dialect::Gemini) => (plain.embedding.0 || plain.embeddings.0, "embeddings"),
        ("embeddings", _) => (plain.data.0, "data"),
        // Google leaves out what is zero.
        ("count_tokens", Dialect::Gemini) => (true, "totalTokens"),
        ("count_tokens", _) => (plain.input_tokens.0.is_some(), "input_tokens"),
        (_, Dialect::Gemini) => (true, "models"),
        _ => (plain.data.0, "data"),
    };
    if !there {
        return Some(malformed(&format!("`{field}` is missing")));
    }
    Some(Whole { usage, model, ..Whole::default() })
}

/// Usage, model and error where the answer is JSON that tells them.
fn other(body: &[u8]) -> Whole {
    let mut slow: Option<Value> = None;
    let Some(plain) = object::<Plain<'_>>(body, &mut slow) else { return Whole::default() };
    let mut usage = plain.usage.0.map(|tokens| tokens.usage()).unwrap_or_default();
    usage.milliseconds = usage.milliseconds.or(plain.duration.0);
    usage.service = usage.service.or(plain.service_tier.0);
    usage = usage.believed(false);
    Whole { usage, model: plain.model.owned(), error: plain.error.0, ..Whole::default() }
}

/// Pictures that were made.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pictures<'a> {
    #[serde(borrow)]
    model: Text<'a>,
    usage: Object<watched_usage::Tokens>,
    data: List<Picture>,
    error: Fault,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Picture {}

fn pictures(body: &[u8]) -> Whole {
    let mut slow: Option<Value> = None;
    let Some(told) = object::<Pictures<'_>>(body, &mut slow) else { return Whole::default() };
    let mut usage = told.usage.0.map(|tokens| tokens.usage()).unwrap_or_default();
    usage.images = told.data.count().map(|count| u64::try_from(count).unwrap_or(u64::MAX));
    // Nothing else is made here; the older models do not say so.
    usage.image_output = usage.image_output.or(usage.output);
    usage = usage.believed(false);
    Whole { usage, model: told.model.owned(), error: told.error.0, ..Whole::default() }
}

//! Watches Gemini's answers: every event has the same shape as a whole answer.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::json::lenient::{
    Filled, LenientCount, LenientError, LenientList, LenientObject, LenientText, LenientTier, Present, has_value,
    is_object, object,
};
use crate::json::raw;
use crate::passthrough::content;
use crate::passthrough::observation::Parsed;
use crate::passthrough::summary::AnswerSummary;
use crate::usage::Usage;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct AnswerPiece<'a> {
    #[serde(borrow)]
    pub candidates: LenientList<AnswerCandidate<'a>>,
    #[serde(borrow)]
    prompt_feedback: LenientObject<Feedback<'a>>,
    pub usage_metadata: LenientObject<UsageMetadata>,
    #[serde(borrow)]
    pub model_version: LenientText<'a>,
    response_id: Present,
    pub error: LenientError,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct AnswerCandidate<'a> {
    content: LenientObject<Content>,
    #[serde(borrow)]
    finish_reason: LenientText<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow)]
    block_reason: LenientText<'a>,
    block_reason_message: Filled,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content {
    parts: LenientList<ContentPart>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContentPart {
    text: Filled,
    function_call: Present,
    function_response: Present,
    inline_data: Present,
    file_data: Present,
    executable_code: Present,
    code_execution_result: Present,
}

/// Gemini's usage: cumulative; numbers that are zero are omitted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct UsageMetadata {
    prompt_token_count: LenientCount,
    tool_use_prompt_token_count: LenientCount,
    cached_content_token_count: LenientCount,
    candidates_token_count: LenientCount,
    thoughts_token_count: LenientCount,
    total_token_count: LenientCount,
    prompt_tokens_details: LenientList<Modality>,
    candidates_tokens_details: LenientList<Modality>,
    service_tier: LenientTier,
    /// Vertex's name for the service tier.
    traffic_type: LenientTier,
}

#[derive(Debug, Default)]
struct Modality {
    kind: Option<ModalityKind>,
    count: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ModalityKind {
    Audio,
    Image,
}

impl<'de> Deserialize<'de> for Modality {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct ModalityFields<'a> {
            #[serde(borrow)]
            modality: LenientText<'a>,
            token_count: LenientCount,
        }
        let fields = ModalityFields::deserialize(deserializer)?;
        let kind = match fields.modality.get() {
            Some("AUDIO") => Some(ModalityKind::Audio),
            Some("IMAGE") => Some(ModalityKind::Image),
            _ => None,
        };
        Ok(Modality { kind, count: fields.token_count.0 })
    }
}

impl UsageMetadata {
    pub fn merge(&mut self, later: Option<UsageMetadata>) {
        let Some(later) = later else { return };
        self.prompt_token_count.merge(later.prompt_token_count);
        self.tool_use_prompt_token_count.merge(later.tool_use_prompt_token_count);
        self.cached_content_token_count.merge(later.cached_content_token_count);
        self.candidates_token_count.merge(later.candidates_token_count);
        self.thoughts_token_count.merge(later.thoughts_token_count);
        self.total_token_count.merge(later.total_token_count);
        if later.prompt_tokens_details.0.is_some() {
            self.prompt_tokens_details = later.prompt_tokens_details;
        }
        if later.candidates_tokens_details.0.is_some() {
            self.candidates_tokens_details = later.candidates_tokens_details;
        }
        self.service_tier = LenientTier(later.service_tier.0.or(self.service_tier.0));
        self.traffic_type = LenientTier(later.traffic_type.0.or(self.traffic_type.0));
    }

    pub fn usage(&self) -> Usage {
        let of = |kind: ModalityKind, details: &LenientList<Modality>| {
            details.iter().find(|one| one.kind == Some(kind)).and_then(|one| one.count)
        };
        let sum = |first: LenientCount, second: LenientCount| match (first.0, second.0) {
            (None, None) => None,
            (first, second) => Some(first.unwrap_or(0).saturating_add(second.unwrap_or(0))),
        };
        let input = sum(self.prompt_token_count, self.tool_use_prompt_token_count);
        // Some Vertex models include thoughts in the candidates' tokens; the total shows which.
        let inclusive = self.thoughts_token_count.0.is_some_and(|thoughts| thoughts > 0)
            && self.candidates_token_count.0.is_some()
            && self.total_token_count.0.is_some()
            && sum(LenientCount(input), self.candidates_token_count) == self.total_token_count.0;
        let thoughts = if inclusive { LenientCount(None) } else { self.thoughts_token_count };
        Usage {
            input,
            cached_input: self.cached_content_token_count.0,
            cache_write: None,
            cache_write_1h: None,
            output: sum(self.candidates_token_count, thoughts),
            reasoning: self.thoughts_token_count.0,
            audio_input: of(ModalityKind::Audio, &self.prompt_tokens_details),
            audio_output: of(ModalityKind::Audio, &self.candidates_tokens_details),
            image_input: of(ModalityKind::Image, &self.prompt_tokens_details),
            image_output: of(ModalityKind::Image, &self.candidates_tokens_details),
            service: self.service_tier.0.or(self.traffic_type.0),
            ..Usage::default()
        }
    }
}

impl ContentPart {
    fn filled(&self) -> bool {
        self.text.0
            || self.function_call.0
            || self.function_response.0
            || self.inline_data.0
            || self.file_data.0
            || self.executable_code.0
            || self.code_execution_result.0
    }
}

impl AnswerCandidate<'_> {
    pub fn filled(&self) -> bool {
        self.content.0.iter().flat_map(|content| content.parts.iter()).any(ContentPart::filled)
    }

    pub fn finished(&self) -> bool {
        self.finish_reason.get().is_some_and(|reason| reason != "FINISH_REASON_UNSPECIFIED")
    }

    /// Whether the finish reason explains an answer without content. Unknown ones do.
    pub fn explained(&self) -> bool {
        let unexplained = ["STOP", "OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"];
        self.finished() && !self.finish_reason.get().is_some_and(|reason| unexplained.contains(&reason))
    }
}

impl AnswerPiece<'_> {
    /// Whether the prompt was blocked: there will be no candidates.
    pub fn blocked(&self) -> bool {
        let unspecified = |reason: &str| reason == "BLOCK_REASON_UNSPECIFIED";
        self.prompt_feedback.0.as_ref().is_some_and(|feedback| {
            feedback.block_reason.get().is_some_and(|reason| !unspecified(reason)) || feedback.block_reason_message.0
        })
    }

    /// Whether it has a field of an answer in this dialect.
    pub fn known(&self) -> bool {
        self.candidates.0.is_some()
            || self.prompt_feedback.0.is_some()
            || self.usage_metadata.0.is_some()
            || self.model_version.get().is_some()
            || self.response_id.0
            || self.error.0.is_some()
    }
}

/// Reads the events of a stream.
#[derive(Debug, Default)]
pub(crate) struct Watcher(UsageMetadata);

impl Watcher {
    /// Whether an event after the first content needs no parsing.
    pub fn is_plain(&self, _name: &str, data: &str) -> bool {
        static WORDS: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
            [r#""finishReason""#, r#""usageMetadata""#, r#""error""#, r#""promptFeedback""#].map(Finder::new)
        });
        is_object(data) && !WORDS.iter().any(|word| has_value(data.as_bytes(), word))
    }

    /// Reads an event. `unnamed`: the model's name is still unknown.
    pub fn read(&mut self, _name: &str, data: &str, unnamed: bool) -> Parsed {
        event(data, unnamed).take_tokens(|tokens| self.0.merge(tokens))
    }

    /// The usage of the stream, as far as it was reported.
    pub fn usage(&self) -> Usage {
        self.0.usage()
    }

    /// Bytes of content in an event.
    pub fn content_bytes(&self, _name: &str, data: &str) -> u64 {
        answer_bytes(data.as_bytes())
    }
}

/// Bytes of content in an event or an answer, which have the same shape.
pub(crate) fn answer_bytes(body: &[u8]) -> u64 {
    content::sum(body, &[b"args"], |key| matches!(key, b"text" | b"code" | b"args"))
}

/// Reads an event. `unnamed`: the model's name is still unknown.
fn event(data: &str, unnamed: bool) -> Parsed<UsageMetadata> {
    let mut slow = None;
    let Some(piece) = object::<AnswerPiece<'_>>(data.as_bytes(), &mut slow).filter(AnswerPiece::known) else {
        return Parsed::malformed();
    };
    let mut parsed = Parsed::empty();
    parsed.observation.content = piece.candidates.iter().any(AnswerCandidate::filled);
    parsed.observation.terminal = piece.candidates.iter().any(AnswerCandidate::finished) || piece.blocked();
    parsed.explained = piece.candidates.iter().any(AnswerCandidate::explained) || piece.blocked();
    parsed.model = if unnamed { piece.model_version.owned() } else { None };
    parsed.tokens = piece.usage_metadata.0;
    parsed.observation.error = piece.error.0;
    parsed
}

/// One answer, or the list of pieces that a stream without `alt=sse` is.
pub(crate) fn summarize(body: &[u8]) -> Option<AnswerSummary> {
    let whole = AnswerSummary { empty: true, ..AnswerSummary::default() };
    let mut pieces = Accumulated { whole, tokens: UsageMetadata::default(), filled: false };
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

/// An answer in pieces, as far as it was read.
struct Accumulated {
    whole: AnswerSummary,
    tokens: UsageMetadata,
    /// Whether it has content.
    filled: bool,
}

impl Accumulated {
    /// `None` if the body is not an object.
    fn add(&mut self, body: &[u8]) -> Option<()> {
        let Accumulated { whole, tokens, filled } = self;
        if whole.malformed.is_some() {
            return Some(());
        }
        let mut slow = None;
        let piece: AnswerPiece<'_> = object(body, &mut slow)?;
        if !piece.known() {
            *whole = AnswerSummary::of_malformed("`candidates` is missing");
            return Some(());
        }
        *filled |= piece.candidates.iter().any(AnswerCandidate::filled);
        whole.empty &= !*filled && !piece.candidates.iter().any(AnswerCandidate::explained) && !piece.blocked();
        if whole.model.is_none() {
            whole.model = piece.model_version.owned();
        }
        tokens.merge(piece.usage_metadata.0);
        if whole.error.is_none() {
            whole.error = piece.error.0;
        }
        Some(())
    }

    fn done(self) -> AnswerSummary {
        let Accumulated { mut whole, tokens, filled } = self;
        if whole.malformed.is_none() {
            whole.usage = tokens.usage().believed(filled);
            whole.empty &= whole.error.is_none();
        }
        whole
    }
}

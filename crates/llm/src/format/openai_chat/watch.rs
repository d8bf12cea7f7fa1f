//! OpenAI: chunks of chat and text completions, and the events of responses.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::chat::StreamError;
use crate::json::lenient::{Count, Fault, Filled, List, Millis, Object, Served, Text, is_object, object, tells};
use crate::passthrough::observation::{Observation, Parsed};
use crate::tokens::usage::Usage;

/// A chunk or a whole answer of (chat) completions, or an event of responses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chunk<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    object: Text<'a>,
    #[serde(borrow)]
    pub model: Text<'a>,
    #[serde(borrow)]
    pub choices: List<Choice<'a>>,
    usage: Object<Tokens>,
    x_groq: Object<Groq>,
    service_tier: Served,
    pub error: Fault,
    // Responses: the events' own fields.
    #[serde(borrow)]
    response: Object<Response<'a>>,
    #[serde(borrow)]
    item: Object<Item<'a>>,
    delta: Filled,
    text: Filled,
    arguments: Filled,
    refusal: Filled,
    partial_image_b64: Filled,
    #[serde(borrow)]
    code: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Choice<'a> {
    delta: Object<Said>,
    message: Object<Said>,
    text: Filled,
    #[serde(borrow)]
    finish_reason: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    content: Filled,
    /// DeepSeek's and vLLM's thinking; OpenRouter's, Groq's and Ollama's is `reasoning`.
    reasoning_content: Filled,
    reasoning: Filled,
    reasoning_details: Filled,
    refusal: Filled,
    tool_calls: Filled,
    function_call: Filled,
    audio: Filled,
    images: Filled,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Groq {
    usage: Object<Tokens>,
}

/// A whole response, as the answer itself and inside the events of its life.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Response<'a> {
    #[serde(borrow)]
    pub object: Text<'a>,
    #[serde(borrow)]
    pub model: Text<'a>,
    #[serde(borrow)]
    pub status: Text<'a>,
    #[serde(borrow)]
    pub output: List<Item<'a>>,
    usage: Object<Tokens>,
    service_tier: Served,
    pub error: Fault,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    content: Filled,
    summary: Filled,
    encrypted_content: Filled,
}

/// Usage of both of OpenAI's APIs.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Tokens {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    input_tokens: Count,
    output_tokens: Count,
    /// DeepSeek's own name for cached input.
    prompt_cache_hit_tokens: Count,
    prompt_tokens_details: Object<InputDetails>,
    input_tokens_details: Object<InputDetails>,
    /// Transcriptions' own name for the same.
    input_token_details: Object<InputDetails>,
    completion_tokens_details: Object<OutputDetails>,
    output_tokens_details: Object<OutputDetails>,
    /// Transcriptions that are counted by time.
    seconds: Millis,
    /// Mistral's own name for that.
    prompt_audio_seconds: Millis,
    /// Mistral's stands here; OpenAI's stands beside the usage, and is put here.
    service_tier: Served,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
    audio_tokens: Count,
    image_tokens: Count,
}

impl Tokens {
    /// Each telling is whole: the last one counts. The service may be told apart from it.
    pub fn merge(&mut self, later: Option<Tokens>) {
        let Some(later) = later else { return };
        let service_tier = Served(later.service_tier.0.or(self.service_tier.0));
        if !later.usage().is_empty() {
            *self = later;
        }
        self.service_tier = service_tier;
    }

    pub fn usage(&self) -> Usage {
        let input = self.prompt_tokens_details.0.or(self.input_tokens_details.0).or(self.input_token_details.0);
        let input = input.unwrap_or_default();
        let output = self.completion_tokens_details.0.or(self.output_tokens_details.0).unwrap_or_default();
        let reasoning = output.reasoning_tokens.0;
        let mut prompt = self.prompt_tokens.0.or(self.input_tokens.0);
        let mut told = self.completion_tokens.0.or(self.output_tokens.0);
        // xAI's chat leaves reasoning out of `completion_tokens`; its total tells.
        if let (Some(total), Some(input), Some(completion), Some(thought)) =
            (self.total_tokens.0, prompt, told, reasoning)
        {
            let with = completion.saturating_add(thought);
            if thought > 0 && input.saturating_add(with) == total {
                told = Some(with);
            }
        }
        // Mistral leaves audio out of `prompt_tokens`; its total tells too.
        if let (Some(total), Some(text), Some(completion), Some(heard)) =
            (self.total_tokens.0, prompt, told, input.audio_tokens.0)
        {
            let with = text.saturating_add(heard);
            if heard > 0 && with.saturating_add(completion) == total {
                prompt = Some(with);
            }
        }
        Usage {
            input: prompt,
            cached_input: input
                .cached_tokens
                .0
                .or(self.prompt_cache_hit_tokens.0)
                // Grok on Azure tells more cached than asked: that is no part, and so unknown.
                .filter(|cached| prompt.is_none_or(|prompt| *cached <= prompt)),
            cache_write: input.cache_write_tokens.0,
            cache_write_1h: None,
            output: told,
            reasoning,
            audio_input: input.audio_tokens.0,
            audio_output: output.audio_tokens.0,
            image_input: input.image_tokens.0,
            image_output: output.image_tokens.0,
            images: None,
            milliseconds: self.seconds.0.or(self.prompt_audio_seconds.0),
            service: self.service_tier.0,
        }
    }
}

impl Choice<'_> {
    pub fn filled(&self) -> bool {
        let said = |said: &Object<Said>| said.0.as_ref().is_some_and(Said::filled);
        self.text.0 || said(&self.delta) || said(&self.message)
    }

    /// Whether the finish reason explains an answer without content. Unknown ones do.
    pub fn explained(&self) -> bool {
        let reason = self.finish_reason.get();
        reason.is_some_and(|reason| !["stop", "eos", "tool_calls", "function_call", "error"].contains(&reason))
    }
}

impl Said {
    fn filled(&self) -> bool {
        self.content.0
            || self.reasoning_content.0
            || self.reasoning.0
            || self.reasoning_details.0
            || self.refusal.0
            || self.tool_calls.0
            || self.function_call.0
            || self.audio.0
            || self.images.0
    }
}

impl Item<'_> {
    /// Calls and their kin are content as such; messages and reasoning when there is something in them.
    pub fn filled(&self) -> bool {
        match self.kind.get() {
            Some("message" | "reasoning") | None => self.content.0 || self.summary.0 || self.encrypted_content.0,
            Some(_) => true,
        }
    }

    /// As [`Item::filled`], of an item that a stream has only begun.
    fn begins(&self) -> bool {
        !matches!(self.kind.get(), Some("reasoning")) && self.filled() || self.summary.0
    }
}

/// What is told of usage, and of the service beside it.
fn with_service(tokens: Option<Tokens>, beside: Served) -> Option<Tokens> {
    let Some(service) = beside.0 else { return tokens };
    Some(Tokens { service_tier: Served(Some(service)), ..tokens.unwrap_or_default() })
}

impl Chunk<'_> {
    pub fn tokens(&self) -> Option<Tokens> {
        with_service(self.used(), self.service_tier)
    }

    fn used(&self) -> Option<Tokens> {
        self.usage.0.or_else(|| self.x_groq.0.as_ref().and_then(|groq| groq.usage.0))
    }
}

impl Response<'_> {
    pub fn tokens(&self) -> Option<Tokens> {
        with_service(self.usage.0, self.service_tier)
    }

    /// Whether the status explains an answer without content.
    pub fn explained(&self) -> bool {
        self.status.get().is_some_and(|status| !matches!(status, "completed" | "failed"))
    }
}

/// Whether an event after the first content needs no reading.
pub(crate) fn is_plain(name: &str, data: &str) -> bool {
    static WORDS: LazyLock<[Finder<'static>; 4]> =
        LazyLock::new(|| [r#""finish_reason""#, r#""usage""#, r#""error""#, r#""response""#].map(Finder::new));
    is_object(data) && name != "error" && !WORDS.iter().any(|word| tells(data.as_bytes(), word))
}

/// Reads an event. `unnamed`: the model's name is wanted.
pub(crate) fn event(name: &str, data: &str, unnamed: bool) -> Parsed<Tokens> {
    if data == "[DONE]" {
        return Parsed { observation: Observation { terminal: true, ..Observation::default() }, ..Parsed::empty() };
    }
    let mut slow = None;
    let Some(chunk) = object::<Chunk<'_>>(data.as_bytes(), &mut slow) else {
        if name == "error" {
            let error = StreamError { kind: "error".to_owned(), message: data.to_owned(), status: None };
            return Parsed {
                observation: Observation { error: Some(error), ..Observation::default() },
                ..Parsed::empty()
            };
        }
        return Parsed::malformed();
    };
    let kind = chunk.kind.get().unwrap_or_default();
    let mut parsed = match chunk.choices.0.as_ref() {
        None if kind == "error" || name == "error" || kind.starts_with("response.") => response_event(kind, &chunk),
        // A ping, or what there may be one day.
        None if !kind.is_empty() => Parsed::empty(),
        None if chunk.error.0.is_none() && chunk.used().is_none() && chunk.object.get().is_none() => {
            return Parsed::malformed();
        }
        None => Parsed::empty(),
        Some(choices) => {
            let mut parsed = Parsed::empty();
            parsed.observation.content = choices.iter().any(Choice::filled);
            parsed.observation.usage_only = choices.is_empty() && chunk.used().is_some();
            parsed.finished = choices.iter().any(|choice| choice.finish_reason.get().is_some());
            parsed.explained = choices.iter().any(Choice::explained);
            parsed
        }
    };
    parsed.observation.error = parsed.observation.error.or_else(|| chunk.error.0.clone());
    parsed.tokens = parsed.tokens.or_else(|| chunk.tokens());
    if unnamed {
        parsed.model = parsed.model.or_else(|| chunk.model.owned());
    }
    parsed
}

fn response_event(kind: &str, chunk: &Chunk<'_>) -> Parsed<Tokens> {
    let mut parsed = Parsed::empty();
    if let Some(response) = &chunk.response.0 {
        parsed.model = response.model.owned();
        parsed.tokens = response.tokens();
        parsed.observation.error.clone_from(&response.error.0);
        parsed.explained = response.explained();
    }
    match kind {
        "error" => parsed.observation.error = Some(chunk.error.0.clone().unwrap_or_else(|| own_fault(chunk))),
        "response.failed" => {
            parsed.observation.terminal = true;
            parsed.observation.error = Some(parsed.observation.error.take().unwrap_or_else(|| own_fault(chunk)));
        }
        "response.completed" | "response.incomplete" | "response.cancelled" => {
            parsed.observation.terminal = true;
            // An answer may come whole in its last event.
            let output = chunk.response.0.iter().flat_map(|response| response.output.iter());
            parsed.observation.content = output.into_iter().any(Item::filled);
        }
        "response.output_item.added" => {
            parsed.observation.content = chunk.item.0.as_ref().is_some_and(Item::begins);
        }
        "response.output_item.done" => {
            parsed.observation.content = chunk.item.0.as_ref().is_some_and(Item::filled);
        }
        _ => {
            parsed.observation.content =
                chunk.delta.0 || chunk.text.0 || chunk.arguments.0 || chunk.refusal.0 || chunk.partial_image_b64.0;
        }
    }
    parsed
}

/// Responses tell an error's code and message in the event itself.
fn own_fault(chunk: &Chunk<'_>) -> StreamError {
    Fault::of(&chunk.code, &Text::default(), &Text::default(), &chunk.message)
}

//! The decoders of each dialect, combined with every encoder.

use outrigger_llm::Dialect::{self, Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenAi};
use outrigger_llm::chat::Part;
use outrigger_llm::framing::EventReader;
use outrigger_llm::passthrough::watch::StreamWatch;
use outrigger_llm::provider::{Api, Target};
use outrigger_llm::{
    Answer, CallerFormat, StreamDecoder, StreamEncoder, decode_request, decode_response, encode_request,
    encode_response,
};
use serde_json::Value;

use crate::sse;

pub(crate) fn openai_request(input: &[u8]) {
    request(OpenAi.format(), input);
}

pub(crate) fn anthropic_request(input: &[u8]) {
    request(Anthropic.format(), input);
}

pub(crate) fn gemini_request(input: &[u8]) {
    request(Gemini.format(), input);
}

pub(crate) fn bedrock_request(input: &[u8]) {
    request(Bedrock.format(), input);
}

pub(crate) fn cohere_request(input: &[u8]) {
    request(Cohere.format(), input);
}

pub(crate) fn ollama_request(input: &[u8]) {
    request(Ollama.format(), input);
}

pub(crate) fn ollama_generate_request(input: &[u8]) {
    request(CallerFormat::OllamaGenerate, input);
}

pub(crate) fn responses_request(input: &[u8]) {
    request(CallerFormat::OpenAiResponses, input);
}

pub(crate) fn openai_response(input: &[u8]) {
    response(OpenAi, input);
}

pub(crate) fn anthropic_response(input: &[u8]) {
    response(Anthropic, input);
}

pub(crate) fn gemini_response(input: &[u8]) {
    response(Gemini, input);
}

pub(crate) fn bedrock_response(input: &[u8]) {
    response(Bedrock, input);
}

pub(crate) fn cohere_response(input: &[u8]) {
    response(Cohere, input);
}

pub(crate) fn ollama_response(input: &[u8]) {
    response(Ollama, input);
}

pub(crate) fn openai_stream(input: &[u8]) {
    stream(OpenAi, input);
}

pub(crate) fn anthropic_stream(input: &[u8]) {
    stream(Anthropic, input);
}

pub(crate) fn gemini_stream(input: &[u8]) {
    stream(Gemini, input);
}

/// The names and data of its events, in the framing of the others.
pub(crate) fn bedrock_stream(input: &[u8]) {
    stream(Bedrock, input);
}

pub(crate) fn cohere_stream(input: &[u8]) {
    stream(Cohere, input);
}

pub(crate) fn ollama_stream(input: &[u8]) {
    stream(Ollama, input);
}

/// A request that is accepted can be encoded in each dialect, or is refused, and the result is accepted there. A
/// conversation without content becomes an empty one, which decoders refuse. Thoughts are no content: they are dropped
/// for other models.
fn request(caller: impl Into<CallerFormat>, input: &[u8]) {
    let caller = caller.into();
    let Ok(Value::Object(body)) = serde_json::from_slice(input) else { return };
    for streamed in [false, true] {
        let Ok(request) = decode_request(caller, &body, "a-model", streamed) else { return };
        let is_content = |part: &Part| !matches!(part, Part::Thinking(_));
        let has_content = request.messages.iter().any(|message| message.parts.iter().any(is_content));
        for upstream in Dialect::ALL {
            let Ok(encoded) = encode_request(caller, &request, &Target::vendor(upstream, "another-model"), None) else {
                continue;
            };
            let again = decode_request(upstream.format(), &encoded.body, "another-model", streamed);
            assert!(again.is_ok() || !has_content, "{caller:?} to {upstream}: {again:?} in {:?}", encoded.body);
        }
    }
}

/// An answer that is accepted can be encoded in each dialect.
fn response(upstream: Dialect, input: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(input) else { return };
    let Ok(response) = decode_response(upstream.format(), &body) else { return };
    for caller in CallerFormat::all() {
        let encoded = encode_response(caller, &response, &Answer::default());
        assert!(encoded.is_object(), "{upstream} to {caller:?}: {encoded}");
    }
}

/// A stream can be watched, and its content can be encoded in each dialect, as complete events.
fn stream(upstream: Dialect, input: &[u8]) {
    let events = sse::read(std::iter::once(input));
    let mut watch = StreamWatch::new(upstream.format());
    for event in &events {
        watch.observe(event);
    }
    for caller in CallerFormat::all() {
        let mut decoder = StreamDecoder::new(upstream.format());
        let mut encoder = StreamEncoder::new(caller, Answer::default());
        let (mut decoded, mut encoded) = (Vec::new(), Vec::new());
        for event in &events {
            if decoder.push(event, &mut decoded).is_err() {
                break;
            }
            for event in decoded.drain(..) {
                encoder.push(&event, &mut encoded);
            }
        }
        let (mut reader, mut whole) = (EventReader::new(Api::of(caller.dialect()).framing), Vec::new());
        let encoded = encoded.into();
        reader.push(&encoded, &mut whole);
        assert_eq!(reader.buffered(), 0, "{upstream} to {caller:?}: no end: {}", String::from_utf8_lossy(&encoded));
        assert!(
            whole.iter().all(|event| event.data_bytes().is_some()),
            "{upstream} to {caller:?}: an event without data"
        );
    }
}

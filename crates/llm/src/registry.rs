//! Every dialect by its name: the only file that imports them all. Nothing that a dialect needs may import this one.

use serde_json::Value;

use crate::Dialect;
use crate::chat::fields::{Fate, Field};
use crate::chat::{Event, Object, Request, Response, StreamError};
use crate::error::{Malformed, RequestError};
use crate::exchange::{Answer, EncodedRequest};
use crate::format::anthropic;
use crate::format::gemini;
use crate::format::openai_chat as openai;
use crate::framing::sse;

/// Reads a caller's request. `model` and `stream` are given where the dialect has them in the path.
///
/// # Errors
/// [`RequestError::Invalid`] when a field has the wrong shape.
pub fn decode_request(caller: Dialect, body: &Object, model: &str, stream: bool) -> Result<Request, RequestError> {
    let mut request = match caller {
        Dialect::OpenAi => openai::request::decode(body)?,
        Dialect::Anthropic => anthropic::request::decode(body)?,
        Dialect::Gemini => gemini::request::decode(body)?,
    };
    request.model = model.to_owned();
    request.stream = stream;
    Ok(request)
}

/// Tells a request in an upstream's dialect, for the model named `model` there.
///
/// # Errors
/// [`RequestError::Unsupported`] when the request holds something that would change the answer and
/// that the dialect cannot say.
pub fn encode_request(
    caller: Dialect,
    request: &Request,
    upstream: Dialect,
    model: &str,
) -> Result<EncodedRequest, RequestError> {
    encode_request_within(caller, request, upstream, model, None)
}

/// The same with `most` tokens of output, thinking included, whatever the caller says.
///
/// # Errors
/// As [`encode_request`].
pub fn encode_request_within(
    caller: Dialect,
    request: &Request,
    upstream: Dialect,
    model: &str,
    most: Option<u64>,
) -> Result<EncodedRequest, RequestError> {
    let left_out = fit(caller, &request.fields, upstream)?;
    let mut encoded = match upstream {
        Dialect::OpenAi => openai::request::encode(request, model, most)?,
        Dialect::Anthropic => anthropic::request::encode(request, model, most)?,
        Dialect::Gemini => gemini::request::encode(request, model, most)?,
    };
    encoded.left_out.splice(0..0, left_out);
    Ok(encoded)
}

/// Reads an upstream's whole answer.
///
/// # Errors
/// [`Malformed`] when it is not one: no choices, no content where there must be some.
pub fn decode_response(upstream: Dialect, body: &Value) -> Result<Response, Malformed> {
    let mut response = match upstream {
        Dialect::OpenAi => openai::response::decode(body),
        Dialect::Anthropic => anthropic::response::decode(body),
        Dialect::Gemini => gemini::response::decode(body),
    }?;
    response.usage = response.usage.believed(!response.parts.is_empty());
    Ok(response)
}

/// Tells a whole answer to a caller.
#[must_use]
pub fn encode_response(caller: Dialect, response: &Response, answer: &Answer) -> Value {
    match caller {
        Dialect::OpenAi => openai::response::encode(response, answer),
        Dialect::Anthropic => anthropic::response::encode(response, answer),
        Dialect::Gemini => gemini::response::encode(response, answer),
    }
}

/// Reads an upstream's stream, event by event.
#[derive(Debug)]
pub enum StreamDecoder {
    OpenAi(openai::stream::Decoder),
    Anthropic(anthropic::stream::Decoder),
    Gemini(gemini::stream::Decoder),
}

impl StreamDecoder {
    #[must_use]
    pub fn new(upstream: Dialect) -> Self {
        match upstream {
            Dialect::OpenAi => StreamDecoder::OpenAi(openai::stream::Decoder::default()),
            Dialect::Anthropic => StreamDecoder::Anthropic(anthropic::stream::Decoder::default()),
            Dialect::Gemini => StreamDecoder::Gemini(gemini::stream::Decoder::default()),
        }
    }

    /// Reads one event of the stream, adding what it tells to `out`.
    ///
    /// # Errors
    /// [`Malformed`] when the event is not of the dialect.
    pub fn push(&mut self, event: &sse::Event, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let before = out.len();
        match self {
            StreamDecoder::OpenAi(decoder) => decoder.push(event, out),
            StreamDecoder::Anthropic(decoder) => decoder.push(event, out),
            StreamDecoder::Gemini(decoder) => decoder.push(event, out),
        }?;
        for event in out.iter_mut().skip(before) {
            if let Event::Usage(usage) = event {
                *usage = usage.believed(false);
            }
        }
        Ok(())
    }
}

/// Writes a stream for a caller, event by event, as bytes ready to send.
#[derive(Debug)]
pub enum StreamEncoder {
    OpenAi(openai::stream::Encoder),
    Anthropic(anthropic::stream::Encoder),
    Gemini(gemini::stream::Encoder),
}

impl StreamEncoder {
    #[must_use]
    pub fn new(caller: Dialect, answer: Answer) -> Self {
        match caller {
            Dialect::OpenAi => StreamEncoder::OpenAi(openai::stream::Encoder::new(answer)),
            Dialect::Anthropic => StreamEncoder::Anthropic(anthropic::stream::Encoder::new(answer)),
            Dialect::Gemini => StreamEncoder::Gemini(gemini::stream::Encoder::new(answer)),
        }
    }

    /// Writes what `event` tells. An [`Event::Error`] is written as the dialect's error event.
    pub fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match self {
            StreamEncoder::OpenAi(encoder) => encoder.push(event, out),
            StreamEncoder::Anthropic(encoder) => encoder.push(event, out),
            StreamEncoder::Gemini(encoder) => encoder.push(event, out),
        }
    }

    /// An error event of a dialect, for a stream that bytes of the upstream were passed through.
    #[must_use]
    pub fn error(caller: Dialect, error: &StreamError) -> Vec<u8> {
        let mut out = Vec::new();
        StreamEncoder::new(caller, Answer::default()).push(&Event::Error(error.clone()), &mut out);
        out
    }
}

/// All rows of a caller's dialect.
pub fn fields(caller: Dialect) -> &'static [Field] {
    match caller {
        Dialect::OpenAi => openai::fields::FIELDS,
        Dialect::Anthropic => anthropic::fields::FIELDS,
        Dialect::Gemini => gemini::fields::FIELDS,
    }
}

/// What becomes of a field. One that has no row is refused: the gateway can't know what it means.
#[must_use]
pub fn fate(caller: Dialect, path: &str, upstream: Dialect) -> Fate {
    if caller == upstream {
        return Fate::Carried;
    }
    fields(caller).iter().find(|field| field.path == path).map_or(Fate::Refused, |field| field.fates[upstream as usize])
}

/// Checks the fields that a request holds against an upstream's dialect, and returns the hints
/// that will be left out.
///
/// # Errors
/// [`RequestError::Unsupported`] with the first field that is refused.
pub fn fit(caller: Dialect, paths: &[String], upstream: Dialect) -> Result<Vec<String>, RequestError> {
    let mut hints = Vec::new();
    for path in paths {
        match fate(caller, path, upstream) {
            Fate::Carried | Fate::Adapted => {}
            Fate::Hint => hints.push(path.clone()),
            Fate::Refused => return Err(RequestError::Unsupported { field: path.clone(), upstream }),
        }
    }
    hints.dedup();
    Ok(hints)
}

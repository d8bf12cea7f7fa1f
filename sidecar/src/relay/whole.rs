//! Relays a whole answer to the caller.

use std::sync::LazyLock;
use std::time::Instant;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use memchr::memmem::Finder;
use outrigger_core::RefusalKind;
use outrigger_llm::embeddings;
use outrigger_llm::errors::classify::classify_event;
use outrigger_llm::json::weight::Weight;
use outrigger_llm::operation::OperationKind;
use outrigger_llm::registry::{answer_bytes, summarize};
use outrigger_llm::usage::Usage;
use outrigger_llm::{Malformed, decode_response, encode_response, rerank};
use serde_json::Value;

use super::{AnswerSource, extra_fields};
use crate::completion::Completion;
use crate::completion::handles::{remember_handle, response_handle};
use crate::completion::{Failed, Timing};
use crate::memory::{EVENTS, Memory, MemoryLease};
use crate::relay::Conversion;
use crate::request::answer_events;
use crate::request::context::RequestContext;
use crate::request::parsed_request;
use crate::request::reframing::Reframing;
use crate::request::reply::ReplyBody;
use crate::request::serialize::serialize;
use crate::request::whole_body::WholeBody;
use crate::telemetry::attempt_error::AttemptError;
use crate::upstream::UpstreamBody;

/// An answer that was read to its end and is valid.
pub struct WholeAnswer {
    pub content_type: &'static str,
    is_events: bool,
    body: Bytes,
    usage: Usage,
    /// Bytes of content, if the cost depends on them.
    content_bytes: u64,
    /// The id of a stored response, which only this account knows.
    handle: Option<String>,
    has_extra_fields: bool,
    source: AnswerSource,
    lease: MemoryLease,
}

/// Checks a whole answer, and converts it to the caller's dialect.
///
/// # Errors
/// If it is an error under status 200, is empty, or is not of the dialect.
pub fn whole_answer(
    source: AnswerSource,
    completion: &Completion,
    text: Bytes,
    mut lease: MemoryLease,
    memory: &Memory,
) -> Result<WholeAnswer, Failed> {
    let context = &completion.context;
    let provider = std::sync::Arc::clone(&source.provider);
    // What the upstream answered: a request that was translated is a conversation there.
    let kind = match source.conversion {
        Conversion::Across { .. } => OperationKind::Chat,
        Conversion::Same | Conversion::Embeddings(_) | Conversion::Rerank { .. } => context.operation.kind,
    };
    // Strings with escapes are copied to read them.
    if text.len() > EVENTS && memchr::memchr(b'\\', &text).is_some() {
        lease.grow_to(2 * text.len(), memory).map_err(Failed::no_memory_for_answer)?;
    }
    let summary = summarize(source.upstream.dialect, kind, &text);
    if let Some(error) = &summary.error {
        let failure = classify_event(source.upstream.dialect, error);
        return Err(Failed::answered(&failure, error.status.unwrap_or(502), &provider, None));
    }
    let malformed = |problem: String| Failed::unreachable(AttemptError::Malformed, format!("{provider}: {problem}"));
    if let Some(problem) = summary.malformed {
        return Err(malformed(problem));
    }
    if source.conversion != Conversion::Same {
        lease.grow_to(text.len() + Weight::of(&text).translated(), memory).map_err(Failed::no_memory_for_answer)?;
    }
    let parse = || serde_json::from_slice::<Value>(&text).map_err(|error| malformed(error.to_string()));
    let foreign = |error: &Malformed| malformed(error.to_string());
    let is_events = matches!(source.conversion, Conversion::Across { .. }) && context.stream;
    let content_type = if is_events { context.stream_type() } else { "application/json" };
    let (body, usage) = match source.conversion {
        Conversion::Same => (text.clone(), summary.usage),
        Conversion::Across { one_call } => {
            let mut response = decode_response(source.upstream.format, &parse()?).map_err(|error| foreign(&error))?;
            if one_call {
                response.keep_first_call();
            }
            let answer = answer_events::answer_properties(context, &source.model, source.origin.clone());
            let body = match is_events {
                // The upstream answered whole although a stream was requested.
                true => answer_events::write(context, &response, answer),
                false => serialize(&encode_response(context.operation.format(), &response, &answer), text.len()),
            };
            (Bytes::from(body), response.usage)
        }
        Conversion::Rerank { returns_documents } => {
            let answer = rerank::decode_answer(source.upstream.dialect, parse()?).map_err(|error| foreign(&error))?;
            let (caller, id) = (context.dialect, &context.request_id);
            let body = match returns_documents {
                false => rerank::encode_answer(caller, &answer, &[], &source.model, id),
                true => {
                    let own = Weight::of(&context.body).tree();
                    lease.grow_to(lease.bytes() + own, memory).map_err(Failed::no_memory_for_answer)?;
                    let body = parsed_request::object(caller, &context.scanned, &context.body).map_err(malformed)?;
                    let request =
                        rerank::decode_request(caller, &body).map_err(|error| malformed(error.to_string()))?;
                    rerank::encode_answer(caller, &answer, &request.documents, &source.model, id)
                }
            };
            (Bytes::from(serialize(&body, text.len())), answer.usage)
        }
        Conversion::Embeddings(form) => {
            let answer =
                embeddings::decode_answer(source.upstream.dialect, parse()?).map_err(|error| foreign(&error))?;
            let usage = answer.usage;
            let answer = embeddings::encode_answer(context.dialect, answer, form, &source.model, &context.request_id);
            (Bytes::from(serialize(&answer.map_err(|error| foreign(&error))?, text.len())), usage)
        }
    };
    if summary.empty {
        return Err(Failed::empty(&provider, Some((content_type, framed(context, is_events, body), usage))));
    }
    let content_bytes = match context.answers_with_text() {
        true if completion.charge_depends_on_content(&usage) => answer_bytes(source.upstream.dialect, kind, &text),
        true => 0,
        false => text.len() as u64,
    };
    let has_extra_fields = context.has_extra_fields() && !is_events;
    let handle = response_handle(kind, &text);
    lease.shrink_to(body.len());
    Ok(WholeAnswer { content_type, is_events, body, usage, content_bytes, handle, has_extra_fields, source, lease })
}

/// Gives events the caller's form. Leaves everything else unchanged.
fn framed(context: &RequestContext, is_events: bool, body: Bytes) -> Bytes {
    if is_events { Reframing::whole(context.stream_form, body) } else { body }
}

impl WholeAnswer {
    /// The reported usage, and the bytes of content.
    pub fn figures(&self) -> (&Usage, u64) {
        (&self.usage, self.content_bytes)
    }

    /// Whether it is sent as events, to a caller that requested a stream.
    pub fn is_events(&self) -> bool {
        self.is_events
    }

    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The same answer with another body.
    pub fn with_body(self, body: Bytes) -> Self {
        WholeAnswer { body, ..self }
    }

    /// The body, with `extra_fields` if the caller's dialect has them.
    pub fn into_body(self, mut completion: Box<Completion>, status: u16) -> ReplyBody {
        if let Some(handle) = &self.handle {
            remember_handle(&completion, handle, self.source.stay);
        }
        let body = match self.has_extra_fields {
            true => {
                let cost = completion.cost_of(&self.usage, self.content_bytes);
                splice(&self.body, &extra_fields(&completion, &self.source, cost))
            }
            false => [framed(&completion.context, self.is_events, self.body), Bytes::new(), Bytes::new()],
        };
        completion.record_overhead();
        completion.release_body();
        completion.finish(status);
        WholeBody::new(body, self.lease).map_err(|never| match never {}).boxed_unsync()
    }
}

/// A longer body is sent in three pieces. A shorter one is copied, which costs less than several writes.
const MAX_COPIED: usize = 64 << 10;

static EXTRA_FIELDS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"extra_fields\":"));

/// Inserts `extra_fields` before the last brace of a JSON object. Leaves everything else unchanged.
fn splice(body: &Bytes, extra: &str) -> [Bytes; 3] {
    let whole = |body: Bytes| [body, Bytes::new(), Bytes::new()];
    let Some(last) = body.iter().rposition(|byte| !byte.is_ascii_whitespace()) else { return whole(body.clone()) };
    if body[last] != b'}' {
        return whole(body.clone());
    }
    // Another gateway has added the key already; it may be there only once.
    if EXTRA_FIELDS.find(body).is_some() {
        return whole(body.clone());
    }
    let before = body[..last].iter().rev().find(|byte| !byte.is_ascii_whitespace());
    let comma = if before == Some(&b'{') { "" } else { "," };
    if body.len() > MAX_COPIED {
        let extra = format!("{comma}\"extra_fields\":{extra}");
        return [body.slice(..last), extra.into(), body.slice(last..)];
    }
    let mut spliced = Vec::with_capacity(body.len() + extra.len() + 20);
    spliced.extend_from_slice(&body[..last]);
    spliced.extend_from_slice(format!("{comma}\"extra_fields\":{extra}").as_bytes());
    spliced.extend_from_slice(&body[last..]);
    whole(spliced.into())
}

/// Relays bytes that are neither JSON nor events unchanged. If they break off, so does the caller's connection.
pub fn binary(body: UpstreamBody, mut completion: Box<Completion>, status: u16, timing: Timing) -> ReplyBody {
    completion.record_overhead();
    completion.release_body();
    let stream = futures_util::stream::unfold(Some((body, completion)), move |state| async move {
        let (mut body, mut completion) = state?;
        let by = Instant::now() + timing.idle;
        let (word, kind, error) = match tokio::time::timeout_at(by.into(), body.chunk()).await {
            // End the request with the last chunk: the caller may not poll again.
            Ok(Some(Ok(chunk))) if body.is_over() => {
                // This does not wait: the rest is buffered.
                let chunk = match body.chunk().await {
                    Some(Ok(rest)) => [chunk, rest].concat().into(),
                    _ => chunk,
                };
                completion.settle_complete(&Usage::default(), 0);
                completion.finish(status);
                return Some((Ok(Frame::data(chunk)), None));
            }
            Ok(Some(Ok(chunk))) => return Some((Ok(Frame::data(chunk)), Some((body, completion)))),
            Ok(None) => {
                completion.settle_complete(&Usage::default(), 0);
                completion.finish(status);
                return None;
            }
            Ok(Some(Err(error))) => (AttemptError::Cut, RefusalKind::UpstreamUnreachable, std::io::Error::other(error)),
            Err(late) => (AttemptError::TimeoutIdle, RefusalKind::UpstreamTimeout, std::io::Error::other(late)),
        };
        completion.record_broken_stream(word, kind);
        completion.settle_cut(&Usage::default(), 0);
        completion.finish(status);
        Some((Err(error), None))
    });
    BodyExt::boxed_unsync(StreamBody::new(stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserts_extra_fields_before_the_last_brace() {
        for (body, expected) in [
            ("{\"a\":1}", "{\"a\":1,\"extra_fields\":{}}"),
            ("{}", "{\"extra_fields\":{}}"),
            ("{ }\n", "{ \"extra_fields\":{}}\n"),
            ("{\"extra_fields\":{\"a\":1}}", "{\"extra_fields\":{\"a\":1}}"),
            ("[1]", "[1]"),
            ("", ""),
        ] {
            assert_eq!(splice(&Bytes::from(body), "{}").concat(), expected.as_bytes());
        }
    }
}

//! Parses a request: its model, whether it streams, its trace id.

use http::HeaderMap;
use outrigger_llm::operation::Matched;

use crate::request::context::RequestContext;
use crate::request::headers::name;
use crate::request::parsed_request::{self, ParseFailure, ParsedRequest};
use crate::request::refusal::Refusal;

/// Parses what the gateway needs of a request.
pub fn parse_request(context: &mut RequestContext, matched: Matched) -> Result<(), Refusal> {
    match parsed_request::read(matched, &context.headers, &context.query, &context.body) {
        Ok(ParsedRequest { model, stream, stream_form, scanned, .. }) => {
            (context.model, context.stream, context.stream_form) = (model, stream, stream_form);
            context.scanned = scanned;
            Ok(())
        }
        Err(ParseFailure { refusal, model }) => {
            context.model = model;
            Err(refusal)
        }
    }
}

/// The caller's trace id, so that records and its spans can be joined.
pub fn trace_id(headers: &HeaderMap, own: &str) -> String {
    let from_header = headers.get(&name::TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(|value| {
        let id = value.split('-').nth(1)?;
        (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
    });
    from_header.unwrap_or_else(|| own.to_owned())
}

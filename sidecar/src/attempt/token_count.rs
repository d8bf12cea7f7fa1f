//! Counts the tokens of a request by the gateway's own estimate, where the chosen provider has no such operation.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, Full};
use outrigger_llm::operation::OperationKind;
use outrigger_llm::passthrough::other_answers::token_count;
use outrigger_llm::provider::Target;
use outrigger_llm::usage::Usage;
use outrigger_policy::Candidate;

use crate::completion::Completion;
use crate::request::context::RequestContext;
use crate::request::headers::name;
use crate::request::reply::ReplyBody;

/// The estimated tokens for a target; `None` if they are asked for at the target itself, or are not what is asked for.
pub(super) fn estimate(context: &RequestContext, target: &Target<'_>) -> Option<u64> {
    let counts = context.operation.kind == OperationKind::CountTokens && !target.takes(context.operation);
    counts.then(|| context.input().estimate(target.api.dialect, target.model).tokens())
}

/// Answers with an estimate, which is marked as one. It costs nothing, and nobody was asked.
pub(super) fn respond(mut completion: Box<Completion>, candidate: &Candidate, tokens: u64) -> Response<ReplyBody> {
    completion.record_candidate(candidate);
    completion.settle_complete(&Usage::default(), 0);
    let body = Bytes::from(token_count(completion.context.dialect, tokens).to_string());
    let mut response = Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(name::OUR_ESTIMATED, HeaderValue::from_static("true"));
    completion.add_headers(headers);
    completion.record_overhead();
    completion.finish(200);
    response
}

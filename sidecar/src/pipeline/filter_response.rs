//! Answers a request that a filter has answered or refused.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, Full};
use outrigger_core::RefusalKind;
use outrigger_llm::operation::OperationKind;

use crate::completion::Completion;
use crate::filter::{AnswerFilters, FilterAnswer, FilterBody, FilterStop, FullAnswer};
use crate::request::answer_events;
use crate::request::reframing::Reframing;
use crate::request::refusal::Refusal;
use crate::request::reply::ReplyBody;

/// Sends the filter's answer or refusal.
pub async fn respond_to_stop(mut completion: Box<Completion>, stop: FilterStop) -> Response<ReplyBody> {
    let FilterStop { index, name, outcome } = stop;
    match outcome {
        Ok(own) => {
            let outer = completion.filters_before(index);
            Box::pin(answer(completion, name, own, outer)).await
        }
        Err(refusal) => {
            completion.record_filter(name);
            completion.refuse(&refusal)
        }
    }
}

/// Sends a filter's answer. It is recorded, and costs nothing. `outer`: the filters of the answer.
async fn answer(
    mut completion: Box<Completion>,
    name: &'static str,
    answer: FilterAnswer,
    mut outer: AnswerFilters,
) -> Response<ReplyBody> {
    completion.record_filter(name);
    let FilterAnswer { headers, body } = answer;
    let filtered = match body {
        FilterBody::Whole(body) => match outer.whole(FullAnswer::new(body, completion.context.dialect)).await {
            Ok(filtered) if completion.context.stream && completion.context.operation.kind == OperationKind::Chat => {
                answer_events::events_of_whole(&completion.context, filtered.body())
                    .map_err(|problem| (name, invalid_answer(name, &problem)))
            }
            Ok(filtered) => Ok(filtered.into_body()),
            Err(failed) => Err(failed),
        },
        FilterBody::Events(_) if !completion.context.stream => {
            Err((name, invalid_answer(name, "events, although no stream was requested")))
        }
        FilterBody::Events(body) => outer.stream(&completion.context, body).await,
    };
    let body = match filtered {
        Ok(body) => body,
        Err((name, refusal)) => {
            completion.record_filter(name);
            return completion.refuse(&refusal);
        }
    };
    let stream = completion.context.stream;
    let body = if stream { Reframing::whole(completion.context.stream_form, body) } else { body };
    send(completion, headers, body, stream)
}

fn send(mut completion: Box<Completion>, headers: http::HeaderMap, body: Bytes, stream: bool) -> Response<ReplyBody> {
    let content_type = if stream { completion.context.stream_type() } else { "application/json" };
    let mut response = Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    *response.headers_mut() = headers;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if stream {
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    }
    completion.add_headers(response.headers_mut());
    completion.record_overhead();
    completion.finish(200);
    response
}

/// The refusal for a filter's answer that is not valid in the caller's dialect: a bug in the filter.
fn invalid_answer(name: &str, problem: &str) -> Refusal {
    tracing::error!(filter = name, problem, "a filter's own answer is invalid");
    Refusal::new(RefusalKind::FilterFailed, format!("filter {name} returned an invalid answer: {problem}"))
}

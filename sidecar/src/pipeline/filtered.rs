//! A filter ends the way of a request: it answers by itself, or refuses.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::{BodyExt, Full};
use outrigger_llm::operation::Kind;

use crate::filter::{AnswerFilters, FilterAnswer, FilterBody, FilterStop, FullAnswer};
use crate::pipeline::completion::Completion;
use crate::pipeline::refusal::Refusal;
use crate::pipeline::reply::ReplyBody;
use crate::relay::events;

/// Tells the caller what the filter says.
pub async fn stopped(mut ending: Box<Completion>, stop: FilterStop) -> Response<ReplyBody> {
    let FilterStop { index, name, with } = stop;
    match with {
        Ok(own) => {
            let outer = ending.gateway.filters.before(index, &ending.call);
            Box::pin(answer(ending, name, own, outer)).await
        }
        Err(refusal) => {
            ending.record.filter = Some(name);
            ending.refuse(&refusal)
        }
    }
}

/// Answers in the name of a filter: recorded, and charged nothing. `outer`: what looks at the answer.
async fn answer(
    mut ending: Box<Completion>,
    name: &'static str,
    answer: FilterAnswer,
    mut outer: AnswerFilters,
) -> Response<ReplyBody> {
    ending.record.filter = Some(name);
    let FilterAnswer { headers, body } = answer;
    let shown = match body {
        FilterBody::Whole(body) => match outer.whole(FullAnswer::new(body, ending.call.dialect)).await {
            Ok(shown) if ending.call.stream && ending.call.operation.kind == Kind::Chat => {
                events::of_whole(&ending.call, shown.body()).map_err(|problem| (name, no_answer(name, &problem)))
            }
            Ok(shown) => Ok(shown.into_body()),
            Err(failed) => Err(failed),
        },
        FilterBody::Events(_) if !ending.call.stream => {
            Err((name, no_answer(name, "events, and no stream was asked for")))
        }
        FilterBody::Events(body) => outer.stream(&ending.call, body).await,
    };
    let body = match shown {
        Ok(body) => body,
        Err((name, refusal)) => {
            ending.record.filter = Some(name);
            return ending.refuse(&refusal);
        }
    };
    let stream = ending.call.stream;
    let body = if stream && ending.call.as_array { events::array(&body).into() } else { body };
    tell(ending, headers, body, stream)
}

fn tell(mut ending: Box<Completion>, headers: http::HeaderMap, body: Bytes, stream: bool) -> Response<ReplyBody> {
    let content_type = if stream && !ending.call.as_array { "text/event-stream" } else { "application/json" };
    let mut response = Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    *response.headers_mut() = headers;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if stream {
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    }
    ending.tell_who(response.headers_mut());
    ending.first_byte();
    ending.finish(200);
    response
}

/// A filter gave an answer that is none of the caller's dialect: a mistake of ours.
fn no_answer(name: &str, problem: &str) -> Refusal {
    tracing::error!(filter = name, problem, "a filter's own answer can't be told");
    Refusal::new(500, "filter_failed", format!("filter {name} answered with what can't be told: {problem}"))
}

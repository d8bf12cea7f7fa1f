//! Passes a provider's answer through the filters.
//!
//! ```text
//! whole           filtered, then sent
//! stream, events  filtered one by one
//! stream, whole   read to its end, joined, filtered, then sent as events
//! bytes           sent unfiltered, if every filter allows it
//! ```

use http::Response;
use http::header::CONTENT_TYPE;

use super::send::ProviderAnswer;
use crate::completion::Completion;
use crate::filter::{AnswerFilters, FilterFailure, FullAnswer};
use crate::request::reply::ReplyBody;
use crate::telemetry::record::ErrorType;

/// Sends an answer to the caller, unless a filter rejects it.
pub async fn send(
    answer: ProviderAnswer,
    mut completion: Box<Completion>,
    mut filters: AnswerFilters,
) -> Response<ReplyBody> {
    match answer {
        ProviderAnswer::Whole { status, headers, answer } => {
            let filtered = match answer.is_events() {
                true => filters.stream(&completion.context, answer.body().clone()).await,
                false => {
                    let whole = FullAnswer::new(answer.body().clone(), completion.context.dialect);
                    filters.whole(whole).await.map(FullAnswer::into_body)
                }
            };
            match filtered {
                Ok(body) => ProviderAnswer::Whole { status, headers, answer: Box::new(answer.with_body(body)) }
                    .send_unfiltered(completion),
                Err(failure) => {
                    // The provider produced the answer, so it is charged.
                    let (usage, content_bytes) = answer.figures();
                    completion.settle_complete(usage, content_bytes);
                    fail(completion, failure)
                }
            }
        }
        ProviderAnswer::Stream { status, headers, mut relay } if filters.need_whole() => {
            let read = relay.collect(&mut completion).await;
            let (usage, content_bytes) = (relay.usage(), relay.content_bytes());
            let filtered = match read {
                Ok(events) => filters.stream(&completion.context, events).await,
                Err(refusal) => {
                    completion.settle_cut(&usage, content_bytes);
                    return completion.refuse_with_attempts(&refusal, ErrorType::Refused(refusal.kind), &[]);
                }
            };
            match filtered {
                Ok(events) => {
                    relay.replace(events);
                    ProviderAnswer::Stream { status, headers, relay }.send_unfiltered(completion)
                }
                Err(failure) => {
                    completion.settle_complete(&usage, content_bytes);
                    fail(completion, failure)
                }
            }
        }
        ProviderAnswer::Stream { status, headers, mut relay } => {
            relay.add_filters(filters);
            ProviderAnswer::Stream { status, headers, relay }.send_unfiltered(completion)
        }
        ProviderAnswer::Binary { status, headers, body, timing } => {
            let what = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("bytes");
            match filters.cannot_view(what) {
                Ok(()) => ProviderAnswer::Binary { status, headers, body, timing }.send_unfiltered(completion),
                Err(failure) => {
                    drop(body);
                    completion.settle_cut(&Default::default(), 0);
                    fail(completion, failure)
                }
            }
        }
    }
}

fn fail(mut completion: Box<Completion>, (name, refusal): FilterFailure) -> Response<ReplyBody> {
    completion.record_filter(name);
    completion.refuse_with_attempts(&refusal, ErrorType::Refused(refusal.kind), &[])
}

//! Decides once more if a limit has too little left for the decision, although it is not used up. Nothing was sent yet.
//!
//! ```text
//! decide -> attempt -> a limit is short -> decide: rules and thresholds read 100 % for it -> other candidates -> attempt
//!                                                                                         -> the same       -> attempt
//! ```
//! This happens once for a request. If there is no room after that, the request is refused.

use http::Response;

use crate::attempt::{self, AttemptContext, ShortLimit, attempt};
use crate::filter::after_deciding;
use crate::pipeline::decide::{Circumstances, decide};
use crate::pipeline::filter_response::respond_to_stop;
use crate::request::reply::ReplyBody;

/// Makes the second decision, and tries its candidates. If it equals the first one, the candidates of the first one are
/// tried to the end.
pub async fn decide_again(
    tried: &AttemptContext<'_>,
    short: ShortLimit,
    circumstances: Circumstances,
) -> Response<ReplyBody> {
    let ShortLimit { mut completion, limit, waits_until, .. } = short;
    let AttemptContext { gateway, translation, .. } = *tried;
    let circumstances = Circumstances { short: Some(limit), ..circumstances };
    let (decision, conversation) = gateway
        .memory
        .work(completion.context.body.len(), || decide(gateway, &completion.context, translation, circumstances))
        .await;
    let mut attempts = AttemptContext { may_decide_again: false, waits_until, ..*tried };
    if decision.replaces(tried.decision) {
        completion.record_second_decision(limit, tried.decision, &decision);
        let new = decision.rule_errors.iter().filter(|error| !tried.decision.rule_errors.contains(error));
        gateway.report_failed_rules(&new.cloned().collect::<Vec<_>>());
        if let Some(refusal) = &decision.refusal {
            let refusal = gateway.with_time(&completion.context.served, refusal);
            return completion.refuse(&refusal);
        }
        let filters = completion.filters().clone();
        if !filters.is_empty() {
            let passed = after_deciding(&filters, &mut completion.context, translation, &decision);
            if let Err(stop) = Box::pin(passed).await {
                return respond_to_stop(completion, stop).await;
            }
            completion.set_answer_filters();
        }
        let clock = attempt::clock(&completion, &decision);
        attempts = AttemptContext { decision: &decision, conversation, clock, ..attempts };
    }
    match attempt(&attempts, completion).await {
        Ok(answer) => answer,
        Err(ShortLimit { completion, refusal, .. }) => completion.refuse(&refusal),
    }
}

//! What a failed attempt teaches about the place.

use std::time::{Duration, Instant};

use outrigger_policy::{Candidate, Measure};

use super::{Failed, Next};
use crate::call::Call;

/// How long a credential rests that was refused, or whose account is empty.
const CREDENTIAL_REST: Duration = Duration::from_secs(60);
/// How long a place rests that is limited or overloaded and does not say for how long.
const DEFAULT_REST: Duration = Duration::from_secs(1);
/// The longest rest that a provider can order.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// Notes it. `began`: when the attempt did.
pub fn learn(
    failed: &Failed,
    call: &Call,
    candidate: &Candidate,
    provider: usize,
    credential: Option<usize>,
    began: Instant,
) {
    if !failed.teaches {
        return;
    }
    let lane = &call.served.places[provider].lanes[credential.unwrap_or(0)];
    let (model, now) = (&*candidate.model, Instant::now());
    let asked = failed.retry_after.map(|pause| pause.min(LONGEST_REST));
    // Whatever it says, it is up.
    if failed.status.is_some_and(|status| status < 500) && failed.next != Next::Transient {
        lane.answered(model, now);
    }
    match failed.next {
        Next::Credential => lane.rest(asked.unwrap_or(CREDENTIAL_REST), now),
        Next::RateLimited => lane.rest(asked.unwrap_or(DEFAULT_REST), now),
        Next::Candidate if failed.word == "overloaded" => {
            lane.rest_model(model, asked.unwrap_or(DEFAULT_REST), now);
            lane.unserved(model, now);
        }
        Next::Candidate if failed.word == "empty" => lane.unserved(model, now),
        Next::Transient => {
            if failed.word.starts_with("timeout_") && failed.word != "timeout_connect" {
                let measure = if call.stream { Measure::FirstToken } else { Measure::Whole };
                lane.waited(model, measure, began, now);
            }
            lane.failed(model, began, now);
        }
        Next::Back | Next::Candidate | Next::Larger | Next::Again => {}
    }
}

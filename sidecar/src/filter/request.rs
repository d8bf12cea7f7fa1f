//! Runs the filters on a request, before and after the decision.

use std::sync::OnceLock;

use outrigger_llm::operation::{Matched, ModelLocation};
use outrigger_policy::Decision;

use super::{
    DecidedVerdict, FilterAnswer, FilteredRequest, Filters, Refusal, RequestContext, RequestEdit, RequestVerdict,
};
use crate::memory::{Memory, STREAM};
use crate::request::body::{overloaded, too_large};
use crate::request::parse::parse_request;
use crate::request::translation::RequestTranslation;

/// A filter has answered or refused a request.
#[derive(Debug)]
pub struct FilterStop {
    /// The filter's index in the list.
    pub index: usize,
    pub name: &'static str,
    /// The filter's answer, or the reason of the refusal.
    pub outcome: Result<FilterAnswer, Refusal>,
}

/// Calls every filter in order and applies its edits. Each filter sees the edits of those before it.
pub async fn before_deciding(
    filters: &Filters,
    context: &mut RequestContext,
    translation: &mut RequestTranslation,
    memory: &Memory,
) -> Result<(), FilterStop> {
    for (index, filter) in filters.all().iter().enumerate() {
        let stop = |outcome| FilterStop { index, name: filter.name(), outcome };
        let mut notes = std::mem::take(&mut context.notes);
        let verdict = filter.request(FilteredRequest { context, notes: &mut notes, translation }).await;
        context.notes = notes;
        match verdict {
            RequestVerdict::Continue => {}
            RequestVerdict::Edit(edit) => {
                // What was parsed from the old body is no longer valid.
                *translation = RequestTranslation::new(memory);
                apply(context, edit, memory).map_err(|refusal| stop(Err(refusal)))?;
            }
            RequestVerdict::Answer(answer) => return Err(stop(Ok(answer))),
            RequestVerdict::Refuse(refusal) => return Err(stop(Err(refusal))),
        }
    }
    Ok(())
}

/// Calls every filter in order; one may answer instead of the candidates.
pub async fn after_deciding(
    filters: &Filters,
    context: &mut RequestContext,
    translation: &RequestTranslation,
    decision: &Decision,
) -> Result<(), FilterStop> {
    for (index, filter) in filters.all().iter().enumerate() {
        let stop = |outcome| FilterStop { index, name: filter.name(), outcome };
        let mut notes = std::mem::take(&mut context.notes);
        let verdict = filter.decided(FilteredRequest { context, notes: &mut notes, translation }, decision).await;
        context.notes = notes;
        match verdict {
            DecidedVerdict::Continue => {}
            DecidedVerdict::Answer(answer) => return Err(stop(Ok(answer))),
            DecidedVerdict::Refuse(refusal) => return Err(stop(Err(refusal))),
        }
    }
    Ok(())
}

/// Applies an edit, and parses the request again: positions in the body, the model, the input.
fn apply(context: &mut RequestContext, edit: RequestEdit, memory: &Memory) -> Result<(), Refusal> {
    if let Some(headers) = edit.headers {
        context.headers = headers;
    }
    // If the model is not in the body, it was in the path.
    let in_path = context.operation.model == ModelLocation::Path || context.scanned.model != context.model;
    let model = edit.model.or_else(|| context.model.take().filter(|_| in_path));
    if let Some(body) = edit.body {
        if body.len() > memory.longest_body() {
            return Err(too_large(memory));
        }
        let more = body.len().saturating_sub(context.body.len());
        context.lease.grow_to(context.lease.bytes() + more, memory).map_err(|_| overloaded())?;
        context.body = body;
    }
    let streamed = context.stream;
    (context.estimate, context.metered) = (OnceLock::new(), OnceLock::new());
    parse_request(context, Matched { operation: context.operation, model })?;
    if context.stream && !streamed {
        context.lease.grow_to(context.lease.bytes() + STREAM, memory).map_err(|_| overloaded())?;
    }
    Ok(())
}

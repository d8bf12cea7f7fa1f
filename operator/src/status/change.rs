//! What changed of an object's limits since its status was written: how soon it has to be written, and what is reported.

use serde_json::Value;

use crate::status::events::{EventAction, EventReason, NewEvent};
use crate::status::limits::ObjectLimits;

/// How soon a status has to be written for what its limits say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FigureChange {
    /// Nothing differs but of when the figures are.
    None,
    /// Amounts differ: they may wait.
    Amounts,
    /// A threshold is reached, or a limit came, went or was raised. A new period may wait: many limits begin one at midnight.
    Now,
}

/// The fields of a limit of which people learn at once.
const AT_ONCE: [&str; 5] = ["name", "unit", "window", "limit", "raised"];

/// Between what stands in an object and what shall.
pub(super) fn of(before: Option<&Value>, after: &ObjectLimits) -> FigureChange {
    let stood = |field: &str| before.and_then(|before| before.get(field));
    let summary = after.summary.as_ref();
    let word = |summary: Option<&Value>, field: &str| summary.and_then(|summary| summary.get(field)).cloned();
    let mut change = match stood("summary") == summary {
        true => FigureChange::None,
        // Which limit is used most may change with each request.
        false if word(stood("summary"), "limitName") != word(summary, "limitName") => FigureChange::Amounts,
        false if word(stood("summary"), "limit") != word(summary, "limit") => FigureChange::Now,
        false => FigureChange::Amounts,
    };
    let Some(limits) = &after.limits else { return change };
    let before: Vec<&Value> = stood("limits").and_then(Value::as_array).into_iter().flatten().collect();
    if before.len() != limits.len() {
        return FigureChange::Now;
    }
    for (before, after) in before.iter().zip(limits) {
        let reached = |limit: &Value| limit.get("reached").and_then(Value::as_u64).unwrap_or_default();
        let rises = reached(after) > reached(before);
        change = match () {
            () if rises || AT_ONCE.iter().any(|field| before.get(field) != after.get(field)) => FigureChange::Now,
            () if without_time(before) != without_time(after) => change.max(FigureChange::Amounts),
            () => change,
        };
    }
    change
}

/// When the figures were reported is no news.
fn without_time(limit: &Value) -> Value {
    let mut limit = limit.clone();
    if let Some(limit) = limit.as_object_mut() {
        limit.remove("asOf");
    }
    limit
}

/// Thresholds that were reached, and limits that went with something spent. A threshold is reported once in a period.
pub(super) fn events(before: Option<&Value>, after: &ObjectLimits) -> Vec<NewEvent> {
    let Some(limits) = &after.limits else { return Vec::new() };
    let stood: Vec<&Value> =
        before.and_then(|before| before.get("limits")).and_then(Value::as_array).into_iter().flatten().collect();
    let named =
        |limits: &[&Value], name: &str| limits.iter().copied().find(|limit| text(limit, "name") == name).cloned();
    let mut events: Vec<NewEvent> = limits
        .iter()
        .filter_map(|limit| reached(named(&stood, text(limit, "name")).as_ref(), limit, &after.thresholds))
        .collect();
    let now: Vec<&Value> = limits.iter().collect();
    events.extend(stood.into_iter().filter(|limit| named(&now, text(limit, "name")).is_none()).filter_map(removed));
    events
}

fn reached(before: Option<&Value>, after: &Value, thresholds: &[u64]) -> Option<NewEvent> {
    let level = |limit: &Value| limit.get("reached").and_then(Value::as_u64).unwrap_or_default();
    let same_period = |before: &&Value| before.get("periodStart") == after.get("periodStart");
    let reported = before.filter(same_period).map_or(0, level);
    let percent = thresholds
        .iter()
        .copied()
        .chain([100])
        .filter(|percent| (reported + 1..=level(after)).contains(percent))
        .max()?;
    let until = match after.get("resetsAt").and_then(Value::as_str) {
        Some(at) => format!(", which begins anew at {at}"),
        None => String::new(),
    };
    let what = if percent == 100 { "is used up".to_owned() } else { format!("is used to {percent} %") };
    let note = format!("{} {what}: {} of {}{until}", text(after, "name"), text(after, "spent"), text(after, "limit"));
    Some(NewEvent { warning: percent == 100, reason: EventReason::LimitReached, action: EventAction::Count, note })
}

/// Whoever renames a limit may not mean to begin anew.
fn removed(limit: &Value) -> Option<NewEvent> {
    let (name, spent) = (text(limit, "name"), text(limit, "spent"));
    if spent.bytes().all(|byte| !byte.is_ascii_digit() || byte == b'0') {
        return None;
    }
    let note = format!(
        "{name} is not in the object any more: {spent} were spent under this name, and count against no other limit. If it \
         was renamed, and that is not meant, give it its old name back"
    );
    Some(NewEvent { warning: true, reason: EventReason::LimitRemoved, action: EventAction::Count, note })
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

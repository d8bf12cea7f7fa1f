//! What of a change of conditions is worth an Event: that something broke, and that it is well again.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::status::conditions::{Condition, ConditionType, Truth};
use crate::status::document::Standing;
use crate::status::events::Happening;
use crate::status::reason::Reason;

/// Between what stands in an object and what shall. Nothing of an object that comes to be as it should.
pub(super) fn between(before: Option<&Value>, after: &[Condition]) -> Vec<Happening> {
    let mut told: BTreeSet<Reason> = BTreeSet::new();
    let mut happenings = Vec::new();
    for condition in after {
        let stood = Standing::of(before, condition.kind);
        let stood_so = stood.as_ref().is_some_and(|stood| {
            stood.truth == condition.truth && stood.reason == Some(condition.reason) && stood.since.is_some()
        });
        if stood_so {
            continue;
        }
        let was_false = stood.as_ref().is_some_and(|stood| stood.truth == Truth::False);
        let warning = match (condition.kind, condition.truth) {
            // They repeat what another condition says.
            (ConditionType::Stalled, _) => continue,
            (ConditionType::Ready, Truth::True) if was_false => false,
            // Nothing goes through it any more, by its own word, and that may be forgotten.
            (ConditionType::Ready, Truth::True) if matches!(condition.reason, Reason::Suspended | Reason::Expired) => {
                false
            }
            (ConditionType::Ready, _) => continue,
            (_, Truth::False) => true,
            (_, Truth::True) if condition.reason == Reason::Unconnected => true,
            _ => continue,
        };
        // One fault often makes several conditions False.
        if told.insert(condition.reason) {
            let action = if warning { "Judge" } else { "Serve" };
            let note = condition.message.clone();
            happenings.push(Happening { warning, reason: condition.reason.word(), action, note });
        }
    }
    happenings
}

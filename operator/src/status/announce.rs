//! Which changes of conditions are worth an Event: something broke, or works again.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::status::conditions::{ConditionStatus, ConditionType, ObjectCondition};
use crate::status::document::StoredCondition;
use crate::status::events::{EventAction, EventReason, NewEvent};
use crate::status::reason::ConditionReason;

/// Compares the stored conditions with the new ones. A new object that is healthy gives no Event.
pub(super) fn between(before: Option<&Value>, after: &[ObjectCondition]) -> Vec<NewEvent> {
    let mut announced: BTreeSet<ConditionReason> = BTreeSet::new();
    let mut events = Vec::new();
    for condition in after {
        let stood = StoredCondition::of(before, condition.kind);
        let stood_so = stood.as_ref().is_some_and(|stood| {
            stood.truth == condition.truth && stood.reason == Some(condition.reason) && stood.since.is_some()
        });
        if stood_so {
            continue;
        }
        let was_false = stood.as_ref().is_some_and(|stood| stood.truth == ConditionStatus::False);
        let warning = match (condition.kind, condition.truth) {
            // They repeat what another condition says.
            (ConditionType::Stalled, _) => continue,
            (ConditionType::Ready, ConditionStatus::True) if was_false => false,
            // It is suspended or expired by its own setting, which an administrator may have forgotten.
            (ConditionType::Ready, ConditionStatus::True)
                if matches!(condition.reason, ConditionReason::Suspended | ConditionReason::Expired) =>
            {
                false
            }
            (ConditionType::Ready, _) => continue,
            (_, ConditionStatus::False) => true,
            (_, ConditionStatus::True) if condition.reason == ConditionReason::Unconnected => true,
            _ => continue,
        };
        // One fault often makes several conditions False.
        if announced.insert(condition.reason) {
            let action = if warning { EventAction::Judge } else { EventAction::Serve };
            let note = condition.message.clone();
            events.push(NewEvent { warning, reason: EventReason::Condition(condition.reason), action, note });
        }
    }
    events
}

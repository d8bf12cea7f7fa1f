//! A status as JSON: the stored one, and the one to write.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::status::action;
use crate::status::conditions::{ConditionStatus, ConditionType, ObjectCondition};
use crate::status::gateways::GatewayCounts;
use crate::status::limits::{ObjectLimits, seconds};
use crate::status::reason::ConditionReason;

/// A stored condition of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredCondition {
    pub truth: ConditionStatus,
    /// `None`: a word that this version does not have.
    pub reason: Option<ConditionReason>,
    pub message: String,
    pub generation: Option<i64>,
    /// The stored status; `None` if no operator has set it yet.
    pub since: Option<String>,
}

impl StoredCondition {
    pub(super) fn of(status: Option<&Value>, kind: ConditionType) -> Option<Self> {
        let conditions = status?.get("conditions")?.as_array()?;
        let found = conditions.iter().find(|one| text(one, "type") == Some(kind.word()))?;
        let since = text(found, "lastTransitionTime").map(str::to_owned);
        Some(StoredCondition {
            truth: ConditionStatus::named(text(found, "status")?)?,
            reason: ConditionReason::named(text(found, "reason")?),
            message: text(found, "message").unwrap_or_default().to_owned(),
            generation: found.get("observedGeneration").and_then(Value::as_i64),
            // The definition's default has none, and has the beginning of time.
            since: since.filter(|_| found.get("observedGeneration").is_some()),
        })
    }

    pub(super) fn time(&self) -> Option<Timestamp> {
        self.since.as_ref()?.parse().ok()
    }

    /// As an operator of this version writes it.
    pub(super) fn condition(self, kind: ConditionType) -> Option<ObjectCondition> {
        let StoredCondition { truth, reason, message, generation, .. } = self;
        Some(ObjectCondition { kind, truth, reason: reason?, message, generation: generation? })
    }
}

/// The inputs of a status.
pub(super) struct StatusContent<'a> {
    pub generation: i64,
    pub conditions: &'a [ObjectCondition],
    /// `None`: numbers stay as they are.
    pub tally: Option<&'a GatewayCounts>,
    pub limits: &'a ObjectLimits,
    /// Actions that were done now.
    pub actions: &'a [Value],
}

impl StatusContent<'_> {
    /// The status to write. Times and numbers that must not change are those of the stored one.
    pub(super) fn document(&self, before: Option<&Value>, now: Timestamp) -> Value {
        let conditions = self.conditions.iter().map(|condition| {
            let stands = StoredCondition::of(before, condition.kind).filter(|stands| stands.truth == condition.truth);
            let since = stands.and_then(|stands| stands.since).unwrap_or_else(|| seconds(now));
            json!({
                "type": condition.kind.word(),
                "status": condition.truth.word(),
                "observedGeneration": condition.generation,
                "lastTransitionTime": since,
                "reason": condition.reason.word(),
                "message": condition.message,
            })
        });
        let mut document = Map::new();
        document.insert("observedGeneration".to_owned(), self.generation.into());
        document.insert("conditions".to_owned(), conditions.collect());
        let kept = |field: &str| before.and_then(|before| before.get(field)).cloned();
        if let Some(sidecars) = self.tally.map(sidecars).or_else(|| kept("sidecars")) {
            document.insert("sidecars".to_owned(), sidecars);
        }
        if let Some(summary) = &self.limits.summary {
            document.insert("summary".to_owned(), summary.clone());
        }
        let limits = self.limits.limits.clone().map(Value::Array).or_else(|| kept("limits"));
        let actions = action::merged(before, self.actions);
        for (field, list) in [("limits", limits), ("actions", Some(actions.into()))] {
            if let Some(list) = list.filter(|list| list.as_array().is_some_and(|list| !list.is_empty())) {
                document.insert(field.to_owned(), list);
            }
        }
        Value::Object(document)
    }
}

pub(super) fn sidecars(tally: &GatewayCounts) -> Value {
    let GatewayCounts { live, connected, programmed, rejected, .. } = tally;
    json!({
        "live": live,
        "connected": connected,
        "programmed": programmed,
        "rejected": rejected,
        "summary": format!("{programmed}/{live}"),
    })
}

/// The operator's part of a status without the limits, in its own order: to be compared with what it would write.
pub(super) fn ours(status: &Value) -> Value {
    let mut ours = Map::new();
    for field in ["observedGeneration", "conditions", "sidecars"] {
        let Some(value) = status.get(field) else { continue };
        let value = match field {
            "conditions" => {
                let all = value.as_array().into_iter().flatten();
                let of = |kind: ConditionType| all.clone().find(|one| text(one, "type") == Some(kind.word())).cloned();
                ConditionType::ALL.into_iter().filter_map(of).collect()
            }
            _ => value.clone(),
        };
        ours.insert(field.to_owned(), value);
    }
    Value::Object(ours)
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

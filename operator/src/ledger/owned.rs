//! The limits that an object sets, read from its spec: by the name under which the ledger counts them, and by the field.

use jiff::Timestamp;
use outrigger_core::{Money, ObjectRef, Periods};
use outrigger_crds::limits::{CalendarWindow, LimitPeriod};
use outrigger_ledger::protocol::LimitKey;
use outrigger_policy::{LimitId, LimitOwner, Unit};
use serde::Deserialize;
use serde_json::Value;

use crate::objects::id::{ObjectId, ObjectKind};

/// A limit that an object sets.
#[derive(Clone, Debug)]
pub struct OwnedLimit<'a> {
    /// As the ledger knows it.
    pub key: LimitKey,
    /// The field: `spec.limits.budgets[month]`, `spec.amount`.
    pub field: String,
    pub unit: Unit,
    /// What the field says.
    value: &'a Value,
}

impl OwnedLimit<'_> {
    /// The name in brackets, if the field has one.
    #[must_use]
    pub fn short_name(&self) -> Option<&str> {
        self.field.rsplit_once('[')?.1.strip_suffix(']')
    }

    /// In nano-dollars, tokens or requests; absent if it can't be read.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        match self.unit {
            Unit::Money => self.value.get("amount")?.as_str()?.parse::<Money>().ok().map(Money::nanos),
            Unit::Tokens | Unit::Requests => self.value.get("max").or_else(|| self.value.get("tokens"))?.as_u64(),
        }
    }

    /// Over which time it counts; absent if it can't be read.
    #[must_use]
    pub fn period(&self) -> Option<LimitPeriod> {
        LimitPeriod::deserialize(self.value).ok()
    }

    /// When the next period begins. Absent: never, or at every moment.
    #[must_use]
    pub fn resets(&self, now: Timestamp) -> Option<Timestamp> {
        let period = self.period()?;
        let CalendarWindow::Calendar(unit) = period.window? else { return None };
        let zone = period.time_zone.as_deref().unwrap_or("UTC");
        let anchor = u8::try_from(period.anchor_day.unwrap_or(1)).ok()?;
        let end = Periods::calendar(unit, zone, anchor).ok()?.period(now.as_millisecond()).end?;
        Timestamp::from_millisecond(end).ok()
    }
}

/// What the names of an object's limits begin with, as the ledger knows them: `VirtualKey shop/search`.
#[must_use]
pub fn owner_name(id: &ObjectId) -> Option<String> {
    owner(id.kind).map(|kind| LimitId { kind, object: object_ref(id), path: String::new() }.to_string())
}

/// The object whose limit this is, by the name under which the ledger counts it.
#[must_use]
pub fn object_of(limit: &LimitKey) -> Option<ObjectId> {
    let (kind, rest) = limit.limit.split_once(' ')?;
    let kind = ObjectKind::named(kind).filter(|kind| owner(*kind).is_some())?;
    let (namespace, rest) = rest.split_once('/')?;
    let name = rest.split_once(':').map_or(rest, |(name, _)| name);
    Some(ObjectId { kind, namespace: namespace.to_owned(), name: name.to_owned() })
}

/// The limits of a spec, in its order.
#[must_use]
pub fn owned_limits<'a>(id: &ObjectId, spec: &'a Value) -> Vec<OwnedLimit<'a>> {
    let Some(kind) = owner(id.kind) else { return Vec::new() };
    let key = |path: &str, unit: Unit| {
        let name = LimitId { kind, object: object_ref(id), path: path.to_owned() }.to_string();
        LimitKey::new(&name, unit.word())
    };
    if kind == LimitOwner::Budget {
        let units = [("amount", Unit::Money), ("tokens", Unit::Tokens)];
        let (name, unit) =
            match units.into_iter().find(|(name, _)| spec.get(*name).is_some_and(|value| !value.is_null())) {
                Some(found) => found,
                None => return Vec::new(),
            };
        return vec![OwnedLimit { key: key("", unit), field: format!("spec.{name}"), unit, value: spec }];
    }
    let mut all = Vec::new();
    let mut add = |path: &str, limits: Option<&'a Value>| {
        for (list, unit) in [("budgets", Unit::Money), ("tokens", Unit::Tokens), ("requests", Unit::Requests)] {
            let listed = limits.and_then(|limits| limits.get(list)).and_then(Value::as_array);
            for value in listed.into_iter().flatten() {
                let Some(name) = value.get("name").and_then(Value::as_str) else { continue };
                let field = format!("{path}.{list}[{name}]");
                all.push(OwnedLimit { key: key(&field, unit), field, unit, value });
            }
        }
    };
    add("spec.limits", spec.get("limits"));
    for entry in spec.get("providers").and_then(Value::as_array).into_iter().flatten() {
        if let Some(name) = entry.get("name").and_then(Value::as_str).filter(|_| kind == LimitOwner::VirtualKey) {
            add(&format!("spec.providers[{name}].limits"), entry.get("limits"));
        }
    }
    all
}

fn owner(kind: ObjectKind) -> Option<LimitOwner> {
    match kind {
        ObjectKind::Budget => Some(LimitOwner::Budget),
        ObjectKind::LlmProvider => Some(LimitOwner::Provider),
        ObjectKind::VirtualKey => Some(LimitOwner::VirtualKey),
        ObjectKind::RoutingRule | ObjectKind::ModelCatalog => None,
    }
}

fn object_ref(id: &ObjectId) -> ObjectRef {
    ObjectRef { namespace: id.namespace.clone(), name: id.name.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(kind: ObjectKind) -> ObjectId {
        ObjectId { kind, namespace: "shop".to_owned(), name: "search".to_owned() }
    }

    fn names(kind: ObjectKind, spec: &Value) -> Vec<(String, String, Option<u64>)> {
        let all = owned_limits(&id(kind), spec);
        all.iter().map(|limit| (limit.field.clone(), limit.key.limit.clone(), limit.max())).collect()
    }

    #[test]
    fn each_limit_has_its_field_and_the_name_that_gateways_count_it_under() {
        let budget = json!({"amount": "50", "window": "Month"});
        assert_eq!(
            names(ObjectKind::Budget, &budget),
            [("spec.amount".to_owned(), "Budget shop/search".to_owned(), Some(50_000_000_000))]
        );
        let key = json!({
            "limits": {"budgets": [{"name": "month", "amount": "0.5", "window": "Month"}], "requests": [{"name": "rpm", "max": 5}]},
            "providers": [{"name": "openai", "limits": {"tokens": [{"name": "day", "max": 100, "window": "Day"}]}}],
        });
        let named = |field: &str, max| (field.to_owned(), format!("VirtualKey shop/search: {field}"), Some(max));
        assert_eq!(
            names(ObjectKind::VirtualKey, &key),
            [
                named("spec.limits.budgets[month]", 500_000_000),
                named("spec.limits.requests[rpm]", 5),
                named("spec.providers[openai].limits.tokens[day]", 100),
            ]
        );
        let all = owned_limits(&id(ObjectKind::VirtualKey), &key);
        assert_eq!(all[2].short_name(), Some("day"));
        for kind in [ObjectKind::Budget, ObjectKind::VirtualKey, ObjectKind::LlmProvider, ObjectKind::RoutingRule] {
            for odd in [
                json!(null),
                json!({"limits": 5, "amount": null}),
                json!({"limits": {"budgets": [{}, 7]}, "providers": [1]}),
            ] {
                assert_eq!(names(kind, &odd), [], "{kind:?} {odd}");
            }
        }
    }

    #[test]
    fn a_limit_leads_back_to_its_object() {
        for kind in [ObjectKind::Budget, ObjectKind::VirtualKey, ObjectKind::LlmProvider] {
            let of_object = owner_name(&id(kind)).unwrap();
            for limit in [of_object.clone(), format!("{of_object}: spec.limits.budgets[month]")] {
                assert_eq!(object_of(&LimitKey { limit, unit: "usd".to_owned() }), Some(id(kind)));
            }
        }
        for odd in ["", "Budget", "Budget shop", "RoutingRule shop/a", "Odd shop/a"] {
            assert_eq!(object_of(&LimitKey { limit: odd.to_owned(), unit: "usd".to_owned() }), None, "{odd}");
        }
    }
}

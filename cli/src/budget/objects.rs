//! Objects with limits, read from their spec and status.

use std::time::Duration;

use outrigger_core::ObjectRef;
use outrigger_crds::limits::{CalendarWindow, LimitPeriod};
use outrigger_crds::{BudgetRef, BudgetSpec, LimitStatus, LimitedStatus, LimitsSpec};
use outrigger_policy::{LimitOwner, Unit};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Each gateway counts shorter rolling windows for itself.
const SHARED_ROLLING_MIN: Duration = Duration::from_secs(3_600);

/// A Budget, a VirtualKey or an LLMProvider.
#[derive(Clone, Debug)]
pub(super) struct ObjectWithLimits {
    pub kind: LimitOwner,
    pub id: ObjectRef,
    /// The Budgets that it names: what it spends counts against them.
    pub counts_against: Vec<ObjectRef>,
    pub limits: Vec<OneLimit>,
    /// The fields of limits that no status has: on runs, and on requests in flight.
    pub not_shown: Vec<String>,
    /// Why something of it is not shown.
    pub problem: Option<String>,
}

/// A limit as its object sets it, and how it stands.
#[derive(Clone, Debug)]
pub(super) struct OneLimit {
    /// The field: `spec.limits.budgets[month]`.
    pub name: String,
    pub unit: Unit,
    /// `Month`, `24h`.
    pub window: String,
    pub max: String,
    /// Whether gateways share it, so that the status has it.
    pub shared: bool,
    pub status: Option<LimitStatus>,
}

/// The kind by the name that an object has in `kind`.
pub(super) fn kind_of(name: &str) -> Option<LimitOwner> {
    [LimitOwner::Budget, LimitOwner::VirtualKey, LimitOwner::Provider].into_iter().find(|kind| kind.name() == name)
}

/// As kubectl names it, with the group.
pub(super) fn resource(kind: LimitOwner) -> &'static str {
    match kind {
        LimitOwner::Budget => "budgets.outrigger.dev",
        LimitOwner::VirtualKey => "virtualkeys.outrigger.dev",
        LimitOwner::Provider => "llmproviders.outrigger.dev",
    }
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl ObjectWithLimits {
    /// `None` if it is of another kind.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let kind = kind_of(text(value, "/kind"))?;
        let namespace = match text(value, "/metadata/namespace") {
            "" => outrigger_compile::DEFAULT_NAMESPACE,
            namespace => namespace,
        };
        let id = ObjectRef { namespace: namespace.to_owned(), name: text(value, "/metadata/name").to_owned() };
        let spec = value.get("spec").unwrap_or(&Value::Null);
        let mut object = ObjectWithLimits {
            kind,
            id,
            counts_against: Vec::new(),
            limits: Vec::new(),
            not_shown: Vec::new(),
            problem: None,
        };
        if let Err(error) = object.read_spec(spec) {
            object.problem = Some(format!("its spec cannot be read: {error}"));
        }
        match value.get("status").map(LimitedStatus::deserialize) {
            None => {}
            Some(Ok(status)) => {
                for limit in &mut object.limits {
                    limit.status = status.limits.iter().find(|one| one.name == limit.name).cloned();
                }
            }
            Some(Err(error)) => object.problem = Some(format!("its status cannot be read: {error}")),
        }
        Some(object)
    }

    /// Stands for an object that can't be read.
    pub(super) fn unread(id: ObjectRef, why: &str) -> Self {
        let problem = Some(format!("it cannot be read: {why}"));
        ObjectWithLimits {
            kind: LimitOwner::Budget,
            id,
            counts_against: Vec::new(),
            limits: Vec::new(),
            not_shown: Vec::new(),
            problem,
        }
    }

    fn read_spec(&mut self, spec: &Value) -> Result<(), serde_json::Error> {
        let refs: Vec<BudgetRef> = match self.kind {
            LimitOwner::Budget => {
                let budget = BudgetSpec::deserialize(spec)?;
                if let Some(amount) = budget.amount {
                    self.add("spec.amount", Unit::Money, amount.to_string(), &budget.period);
                } else if let Some(tokens) = budget.tokens {
                    self.add("spec.tokens", Unit::Tokens, tokens.to_string(), &budget.period);
                }
                budget.parent_ref.into_iter().collect()
            }
            LimitOwner::Provider | LimitOwner::VirtualKey => {
                self.add_all("spec.limits", spec.get("limits"))?;
                let providers =
                    spec.get("providers").and_then(Value::as_array).filter(|_| self.kind == LimitOwner::VirtualKey);
                for provider in providers.into_iter().flatten() {
                    let name = text(provider, "/name");
                    self.add_all(&format!("spec.providers[{name}].limits"), provider.get("limits"))?;
                }
                match spec.get("budgetRefs") {
                    None => Vec::new(),
                    Some(refs) => Vec::<BudgetRef>::deserialize(refs)?,
                }
            }
        };
        let own = &self.id.namespace;
        let whole =
            |BudgetRef { name, namespace }| ObjectRef { namespace: namespace.unwrap_or_else(|| own.clone()), name };
        self.counts_against = refs.into_iter().map(whole).collect();
        Ok(())
    }

    fn add_all(&mut self, path: &str, limits: Option<&Value>) -> Result<(), serde_json::Error> {
        let Some(limits) = limits else { return Ok(()) };
        let set = ["session", "concurrentRequests"]
            .into_iter()
            .filter(|field| limits.get(field).is_some_and(|it| !it.is_null()));
        self.not_shown.extend(set.map(|field| format!("{path}.{field}")));
        let limits = LimitsSpec::deserialize(limits)?;
        for limit in limits.budgets {
            let name = format!("{path}.budgets[{}]", limit.name);
            self.add(&name, Unit::Money, limit.amount.to_string(), &limit.period);
        }
        for (list, unit, all) in
            [("tokens", Unit::Tokens, limits.tokens), ("requests", Unit::Requests, limits.requests)]
        {
            for limit in all {
                self.add(&format!("{path}.{list}[{}]", limit.name), unit, limit.max.to_string(), &limit.period);
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, unit: Unit, max: String, period: &LimitPeriod) {
        let window = match (&period.window, &period.rolling) {
            (Some(CalendarWindow::Calendar(unit)), _) => unit.name().to_owned(),
            (Some(CalendarWindow::Lifetime), _) => "Lifetime".to_owned(),
            (None, Some(rolling)) => rolling.to_string(),
            (None, None) => String::new(),
        };
        let shared = period.rolling.as_ref().is_none_or(|rolling| rolling.get() >= SHARED_ROLLING_MIN);
        self.limits.push(OneLimit { name: name.to_owned(), unit, window, max, shared, status: None });
    }
}

impl OneLimit {
    /// What may be used, with a raise that is in force.
    pub(super) fn limit(&self) -> &str {
        self.status.as_ref().map_or(&self.max, |status| &status.limit)
    }

    /// The name in brackets, if the field has one.
    pub(super) fn short_name(&self) -> Option<&str> {
        self.name.rsplit_once('[')?.1.strip_suffix(']')
    }

    /// The field as the table shows it: without `spec.` and `limits.` before it.
    pub(super) fn shown_name(&self) -> &str {
        let field = self.name.strip_prefix("spec.").unwrap_or(&self.name);
        field.strip_prefix("limits.").unwrap_or(field)
    }
}

/// A list of objects, each with its limits as their status has them.
pub(super) fn json(objects: &[ObjectWithLimits], shown: &[usize]) -> Result<String, std::io::Error> {
    let shown = shown.iter().filter_map(|number| objects.get(*number));
    let list: Vec<Value> = shown.map(object_json).collect::<Result<_, _>>()?;
    Ok(serde_json::to_string_pretty(&json!({ "objects": list }))? + "\n")
}

fn object_json(object: &ObjectWithLimits) -> Result<Value, serde_json::Error> {
    let mut json = Map::new();
    json.insert("kind".to_owned(), json!(object.kind.name()));
    json.insert("namespace".to_owned(), json!(object.id.namespace));
    json.insert("name".to_owned(), json!(object.id.name));
    json.insert("countsAgainst".to_owned(), serde_json::to_value(&object.counts_against)?);
    let limits = object.limits.iter().map(|limit| match &limit.status {
        Some(status) => serde_json::to_value(status),
        None => Ok(json!({
            "name": limit.name, "unit": limit.unit.word(), "window": limit.window, "limit": limit.max,
        })),
    });
    json.insert("limits".to_owned(), Value::Array(limits.collect::<Result<_, _>>()?));
    if !object.not_shown.is_empty() {
        json.insert("limitsNotShown".to_owned(), json!(object.not_shown));
    }
    if let Some(problem) = &object.problem {
        json.insert("problem".to_owned(), json!(problem));
    }
    Ok(Value::Object(json))
}

//! `teams` and `customers`: names on keys, and Budgets for what they may spend.

use serde_json::json;

use super::super::Work;
use super::super::name::{label, label_value};
use super::super::report::{Fate, code};
use super::super::source::Node;
use super::limits::{self, StandaloneLimits, plain};

/// A team or a customer.
#[derive(Debug)]
pub(crate) struct Owner {
    /// Bifrost's id and name.
    pub id: String,
    pub called: String,
    /// What keys say: the value of a label.
    pub value: String,
    pub budgets: Vec<OwnBudget>,
    /// Of a team: whose it is.
    pub customer: Option<String>,
    /// It may use nothing.
    pub nothing: bool,
}

/// A Budget of an owner.
#[derive(Debug)]
pub(crate) struct OwnBudget {
    pub name: String,
    /// `amount` or `tokens`.
    unit: &'static str,
    /// The Budget of the customer that counts it too.
    pub parent: Option<String>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    pub teams: Vec<Owner>,
    pub customers: Vec<Owner>,
}

impl Owners {
    pub fn team(&self, called: &str) -> Option<&Owner> {
        find(&self.teams, called)
    }

    pub fn customer(&self, called: &str) -> Option<&Owner> {
        find(&self.customers, called)
    }
}

/// By id, else by name: rules and keys say either.
fn find<'o>(owners: &'o [Owner], called: &str) -> Option<&'o Owner> {
    owners.iter().find(|owner| owner.id == called).or_else(|| owners.iter().find(|owner| owner.called == called))
}

pub(crate) fn import<'s>(work: &mut Work<'s>, governance: &Node<'s>, pool: &StandaloneLimits<'s>) -> Owners {
    let mut owners = Owners::default();
    for node in governance.get("customers").map(|node| node.items()).unwrap_or_default() {
        owners.customers.extend(owner(work, &node, pool, "customer", &owners));
    }
    for node in governance.get("teams").map(|node| node.items()).unwrap_or_default() {
        owners.teams.extend(owner(work, &node, pool, "team", &owners));
    }
    owners
}

fn owner<'s>(
    work: &mut Work<'s>,
    node: &Node<'s>,
    pool: &StandaloneLimits<'s>,
    what: &'static str,
    owners: &Owners,
) -> Option<Owner> {
    let id = node.get("id").and_then(|node| plain(&node));
    let named = node.get("name");
    let called = named.as_ref().and_then(|node| node.text()).map(str::to_owned).or_else(|| id.clone())?;
    let id = id.unwrap_or_else(|| called.clone());
    let others = if what == "team" { &owners.teams } else { &owners.customers };
    let wanted = Some(label_value(&called)).filter(|value| !value.is_empty()).unwrap_or_else(|| what.to_owned());
    let mut value = wanted.clone();
    let mut number = 2;
    while others.iter().any(|other| other.value == value) {
        let suffix = format!("-{number}");
        value = format!("{}{suffix}", &wanted[..wanted.len().min(63 - suffix.len())]);
        number += 1;
    }
    if value != called {
        let message =
            format!("{} can't be a label's value, or is that of two: it is {} here", code(&called), code(&value));
        named.as_ref().unwrap_or(node).tell(Fate::Doubtful, message);
    }
    for field in ["source_id", "profile", "config", "claims", "business_unit_id"] {
        if let Some(node) = node.get(field) {
            node.lost("nobody here is made known by a directory: whose a key is stands in the key");
        }
    }
    for field in ["virtual_key_count", "created_at", "updated_at"] {
        if let Some(node) = node.get(field) {
            node.done();
        }
    }
    let customer = node.get("customer_id").and_then(|reference| {
        let called = plain(&reference)?;
        if owners.customer(&called).is_none() {
            reference.lost(format!("there is no customer {} in the file", code(&called)));
        }
        Some(called)
    });
    let aligned = node.get("calendar_aligned").and_then(|node| node.flag()).unwrap_or(false);
    let found = pool.found(node, Some((if what == "team" { "team_id" } else { "customer_id" }, &id)), aligned);
    let of_customer = customer.as_deref().and_then(|called| owners.customer(called));
    // What counts tokens can't be part of what counts money.
    let parent = |unit: &str| {
        let budgets = of_customer.map(|one| one.budgets.as_slice()).unwrap_or_default();
        budgets.iter().find(|budget| budget.unit == unit).map(|budget| budget.name.clone())
    };
    let whose = format!("a {what}");
    let named = limits::budgets(work, &found, &label(&format!("{what}-{value}")), &whose, &|budget, unit| {
        if let Some(parent) = parent(unit) {
            budget.set("parentRef", json!({"name": parent}));
        }
    });
    let budgets = named.into_iter().map(|(name, unit)| OwnBudget { name, unit, parent: parent(unit) }).collect();
    node.became(&format!("`{what}: {value}` of its keys"));
    Some(Owner { id, called, value, budgets, customer, nothing: found.nothing.is_some() })
}

//! `teams` and `customers`: names on keys, and Budgets for their limits.

use serde_json::json;

use super::super::Work;
use super::super::name::{label, label_value};
use super::super::report::{Fate, code};
use super::super::source::Node;
use super::limits::{self, StandaloneLimits, plain};

/// What an owner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OwnerKind {
    Team,
    Customer,
}

impl OwnerKind {
    /// The label of keys that names the owner.
    fn label(self) -> &'static str {
        match self {
            OwnerKind::Team => "team",
            OwnerKind::Customer => "customer",
        }
    }

    /// Bifrost's field in which a limit names its owner.
    fn id_field(self) -> &'static str {
        match self {
            OwnerKind::Team => "team_id",
            OwnerKind::Customer => "customer_id",
        }
    }
}

/// A team or a customer.
#[derive(Debug)]
pub(crate) struct Owner {
    /// Bifrost's id and name.
    pub id: String,
    pub called: String,
    /// The value of the label on keys.
    pub value: String,
    pub budgets: Vec<OwnBudget>,
    /// The customer of a team.
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
    /// The customer's Budget, which counts it too.
    pub parent: Option<String>,
}

/// All teams and customers.
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

/// By id, or else by name, because rules and keys use either.
fn find<'o>(owners: &'o [Owner], called: &str) -> Option<&'o Owner> {
    owners.iter().find(|owner| owner.id == called).or_else(|| owners.iter().find(|owner| owner.called == called))
}

pub(crate) fn import<'s>(work: &mut Work<'s>, governance: &Node<'s>, pool: &StandaloneLimits<'s>) -> Owners {
    let mut owners = Owners::default();
    for node in governance.get("customers").map(|node| node.items()).unwrap_or_default() {
        owners.customers.extend(owner(work, &node, pool, OwnerKind::Customer, &owners));
    }
    for node in governance.get("teams").map(|node| node.items()).unwrap_or_default() {
        owners.teams.extend(owner(work, &node, pool, OwnerKind::Team, &owners));
    }
    owners
}

fn owner<'s>(
    work: &mut Work<'s>,
    node: &Node<'s>,
    pool: &StandaloneLimits<'s>,
    kind: OwnerKind,
    owners: &Owners,
) -> Option<Owner> {
    let id = node.get("id").and_then(|node| plain(&node));
    let named = node.get("name");
    let called = named.as_ref().and_then(|node| node.text()).map(str::to_owned).or_else(|| id.clone())?;
    let id = id.unwrap_or_else(|| called.clone());
    let what = kind.label();
    let others = match kind {
        OwnerKind::Team => &owners.teams,
        OwnerKind::Customer => &owners.customers,
    };
    let wanted = Some(label_value(&called)).filter(|value| !value.is_empty()).unwrap_or_else(|| what.to_owned());
    let mut value = wanted.clone();
    let mut number = 2;
    while others.iter().any(|other| other.value == value) {
        let suffix = format!("-{number}");
        value = format!("{}{suffix}", &wanted[..wanted.len().min(63 - suffix.len())]);
        number += 1;
    }
    if value != called {
        let message = format!(
            "{} is not a valid value of a label, or another has it, so the label says {}",
            code(&called),
            code(&value)
        );
        named.as_ref().unwrap_or(node).report(Fate::Doubtful, message);
    }
    for field in ["source_id", "profile", "config", "claims", "business_unit_id"] {
        if let Some(node) = node.get(field) {
            node.lost("directories are not supported: a key names its team and customer");
        }
    }
    for field in ["virtual_key_count", "created_at", "updated_at"] {
        if let Some(node) = node.get(field) {
            node.mark_handled();
        }
    }
    let customer = node.get("customer_id").and_then(|reference| {
        let called = plain(&reference)?;
        if owners.customer(&called).is_none() {
            reference.lost(format!("the file has no customer {}", code(&called)));
        }
        Some(called)
    });
    let aligned = node.get("calendar_aligned").and_then(|node| node.flag()).unwrap_or(false);
    let found = pool.found(node, Some((kind.id_field(), &id)), aligned);
    let of_customer = customer.as_deref().and_then(|called| owners.customer(called));
    // A Budget of tokens can't be a child of a Budget of money.
    let parent = |unit: &str| {
        let budgets = of_customer.map(|one| one.budgets.as_slice()).unwrap_or_default();
        budgets.iter().find(|budget| budget.unit == unit).map(|budget| budget.name.clone())
    };
    let owner = format!("a {what}");
    let named = limits::budgets(work, &found, &label(&format!("{what}-{value}")), &owner, &|budget, unit| {
        if let Some(parent) = parent(unit) {
            budget.set("parentRef", json!({"name": parent}));
        }
    });
    let budgets = named.into_iter().map(|(name, unit)| OwnBudget { name, unit, parent: parent(unit) }).collect();
    node.became(&format!("`{what}: {value}` of its keys"));
    Some(Owner { id, called, value, budgets, customer, nothing: found.nothing.is_some() })
}

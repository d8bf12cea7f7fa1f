//! Budgets and rate limits of Bifrost: inline, by id, or naming their owner.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::Work;
use super::super::amount;
use super::super::objects::{ImportedKind, ImportedObject};
use super::super::period::{self, Clock, ImportedPeriod};
use super::super::report::{Fate, code};
use super::super::source::Node;

/// Budgets and rate limits in lists of their own.
pub(crate) struct StandaloneLimits<'s> {
    budgets: Vec<Node<'s>>,
    rates: Vec<Node<'s>>,
    used: RefCell<BTreeSet<String>>,
}

/// The limits of one owner.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnerLimits {
    pub money: Vec<ImportedLimit>,
    pub requests: Vec<ImportedLimit>,
    pub tokens: Vec<ImportedLimit>,
    /// The path of a limit of zero. No object can have one, so its owner must be suspended.
    pub nothing: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct ImportedLimit {
    /// The path of the budget or rate limit.
    pub path: String,
    /// The path of its amount.
    pub at: String,
    /// `amount` or `max`, and its value.
    pub most: (&'static str, Value),
    pub period: ImportedPeriod,
}

impl OwnerLimits {
    /// Whether there are no limits.
    pub fn is_empty(&self) -> bool {
        self.money.is_empty() && self.requests.is_empty() && self.tokens.is_empty()
    }
}

impl<'s> StandaloneLimits<'s> {
    pub fn of(governance: Option<&Node<'s>>) -> Self {
        let list = |field| governance.and_then(|node| node.get(field)).map(|node| node.items()).unwrap_or_default();
        StandaloneLimits { budgets: list("budgets"), rates: list("rate_limits"), used: RefCell::default() }
    }

    /// The limits of an owner. `named` is the field in which budgets name such owners, with the owner's id.
    pub fn found(&self, owner: &Node<'s>, named: Option<(&str, &str)>, aligned: bool) -> OwnerLimits {
        let mut budgets: Vec<Node<'s>> = Vec::new();
        let mut rates: Vec<Node<'s>> = Vec::new();
        budgets.extend(owner.get("budget"));
        budgets.extend(owner.get("budgets").iter().flat_map(Node::items));
        rates.extend(owner.get("rate_limit"));
        let mut ids: Vec<Node<'s>> = owner.get("budget_id").into_iter().collect();
        ids.extend(owner.get("budget_ids").iter().flat_map(Node::items));
        for id in ids {
            budgets.extend(self.by_id(&self.budgets, &id, "budget"));
        }
        if let Some(id) = owner.get("rate_limit_id") {
            rates.extend(self.by_id(&self.rates, &id, "rate limit"));
        }
        if let Some((field, id)) = named {
            let names = |node: &&Node<'s>| node.get(field).is_some_and(|named| plain(&named) == Some(id.to_owned()));
            budgets.extend(self.budgets.iter().filter(names).cloned());
        }
        let mut found = OwnerLimits::default();
        let mut seen = BTreeSet::new();
        for budget in budgets {
            if seen.insert(budget.path().to_owned()) {
                self.used.borrow_mut().insert(budget.path().to_owned());
                money(&budget, aligned, &mut found);
            }
        }
        for rate in rates {
            if seen.insert(rate.path().to_owned()) {
                self.used.borrow_mut().insert(rate.path().to_owned());
                counts(&rate, aligned, &mut found);
            }
        }
        found
    }

    fn by_id(&self, among: &[Node<'s>], id: &Node<'s>, what: &str) -> Option<Node<'s>> {
        let wanted = id.text()?;
        let found = among.iter().find(|node| node.get("id").and_then(|node| plain(&node)).as_deref() == Some(wanted));
        if found.is_none() {
            id.lost(format!("the file has no {what} {}: set one on the object if it still exists", code(wanted)));
        }
        found.cloned()
    }

    /// Reports the limits that no owner uses.
    pub fn rest(&self) {
        for (node, what) in
            self.budgets.iter().map(|node| (node, "budget")).chain(self.rates.iter().map(|node| (node, "rate limit")))
        {
            if !self.used.borrow().contains(node.path()) {
                node.lost(format!("nothing that was imported has this {what}"));
            }
        }
    }
}

/// A text, or a number as text. Ids may be either.
pub(crate) fn plain(node: &Node<'_>) -> Option<String> {
    match node.is_text() {
        true => node.text().map(str::to_owned),
        false => node.whole().map(|number| number.to_string()),
    }
}

fn clock(node: &Node<'_>, aligned: bool) -> Clock {
    let own = node.get("calendar_aligned").and_then(|node| node.flag()).unwrap_or(false);
    match aligned || own {
        true => Clock::BifrostAligned,
        false => Clock::Bifrost,
    }
}

/// Marks the fields of a limit besides amount and duration.
fn bookkeeping(node: &Node<'_>, usage: &[&str], rest: &[&str]) {
    for field in usage {
        if let Some(node) = node.get(field)
            && node.number().is_some_and(|used| used > 0.0)
        {
            node.lost("past usage is not imported: counting starts at zero");
        }
    }
    for field in rest {
        if let Some(node) = node.get(field) {
            node.mark_handled();
        }
    }
}

fn money(node: &Node<'_>, aligned: bool, found: &mut OwnerLimits) {
    const OWNERS: [&str; 9] = [
        "id",
        "last_reset",
        "virtual_key_id",
        "provider_config_id",
        "model_config_id",
        "customer_id",
        "team_id",
        "created_at",
        "updated_at",
    ];
    bookkeeping(node, &["current_usage"], &OWNERS);
    let clock = clock(node, aligned);
    let Some(most) = node.get("max_limit") else {
        node.lost("has no max_limit, so it limits nothing");
        return;
    };
    let Some(number) = most.number() else { return };
    if number <= 0.0 {
        most.doubtful("a budget of zero: its owner is suspended");
        if let Some(duration) = node.get("reset_duration") {
            duration.mark_handled();
        }
        node.became("the suspension of its owner");
        found.nothing = Some(most.path().to_owned());
        return;
    }
    let Some(amount) = amount::dollars(number, &most) else { return };
    if let Some(period) = time(node, "reset_duration", clock) {
        let (path, at) = (node.path().to_owned(), most.path().to_owned());
        found.money.push(ImportedLimit { path, at, most: ("amount", json!(amount)), period });
    }
}

fn counts(node: &Node<'_>, aligned: bool, found: &mut OwnerLimits) {
    bookkeeping(
        node,
        &["token_current_usage", "request_current_usage"],
        &["id", "token_last_reset", "request_last_reset", "created_at", "updated_at"],
    );
    let clock = clock(node, aligned);
    for (what, is_tokens) in [("token", true), ("request", false)] {
        let Some(most) = node.get(&format!("{what}_max_limit")) else {
            if let Some(duration) = node.get(&format!("{what}_reset_duration")) {
                duration.idle(format!("there is no {what}_max_limit beside it"));
            }
            continue;
        };
        let Some(number) = most.whole() else { continue };
        if number <= 0 {
            most.doubtful(format!("a limit of zero {what}s: its owner is suspended"));
            if let Some(duration) = node.get(&format!("{what}_reset_duration")) {
                duration.mark_handled();
            }
            node.became("the suspension of its owner");
            found.nothing = Some(most.path().to_owned());
            continue;
        }
        if let Some(period) = time(node, &format!("{what}_reset_duration"), clock) {
            let (path, at) = (node.path().to_owned(), most.path().to_owned());
            let limit = ImportedLimit { path, at, most: ("max", json!(number)), period };
            match is_tokens {
                true => found.tokens.push(limit),
                false => found.requests.push(limit),
            }
        }
    }
}

/// Bifrost also refuses a limit without a duration.
fn time(node: &Node<'_>, field: &str, clock: Clock) -> Option<ImportedPeriod> {
    let Some(duration) = node.get(field) else {
        node.source().report(Fate::Lost, &node.at(field), "absent, so that the limit has no period and is left out");
        return None;
    };
    period::read(&duration, clock)
}

/// The `limits` of `owner`, such as "LLMProvider `openai`"; `None` if there are none.
pub(crate) fn limits(work: &Work<'_>, found: &OwnerLimits, owner: &str) -> Option<Map<String, Value>> {
    let mut limits = Map::new();
    for (field, list) in [("budgets", &found.money), ("requests", &found.requests), ("tokens", &found.tokens)] {
        let mut names = super::super::Names::default();
        let items: Vec<Value> = list
            .iter()
            .map(|limit| {
                work.source.report(Fate::Carried, &limit.path, format!("limits of {owner}"));
                let mut item = Map::from_iter([("name".to_owned(), json!(names.free("", &limit.period.name)))]);
                item.insert(limit.most.0.to_owned(), limit.most.1.clone());
                item.extend(limit.period.fields.clone());
                Value::Object(item)
            })
            .collect();
        if !items.is_empty() {
            limits.insert(field.to_owned(), Value::Array(items));
        }
    }
    (!limits.is_empty()).then_some(limits)
}

/// Adds Budgets of money and of tokens for an owner that is no object. A limit on requests can't be a Budget and is
/// reported as lost. Returns their names, each with its unit: `amount` or `tokens`.
pub(crate) fn budgets(
    work: &mut Work<'_>,
    found: &OwnerLimits,
    name: &str,
    owner: &str,
    finish: &dyn Fn(&mut ImportedObject, &str),
) -> Vec<(String, &'static str)> {
    let mut names = Vec::new();
    let only_one = found.money.len() + found.tokens.len() == 1;
    for (list, unit) in [(&found.money, "amount"), (&found.tokens, "tokens")] {
        for limit in list {
            let wanted = match (only_one, unit) {
                (true, _) => name.to_owned(),
                (false, "tokens") => format!("{name}-tokens-{}", limit.period.name),
                _ => format!("{name}-{}", limit.period.name),
            };
            let name = work.names.free("Budget", &wanted);
            let mut object = ImportedObject::new(ImportedKind::Budget, &name, &limit.at);
            object.set(unit, limit.most.1.clone());
            object.body.extend(limit.period.fields.clone());
            finish(&mut object, unit);
            work.source.report(Fate::Carried, &limit.path, format!("Budget {}", code(&name)));
            work.objects.push(object);
            names.push((name, unit));
        }
    }
    for limit in &found.requests {
        work.source.report(
            Fate::Lost,
            &limit.at,
            format!(
                "a number of requests can't be limited for {owner}: limit it in the keys, or limit tokens or money"
            ),
        );
    }
    names
}

//! `routing_rules`: one RoutingRule each. A rule that can't be translated exactly is written as a comment, because a
//! rule that silently does nothing would be wrong.

use serde_json::{Map, Value, json};

use super::super::Work;
use super::super::objects::{ImportedKind, ImportedObject};
use super::super::report::{Fate, code};
use super::super::source::Node;
use super::super::weights;
use super::expression::Renames;
use super::keys::{self, Named};
use super::limits::plain;
use super::owners::{Owner, Owners};
use super::providers::Providers;

/// What rules may refer to.
pub(crate) struct RuleContext<'a> {
    pub providers: &'a Providers,
    pub owners: &'a Owners,
    pub keys: &'a [Named],
}

pub(crate) fn import<'s>(work: &mut Work<'s>, governance: &Node<'s>, known: &RuleContext<'_>) {
    let rules = governance.get("routing_rules").map(|node| node.items()).unwrap_or_default();
    let lowest = rules.iter().filter_map(priority).min().unwrap_or(0).min(0);
    let renames = renames(work.namespace, known);
    for node in &rules {
        rule(work, node, known, &renames, lowest);
    }
}

/// The new names of everything that conditions compare with.
fn renames(namespace: &str, known: &RuleContext<'_>) -> Renames {
    let mut renames = Renames::default();
    for key in known.keys {
        renames.add("virtual_key_name", &key.called, &key.name);
        renames.add("virtual_key_id", &key.id, &format!("{namespace}/{}", key.name));
    }
    let owners =
        [("team_id", "team_name", &known.owners.teams), ("customer_id", "customer_name", &known.owners.customers)];
    for (id, name, owners) in owners {
        for Owner { id: theirs, called, value, .. } in owners {
            renames.add(id, theirs, value);
            renames.add(name, called, value);
        }
    }
    for provider in &known.providers.list {
        if let Some(part) = provider.parts.first() {
            renames.add("provider", &provider.called, &part.name);
        }
    }
    renames
}

fn priority(node: &Node<'_>) -> Option<i64> {
    node.get("priority").and_then(|node| node.whole())
}

fn rule<'s>(work: &mut Work<'s>, node: &Node<'s>, known: &RuleContext<'_>, renames: &Renames, lowest: i64) {
    let named = node.get("name").or_else(|| node.get("id"));
    let called = named.as_ref().and_then(|node| node.text()).unwrap_or("rule").to_owned();
    if let Some(node) = node.get("id") {
        node.mark_handled();
    }
    let name = work.names.free("RoutingRule", &called);
    let mut object = ImportedObject::new(ImportedKind::Rule, &name, node.path());
    let mut lost: Vec<String> = Vec::new();
    if let Some(text) = node.get("description").and_then(|node| node.text())
        && !text.trim().is_empty()
    {
        object.annotations.insert("kubernetes.io/description".to_owned(), json!(text.trim()));
    }
    if let Some(node) = node.get("query") {
        node.idle("how an editor shows the condition");
    }
    for field in ["created_at", "updated_at", "config_hash"] {
        if let Some(node) = node.get(field) {
            node.mark_handled();
        }
    }
    if lowest < 0 {
        node.source().report(
            Fate::Doubtful,
            &node.at("priority"),
            format!("no priority is below 0 here: {} was added to each", -lowest),
        );
    }
    let priority = (priority(node).unwrap_or(0) - lowest).clamp(0, 1_000_000);
    if priority != 0 {
        object.set("priority", priority);
    }
    match scope(node, known) {
        Ok(Some(scope)) => object.set("scope", scope),
        Ok(None) => {}
        Err(why) => lost.push(why),
    }
    if let Some(condition) = node.get("cel_expression")
        && let Some(text) = condition.text()
        && !text.trim().is_empty()
    {
        let translation = renames.translate(text.trim());
        if !translation.notes.is_empty() {
            condition.doubtful(translation.notes.join("; "));
        }
        object.set("when", translation.text);
    }
    match targets(node, known) {
        Ok(targets) => object.set("targets", targets),
        Err(why) => lost.push(why),
    }
    let fallbacks = fallbacks(node, known);
    if !fallbacks.is_empty() {
        object.set("fallbacks", fallbacks);
    }
    if node.get("chain_rule").and_then(|node| node.flag()) == Some(true) {
        object.set("chain", true);
    }
    if node.get("enabled").and_then(|node| node.flag()) == Some(false) {
        object.off = Some("It is not enabled in Bifrost.".to_owned());
        node.idle(format!("it is not enabled, so RoutingRule {} is written as a comment", code(&name)));
    } else if lost.is_empty() {
        node.became(&format!("RoutingRule {}", code(&name)));
    } else {
        let why = lost.join("; ");
        node.lost(format!(
            "the rule can't be imported as it is, so it became a comment: {why}. Correct it in rules.yaml"
        ));
        object.off = Some(format!("Left out: {why}."));
    }
    work.objects.push(object);
}

/// # Errors
/// Why the scope is empty.
fn scope(node: &Node<'_>, known: &RuleContext<'_>) -> Result<Option<Value>, String> {
    let scope = node.get("scope").and_then(|node| node.text()).unwrap_or("global");
    let id = node.get("scope_id").and_then(|node| plain(&node)).unwrap_or_default();
    let none = |what: &str| format!("the file has no {what} {}", code(&id));
    match scope {
        "global" | "" => Ok(None),
        "virtual_key" => {
            let key = keys::find(known.keys, &id).ok_or_else(|| none("virtual key"))?;
            Ok(Some(json!({"virtualKeys": [key.name]})))
        }
        "team" => Ok(Some(json!({"team": known.owners.team(&id).ok_or_else(|| none("team"))?.value}))),
        "customer" => Ok(Some(json!({"customer": known.owners.customer(&id).ok_or_else(|| none("customer"))?.value}))),
        other => Err(format!("unknown scope {}", code(other))),
    }
}

/// # Errors
/// Why there is none.
fn targets(node: &Node<'_>, known: &RuleContext<'_>) -> Result<Vec<Value>, String> {
    let listed = node.get("targets");
    let older = ["provider", "model"].into_iter().filter_map(|field| node.get(field)).collect::<Vec<_>>();
    let items = match (&listed, older.is_empty()) {
        (Some(list), older_absent) => {
            if !older_absent {
                older.iter().for_each(|node| node.idle("the older form: `targets` beside it takes precedence"));
            }
            list.items()
        }
        (None, false) => {
            older.iter().for_each(|node| node.doubtful("the older form of a rule, read as its only target"));
            vec![node.clone()]
        }
        (None, true) => Vec::new(),
    };
    let mut read: Vec<WeightedTarget> = Vec::new();
    let mut lost: Vec<(Node<'_>, String)> = Vec::new();
    for item in items {
        match target(&item, known, listed.is_none()) {
            Ok(more) => read.extend(more),
            Err(why) => lost.push((item, why)),
        }
    }
    if read.is_empty() {
        let mut whys: Vec<String> = lost.into_iter().map(|(_, why)| why).collect();
        whys.dedup();
        return Err(if whys.is_empty() { "it names no target".to_owned() } else { whys.join("; ") });
    }
    for (item, why) in lost {
        item.lost(format!("left out of the rule's targets, and the others get its share: {why}"));
    }
    let weights = weights::whole(&read.iter().map(|(_, weight)| *weight).collect::<Vec<_>>());
    let with_weight = |((mut target, _), weight): (WeightedTarget, i64)| {
        if weight != 1 {
            target.insert("weight".to_owned(), json!(weight));
        }
        Value::Object(target)
    };
    Ok(read.into_iter().zip(weights).map(with_weight).collect())
}

/// A target with its share.
type WeightedTarget = (Map<String, Value>, f64);

/// A target for each server of its provider, with its share.
///
/// # Errors
/// Why there is none.
fn target(item: &Node<'_>, known: &RuleContext<'_>, older: bool) -> Result<Vec<WeightedTarget>, String> {
    let model = item.get("model").and_then(|node| node.text()).filter(|model| !model.is_empty());
    let weight = match older {
        true => 1.0,
        false => item.get("weight").and_then(|node| node.number()).unwrap_or(1.0).max(0.0),
    };
    let key =
        ["provider_key_name", "key_id"].into_iter().find_map(|field| item.get(field)).and_then(|node| plain(&node));
    let provider = match item.get("provider").and_then(|node| node.text()).filter(|text| !text.is_empty()) {
        Some(called) => known
            .providers
            .find(called)
            .filter(|provider| !provider.parts.is_empty())
            .ok_or_else(|| format!("provider {} was not carried over", code(called)))?,
        None => {
            let mut usable = known.providers.list.iter().filter(|provider| !provider.parts.is_empty());
            match (usable.next(), usable.next()) {
                (Some(only), None) => only,
                _ => return Err("a target must name its provider, and this one keeps the request's".to_owned()),
            }
        }
    };
    let mut targets = Vec::new();
    for part in &provider.parts {
        let mut target = Map::from_iter([("provider".to_owned(), json!(part.name))]);
        if let Some(model) = model {
            target.insert("model".to_owned(), json!(model));
        }
        if let Some(called) = &key {
            let Some(key) = part.keys.iter().find(|key| key.is(called)) else { continue };
            if let Some(credential) = &key.credential {
                target.insert("credential".to_owned(), json!(credential));
            }
        }
        targets.push((target, weight * part.share));
    }
    match (targets.is_empty(), key) {
        (true, Some(called)) => Err(format!("its provider has no key {}", code(&called))),
        _ => Ok(targets),
    }
}

fn fallbacks(node: &Node<'_>, known: &RuleContext<'_>) -> Vec<String> {
    let mut fallbacks: Vec<String> = Vec::new();
    for item in node.get("fallbacks").map(|node| node.items()).unwrap_or_default() {
        let Some(text) = item.text() else { continue };
        let (called, model) = match text.split_once('/') {
            Some((called, model)) => (called.trim(), Some(model.trim()).filter(|model| !model.is_empty())),
            None => (text.trim(), None),
        };
        let parts = known.providers.find(called).map(|provider| provider.parts.as_slice()).unwrap_or_default();
        if parts.is_empty() {
            item.lost(format!("provider {} was not carried over", code(called)));
        }
        for part in parts {
            let fallback = model.map_or_else(|| part.name.clone(), |model| format!("{}/{model}", part.name));
            match fallbacks.len() {
                16 => item.lost("a rule has at most 16 fallbacks"),
                _ if !fallbacks.contains(&fallback) => fallbacks.push(fallback),
                _ => {}
            }
        }
    }
    fallbacks
}

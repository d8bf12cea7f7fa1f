//! Model groups: what callers ask for, and the deployments behind it. A group of one deployment is a model of its
//! provider; one of several, or with fallbacks, is a RoutingRule.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::Work;
use super::super::objects::{ImportedKind, ImportedObject};
use super::super::report::{Fate, code};
use super::super::source::Node;
use super::super::weights;
use super::deployments::Deployment;

/// Where groups lead when they fail, and what else they are called.
#[derive(Default)]
pub(crate) struct Detours<'s> {
    /// By group, in order; `*` for all that have none.
    pub fallbacks: BTreeMap<String, Vec<(String, Node<'s>)>>,
    /// Of them, those for a context that is too long.
    pub windows: BTreeMap<String, Vec<(String, Node<'s>)>>,
    /// Other names, by group.
    pub aliases: BTreeMap<String, Vec<String>>,
}

/// Most targets or fallbacks of a rule.
const MOST: usize = 16;

pub(crate) fn import(work: &mut Work<'_>, deployments: &[Deployment], detours: &Detours<'_>) {
    let mut groups: Vec<&str> = Vec::new();
    for deployment in deployments {
        if !groups.contains(&deployment.group.as_str()) {
            groups.push(&deployment.group);
        }
    }
    for group in groups {
        let members: Vec<&Deployment> = deployments.iter().filter(|one| one.group == group).collect();
        if members.iter().any(|one| one.model.contains('*')) {
            let lists = [&detours.fallbacks, &detours.windows].into_iter().filter_map(|lists| lists.get(group));
            lists.flatten().for_each(|(_, node)| {
                node.lost("a wildcard has no fallbacks here: write a RoutingRule for its models")
            });
            continue;
        }
        aliases(work, group, &members, detours);
        let fallbacks = fallbacks(group, &members, deployments, detours);
        if members.len() > 1 || !fallbacks.is_empty() {
            rule(work, group, &members, fallbacks, detours);
        }
    }
    for (group, list) in detours.fallbacks.iter().chain(&detours.windows) {
        let known = group == "*" || deployments.iter().any(|one| one.group == *group);
        if !known {
            for (_, node) in list {
                node.lost(format!("nothing that was carried over is called {}", code(group)));
            }
        }
    }
}

/// Other names of a group, at each provider that has it.
fn aliases(work: &mut Work<'_>, group: &str, members: &[&Deployment], detours: &Detours<'_>) {
    let Some(aliases) = detours.aliases.get(group) else { return };
    for object in work.objects.iter_mut().filter(|object| {
        object.kind == ImportedKind::Provider && members.iter().any(|member| member.provider == object.name)
    }) {
        let Some(Value::Array(models)) = object.body.get_mut("models") else { continue };
        for model in models.iter_mut().filter(|model| model["name"] == group) {
            model["aliases"] = json!(aliases);
        }
    }
}

/// `provider/model` of each to be asked when a group fails, in order. Members of a later `order` come first.
fn fallbacks(group: &str, members: &[&Deployment], deployments: &[Deployment], detours: &Detours<'_>) -> Vec<String> {
    let mut fallbacks: Vec<String> = Vec::new();
    let first = members.iter().map(|one| one.order).min().unwrap_or(0);
    let mut later: Vec<&&Deployment> = members.iter().filter(|one| one.order > first).collect();
    later.sort_by_key(|one| one.order);
    fallbacks.extend(later.into_iter().map(|one| at(one)));
    let own = detours.fallbacks.get(group).or_else(|| detours.fallbacks.get("*"));
    for (name, node) in own.into_iter().flatten().chain(detours.windows.get(group).into_iter().flatten()) {
        let mut leads: Vec<&Deployment> = deployments.iter().filter(|one| one.group == *name).collect();
        leads.sort_by(|a, b| a.order.cmp(&b.order).then(b.weight.total_cmp(&a.weight)));
        if name != group && leads.is_empty() {
            node.lost(format!("nothing that was carried over is called {}", code(name)));
        }
        let leads = leads.into_iter().filter(|one| one.group != group && !one.model.contains('*'));
        for place in leads.map(at) {
            match fallbacks.len() {
                MOST => node.lost("a rule has at most 16 fallbacks"),
                _ if !fallbacks.contains(&place) => fallbacks.push(place),
                _ => {}
            }
        }
    }
    fallbacks.truncate(MOST);
    fallbacks
}

fn at(one: &Deployment) -> String {
    format!("{}/{}", one.provider, one.says)
}

fn rule(work: &mut Work<'_>, group: &str, members: &[&Deployment], fallbacks: Vec<String>, detours: &Detours<'_>) {
    let name = work.names.free("RoutingRule", group);
    let first = members.iter().map(|one| one.order).min().unwrap_or(0);
    let mut targets: Vec<(&Deployment, f64)> = Vec::new();
    for member in members.iter().filter(|one| one.order == first) {
        // Twice the same place is one with the weight of both.
        match targets.iter_mut().find(|(known, _)| known.provider == member.provider && known.model == member.model) {
            Some((_, weight)) => *weight += member.weight,
            None => targets.push((member, member.weight)),
        }
    }
    let dropped = targets.len().saturating_sub(MOST);
    targets.truncate(MOST);
    let weights = weights::whole(&targets.iter().map(|(_, weight)| *weight).collect::<Vec<_>>());
    let targets: Vec<Value> = targets
        .iter()
        .zip(weights)
        .map(|((one, _), weight)| {
            let mut target =
                Map::from_iter([("provider".to_owned(), json!(one.provider)), ("model".to_owned(), json!(one.says))]);
            if weight != 1 {
                target.insert("weight".to_owned(), json!(weight));
            }
            Value::Object(target)
        })
        .collect();
    let path = members.first().map_or("model_list", |one| &one.path);
    let mut object = ImportedObject::new(ImportedKind::Rule, &name, path);
    object.notes.push(format!("The group {}", code(group)));
    if dropped > 0 {
        let message = format!(
            "{dropped} deployments of {} are left out of its rule, which has at most {MOST} targets",
            code(group)
        );
        work.source.tell(Fate::Lost, path, message);
    }
    object.set("when", condition(group, detours.aliases.get(group).map(Vec::as_slice).unwrap_or_default()));
    object.set("targets", targets);
    if !fallbacks.is_empty() {
        object.set("fallbacks", fallbacks);
    }
    for member in members {
        work.source.tell(Fate::Carried, &member.path, format!("a target of RoutingRule {}", code(&name)));
    }
    work.objects.push(object);
}

/// Whether a request asks for the group, by any of its names.
fn condition(group: &str, aliases: &[String]) -> String {
    let quoted = |name: &str| Value::String(name.to_owned()).to_string();
    match aliases.is_empty() {
        true => format!("model == {}", quoted(group)),
        false => {
            let names: Vec<String> =
                [group].into_iter().chain(aliases.iter().map(String::as_str)).map(quoted).collect();
            format!("model in [{}]", names.join(", "))
        }
    }
}

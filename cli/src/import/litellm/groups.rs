//! Model groups: the names that callers send, and their deployments. A group of one deployment becomes a model of its
//! provider; one with several deployments or fallbacks becomes a RoutingRule.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::Work;
use super::super::objects::{ImportedKind, ImportedObject};
use super::super::report::{Fate, code};
use super::super::source::Node;
use super::super::weights;
use super::deployments::Deployment;

/// Fallbacks and aliases of groups.
#[derive(Default)]
pub(crate) struct Fallbacks<'s> {
    /// By group, in order; `*` applies to all groups without their own.
    pub fallbacks: BTreeMap<String, Vec<(String, Node<'s>)>>,
    /// Those of them for a context that is too long.
    pub windows: BTreeMap<String, Vec<(String, Node<'s>)>>,
    /// Aliases by group.
    pub aliases: BTreeMap<String, Vec<String>>,
}

/// The limit of a rule's targets and fallbacks.
const MAX: usize = 16;

pub(crate) fn import(work: &mut Work<'_>, deployments: &[Deployment], fallback_config: &Fallbacks<'_>) {
    let mut groups: Vec<&str> = Vec::new();
    for deployment in deployments {
        if !groups.contains(&deployment.group.as_str()) {
            groups.push(&deployment.group);
        }
    }
    for group in groups {
        let members: Vec<&Deployment> = deployments.iter().filter(|one| one.group == group).collect();
        if members.iter().any(|one| one.model.contains('*')) {
            let lists =
                [&fallback_config.fallbacks, &fallback_config.windows].into_iter().filter_map(|lists| lists.get(group));
            lists.flatten().for_each(|(_, node)| {
                node.lost("a wildcard has no fallbacks here: write a RoutingRule for its models")
            });
            continue;
        }
        aliases(work, group, &members, fallback_config);
        let fallbacks = fallbacks(group, &members, deployments, fallback_config);
        if members.len() > 1 || !fallbacks.is_empty() {
            rule(work, group, &members, fallbacks, fallback_config);
        }
    }
    for (group, list) in fallback_config.fallbacks.iter().chain(&fallback_config.windows) {
        let known = group == "*" || deployments.iter().any(|one| one.group == *group);
        if !known {
            for (_, node) in list {
                node.lost(format!("nothing that was imported is called {}", code(group)));
            }
        }
    }
}

/// Adds a group's aliases to each provider that has it.
fn aliases(work: &mut Work<'_>, group: &str, members: &[&Deployment], fallback_config: &Fallbacks<'_>) {
    let Some(aliases) = fallback_config.aliases.get(group) else { return };
    for object in work.objects.iter_mut().filter(|object| {
        object.kind == ImportedKind::Provider && members.iter().any(|member| member.provider == object.name)
    }) {
        let Some(Value::Array(models)) = object.body.get_mut("models") else { continue };
        for model in models.iter_mut().filter(|model| model["name"] == group) {
            model["aliases"] = json!(aliases);
        }
    }
}

/// The `provider/model` fallbacks of a group, in order. Members with a later `order` come first.
fn fallbacks(
    group: &str,
    members: &[&Deployment],
    deployments: &[Deployment],
    fallback_config: &Fallbacks<'_>,
) -> Vec<String> {
    let mut fallbacks: Vec<String> = Vec::new();
    let first = members.iter().map(|one| one.order).min().unwrap_or(0);
    let mut later: Vec<&&Deployment> = members.iter().filter(|one| one.order > first).collect();
    later.sort_by_key(|one| one.order);
    fallbacks.extend(later.into_iter().map(|one| at(one)));
    let own = fallback_config.fallbacks.get(group).or_else(|| fallback_config.fallbacks.get("*"));
    for (name, node) in own.into_iter().flatten().chain(fallback_config.windows.get(group).into_iter().flatten()) {
        let mut leads: Vec<&Deployment> = deployments.iter().filter(|one| one.group == *name).collect();
        leads.sort_by(|a, b| a.order.cmp(&b.order).then(b.weight.total_cmp(&a.weight)));
        if name != group && leads.is_empty() {
            node.lost(format!("nothing that was imported is called {}", code(name)));
        }
        let leads = leads.into_iter().filter(|one| one.group != group && !one.model.contains('*'));
        for place in leads.map(at) {
            match fallbacks.len() {
                MAX => node.lost("a rule has at most 16 fallbacks"),
                _ if !fallbacks.contains(&place) => fallbacks.push(place),
                _ => {}
            }
        }
    }
    fallbacks.truncate(MAX);
    fallbacks
}

fn at(one: &Deployment) -> String {
    format!("{}/{}", one.provider, one.listed_as)
}

fn rule(
    work: &mut Work<'_>,
    group: &str,
    members: &[&Deployment],
    fallbacks: Vec<String>,
    fallback_config: &Fallbacks<'_>,
) {
    let name = work.names.free("RoutingRule", group);
    let first = members.iter().map(|one| one.order).min().unwrap_or(0);
    let mut targets: Vec<(&Deployment, f64)> = Vec::new();
    for member in members.iter().filter(|one| one.order == first) {
        // Two targets with the same model are one with both weights.
        match targets.iter_mut().find(|(known, _)| known.provider == member.provider && known.model == member.model) {
            Some((_, weight)) => *weight += member.weight,
            None => targets.push((member, member.weight)),
        }
    }
    let dropped = targets.len().saturating_sub(MAX);
    targets.truncate(MAX);
    let weights = weights::whole(&targets.iter().map(|(_, weight)| *weight).collect::<Vec<_>>());
    let targets: Vec<Value> = targets
        .iter()
        .zip(weights)
        .map(|((one, _), weight)| {
            let mut target = Map::from_iter([
                ("provider".to_owned(), json!(one.provider)),
                ("model".to_owned(), json!(one.listed_as)),
            ]);
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
            "{dropped} deployments of {} are left out of its rule, which has at most {MAX} targets",
            code(group)
        );
        work.source.report(Fate::Lost, path, message);
    }
    object.set("when", condition(group, fallback_config.aliases.get(group).map(Vec::as_slice).unwrap_or_default()));
    object.set("targets", targets);
    if !fallbacks.is_empty() {
        object.set("fallbacks", fallbacks);
    }
    for member in members {
        work.source.report(Fate::Carried, &member.path, format!("a target of RoutingRule {}", code(&name)));
    }
    work.objects.push(object);
}

/// The condition that a request names the group or one of its aliases.
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

//! `model_configs`: budgets for a model, for all its callers.

use serde_json::{Map, json};

use super::super::Work;
use super::super::name::label;
use super::super::objects::ImportedKind;
use super::super::report::code;
use super::super::source::Node;
use super::keys::{self, Named};
use super::limits::{self, StandaloneLimits, plain};
use super::providers::Providers;

/// The label that selects a key.
const NAME: &str = "app.kubernetes.io/name";

pub(crate) fn import<'s>(
    work: &mut Work<'s>,
    governance: &Node<'s>,
    pool: &StandaloneLimits<'s>,
    providers: &Providers,
    named: &[Named],
) {
    for node in governance.get("model_configs").map(|node| node.items()).unwrap_or_default() {
        config(work, &node, pool, providers, named);
    }
}

fn config<'s>(
    work: &mut Work<'s>,
    node: &Node<'s>,
    pool: &StandaloneLimits<'s>,
    providers: &Providers,
    named: &[Named],
) {
    let id = node.get("id").and_then(|node| plain(&node));
    let Some(model) = node.get("model_name").and_then(|node| node.text()) else {
        node.lost("names no model");
        return;
    };
    let mut applies = Map::new();
    if model != "*" {
        applies.insert("models".to_owned(), json!([model]));
    }
    if let Some(reference) = node.get("provider")
        && let Some(called) = reference.text()
    {
        let parts: Vec<&str> =
            providers.find(called).iter().flat_map(|one| &one.parts).map(|part| part.name.as_str()).collect();
        if parts.is_empty() {
            node.lost(format!("provider {} was not carried over", code(called)));
            return;
        }
        applies.insert("providers".to_owned(), json!(parts));
    }
    let scope = node.get("scope").and_then(|node| node.text()).unwrap_or("global");
    let reference = node.get("scope_id").and_then(|node| plain(&node)).unwrap_or_default();
    match scope {
        "global" => {}
        "virtual_key" => {
            let Some(key) = keys::find(named, &reference) else {
                node.lost(format!("the file has no virtual key {}", code(&reference)));
                return;
            };
            applies.insert("virtualKeys".to_owned(), json!({"matchLabels": {NAME: key.name}}));
            let object =
                work.objects.iter_mut().find(|object| object.kind == ImportedKind::Key && object.name == key.name);
            if let Some(object) = object {
                object.labels.insert(NAME.to_owned(), json!(key.name));
            }
        }
        other => {
            node.lost(format!("unknown scope {}", code(other)));
            return;
        }
    }
    let aligned = node.get("calendar_aligned").and_then(|node| node.flag()).unwrap_or(false);
    let found = pool.found(node, id.as_deref().map(|id| ("model_config_id", id)), aligned);
    if let Some(path) = &found.nothing {
        node.lost(format!("{} is nothing: deny the model in spec.models.deny of the keys", code(path)));
    }
    let budgets = limits::budgets(work, &found, &label(&format!("model-{model}")), "a model", &|budget, _| {
        if !applies.is_empty() {
            budget.set("appliesTo", applies.clone());
        }
    });
    if !budgets.is_empty() {
        let names: Vec<String> = budgets.iter().map(|(name, _)| code(name)).collect();
        node.became(&format!("Budget {}", names.join(", ")));
    }
}

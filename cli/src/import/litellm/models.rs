//! A provider's entry of a model: its names, limits and price.

use serde_json::{Map, Value, json};

use super::super::amount::decimal;
use super::super::objects::ImportedObject;
use super::super::report::Fate;
use super::super::source::Node;

/// Adds a model to a provider. Returns its name there. The same model is added only once, and another model under the
/// same name gets its own name.
pub(crate) fn add(
    object: &mut ImportedObject,
    entry: Map<String, Value>,
    node: &Node<'_>,
    group: &str,
    model: &str,
) -> String {
    let models = object.body.entry("models").or_insert_with(|| json!([]));
    let Value::Array(models) = models else { return group.to_owned() };
    let mut entry = Value::Object(entry);
    let mut listed_as = group;
    let mut known = models.iter().find(|known| known["name"] == group);
    if known.is_some_and(|known| known["upstreamName"] != entry["upstreamName"]) {
        listed_as = model;
        entry["name"] = json!(model);
        if let Value::Object(fields) = &mut entry {
            fields.remove("upstreamName");
        }
        known = models.iter().find(|known| known["name"] == model);
    }
    match known {
        Some(known) if *known == entry => {}
        Some(_) => {
            node.doubtful("its provider has the model already, with another price or bound: those of the first count")
        }
        None => models.push(entry),
    }
    listed_as.to_owned()
}

/// Name, upstream name, limits and price of a model.
pub(crate) fn entry(node: &Node<'_>, params: &Node<'_>, group: &str, model: &str) -> Map<String, Value> {
    let mut entry = Map::from_iter([("name".to_owned(), json!(group))]);
    if group != model {
        entry.insert("upstreamName".to_owned(), json!(model));
    }
    let info = node.get("model_info");
    for (field, node) in info.as_ref().map(|node| node.fields()).unwrap_or_default() {
        let most = |node: &Node<'_>| node.whole().filter(|most| (1..=1_000_000_000).contains(most));
        match field {
            "max_input_tokens" => {
                if let Some(most) = most(&node) {
                    node.doubtful("bounds the input, and here input and output together");
                    entry.insert("contextWindow".to_owned(), json!(most));
                }
            }
            "max_output_tokens" => {
                drop(most(&node).map(|most| entry.insert("maxOutputTokens".to_owned(), json!(most))))
            }
            "max_tokens" => match entry.contains_key("maxOutputTokens") {
                true => node.idle("max_output_tokens beside it takes precedence"),
                false => drop(most(&node).map(|most| entry.insert("maxOutputTokens".to_owned(), json!(most)))),
            },
            "id" | "mode" | "description" | "db_model" | "created_at" | "updated_at" | "created_by" | "updated_by" => {
                node.idle("which models can do what is in the catalogue");
            }
            "base_model" => node.idle("the price is that of the entry, or of what the provider is sent"),
            _ if field.starts_with("supports_") => {
                node.idle(
                    "which models can do what is in the catalogue; a list of some abilities would deny the others",
                );
            }
            "access_groups" => node.lost("write the group's models into spec.models.allow of a VirtualKey"),
            _ if is_price(field) => {}
            _ => node.lost("a model has a name, bounds, abilities and a price"),
        }
    }
    if let Some(price) = price(info.as_ref(), params) {
        entry.insert("price".to_owned(), Value::Object(price));
    }
    entry
}

const PRICES: [(&str, &str); 4] = [
    ("input_cost_per_token", "inputPerMillion"),
    ("output_cost_per_token", "outputPerMillion"),
    ("cache_read_input_token_cost", "cachedInputPerMillion"),
    ("cache_creation_input_token_cost", "cacheWritePerMillion"),
];

pub(crate) fn is_price(field: &str) -> bool {
    field.contains("_cost_per_") || field.ends_with("_token_cost") || field.contains("_token_cost_")
}

/// Per million tokens, from dollars per token in `model_info` or else in the parameters.
fn price(info: Option<&Node<'_>>, params: &Node<'_>) -> Option<Map<String, Value>> {
    let mut price = Map::new();
    let nodes: Vec<&Node<'_>> = info.into_iter().chain([params]).collect();
    for node in &nodes {
        for (field, node) in node.fields() {
            let Some((_, ours)) = PRICES.iter().find(|(theirs, _)| *theirs == field) else {
                if is_price(field) {
                    node.lost("prices of this kind are not carried over: write them into spec.models[].price, or into a ModelCatalog");
                }
                continue;
            };
            let Some(dollars) = node.number() else { continue };
            match (0.0..1_000.0).contains(&dollars) {
                true if price.contains_key(*ours) => node.idle("model_info has it too, and takes precedence"),
                true => drop(price.insert((*ours).to_owned(), json!(decimal(dollars * 1e6)))),
                false => node.lost("no price that a token can have"),
            }
        }
    }
    if price.is_empty() {
        return None;
    }
    for (theirs, ours) in &PRICES[..2] {
        if !price.contains_key(*ours) {
            let node = nodes.first().copied().unwrap_or(params);
            node.source().report(Fate::Doubtful, &node.at(theirs), "absent beside the other price, and so zero");
            price.insert((*ours).to_owned(), json!("0"));
        }
    }
    Some(price)
}

#[cfg(test)]
mod tests {
    use super::super::super::source::ImportSource;
    use super::*;

    #[test]
    fn prices_are_per_million() {
        let source = ImportSource::new(json!({
            "info": {"input_cost_per_token": 2.5e-6, "output_cost_per_token": "0.00001", "cache_read_input_token_cost": 1.25e-6},
            "params": {"input_cost_per_token": 1, "input_cost_per_second": 0.1},
        }));
        let root = source.root();
        let price = price(root.get("info").as_ref(), &root.get("params").unwrap()).unwrap();
        let expected = json!({"inputPerMillion": "2.5", "outputPerMillion": "10", "cachedInputPerMillion": "1.25"});
        assert_eq!(Value::Object(price), expected);
    }
}

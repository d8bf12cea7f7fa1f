//! Lists of models, in the format of Ollama's `/api/tags` and `/api/show`.

use outrigger_core::Capabilities;
use serde_json::{Value, json};

use crate::format::anthropic::listing::rfc3339;
use crate::listing::ListedModel;

/// The version of Ollama whose API this is. Clients ask for it, and refuse to work with servers that are too old.
pub(crate) const VERSION: &str = "0.13.0";

/// All models, on one page. Nothing is known of their files.
pub(crate) fn list(models: &[ListedModel]) -> Value {
    let entry = |model: &ListedModel| {
        json!({
            "name": model.id,
            "model": model.id,
            "modified_at": rfc3339(model.created),
            "size": 0,
            "digest": "",
            "details": {},
        })
    };
    json!({"models": models.iter().map(entry).collect::<Value>()})
}

/// One model, as `/api/show` describes it.
pub(crate) fn one(model: &ListedModel) -> Value {
    json!({
        "modified_at": rfc3339(model.created),
        "details": {},
        "model_info": {},
        "capabilities": capabilities(model.capabilities),
    })
}

/// If nothing is known, tools are among them: clients offer none to a model without this word, and the gateway refuses
/// none for it.
fn capabilities(known: Option<Capabilities>) -> Vec<&'static str> {
    let known = known.unwrap_or(Capabilities::TOOLS);
    let has = |capability: Capabilities| known.contains(capability);
    [
        ("completion", !has(Capabilities::EMBEDDINGS)),
        ("tools", has(Capabilities::TOOLS)),
        ("vision", has(Capabilities::VISION)),
        ("thinking", has(Capabilities::REASONING)),
        ("embedding", has(Capabilities::EMBEDDINGS)),
    ]
    .into_iter()
    .filter_map(|(word, is_told)| is_told.then_some(word))
    .collect()
}

//! Lists of models, in the format of OpenAI's SDKs.

use serde_json::{Value, json};

use crate::listing::ListedModel;

/// All models, on one page.
pub(crate) fn list(models: &[ListedModel]) -> Value {
    let all: Vec<Value> = models.iter().map(one).collect();
    json!({"object": "list", "data": all})
}

/// One model.
pub(crate) fn one(model: &ListedModel) -> Value {
    json!({
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
    })
}

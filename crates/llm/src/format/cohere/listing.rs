//! Lists of models, in the format of Cohere's SDKs.

use serde_json::{Value, json};

use crate::listing::ListedModel;

/// All models, on one page.
pub(crate) fn list(models: &[ListedModel]) -> Value {
    let all: Vec<Value> = models.iter().map(one).collect();
    json!({"models": all})
}

/// One model.
pub(crate) fn one(model: &ListedModel) -> Value {
    json!({"name": model.id})
}

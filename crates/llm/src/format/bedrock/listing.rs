//! Lists of models, in the format of AWS's SDKs: `ListFoundationModels` and `GetFoundationModel`.

use serde_json::{Value, json};

use crate::listing::ListedModel;

/// All models, on one page.
pub(crate) fn list(models: &[ListedModel]) -> Value {
    let all: Vec<Value> = models.iter().map(summary).collect();
    json!({"modelSummaries": all})
}

/// One model.
pub(crate) fn one(model: &ListedModel) -> Value {
    json!({"modelDetails": summary(model)})
}

fn summary(model: &ListedModel) -> Value {
    json!({
        // Required by the SDKs. The name alone is what requests use.
        "modelArn": format!("arn:aws:bedrock:::foundation-model/{}", model.id),
        "modelId": model.id,
        "modelName": model.id,
        "providerName": model.owned_by,
        "responseStreamingSupported": true,
        "modelLifecycle": {"status": "ACTIVE"},
    })
}

//! A model in a list of models. Each format writes such lists in its `listing.rs`.

use outrigger_core::Capabilities;

/// A model that a key may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel {
    /// The name that callers use: `provider/model`.
    pub id: String,
    /// The provider's name.
    pub owned_by: String,
    /// Seconds since 1970; 0 if unknown.
    pub created: u64,
    /// `None` if unknown, and in lists of several models, none of which tells them.
    pub capabilities: Option<Capabilities>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Dialect;
    use crate::registry::{list_model, list_models as list};

    fn models() -> Vec<ListedModel> {
        [("openai/gpt-4o", "openai", 1_715_367_049), ("azure/prod", "azure", 0)]
            .map(|(id, owned_by, created)| ListedModel {
                id: id.to_owned(),
                owned_by: owned_by.to_owned(),
                created,
                capabilities: None,
            })
            .to_vec()
    }

    #[test]
    fn lists_have_the_shape_of_their_dialect() {
        assert_eq!(
            list(Dialect::OpenAi, &models()),
            json!({"object": "list", "data": [
                {"id": "openai/gpt-4o", "object": "model", "created": 1_715_367_049, "owned_by": "openai"},
                {"id": "azure/prod", "object": "model", "created": 0, "owned_by": "azure"},
            ]})
        );
        assert_eq!(
            list(Dialect::Anthropic, &models()),
            json!({
                "data": [
                    {"type": "model", "id": "openai/gpt-4o", "display_name": "openai/gpt-4o", "created_at": "2024-05-10T18:50:49Z"},
                    {"type": "model", "id": "azure/prod", "display_name": "azure/prod", "created_at": "1970-01-01T00:00:00Z"},
                ],
                "has_more": false,
                "first_id": "openai/gpt-4o",
                "last_id": "azure/prod",
            })
        );
        assert_eq!(
            list(Dialect::Gemini, &models()[..1]),
            json!({"models": [{
                "name": "models/openai/gpt-4o",
                "displayName": "openai/gpt-4o",
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
            }]})
        );
        assert_eq!(list(Dialect::Cohere, &models()[..1]), json!({"models": [{"name": "openai/gpt-4o"}]}));
    }

    #[test]
    fn ollama_is_told_what_a_model_can_do() {
        let [model, _] = models().try_into().unwrap();
        for (capabilities, words) in [
            (None, json!(["completion", "tools"])),
            (Some(Capabilities::VISION | Capabilities::REASONING), json!(["completion", "vision", "thinking"])),
            (Some(Capabilities::EMBEDDINGS), json!(["embedding"])),
        ] {
            let told = list_model(Dialect::Ollama, &ListedModel { capabilities, ..model.clone() });
            assert_eq!(told["capabilities"], words);
        }
        assert_eq!(list(Dialect::Ollama, &models())["models"][1]["model"], "azure/prod");
    }

    #[test]
    fn an_empty_list_is_valid() {
        assert_eq!(list(Dialect::OpenAi, &[]), json!({"object": "list", "data": []}));
        assert_eq!(
            list(Dialect::Anthropic, &[]),
            json!({"data": [], "has_more": false, "first_id": null, "last_id": null})
        );
        assert_eq!(list(Dialect::Gemini, &[]), json!({"models": []}));
        assert_eq!(list(Dialect::Cohere, &[]), json!({"models": []}));
    }
}

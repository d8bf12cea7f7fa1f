//! The credential of a deployment: LiteLLM's source, and the Secret here.

use serde_json::Value;

use super::super::super::Work;
use super::super::super::report::{Fate, code};
use super::super::super::secrets::KeySource;
use super::super::super::source::Node;
use super::known::LiteLlmProvider;

/// Types that need no key.
const KEYLESS: [&str; 4] = ["Ollama", "vLLM", "SGLang", "OpenAICompatible"];

/// Values that people write where no key is needed.
const NO_KEY: [&str; 9] = ["none", "empty", "dummy", "fake", "null", "na", "n/a", "not-needed", "no-key"];

/// The entry of `credential_list` that a deployment names.
pub(super) fn credential<'s>(root: &Node<'s>, params: &Node<'s>) -> Option<Node<'s>> {
    let named = params.get("litellm_credential_name")?;
    let wanted = named.text()?;
    let list = root.get("credential_list").map(|node| node.items()).unwrap_or_default();
    let found = list.into_iter().find(|node| node.get("credential_name").and_then(|node| node.text()) == Some(wanted));
    match found {
        Some(found) => {
            if let Some(info) = found.get("credential_info") {
                info.idle("a description");
            }
            found.get("credential_values")
        }
        None => {
            named.lost(format!("credential_list has no credential {}", code(wanted)));
            None
        }
    }
}

/// The provider's `secretRef`: `Some(None)` if none is needed, `None` if a key is missing and the provider can't be
/// used.
pub(super) fn secret<'s>(
    work: &mut Work<'s>,
    root: &Node<'s>,
    (known, kind, place): (&LiteLlmProvider, &str, &str),
    key: Option<(KeySource, Node<'s>)>,
    params: &Node<'s>,
    node: &Node<'s>,
) -> Option<Option<Value>> {
    // Then its identity serves.
    let keyless = KEYLESS.contains(&kind) || matches!(kind, "VertexAI" | "Bedrock") && key.is_none();
    let (key_source, at) = match key {
        Some((KeySource::Literal(text), at)) if keyless && NO_KEY.contains(&text.to_ascii_lowercase().as_str()) => {
            at.idle("a placeholder, because no key is needed");
            return Some(None);
        }
        Some(key) => key,
        None => match known.variable {
            Some(variable) => {
                params.source().report(
                    Fate::Doubtful,
                    &params.at("api_key"),
                    format!("absent, so LiteLLM reads it from {}, and so do the objects", code(variable)),
                );
                (KeySource::Variable(variable.to_owned()), params.clone())
            }
            None if keyless => return Some(None),
            None => {
                node.lost("has no api_key: write a credential with a secretRef");
                return None;
            }
        },
    };
    // The file itself may set the variable.
    let set = match &key_source {
        KeySource::Variable(name) => root.get("environment_variables").and_then(|node| node.get(name)),
        _ => None,
    };
    if let Some(set) = set
        && let Some(KeySource::Literal(text)) = KeySource::litellm(&set)
    {
        return Some(Some(work.secrets.refer(&KeySource::Literal(text), place, known.name, &set).value()));
    }
    Some(Some(work.secrets.refer(&key_source, place, known.name, &at).value()))
}

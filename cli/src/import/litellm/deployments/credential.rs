//! The credential of a deployment: where LiteLLM has it, and the Secret that it is in here.

use serde_json::Value;

use super::super::super::Work;
use super::super::super::report::{Fate, code};
use super::super::super::secrets::Held;
use super::super::super::source::Node;
use super::known::LiteLlmProvider;

/// Types that are called without a key.
const KEYLESS: [&str; 3] = ["Ollama", "vLLM", "OpenAICompatible"];

/// What people write where a key must be and none is needed.
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
            named.lost(format!("there is no credential {} in credential_list", code(wanted)));
            None
        }
    }
}

/// The provider's `secretRef`, `Some(None)` where none is needed, and `None` where there is none and it can't be used.
pub(super) fn secret<'s>(
    work: &mut Work<'s>,
    root: &Node<'s>,
    (known, kind, place): (&LiteLlmProvider, &str, &str),
    key: Option<Node<'s>>,
    params: &Node<'s>,
    node: &Node<'s>,
) -> Option<Option<Value>> {
    let keyless = KEYLESS.contains(&kind);
    let held = key.as_ref().and_then(Held::litellm);
    let (held, at) = match (held, key) {
        (Some(Held::Literal(text)), Some(at)) if keyless && NO_KEY.contains(&text.to_ascii_lowercase().as_str()) => {
            at.idle("a word where no key is needed");
            return Some(None);
        }
        (Some(held), Some(at)) => (held, at),
        _ => match known.variable {
            Some(variable) => {
                params.source().tell(
                    Fate::Doubtful,
                    &params.at("api_key"),
                    format!("absent, so that LiteLLM looks for it in {}: here too", code(variable)),
                );
                (Held::Variable(variable.to_owned()), params.clone())
            }
            None if keyless => return Some(None),
            None => {
                node.lost("has no api_key: write a credential with a secretRef");
                return None;
            }
        },
    };
    // A variable that the file itself sets.
    let set = match &held {
        Held::Variable(name) => root.get("environment_variables").and_then(|node| node.get(name)),
        _ => None,
    };
    if let Some(set) = set
        && let Some(Held::Literal(text)) = Held::litellm(&set)
    {
        return Some(Some(work.secrets.refer(&Held::Literal(text), place, known.name, &set).value()));
    }
    Some(Some(work.secrets.refer(&held, place, known.name, &at).value()))
}

//! Ids of tool calls: OpenAI accepts at most 40 characters, Mistral exactly nine letters and digits; servers of open
//! models use any text.

use std::borrow::Cow;

use outrigger_core::hash::fnv1a;

use crate::provider::{Target, ToolCallIds};

const MOST: usize = 40;

/// The id in the form that the target accepts: Mistral, and its models elsewhere. A valid id is unchanged; others are
/// replaced by a hash, so that a call and its result still match.
pub(crate) fn fit<'i>(id: &'i str, target: &Target<'_>) -> Cow<'i, str> {
    let length = match target.quirks().chat.tool_call_ids {
        ToolCallIds::Exactly(length) => length,
        ToolCallIds::Any | ToolCallIds::Most(_) if is_mistral(target.model) => 9,
        ToolCallIds::Any => return Cow::Borrowed(id),
        ToolCallIds::Most(most) => return shorten_to(id, most),
    };
    if id.len() == length && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Cow::Borrowed(id);
    }
    // The same in every process, so that the beginning of a conversation stays the same for the provider's prompt
    // cache.
    let mut rest = fnv1a(id.as_bytes());
    let digits = (0..length).map(|_| {
        let digit = (rest % 36) as u32;
        rest /= 36;
        char::from_digit(digit, 36).unwrap_or('0')
    });
    Cow::Owned(digits.collect())
}

/// The id, shortened to OpenAI's 40 characters.
pub(crate) fn shorten(id: &str) -> Cow<'_, str> {
    shorten_to(id, MOST)
}

fn shorten_to(id: &str, most: usize) -> Cow<'_, str> {
    if id.chars().count() <= most {
        return Cow::Borrowed(id);
    }
    let start: String = id.chars().take(most.saturating_sub(17)).collect();
    Cow::Owned(format!("{start}_{:016x}", fnv1a(id.as_bytes())))
}

/// Whether it is one of Mistral's own names, with or without a vendor.
fn is_mistral(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("open-").unwrap_or(name);
    ["mistral", "mixtral", "ministral", "magistral", "codestral", "devstral", "pixtral", "voxtral"]
        .iter()
        .any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;
    use crate::provider::lookup;

    #[test]
    fn ids_are_made_valid_and_stay_distinct() {
        let long = "toolu_".repeat(9);
        let fit_at = |kind: &str, id: &str, model: &str| {
            fit(id, &Target::new(lookup(kind).unwrap(), Dialect::OpenAi, model)).into_owned()
        };
        let fit = |id: &str, model: &str| fit_at("OpenAI", id, model);
        assert_eq!(fit_at("Mistral", "call_1", "ft:of-mine"), "16xj2wjzp");
        // Its own are like this one.
        let own = "chatcmpl-tool-0123456789abcdef0123456789abcdef";
        assert_eq!(fit_at("vLLM", own, "Qwen/Qwen3-32B"), own);
        for (id, model, fitted) in [
            ("call_1", "gpt-4o", "call_1"),
            (&long, "gpt-4o", "toolu_toolu_toolu_toolu_5f3254d882a7a78b"),
            ("D681PevKs", "mistral-large-latest", "D681PevKs"),
            ("call_1", "mistral-large-latest", "16xj2wjzp"),
            ("call_1", "mistralai/open-mixtral-8x7b", "16xj2wjzp"),
            ("", "", ""),
        ] {
            assert_eq!(fit(id, model), fitted, "{id} {model}");
        }
        assert_ne!(fit("call_1", "codestral-latest"), fit("call_2", "codestral-latest"));
        assert_ne!(fit(&format!("{long}1"), "gpt-5"), fit(&format!("{long}2"), "gpt-5"));
    }
}

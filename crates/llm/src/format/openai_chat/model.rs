//! What an OpenAI model's name tells about the fields it takes.
//!
//! OpenAI refuses fields by model family, and servers that speak its dialect refuse what OpenAI
//! added late. Names that tell nothing (Azure deployments, other vendors) get the oldest spelling.

use crate::chat::{Effort, Thinking};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `o1`, `o3`, `o4-mini`: efforts from low to high.
    OSeries,
    /// `gpt-5`, `gpt-5-mini`, `gpt-5-nano`: from minimal to high.
    Gpt5,
    /// `gpt-5.1`: none, then low to high.
    Gpt51,
    /// `gpt-5.2` and whatever comes after: up to xhigh.
    Later,
    /// `gpt-4o` and before: refuse `reasoning_effort`.
    Plain,
    /// Not one of OpenAI's names.
    Foreign,
}

impl Family {
    pub(super) fn of(model: &str) -> Family {
        let name = model.rsplit('/').next().unwrap_or(model);
        let versioned = |rest: &str| rest.is_empty() || rest.starts_with('-');
        if ["o1", "o3", "o4"].iter().any(|series| name.strip_prefix(series).is_some_and(versioned)) {
            return Family::OSeries;
        }
        if name.starts_with("gpt-3.5") || name.starts_with("gpt-4") || name.starts_with("chatgpt-") {
            return Family::Plain;
        }
        let Some(version) = name.strip_prefix("gpt-") else { return Family::Foreign };
        let number: String = version.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        match number.as_str() {
            "" => Family::Foreign,
            "5" => Family::Gpt5,
            "5.1" => Family::Gpt51,
            _ => Family::Later,
        }
    }

    /// The field that caps output. `max_tokens` is refused by OpenAI's reasoning models,
    /// `max_completion_tokens` is unknown to some compatible servers.
    pub(super) fn cap(self) -> &'static str {
        match self {
            Family::OSeries | Family::Gpt5 | Family::Gpt51 | Family::Later => "max_completion_tokens",
            Family::Plain | Family::Foreign => "max_tokens",
        }
    }

    /// The nearest `reasoning_effort` that the family takes; `None` where it takes none that fits.
    pub(super) fn effort(self, thinking: &Thinking) -> Option<&'static str> {
        let wanted = match thinking {
            Thinking::Adaptive => return None,
            Thinking::Off => {
                return match self {
                    Family::OSeries => Some("low"),
                    Family::Gpt5 => Some("minimal"),
                    Family::Gpt51 | Family::Later => Some("none"),
                    Family::Plain | Family::Foreign => None,
                };
            }
            Thinking::Effort(effort) => *effort,
            Thinking::Budget(tokens) => Effort::of_tokens(*tokens),
        };
        let (lowest, highest) = match self {
            Family::OSeries | Family::Gpt51 => (Effort::Low, Effort::High),
            Family::Gpt5 => (Effort::Minimal, Effort::High),
            Family::Later => (Effort::Low, Effort::XHigh),
            Family::Foreign => (Effort::Minimal, Effort::XHigh),
            Family::Plain => return None,
        };
        Some(wanted.clamp(lowest, highest).word())
    }
}

/// Gemini behind Google's own OpenAI-compatible endpoint wants its signatures back; OpenAI refuses
/// fields it does not know.
pub(crate) fn takes_signatures(model: &str) -> bool {
    model.to_ascii_lowercase().contains("gemini")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_families_apart() {
        for (model, family, cap) in [
            ("o1", Family::OSeries, "max_completion_tokens"),
            ("o3-mini", Family::OSeries, "max_completion_tokens"),
            ("openai/o4-mini", Family::OSeries, "max_completion_tokens"),
            ("gpt-5-nano-2025-08-07", Family::Gpt5, "max_completion_tokens"),
            ("gpt-5.1-codex", Family::Gpt51, "max_completion_tokens"),
            ("gpt-5.4", Family::Later, "max_completion_tokens"),
            ("gpt-6-astra", Family::Later, "max_completion_tokens"),
            ("gpt-4o-mini", Family::Plain, "max_tokens"),
            ("gpt-3.5-turbo", Family::Plain, "max_tokens"),
            ("gpt-oss-120b", Family::Foreign, "max_tokens"),
            ("openai/gpt-oss-20b", Family::Foreign, "max_tokens"),
            ("o1x", Family::Foreign, "max_tokens"),
            ("mistral-large-latest", Family::Foreign, "max_tokens"),
            ("", Family::Foreign, "max_tokens"),
        ] {
            assert_eq!((Family::of(model), Family::of(model).cap()), (family, cap), "{model}");
        }
    }

    #[test]
    fn asks_for_no_effort_that_a_family_refuses() {
        for (model, thinking, effort) in [
            ("o3", Thinking::Off, Some("low")),
            ("o3", Thinking::Effort(Effort::XHigh), Some("high")),
            ("gpt-5", Thinking::Off, Some("minimal")),
            ("gpt-5.1", Thinking::Off, Some("none")),
            ("gpt-5.1", Thinking::Effort(Effort::Minimal), Some("low")),
            ("gpt-5.2", Thinking::Budget(60_000), Some("xhigh")),
            ("gpt-5.2", Thinking::Adaptive, None),
            ("gpt-4o", Thinking::Effort(Effort::High), None),
            ("qwen3", Thinking::Effort(Effort::High), Some("high")),
            ("qwen3", Thinking::Off, None),
        ] {
            assert_eq!(Family::of(model).effort(&thinking), effort, "{model} {thinking:?}");
        }
    }
}

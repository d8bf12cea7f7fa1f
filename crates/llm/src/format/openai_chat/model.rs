//! The fields that an OpenAI model accepts, derived from its name.
//!
//! OpenAI refuses fields by model family, and servers that use its dialect refuse fields that OpenAI added late. For
//! other names (Azure deployments, other vendors) the oldest spelling is used.

use crate::chat::{Effort, Thinking};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelFamily {
    /// `o1`, `o3`, `o4-mini`: efforts from low to high.
    OSeries,
    /// `gpt-5`, `gpt-5-mini`, `gpt-5-nano`: from minimal to high.
    Gpt5,
    /// `gpt-5.1`: none, then low to high.
    Gpt51,
    /// `gpt-5.2` and later: up to xhigh.
    Later,
    /// `gpt-4o` and earlier: refuse `reasoning_effort`.
    Plain,
    /// Not one of OpenAI's names.
    Foreign,
}

impl ModelFamily {
    pub(super) fn of(model: &str) -> ModelFamily {
        let name = model.rsplit('/').next().unwrap_or(model);
        let versioned = |rest: &str| rest.is_empty() || rest.starts_with('-');
        if ["o1", "o3", "o4"].iter().any(|series| name.strip_prefix(series).is_some_and(versioned)) {
            return ModelFamily::OSeries;
        }
        if name.starts_with("gpt-3.5") || name.starts_with("gpt-4") || name.starts_with("chatgpt-") {
            return ModelFamily::Plain;
        }
        let Some(version) = name.strip_prefix("gpt-") else { return ModelFamily::Foreign };
        let number: String = version.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        match number.as_str() {
            "" => ModelFamily::Foreign,
            "5" => ModelFamily::Gpt5,
            "5.1" => ModelFamily::Gpt51,
            _ => ModelFamily::Later,
        }
    }

    /// The field for the limit of output. OpenAI's reasoning models refuse `max_tokens`; some compatible servers do not
    /// know `max_completion_tokens`.
    pub(super) fn cap(self) -> &'static str {
        match self {
            ModelFamily::OSeries | ModelFamily::Gpt5 | ModelFamily::Gpt51 | ModelFamily::Later => {
                "max_completion_tokens"
            }
            ModelFamily::Plain | ModelFamily::Foreign => "max_tokens",
        }
    }

    /// The closest `reasoning_effort` that the family accepts; `None` if it accepts none that fits.
    pub(super) fn effort(self, thinking: &Thinking) -> Option<&'static str> {
        let wanted = match thinking {
            Thinking::Adaptive => return None,
            Thinking::Off => {
                return match self {
                    ModelFamily::OSeries => Some("low"),
                    ModelFamily::Gpt5 => Some("minimal"),
                    ModelFamily::Gpt51 | ModelFamily::Later => Some("none"),
                    ModelFamily::Plain | ModelFamily::Foreign => None,
                };
            }
            Thinking::Effort(effort) => *effort,
            Thinking::Budget(tokens) => Effort::of_tokens(*tokens),
        };
        let (lowest, highest) = match self {
            ModelFamily::OSeries | ModelFamily::Gpt51 => (Effort::Low, Effort::High),
            ModelFamily::Gpt5 => (Effort::Minimal, Effort::High),
            ModelFamily::Later => (Effort::Low, Effort::XHigh),
            ModelFamily::Foreign => (Effort::Minimal, Effort::XHigh),
            ModelFamily::Plain => return None,
        };
        Some(wanted.clamp(lowest, highest).word())
    }
}

/// Whether signatures may be sent: Gemini behind Google's own OpenAI-compatible endpoint requires them; OpenAI refuses
/// unknown fields.
pub(crate) fn takes_signatures(model: &str) -> bool {
    model.to_ascii_lowercase().contains("gemini")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguishes_families() {
        for (model, family, cap) in [
            ("o1", ModelFamily::OSeries, "max_completion_tokens"),
            ("o3-mini", ModelFamily::OSeries, "max_completion_tokens"),
            ("openai/o4-mini", ModelFamily::OSeries, "max_completion_tokens"),
            ("gpt-5-nano-2025-08-07", ModelFamily::Gpt5, "max_completion_tokens"),
            ("gpt-5.1-codex", ModelFamily::Gpt51, "max_completion_tokens"),
            ("gpt-5.4", ModelFamily::Later, "max_completion_tokens"),
            ("gpt-6-astra", ModelFamily::Later, "max_completion_tokens"),
            ("gpt-4o-mini", ModelFamily::Plain, "max_tokens"),
            ("gpt-3.5-turbo", ModelFamily::Plain, "max_tokens"),
            ("gpt-oss-120b", ModelFamily::Foreign, "max_tokens"),
            ("openai/gpt-oss-20b", ModelFamily::Foreign, "max_tokens"),
            ("o1x", ModelFamily::Foreign, "max_tokens"),
            ("mistral-large-latest", ModelFamily::Foreign, "max_tokens"),
            ("", ModelFamily::Foreign, "max_tokens"),
        ] {
            assert_eq!((ModelFamily::of(model), ModelFamily::of(model).cap()), (family, cap), "{model}");
        }
    }

    #[test]
    fn sends_only_efforts_that_the_family_accepts() {
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
            assert_eq!(ModelFamily::of(model).effort(&thinking), effort, "{model} {thinking:?}");
        }
    }
}

//! `thinkingConfig`: Gemini 2.5 has a budget of tokens, Gemini 3 a level.

use serde_json::{Value, json};

use crate::RequestError;
use crate::chat::{Effort, Thinking};
use crate::format::gemini::reader::{FieldReader, invalid};
use crate::passthrough::scan::thinking::below;

/// Decodes `thinkingConfig`. A level overrides a budget, as in Gemini 3.
pub(super) fn decode(mut config: FieldReader<'_>, fields: &mut Vec<String>) -> Result<Option<Thinking>, RequestError> {
    let path = config.path("thinkingBudget");
    let mut thinking = match config.integer("thinkingBudget")? {
        None => None,
        Some(0) => Some(Thinking::Off),
        Some(-1) => Some(Thinking::Adaptive),
        Some(tokens) => {
            let tokens = u64::try_from(tokens).map_err(|_| invalid(&path, "must be -1, 0 or a number of tokens"))?;
            Some(Thinking::Budget(tokens))
        }
    };
    let path = config.path("thinkingLevel");
    if let Some(level) = config.string("thinkingLevel")? {
        let word = level.to_ascii_lowercase();
        if word != "thinking_level_unspecified" {
            let effort = Effort::parse(&word)
                .ok_or_else(|| invalid(&path, format!("{level:?} is none of MINIMAL, LOW, MEDIUM, HIGH, XHIGH")))?;
            thinking = Some(Thinking::Effort(effort));
        }
    }
    config.rest(fields);
    Ok(thinking)
}

/// How a model thinks, derived from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelGeneration {
    /// Does not think, or is unknown.
    Other,
    /// Gemini 2.5. For Pro, thinking can't be turned off.
    Budgets { pro: bool },
    /// Gemini 3 and later. `first_pro` knows only `LOW` and `HIGH`.
    Levels { pro: bool, first_pro: bool },
}

impl ModelGeneration {
    pub(super) fn of(model: &str) -> ModelGeneration {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let Some(rest) = name.strip_prefix("gemini-") else { return ModelGeneration::Other };
        let pro = rest.contains("pro");
        if rest.ends_with("-latest") && rest.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return ModelGeneration::Levels { pro, first_pro: false };
        }
        if rest.starts_with("2.5") {
            return ModelGeneration::Budgets { pro };
        }
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        match digits.parse::<u32>() {
            Ok(major) if major >= 3 => ModelGeneration::Levels { pro, first_pro: rest.starts_with("3-pro") },
            _ => ModelGeneration::Other,
        }
    }
}

/// Encodes `thinkingConfig` for a model; `None` if it has none.
///
/// Thoughts are requested whenever thinking is: callers of other dialects expect to see them. They count against the
/// `cap` of output, so a budget is below it.
pub(super) fn encode(thinking: &Thinking, generation: ModelGeneration, cap: Option<u64>) -> Option<Value> {
    match generation {
        ModelGeneration::Other => None,
        ModelGeneration::Budgets { pro } => Some(match thinking {
            Thinking::Adaptive => json!({"thinkingBudget": -1, "includeThoughts": true}),
            // The lowest budget of Pro.
            Thinking::Off if pro => json!({"thinkingBudget": 128}),
            Thinking::Off => json!({"thinkingBudget": 0}),
            Thinking::Effort(effort) => budget(effort.tokens(), pro, cap),
            Thinking::Budget(tokens) => budget(*tokens, pro, cap),
        }),
        ModelGeneration::Levels { pro, first_pro } => {
            let effort = match thinking {
                Thinking::Adaptive => return Some(json!({"includeThoughts": true})),
                Thinking::Off => Effort::Minimal,
                Thinking::Effort(effort) => *effort,
                Thinking::Budget(tokens) => Effort::of_tokens(*tokens),
            };
            let level = match effort {
                Effort::Minimal if pro => "LOW",
                Effort::Minimal => "MINIMAL",
                Effort::Low => "LOW",
                Effort::Medium if first_pro => "HIGH",
                Effort::Medium => "MEDIUM",
                // Google lists XHIGH, but no model of the Gemini API is documented to accept it.
                Effort::High | Effort::XHigh => "HIGH",
            };
            Some(match thinking {
                Thinking::Off => json!({"thinkingLevel": level}),
                _ => json!({"thinkingLevel": level, "includeThoughts": true}),
            })
        }
    }
}

/// A budget in the range of both Flash and Flash-Lite, or of Pro, and below the cap. If that leaves none, Flash does
/// not think, and Pro uses its minimum.
fn budget(tokens: u64, pro: bool, cap: Option<u64>) -> Value {
    let (least, most) = if pro { (128, 32_768) } else { (512, 24_576) };
    let tokens = tokens.clamp(least, most);
    match cap.map_or(Some(tokens), |cap| below(tokens, cap, least)) {
        Some(tokens) => json!({"thinkingBudget": tokens, "includeThoughts": true}),
        None if pro => json!({"thinkingBudget": least, "includeThoughts": true}),
        None => json!({"thinkingBudget": 0}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_generations_by_name() {
        for (model, expected) in [
            ("gemini-2.5-pro", ModelGeneration::Budgets { pro: true }),
            ("models/gemini-2.5-flash-lite", ModelGeneration::Budgets { pro: false }),
            ("gemini-2.0-flash", ModelGeneration::Other),
            ("gemini-3-pro-preview", ModelGeneration::Levels { pro: true, first_pro: true }),
            (
                "publishers/google/models/gemini-3.1-pro-preview",
                ModelGeneration::Levels { pro: true, first_pro: false },
            ),
            ("gemini-3-flash", ModelGeneration::Levels { pro: false, first_pro: false }),
            ("gemini-10-flash", ModelGeneration::Levels { pro: false, first_pro: false }),
            ("gemini-flash-latest", ModelGeneration::Levels { pro: false, first_pro: false }),
            ("gemma-3-27b-it", ModelGeneration::Other),
            ("", ModelGeneration::Other),
        ] {
            assert_eq!(ModelGeneration::of(model), expected, "{model}");
        }
    }

    #[test]
    fn encodes_thinking_by_generation() {
        for (model, thinking, expected) in [
            ("gemini-2.5-flash", Thinking::Off, Some(json!({"thinkingBudget": 0}))),
            ("gemini-2.5-pro", Thinking::Off, Some(json!({"thinkingBudget": 128}))),
            ("gemini-2.5-flash", Thinking::Adaptive, Some(json!({"thinkingBudget": -1, "includeThoughts": true}))),
            (
                "gemini-2.5-flash",
                Thinking::Budget(99_999),
                Some(json!({"thinkingBudget": 24_576, "includeThoughts": true})),
            ),
            (
                "gemini-2.5-pro",
                Thinking::Effort(Effort::High),
                Some(json!({"thinkingBudget": 24_576, "includeThoughts": true})),
            ),
            ("gemini-3-flash", Thinking::Off, Some(json!({"thinkingLevel": "MINIMAL"}))),
            (
                "gemini-3-pro",
                Thinking::Effort(Effort::Medium),
                Some(json!({"thinkingLevel": "HIGH", "includeThoughts": true})),
            ),
            (
                "gemini-3.1-pro",
                Thinking::Budget(8_000),
                Some(json!({"thinkingLevel": "MEDIUM", "includeThoughts": true})),
            ),
            (
                "gemini-3-flash",
                Thinking::Effort(Effort::XHigh),
                Some(json!({"thinkingLevel": "HIGH", "includeThoughts": true})),
            ),
            ("gemini-3-flash", Thinking::Adaptive, Some(json!({"includeThoughts": true}))),
            ("gemini-2.0-flash", Thinking::Adaptive, None),
        ] {
            assert_eq!(encode(&thinking, ModelGeneration::of(model), None), expected, "{model} {thinking:?}");
        }
    }

    #[test]
    fn a_budget_is_below_the_cap() {
        for (model, cap, expected) in [
            ("gemini-2.5-flash", 30_000, json!({"thinkingBudget": 24_576, "includeThoughts": true})),
            ("gemini-2.5-flash", 10_000, json!({"thinkingBudget": 5_000, "includeThoughts": true})),
            ("gemini-2.5-flash", 600, json!({"thinkingBudget": 512, "includeThoughts": true})),
            ("gemini-2.5-flash", 100, json!({"thinkingBudget": 0})),
            ("gemini-2.5-pro", 600, json!({"thinkingBudget": 300, "includeThoughts": true})),
            ("gemini-2.5-pro", 100, json!({"thinkingBudget": 128, "includeThoughts": true})),
        ] {
            let encoded = encode(&Thinking::Effort(Effort::High), ModelGeneration::of(model), Some(cap));
            assert_eq!(encoded, Some(expected), "{model} {cap}");
        }
    }
}

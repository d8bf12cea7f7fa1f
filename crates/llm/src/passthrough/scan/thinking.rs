//! Thinking budgets below a limit that the gateway writes.
//!
//! A budget that is not below the limit is refused (Anthropic, OpenRouter), or leaves no tokens for the answer
//! (Gemini). So if a limit is written, a budget that does not fit is lowered to half of it.

use std::ops::Range;

use super::members::whole;
use super::{Field, Scanned, place};
use crate::json::raw::{self, unescape};

/// The most budgets in one object: the provider refuses further ones.
const MOST: usize = 16;

/// The smallest budget of Anthropic, in tokens.
pub(crate) const LEAST_BUDGET: u64 = 1_024;
/// The smallest budgets of Gemini's models: of Flash-Lite, and of Pro.
const GEMINI: [u64; 2] = [512, 128];

/// A budget below the limit: unchanged, or half of the limit, and at least `least`. `None` if it does not fit.
pub(crate) fn below(budget: u64, cap: u64, least: u64) -> Option<u64> {
    let fitted = if budget < cap { budget } else { (cap / 2).max(least) };
    (fitted < cap).then_some(fitted)
}

/// A range to replace, its new text, and the caller's name for the field.
pub(super) struct Fitted {
    pub at: Range<usize>,
    pub text: String,
    pub field: &'static str,
}

impl Scanned {
    /// The thinking fields that a limit of this many tokens changes, by the caller's names. Empty if the caller's own
    /// limit is not higher, because then none is written.
    #[must_use]
    pub fn thinking_changed_by(&self, body: &[u8], cap: super::Cap<'_>) -> Vec<String> {
        let fields = if self.takes(body, cap) { self.fit_thinking(body, cap.tokens) } else { Vec::new() };
        fields.into_iter().map(|fitted| fitted.field.to_owned()).collect()
    }

    pub(super) fn fit_thinking(&self, body: &[u8], cap: u64) -> Vec<Fitted> {
        let mut fitted = Vec::new();
        if let Some((raw, start)) = self.object(body, Field::Thinking) {
            fitted = claude(raw, start, cap, ["thinking", "thinking.budget_tokens"]);
        }
        if let Some((raw, start)) = self.object(body, Field::AdditionalModelRequestFields) {
            each(raw, &BEDROCK_THINKING, |config, at| {
                let names =
                    ["additionalModelRequestFields.thinking", "additionalModelRequestFields.thinking.budget_tokens"];
                fitted.extend(claude(config, start + at.start, cap, names));
            });
        }
        if let Some((raw, start)) = self.object(body, Field::Reasoning) {
            each(raw, &["max_tokens"], |value, at| {
                let budget = whole(value).filter(|budget| *budget >= cap).and_then(|budget| below(budget, cap, 1));
                fitted.extend(budget.map(|budget| Fitted {
                    at: start + at.start..start + at.end,
                    text: budget.to_string(),
                    field: "reasoning.max_tokens",
                }));
            });
        }
        if let Some((raw, start)) = self.object(body, Field::GenerationConfig) {
            each(raw, &["thinkingConfig", "thinking_config"], |config, outer| {
                each(config, &["thinkingBudget", "thinking_budget"], |value, at| {
                    let Some(budget) = whole(value).filter(|budget| *budget >= cap) else { return };
                    let budget = GEMINI.into_iter().find_map(|least| below(budget, cap, least));
                    fitted.extend(budget.map(|budget| Fitted {
                        at: start + outer.start + at.start..start + outer.start + at.end,
                        text: budget.to_string(),
                        field: "generationConfig.thinkingConfig.thinkingBudget",
                    }));
                });
            });
        }
        fitted
    }

    fn object<'b>(&self, body: &'b [u8], field: Field) -> Option<(&'b str, usize)> {
        let raw = self.value(body, field).filter(|raw| raw.starts_with('{'))?;
        Some((raw, self.place(field)?.value.start))
    }
}

/// Where a Converse request has the thinking of Claude.
pub(super) const BEDROCK_THINKING: [&str; 2] = ["thinking", "reasoning_config"];

/// Claude's budgets in the object that begins at `start`. `off` and `lower`: the names of the two fields that may change.
fn claude(raw: &str, start: usize, cap: u64, [off, lower]: [&'static str; 2]) -> Vec<Fitted> {
    let mut fitted = Vec::new();
    each(raw, &["budget_tokens"], |value, at| {
        let Some(budget) = whole(value).filter(|budget| *budget >= cap) else { return };
        fitted.push(match below(budget, cap, LEAST_BUDGET) {
            Some(budget) => Fitted { at: start + at.start..start + at.end, text: budget.to_string(), field: lower },
            None => Fitted { at: start..start + raw.len(), text: r#"{"type":"disabled"}"#.to_owned(), field: off },
        });
    });
    // Thinking is turned off once, however often the budget occurs.
    if let Some(at) = fitted.iter().position(|one: &Fitted| one.field == off) {
        fitted = vec![fitted.swap_remove(at)];
    }
    fitted
}

/// Visits each member of an object with one of these keys, and the range of its value.
fn each(raw: &str, keys: &[&str], mut visit: impl FnMut(&str, Range<usize>)) {
    let mut found = 0;
    // Any other value has no members.
    let _ = raw::members(raw, |key, value| {
        if found < MOST && keys.contains(&&*unescape(key.get())) {
            found += 1;
            visit(value.get(), place(raw, value.get()));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::{Cap, Edits, scan};
    use crate::provider::CapField;

    fn edited(body: &str, tokens: u64, fields: &[CapField]) -> (String, Vec<String>) {
        let scanned = scan(body.as_bytes()).unwrap();
        let cap = Cap { tokens, fields };
        let edited_body = scanned.edit(body.as_bytes(), Edits { cap: Some(cap), ..Edits::default() });
        (String::from_utf8(edited_body.into_owned()).unwrap(), scanned.thinking_changed_by(body.as_bytes(), cap))
    }

    #[test]
    fn a_budget_stays_below_the_cap_that_is_written() {
        let (max, chat, gemini) = (&[CapField::MaxTokens][..], &[CapField::MaxTokens][..], &[CapField::Generation][..]);
        let budget = &["thinking.budget_tokens"][..];
        for (fields, cap, body, expected, changed) in [
            (
                max,
                2_000,
                r#"{"max_tokens": 32000, "thinking": {"type": "enabled", "budget_tokens": 16000}}"#,
                r#"{"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}"#,
                budget,
            ),
            (
                max,
                20_000,
                r#"{"max_tokens": 32000, "thinking": {"type": "enabled", "budget_tokens": 20000}}"#,
                r#"{"max_tokens": 20000, "thinking": {"type": "enabled", "budget_tokens": 10000}}"#,
                budget,
            ),
            (
                max,
                20_000,
                r#"{"max_tokens": 32000, "thinking": {"type": "enabled", "budget_tokens": 16000}}"#,
                r#"{"max_tokens": 20000, "thinking": {"type": "enabled", "budget_tokens": 16000}}"#,
                &[],
            ),
            // No budget fits below it.
            (
                max,
                1_024,
                r#"{"thinking": {"budget_tokens": 16000, "type": "enabled"}, "max_tokens": 32000}"#,
                r#"{"thinking": {"type":"disabled"}, "max_tokens": 1024}"#,
                &["thinking"],
            ),
            // The caller's own limit is lower: its budget is not changed, because thinking between calls may exceed it.
            (
                max,
                40_000,
                r#"{"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 16000}}"#,
                r#"{"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 16000}}"#,
                &[],
            ),
            (
                max,
                2_000,
                r#"{"thinking":{"budget\u005ftokens":16000}}"#,
                r#"{"max_tokens":2000,"thinking":{"budget\u005ftokens":1024}}"#,
                budget,
            ),
            (
                max,
                2_000,
                r#"{"thinking":{"type":"adaptive"}}"#,
                r#"{"max_tokens":2000,"thinking":{"type":"adaptive"}}"#,
                &[],
            ),
            (
                chat,
                500,
                r#"{"max_tokens":9000,"reasoning":{"max_tokens":4000}}"#,
                r#"{"max_tokens":500,"reasoning":{"max_tokens":250}}"#,
                &["reasoning.max_tokens"],
            ),
            (
                gemini,
                2_000,
                r#"{"generationConfig":{"maxOutputTokens":9000,"thinkingConfig":{"thinkingBudget":8000,"includeThoughts":true}}}"#,
                r#"{"generationConfig":{"maxOutputTokens":2000,"thinkingConfig":{"thinkingBudget":1000,"includeThoughts":true}}}"#,
                &["generationConfig.thinkingConfig.thinkingBudget"],
            ),
            (
                gemini,
                300,
                r#"{"generation_config":{"thinking_config":{"thinking_budget":8000}}}"#,
                r#"{"generation_config":{"max_output_tokens":300,"thinking_config":{"thinking_budget":150}}}"#,
                &["generationConfig.thinkingConfig.thinkingBudget"],
            ),
            (
                gemini,
                2_000,
                r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":-1}}}"#,
                r#"{"generationConfig":{"maxOutputTokens":2000,"thinkingConfig":{"thinkingBudget":-1}}}"#,
                &[],
            ),
        ] {
            let (edited_body, named) = edited(body, cap, fields);
            assert_eq!(edited_body, expected, "{body}, {cap}");
            assert_eq!(named, changed, "{body}, {cap}");
        }
    }
}

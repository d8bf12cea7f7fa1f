//! A decision, for a person to read.

use std::fmt::Write;

use outrigger_policy::{CandidateSeen, Explanation, Printable, RuleOutcome, ServingTier, Understood, grouped};

use super::Explained;
use crate::style::Style;
use crate::table::table;

impl Explained {
    /// As a text of several tables.
    pub fn text(&self, style: Style) -> String {
        let mut text = String::new();
        let mut line = |name: &str, what: &str| {
            let _ = writeln!(text, "{} {}", style.dim(format_args!("{name:<9}")), Printable(what));
        };
        line("request", &self.request_line());
        if let Some(key) = &self.key {
            line("key", &key.line);
        }
        if let Some(asked) = &self.decision.asked {
            line("model", &understood(asked));
        }
        if let Some(limit) = &self.decided_again {
            let told = format!("{limit} has too little left for the first decision: rules see it as used up");
            line("again", &told);
        }
        self.rules(&mut text, style);
        self.candidates(&mut text, style);
        self.limits(&mut text, style);
        text.push('\n');
        if let Some(reserved) = &self.reserved {
            let mut told = format!(
                "{} tokens of input, at most {} of output",
                grouped(reserved.input_tokens),
                grouped(reserved.output_tokens)
            );
            match &reserved.cost_usd {
                Some(cost) => told.push_str(&format!(": ${cost} at worst, at {}", reserved.at)),
                None => told.push_str(&format!(", at {}, whose price is unknown", reserved.at)),
            }
            match reserved.cap {
                Some(cap) if reserved.capped => {
                    told.push_str(&format!("; capped at {} for want of more", grouped(cap)));
                }
                Some(cap) => told.push_str(&format!("; capped at {}", grouped(cap))),
                None => {}
            }
            let _ = writeln!(text, "{} {}", style.dim("reserved "), Printable(told));
        }
        let _ = writeln!(text, "{}", self.verdict(style));
        for note in &self.notes {
            let _ = writeln!(text, "{} {}", style.dim("note     "), Printable(note));
        }
        text
    }

    fn request_line(&self) -> String {
        let mut told = format!("{}: {}", self.request.path, self.request.request_type);
        if let Some(tokens) = self.request.input_tokens {
            told.push_str(&format!(", about {} tokens of input", grouped(tokens)));
        }
        if !self.request.needs.is_empty() {
            told.push_str(&format!(", needs {}", self.request.needs.join(", ")));
        }
        told
    }

    fn rules(&self, text: &mut String, style: Style) {
        let Explanation { rules, chain, .. } = &self.decision;
        if rules.is_empty() {
            return;
        }
        let outcome = |outcome: RuleOutcome| match outcome {
            RuleOutcome::OutOfScope => "out of scope",
            RuleOutcome::Passed => "passed",
            RuleOutcome::NoMatch => "no match",
            RuleOutcome::Failed => "failed",
            RuleOutcome::Shadow => "shadow",
            RuleOutcome::Matches => "matches",
        };
        // Rounds are told only where rules were asked again.
        let round = |round: usize| if chain.is_empty() { String::new() } else { (round + 1).to_string() };
        let rows: Vec<_> = rules
            .iter()
            .map(|seen| [round(seen.round), seen.rule.clone(), outcome(seen.outcome).to_owned(), seen.why.clone()])
            .collect();
        text.push('\n');
        table(text, style, ["", "RULE", "OUTCOME", "WHY"], &rows);
        if let Some(shadow) = &self.decision.shadow {
            let first = shadow.first.as_deref().map_or_else(|| "have refused".to_owned(), |at| format!("go to {at}"));
            let _ = writeln!(text, "  RoutingRule {} would {first}, if it were enforced", shadow.rule);
        }
    }

    fn candidates(&self, text: &mut String, style: Style) {
        if self.decision.candidates.is_empty() {
            return;
        }
        let mut place = 0;
        let rows: Vec<_> = self
            .decision
            .candidates
            .iter()
            .zip(&self.prices)
            .map(|(candidate, price)| {
                place += usize::from(candidate.skipped.is_none());
                let number = if candidate.skipped.is_none() { place.to_string() } else { "-".to_owned() };
                let model = match candidate.upstream_model == candidate.model {
                    true => candidate.model.clone(),
                    false => format!("{} (as {})", candidate.model, candidate.upstream_model),
                };
                [
                    number,
                    candidate.provider.clone(),
                    model,
                    candidate.weight.map_or_else(String::new, |weight| weight.to_string()),
                    candidate.share.map_or_else(String::new, |share| format!("{} %", rounded(share))),
                    candidate.credentials.join(", "),
                    price.clone().unwrap_or_else(|| "unknown".to_owned()),
                    self.why(candidate),
                ]
            })
            .collect();
        let head = ["", "PROVIDER", "MODEL", "WEIGHT", "SHARE", "CREDENTIALS", "PRICE PER MILLION", "WHY"];
        text.push('\n');
        table(text, style, head, &rows);
    }

    fn why(&self, candidate: &CandidateSeen) -> String {
        let mut why = match (&candidate.skipped, &candidate.why) {
            (Some(word), Some(why)) if !why.starts_with(word.as_str()) => format!("{word}: {why}"),
            (Some(word), why) => why.clone().unwrap_or_else(|| word.clone()),
            (None, _) if candidate.weight.is_none() => "fallback".to_owned(),
            (None, _) if self.decision.rule.is_some() => "target".to_owned(),
            (None, _) if self.decision.asked.as_ref().is_some_and(|asked| asked.provider.is_some()) => {
                "pinned".to_owned()
            }
            (None, _) => "serves it".to_owned(),
        };
        if let Some(budget) = &candidate.downgraded_by {
            why.push_str(&format!(", downgraded by {budget}"));
        }
        why
    }

    fn limits(&self, text: &mut String, style: Style) {
        if self.limits.is_empty() {
            return;
        }
        let rows: Vec<_> = self
            .limits
            .iter()
            .map(|limit| {
                // Rounded down: what is nearly spent is not spent.
                let percent = format!("{} %", rounded((limit.percent * 10.0).floor() / 10.0));
                [limit.name.clone(), limit.spent.clone(), limit.limit.clone(), percent, limit.counts.join(", ")]
            })
            .collect();
        text.push('\n');
        table(text, style, ["LIMIT", "SPENT", "OF", "", "COUNTS"], &rows);
    }

    fn verdict(&self, style: Style) -> String {
        if let Some(refusal) = &self.decision.refusal {
            let told = format!("{} {}: {}", refusal.status, refusal.kind, refusal.message);
            return format!("{} {}", style.red("refused  "), Printable(told));
        }
        let tried: Vec<String> = self
            .decision
            .candidates
            .iter()
            .filter(|candidate| candidate.skipped.is_none())
            .map(|candidate| format!("{}/{}", candidate.provider, candidate.model))
            .collect();
        let resting = if self.decision.last_resort { ", though all of them rest" } else { "" };
        let by = match &self.decision.rule {
            Some(rule) => format!(" (RoutingRule {rule})"),
            None => String::new(),
        };
        let told = format!("{}{by}{resting}", tried.join(", then "));
        format!("{} {}", style.bold("goes to  "), Printable(told))
    }
}

fn understood(asked: &Understood) -> String {
    match (&asked.provider, &asked.served) {
        (Some(provider), _) if asked.blocked => format!("{}, of {provider}, which this key may not use", asked.model),
        (Some(provider), _) => format!("{}, pinned to {provider}", asked.model),
        (None, Some(served)) => {
            let by = match served.by {
                ServingTier::KeyModels => "the key's own list has it",
                ServingTier::ProviderModels => "the provider's models have it",
                ServingTier::Catalogue => "the built-in catalogue has it",
                ServingTier::AnyName => "whatever its name",
            };
            format!("{}, served by {}: {by}", asked.model, served.providers.join(", "))
        }
        (None, None) => format!("{}, served by no provider under this name", asked.model),
    }
}

/// With one decimal where it says something.
pub(crate) fn rounded(number: f64) -> String {
    let told = format!("{number:.1}");
    told.strip_suffix(".0").map_or_else(|| told.clone(), str::to_owned)
}

//! Writes a decision as text.

use std::fmt::Write;

use outrigger_policy::{
    ExplainedCandidate, ExplainedModelName, Explanation, Printable, RuleOutcome, ServingTier, grouped,
};

use super::Explained;
use crate::style::Style;
use crate::table::table;

impl Explained {
    /// The decision as several tables.
    pub fn text(&self, style: Style) -> String {
        let mut text = String::new();
        let mut line = |name: &str, what: &str| {
            let _ = writeln!(text, "{} {}", style.dim(format_args!("{name:<9}")), Printable(what));
        };
        line("request", &self.request_line());
        if let Some(key) = &self.key {
            line("key", &key.line);
        }
        if let Some(understood) = &self.decision.asked {
            line("model", &describe_model(understood));
        }
        if let Some(limit) = &self.decided_again {
            let note = format!("{limit} has too little left for the first decision: rules see it as used up");
            line("again", &note);
        }
        self.rules(&mut text, style);
        self.candidates(&mut text, style);
        self.limits(&mut text, style);
        text.push('\n');
        if let Some(reserved) = &self.reserved {
            let mut line = format!(
                "{} tokens of input, at most {} of output",
                grouped(reserved.input_tokens),
                grouped(reserved.output_tokens)
            );
            match &reserved.cost_usd {
                Some(cost) => line.push_str(&format!(": ${cost} at worst, at {}", reserved.at)),
                None => line.push_str(&format!(", at {}, whose price is unknown", reserved.at)),
            }
            match reserved.cap {
                Some(cap) if reserved.capped => {
                    line.push_str(&format!("; capped at {} because no more is left", grouped(cap)));
                }
                Some(cap) => line.push_str(&format!("; capped at {}", grouped(cap))),
                None => {}
            }
            let _ = writeln!(text, "{} {}", style.dim("reserved "), Printable(line));
        }
        let _ = writeln!(text, "{}", self.verdict(style));
        for note in &self.notes {
            let _ = writeln!(text, "{} {}", style.dim("note     "), Printable(note));
        }
        text
    }

    fn request_line(&self) -> String {
        let mut line = format!("{}: {}", self.request.path, self.request.request_type);
        if let Some(tokens) = self.request.input_tokens {
            line.push_str(&format!(", about {} tokens of input", grouped(tokens)));
        }
        if !self.request.needs.is_empty() {
            line.push_str(&format!(", needs {}", self.request.needs.join(", ")));
        }
        line
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
        // Rounds are shown only if rules applied again.
        let round = |round: usize| if chain.is_empty() { String::new() } else { (round + 1).to_string() };
        let rows: Vec<_> = rules
            .iter()
            .map(|rule| [round(rule.round), rule.rule.clone(), outcome(rule.outcome).to_owned(), rule.why.clone()])
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
        let mut position = 0;
        let rows: Vec<_> = self
            .decision
            .candidates
            .iter()
            .zip(&self.prices)
            .map(|(candidate, price)| {
                position += usize::from(candidate.skipped.is_none());
                let number = if candidate.skipped.is_none() { position.to_string() } else { "-".to_owned() };
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

    fn why(&self, candidate: &ExplainedCandidate) -> String {
        let mut why = match (&candidate.skipped, &candidate.why) {
            (Some(word), Some(why)) if !why.starts_with(word.as_str()) => format!("{word}: {why}"),
            (Some(word), why) => why.clone().unwrap_or_else(|| word.clone()),
            (None, _) if candidate.weight.is_none() => "fallback".to_owned(),
            (None, _) if self.decision.rule.is_some() => "target".to_owned(),
            (None, _) if self.decision.asked.as_ref().is_some_and(|understood| understood.provider.is_some()) => {
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
                // Rounded down, so that a nearly spent limit is not shown as spent.
                let percent = format!("{} %", rounded((limit.percent * 10.0).floor() / 10.0));
                [limit.name.clone(), limit.spent.clone(), limit.limit.clone(), percent, limit.counts.join(", ")]
            })
            .collect();
        text.push('\n');
        table(text, style, ["LIMIT", "SPENT", "OF", "", "COUNTS"], &rows);
    }

    fn verdict(&self, style: Style) -> String {
        if let Some(refusal) = &self.decision.refusal {
            let reason = format!("{} {}: {}", refusal.status, refusal.kind, refusal.message);
            return format!("{} {}", style.red("refused  "), Printable(reason));
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
        let route = format!("{}{by}{resting}", tried.join(", then "));
        format!("{} {}", style.bold("goes to  "), Printable(route))
    }
}

fn describe_model(understood: &ExplainedModelName) -> String {
    match (&understood.provider, &understood.served) {
        (Some(provider), _) if understood.blocked => {
            format!("{}, of {provider}, which this key may not use", understood.model)
        }
        (Some(provider), _) => format!("{}, pinned to {provider}", understood.model),
        (None, Some(served)) => {
            let by = match served.by {
                ServingTier::KeyModels => "the key's own list has it",
                ServingTier::ProviderModels => "the provider's models have it",
                ServingTier::Catalogue => "the built-in catalogue has it",
                ServingTier::AnyName => "under any name",
            };
            format!("{}, served by {}: {by}", understood.model, served.providers.join(", "))
        }
        (None, None) => format!("{}, no provider serves this name", understood.model),
    }
}

/// With one decimal, unless it is zero.
pub(crate) fn rounded(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

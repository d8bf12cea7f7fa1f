//! Decides recorded requests with two policies.
//!
//! Facts that a record lacks are not guessed. A condition that depends on them may be true or false, with the same
//! value in both policies. Only if the result is the same for every value, it is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use outrigger_policy::{Policy, Printable};

use super::decided::{Decided, PolicySide, UnknownCondition, UnknownDecision};
use super::records::RecordedDecision;
use crate::style::Style;

/// How many conditions are tried as true and as false for one request.
const ASSUMED_MAX: usize = 5;
/// How many decisions of each group are named.
const EXAMPLES_MAX: usize = 3;
/// Variables that depend on limits. They differ if the limits do.
const OF_LIMITS: [&str; 4] = ["budget_used", "tokens_used", "request", "session_used"];

/// The result for all records.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    requests: usize,
    same: usize,
    /// The decisions by old and new outcome.
    changed: BTreeMap<(Decided, Decided), Vec<String>>,
    /// The decisions by the reason why they are unknown.
    undecided: BTreeMap<String, Vec<String>>,
}

enum Verdict {
    Same,
    Changed(Decided, Decided),
    UnknownDecision(String),
}

/// Decides every record with both policies.
pub(crate) fn replay(old: &Policy, new: &Policy, records: &[RecordedDecision]) -> Replayed {
    let mut replayed = Replayed::default();
    let same_limits = old.document.budgets == new.document.budgets && old.limits.all == new.limits.all;
    let mut sides = (PolicySide::of(old), PolicySide::of(new));
    for record in records.iter().filter(|record| record.is_decided()) {
        replayed.requests += 1;
        match compare(&mut sides, record, same_limits) {
            Verdict::Same => replayed.same += 1,
            Verdict::Changed(was, is) => {
                replayed.changed.entry((was, is)).or_default().push(record.decision.clone());
            }
            Verdict::UnknownDecision(why) => replayed.undecided.entry(why).or_default().push(record.decision.clone()),
        }
    }
    replayed
}

fn compare((old, new): &mut (PolicySide<'_>, PolicySide<'_>), record: &RecordedDecision, same_limits: bool) -> Verdict {
    let mut outcomes: BTreeSet<(Decided, Decided)> = BTreeSet::new();
    let mut depends: BTreeSet<UnknownCondition> = BTreeSet::new();
    let mut remaining = vec![BTreeMap::new()];
    while let Some(assumed) = remaining.pop() {
        let both = old.decide(record, &assumed).and_then(|was| Ok((was, new.decide(record, &assumed)?)));
        match both {
            Ok(both) => {
                outcomes.insert(both);
            }
            Err(UnknownDecision::Always(why)) => return Verdict::UnknownDecision(why),
            Err(UnknownDecision::Depends(untold)) => {
                let of_limits = untold.reads.iter().any(|variable| OF_LIMITS.contains(variable)) && !same_limits;
                let assumable = assumed.len() < ASSUMED_MAX && !of_limits && !old.has_chains() && !new.has_chains();
                let when = untold.when.clone();
                depends.insert(untold);
                if !assumable {
                    return Verdict::UnknownDecision(reasons(&depends));
                }
                for value in [true, false] {
                    let mut assumed = assumed.clone();
                    assumed.insert(when.clone(), value);
                    remaining.push(assumed);
                }
            }
        }
    }
    let differs = |(was, is): &&(Decided, Decided)| was != is;
    match (outcomes.iter().filter(differs).count(), outcomes.len()) {
        (0, _) => Verdict::Same,
        (1, 1) => match outcomes.pop_first() {
            Some((was, is)) => Verdict::Changed(was, is),
            None => Verdict::Same,
        },
        _ => Verdict::UnknownDecision(reasons(&depends)),
    }
}

/// `RoutingRule search/premium reads headers`
fn reasons(depends: &BTreeSet<UnknownCondition>) -> String {
    let one = |untold: &UnknownCondition| format!("RoutingRule {} reads {}", untold.rule, untold.reads.join(" and "));
    depends.iter().map(one).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("; ")
}

impl Replayed {
    pub fn differs(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The result as text, the most frequent group first.
    pub fn text(&self, style: Style) -> String {
        let mut text = String::new();
        let mut changed: Vec<_> = self.changed.iter().collect();
        changed.sort_by_key(|(_, decisions)| std::cmp::Reverse(decisions.len()));
        for ((was, is), decisions) in changed {
            let _ = writeln!(
                text,
                "{:>6}  {}\n     -> {}\n        {}",
                decisions.len(),
                Printable(was),
                Printable(is),
                examples(style, decisions)
            );
        }
        let mut undecided: Vec<_> = self.undecided.iter().collect();
        undecided.sort_by_key(|(_, decisions)| std::cmp::Reverse(decisions.len()));
        for (why, decisions) in undecided {
            let reason = format!("can't say: {why}, which these records do not contain");
            let reason = if why.starts_with("RoutingRule") { reason } else { format!("can't say: {why}") };
            let _ =
                writeln!(text, "{:>6}  {}\n        {}", decisions.len(), Printable(reason), examples(style, decisions));
        }
        let number: usize = self.changed.values().map(Vec::len).sum();
        let undecided: usize = self.undecided.values().map(Vec::len).sum();
        let requests = self.requests;
        let mut summary = format!("{number} of {requests} recorded requests would be decided differently");
        if undecided > 0 {
            summary.push_str(&format!(", {undecided} undecided"));
        }
        let _ = writeln!(text, "{}", style.bold(summary));
        text
    }
}

fn examples(style: Style, decisions: &[String]) -> String {
    let shown: Vec<&str> = decisions.iter().take(EXAMPLES_MAX).map(String::as_str).collect();
    let more = if decisions.len() > shown.len() { ", …" } else { "" };
    style.dim(format_args!("{}{more}", Printable(shown.join(", "))))
}

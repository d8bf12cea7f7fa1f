//! Recorded requests, decided by two policies.
//!
//! What a record does not tell is not guessed. A condition that depends on it may be true or false, the same in both
//! policies: only if both policies agree, or differ in the same way, whatever it is, something is said.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use outrigger_policy::{Policy, Printable};

use super::decided::{Decided, PolicySide, Unsaid, Untold};
use super::records::RecordedDecision;
use crate::style::Style;

/// Conditions that are tried as true and as false for one request.
const MOST_ASSUMED: usize = 5;
/// Decisions that are named of each group.
const EXAMPLES: usize = 3;
/// Their values depend on limits, so that they are other ones where limits are.
const OF_LIMITS: [&str; 3] = ["budget_used", "tokens_used", "request"];

/// What came of all records.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    requests: usize,
    same: usize,
    /// By what was and what is decided: the decisions.
    changed: BTreeMap<(Decided, Decided), Vec<String>>,
    /// By why nothing can be said: the decisions.
    unsaid: BTreeMap<String, Vec<String>>,
}

enum Verdict {
    Same,
    Changed(Decided, Decided),
    Unsaid(String),
}

/// Decides every record by both.
pub(crate) fn replay(old: &Policy, new: &Policy, records: &[RecordedDecision]) -> Replayed {
    let mut replayed = Replayed::default();
    let same_limits = old.document.budgets == new.document.budgets && old.limits.all == new.limits.all;
    let mut sides = (PolicySide::of(old), PolicySide::of(new));
    for record in records.iter().filter(|record| record.is_decided()) {
        replayed.requests += 1;
        match judge(&mut sides, record, same_limits) {
            Verdict::Same => replayed.same += 1,
            Verdict::Changed(was, is) => {
                replayed.changed.entry((was, is)).or_default().push(record.decision.clone());
            }
            Verdict::Unsaid(why) => replayed.unsaid.entry(why).or_default().push(record.decision.clone()),
        }
    }
    replayed
}

fn judge((old, new): &mut (PolicySide<'_>, PolicySide<'_>), record: &RecordedDecision, same_limits: bool) -> Verdict {
    let mut outcomes: BTreeSet<(Decided, Decided)> = BTreeSet::new();
    let mut depends: BTreeSet<Untold> = BTreeSet::new();
    let mut left = vec![BTreeMap::new()];
    while let Some(assumed) = left.pop() {
        let both = old.decides(record, &assumed).and_then(|was| Ok((was, new.decides(record, &assumed)?)));
        match both {
            Ok(both) => {
                outcomes.insert(both);
            }
            Err(Unsaid::Never(why)) => return Verdict::Unsaid(why),
            Err(Unsaid::Depends(untold)) => {
                let of_limits = untold.reads.iter().any(|variable| OF_LIMITS.contains(variable)) && !same_limits;
                let assumable = assumed.len() < MOST_ASSUMED && !of_limits && !old.has_chains() && !new.has_chains();
                let when = untold.when.clone();
                depends.insert(untold);
                if !assumable {
                    return Verdict::Unsaid(reasons(&depends));
                }
                for value in [true, false] {
                    let mut assumed = assumed.clone();
                    assumed.insert(when.clone(), value);
                    left.push(assumed);
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
        _ => Verdict::Unsaid(reasons(&depends)),
    }
}

/// `RoutingRule search/premium reads headers`
fn reasons(depends: &BTreeSet<Untold>) -> String {
    let one = |untold: &Untold| format!("RoutingRule {} reads {}", untold.rule, untold.reads.join(" and "));
    depends.iter().map(one).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("; ")
}

impl Replayed {
    pub fn differs(&self) -> bool {
        !self.changed.is_empty()
    }

    /// For a person: the most frequent first.
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
        let mut unsaid: Vec<_> = self.unsaid.iter().collect();
        unsaid.sort_by_key(|(_, decisions)| std::cmp::Reverse(decisions.len()));
        for (why, decisions) in unsaid {
            let told = format!("can't say: {why}, which these records do not contain");
            let told = if why.starts_with("RoutingRule") { told } else { format!("can't say: {why}") };
            let _ =
                writeln!(text, "{:>6}  {}\n        {}", decisions.len(), Printable(told), examples(style, decisions));
        }
        let number: usize = self.changed.values().map(Vec::len).sum();
        let unsaid: usize = self.unsaid.values().map(Vec::len).sum();
        let requests = self.requests;
        let mut summary = format!("{number} of {requests} recorded requests would be decided differently");
        if unsaid > 0 {
            summary.push_str(&format!(", of {unsaid} nothing can be said"));
        }
        let _ = writeln!(text, "{}", style.bold(summary));
        text
    }
}

fn examples(style: Style, decisions: &[String]) -> String {
    let shown: Vec<&str> = decisions.iter().take(EXAMPLES).map(String::as_str).collect();
    let more = if decisions.len() > shown.len() { ", …" } else { "" };
    style.dim(format_args!("{}{more}", Printable(shown.join(", "))))
}

//! What passes while the ledger can't be reached: of an object's own limits, never of another's.

use outrigger_crds::fail_open::{LedgerUnavailablePolicy, MaxPerPod, OnLedgerUnavailable};
use outrigger_policy::{FailOpenDoc, LimitDoc, LimitsDoc, Unit};

use crate::findings::finding::Finding;
use crate::limits::{budgets, whole};
use crate::objects::number::millis;
use crate::read::source::Object;

const PATH: &str = "spec.onLedgerUnavailable";
/// The default duration: ten minutes, in milliseconds.
const LASTS: u64 = 600_000;

/// The limits of one unit: the path of their list, and the name and amount of each.
pub(crate) type OwnLimits<'a> = (String, Unit, Vec<(&'a str, u64)>);

/// Compiles an object's settings. `own` are its own limits. A unit without an amount stays closed.
pub(crate) fn compile(
    object: &Object,
    settings: Option<&OnLedgerUnavailable>,
    own: &[OwnLimits<'_>],
    findings: &mut Vec<Finding>,
) -> Option<FailOpenDoc> {
    let settings = settings.filter(|settings| settings.policy == LedgerUnavailablePolicy::FailOpen)?;
    let MaxPerPod { budget, tokens, requests } = settings.max_per_pod.as_ref()?;
    let document = FailOpenDoc {
        budget: budget.map(|amount| amount.nanos()),
        tokens: tokens.map(whole),
        requests: requests.map(whole),
        ms: settings.max_duration.map_or(LASTS, millis),
    };
    for (field, unit) in [("budget", Unit::Money), ("tokens", Unit::Tokens), ("requests", Unit::Requests)] {
        let Some(most) = document.most(unit) else { continue };
        let path = format!("{PATH}.maxPerPod.{field}");
        let of_unit = || own.iter().filter(|(_, of, limits)| *of == unit && !limits.is_empty());
        if of_unit().next().is_none() {
            let message = format!(
                "{} has no limit of its own in {}, so this opens nothing: a Budget or an LLMProvider says so for its own \
                 limits",
                object.kind,
                budgets::unit(unit)
            );
            findings.push(object.warning(&path, message));
        }
        let smaller = of_unit().find_map(|(list, _, limits)| {
            limits.iter().find(|(_, max)| *max < most).map(|(name, _)| place(list, name))
        });
        if let Some(limit) = smaller {
            let message = format!(
                "is more than the whole of {limit}, so one pod without the ledger could use twice what that allows: lower it"
            );
            findings.push(object.warning(&path, message));
        }
    }
    Some(document)
}

/// A Budget's own limit has no list and no name.
fn place(list: &str, name: &str) -> String {
    match name.is_empty() {
        true => list.to_owned(),
        false => format!("{list}[{name}]"),
    }
}

/// The limits at `path` of an object, by their lists.
pub(crate) fn own<'a>(path: &str, limits: &'a LimitsDoc) -> [OwnLimits<'a>; 3] {
    fn named(limits: &[LimitDoc]) -> Vec<(&str, u64)> {
        limits.iter().map(|limit| (limit.name.as_str(), limit.max)).collect()
    }
    [
        (format!("{path}.budgets"), Unit::Money, named(&limits.budgets)),
        (format!("{path}.tokens"), Unit::Tokens, named(&limits.tokens)),
        (format!("{path}.requests"), Unit::Requests, named(&limits.requests)),
    ]
}

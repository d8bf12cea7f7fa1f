//! The ledger's findings in words: as a metric label, and for people.

use outrigger_ledger::shared::leader::FindingKind;

/// Every kind, as a metric label and in words.
pub const KINDS: [FindingKind; 7] = [
    FindingKind::Less,
    FindingKind::More,
    FindingKind::NotAllowed,
    FindingKind::OldEpoch,
    FindingKind::Unknown,
    FindingKind::Overspent,
    FindingKind::Absurd,
];

/// A label of metrics.
#[must_use]
pub fn word(kind: FindingKind) -> &'static str {
    row(kind).0
}

/// The problem, for people.
#[must_use]
pub fn meaning(kind: FindingKind) -> &'static str {
    row(kind).1
}

fn row(kind: FindingKind) -> (&'static str, &'static str) {
    match kind {
        FindingKind::Less => ("less", "it reported less than before: its state was set back"),
        FindingKind::More => (
            "more",
            "it reported more than the ledger ever granted, or the ledger's store was set back: what it has spent \
                 counts, and it is granted anew",
        ),
        FindingKind::NotAllowed => ("not_allowed", "it reported on a limit that none of its keys has"),
        FindingKind::OldEpoch => ("old_epoch", "it reported from a state that its pod has given up"),
        FindingKind::Unknown => ("unknown", "it holds something of an account that was closed"),
        FindingKind::Overspent => (
            "overspent",
            "it reported that it spent more than it was granted, by more than the whole limit: only so much was counted",
        ),
        FindingKind::Absurd => ("absurd", "it asked for far more than the whole limit, or named far too much"),
    }
}

//! The ledger's side: decides grants.
//!
//! A leader first takes over the content of the store. Then every input changes its state in memory and produces
//! outputs: writes, grants, findings. Its grants are covered by a ceiling that the store has. It does not rely on
//! anything that the store does not certainly have.
//!
//! It never reads back what it wrote, unless the outcome is unknown or another writer was faster. If that was a later
//! leader, this one ends.

mod account;
mod actions;
mod books;
mod debts;
mod figures;
mod granting;
mod input;
mod line;
mod oldest;
mod page;
mod pending_action;
mod periods;
mod report;
mod serving;
mod shards;
mod storing;
mod takeover;
mod write_rate;
#[cfg(test)]
mod wrong;

use std::collections::BTreeSet;

use outrigger_core::Millis;

use crate::protocol::{Grants, LimitKey, Term};
use crate::shared::record::HolderId;
use books::LedgerBooks;
pub use input::{
    AccountStatus, ActionOutcome, ActionRefusal, FindingKind, GatewayLimits, Input, LONGEST_ACTION_ID, LedgerAction,
    LedgerFinding, LedgerVerb, LimitFigures, Output, SPENDERS_SHOWN, SharedLimit,
};
use takeover::{Takeover, TakeoverProgress};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct LedgerLimitNo(u32);
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct AccountNo(u32);
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct HolderNo(u32);
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PageNo(u32);

/// A leader of the ledger, from its start until another one leads. For one thread at a time.
#[derive(Clone, Debug)]
pub struct Leader {
    phase: LeaderPhase,
    /// The last policies, for a leader that has not taken over yet.
    limits: Vec<SharedLimit>,
    present: Option<BTreeSet<LimitKey>>,
    gone: Vec<String>,
}

#[derive(Clone, Debug)]
enum LeaderPhase {
    TakingOver(Takeover),
    Leading(Box<LedgerBooks>),
    Deposed,
}

impl Default for Leader {
    fn default() -> Self {
        Leader::new(Term(0))
    }
}

impl Leader {
    /// A leader whose term will be higher than `above`: the term that [`Output::Deposed`] reported to the previous one,
    /// or zero.
    #[must_use]
    pub fn new(above: Term) -> Leader {
        let phase = LeaderPhase::TakingOver(Takeover::new(above));
        Leader { phase, limits: Vec::new(), present: None, gone: Vec::new() }
    }

    /// Handles one input, and returns the outputs. `now` is the time since 1970 by the leader's wall clock, the only
    /// clock that determines periods.
    #[must_use]
    pub fn step(&mut self, now: Millis, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        match &mut self.phase {
            LeaderPhase::TakingOver(_) => self.take_over(now, input, &mut out),
            LeaderPhase::Leading(books) => {
                books.step(now, input);
                out.append(&mut books.out);
                if out.iter().any(|output| matches!(output, Output::Deposed { .. })) {
                    self.phase = LeaderPhase::Deposed;
                }
            }
            LeaderPhase::Deposed => {}
        }
        out
    }

    fn take_over(&mut self, now: Millis, input: Input, out: &mut Vec<Output>) {
        let LeaderPhase::TakingOver(takeover) = &mut self.phase else { return };
        let progress = match input {
            Input::Loaded(objects) => {
                takeover.loaded(objects, out);
                TakeoverProgress::GoOn
            }
            Input::Written { object, version } => takeover.written(object, version, now, out),
            Input::Conflict { object } | Input::WriteUnknown { object } | Input::WriteFailed { object } => {
                takeover.failed(object, out);
                TakeoverProgress::GoOn
            }
            Input::Reloaded { object, stored } => takeover.reloaded(object, stored, now, out),
            Input::Limits(limits) => {
                self.limits = limits;
                TakeoverProgress::GoOn
            }
            Input::HolderGone { pod } => {
                self.gone.push(pod);
                TakeoverProgress::GoOn
            }
            Input::Report { pod, report, .. } => {
                // A gateway may follow already. It repeats its report until that is answered.
                if let Some(term) = takeover.term().filter(|term| report.term < *term) {
                    let holder = HolderId { pod, epoch: report.epoch };
                    let grants = Grants { epoch: report.epoch, term, answers: report.number, ..Grants::default() };
                    out.push(Output::Grants { holder, grants });
                }
                TakeoverProgress::GoOn
            }
            Input::Tick => takeover.fence(now, out),
            Input::Present(limits) => {
                self.present = Some(limits);
                TakeoverProgress::GoOn
            }
            // Whoever asked asks again.
            Input::Act(_) | Input::Workload { .. } => TakeoverProgress::GoOn,
        };
        match progress {
            TakeoverProgress::GoOn => {}
            TakeoverProgress::Deposed(by) => {
                self.phase = LeaderPhase::Deposed;
                out.push(Output::Deposed { by });
            }
            TakeoverProgress::Fenced(fenced) => {
                let mut books = Box::new(LedgerBooks::new(fenced, now));
                books.adopt(std::mem::take(&mut self.limits), now);
                books.present = self.present.take();
                for pod in self.gone.drain(..) {
                    books.pod_gone(&pod);
                }
                out.append(&mut books.out);
                self.phase = LeaderPhase::Leading(books);
            }
        }
    }

    /// The term in which it leads; `None` while it does not.
    #[must_use]
    pub fn leads(&self) -> Option<Term> {
        match &self.phase {
            LeaderPhase::Leading(books) => Some(books.term),
            LeaderPhase::TakingOver(_) | LeaderPhase::Deposed => None,
        }
    }

    /// The pods of all holders that may still report: the driver reports which of them no longer exist.
    pub fn pods(&self) -> impl Iterator<Item = &str> {
        let books = if let LeaderPhase::Leading(books) = &self.phase { Some(books) } else { None };
        books.into_iter().flat_map(|books| books.pods())
    }

    /// The state of the served account of a limit; `None` while this leader does not lead, and for a limit that is not
    /// shared.
    #[must_use]
    pub fn status(&self, limit: &LimitKey) -> Option<AccountStatus> {
        match &self.phase {
            LeaderPhase::Leading(books) => books.status(limit),
            LeaderPhase::TakingOver(_) | LeaderPhase::Deposed => None,
        }
    }

    /// What became of actions since this was called last. None while it does not lead.
    pub fn outcomes(&mut self) -> Vec<ActionOutcome> {
        match &mut self.phase {
            LeaderPhase::Leading(books) => std::mem::take(&mut books.outcomes),
            LeaderPhase::TakingOver(_) | LeaderPhase::Deposed => Vec::new(),
        }
    }

    /// The figures of limits that differ from those of the last call; of the first call, all. A new leader waits for
    /// gateways before it shows less than they have spent.
    pub fn figures(&mut self) -> Vec<LimitFigures> {
        match &mut self.phase {
            LeaderPhase::Leading(books) => books.figures(),
            LeaderPhase::TakingOver(_) | LeaderPhase::Deposed => Vec::new(),
        }
    }

    /// How many writes it has requested since it leads.
    #[must_use]
    pub fn writes(&self) -> u64 {
        if let LeaderPhase::Leading(books) = &self.phase { books.shards.writes } else { 0 }
    }
}

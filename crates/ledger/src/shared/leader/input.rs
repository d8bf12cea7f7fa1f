//! The inputs and outputs of a leader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_core::{Millis, Periods};

use crate::protocol::{AccountKey, FleetAccount, Grants, LimitKey, Term, UsageReport};
use crate::shared::record::{ActionRecord, HolderId, RaiseRecord, StoreObject, StoreRecord, StoreVersion, Stored};

/// A limit, as the current policies define it.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedLimit {
    pub id: LimitKey,
    pub max: u64,
    pub window: Periods,
}

/// The limits of a gateway's keys, by the policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayLimits {
    /// The limits that the keys have now: the gateway may want more of them.
    pub wanted: BTreeSet<LimitKey>,
    /// The limits that the keys had before. The gateway settles and returns what it holds of them, and is granted
    /// nothing more.
    pub former: BTreeSet<LimitKey>,
    /// The highest debt of limits that fail open: spent while the gateway could not reach the ledger.
    pub fail_open: BTreeMap<LimitKey, u64>,
}

/// What a gateway may do with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitUse {
    Want,
    Settle,
    Nothing,
}

impl GatewayLimits {
    pub(super) fn of(&self, limit: &LimitKey) -> LimitUse {
        if self.wanted.contains(limit) {
            LimitUse::Want
        } else if self.former.contains(limit) {
            LimitUse::Settle
        } else {
            LimitUse::Nothing
        }
    }
}

/// An input of a leader.
#[derive(Clone, Debug)]
pub enum Input {
    /// Every object of the store, including the index if there is one. The first input, exactly once.
    Loaded(Vec<Stored>),
    /// All limits that are shared now. Limits that are no longer named grant nothing.
    Limits(Vec<SharedLimit>),
    /// A gateway's report. `pod` is authenticated, and `limits` are those of the keys that it is bound to.
    Report { pod: String, limits: Arc<GatewayLimits>, report: UsageReport },
    /// This pod is gone for good. After [`Loaded`](Self::Loaded) the driver also sends this for every pod that is in
    /// the records and not in the cluster. The end of a stream is not a reason to send it.
    HolderGone { pod: String },
    /// The write was made.
    Written { object: StoreObject, version: StoreVersion },
    /// Another process wrote, created or deleted it: nothing was written.
    Conflict { object: StoreObject },
    /// The outcome is unknown: a time-out.
    WriteUnknown { object: StoreObject },
    /// It was certainly not written, and may be tried again.
    WriteFailed { object: StoreObject },
    /// The current object; `None` if there is none.
    Reloaded { object: StoreObject, stored: Option<(StoreVersion, StoreRecord)> },
    /// Somebody asks for an action on a limit. Its outcome is one of [`Leader::outcomes`](super::Leader::outcomes) when the
    /// store has it.
    Act(LedgerAction),
    /// Limits that objects have, whether or not a policy in force has them. Accounts of others leave the store. Until it is
    /// known, all are taken to be there.
    Present(BTreeSet<LimitKey>),
    /// What a pod belongs to, such as `shop/Deployment/search`: its spending is listed under it.
    Workload { pod: String, workload: Arc<str> },
    /// The time has advanced. Sent about every 100 ms.
    Tick,
}

/// An output of a leader.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write it if it is still at this version (`None`: if it does not exist), and report the outcome. At most one
    /// write or reload of an object is in progress.
    Write {
        object: StoreObject,
        expected: Option<StoreVersion>,
        record: StoreRecord,
    },
    /// Read it, and send it as [`Input::Reloaded`]. Retry until that succeeds.
    Reload {
        object: StoreObject,
    },
    /// For the holder's stream, if there is one; it may be lost.
    Grants {
        holder: HolderId,
        grants: Grants,
    },
    Finding(LedgerFinding),
    /// Another process leads, or the store has an unexpected state. This leader grants and writes nothing any more. A
    /// new leader may be created and given the content of the store.
    Deposed {
        by: Option<Term>,
    },
}

/// An impossible value in a gateway's report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFinding {
    pub holder: HolderId,
    pub account: Option<AccountKey>,
    pub kind: FindingKind,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKind {
    /// One of its sums is lower than before: its journal was restored from an older state.
    Less,
    /// It has more than the ledger granted, or returned more than it had.
    More,
    /// No key of its pod has this limit.
    NotAllowed,
    /// Its pod has begun a later journal.
    OldEpoch,
    /// The ledger does not know it, or has closed its accounts, and it holds something.
    Unknown,
    /// It has spent more than it held, by more than the whole limit. Only that much counts.
    Overspent,
    /// It requests far more than the whole limit, or names far too many limits.
    Absurd,
}

/// What somebody asks for about a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerAction {
    /// It is done once. At most [`LONGEST_ACTION_ID`] letters, digits, `-`, `_` and `.`.
    pub id: String,
    pub limit: LimitKey,
    pub verb: LedgerVerb,
}

/// The longest id of an action, in bytes.
pub const LONGEST_ACTION_ID: usize = 64;

/// What is done about a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerVerb {
    /// What holders that are gone may have spent counts as unspent.
    Forgive,
    /// What was spent in the period that is served counts no more.
    Reset,
    /// The limit is higher by so much until then.
    Raise { by: u64, until: Millis },
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionOutcome {
    pub id: String,
    pub limit: LimitKey,
    pub result: Result<ActionRecord, ActionRefusal>,
}

/// Why an action was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionRefusal {
    #[error("no gateway has a policy with this limit, or gateways do not share it")]
    NotShared,
    #[error("the id of an action is at most {LONGEST_ACTION_ID} letters, digits, `-`, `_` and `.`")]
    Id,
    #[error("the time until which the limit is to be raised has passed")]
    Past,
    #[error("the ledger can't do it at present")]
    Unavailable,
}

/// The state of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountStatus {
    /// The account of the served period.
    pub key: AccountKey,
    pub end: Option<Millis>,
    /// Over all accounts that count.
    pub fleet: FleetAccount,
    /// What may still be granted.
    pub available: u64,
    pub holders: usize,
    /// A raise that is in force.
    pub raise: Option<RaiseRecord>,
    /// The workloads that spent most, the first most of all, at most [`SPENDERS_SHOWN`].
    pub spenders: Vec<(String, u64)>,
}

/// So many workloads are listed for a limit.
pub const SPENDERS_SHOWN: usize = 10;

/// The figures of a limit, when they differ from those before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitFigures {
    pub limit: LimitKey,
    /// Whether a policy in force has it. If not, the figures are those of accounts that still count.
    pub named: bool,
    /// Absent: there is nothing to say of it any more.
    pub status: Option<AccountStatus>,
}

//! What a gateway and the ledger say to each other.
//!
//! ```text
//! gateway                                                              ledger
//!   usage   spent, reserved, granted, returned, want of each account ─►
//!                                                                    ◄─ grants   granted to this gateway in all, and how
//!                                                                                the fleet's account stands
//! ```
//!
//! Every number of an account is a sum since its period began, and only grows (`reserved` and `want` are of the moment). So
//! the higher of two is the later one, and a message that is lost, repeated or late changes nothing.
//!
//! **Who holds.** A holder is a journal of a gateway: its pod, and the epoch at which the journal was begun. A pod that
//! lost its journal is another holder.
//!
//! **Which leader.** Each leader of the ledger has a term, higher than those before it. A gateway follows the highest
//! that it has heard of, before it reports to it, and takes no grant of a lower one. A leader relies on what a gateway
//! says that it was granted only where the report names the leader's own term, and grants a gateway nothing before it has
//! reported all of its accounts to this term.

use outrigger_core::Millis;
use serde::{Deserialize, Serialize};

use crate::name::{LONGEST_NAME, LONGEST_UNIT, fitted};

/// A leadership of the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Term(pub u64);

/// A limit that gateways share. Its name and its unit are all that the ledger finds it by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitKey {
    /// As [`LimitSpec::name`](crate::LimitSpec::name): `Budget search/team`.
    pub limit: String,
    /// As [`LimitSpec::unit`](crate::LimitSpec::unit): `usd`.
    pub unit: String,
}

impl LimitKey {
    /// By the name and the unit that policies have. Long ones are cut, and told apart by a hash, as they are on disk: both
    /// sides must do so.
    #[must_use]
    pub fn new(name: &str, unit: &str) -> LimitKey {
        let (limit, unit) = (fitted(name, LONGEST_NAME), fitted(unit, LONGEST_UNIT));
        LimitKey { limit: limit.into_owned(), unit: unit.into_owned() }
    }
}

/// An account of a limit: of one of its periods, or of one bucket of a rolling window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountKey {
    #[serde(flatten)]
    pub limit: LimitKey,
    /// The first millisecond of its period.
    pub start: Millis,
}

/// What a gateway says of its accounts: of those that changed since its last report, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// When the gateway's journal was begun, in milliseconds; with the pod, the holder.
    pub epoch: u64,
    /// The leader that it follows. Zero: it has heard of none, and asks which one.
    pub term: Term,
    /// Rises with each report of a holder, across streams and restarts; the answer names it.
    pub number: u64,
    /// It names every account of which the gateway knows. The first report to a leader and the first of a stream are such.
    #[serde(default, skip_serializing_if = "is_false")]
    pub whole: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountUsage>,
    /// Limits of which it knows no account of now, and what it would take of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<WantedLimit>,
    /// The process is about to end: nothing is reserved, and what is left is returned.
    #[serde(default, skip_serializing_if = "is_false")]
    pub last: bool,
}

/// One account, as its holder has it. Amounts are in the account's unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountUsage {
    #[serde(flatten)]
    pub account: AccountKey,
    /// More than `granted - returned` where something cost more than was reserved for it.
    pub spent: u64,
    pub reserved: u64,
    pub granted: u64,
    pub returned: u64,
    /// How much more it would take now; zero for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub want: u64,
    /// Less than this is of no use to it: one reservation. At most `want`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub least: u64,
}

/// A limit that a gateway begins to count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedLimit {
    #[serde(flatten)]
    pub limit: LimitKey,
    /// Zero: it asks how the limit stands.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub want: u64,
    /// As [`AccountUsage::least`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub least: u64,
}

/// What the ledger answers, and says by itself when something changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grants {
    /// Of the holder that is answered: what was said to the one before it is nothing to the next.
    pub epoch: u64,
    pub term: Term,
    /// The report that was taken last.
    pub answers: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountGrant>,
    /// The holder is unknown or closed: its journal was begun before the ledger's own records, or it has said its last
    /// word. It begins a new journal; nothing of the old one counts any more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub void: bool,
}

/// What one account was granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountGrant {
    #[serde(flatten)]
    pub account: AccountKey,
    /// The first millisecond after its period; absent if it never ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Millis>,
    /// For how long it may be reserved from, by the gateway's own monotonic clock from the moment at which it sent what is
    /// answered. Absent if it never ends; zero for one that has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for_ms: Option<u64>,
    /// In how long the period begins, where it is granted ahead of time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub begins_in_ms: u64,
    /// In all, to this holder.
    pub granted: u64,
    /// What of this holder's the ledger can't lose any more.
    pub durable: DurableUsage,
    /// The period has ended, and all of the holder's part is settled and kept: it forgets the account.
    #[serde(default, skip_serializing_if = "is_false")]
    pub over: bool,
    /// What it holds and does not need now is to be returned.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recall: bool,
    /// Why it was not granted what it wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<Shortage>,
    pub fleet: FleetAccount,
}

/// What the ledger's store has of a holder's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurableUsage {
    pub spent: u64,
    pub returned: u64,
}

/// Why a want was not met in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shortage {
    /// Not even if every holder returned all that it has not spent.
    Spent,
    /// Other holders have it.
    Leased,
    /// The ledger's store does not answer, or the leader does not know yet what is left: ask again.
    Unavailable,
}

/// How an account stands over all holders, in its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetAccount {
    /// With what it is raised by.
    pub limit: u64,
    /// By so much the limit is raised for a time, above what policies say.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub raised: u64,
    /// Of the whole window: of a rolling one, over all buckets that count.
    pub spent: u64,
    pub reserved: u64,
    /// Held by gateways, and neither spent nor reserved.
    pub leased: u64,
    /// Granted to holders that are gone, and not known to be unspent: it counts as spent.
    pub unconfirmed: u64,
    /// So long ago the ledger last heard of a holder that has some of it.
    pub age_ms: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(amount: &u64) -> bool {
    *amount == 0
}

//! The messages of a gateway and the ledger.
//!
//! ```text
//! gateway                                                              ledger
//!   usage   spent, reserved, granted, returned, want of each account ─►
//!                                                                    ◄─ grants   granted to this gateway in all, and how
//!                                                                                the fleet's account stands
//! ```
//!
//! Every number of an account is a sum since its period began, and only grows (`reserved` and `want` are current
//! values). So the higher of two values is the later one, and a message that is lost, repeated or late changes nothing.
//!
//! **Holders.** A holder is a journal of a gateway: its pod, and the epoch at which the journal was begun. A pod that
//! lost its journal is another holder.
//!
//! **Leaders.** Each leader of the ledger has a term, higher than all earlier ones. A gateway follows the highest term
//! that it knows, before it reports to that leader, and accepts no grant of a lower term. A leader trusts the granted
//! amounts in a report only if the report names the leader's own term. It grants a gateway nothing before the gateway
//! has reported all of its accounts in this term.

use outrigger_core::Millis;
use serde::{Deserialize, Serialize};

use crate::name::{LONGEST_NAME, LONGEST_UNIT, fitted};

/// A leadership of the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Term(pub u64);

/// A limit that gateways share. The ledger identifies it only by name and unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitKey {
    /// As [`LimitSpec::name`](crate::LimitSpec::name): `Budget search/team`.
    pub limit: String,
    /// As [`LimitSpec::unit`](crate::LimitSpec::unit): `usd`.
    pub unit: String,
}

impl LimitKey {
    /// Creates it from a policy's name and unit. Long names are truncated and distinguished by a hash, as on disk: both
    /// sides must do so.
    #[must_use]
    pub fn new(name: &str, unit: &str) -> LimitKey {
        let (limit, unit) = (fitted(name, LONGEST_NAME), fitted(unit, LONGEST_UNIT));
        LimitKey { limit: limit.into_owned(), unit: unit.into_owned() }
    }
}

/// An account of a limit: of one period, or of one bucket of a rolling window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountKey {
    #[serde(flatten)]
    pub limit: LimitKey,
    /// The first millisecond of its period.
    pub start: Millis,
}

/// A gateway's report: the accounts that changed since its last report, or all accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageReport {
    /// When the gateway's journal was begun, in milliseconds; together with the pod it identifies the holder.
    pub epoch: u64,
    /// The leader that it follows. Zero: it knows none, and asks for the current one.
    pub term: Term,
    /// Rises with each report of a holder, across streams and restarts; the answer names it.
    pub number: u64,
    /// Whether it names every account that the gateway knows. The first report to a leader and the first report of a
    /// stream are complete.
    #[serde(default, skip_serializing_if = "is_false")]
    pub whole: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountUsage>,
    /// Limits without an account in this period, and how much the gateway would take of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<WantedLimit>,
    /// The process is about to end: nothing is reserved, and the rest is returned.
    #[serde(default, skip_serializing_if = "is_false")]
    pub last: bool,
}

/// One account, as its holder has it. Amounts are in the account's unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountUsage {
    #[serde(flatten)]
    pub account: AccountKey,
    /// Exceeds `granted - returned` if a request cost more than was reserved for it.
    pub spent: u64,
    pub reserved: u64,
    pub granted: u64,
    pub returned: u64,
    /// How much more the gateway would take now; zero for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub want: u64,
    /// Less than this is not useful: the size of one reservation. At most `want`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub least: u64,
}

impl AccountUsage {
    /// What will have been spent if every open reservation costs all that it reserved.
    #[must_use]
    pub fn at_most_spent(&self) -> u64 {
        self.spent.saturating_add(self.reserved)
    }
}

/// A limit that a gateway starts to count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedLimit {
    #[serde(flatten)]
    pub limit: LimitKey,
    /// Zero: the gateway only asks for the state of the limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub want: u64,
    /// As [`AccountUsage::least`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub least: u64,
}

/// The ledger's answer to a report, or a message about a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grants {
    /// The holder that is addressed: messages to an earlier holder of the pod do not apply to the next one.
    pub epoch: u64,
    pub term: Term,
    /// The last report that the ledger applied.
    pub answers: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountGrant>,
    /// The holder is unknown or closed: its journal is older than the ledger's records, or it has sent its final
    /// report. It begins a new journal; the old one no longer counts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub void: bool,
    /// Of a void journal: what each account of the answered report is charged with. The holder has spent more since, or the
    /// ledger's store was set back: what is not charged continues in the new journal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charged: Vec<ChargedAccount>,
}

/// What an account of a void journal is charged with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChargedAccount {
    #[serde(flatten)]
    pub account: AccountKey,
    /// Of all that the journal has ever spent, so much counts.
    pub charged: u64,
}

/// The grant of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountGrant {
    #[serde(flatten)]
    pub account: AccountKey,
    /// The first millisecond after its period; absent if it never ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Millis>,
    /// How long the account may be used for reservations, measured by the gateway's monotonic clock from the time at
    /// which it sent the answered report. Absent if it never ends; zero if it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for_ms: Option<u64>,
    /// The time until the period begins, if it is granted ahead of time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub begins_in_ms: u64,
    /// The total that this holder was granted.
    pub granted: u64,
    /// The part of this holder's account that is stored durably.
    pub durable: DurableUsage,
    /// The period has ended, and the holder's part is settled and stored: the gateway forgets the account.
    #[serde(default, skip_serializing_if = "is_false")]
    pub over: bool,
    /// The gateway should return what it holds and does not need now.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recall: bool,
    /// Why the want was not granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<Shortage>,
    pub fleet: FleetAccount,
}

/// The stored state of a holder's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurableUsage {
    pub spent: u64,
    pub returned: u64,
}

/// Why a want was not granted in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shortage {
    /// Not even if every holder returned everything that it has not spent.
    Spent,
    /// Other holders have it.
    Leased,
    /// The ledger's store does not answer, or the leader does not know yet what is left: the gateway should ask again.
    Unavailable,
}

/// The state of an account over all holders, in its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetAccount {
    /// With what it is raised by.
    pub limit: u64,
    /// By so much the limit is raised for a time, above what policies say.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub raised: u64,
    /// Of the whole window; of a rolling one, the sum over all buckets that count.
    pub spent: u64,
    pub reserved: u64,
    /// Held by gateways, and neither spent nor reserved.
    pub leased: u64,
    /// Granted to holders that are gone, and not known to be unspent: it counts as spent.
    pub unconfirmed: u64,
    /// How long ago the ledger last got a report from the holder that has been silent longest.
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

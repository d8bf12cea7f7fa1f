//! An action on a limit that waits for the store.

use super::input::LedgerAction;
use super::{AccountNo, PageNo};
use crate::shared::record::ActionRecord;

/// An action that the store does not have yet.
#[derive(Clone, Debug)]
pub(super) struct PendingAction {
    pub(super) action: LedgerAction,
    pub(super) record: ActionRecord,
    /// The account that keeps the id.
    pub(super) account: AccountNo,
    /// Pages, and what has to have come back to them.
    pub(super) pages: Vec<(PageNo, u128)>,
    /// Accounts, and what has to be written off of them.
    pub(super) written_off: Vec<(AccountNo, u128)>,
    /// Whether the account has the id.
    pub(super) noted: bool,
}

//! Grants that wait until a gateway's connection has room.
//!
//! Each number in them is a sum, so only the newest entry of an account is kept. A gateway that reads slowly uses
//! memory only for the accounts that it has.

use std::collections::BTreeMap;

use bytes::Bytes;
use outrigger_ledger::protocol::{AccountGrant, AccountKey, Grants};
use outrigger_sync::FromOperator;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Keeps a line short.
const ACCOUNTS_A_LINE: usize = 256;

/// The pending grants of one gateway.
#[derive(Debug, Default)]
pub(super) struct WaitingGrants {
    state: Mutex<State>,
    came: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The journal of the gateway's last report. Grants for an earlier journal would be mistaken for the later one's.
    epoch: Option<u64>,
    /// Its accounts are in `accounts`.
    waiting: Option<Grants>,
    accounts: BTreeMap<AccountKey, AccountGrant>,
}

impl WaitingGrants {
    /// The gateway has reported, as the holder of this epoch.
    pub(super) fn reported(&self, epoch: u64) {
        let mut state = self.state.lock();
        if state.epoch != Some(epoch) {
            *state = State { epoch: Some(epoch), ..State::default() };
        }
    }

    /// Whether they are for the gateway's current holder.
    pub(super) fn push(&self, epoch: u64, mut grants: Grants) -> bool {
        let mut state = self.state.lock();
        if state.epoch != Some(epoch) {
            return false;
        }
        let accounts = std::mem::take(&mut grants.accounts);
        match &mut state.waiting {
            Some(waiting) if waiting.term == grants.term => {
                waiting.answers = waiting.answers.max(grants.answers);
                waiting.void |= grants.void;
                waiting.charged.append(&mut grants.charged);
            }
            Some(waiting) if waiting.term > grants.term => return true,
            waiting => {
                *waiting = Some(grants);
                state.accounts.clear();
            }
        }
        state.accounts.extend(accounts.into_iter().map(|grant| (grant.account.clone(), grant)));
        drop(state);
        self.came.notify_one();
        true
    }

    /// Waits until there are some. May wake without any.
    pub(super) async fn came(&self) {
        self.came.notified().await;
    }

    /// Another message is pending.
    pub(super) fn wake(&self) {
        self.came.notify_one();
    }

    /// All pending grants, as lines.
    pub(super) fn take(&self) -> Vec<Bytes> {
        let (waiting, accounts) = {
            let mut state = self.state.lock();
            (state.waiting.take(), std::mem::take(&mut state.accounts))
        };
        let Some(head) = waiting else { return Vec::new() };
        let mut accounts = accounts.into_values();
        let mut lines = Vec::new();
        loop {
            let some: Vec<AccountGrant> = accounts.by_ref().take(ACCOUNTS_A_LINE).collect();
            if some.is_empty() && !lines.is_empty() {
                return lines;
            }
            let grants = Grants { accounts: some, ..head.clone() };
            lines.push(outrigger_sync::write(&FromOperator::Grants(grants)).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use outrigger_ledger::protocol::{LimitKey, Term};
    use outrigger_sync::LineReader;

    use super::*;

    fn grant(start: i64, granted: u64) -> AccountGrant {
        let limit = LimitKey { limit: "Budget a/b".to_owned(), unit: "usd".to_owned() };
        serde_json::from_value(serde_json::json!({
            "limit": limit.limit, "unit": limit.unit, "start": start, "granted": granted,
            "durable": {"spent": 0, "returned": 0},
            "fleet": {"limit": 9, "spent": 0, "reserved": 0, "leased": 0, "unconfirmed": 0, "ageMs": 0},
        }))
        .unwrap()
    }

    fn grants(term: u64, answers: u64, accounts: Vec<AccountGrant>) -> Grants {
        Grants { epoch: 5, term: Term(term), answers, accounts, ..Grants::default() }
    }

    fn taken(waiting: &WaitingGrants) -> Vec<Grants> {
        let mut lines = LineReader::default();
        waiting.take().iter().for_each(|line| lines.push(line).unwrap());
        std::iter::from_fn(|| lines.from_operator().unwrap())
            .map(|message| match message {
                FromOperator::Grants(grants) => grants,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn the_newest_grant_of_an_account_is_sent() {
        let waiting = WaitingGrants::default();
        waiting.reported(5);
        assert!(waiting.push(5, grants(2, 1, vec![grant(0, 10), grant(1, 10)])));
        assert!(waiting.push(5, grants(2, 2, vec![grant(0, 30)])));
        assert_eq!(taken(&waiting), [grants(2, 2, vec![grant(0, 30), grant(1, 10)])]);
        assert_eq!(taken(&waiting), []);
    }

    #[test]
    fn grants_of_another_leader_are_replaced() {
        let waiting = WaitingGrants::default();
        waiting.reported(5);
        waiting.push(5, grants(2, 1, vec![grant(0, 10)]));
        waiting.push(5, grants(3, 1, Vec::new()));
        waiting.push(5, grants(2, 2, vec![grant(0, 90)]));
        assert_eq!(taken(&waiting), [grants(3, 1, Vec::new())]);
    }

    #[test]
    fn grants_for_another_journal_are_not_sent() {
        let waiting = WaitingGrants::default();
        assert!(!waiting.push(5, grants(2, 1, vec![grant(0, 10)])), "it has not reported yet");
        waiting.reported(5);
        waiting.push(5, grants(2, 1, vec![grant(0, 10)]));
        waiting.reported(6);
        assert!(!waiting.push(5, grants(2, 1, vec![grant(0, 10)])));
        assert_eq!(taken(&waiting), []);
    }

    #[test]
    fn many_accounts_are_several_lines() {
        let waiting = WaitingGrants::default();
        waiting.reported(5);
        waiting.push(5, grants(2, 1, (0..600).map(|start| grant(start, 1)).collect()));
        let lines: Vec<usize> = taken(&waiting).iter().map(|line| line.accounts.len()).collect();
        assert_eq!(lines, [256, 256, 88]);
    }
}

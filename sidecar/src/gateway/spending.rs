//! What is spent, for records, metrics, the admin port, and log lines about thresholds.

use std::time::{Duration, SystemTime};

use outrigger_core::{Millis, Money};
use outrigger_ledger::protocol::Grants;
use outrigger_ledger::shared::holder::MessageOutcome;
use outrigger_ledger::{LimitNo, Settled};
use outrigger_policy::{Limit, LimitIndex, ThresholdAction, Unit};
use serde::Serialize;

use crate::duration::{millis, seconds_until};
use crate::gateway::Gateway;
use crate::request::refusal::Refusal;
use crate::runtime::accounts::LedgerHold;
use crate::runtime::active_policy::ActivePolicy;
use crate::runtime::limits::LimitAccount;
use crate::runtime::sessions::SessionUse;
use crate::telemetry::metrics::MeasuredLimit;
use crate::telemetry::record::BudgetRecord;

/// A limit, as the admin port shows it. Money is in dollars, as a decimal.
#[derive(Debug, Serialize)]
pub struct LimitLevel {
    pub name: String,
    pub unit: &'static str,
    pub limit: String,
    pub spent: String,
    /// Reserved for requests in progress.
    pub reserved: String,
    /// What is left.
    pub available: String,
    /// How much of a shared limit this gateway may reserve without a request to the ledger; absent if it grants the
    /// limit itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted: Option<String>,
    /// When its window began, and when it ends: null for a window that never ends.
    pub since: Option<String>,
    pub until: Option<String>,
    /// Of a shared limit: when the ledger last had reports of all gateways.
    pub as_of: String,
    /// What may pass while the ledger can't be reached; absent for a limit that stays closed then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_open: Option<FailOpenLevel>,
}

/// How far a limit has failed open, as the admin port shows it.
#[derive(Debug, Serialize)]
pub struct FailOpenLevel {
    pub max_per_pod: String,
    /// What this gateway has spent or reserved beyond what it was granted.
    pub used: String,
    /// Until when requests pass without a grant; absent while the ledger answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// The sessions that keys limit, as the admin port tells them: not which they are.
#[derive(Debug, Serialize)]
pub struct SessionsView {
    /// Those that have not ended.
    pub live: usize,
    /// Those that were forgotten before they had ended, to make room for others.
    pub forgotten: u64,
    /// What each session may use.
    pub limits: Vec<SessionLimitView>,
}

/// A limit that each session has.
#[derive(Debug, Serialize)]
pub struct SessionLimitView {
    pub name: String,
    pub unit: &'static str,
    pub limit: String,
}

impl Gateway {
    /// How much of a limit is spent: of one that each session has, by the request's session.
    pub(crate) fn spent(&self, served: &ActivePolicy, place: LimitIndex, session: Option<&SessionUse>) -> u64 {
        match served.limits.get(place) {
            Some(LimitAccount::Book(number)) => self.accounts.used(*number, millis(SystemTime::now())),
            Some(LimitAccount::Session(limit)) => session.map_or(0, |session| session.used(*limit)),
            None => 0,
        }
    }

    /// The state of the accounts that a request was charged to, for its record. Each occurs once, in order: a limit, and the
    /// start of the period, which may have ended by now.
    pub(crate) fn budgets(
        &self,
        served: &ActivePolicy,
        accounts: &mut Vec<(LimitIndex, Millis)>,
        session: Option<&SessionUse>,
    ) -> Vec<BudgetRecord> {
        accounts.sort_unstable();
        accounts.dedup();
        if accounts.is_empty() {
            return Vec::new();
        }
        let as_of = SystemTime::now();
        let numbers = accounts.iter().filter_map(|(place, start)| Some((served.limits.get(*place)?.number()?, *start)));
        let mut in_book = self.accounts.accounts_of(numbers, millis(as_of)).into_iter();
        let recorded = |(place, _): &(LimitIndex, Millis)| {
            let limit = served.policy.limits.all.get(*place)?;
            let (used, since, age) = match served.limits.get(*place)? {
                LimitAccount::Book(_) => in_book.next()?,
                LimitAccount::Session(own) => (session.map_or(0, |session| session.used(*own)), None, Duration::ZERO),
            };
            Some(BudgetRecord {
                name: limit.id.to_string(),
                unit: limit.unit.word(),
                spent: amount(limit, used),
                limit: amount(limit, limit.max),
                since: since.map(instant),
                as_of: as_of.checked_sub(age),
            })
        };
        accounts.iter().filter_map(recorded).collect()
    }

    /// How many sessions there are, and what each may use; absent if no key limits sessions.
    pub(crate) fn sessions(&self, served: &ActivePolicy) -> Option<SessionsView> {
        served.policy.keys.iter().any(|key| key.session.is_some()).then(|| {
            let (live, forgotten) = self.sessions.count();
            let limits = served.policy.limits.all.iter().filter(|limit| limit.per_session);
            let limits = limits.map(|limit| SessionLimitView {
                name: limit.id.to_string(),
                unit: limit.unit.word(),
                limit: amount(limit, limit.max),
            });
            SessionsView { live, forgotten, limits: limits.collect() }
        })
    }

    /// Limits that have periods, each with its number.
    fn in_book<'s>(&self, served: &'s ActivePolicy) -> impl Iterator<Item = (&'s Limit, LimitNo)> + use<'s> {
        let all = served.policy.limits.all.iter().zip(&served.limits);
        all.filter_map(|(limit, account)| Some((limit, account.number()?)))
    }

    /// Every limit in force.
    pub(crate) fn levels(&self, served: &ActivePolicy) -> Vec<LimitLevel> {
        let now = SystemTime::now();
        let time = |ms: Millis| humantime::format_rfc3339_seconds(instant(ms)).to_string();
        let level = |(limit, number): (&Limit, LimitNo)| {
            let state = self.accounts.state(number, millis(now));
            let gone = state.shared.map_or(0, |shared| shared.unconfirmed);
            let age = state.shared.map_or(Duration::ZERO, |shared| shared.age);
            let as_of = now.checked_sub(age).unwrap_or(now);
            let left = state.max.saturating_sub(state.spent).saturating_sub(state.reserved).saturating_sub(gone);
            LimitLevel {
                name: limit.id.to_string(),
                unit: limit.unit.word(),
                limit: amount(limit, state.max),
                spent: amount(limit, state.spent),
                reserved: amount(limit, state.reserved),
                available: amount(limit, left),
                granted: state.shared.map(|shared| amount(limit, shared.free)),
                since: (state.start > 0).then(|| time(state.start)),
                until: state.end.map(time),
                as_of: humantime::format_rfc3339_millis(as_of).to_string(),
                fail_open: state.shared.and_then(|shared| shared.fail_open).map(|open| FailOpenLevel {
                    max_per_pod: amount(limit, open.most),
                    used: amount(limit, open.owed),
                    until: open.lasts.map(|ms| {
                        let until = now.checked_add(Duration::from_millis(ms)).unwrap_or(now);
                        humantime::format_rfc3339_seconds(until).to_string()
                    }),
                }),
            }
        };
        self.in_book(served).map(level).collect()
    }

    /// Updates the metrics of the usage of the active limits.
    pub(crate) fn measure(&self) {
        let Some(served) = self.served() else { return };
        self.measure_concurrency(&served);
        let now = millis(SystemTime::now());
        let levels = self.in_book(&served).map(|(limit, number)| {
            let state = self.accounts.state(number, now);
            MeasuredLimit {
                name: limit.id.to_string(),
                unit: limit.unit,
                used: state.spent,
                max: state.max,
                age: state.shared.map(|shared| shared.age),
            }
        });
        self.metrics.levels(levels);
        self.metrics.sessions(self.sessions(&served).map(|sessions| (sessions.live, sessions.forgotten)));
    }

    /// Applies a message of the ledger to the accounts. Other gateways' usage may cross a threshold here.
    pub(crate) fn granted(&self, grants: &Grants) {
        let (taken, changes) = self.accounts.take(grants, millis(SystemTime::now()));
        match taken {
            MessageOutcome::Void => tracing::warn!(
                "the ledger does not know what this gateway was granted before, or has closed it: it begins anew"
            ),
            MessageOutcome::Followed => tracing::info!(term = grants.term.0, "the ledger has a new leader"),
            MessageOutcome::Yes | MessageOutcome::Stale => {}
        }
        if let Some(served) = self.served() {
            self.crossed(&served, &changes);
            self.recovered(&served);
        }
    }

    /// An attempt passes limits without a grant, because the ledger does not answer.
    pub(crate) fn failed_open(&self, served: &ActivePolicy, held: &LedgerHold) {
        let now = millis(SystemTime::now());
        for number in held.failed_open() {
            let place = served.limits.position(|one| one.number() == Some(*number));
            let Some(limit) = place.and_then(|place| served.policy.limits.all.get(place)) else { continue };
            self.metrics.failed_open(&limit.id.to_string(), limit.unit);
            let Some(open) = self.accounts.state(*number, now).shared.and_then(|shared| shared.fail_open) else {
                continue;
            };
            if held.is_first_to_fail_open() {
                let (max_per_pod, seconds) = (amount(limit, open.most), open.lasts.map(|ms| ms.div_ceil(1_000)));
                tracing::warn!(
                    limit = %limit.id, %max_per_pod, seconds,
                    "the ledger can't be reached: requests pass without a grant, as onLedgerUnavailable allows"
                );
            }
        }
    }

    /// Logs that the ledger is back, if anything has passed without it.
    fn recovered(&self, served: &ActivePolicy) {
        for (number, attempts) in self.accounts.recovered() {
            let place = served.limits.position(|one| one.number() == Some(number));
            let limit = place.and_then(|place| served.policy.limits.all.get(place)).map(|limit| limit.id.to_string());
            tracing::info!(limit, attempts, "the ledger answers again: it is told what has passed without a grant");
        }
    }

    /// Logs the thresholds that a settlement has crossed.
    pub(crate) fn crossed(&self, served: &ActivePolicy, settled: &Settled) {
        for (number, before, spent) in settled.changes().filter(|(_, before, after)| before != after) {
            let place = served.limits.position(|one| one.number() == Some(number));
            let Some(limit) = place.and_then(|place| served.policy.limits.all.get(place)) else { continue };
            for threshold in &limit.thresholds {
                let at = u128::from(limit.max) * u128::from(threshold.percent);
                let reached = |spent: u64| u128::from(spent) * 100 >= at;
                if reached(spent) && !reached(before) {
                    let action = match &threshold.action {
                        ThresholdAction::Notify => "notify",
                        ThresholdAction::Downgrade { .. } => "downgrade",
                        ThresholdAction::Reject => "reject",
                    };
                    let (spent, max) = (amount(limit, spent), amount(limit, limit.max));
                    let percent = threshold.percent;
                    tracing::warn!(budget = %limit.id, percent, action, %spent, limit = %max, "a threshold is crossed");
                    self.metrics.threshold_crossed(&limit.id.to_string(), percent, action);
                }
            }
        }
    }

    /// A refusal of the policy, with the time at which the limit's next window begins.
    pub(crate) fn with_time(&self, served: &ActivePolicy, refusal: &outrigger_policy::PolicyRefusal) -> Refusal {
        let mut answer = Refusal::from(refusal);
        let Some(number) = refusal.limit.and_then(|place| served.limits.get(place)?.number()) else { return answer };
        let now = millis(SystemTime::now());
        answer.retry_after = self.accounts.state(number, now).end.map(|end| seconds_until(end, now));
        answer
    }
}

/// A time of the ledger.
fn instant(at: Millis) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or(0))
}

/// Dollars as a decimal, or a count.
fn amount(limit: &Limit, amount: u64) -> String {
    match limit.unit {
        Unit::Money => Money::from_nanos(amount).exact(),
        Unit::Tokens | Unit::Requests => amount.to_string(),
    }
}

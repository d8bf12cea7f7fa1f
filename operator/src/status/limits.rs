//! The limits of an object in its status: the state of each shared limit, and the one to show in the columns of
//! `kubectl get`.

use std::time::Duration;

use jiff::Timestamp;
use outrigger_core::{CalendarUnit, Money};
use outrigger_crds::OnLedgerUnavailable;
use outrigger_crds::fail_open::LedgerUnavailablePolicy;
use outrigger_crds::limits::{CalendarWindow, LimitPeriod};
use outrigger_policy::Unit;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::ledger::figures::{LedgerFigures, LimitFigure};
use crate::ledger::owned::{OwnedLimit, owned_limits};
use crate::objects::id::ObjectId;
use crate::status::amount::{exact, rounded};

/// Shares of a limit, in percent, at which a status is written immediately.
const LEVELS: [u64; 5] = [50, 80, 90, 95, 100];
/// Gateways share rolling windows of at least this.
const HOUR: Duration = Duration::from_secs(3_600);

/// The limits in a status.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ObjectLimits {
    /// `status.limits`; `None` if their state is unknown: then the stored value stays.
    pub(super) limits: Option<Vec<Value>>,
    pub(super) summary: Option<Value>,
    /// When a period ends.
    pub(super) resets: Option<Timestamp>,
    /// Thresholds of the object, in percent.
    pub(super) thresholds: Vec<u64>,
}

/// From a spec. `pods`: how many have a gateway with this object in its policy.
pub(super) fn of(id: &ObjectId, spec: &Value, ledger: &LedgerFigures, pods: usize, now: Timestamp) -> ObjectLimits {
    let thresholds = thresholds(spec);
    let per_pod = OnLedgerUnavailable::deserialize(spec.get("onLedgerUnavailable").unwrap_or(&Value::Null)).ok();
    let overshoot = |unit: Unit| most_without_ledger(per_pod.as_ref(), unit, pods);
    let owned = owned_limits(id, spec);
    let figures: Vec<(&OwnedLimit<'_>, LimitFigure)> =
        owned.iter().filter_map(|limit| Some((limit, ledger.of(&limit.key)?))).collect();
    let most_used = figures.iter().filter(|(_, figure)| used(figure) > 0).max_by(|one, other| {
        let (one, other) = (&one.1, &other.1);
        let share = |of: &LimitFigure, by: &LimitFigure| used(of) * u128::from(by.status.fleet.limit.max(1));
        share(one, other).cmp(&share(other, one))
    });
    let first = match most_used {
        Some((limit, figure)) => Some((*limit, Some(figure))),
        None => tightest(&owned).map(|limit| {
            (limit, figures.iter().find(|(known, _)| known.field == limit.field).map(|(_, figure)| figure))
        }),
    };
    let summary = first.and_then(|(limit, figure)| summary(limit, figure, now));
    let resets = owned.iter().filter_map(|limit| limit.resets(now)).min();
    let limits = figures.iter().take(outrigger_crds::status::LIMITS_MAX);
    let limits: Vec<Value> =
        limits.map(|(limit, figure)| entry(limit, figure, &thresholds, overshoot(limit.unit))).collect();
    let none_shared = owned.iter().all(|limit| limit.period().is_some_and(|period| is_short(&period)));
    let is_known = !limits.is_empty() || none_shared || ledger.is_absent();
    ObjectLimits { limits: is_known.then_some(limits), summary, resets, thresholds }
}

/// Whether each gateway counts it for itself.
fn is_short(period: &LimitPeriod) -> bool {
    period.rolling.as_ref().is_some_and(|rolling| rolling.get() < HOUR)
}

/// The amount that counts as spent.
fn used(figure: &LimitFigure) -> u128 {
    u128::from(figure.status.fleet.spent) + u128::from(figure.status.fleet.unconfirmed)
}

fn thresholds(spec: &Value) -> Vec<u64> {
    let listed = spec.get("thresholds").and_then(Value::as_array).into_iter().flatten();
    listed
        .filter_map(|threshold| threshold.get("percent")?.as_u64())
        .filter(|percent| (1..=100).contains(percent))
        .collect()
}

/// What all pods together may use beyond a limit while none of them can reach the ledger.
fn most_without_ledger(setting: Option<&OnLedgerUnavailable>, unit: Unit, pods: usize) -> u64 {
    let opens = setting.filter(|setting| setting.policy == LedgerUnavailablePolicy::FailOpen);
    let per_pod = opens.and_then(|setting| setting.max_per_pod.as_ref()).and_then(|most| match unit {
        Unit::Money => most.budget.map(Money::nanos),
        Unit::Tokens => most.tokens.and_then(|tokens| tokens.try_into().ok()),
        Unit::Requests => most.requests.and_then(|requests| requests.try_into().ok()),
    });
    per_pod.unwrap_or(0).saturating_mul(u64::try_from(pods).unwrap_or(u64::MAX))
}

fn entry(limit: &OwnedLimit<'_>, figure: &LimitFigure, thresholds: &[u64], overshoot: u64) -> Value {
    let (status, unit) = (&figure.status, limit.unit);
    let fleet = &status.fleet;
    let figure_of = |amount: u64| json!(exact(unit, amount));
    let mut entry = Map::new();
    let mut put = |name: &str, value: Value| drop(entry.insert(name.to_owned(), value));
    put("name", json!(limit.field));
    put("unit", json!(unit.word()));
    put("window", json!(limit.period().map(|period| window(&period)).unwrap_or_default()));
    put("limit", figure_of(fleet.limit));
    put("spent", figure_of(fleet.spent));
    put("reserved", figure_of(fleet.reserved));
    put("leased", figure_of(fleet.leased));
    put("unconfirmed", figure_of(fleet.unconfirmed));
    put("available", figure_of(status.available));
    put("worstCaseOvershoot", figure_of(overshoot));
    let percent = used(figure) * 100 / u128::from(fleet.limit.max(1));
    let reached = LEVELS.iter().chain(thresholds).filter(|level| u128::from(**level) <= percent).max();
    if let Some(reached) = reached {
        put("reached", json!(reached));
    }
    let period = limit.period();
    let rolls = period.as_ref().is_some_and(|period| period.rolling.is_some());
    // For a minute it would be written each minute, and be late.
    let minute = period.is_some_and(|period| period.window == Some(CalendarWindow::Calendar(CalendarUnit::Minute)));
    if !rolls
        && !minute
        && let Some(end) = status.end
    {
        put("periodStart", time(status.key.start));
        put("resetsAt", time(end));
    }
    if let Some(raise) = status.raise {
        put("raised", json!({"by": exact(unit, raise.by), "until": time(raise.until)}));
    }
    put("asOf", json!(seconds(figure.as_of)));
    let workloads: Vec<Value> = status
        .spenders
        .iter()
        .map(|(workload, spent)| json!({"workload": workload, "spent": exact(unit, *spent)}))
        .collect();
    if !workloads.is_empty() {
        put("workloads", workloads.into());
    }
    Value::Object(entry)
}

fn summary(limit: &OwnedLimit<'_>, figure: Option<&LimitFigure>, now: Timestamp) -> Option<Value> {
    let mut summary = Map::new();
    let mut put = |name: &str, value: Value| drop(summary.insert(name.to_owned(), value));
    match figure {
        Some(figure) => {
            put("spent", json!(rounded(limit.unit, figure.status.fleet.spent)));
            put("limit", json!(exact(limit.unit, figure.status.fleet.limit)));
            put("available", json!(rounded(limit.unit, figure.status.available)));
        }
        None => put("limit", json!(exact(limit.unit, limit.max()?))),
    }
    put("limitName", json!(limit.field));
    let soon = limit.period().is_some_and(|period| {
        matches!(period.window, Some(CalendarWindow::Calendar(CalendarUnit::Minute | CalendarUnit::Hour)))
    });
    // For a short period it would always be late.
    if let Some(resets) = limit.resets(now).filter(|_| !soon) {
        put("resets", json!(seconds(resets)));
    }
    Some(Value::Object(summary))
}

/// Money before tokens before requests; among these, the one that allows the least use in the same time. Limits of a key
/// for one of its providers are omitted.
fn tightest<'a, 'b>(owned: &'a [OwnedLimit<'b>]) -> Option<&'a OwnedLimit<'b>> {
    let of_all = owned.iter().filter(|limit| !limit.field.starts_with("spec.providers["));
    let rank = |unit: Unit| match unit {
        Unit::Money => 0,
        Unit::Tokens => 1,
        Unit::Requests => 2,
    };
    #[allow(clippy::cast_precision_loss, reason = "only to compare")]
    let pace = |limit: &OwnedLimit<'_>| {
        limit.max().map_or(f64::MAX, |max| max as f64) / limit.period().map_or(1.0, |period| length(&period))
    };
    of_all.min_by(|a, b| rank(a.unit).cmp(&rank(b.unit)).then(pace(a).total_cmp(&pace(b))))
}

/// `Month`, `24h`.
fn window(period: &LimitPeriod) -> String {
    match (period.window, &period.rolling) {
        (Some(window), _) => serde_json::to_value(window).ok().and_then(|word| word.as_str().map(str::to_owned)),
        (None, Some(rolling)) => Some(rolling.to_string()),
        (None, None) => None,
    }
    .unwrap_or_default()
}

/// Its approximate length, for comparison.
fn length(period: &LimitPeriod) -> f64 {
    let day = 86_400.0;
    match (period.window, &period.rolling) {
        (Some(CalendarWindow::Calendar(CalendarUnit::Minute)), _) => 60.0,
        (Some(CalendarWindow::Calendar(CalendarUnit::Hour)), _) => 3_600.0,
        (Some(CalendarWindow::Calendar(CalendarUnit::Day)), _) => day,
        (Some(CalendarWindow::Calendar(CalendarUnit::Week)), _) => 7.0 * day,
        (Some(CalendarWindow::Calendar(CalendarUnit::Month)), _) => 30.0 * day,
        (Some(CalendarWindow::Calendar(CalendarUnit::Quarter)), _) => 91.0 * day,
        (Some(CalendarWindow::Calendar(CalendarUnit::Year)), _) => 365.0 * day,
        (Some(CalendarWindow::Lifetime), _) => 36_500.0 * day,
        (None, Some(rolling)) => rolling.get().as_secs_f64().max(0.001),
        (None, None) => day,
    }
}

fn time(millis: i64) -> Value {
    json!(seconds(Timestamp::from_millisecond(millis).unwrap_or_default()))
}

/// As Kubernetes writes times.
pub(super) fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

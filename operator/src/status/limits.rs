//! The tightest limit of an object, for the columns of `kubectl get`. Only the gateways know what is *spent*, each its own part,
//! so that is left out and not guessed.

use jiff::Timestamp;
use outrigger_core::{CalendarUnit, Periods};
use outrigger_crds::BudgetSpec;
use outrigger_crds::limits::{CalendarWindow, LimitPeriod, LimitsSpec};
use serde_json::Value;

use crate::objects::id::ObjectKind;

/// The tightest limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub limit: String,
    pub name: String,
    /// When it begins anew. Absent: never, at every moment, or so soon that a status would only ever be late.
    pub resets: Option<Timestamp>,
}

/// Of a spec; `None`: it has no limit, or can't be read.
pub(super) fn summary(kind: ObjectKind, spec: &Value, now: Timestamp) -> Option<Summary> {
    match kind {
        ObjectKind::Budget => budget(&serde_json::from_value(spec.clone()).ok()?, now),
        ObjectKind::LlmProvider | ObjectKind::VirtualKey => {
            tightest(&serde_json::from_value(spec.get("limits")?.clone()).ok()?, now)
        }
        ObjectKind::RoutingRule | ObjectKind::ModelCatalog => None,
    }
}

fn budget(spec: &BudgetSpec, now: Timestamp) -> Option<Summary> {
    let (limit, name) = match (spec.amount, spec.tokens) {
        (Some(amount), _) => (amount.shortest(), "spec.amount"),
        (None, tokens) => (tokens?.to_string(), "spec.tokens"),
    };
    Some(Summary { limit, name: name.to_owned(), resets: resets(&spec.period, now) })
}

/// Money before tokens before requests; of these, the one that lets the least be used in the same time.
fn tightest(limits: &LimitsSpec, now: Timestamp) -> Option<Summary> {
    let money = limits.budgets.iter().map(|one| (0, "budgets", &one.name, one.amount.shortest(), &one.period));
    let tokens = limits.tokens.iter().map(|one| (1, "tokens", &one.name, one.max.to_string(), &one.period));
    let requests = limits.requests.iter().map(|one| (2, "requests", &one.name, one.max.to_string(), &one.period));
    let pace = |limit: &str, period: &LimitPeriod| limit.parse().unwrap_or(f64::MAX) / seconds(period);
    let (_, list, name, limit, period) = money
        .chain(tokens)
        .chain(requests)
        .min_by(|a, b| a.0.cmp(&b.0).then(pace(&a.3, a.4).total_cmp(&pace(&b.3, b.4))))?;
    Some(Summary { limit, name: format!("spec.limits.{list}[{name}]"), resets: resets(period, now) })
}

/// How long it is, about: to compare with.
fn seconds(period: &LimitPeriod) -> f64 {
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

fn resets(period: &LimitPeriod, now: Timestamp) -> Option<Timestamp> {
    let unit = match period.window? {
        // Never, or before anybody has read it.
        CalendarWindow::Lifetime | CalendarWindow::Calendar(CalendarUnit::Minute | CalendarUnit::Hour) => return None,
        CalendarWindow::Calendar(unit) => unit,
    };
    let zone = period.time_zone.as_deref().unwrap_or("UTC");
    let anchor = u8::try_from(period.anchor_day.unwrap_or(1)).ok()?;
    let end = Periods::calendar(unit, zone, anchor).ok()?.period(now.as_millisecond()).end?;
    Timestamp::from_millisecond(end).ok()
}

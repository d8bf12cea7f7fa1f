//! Limits: names, amounts and periods.

pub(crate) mod applies_to;
pub(crate) mod budgets;
pub(crate) mod fail_open;
pub(crate) mod zones;

use outrigger_core::Window;
use outrigger_crds::limits::{CalendarWindow, CountLimit, LimitPeriod, LimitsSpec};
use outrigger_crds::virtual_key::{SessionCountLimit, SessionLimits, SessionMoneyLimit};
use outrigger_policy::{LimitDoc, LimitsDoc, SessionDoc, SessionLimitDoc, headers};

use crate::findings::finding::Finding;
use crate::objects::number::{count, millis};
use crate::read::source::Object;

/// The limits at `path` of an object. `None` if one of them can't be counted: the object must not be used without it.
pub(crate) fn compile(
    object: &Object,
    path: &str,
    limits: Option<&LimitsSpec>,
    findings: &mut Vec<Finding>,
) -> Option<LimitsDoc> {
    let Some(limits) = limits else { return Some(LimitsDoc::default()) };
    let mut counted = |list: &str, limits: &[CountLimit]| {
        let one = |(index, limit): (usize, &CountLimit)| {
            let window = window(object, &format!("{path}.{list}[{index}]"), &limit.period, findings)?;
            Some(LimitDoc { name: limit.name.clone(), max: whole(limit.max), window })
        };
        limits.iter().enumerate().map(one).collect::<Vec<Option<LimitDoc>>>()
    };
    let requests = counted("requests", &limits.requests);
    let tokens = counted("tokens", &limits.tokens);
    let budgets: Vec<Option<LimitDoc>> = limits
        .budgets
        .iter()
        .enumerate()
        .map(|(index, limit)| {
            let window = window(object, &format!("{path}.budgets[{index}]"), &limit.period, findings)?;
            Some(LimitDoc { name: limit.name.clone(), max: limit.amount.nanos(), window })
        })
        .collect();
    let all = |limits: Vec<Option<LimitDoc>>| limits.into_iter().collect::<Option<Vec<LimitDoc>>>();
    Some(LimitsDoc {
        budgets: all(budgets)?,
        requests: all(requests)?,
        tokens: all(tokens)?,
        concurrent_requests: limits.concurrent_requests.map(count),
    })
}

/// The limits on sessions of a key. `None`, with a finding, if the header cannot carry a session's id.
pub(crate) fn of_sessions(object: &Object, limits: &SessionLimits, findings: &mut Vec<Finding>) -> Option<SessionDoc> {
    let header = &limits.header;
    // The schema knows the most common ones.
    if let Some(problem) = headers::session_header_problem(header) {
        let message = format!("the header `{header}` {}: choose another one, such as x-session-id", problem.words());
        findings.push(object.error("spec.limits.session.header", message));
        return None;
    }
    let counted = |limits: &[SessionCountLimit]| {
        limits.iter().map(|limit| SessionLimitDoc { name: limit.name.clone(), max: whole(limit.max) }).collect()
    };
    let money = |limit: &SessionMoneyLimit| SessionLimitDoc { name: limit.name.clone(), max: limit.amount.nanos() };
    Some(SessionDoc {
        header: header.clone(),
        required: limits.required,
        idle: millis(limits.idle),
        budgets: limits.budgets.iter().map(money).collect(),
        requests: counted(&limits.requests),
        tokens: counted(&limits.tokens),
        repeats: limits.repeats.map(count),
    })
}

/// The window of a limit at `path`. `None`, with a finding, if its time zone is unknown.
pub(crate) fn window(object: &Object, path: &str, period: &LimitPeriod, findings: &mut Vec<Finding>) -> Option<Window> {
    let zone = match &period.time_zone {
        None => "UTC",
        Some(zone) => {
            if let Err(message) = zones::check(zone) {
                findings.push(object.error(&format!("{path}.timeZone"), message));
                return None;
            }
            zone
        }
    };
    let anchor = period.anchor_day.and_then(|day| u8::try_from(day).ok()).unwrap_or(1);
    match period.window {
        Some(CalendarWindow::Calendar(unit)) => Some(Window::Calendar { unit, zone: zone.to_owned(), anchor }),
        Some(CalendarWindow::Lifetime) => Some(Window::Lifetime),
        // The schema ensures that one of the two is set.
        None => period.rolling.map(|rolling| Window::Rolling { ms: millis(rolling) }),
    }
}

/// The schema ensures that the number is positive.
pub(crate) fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

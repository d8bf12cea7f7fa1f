//! Actions on limits that people ask for with the annotation `outrigger.dev/ledger-action` of an object:
//!
//! ```json
//! {"id": "2026-11-30-1", "verb": "raise", "limit": "month", "amount": "$50", "until": "2026-12-01T00:00:00Z", "reason": "launch"}
//! ```
//!
//! | verb | does |
//! |---|---|
//! | `forgive` | what pods held that ended without a last report counts as unspent |
//! | `reset` | what was spent in the period that is served counts no more |
//! | `raise` | the limit is higher by `amount` until `until` |
//!
//! An action is done once for its `id`. The annotation may stay: `status.actions` says what became of it. Whoever may change
//! the object may ask, for they could raise the limit as well.

use jiff::{SignedDuration, Timestamp};
use outrigger_core::hash::fnv1a;
use outrigger_crds::status::ACTIONS_MAX;
use outrigger_ledger::shared::leader::{LONGEST_ACTION_ID, LedgerAction, LedgerVerb};
use outrigger_ledger::shared::record::ActionRecord;
use outrigger_policy::{Printable, Unit};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::ledger::owned::{OwnedLimit, owned_limits};
use crate::objects::id::ObjectId;
use crate::status::amount::{exact, read};
use crate::status::events::{EventAction, EventReason, NewEvent};
use crate::status::limits::seconds;

/// No annotation that is longer is read.
const TEXT_MAX: usize = 4_096;
/// Of a reason so many characters are kept.
const REASON_MAX: usize = 256;
/// A limit is raised for at most so long.
const RAISE_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Limits that a message names.
const NAMED: usize = 8;

/// An action as its annotation asks for it.
#[derive(Clone, Debug)]
pub(super) struct ReadAction {
    pub(super) id: String,
    pub(super) verb: Option<&'static str>,
    /// The field of the limit.
    limit: Option<String>,
    unit: Unit,
    until: Option<Timestamp>,
    reason: Option<String>,
    /// What the ledger is to do, or why it can't be done and what to do about it.
    pub(super) action: Result<LedgerAction, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionText {
    id: String,
    verb: String,
    #[serde(default)]
    limit: Option<String>,
    #[serde(default)]
    amount: Option<String>,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

/// Reads an annotation, against the spec of its object.
pub(super) fn requested(text: &str, object: &ObjectId, spec: Option<&Value>, now: Timestamp) -> ReadAction {
    let refused = |id: String, why: String| ReadAction {
        id,
        verb: None,
        limit: None,
        unit: Unit::Requests,
        until: None,
        reason: None,
        action: Err(why),
    };
    // Its own id can't be read: one of its text, so that it is reported once.
    let unread = || format!("unread-{:016x}", fnv1a(text.as_bytes()));
    if text.len() > TEXT_MAX {
        return refused(unread(), format!("the annotation is longer than {TEXT_MAX} bytes"));
    }
    let read: ActionText = match serde_json::from_str(text) {
        Ok(read) => read,
        Err(error) => {
            let example = r#"{"id": "1", "verb": "forgive", "limit": "month"}"#;
            let why =
                format!("the annotation is no action: {}. Write JSON such as {example}", Printable(&error.to_string()));
            return refused(unread(), why);
        }
    };
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if read.id.is_empty() || read.id.len() > LONGEST_ACTION_ID || !read.id.bytes().all(sane) {
        return refused(unread(), format!("id must be 1 to {LONGEST_ACTION_ID} letters, digits, `-`, `_` and `.`"));
    }
    let mut action = refused(read.id.clone(), String::new());
    action.reason = read.reason.as_ref().map(|reason| reason.chars().take(REASON_MAX).collect());
    action.action = judged(&read, object, spec, now, &mut action);
    action
}

fn judged(
    text: &ActionText,
    object: &ObjectId,
    spec: Option<&Value>,
    now: Timestamp,
    action: &mut ReadAction,
) -> Result<LedgerAction, String> {
    let verb = ["Forgive", "Reset", "Raise"].into_iter().find(|verb| verb.eq_ignore_ascii_case(&text.verb));
    action.verb = verb;
    let owned = spec.map(|spec| owned_limits(object, spec)).unwrap_or_default();
    let limit = chosen(&owned, text.limit.as_deref())?;
    (action.limit, action.unit) = (Some(limit.field.clone()), limit.unit);
    let verb = match verb {
        Some("Forgive") => LedgerVerb::Forgive,
        Some("Reset") => LedgerVerb::Reset,
        Some(_) => raise(text, limit.unit, now, action)?,
        None => {
            return Err(format!("verb `{}` is none: write forgive, reset or raise", Printable(&short(&text.verb))));
        }
    };
    Ok(LedgerAction { id: text.id.clone(), limit: limit.key.clone(), verb })
}

fn raise(text: &ActionText, unit: Unit, now: Timestamp, action: &mut ReadAction) -> Result<LedgerVerb, String> {
    let example = exact(unit, if unit == Unit::Money { 50_000_000_000 } else { 1_000 });
    let amount = text
        .amount
        .as_deref()
        .ok_or_else(|| format!("raise needs amount: by how much the limit is raised, such as {example}"))?;
    let by = read(unit, amount).ok_or_else(|| {
        format!("amount `{}` is no amount of this limit: write such as {example}", Printable(&short(amount)))
    })?;
    let until = text.until.as_deref().ok_or(
        "raise needs until: the time at which the raise ends. To raise the limit for good, change the object's spec",
    )?;
    let until: Timestamp = until
        .parse()
        .map_err(|_| format!("until `{}` is no time: write such as 2026-12-01T00:00:00Z", Printable(&short(until))))?;
    if until <= now {
        return Err(format!("until {} has passed: give a later time, and another id", seconds(until)));
    }
    if until.duration_since(now) > RAISE_MAX {
        return Err("a limit is raised for at most 366 days: to raise it for good, change the object's spec".to_owned());
    }
    action.until = Some(until);
    Ok(LedgerVerb::Raise { by, until: until.as_millisecond() })
}

/// By its field, or by its name alone if no other has that; without a word the only one.
fn chosen<'a, 'b>(owned: &'a [OwnedLimit<'b>], name: Option<&str>) -> Result<&'a OwnedLimit<'b>, String> {
    let names = || {
        let names: Vec<String> = owned.iter().take(NAMED).map(|limit| format!("`{}`", limit.field)).collect();
        names.join(", ")
    };
    let found: Vec<&OwnedLimit<'_>> = match name {
        None => owned.iter().collect(),
        Some(name) => match owned.iter().find(|limit| limit.field == name) {
            Some(limit) => vec![limit],
            None => owned.iter().filter(|limit| limit.short_name() == Some(name)).collect(),
        },
    };
    match (found.as_slice(), name) {
        ([limit], _) => Ok(limit),
        _ if owned.is_empty() => Err("the object has no limit that gateways share".to_owned()),
        ([], Some(name)) => Err(format!("the object has no limit `{}`: it has {}", Printable(&short(name)), names())),
        (_, Some(name)) => {
            Err(format!("`{}` is the name of several limits: write one of {}", Printable(&short(name)), names()))
        }
        (_, None) => Err(format!("limit says which one is meant: write one of {}", names())),
    }
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

impl ReadAction {
    /// As `status.actions` has it.
    pub(super) fn entry(&self, by: Option<&str>, now: Timestamp, outcome: &Result<ActionRecord, String>) -> Value {
        let mut entry = Map::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                entry.insert(name.to_owned(), json!(value));
            }
        };
        put("id", Some(self.id.clone()));
        put("verb", self.verb.map(str::to_owned));
        put("limit", self.limit.clone());
        put("by", by.map(|by| by.chars().take(253).collect()));
        let done = outcome.as_ref().ok();
        let at = done.and_then(|done| Timestamp::from_millisecond(done.at).ok());
        put("at", Some(seconds(at.unwrap_or(now))));
        put("amount", done.map(|done| self.amount(done)));
        put("until", self.until.map(seconds));
        put("reason", self.reason.clone());
        put("result", Some(if done.is_some() { "Done" } else { "Refused" }.to_owned()));
        put("message", outcome.as_ref().err().map(|why| why.chars().take(1_000).collect()));
        Value::Object(entry)
    }

    /// What is reported of it.
    pub(super) fn event(&self, by: Option<&str>, outcome: &Result<ActionRecord, String>) -> NewEvent {
        let by = by.map(|by| format!(", asked for by {by}")).unwrap_or_default();
        let limit = self.limit.as_deref().unwrap_or("a limit");
        match outcome {
            Ok(done) => {
                let amount = self.amount(done);
                let what = match (self.verb, self.until) {
                    (Some("Forgive"), _) => format!("{amount} that ended gateways held counts as unspent"),
                    (Some("Reset"), _) => format!("{amount} that was spent in this period counts no more"),
                    (_, until) => {
                        format!("the limit is higher by {amount} until {}", until.map(seconds).unwrap_or_default())
                    }
                };
                let reason = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                let note = format!("{limit}: {what} (action {}{by}){reason}", self.id);
                NewEvent { warning: false, reason: EventReason::LimitAction, action: EventAction::Act, note }
            }
            Err(why) => {
                let note = format!("The action {}{by} on {limit} was not done: {why}", self.id);
                NewEvent { warning: true, reason: EventReason::LimitActionRefused, action: EventAction::Act, note }
            }
        }
    }

    fn amount(&self, done: &ActionRecord) -> String {
        exact(self.unit, u64::try_from(done.amount).unwrap_or(u64::MAX))
    }
}

/// An action in a status: it was done, or refused.
pub(super) struct StandingAction<'a> {
    entry: &'a Value,
    newest: bool,
}

impl StandingAction<'_> {
    /// Whether others were asked for since. A tool that applies an old annotation again and again must not have it done once
    /// more when ten others came in between, so it is kept as the newest.
    pub(super) fn is_older(&self) -> bool {
        !self.newest
    }

    pub(super) fn entry(&self) -> Value {
        self.entry.clone()
    }
}

pub(super) fn standing<'a>(status: Option<&'a Value>, id: &str) -> Option<StandingAction<'a>> {
    let actions = status.and_then(|status| status.get("actions")).and_then(Value::as_array)?;
    let place = actions.iter().position(|action| is_of(action, id))?;
    Some(StandingAction { entry: actions.get(place)?, newest: place + 1 == actions.len() })
}

/// The actions to stand in a status: those of before, then `new`. An action is there once.
pub(super) fn merged(before: Option<&Value>, new: &[Value]) -> Vec<Value> {
    let before = before.and_then(|before| before.get("actions")).and_then(Value::as_array).into_iter().flatten();
    let id = |action: &Value| action.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let kept = before.filter(|action| new.iter().all(|new| !is_of(action, &id(new))));
    let all: Vec<Value> = kept.chain(new).cloned().collect();
    let first = all.len().saturating_sub(ACTIONS_MAX);
    all.into_iter().skip(first).collect()
}

fn is_of(action: &Value, id: &str) -> bool {
    action.get("id").and_then(Value::as_str) == Some(id)
}

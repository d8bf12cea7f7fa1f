//! Records Events, for those who look at an object with kubectl.
//!
//! Each change is recorded once, and there are never many Events. The same words again only raise a count. Each object may have
//! [`BURST`] Events and then one per [`REFILL`]; all objects together may have [`ALL_BURST`] and then one per [`ALL_REFILL`].
//! What is not recorded is still in the object's status.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;

use crate::api::{CallError, timed};
use crate::objects::id::ObjectId;
use crate::status::reason::ConditionReason;

/// Events of one object in a row.
pub const BURST: u32 = 10;
/// After those, one per this time.
pub const REFILL: Duration = Duration::from_secs(5 * 60);
/// Events of all objects in a row.
pub const ALL_BURST: u32 = 300;
pub const ALL_REFILL: Duration = Duration::from_millis(100);
/// The same message within this time is one Event, with a count.
const SAME: Duration = Duration::from_secs(10 * 60);
/// The most entries that are remembered, of each: objects and Events.
const REMEMBERED: usize = 10_000;
const CONTROLLER: &str = "outrigger.dev/operator";
/// In bytes; the API server takes no more.
const NOTE_MAX: usize = 1_024;
const NAME_MAX: usize = 200;
const INSTANCE_MAX: usize = 128;

/// What an Event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

impl Subject {
    /// An object of ours.
    #[must_use]
    pub fn of(id: &ObjectId, uid: &str) -> Self {
        Subject {
            api_version: format!("{}/{}", outrigger_crds::GROUP, outrigger_crds::VERSION),
            kind: id.kind.name().to_owned(),
            namespace: id.namespace.clone(),
            name: id.name.clone(),
            uid: uid.to_owned(),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Or nothing to worry about.
    pub warning: bool,
    pub reason: EventReason,
    /// What the operator did when it detected this.
    pub action: EventAction,
    /// The problem and the remedy. Never contains a credential.
    pub note: String,
}

/// Why something happened. Conditions use the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventReason {
    Condition(ConditionReason),
    /// A pod should have a gateway and does not: recorded for its creator.
    NotInjected,
    /// The ledger refused a gateway's report: recorded for its pod.
    UsageRefused,
    /// A limit is used to one of its thresholds.
    LimitReached,
    /// A limit of which something was spent is not in its object any more.
    LimitRemoved,
    /// An action on a limit was done.
    LimitAction,
    /// An action on a limit can't be done.
    LimitActionRefused,
}

impl EventReason {
    /// As in the Event.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            EventReason::Condition(reason) => reason.word(),
            EventReason::NotInjected => "NotInjected",
            EventReason::UsageRefused => "UsageRefused",
            EventReason::LimitReached => "LimitReached",
            EventReason::LimitRemoved => "LimitRemoved",
            EventReason::LimitAction => "LimitAction",
            EventReason::LimitActionRefused => "LimitActionRefused",
        }
    }
}

/// What the operator did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventAction {
    Judge,
    Serve,
    Inject,
    Count,
    Act,
}

impl EventAction {
    /// As in the Event.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            EventAction::Judge => "Judge",
            EventAction::Serve => "Serve",
            EventAction::Inject => "Inject",
            EventAction::Count => "Count",
            EventAction::Act => "Act",
        }
    }
}

/// What to do with an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
enum EventWrite {
    Create(String),
    /// It was recorded before, under that name, this many times by now.
    Count(String, i32),
}

/// A bucket of tokens.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u32,
    since: Instant,
}

impl Bucket {
    fn full(burst: u32, now: Instant) -> Self {
        Bucket { left: burst, since: now }
    }

    fn fill(&mut self, burst: u32, refill: Duration, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        let gained = u32::try_from(passed.as_millis() / refill.as_millis().max(1)).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(gained).min(burst);
        self.since = match self.left == burst {
            true => now,
            false => self.since + refill * gained,
        };
    }

    fn take(&mut self, burst: u32, refill: Duration, now: Instant) -> bool {
        self.fill(burst, refill, now);
        let any = self.left > 0;
        self.left = self.left.saturating_sub(1);
        any
    }
}

/// The recorded Events, and how many more may be recorded.
#[derive(Debug)]
struct EventLimiter {
    all: Bucket,
    each: HashMap<Subject, Bucket>,
    series: BTreeMap<(Subject, EventReason, String), EventSeries>,
}

#[derive(Clone, Debug)]
struct EventSeries {
    name: String,
    count: i32,
    last: Instant,
}

impl EventLimiter {
    fn new(now: Instant) -> Self {
        EventLimiter { all: Bucket::full(ALL_BURST, now), each: HashMap::new(), series: BTreeMap::new() }
    }

    /// `None` if enough were recorded.
    fn take(&mut self, subject: &Subject, event: &NewEvent, now: Instant, time: Timestamp) -> Option<EventWrite> {
        self.forget(now);
        let bucket = self.each.entry(subject.clone()).or_insert_with(|| Bucket::full(BURST, now));
        if !bucket.take(BURST, REFILL, now) || !self.all.take(ALL_BURST, ALL_REFILL, now) {
            return None;
        }
        let key = (subject.clone(), event.reason, event.note.clone());
        let fresh = |series: &&mut EventSeries| now.saturating_duration_since(series.last) < SAME;
        if let Some(series) = self.series.get_mut(&key).filter(fresh) {
            series.count = series.count.saturating_add(1);
            series.last = now;
            return Some(EventWrite::Count(series.name.clone(), series.count));
        }
        // Named like kubectl's own: no two of an object at the same nanosecond.
        let name = format!("{}.{:x}", cut(&subject.name, NAME_MAX), time.as_nanosecond());
        self.series.insert(key, EventSeries { name: name.clone(), count: 1, last: now });
        Some(EventWrite::Create(name))
    }

    /// Removes old entries if there are many, and all entries if there would be too many.
    fn forget(&mut self, now: Instant) {
        if self.each.len() >= REMEMBERED {
            self.each.retain(|_, bucket| {
                bucket.fill(BURST, REFILL, now);
                bucket.left < BURST
            });
        }
        if self.each.len() >= REMEMBERED {
            self.each.clear();
        }
        if self.series.len() >= REMEMBERED {
            self.series.retain(|_, series| now.saturating_duration_since(series.last) < SAME);
        }
        if self.series.len() >= REMEMBERED {
            self.series.clear();
        }
    }
}

/// Tells Events.
#[derive(Debug)]
pub struct EventRecorder {
    journal: Mutex<EventLimiter>,
    instance: String,
}

impl EventRecorder {
    /// `identity` is [`crate::settings::OperatorSettings::identity`].
    #[must_use]
    pub fn new(identity: &str, now: Instant) -> Self {
        let instance = if identity.is_empty() { CONTROLLER } else { identity };
        EventRecorder { journal: Mutex::new(EventLimiter::new(now)), instance: cut(instance, INSTANCE_MAX).to_owned() }
    }

    /// Records an Event, unless enough were recorded. Returns whether it did.
    ///
    /// # Errors
    /// [`CallError`]. Do not retry: the Event was counted.
    pub async fn record(&self, client: &Client, subject: &Subject, event: &NewEvent) -> Result<bool, CallError> {
        let time = Timestamp::now();
        let act = {
            let mut journal = self.journal.lock();
            journal.take(subject, event, Instant::now(), time)
        };
        let api: Api<Event> = Api::namespaced(client.clone(), &subject.namespace);
        match act {
            None => return Ok(false),
            Some(EventWrite::Create(name)) => {
                let event = self.event(name, subject, event, time);
                timed(api.create(&PostParams::default(), &event)).await?;
            }
            Some(EventWrite::Count(name, count)) => {
                let series = json!({"series": {"count": count, "lastObservedTime": MicroTime(time)}});
                timed(api.patch(&name, &PatchParams::default(), &Patch::Merge(&series))).await?;
            }
        }
        Ok(true)
    }

    fn event(&self, name: String, subject: &Subject, event: &NewEvent, time: Timestamp) -> Event {
        Event {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(subject.namespace.clone()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(time)),
            type_: Some(if event.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(event.reason.word().to_owned()),
            action: Some(event.action.word().to_owned()),
            note: Some(cut(&event.note, NOTE_MAX).to_owned()),
            regarding: Some(ObjectReference {
                api_version: Some(subject.api_version.clone()),
                kind: Some(subject.kind.clone()),
                namespace: Some(subject.namespace.clone()),
                name: Some(subject.name.clone()),
                uid: Some(subject.uid.clone()),
                ..ObjectReference::default()
            }),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        }
    }
}

/// At most this many bytes, of whole characters.
fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str) -> Subject {
        let id = ObjectId {
            kind: crate::objects::id::ObjectKind::Budget,
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        };
        Subject::of(&id, "u1")
    }

    fn event(note: &str) -> NewEvent {
        NewEvent {
            warning: true,
            reason: EventReason::Condition(ConditionReason::Invalid),
            action: EventAction::Judge,
            note: note.to_owned(),
        }
    }

    struct EventClock {
        steady: Instant,
        time: Timestamp,
    }

    impl EventClock {
        fn new() -> Self {
            EventClock { steady: Instant::now(), time: "2026-11-25T12:00:00Z".parse().unwrap() }
        }

        fn pass(&mut self, passed: Duration) {
            self.steady += passed;
            self.time += passed;
        }

        fn take(&self, journal: &mut EventLimiter, name: &str, note: &str) -> Option<EventWrite> {
            journal.take(&subject(name), &event(note), self.steady, self.time)
        }
    }

    #[test]
    fn the_same_message_is_counted_and_another_message_is_another_event() {
        let mut clock = EventClock::new();
        let mut journal = EventLimiter::new(clock.steady);
        let Some(EventWrite::Create(first)) = clock.take(&mut journal, "team", "a") else { panic!("the first") };
        assert!(first.starts_with("team."), "{first}");
        clock.pass(Duration::from_secs(1));
        assert_eq!(clock.take(&mut journal, "team", "a"), Some(EventWrite::Count(first.clone(), 2)));
        assert_eq!(clock.take(&mut journal, "team", "a"), Some(EventWrite::Count(first.clone(), 3)));
        assert!(matches!(clock.take(&mut journal, "team", "b"), Some(EventWrite::Create(name)) if name != first));
        // Long afterwards it is recorded again.
        clock.pass(SAME);
        assert!(matches!(clock.take(&mut journal, "team", "a"), Some(EventWrite::Create(name)) if name != first));
    }

    #[test]
    fn a_flapping_object_gets_a_few_events_and_then_fewer() {
        let mut clock = EventClock::new();
        let mut journal = EventLimiter::new(clock.steady);
        let mut written = 0;
        for at in 0..3_600 {
            written += u32::from(clock.take(&mut journal, "team", &format!("{at}")).is_some());
            clock.pass(Duration::from_secs(1));
        }
        assert_eq!(written, BURST + 11);
        assert!(clock.take(&mut journal, "other", "a").is_some(), "others are none the worse");
    }

    #[test]
    fn a_thousand_failures_at_once_cause_few_events() {
        let mut clock = EventClock::new();
        let mut journal = EventLimiter::new(clock.steady);
        let written = (0..1_000).filter(|at| clock.take(&mut journal, &format!("b{at}"), "a").is_some()).count();
        assert_eq!(written, ALL_BURST as usize);
        clock.pass(ALL_REFILL * 3);
        let written = (0..1_000).filter(|at| clock.take(&mut journal, &format!("c{at}"), "a").is_some()).count();
        assert_eq!(written, 3);
    }

    #[test]
    fn memory_for_events_is_bounded() {
        let mut clock = EventClock::new();
        let mut journal = EventLimiter::new(clock.steady);
        for at in 0..3 * REMEMBERED {
            let _ = clock.take(&mut journal, &format!("b{at}"), "a");
            clock.pass(ALL_REFILL);
        }
        assert!(journal.each.len() <= REMEMBERED && journal.series.len() <= REMEMBERED);
    }

    #[test]
    fn long_notes_are_cut_at_a_whole_character() {
        let events = EventRecorder::new("outrigger-0", Instant::now());
        let event = events.event("x".to_owned(), &subject("team"), &event(&"é".repeat(2_000)), Timestamp::UNIX_EPOCH);
        assert_eq!(event.note.map(|note| note.len()), Some(NOTE_MAX));
        assert_eq!(event.regarding.and_then(|regarding| regarding.kind), Some("Budget".to_owned()));
        assert_eq!(cut("aé", 2), "a");
    }
}

//! Computes an object's conditions from its verdict and from what gateways do with it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::objects::binding::Binding;
use crate::objects::id::ObjectId;
use crate::status::gateways::{BEHIND, GatewayCounts, UNCONNECTED};
use crate::status::reason::ConditionReason;
use crate::status::verdict::{ObjectProblem, ObjectVerdict};

/// An object may be applied a little after an object that refers to it. `Stalled` waits this long.
pub const ORDER: Duration = Duration::from_secs(30);
/// The longest message, in characters: an Event's note takes a thousand bytes or so.
const MESSAGE_MAX: usize = 900;
/// How many problems a message contains in full.
const PROBLEMS: usize = 5;
const BINDINGS: usize = 5;

/// A condition's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    Accepted,
    ResolvedRefs,
    Programmed,
    Ready,
    Stalled,
}

impl ConditionType {
    pub const ALL: [ConditionType; 5] = [
        ConditionType::Accepted,
        ConditionType::ResolvedRefs,
        ConditionType::Programmed,
        ConditionType::Ready,
        ConditionType::Stalled,
    ];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ConditionType::Accepted => "Accepted",
            ConditionType::ResolvedRefs => "ResolvedRefs",
            ConditionType::Programmed => "Programmed",
            ConditionType::Ready => "Ready",
            ConditionType::Stalled => "Stalled",
        }
    }

    /// The meaning of True, for the page.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            ConditionType::Accepted => "The object is valid by itself.",
            ConditionType::ResolvedRefs => "Everything that it refers to exists and may be used.",
            ConditionType::Programmed => "All connected gateways that use it have loaded it.",
            ConditionType::Ready => "All of the above. Wait for this one.",
            ConditionType::Stalled => {
                "Waiting does not help: somebody must change an object. The reason says why. Absent otherwise."
            }
        }
    }
}

/// A condition's `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        }
    }

    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [ConditionStatus::True, ConditionStatus::False, ConditionStatus::Unknown]
            .into_iter()
            .find(|truth| truth.word() == word)
    }
}

/// Without the time of its last transition, which depends on the stored condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectCondition {
    pub kind: ConditionType,
    pub truth: ConditionStatus,
    pub reason: ConditionReason,
    pub message: String,
    /// The generation that it is about.
    pub generation: i64,
}

/// The conditions of an object, and when to compute them again if nothing changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObjectConditions {
    pub all: Vec<ObjectCondition>,
    /// False while the state of gateways is unknown: then numbers stay as they are.
    pub settled: bool,
    pub again: Option<Instant>,
}

/// The inputs at one time.
pub(super) struct StatusInputs<'a> {
    pub id: &'a ObjectId,
    pub verdict: &'a ObjectVerdict,
    pub tally: &'a GatewayCounts,
    /// Until when gateways may not have reconnected to a new leader.
    pub returning: Option<Instant>,
    /// The stored condition `Programmed`, if an operator wrote it.
    pub programmed: Option<ObjectCondition>,
    /// Since when `ResolvedRefs` is False, if it is.
    pub unresolved: Option<Timestamp>,
    pub now: Instant,
    pub time: Timestamp,
}

/// Whether gateways have loaded it.
enum ProgrammedState {
    Is(ConditionStatus, ConditionReason, String),
    /// It will be known at this time at the latest.
    Unsettled(Option<Instant>),
}

impl StatusInputs<'_> {
    pub(super) fn conditions(&self) -> ObjectConditions {
        let mut looks: BTreeSet<Instant> = BTreeSet::new();
        let accepted = self.accepted();
        let resolved = self.resolved();
        let (programmed, settled) = match self.programmed() {
            ProgrammedState::Is(truth, reason, message) => {
                (self.condition(ConditionType::Programmed, truth, reason, message), true)
            }
            ProgrammedState::Unsettled(until) => {
                looks.extend(until);
                (self.as_it_is(), false)
            }
        };
        looks.extend(self.tally.behind.map(|since| since + BEHIND).filter(|at| *at > self.now));
        looks.extend(self.tally.alone.map(|since| since + UNCONNECTED).filter(|at| *at > self.now));
        let ready = self.ready(&accepted, &resolved, &programmed);
        let stalled = self.stalled(&accepted, &resolved, &programmed, &mut looks);
        let all = [accepted, resolved, programmed, ready].into_iter().chain(stalled).collect();
        ObjectConditions { all, settled, again: looks.into_iter().next() }
    }

    fn condition(
        &self,
        kind: ConditionType,
        truth: ConditionStatus,
        reason: ConditionReason,
        message: String,
    ) -> ObjectCondition {
        let generation = match kind {
            // The generation that gateways serve while the present one can't be used.
            ConditionType::Programmed if !self.verdict.is_sound() => {
                self.verdict.serving.unwrap_or(self.verdict.generation)
            }
            _ => self.verdict.generation,
        };
        ObjectCondition { kind, truth, reason, message: cut(message), generation }
    }

    fn accepted(&self) -> ObjectCondition {
        let ObjectVerdict { refused, warnings, .. } = self.verdict;
        match refused.first() {
            Some(first) => self.condition(
                ConditionType::Accepted,
                ConditionStatus::False,
                first.reason,
                self.problem_text(refused),
            ),
            None => {
                let mut message = "valid".to_owned();
                for warning in warnings {
                    message.push_str("; note: ");
                    message.push_str(warning);
                }
                self.condition(ConditionType::Accepted, ConditionStatus::True, ConditionReason::Accepted, message)
            }
        }
    }

    fn resolved(&self) -> ObjectCondition {
        let unresolved = &self.verdict.unresolved;
        match unresolved.first() {
            Some(first) => self.condition(
                ConditionType::ResolvedRefs,
                ConditionStatus::False,
                first.reason,
                self.problem_text(unresolved),
            ),
            None => {
                let message = "all that it names is there".to_owned();
                self.condition(ConditionType::ResolvedRefs, ConditionStatus::True, ConditionReason::Resolved, message)
            }
        }
    }

    /// The problem, and what serves meanwhile.
    fn problem_text(&self, problems: &[ObjectProblem]) -> String {
        let one = |problem: &ObjectProblem| match problem.path.as_str() {
            "" => problem.message.clone(),
            path => format!("{path}: {}", problem.message),
        };
        let mut message = problems.iter().take(PROBLEMS).map(one).collect::<Vec<_>>().join("; ");
        if let Some(more) = problems.len().checked_sub(PROBLEMS).filter(|more| *more > 0) {
            message.push_str(&format!("; and {more} more"));
        }
        // The message of that reason names what serves, and there is room for it after truncation.
        match problems.iter().any(|problem| problem.reason == ConditionReason::TooLarge) {
            true => message,
            false => {
                let text = cut_to(message, MESSAGE_MAX - 200);
                // A question also ends a sentence: `did you mean …?`.
                let end = if text.ends_with(['?', '.']) { "" } else { "." };
                let kept = match problems.iter().any(|problem| problem.reason == ConditionReason::SecretNotFound) {
                    // Deleting a Secret may be meant as a revocation.
                    true => "; a value that gateways have of the Secret stays in use (`suspended: true` revokes it)",
                    false => "",
                };
                format!("{text}{end} {}{kept}", self.meanwhile())
            }
        }
    }

    fn meanwhile(&self) -> String {
        match self.verdict.serving {
            Some(serving) if serving == self.verdict.generation => "What can be used of it serves".to_owned(),
            Some(serving) => format!("The last good version (generation {serving}) serves"),
            None => "Nothing of it serves".to_owned(),
        }
    }

    /// The first problem of a version that is not served at all.
    fn lost(&self) -> Option<ConditionReason> {
        let ObjectVerdict { refused, unresolved, serving, .. } = self.verdict;
        let first = refused.iter().chain(unresolved).next()?;
        serving.is_none().then_some(first.reason)
    }

    fn programmed(&self) -> ProgrammedState {
        let tally = self.tally;
        match self.lost() {
            Some(ConditionReason::TooLarge) => {
                let message = "its policy is too large to be written. What was written before stays in force, without what was \
                               taken away since";
                return ProgrammedState::Is(ConditionStatus::False, ConditionReason::TooLarge, message.to_owned());
            }
            Some(reason) => {
                return ProgrammedState::Is(ConditionStatus::False, reason, "nothing of it serves".to_owned());
            }
            None => {}
        }
        if let Some(refusal) = &tally.refusal {
            let place = [&refusal.object, &refusal.path].into_iter().filter(|part| !part.is_empty());
            let message = place.chain([&refusal.message]).map(String::as_str).collect::<Vec<_>>().join(": ");
            let message = format!(
                "refused by a gateway: {}. Those that refuse it go on with the one before",
                cut_to(message, MESSAGE_MAX - 120)
            );
            return ProgrammedState::Is(ConditionStatus::False, ConditionReason::Rejected, message);
        }
        if let Some(why) = &tally.failure {
            let message = format!("{}. What was written before stays in force", cut_to(why.clone(), MESSAGE_MAX - 60));
            return ProgrammedState::Is(ConditionStatus::False, ConditionReason::NotWritten, message);
        }
        match tally.behind {
            Some(since) if self.now < since + BEHIND => return ProgrammedState::Unsettled(Some(since + BEHIND)),
            Some(_) => {
                let message = format!(
                    "connected gateways of {} have not taken it for {} s",
                    names(&tally.late),
                    BEHIND.as_secs()
                );
                return ProgrammedState::Is(ConditionStatus::False, ConditionReason::SidecarsBehind, message);
            }
            None if tally.unwritten => return ProgrammedState::Unsettled(None),
            None => {}
        }
        if tally.live == 0 {
            let message = "no running gateway is bound to it".to_owned();
            return ProgrammedState::Is(ConditionStatus::True, ConditionReason::NoSidecars, message);
        }
        if self.returning.is_some() && tally.connected < tally.live {
            return ProgrammedState::Unsettled(self.returning);
        }
        if tally.alone.is_some_and(|since| self.now >= since + UNCONNECTED) {
            let message = format!(
                "gateways of {} have not been connected to the operator for {} minutes: they serve what they have. Let their \
                 pods reach it, if need be by a NetworkPolicy: docs/conditions.md#the-network has one to apply",
                names(&tally.unconnected),
                UNCONNECTED.as_secs() / 60
            );
            return ProgrammedState::Is(ConditionStatus::True, ConditionReason::Unconnected, message);
        }
        ProgrammedState::Is(
            ConditionStatus::True,
            ConditionReason::Programmed,
            "all connected gateways serve it".to_owned(),
        )
    }

    /// The stored condition while gateways load the policy. Unknown if it is about another generation.
    fn as_it_is(&self) -> ObjectCondition {
        let message = "gateways have not taken it yet".to_owned();
        let pending =
            self.condition(ConditionType::Programmed, ConditionStatus::Unknown, ConditionReason::Pending, message);
        let stands = self.programmed.clone().filter(|stands| stands.generation == pending.generation);
        stands.unwrap_or(pending)
    }

    fn ready(
        &self,
        accepted: &ObjectCondition,
        resolved: &ObjectCondition,
        programmed: &ObjectCondition,
    ) -> ObjectCondition {
        let in_the_way = [accepted, resolved, programmed].into_iter();
        let blocking = in_the_way.clone().find(|one| one.truth == ConditionStatus::False);
        if let Some(blocking) =
            blocking.or_else(|| in_the_way.clone().find(|one| one.truth == ConditionStatus::Unknown))
        {
            return self.condition(ConditionType::Ready, blocking.truth, blocking.reason, blocking.message.clone());
        }
        // The author has switched it off, and that is in force. There is nothing to wait for.
        let (reason, message) = match self.verdict.inactive {
            Some(ConditionReason::Suspended) => {
                (ConditionReason::Suspended, "in force: it is suspended, and nothing goes through it")
            }
            Some(ConditionReason::Expired) => {
                (ConditionReason::Expired, "in force: it has expired, and nothing goes through it")
            }
            _ if programmed.reason == ConditionReason::NoSidecars => {
                (ConditionReason::Ready, "valid; no running gateway is bound to it")
            }
            _ if self.verdict.warnings.is_empty() => (ConditionReason::Ready, "in force"),
            _ => (ConditionReason::Ready, "in force, with warnings: Accepted has them"),
        };
        self.condition(ConditionType::Ready, ConditionStatus::True, reason, message.to_owned())
    }

    /// Whether a user must change an object.
    fn stalled(
        &self,
        accepted: &ObjectCondition,
        resolved: &ObjectCondition,
        programmed: &ObjectCondition,
        looks: &mut BTreeSet<Instant>,
    ) -> Option<ObjectCondition> {
        let of = |cause: &ObjectCondition| {
            self.condition(ConditionType::Stalled, ConditionStatus::True, cause.reason, cause.message.clone())
        };
        if accepted.truth == ConditionStatus::False {
            return Some(of(accepted));
        }
        if resolved.truth == ConditionStatus::False {
            // An object that it depends on reports the problem itself. This one recovers with it.
            let own =
                self.verdict.unresolved.iter().any(|problem| problem.reason != ConditionReason::DependencyInvalid);
            let since = self.unresolved.unwrap_or(self.time);
            let left = ORDER.checked_sub(self.time.duration_since(since).try_into().unwrap_or_default());
            return match left.filter(|left| !left.is_zero()) {
                _ if !own => None,
                Some(left) => {
                    looks.insert(self.now + left);
                    None
                }
                None => Some(of(resolved)),
            };
        }
        let named = self.tally.refusal.as_ref().is_some_and(|refusal| refusal.object == self.id.to_string());
        let refused = programmed.reason == ConditionReason::Rejected && named;
        (refused || programmed.reason == ConditionReason::NotWritten).then(|| of(programmed))
    }
}

fn names(bindings: &BTreeSet<Binding>) -> String {
    let mut names: Vec<String> = bindings.iter().take(BINDINGS).map(Binding::to_string).collect();
    if bindings.len() > BINDINGS {
        names.push("others".to_owned());
    }
    names.join(" and ")
}

fn cut(message: String) -> String {
    cut_to(message, MESSAGE_MAX)
}

fn cut_to(message: String, most: usize) -> String {
    match message.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message,
    }
}

//! The state of the model, and the events that may happen next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outrigger_core::{Millis, Periods};

use super::fingerprint::fingerprint;
use super::gateway::ModelGateway;
use super::mutant::Mutant;
use super::{Begins, Bounds};
use crate::protocol::{Grants, LimitKey, Term, UsageReport};
use crate::shared::holder::{Due, MessageOutcome};
use crate::shared::leader::{GatewayLimits, Input, Leader, LedgerAction, LedgerVerb, Output, SharedLimit};
use crate::shared::record::{HolderId, StoreObject, StoreRecord, StoreVersion, Stored};

/// The time between two steps of a leader: what it gathers is due, and no want is too old.
const STEP: Millis = 500;
/// What the budget is raised by.
const RAISED: u64 = 1;

#[derive(Clone, Debug)]
pub(super) struct ModelWorld {
    limit: LimitKey,
    limits: Arc<GatewayLimits>,
    leaders: Vec<ModelLeader>,
    store: BTreeMap<StoreObject, (u64, StoreRecord)>,
    writes: u64,
    gateways: Vec<ModelGateway>,
    network: Vec<(Message, u8)>,
    unknown: u8,
    restarts: u8,
    losses: u8,
    forgives: u8,
    resets: u8,
    raises: u8,
    /// What was forgiven or written off by a reset, at most: it was or may have been spent, and is spent once more.
    written_off: u64,
    lasts: u8,
    budget: u64,
    /// The whole state, except for the time.
    pub(super) fingerprint: u64,
}

#[derive(Clone, Debug)]
struct ModelLeader {
    leader: Leader,
    now: Millis,
    alive: bool,
    writes: Vec<(StoreObject, Option<StoreVersion>, StoreRecord)>,
    /// The last message to each holder, for leaders that send differences.
    last_sent: BTreeMap<HolderId, u64>,
}

#[derive(Clone, Debug, PartialEq)]
enum Message {
    Report(usize, String, UsageReport),
    /// With the difference from the previous message.
    Grants(HolderId, Grants, u64),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Reserve(usize),
    Settle(usize, u64),
    Report(usize, usize),
    /// The message; it may be delivered this many times.
    Deliver(usize, u8),
    Write(usize, usize, Outcome),
    Elect(bool),
    Restart(usize),
    Lose(usize),
    Last(usize),
    Forgotten(usize),
    /// Somebody has a leader forgive what is not confirmed, write off what is spent, or raise the budget by one.
    Forgive(usize),
    Reset(usize),
    Raise(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    Acknowledged,
    WrittenUnknown,
    NotWrittenUnknown,
}

impl ModelWorld {
    pub(super) fn new(bounds: &Bounds, mutant: Mutant) -> Self {
        let limit = LimitKey { limit: "Budget a/b".to_owned(), unit: "usd".to_owned() };
        let mut world = ModelWorld {
            limits: Arc::new(GatewayLimits { wanted: BTreeSet::from([limit.clone()]), ..GatewayLimits::default() }),
            limit,
            leaders: Vec::new(),
            store: BTreeMap::new(),
            writes: 0,
            gateways: Vec::new(),
            network: Vec::new(),
            unknown: 0,
            restarts: 0,
            losses: 0,
            forgives: 0,
            resets: 0,
            raises: 0,
            written_off: 0,
            lasts: 0,
            budget: bounds.budget,
            fingerprint: 0,
        };
        for number in 0..2 {
            let gateway = ModelGateway::new(format!("pod-{number}"), &world.limit);
            world.gateways.push(gateway);
        }
        world.elect(false, mutant);
        world.follow(0);
        world.follow(1);
        world.ask(0);
        world.ask(1);
        if bounds.begins != Begins::Asking {
            world.write_all(0, mutant);
        }
        if bounds.begins == Begins::Returned {
            world.deliver_all(0);
            world.step(&Action::Last(0), mutant);
            world.step(&Action::Report(0, 0), mutant);
            let (message, _) = world.network.pop().unwrap();
            world.deliver(message, mutant);
        }
        if bounds.begins == Begins::Replaced {
            world.deliver_all(0);
            world.elect(false, mutant);
            world.follow(1);
            world.ask(1);
            world.write_all(1, mutant);
        }
        world.network.iter_mut().for_each(|(_, delivered)| *delivered = 0);
        for gateway in &mut world.gateways {
            (gateway.reports, gateway.reserves) = (0, 0);
        }
        world.fingerprint = fingerprint(&world);
        world
    }

    /// A gateway learns of the latest leader: before that nothing can be granted.
    fn follow(&mut self, place: usize) {
        let term = self.leaders.last().and_then(|leader| leader.leader.leads()).unwrap();
        let gateway = &mut self.gateways[place];
        let answers = gateway.holder.report(gateway.now).unwrap().number;
        let grants = Grants { epoch: gateway.state.epoch, term, answers, ..Grants::default() };
        assert_eq!(gateway.holder.take(&grants, gateway.now), MessageOutcome::Followed);
        gateway.write();
    }

    /// A gateway needs a unit, and the latest leader gets its report.
    fn ask(&mut self, place: usize) {
        let latest = self.leaders.len() - 1;
        self.step(&Action::Reserve(place), Mutant::None);
        self.step(&Action::Report(place, latest), Mutant::None);
        let (message, _) = self.network.pop().unwrap();
        self.deliver(message, Mutant::None);
    }

    /// All writes that a leader wants are made.
    fn write_all(&mut self, number: usize, mutant: Mutant) {
        while !self.leaders[number].writes.is_empty() {
            self.write(number, 0, Outcome::Acknowledged, mutant);
        }
    }

    /// A gateway receives all messages that were sent to it.
    fn deliver_all(&mut self, place: usize) {
        for (message, _) in self.network.clone() {
            if matches!(&message, Message::Grants(holder, ..) if holder.pod == self.gateways[place].pod) {
                self.deliver(message, Mutant::None);
            }
        }
    }

    fn elect(&mut self, in_steps: bool, mutant: Mutant) {
        self.leaders.push(ModelLeader {
            leader: Leader::new(Term(0)),
            now: 1_000_000,
            alive: true,
            writes: Vec::new(),
            last_sent: BTreeMap::new(),
        });
        let number = self.leaders.len() - 1;
        let limit = SharedLimit { id: self.limit.clone(), max: self.budget, window: Periods::lifetime() };
        let stored = |(object, (version, record)): (&StoreObject, &(u64, StoreRecord))| Stored {
            object: *object,
            version: StoreVersion(version.to_string()),
            record: record.clone(),
        };
        let stored = self.store.iter().map(stored).collect();
        self.input(number, Input::Limits(vec![limit]), mutant);
        self.input(number, Input::Loaded(stored), mutant);
        if !in_steps {
            self.write_all(number, mutant);
        }
    }

    pub(super) fn actions(&self, bounds: &Bounds, mutant: Mutant, actions: &mut Vec<Action>) {
        for (place, gateway) in self.gateways.iter().enumerate() {
            let fits = gateway.holder.fits(gateway.limit, 1, gateway.now).is_ok();
            // A refusal changes only what is requested, so one is enough.
            if gateway.reserves < bounds.reserves && !gateway.closing && (fits || gateway.reserves == 0) {
                actions.push(Action::Reserve(place));
            }
            if !gateway.open.is_empty() {
                actions.extend([Action::Settle(place, 0), Action::Settle(place, 1)]);
            }
            let news = gateway.closing || gateway.holder.due(gateway.now + 1_000) > Due::Seldom;
            if gateway.reports < bounds.reports && news {
                let alive = self.leaders.iter().enumerate().filter(|(_, leader)| leader.alive);
                actions.extend(alive.map(|(leader, _)| Action::Report(place, leader)));
            }
            if self.restarts < bounds.restarts {
                actions.push(Action::Restart(place));
            }
            if self.losses < bounds.losses {
                actions.push(Action::Lose(place));
            }
            if self.lasts < bounds.lasts && !gateway.closing && gateway.open.is_empty() {
                actions.push(Action::Last(place));
            }
        }
        actions.extend((0..self.network.len()).map(|place| Action::Deliver(place, bounds.deliveries)));
        for (number, leader) in self.leaders.iter().enumerate().filter(|(_, leader)| leader.alive) {
            for place in 0..leader.writes.len() {
                actions.push(Action::Write(number, place, Outcome::Acknowledged));
                if self.unknown < bounds.unknown {
                    actions.push(Action::Write(number, place, Outcome::WrittenUnknown));
                    actions.push(Action::Write(number, place, Outcome::NotWrittenUnknown));
                }
            }
            if self.forgives < bounds.forgives && self.losses > 0 {
                actions.push(Action::Forgive(number));
            }
            if self.resets < bounds.resets {
                actions.push(Action::Reset(number));
            }
            if self.raises < bounds.raises {
                actions.push(Action::Raise(number));
            }
            if mutant == Mutant::BackOnTimer {
                actions.push(Action::Forgotten(number));
            }
        }
        if self.leaders.len() < bounds.leaders {
            actions.push(Action::Elect(bounds.takeover_in_steps));
        }
    }

    pub(super) fn act(&mut self, action: &Action, mutant: Mutant) {
        self.step(action, mutant);
        self.fingerprint = fingerprint(self);
    }

    fn step(&mut self, action: &Action, mutant: Mutant) {
        match action {
            Action::Reserve(place) => {
                let gateway = &mut self.gateways[*place];
                gateway.reserves += 1;
                if let Ok(account) = gateway.holder.reserve(gateway.limit, 1, gateway.now) {
                    gateway.open.push(account);
                }
                gateway.write();
            }
            Action::Settle(place, actual) => {
                let gateway = &mut self.gateways[*place];
                let account = gateway.open.remove(0);
                gateway.spent += actual;
                gateway.holder.settle(account, 1, *actual, gateway.now);
                gateway.write();
            }
            Action::Report(place, leader) => {
                let gateway = &mut self.gateways[*place];
                gateway.reports += 1;
                gateway.now += 1_000;
                let now = gateway.now;
                let report =
                    if gateway.closing { Some(gateway.holder.last_report(now)) } else { gateway.holder.report(now) };
                gateway.write();
                let pod = gateway.pod.clone();
                if let Some(report) = report {
                    self.network.push((Message::Report(*leader, pod, report), 0));
                }
            }
            Action::Deliver(place, times) => {
                let (message, delivered) = self.network.remove(*place);
                if delivered + 1 < *times {
                    self.network.insert(*place, (message.clone(), delivered + 1));
                }
                self.deliver(message, mutant);
            }
            Action::Write(number, place, outcome) => self.write(*number, *place, *outcome, mutant),
            Action::Elect(in_steps) => self.elect(*in_steps, mutant),
            Action::Restart(place) => {
                self.restarts += 1;
                self.gateways[*place].restart(&self.limit);
            }
            Action::Lose(place) => {
                self.losses += 1;
                let pod = self.gateways[*place].pod.clone();
                let (reserved, spent) = (self.gateways[*place].open.len() as u64, self.gateways[*place].spent);
                let next = ModelGateway::new(format!("{pod}-next"), &self.limit);
                // Requests in flight cost at most their reservation.
                self.gateways[*place] = ModelGateway { spent: spent + reserved, ..next };
                for number in 0..self.leaders.len() {
                    self.input(number, Input::HolderGone { pod: pod.clone() }, mutant);
                }
            }
            Action::Last(place) => {
                self.lasts += 1;
                self.gateways[*place].closing = true;
            }
            Action::Forgive(number) => {
                self.forgives += 1;
                let status = self.leaders[*number].leader.status(&self.limit);
                self.written_off += status.map_or(0, |status| status.fleet.unconfirmed);
                self.have_done(*number, "forgive", LedgerVerb::Forgive, mutant);
            }
            Action::Reset(number) => {
                self.resets += 1;
                let status = self.leaders[*number].leader.status(&self.limit);
                self.written_off += status.map_or(0, |status| status.fleet.spent);
                self.have_done(*number, "reset", LedgerVerb::Reset, mutant);
                if mutant == Mutant::ResetHeld {
                    self.leaders[*number].leader.write_off_what_is_held();
                    self.input(*number, Input::Tick, mutant);
                }
            }
            Action::Raise(number) => {
                self.raises += 1;
                self.have_done(*number, "raise", LedgerVerb::Raise { by: RAISED, until: Millis::MAX }, mutant);
                if mutant == Mutant::AddedRaise && self.raises > 1 {
                    self.leaders[*number].leader.add_raise(RAISED);
                    self.input(*number, Input::Tick, mutant);
                }
            }
            Action::Forgotten(number) => {
                self.leaders[*number].leader.forget_who_is_silent();
                self.input(*number, Input::Tick, mutant);
            }
        }
    }

    /// Somebody asks a leader for an action: one of each verb, however often.
    fn have_done(&mut self, number: usize, id: &str, verb: LedgerVerb, mutant: Mutant) {
        let action = LedgerAction { id: id.to_owned(), limit: self.limit.clone(), verb };
        self.input(number, Input::Act(action), mutant);
    }

    fn deliver(&mut self, message: Message, mutant: Mutant) {
        match message {
            Message::Report(number, pod, report) => {
                let limits = Arc::clone(&self.limits);
                let before = self.leaders[number].leader.returned();
                self.input(number, Input::Report { pod, limits, report }, mutant);
                if mutant == Mutant::RecycledReturns {
                    let back = self.leaders[number].leader.returned().saturating_sub(before);
                    self.leaders[number].leader.recycle(back);
                    self.input(number, Input::Tick, mutant);
                }
            }
            Message::Grants(holder, mut grants, more) => {
                let Some(gateway) = self.gateways.iter_mut().find(|gateway| gateway.pod == holder.pod) else { return };
                if mutant == Mutant::AddedGrants {
                    let held = gateway.journal.values().next().map_or(0, |held| held.counters.granted);
                    for account in &mut grants.accounts {
                        account.granted = u64::try_from(held).unwrap() + more;
                    }
                }
                if gateway.holder.take(&grants, gateway.now) == MessageOutcome::Void {
                    gateway.holder.begin_anew(gateway.state.epoch + 1);
                }
                gateway.write();
            }
        }
    }

    /// Handles an input, and whatever is due after it.
    fn input(&mut self, number: usize, input: Input, mutant: Mutant) {
        let mut inputs = vec![input, Input::Tick];
        while !inputs.is_empty() {
            let leader = &mut self.leaders[number];
            if !leader.alive {
                return;
            }
            leader.now += STEP;
            let led = leader.leader.leads().is_some();
            let outputs = leader.leader.step(leader.now, inputs.remove(0));
            if mutant == Mutant::CarriedCeiling && !led && leader.leader.leads().is_some() {
                leader.leader.carry_ceilings_over();
            }
            for output in outputs {
                match output {
                    Output::Write { object, expected, record } => {
                        self.leaders[number].writes.push((object, expected, record))
                    }
                    Output::Reload { object } => {
                        let stored = self.store.get(&object);
                        let stored =
                            stored.map(|(version, record)| (StoreVersion(version.to_string()), record.clone()));
                        inputs.extend([Input::Reloaded { object, stored }, Input::Tick]);
                    }
                    Output::Grants { holder, grants } => {
                        let granted = grants.accounts.first().map_or(0, |account| account.granted);
                        let before = self.leaders[number].last_sent.insert(holder.clone(), granted).unwrap_or(0);
                        let message = Message::Grants(holder, grants, granted.saturating_sub(before));
                        if self.matters(&message) && !self.network.iter().any(|(known, _)| *known == message) {
                            self.network.push((message, 0));
                        }
                    }
                    Output::Finding(_) => {}
                    Output::Deposed { .. } => self.leaders[number].alive = false,
                }
            }
        }
    }

    /// Whether a message to a gateway may change its behaviour: it follows another leader, has more, is void, or
    /// forgets an account.
    fn matters(&self, message: &Message) -> bool {
        let Message::Grants(holder, grants, _) = message else { return true };
        let Some(gateway) = self.gateways.iter().find(|gateway| gateway.pod == holder.pod) else { return false };
        let held = gateway.journal.values().next().map_or(0, |held| held.counters.granted);
        let more =
            grants.accounts.iter().any(|account| u128::from(account.granted) > held || account.over || account.recall);
        grants.term > gateway.state.term || grants.void || (grants.term == gateway.state.term && more)
    }

    fn write(&mut self, number: usize, place: usize, outcome: Outcome, mutant: Mutant) {
        let (object, expected, record) = self.leaders[number].writes.remove(place);
        let now = self.store.get(&object).map(|(version, _)| StoreVersion(version.to_string()));
        let fits = now == expected;
        if fits && outcome != Outcome::NotWrittenUnknown {
            self.writes += 1;
            self.store.insert(object, (self.writes, record));
        }
        self.unknown += u8::from(outcome != Outcome::Acknowledged);
        let input = match outcome {
            Outcome::Acknowledged if fits => Input::Written { object, version: StoreVersion(self.writes.to_string()) },
            Outcome::Acknowledged => Input::Conflict { object },
            Outcome::WrittenUnknown | Outcome::NotWrittenUnknown => Input::WriteUnknown { object },
        };
        self.input(number, input, mutant);
    }

    /// A random path: every state on it is checked.
    pub(super) fn walk(mut self, bounds: &Bounds, steps: usize, rng: &mut fastrand::Rng, mut look: impl FnMut(&Self)) {
        let mut actions = Vec::new();
        for _ in 0..steps {
            actions.clear();
            self.actions(bounds, Mutant::None, &mut actions);
            let Some(action) = rng.choice(&actions) else { return };
            self.step(action, Mutant::None);
            look(&self);
        }
    }

    /// What was spent, and what requests in flight may cost.
    pub(super) fn committed(&self) -> u64 {
        self.gateways.iter().map(|gateway| gateway.spent + gateway.open.len() as u64).sum()
    }

    /// What may be committed beyond the budget: amounts that are spent once more, and what it was raised by.
    pub(super) fn allowed_beyond(&self) -> u64 {
        self.written_off + self.raised()
    }

    fn raised(&self) -> u64 {
        if self.raises > 0 { RAISED } else { 0 }
    }

    /// No more is spent or reserved than the limit.
    pub(super) fn is_kept(&self) -> bool {
        self.committed() <= self.budget + self.allowed_beyond()
    }

    /// The store promises no more than the limit.
    pub(super) fn is_stored(&self) -> bool {
        self.stored_commitment() <= u128::from(self.budget + self.raised())
    }

    /// What may have been granted according to the store, minus what was returned or written off.
    fn stored_commitment(&self) -> u128 {
        let (mut granted, mut returned) = (0, 0);
        for (_, record) in self.store.values() {
            if let StoreRecord::Shard(shard) = record {
                granted += shard.accounts.iter().map(|account| account.former + account.ceiling).sum::<u128>();
                returned += shard.accounts.iter().map(|account| account.written_off).sum::<u128>();
                returned += shard.pages.iter().map(|page| page.closed.returned).sum::<u128>();
                let rows = shard.pages.iter().flat_map(|page| &page.holders);
                returned += rows.map(|row| u128::from(row.returned)).sum::<u128>();
            }
        }
        granted.saturating_sub(returned)
    }
}

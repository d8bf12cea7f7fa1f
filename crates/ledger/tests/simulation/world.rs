//! Gateways, leaders, a store, and the network between them, as one queue of events. The real costs are recorded here,
//! as at a provider, and compared with the limit at every reservation.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use fastrand::Rng;
use outrigger_core::Millis;
use outrigger_ledger::protocol::{Grants, LimitKey, Term, UsageReport};
use outrigger_ledger::shared::leader::{GatewayLimits, Input, Leader, LedgerFinding, Output, SharedLimit};
use outrigger_ledger::shared::record::{HolderId, StoreObject, StoreRecord, StoreVersion};

use crate::gateway::{Gateway, Open, Taking};
use crate::queue::Queue;
use crate::store::{Fault, Store};

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub gateways: usize,
    pub limits: Vec<SharedLimit>,
    pub begins: Millis,
    pub lasts: Millis,
    /// Requests per second, of all gateways together.
    pub rate: f64,
    pub amounts: (u64, u64),
    /// Leader changes, killed pods, killed processes, restarts after a final report, interrupted connections: per
    /// minute.
    pub failovers: f64,
    pub kills: f64,
    pub crashes: f64,
    pub rollouts: f64,
    pub cuts: f64,
    pub faults: bool,
    /// Clocks: the largest error of the leaders' clocks, and of their jumps.
    pub skew: Millis,
}

#[derive(Debug)]
enum Event {
    Arrive(usize),
    Settle(usize, u64),
    Look(usize),
    ToLeader(usize, Arc<(String, UsageReport)>),
    ToGateway(Arc<(HolderId, Grants)>),
    Leader(usize),
    Write(usize, Box<(StoreObject, Option<StoreVersion>, StoreRecord)>),
    Answer(usize, Box<Input>),
    Gone(String),
    Reconnect(usize, usize),
    Elect,
    Kill,
    Crash,
    Rollout,
    Cut,
    End(usize),
}

struct Process {
    leader: Leader,
    alive: bool,
    skew: Millis,
    leads: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Truth {
    spent: u64,
    reserved: u64,
}

pub struct World {
    pub plan: Plan,
    rng: Rng,
    now: Millis,
    queue: Queue<Event>,
    pub gateways: Vec<Gateway>,
    /// The place of each pod, by its number.
    by_pod: Vec<usize>,
    gone: BTreeSet<String>,
    leaders: Vec<Process>,
    latest: usize,
    pub store: Store,
    limits: Arc<GatewayLimits>,
    ids: Vec<LimitKey>,
    /// By limit and the first millisecond of the account.
    truth: BTreeMap<(usize, Millis), Truth>,
    requests: u64,
    pub findings: Vec<LedgerFinding>,
    pub violations: Vec<String>,
    pub events: u64,
    /// The most write requests in any ten seconds, of all current leaders.
    pub busiest: usize,
    asked: VecDeque<Millis>,
}

impl World {
    pub fn new(plan: Plan) -> World {
        let rng = Rng::with_seed(plan.seed);
        let ids: Vec<LimitKey> = plan.limits.iter().map(|limit| limit.id.clone()).collect();
        let mut world = World {
            rng,
            now: plan.begins,
            queue: Queue::new(plan.begins),
            gateways: Vec::new(),
            by_pod: Vec::new(),
            gone: BTreeSet::new(),
            leaders: Vec::new(),
            latest: 0,
            store: Store::default(),
            limits: Arc::new(GatewayLimits { wanted: ids.iter().cloned().collect(), ..GatewayLimits::default() }),
            ids,
            truth: BTreeMap::new(),
            requests: 0,
            findings: Vec::new(),
            violations: Vec::new(),
            events: 0,
            busiest: 0,
            asked: VecDeque::new(),
            plan,
        };
        world.elect(Term(0));
        // Some are busy and most are not.
        let weights: Vec<f64> = (0..world.plan.gateways).map(|place| 1.0 / (1.0 + place as f64).powf(0.8)).collect();
        let all: f64 = weights.iter().sum();
        for weight in weights {
            let rate = world.plan.rate * weight / all;
            world.gateway(None, rate);
        }
        let plan = world.plan.clone();
        for (event, per_minute) in [
            (Event::Elect, plan.failovers),
            (Event::Kill, plan.kills),
            (Event::Crash, plan.crashes),
            (Event::Rollout, plan.rollouts),
            (Event::Cut, plan.cuts),
        ] {
            world.again(event, per_minute);
        }
        world
    }

    fn again(&mut self, event: Event, per_minute: f64) {
        if per_minute > 0.0 {
            let wait = self.exponential(60_000.0 / per_minute);
            self.at(wait, event);
        }
    }

    fn at(&mut self, after: Millis, event: Event) {
        self.queue.push(self.now + after.max(0), event);
    }

    fn exponential(&mut self, mean: f64) -> Millis {
        (-mean * (1.0 - self.rng.f64()).ln()).min(1e12) as Millis + 1
    }

    /// A new pod, which replaces another one or is additional.
    fn gateway(&mut self, place: Option<usize>, rate: f64) -> usize {
        let (pod, skew) = (format!("pod-{}", self.by_pod.len()), self.rng.i64(-5_000..5_000));
        let mut gateway = Gateway::new(pod, rate, &self.ids, self.now, skew, self.latest);
        let new = place.is_none();
        let place = place.unwrap_or(self.gateways.len());
        gateway.looks_at = self.now + self.rng.i64(0..1_000);
        self.at(gateway.looks_at - self.now, Event::Look(place));
        if new {
            self.gateways.push(gateway);
            let first = self.exponential(1000.0 / rate.max(1e-6));
            self.at(first, Event::Arrive(place));
        } else {
            self.gateways[place] = gateway;
        }
        self.by_pod.push(place);
        place
    }

    fn elect(&mut self, above: Term) {
        let skew = match self.plan.skew {
            0 => 0,
            skew => self.rng.i64(-skew..skew),
        };
        let number = self.leaders.len();
        self.leaders.push(Process { leader: Leader::new(above), alive: true, skew, leads: false });
        self.latest = number;
        let (limits, stored) = (self.plan.limits.clone(), self.store.load());
        self.input(number, Input::Limits(limits));
        self.input(number, Input::Loaded(stored));
        self.at(self.rng.clone().i64(0..100), Event::Leader(number));
    }

    fn input(&mut self, number: usize, input: Input) {
        let process = &mut self.leaders[number];
        if !process.alive {
            return;
        }
        let outputs = process.leader.step(self.now + process.skew, input);
        if !process.leads && process.leader.leads().is_some() {
            process.leads = true;
            let gone: Vec<String> =
                process.leader.pods().filter(|pod| self.gone.contains(*pod)).map(str::to_owned).collect();
            gone.into_iter().for_each(|pod| self.input(number, Input::HolderGone { pod }));
        }
        for output in outputs {
            self.output(number, output);
        }
    }

    fn output(&mut self, number: usize, output: Output) {
        match output {
            Output::Write { object, expected, record } => {
                let wait = self.rng.i64(1..15);
                self.at(wait, Event::Write(number, Box::new((object, expected, record))));
            }
            Output::Reload { object } => {
                let (wait, answer) = (self.rng.i64(2..30), self.store.read(object));
                self.at(wait, Event::Answer(number, Box::new(answer)));
            }
            Output::Grants { holder, grants } => {
                let message = Arc::new((holder, grants));
                self.send(|| Event::ToGateway(Arc::clone(&message)));
            }
            Output::Finding(finding) => self.findings.push(finding),
            Output::Deposed { by } => {
                self.leaders[number].alive = false;
                if number == self.latest {
                    let above = by.unwrap_or(self.store.term());
                    self.elect(above);
                }
                self.reconnect(1_000);
            }
        }
    }

    /// 2 % are lost, 1 % arrive twice; 1 to 30 ms, and for 1 % up to 3 s.
    fn send(&mut self, event: impl Fn() -> Event) {
        if self.rng.f64() < 0.02 {
            return;
        }
        let wait = self.delay();
        self.at(wait, event());
        if self.rng.f64() < 0.01 {
            let wait = self.delay();
            self.at(wait, event());
        }
    }

    fn delay(&mut self) -> Millis {
        match self.rng.u32(0..100) {
            0 => self.rng.i64(30..3_000),
            _ => self.rng.i64(1..30),
        }
    }

    /// Every gateway finds the leader within this time.
    fn reconnect(&mut self, within: Millis) {
        let latest = self.latest;
        for place in 0..self.gateways.len() {
            if self.gateways[place].leader != latest {
                let wait = self.rng.i64(0..within);
                self.at(wait, Event::Reconnect(place, latest));
            }
        }
    }

    pub fn run(&mut self) {
        self.run_until(self.plan.begins + self.plan.lasts);
    }

    /// Goes on for a time in which nothing fails any more, except for what has failed already.
    pub fn run_without_faults(&mut self, lasts: Millis) {
        let none = Plan { failovers: 0.0, kills: 0.0, crashes: 0.0, rollouts: 0.0, cuts: 0.0, ..self.plan.clone() };
        self.plan = Plan { faults: false, ..none };
        self.run_until(self.now + lasts);
    }

    fn run_until(&mut self, until: Millis) {
        while self.now < until
            && self.violations.is_empty()
            && let Some((now, event)) = self.queue.pop()
        {
            self.now = now;
            self.events += 1;
            self.event(event);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Elect | Event::Kill | Event::Crash | Event::Rollout | Event::Cut if !self.plan.faults => {}
            Event::Arrive(place) => self.arrive(place),
            Event::Settle(place, request) => self.settle(place, request),
            // Another one was planned for an earlier time meanwhile.
            Event::Look(place) if self.gateways[place].looks_at != self.now => {}
            Event::Look(place) => {
                self.gateways[place].looks_at = Millis::MAX;
                self.report(place);
            }
            Event::ToLeader(number, message) => {
                let (pod, report) = Arc::unwrap_or_clone(message);
                let limits = Arc::clone(&self.limits);
                self.input(number, Input::Report { pod, limits, report });
            }
            Event::ToGateway(message) => self.granted(&message.0, &message.1),
            Event::Leader(number) => {
                self.input(number, Input::Tick);
                if self.leaders[number].alive {
                    self.at(100, Event::Leader(number));
                }
            }
            Event::Write(number, write) => self.write(number, write.0, write.1, &write.2),
            Event::Answer(number, input) => self.input(number, *input),
            Event::Gone(pod) => {
                self.gone.insert(pod.clone());
                for number in 0..self.leaders.len() {
                    self.input(number, Input::HolderGone { pod: pod.clone() });
                }
            }
            Event::Reconnect(place, number) => {
                let gateway = &mut self.gateways[place];
                gateway.leader = number;
                gateway.holder.connected();
            }
            Event::Elect => {
                let old = self.latest;
                // Two leaders for fifteen seconds.
                self.at(15_000, Event::End(old));
                self.elect(Term(0));
                self.reconnect(15_000);
                self.again(Event::Elect, self.plan.failovers);
            }
            Event::End(number) => self.leaders[number].alive = false,
            Event::Kill => {
                let place = self.rng.usize(0..self.gateways.len());
                self.stop(place);
                let wait = self.rng.i64(500..10_000);
                self.at(wait, Event::Gone(self.gateways[place].pod.clone()));
                self.gateway(Some(place), self.gateways[place].rate);
                self.again(Event::Kill, self.plan.kills);
            }
            Event::Crash => {
                let place = self.rng.usize(0..self.gateways.len());
                self.stop(place);
                let (ids, now) = (self.ids.clone(), self.now);
                self.gateways[place].restart(&ids, now);
                self.again(Event::Crash, self.plan.crashes);
            }
            Event::Rollout => {
                let place = self.rng.usize(0..self.gateways.len());
                self.gateways[place].closing = true;
                self.plan_look(place);
                self.again(Event::Rollout, self.plan.rollouts);
            }
            Event::Cut => {
                let place = self.rng.usize(0..self.gateways.len());
                self.gateways[place].cut_until = self.now + self.rng.i64(1_000..20_000);
                self.again(Event::Cut, self.plan.cuts);
            }
        }
    }

    fn write(&mut self, number: usize, object: StoreObject, expected: Option<StoreVersion>, record: &StoreRecord) {
        self.asked.push_back(self.now);
        while self.asked.front().is_some_and(|at| self.now - at > 10_000) {
            self.asked.pop_front();
        }
        self.busiest = self.busiest.max(self.asked.len());
        let fault = match self.rng.u32(0..100) {
            _ if !self.plan.faults => Fault::None,
            0 => Fault::Fails,
            1 => Fault::LostBefore,
            2 => Fault::LostAfter,
            3 => Fault::Conflict,
            _ => Fault::None,
        };
        let answer = self.store.write(object, expected.as_ref(), record, fault);
        let wait = if matches!(answer, Input::WriteUnknown { .. }) { 2_000 } else { self.rng.i64(1..15) };
        self.at(wait, Event::Answer(number, Box::new(answer)));
    }

    fn arrive(&mut self, place: usize) {
        let rate = self.gateways[place].rate;
        let wait = self.exponential(1000.0 / rate.max(1e-6));
        self.at(wait, Event::Arrive(place));
        if self.gateways[place].closing {
            return;
        }
        let limit = self.rng.usize(0..self.ids.len());
        let amount = self.rng.u64(self.plan.amounts.0..=self.plan.amounts.1);
        if let Some(taking) = self.gateways[place].request(limit, amount, self.now) {
            self.taken(place, taking);
        }
        self.report(place);
    }

    fn taken(&mut self, place: usize, taking: Taking) {
        self.requests += 1;
        let request = self.requests;
        let actual = taking.amount * self.rng.u64(30..=100) / 100;
        let Some(start) = self.gateways[place].start_of(taking.account) else {
            return self.violations.push("a reservation of no account".to_owned());
        };
        let Taking { account, limit, amount } = taking;
        self.gateways[place].open.insert(request, Open { account, limit, start, amount, actual });
        self.truth.entry((limit, start)).or_default().reserved += amount;
        self.check(taking.limit, start);
        let wait = self.rng.i64(50..3_000);
        self.at(wait, Event::Settle(place, request));
    }

    /// What is spent or may still be spent is within the limit: in the period, or in every window that ends in the
    /// bucket.
    fn check(&mut self, limit: usize, start: Millis) {
        let spec = &self.plan.limits[limit];
        let since = spec.window.length().map_or(start, |length| self.now.min(start) - length);
        let counts = self.truth.range((limit, Millis::MIN)..=(limit, start));
        let counted = counts.filter(|((_, other), _)| match spec.window.length() {
            Some(_) => spec.window.period(*other).end.is_none_or(|end| end > since + 1),
            None => *other == start,
        });
        let sum: u64 = counted.map(|(_, truth)| truth.spent + truth.reserved).sum();
        if sum > spec.max {
            self.violations.push(format!("{} of {} at {} in {start}", sum, spec.max, self.now));
        }
    }

    fn settle(&mut self, place: usize, request: u64) {
        let Some(open) = self.gateways[place].open.remove(&request) else { return };
        self.count(open);
        self.gateways[place].settle(open, self.now);
        self.retry(place);
        self.plan_look(place);
    }

    fn count(&mut self, open: Open) {
        let truth = self.truth.entry((open.limit, open.start)).or_default();
        truth.reserved -= open.amount;
        truth.spent += open.actual;
    }

    fn retry(&mut self, place: usize) {
        for taking in self.gateways[place].retry(self.now) {
            self.taken(place, taking);
        }
    }

    /// Reports if that is due, and plans the next look.
    fn report(&mut self, place: usize) {
        self.report_now(place);
        self.plan_look(place);
    }

    /// The gateway looks again when it has to, or sooner if that was planned before.
    fn plan_look(&mut self, place: usize) {
        let next = self.gateways[place].looks_next(self.now);
        let latest = next + (next - self.now).min(2_000) / 2;
        if latest < self.gateways[place].looks_at {
            let at = self.rng.i64(next..latest);
            self.gateways[place].looks_at = at;
            self.at(at - self.now, Event::Look(place));
        }
    }

    fn report_now(&mut self, place: usize) {
        self.retry(place);
        let gateway = &mut self.gateways[place];
        if gateway.closing && !gateway.open.is_empty() {
            return;
        }
        if gateway.closing && gateway.holder.is_confirmed() && gateway.has_said_its_last() {
            let (pod, rate) = (gateway.pod.clone(), gateway.rate);
            self.at(500, Event::Gone(pod));
            self.gateway(Some(place), rate);
            return;
        }
        let Some(report) = gateway.report(self.now) else { return };
        if gateway.cut_until > self.now {
            return;
        }
        let (number, pod) = (gateway.leader, gateway.pod.clone());
        let message = Arc::new((pod, report));
        self.send(|| Event::ToLeader(number, Arc::clone(&message)));
    }

    fn granted(&mut self, holder: &HolderId, grants: &Grants) {
        let number = holder.pod.strip_prefix("pod-").unwrap().parse::<usize>().unwrap();
        let place = self.by_pod[number];
        let gateway = &mut self.gateways[place];
        if gateway.pod != holder.pod || gateway.cut_until > self.now {
            return;
        }
        gateway.take_grants(grants, self.now);
        self.report(place);
    }

    /// A process is killed: its requests in flight are at the provider, and have their real cost.
    fn stop(&mut self, place: usize) {
        for (_, open) in std::mem::take(&mut self.gateways[place].open) {
            self.count(open);
        }
    }

    /// What was spent on a limit's accounts, the first one first.
    pub fn spent(&self, limit: usize) -> Vec<u64> {
        self.truth.range((limit, Millis::MIN)..=(limit, Millis::MAX)).map(|(_, truth)| truth.spent).collect()
    }

    pub fn leader(&self) -> &Leader {
        &self.leaders[self.latest].leader
    }

    pub fn leaders(&self) -> usize {
        self.leaders.len()
    }
}

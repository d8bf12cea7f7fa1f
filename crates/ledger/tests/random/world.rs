//! What really happened, next to the book that should know it.

use outrigger_core::{CalendarUnit, Millis, Period, Periods};
use outrigger_ledger::{Book, Counters, LimitNo, LimitSpec, Refused, Reservation, SLOT, State, empty_file, records};
use proptest::prelude::*;

pub const LIMITS: usize = 3;
/// 2024-03-30T20:00Z: in Berlin the clocks go forward in five hours.
const START: Millis = 1_711_828_800_000;

/// Reserves these amounts of each limit, or nothing.
pub type Wants = [Option<u64>; LIMITS];

#[derive(Clone, Debug)]
pub enum Op {
    Wait(Millis),
    StepBack(Millis),
    /// Reserves, writes and sends.
    Reserve(Wants),
    /// Settles the reservation with this index for a percentage of its amount.
    Settle(prop::sample::Index, u64),
    Charge(Wants),
    /// Sets the amount of a limit.
    Amount(usize, u64),
    /// Sets the window of a limit to one of [`windows`].
    Window(usize, usize),
    /// Removes a limit from the policy, or adds it again.
    Name(usize),
    /// Adopts another amount and window of a limit and removes another limit, then takes that back.
    TakeBack(usize, u64, usize),
    Write,
    /// A reservation of which only this many slots were written.
    Crash(Wants, usize),
}

pub fn op(wild: bool) -> BoxedStrategy<Op> {
    let wants = || prop::array::uniform3(prop::option::of(0..60_u64));
    let wait = prop_oneof![0..2_000_i64, 0..60_000_i64, 0..7_200_000_i64, 0..172_800_000_i64, 0..3_000_000_000_i64];
    let per_cent = if wild { 0..180_u64 } else { 0..101 };
    let tame = prop_oneof![
        8 => wants().prop_map(Op::Reserve),
        6 => (any::<prop::sample::Index>(), per_cent).prop_map(|(place, per_cent)| Op::Settle(place, per_cent)),
        4 => wait.prop_map(Op::Wait),
        1 => (0..100_000_000_i64).prop_map(Op::StepBack),
        1 => (0..LIMITS, 0..200_u64).prop_map(|(limit, max)| Op::Amount(limit, max)),
        1 => Just(Op::Write),
    ];
    if !wild {
        return tame.boxed();
    }
    prop_oneof![
        8 => tame,
        1 => wants().prop_map(Op::Charge),
        1 => (0..LIMITS, 0..windows().len()).prop_map(|(limit, window)| Op::Window(limit, window)),
        1 => (0..LIMITS).prop_map(Op::Name),
        1 => (0..LIMITS, 0..200_u64, 0..windows().len()).prop_map(|(limit, max, to)| Op::TakeBack(limit, max, to)),
        1 => (wants(), 0..6_usize).prop_map(|(wants, slots)| Op::Crash(wants, slots)),
    ]
    .boxed()
}

pub fn windows() -> [Periods; 6] {
    [
        Periods::calendar(CalendarUnit::Hour, "Europe/Berlin", 1).unwrap(),
        Periods::calendar(CalendarUnit::Day, "Europe/Berlin", 1).unwrap(),
        Periods::calendar(CalendarUnit::Month, "Asia/Tokyo", 15).unwrap(),
        Periods::rolling(10_000).unwrap(),
        Periods::rolling(86_400_000).unwrap(),
        Periods::lifetime(),
    ]
}

/// A limit, and what was really spent on it.
struct Truth {
    spec: LimitSpec,
    named: bool,
    /// Its window has changed.
    changed: bool,
    no: LimitNo,
    spent: Vec<(Millis, u64)>,
    /// Everything that was ever reserved or charged, used or not.
    promised: u64,
}

struct Attempt {
    reservation: Reservation,
    at: Millis,
    wants: Vec<(usize, u64)>,
}

pub struct World {
    book: Book,
    file: Vec<u8>,
    truths: Vec<Truth>,
    attempts: Vec<Attempt>,
    clock: Millis,
    /// The latest time of the clock.
    latest: Millis,
}

impl World {
    pub fn new(windows: [Periods; LIMITS]) -> Self {
        let mut book = Book::new();
        let spec = |(at, window)| {
            let name = format!("limit {at}");
            LimitSpec { name, unit: "tokens", max: 100, window, fail_open: None }
        };
        let specs: Vec<LimitSpec> = windows.into_iter().enumerate().map(spec).collect();
        let numbers = book.adopt(&specs, START);
        let truth = |(spec, no)| Truth { spec, named: true, changed: false, no, spent: Vec::new(), promised: 0 };
        let truths = specs.into_iter().zip(numbers).map(truth).collect();
        World { book, file: empty_file().to_vec(), truths, attempts: Vec::new(), clock: START, latest: START }
    }

    /// Performs it, in the book and in the model.
    pub fn run(&mut self, op: Op) -> Result<(), Refused> {
        match op {
            Op::Wait(ms) => self.clock += ms,
            Op::StepBack(ms) => self.clock -= ms,
            Op::Reserve(wants) => {
                self.reserve(&wants)?;
                self.write(usize::MAX);
            }
            Op::Settle(place, per_cent) if !self.attempts.is_empty() => {
                let attempt = self.attempts.remove(place.index(self.attempts.len()));
                let mut actual = Vec::new();
                for (limit, amount) in attempt.wants {
                    let amount = amount * per_cent / 100;
                    actual.push((self.truths[limit].no, amount));
                    self.truths[limit].spend(attempt.at, amount);
                }
                self.book.settle(attempt.reservation, &actual);
                // What was not reserved is not in the file yet.
                if per_cent > 100 {
                    self.write(usize::MAX);
                }
            }
            Op::Settle(..) => {}
            Op::Charge(wants) => {
                self.look();
                for (limit, amount) in self.wants(&wants) {
                    self.book.charge(self.clock, &[(self.truths[limit].no, amount)]);
                    self.truths[limit].spend(self.latest, amount);
                }
                self.write(usize::MAX);
            }
            Op::Amount(limit, max) => {
                self.truths[limit].spec.max = max;
                self.adopt();
            }
            // The book would not be told about a limit that is not named.
            Op::Window(limit, window) if self.truths[limit].named => {
                self.truths[limit].spec.window = windows()[window].clone();
                self.truths[limit].changed = true;
                self.adopt();
            }
            Op::Window(..) => {}
            Op::Name(limit) => {
                self.forget();
                self.truths[limit].named ^= true;
                self.adopt();
            }
            Op::TakeBack(limit, max, window) => self.take_back(limit, max, &windows()[window]),
            Op::Write => self.write(usize::MAX),
            Op::Crash(wants, slots) => self.crash(&wants, slots),
        }
        Ok(())
    }

    fn reserve(&mut self, wants: &Wants) -> Result<(), Refused> {
        self.look();
        let wants = self.wants(wants);
        let amounts: Vec<_> = wants.iter().map(|(limit, amount)| (self.truths[*limit].no, *amount)).collect();
        let reservation = self.book.reserve(self.clock, &amounts)?;
        for (limit, amount) in &wants {
            self.truths[*limit].promised += amount;
        }
        self.attempts.push(Attempt { reservation, at: self.latest, wants });
        Ok(())
    }

    /// The last reservation was not sent yet. All others were, and count as spent.
    fn crash(&mut self, wants: &Wants, slots: usize) {
        self.write(usize::MAX);
        if self.reserve(wants).is_ok() {
            self.attempts.pop();
        }
        self.write(slots);
        for attempt in std::mem::take(&mut self.attempts) {
            for (limit, amount) in attempt.wants {
                self.truths[limit].spent.push((attempt.at, amount));
            }
        }
        self.book = Book::new();
        let restored = self.book.restore(records(&self.file).unwrap(), self.latest);
        assert_eq!(restored.damaged, []);
        self.clock = self.latest;
        self.forget();
        // A file does not record that an account of another window still counts for a limit that is not named.
        self.truths.iter_mut().filter(|truth| truth.changed && !truth.named).for_each(|truth| truth.spent.clear());
        self.adopt();
    }

    fn adopt(&mut self) {
        self.look();
        let specs: Vec<_> = self.truths.iter().filter(|truth| truth.named).map(|truth| truth.spec.clone()).collect();
        let mut numbers = self.book.adopt(&specs, self.clock).into_iter();
        for truth in self.truths.iter_mut().filter(|truth| truth.named) {
            truth.no = numbers.next().unwrap();
        }
    }

    /// Nothing remains of the adoption: neither in the states nor in later results.
    fn take_back(&mut self, limit: usize, max: u64, window: &Periods) {
        let states = |world: &mut World| world.named().into_iter().map(|at| world.state(at)).collect::<Vec<_>>();
        let before = states(self);
        let spec = LimitSpec { max, window: window.clone(), ..self.truths[limit].spec.clone() };
        let next = self.truths[(limit + 1) % LIMITS].spec.clone();
        self.book.adopt(&[spec, next], self.clock);
        self.write(usize::MAX);
        self.book.take_back();
        assert_eq!(states(self), before);
    }

    /// A limit that is not named may be forgotten once it does not count.
    fn forget(&mut self) {
        self.look();
        let latest = self.latest;
        for truth in self.truths.iter_mut().filter(|truth| !truth.named) {
            let since = truth.since(latest);
            truth.spent.retain(|(at, _)| *at >= since);
        }
    }

    /// Writes at most this many slots; the rest is lost.
    fn write(&mut self, mut slots: usize) {
        let before: Vec<_> = self.accounts();
        let file = &mut self.file;
        self.book.writes(|slot, bytes| {
            let at = slot as usize * SLOT;
            if slots > 0 {
                slots -= 1;
                file.resize(file.len().max(at + SLOT), 0);
                file[at..at + SLOT].copy_from_slice(bytes);
            }
        });
        for (name, period, now, _) in self.accounts() {
            let Some((_, _, then, _)) = before.iter().find(|(other, of, ..)| *other == name && *of == period) else {
                continue;
            };
            let grows = now.granted >= then.granted && now.returned >= then.returned && now.spent >= then.spent;
            assert!(grows, "{name} {period:?}: {then:?}, then {now:?}");
        }
    }

    fn accounts(&self) -> Vec<(String, Period, Counters, u64)> {
        let accounts = records(&self.file).unwrap().map(Result::unwrap);
        accounts
            .map(|record| (record.name().to_owned(), record.period(), record.counters(), record.reserved()))
            .collect()
    }

    /// No account occurs twice; and if no request costs more than was reserved, none exceeds what it has.
    pub fn check_pages(&self, no_debts: bool) -> Result<(), TestCaseError> {
        let accounts = self.accounts();
        for (at, (name, period, counters, reserved)) in accounts.iter().enumerate() {
            let again = accounts[at + 1..].iter().any(|(other, of, ..)| other == name && of == period);
            prop_assert!(!again, "{} {:?} twice", name, period);
            let held = counters.granted - counters.returned;
            prop_assert!(
                !no_debts || u128::from(counters.spent + reserved) <= held,
                "{} {:?}: {:?}",
                name,
                period,
                counters
            );
        }
        Ok(())
    }

    /// The answer of a book that knew everything.
    pub fn expect(&mut self, wants: &Wants) -> Result<(), Refused> {
        self.look();
        let (mut exhausted, mut contended) = (Vec::new(), Ok(()));
        for (limit, want) in self.wants(wants) {
            let (no, max, spent) = (self.truths[limit].no, self.max(limit), self.spent(limit));
            if spent + want > max {
                let until = self.truths[limit].spec.window.period(self.latest).end.filter(|_| want <= max);
                exhausted.push((until, Refused::Exhausted { limit: no, spent, max, until }));
            } else if spent + self.in_flight(limit) + want > max && contended.is_ok() {
                contended = Err(Refused::Contended { limit: no });
            }
        }
        // The last to have room; among equals the first.
        exhausted.sort_by_key(|(until, _)| std::cmp::Reverse(until.unwrap_or(Millis::MAX)));
        exhausted.first().map_or(contended, |(_, refused)| Err(*refused))
    }

    pub fn wants(&self, wants: &Wants) -> Vec<(usize, u64)> {
        wants
            .iter()
            .enumerate()
            .filter_map(|(limit, want)| Some((limit, (*want)?)))
            .filter(|(limit, _)| self.truths[*limit].named)
            .collect()
    }

    /// What was really spent and counts now.
    pub fn spent(&self, limit: usize) -> u64 {
        let truth = &self.truths[limit];
        let since = truth.since(self.latest);
        truth.spent.iter().filter(|(at, _)| *at >= since).map(|(_, amount)| amount).sum()
    }

    /// What was reserved, may still be spent, and will count now.
    pub fn in_flight(&self, limit: usize) -> u64 {
        let since = self.truths[limit].since(self.latest);
        let attempts = self.attempts.iter().filter(|attempt| attempt.at >= since);
        attempts.flat_map(|attempt| &attempt.wants).filter(|(of, _)| *of == limit).map(|(_, amount)| amount).sum()
    }

    /// Those in the policy: another book does not know the numbers of the rest.
    pub fn named(&self) -> Vec<usize> {
        (0..LIMITS).filter(|limit| self.truths[*limit].named).collect()
    }

    pub fn max(&self, limit: usize) -> u64 {
        self.truths[limit].spec.max
    }

    pub fn promised(&self, limit: usize) -> u64 {
        self.truths[limit].promised
    }

    pub fn number(&self, limit: usize) -> LimitNo {
        self.truths[limit].no
    }

    pub fn state(&mut self, limit: usize) -> State {
        self.look();
        let (no, at) = (self.truths[limit].no, self.clock);
        let state = self.book.state(no, at);
        let left = state.max.saturating_sub(state.spent).saturating_sub(state.reserved);
        assert_eq!((self.book.used(no, at), self.book.available(no, at)), (state.spent, left));
        state
    }

    pub fn time(&self) -> Millis {
        self.latest
    }

    pub fn open(&self) -> usize {
        self.book.open()
    }

    pub fn under_way(&self) -> usize {
        self.attempts.len()
    }

    /// Reads the clock, and passes it to the book.
    fn look(&mut self) {
        self.latest = self.latest.max(self.clock);
        self.book.charge(self.clock, &[]);
    }
}

impl Truth {
    fn spend(&mut self, at: Millis, amount: u64) {
        self.spent.push((at, amount));
        // Amounts that were reserved before count twice, which is still a bound.
        self.promised += amount;
    }

    fn since(&self, at: Millis) -> Millis {
        match self.spec.window == Periods::lifetime() {
            true => Millis::MIN,
            false => match windows().iter().position(|window| *window == self.spec.window) {
                Some(3) => at - 10_000 + 1,
                Some(4) => at - 86_400_000 + 1,
                _ => self.spec.window.period(at).start,
            },
        }
    }
}

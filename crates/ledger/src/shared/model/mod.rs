//! Checks both sides against every order of events, exhaustively within bounds.
//!
//! A budget of one to three units, two gateways, two leaders that overlap, a store, and a network in which a message
//! may arrive late, twice, out of order, or never. The state machines are the ones that ship. The same model refutes
//! six protocols that look right and are wrong, which shows that it would detect such a mistake.

mod fingerprint;
mod gateway;
mod mutant;
mod world;

use std::hash::{Hash, Hasher};

use stateright::{Checker, Model, Property};

use mutant::Mutant;
use world::{Action, ModelWorld};

/// The events of a search, in addition to those that are always allowed.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    budget: u64,
    begins: Begins,
    /// The number of successive leaders, and whether their writes during the takeover are steps.
    leaders: usize,
    takeover_in_steps: bool,
    /// Reports and reservations of each gateway.
    reports: u8,
    reserves: u8,
    /// Deliveries of each message.
    deliveries: u8,
    /// Writes with unknown outcome, processes that are killed and restarted, lost pods, final reports.
    unknown: u8,
    restarts: u8,
    losses: u8,
    lasts: u8,
    /// How often somebody has what lost pods held forgiven.
    forgives: u8,
    /// How often somebody resets the budget, and has it raised by one unit: always the same action.
    resets: u8,
    raises: u8,
    /// Steps after the start.
    depth: usize,
}

/// The events before the start of the search.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Begins {
    /// Both gateways have requested one unit, and the leader has written nothing yet.
    Asking,
    /// Both gateways have requested one unit, and the leader can grant it.
    Asked,
    /// The first gateway was granted a unit. A second leader leads, and the second gateway has requested a unit from
    /// it.
    Replaced,
    /// The first gateway was granted a unit, and has returned it with its final report. The leader has received that;
    /// the store has not.
    Returned,
}

const BOUNDS: Bounds = Bounds {
    budget: 1,
    begins: Begins::Asked,
    leaders: 1,
    takeover_in_steps: false,
    reports: 2,
    reserves: 2,
    deliveries: 1,
    unknown: 0,
    restarts: 0,
    losses: 0,
    lasts: 0,
    forgives: 0,
    resets: 0,
    raises: 0,
    depth: 6,
};

#[derive(Clone, Debug)]
struct LedgerModel {
    bounds: Bounds,
    mutant: Mutant,
}

impl Model for LedgerModel {
    type State = ModelWorld;
    type Action = Action;

    fn init_states(&self) -> Vec<ModelWorld> {
        vec![ModelWorld::new(&self.bounds, self.mutant)]
    }

    fn actions(&self, world: &ModelWorld, actions: &mut Vec<Action>) {
        world.actions(&self.bounds, self.mutant, actions);
    }

    fn next_state(&self, world: &ModelWorld, action: Action) -> Option<ModelWorld> {
        let mut next = world.clone();
        next.act(&action, self.mutant);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let used = Property::sometimes(USED, |_: &LedgerModel, world: &ModelWorld| world.committed() > 0);
        let kept = Property::always(OVERSPENT, |_: &LedgerModel, world: &ModelWorld| world.is_kept());
        let stored = Property::always(OVERPROMISED, |_: &LedgerModel, world: &ModelWorld| world.is_stored());
        match self.mutant {
            Mutant::None => vec![used, kept, stored],
            _ => vec![used, kept],
        }
    }
}

const USED: &str = "something is granted and reserved";
const OVERSPENT: &str = "no more is spent or reserved than the limit";
const OVERPROMISED: &str = "the store never promises more than the limit";

impl PartialEq for ModelWorld {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Hash for ModelWorld {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

/// Searches all of it, and returns the number of states.
fn search(bounds: Bounds, mutant: Mutant) -> (usize, Option<String>) {
    let model = LedgerModel { bounds, mutant };
    let checker = model.checker().threads(2).target_max_depth(bounds.depth).spawn_bfs().join();
    let path = |property| checker.discovery(property).map(|path| format!("{property}: {:?}", path.into_actions()));
    let refuted = path(OVERSPENT).or_else(|| (mutant == Mutant::None).then(|| path(OVERPROMISED)).flatten());
    assert!(checker.discovery(USED).is_some(), "nothing happens in {bounds:?}");
    (checker.unique_state_count(), refuted)
}

fn holds(bounds: Bounds) {
    let (states, refuted) = search(bounds, Mutant::None);
    assert!(states > 1000, "{states}");
    println!("{states} states, {bounds:?}");
    assert_eq!(refuted, None);
}

fn is_refuted(bounds: Bounds, mutant: Mutant) {
    let (states, refuted) = search(bounds, mutant);
    println!("{mutant:?}: {states} states, {refuted:?}");
    assert!(refuted.is_some(), "{mutant:?} was not noticed");
}

#[test]
fn messages_that_arrive_twice_and_late() {
    holds(Bounds { budget: 2, deliveries: 2, ..BOUNDS });
}

#[test]
fn gateways_that_end_with_and_without_a_final_report() {
    holds(Bounds { lasts: 1, losses: 1, ..BOUNDS });
}

/// What was forgiven may be spent once more, and nothing else.
#[test]
fn pods_that_are_lost_and_forgiven() {
    holds(Bounds { losses: 1, forgives: 1, reports: 1, ..BOUNDS });
}

/// What was spent before the reset may be spent once more, and nothing else.
#[test]
fn a_budget_that_is_reset() {
    holds(Bounds { resets: 1, ..BOUNDS });
}

#[test]
fn a_budget_that_is_reset_and_another_leader_takes_over() {
    holds(Bounds { begins: Begins::Replaced, leaders: 3, resets: 1, reports: 1, ..BOUNDS });
}

/// Whoever repeats the action raises it once.
#[test]
fn a_budget_that_is_raised_and_the_action_repeated() {
    holds(Bounds { raises: 2, ..BOUNDS });
}

#[test]
fn a_budget_that_two_leaders_raise() {
    holds(Bounds { begins: Begins::Replaced, leaders: 2, raises: 2, reports: 1, ..BOUNDS });
}

#[test]
fn processes_that_are_killed_and_continue_with_their_journal() {
    holds(Bounds { budget: 2, restarts: 1, ..BOUNDS });
}

#[test]
fn writes_with_an_unknown_outcome() {
    holds(Bounds { begins: Begins::Asking, unknown: 2, reports: 1, depth: 7, ..BOUNDS });
}

#[test]
fn a_leader_that_takes_over_while_another_grants() {
    holds(Bounds { leaders: 2, takeover_in_steps: true, budget: 2, ..BOUNDS });
}

#[test]
fn two_leaders_that_both_think_they_lead() {
    holds(Bounds { begins: Begins::Replaced, leaders: 2, budget: 3, ..BOUNDS });
}

#[test]
fn a_third_leader_that_credits_stranded_amounts() {
    holds(Bounds { begins: Begins::Replaced, leaders: 3, budget: 2, ..BOUNDS });
}

#[test]
fn freeing_silent_holders_by_a_timer_overspends() {
    is_refuted(Bounds { reports: 0, reserves: 1, depth: 9, ..BOUNDS }, Mutant::BackOnTimer);
}

#[test]
fn a_ceiling_carried_over_from_memory_overspends() {
    is_refuted(Bounds { begins: Begins::Replaced, leaders: 2, depth: 9, ..BOUNDS }, Mutant::CarriedCeiling);
}

#[test]
fn returns_recycled_in_memory_and_credited_later_overspend() {
    is_refuted(
        Bounds { begins: Begins::Returned, reports: 1, reserves: 3, depth: 12, ..BOUNDS },
        Mutant::RecycledReturns,
    );
}

#[test]
fn grants_sent_as_differences_overspend() {
    is_refuted(Bounds { deliveries: 2, depth: 9, ..BOUNDS }, Mutant::AddedGrants);
}

#[test]
fn a_reset_that_writes_off_what_is_held_overspends() {
    is_refuted(Bounds { resets: 1, reports: 0, reserves: 1, depth: 9, ..BOUNDS }, Mutant::ResetHeld);
}

#[test]
fn a_repeated_raise_that_is_added_overspends() {
    is_refuted(Bounds { budget: 0, raises: 2, reports: 0, reserves: 1, depth: 12, ..BOUNDS }, Mutant::AddedRaise);
}

/// Too deep for an exhaustive search: some paths, but long ones.
#[test]
fn long_random_paths_through_all_events() {
    let mut rng = fastrand::Rng::with_seed(12);
    let mut used_up = 0;
    for round in 0..300 {
        let bounds = Bounds {
            budget: 1 + round % 3,
            leaders: 3,
            takeover_in_steps: round % 2 == 0,
            reports: 12,
            reserves: 8,
            deliveries: 2,
            unknown: 3,
            restarts: 2,
            losses: 1,
            lasts: 1,
            forgives: u8::from(round % 4 == 0),
            resets: u8::from(round % 4 == 1),
            raises: 2 * u8::from(round % 4 == 2),
            ..BOUNDS
        };
        let mut most = 0;
        ModelWorld::new(&bounds, Mutant::None).walk(&bounds, 90, &mut rng, |world| {
            assert!(world.is_kept() && world.is_stored(), "{world:?}");
            most = most.max(world.committed().saturating_sub(world.allowed_beyond()));
        });
        used_up += u32::from(most == bounds.budget);
    }
    // Most of them are lost messages.
    assert!(used_up > 20, "{used_up}");
}

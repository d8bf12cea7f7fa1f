//! A book compared with a simple list of what really happened, under any order of reservations, settlements, charges,
//! changed policies, clocks and crashes. A book is a value behind a mutex, so any interleaving of threads is such an
//! order.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

mod world;

use outrigger_core::{CalendarUnit, Periods};
use outrigger_ledger::Refused;
use proptest::prelude::*;

use world::{LIMITS, Op, World, op};

fn ops(wild: bool) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(wild), 1..60)
}

/// Windows that are exact to the millisecond.
fn calendars() -> [Periods; LIMITS] {
    let of = |unit, zone| Periods::calendar(unit, zone, 1).unwrap();
    [of(CalendarUnit::Day, "Europe/Berlin"), of(CalendarUnit::Hour, "Asia/Kathmandu"), Periods::lifetime()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Without crashes, debts or changed windows nothing is approximated: a book knows exactly what was spent, and
    /// refuses exactly what does not fit, for the right reason.
    #[test]
    fn a_book_reports_what_really_happened(ops in ops(false)) {
        let mut world = World::new(calendars());
        for op in ops {
            let expected = match &op {
                Op::Reserve(wants) => world.expect(wants),
                _ => Ok(()),
            };
            match (world.run(op), expected) {
                (Ok(()), expected) => prop_assert_eq!(expected, Ok(())),
                (Err(refused), expected) => prop_assert_eq!(Err(refused), expected),
            }
            for limit in 0..LIMITS {
                let state = world.state(limit);
                prop_assert_eq!((state.spent, state.reserved), (world.spent(limit), world.in_flight(limit)));
            }
            world.check_pages(true)?;
        }
    }

    /// In any case: never more is reserved than there is, and the known usage is never less than what was spent.
    #[test]
    fn no_spent_amount_is_lost(ops in ops(true)) {
        let [day, hour, _] = calendars();
        let mut world = World::new([day, hour, Periods::rolling(10_000).unwrap()]);
        for op in ops {
            let wants = match &op {
                Op::Reserve(wants) => world.wants(wants),
                _ => Vec::new(),
            };
            match world.run(op) {
                Ok(()) => for (limit, _) in wants {
                    // In the period, or in a rolling window that ends at this instant.
                    let promised = world.spent(limit) + world.in_flight(limit);
                    prop_assert!(promised <= world.max(limit), "limit {}: {} of {}", limit, promised, world.max(limit));
                },
                Err(Refused::Exhausted { limit, spent, max, until }) => {
                    let (limit, want) = *wants.iter().find(|(place, _)| world.number(*place) == limit).unwrap();
                    let state = world.state(limit);
                    prop_assert_eq!((spent, max), (state.spent, state.max));
                    prop_assert!(spent + want > max, "{} and {} fit into {}", spent, want, max);
                    prop_assert!(until.is_none_or(|until| until > world.time()));
                    // What is reported as spent was at least reserved at some time.
                    prop_assert!(spent <= world.promised(limit));
                }
                Err(Refused::NotGranted { .. }) => prop_assert!(false, "the book grants all of it itself"),
                Err(Refused::Contended { limit }) => {
                    let (limit, want) = *wants.iter().find(|(place, _)| world.number(*place) == limit).unwrap();
                    let state = world.state(limit);
                    prop_assert!(state.spent + want <= state.max && state.spent + state.reserved + want > state.max);
                }
            }
            for limit in world.named() {
                let state = world.state(limit);
                prop_assert!(state.spent >= world.spent(limit), "limit {}: {} of {}", limit, state.spent, world.spent(limit));
                prop_assert!(state.spent + state.reserved >= world.spent(limit) + world.in_flight(limit));
            }
            prop_assert_eq!(world.open(), world.under_way());
            world.check_pages(false)?;
        }
    }
}

//! The two sides of the ledger in a world with many faults: seeded, and as fast as it computes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod gateway;
mod queue;
mod store;
mod world;

use outrigger_core::{CalendarUnit, Periods};
use outrigger_ledger::protocol::LimitKey;
use outrigger_ledger::shared::leader::SharedLimit;

use world::{Plan, World};

/// 2026-11-30 08:00 UTC.
const MORNING: i64 = 1_796_025_600_000;

fn limit(name: &str, max: u64, window: Periods) -> SharedLimit {
    SharedLimit { id: LimitKey { limit: format!("Budget test/{name}"), unit: "usd".to_owned() }, max, window }
}

fn plan(seed: u64, gateways: usize) -> Plan {
    let rate = gateways as f64 / 4.0;
    // About four minutes at this rate: a request reserves 10,000 on average, and costs two thirds of it.
    let max = (rate * 240.0 * 6_500.0) as u64;
    Plan {
        seed,
        gateways,
        limits: vec![limit("all", max, Periods::lifetime())],
        begins: MORNING,
        lasts: 400_000,
        rate,
        amounts: (1_000, 19_000),
        failovers: 1.0,
        kills: gateways as f64 / 300.0,
        crashes: gateways as f64 / 100.0,
        rollouts: gateways as f64 / 50.0,
        cuts: gateways as f64 / 50.0,
        faults: true,
        skew: 2_000,
    }
}

fn quiet(seed: u64, gateways: usize) -> Plan {
    Plan {
        failovers: 0.0,
        kills: 0.0,
        crashes: 0.0,
        rollouts: 0.0,
        cuts: 0.0,
        faults: false,
        skew: 0,
        ..plan(seed, gateways)
    }
}

/// The result of a run, in percent of the budget.
#[derive(Clone, Copy, Debug)]
struct Usage {
    spent: f64,
    /// Spent, or charged because lost holders may have spent it.
    charged: f64,
    /// Held by existing gateways, or available to them: the next request takes it.
    usable: f64,
}

fn usage(world: &World) -> Usage {
    let limit = &world.plan.limits[0];
    let part = |amount: u64| amount as f64 * 100.0 / limit.max as f64;
    let spent = world.spent(0).iter().sum::<u64>();
    let status = world.leader().status(&limit.id);
    let charged = status.as_ref().map_or(0, |status| status.fleet.spent + status.fleet.unconfirmed);
    let usable = status.as_ref().map_or(0, |status| status.fleet.leased + status.available);
    Usage { spent: part(spent), charged: part(charged), usable: part(usable) }
}

fn figures(world: &World) -> String {
    let mut all = gateway::Figures::default();
    for gateway in &world.gateways {
        let one = gateway.figures;
        all.served += one.served;
        all.waited += one.waited;
        all.spent += one.spent;
        all.contended += one.contended;
        all.unavailable += one.unavailable;
    }
    let Usage { spent, charged, usable } = usage(world);
    format!(
        "seed {}: spent {spent:.2} %, charged {charged:.2} %, still usable {usable:.2} %; {} events, {} writes, {} in the \
         busiest ten seconds, longest {} B, {} leaders, {} findings, {all:?}",
        world.plan.seed,
        world.events,
        world.store.writes(),
        world.busiest,
        world.store.longest,
        world.leaders(),
        world.findings.len(),
    )
}

#[test]
fn without_faults_a_budget_is_used_up_exactly() {
    for gateways in [1, 10, 100] {
        let mut world = World::new(quiet(7, gateways));
        world.run();
        println!("{}", figures(&world));
        assert_eq!(world.violations, Vec::<String>::new());
        assert_eq!(world.findings, Vec::new());
        assert!(world.spent(0)[0] >= world.plan.limits[0].max / 100 * 97, "{}", figures(&world));
    }
}

#[test]
fn with_any_fault_no_more_is_spent_than_the_limit() {
    for seed in 0..4 {
        let mut world = World::new(plan(seed, 200));
        world.run();
        println!("{}", figures(&world));
        assert_eq!(world.violations, Vec::<String>::new());
    }
}

#[test]
fn periods_and_windows_are_bounded_at_their_edges() {
    for seed in 0..2 {
        let minute = Periods::calendar(CalendarUnit::Minute, "UTC", 1).unwrap();
        let limits = vec![
            limit("all", u64::MAX / 4, Periods::lifetime()),
            limit("minute", 1_000_000, minute),
            limit("hour", 3_000_000, Periods::rolling(3_600_000).unwrap()),
        ];
        let mut world = World::new(Plan { limits, ..plan(seed, 40) });
        world.run();
        println!("{} {:?} {:?}", figures(&world), world.spent(1), world.spent(2));
        assert_eq!(world.violations, Vec::<String>::new());
        // Six whole minutes, most of each budget used.
        let minutes = world.spent(1);
        assert!(
            minutes.len() >= 6 && minutes.iter().take(6).filter(|spent| **spent > 500_000).count() >= 5,
            "{minutes:?}"
        );
    }
}

/// The whole simulation, manually and optimized: `SEEDS=200 GATEWAYS=10000`.
#[test]
#[ignore = "takes minutes: run it in release"]
fn two_hundred_seeds_with_ten_thousand_gateways() {
    let of = |name: &str, default: usize| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let (first, seeds, gateways) = (of("FIRST", 0), of("SEEDS", 200), of("GATEWAYS", 10_000));
    let (mut all, mut events, mut busiest, mut longest, mut leaders) = (Vec::new(), 0, 0, 0, 0);
    for seed in first..first + seeds {
        let mut world = World::new(plan(seed as u64, gateways));
        world.run();
        println!("{}", figures(&world));
        // If the leader changed just before the end, the new one does not know yet what is left.
        let faulty = usage(&world);
        for _ in 0..12 {
            if usage(&world).spent < 97.0 {
                world.run_without_faults(10_000);
            }
        }
        assert_eq!(world.violations, Vec::<String>::new());
        let spendable = usage(&world).spent;
        if spendable > faulty.spent {
            println!("  without further faults: {}", figures(&world));
        }
        assert!(spendable >= 97.0, "of each budget nearly all can be spent");
        all.push(faulty);
        (events, leaders) = (events + world.events, leaders + world.leaders());
        (busiest, longest) = (busiest.max(world.busiest), longest.max(world.store.longest));
    }
    let average = |of: fn(&Usage) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
    let least = |of: fn(&Usage) -> f64| all.iter().map(of).fold(100.0, f64::min);
    println!(
        "{seeds} seeds, {gateways} gateways: {events} events, {leaders} leaders, 0 violations; spent {:.2} % on average and \
         {:.2} % at worst, with what is charged for pods that are gone {:.2} % and {:.2} %; {busiest} writes at most in any \
         ten seconds, objects of up to {longest} bytes",
        average(|one| one.spent),
        least(|one| one.spent),
        average(|one| one.charged),
        least(|one| one.charged),
    );
    assert!(busiest < 100, "fewer than ten writes a second in any ten seconds");
}

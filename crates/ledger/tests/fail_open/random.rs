//! Random requests, interruptions and restarts: the really spent amount stays below the limit plus the allowance of
//! each pod, and everything is reported to the ledger.

use outrigger_core::Periods;
use proptest::prelude::*;

use crate::fleet::{Fleet, MINUTE, OPEN};

const PODS: [&str; 3] = ["a", "b", "c"];
const LIMIT: u64 = 300;

#[derive(Clone, Debug)]
enum Event {
    Reserve(usize, u64),
    Settle(usize),
    Cut(usize),
    Connect(usize),
    Restart(usize),
    Pass(i64),
    Store(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let pod = 0..PODS.len();
    prop_oneof![
        8 => (pod.clone(), 1u64..30).prop_map(|(pod, amount)| Event::Reserve(pod, amount)),
        6 => pod.clone().prop_map(Event::Settle),
        2 => pod.clone().prop_map(Event::Cut),
        2 => pod.clone().prop_map(Event::Connect),
        1 => pod.prop_map(Event::Restart),
        2 => (1i64..90_000).prop_map(Event::Pass),
        1 => any::<bool>().prop_map(Event::Store),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_more_passes_than_the_limit_and_the_allowances(events in prop::collection::vec(event(), 1..60)) {
        let mut fleet = Fleet::new(LIMIT, Periods::lifetime(), Some(OPEN)).started(&PODS);
        for event in &events {
            match event {
                Event::Reserve(pod, amount) => drop(fleet.reserve(PODS[*pod], *amount)),
                Event::Settle(pod) => fleet.settle(PODS[*pod]),
                Event::Cut(pod) => fleet.cut(PODS[*pod]),
                Event::Connect(pod) => fleet.connect(PODS[*pod]),
                Event::Restart(pod) => fleet.restart(PODS[*pod]),
                Event::Pass(ms) => fleet.pass(*ms),
                Event::Store(answers) => fleet.held = !answers,
            }
            let under_way: u64 = fleet.pods.values().flat_map(|pod| &pod.open).map(|(_, amount)| amount).sum();
            let most = LIMIT + PODS.len() as u64 * OPEN.most;
            prop_assert!(fleet.spent + under_way <= most, "{} and {under_way} under way after {event:?}", fleet.spent);
            for pod in PODS {
                prop_assert!(fleet.owed(pod).0 <= OPEN.most, "{pod} owes {}", fleet.owed(pod).0);
            }
        }
        fleet.held = false;
        for pod in PODS {
            fleet.settle(pod);
            fleet.connect(pod);
        }
        fleet.pass(MINUTE);
        fleet.report_all();
        prop_assert_eq!(fleet.counted(), fleet.spent);
        prop_assert_eq!(&fleet.findings, &[]);
    }
}

//! Random requests, lost, late and repeated messages, restarts and changes of leaders: never more run than allowed.

use proptest::prelude::*;

use crate::fleet::Fleet;

const PODS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Event {
    Ask(usize),
    End(usize),
    GiveUp(usize),
    Up(usize, usize),
    Down(usize, usize),
    Lose(usize, bool),
    Repeat(usize, usize, bool),
    Reconnect(usize),
    Restart(usize),
    FailOver,
    Pass(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let pod = 0..PODS.len();
    prop_oneof![
        8 => pod.clone().prop_map(Event::Ask),
        6 => pod.clone().prop_map(Event::End),
        1 => pod.clone().prop_map(Event::GiveUp),
        8 => (pod.clone(), 0..9usize).prop_map(|(pod, at)| Event::Up(pod, at)),
        8 => (pod.clone(), 0..9usize).prop_map(|(pod, at)| Event::Down(pod, at)),
        1 => (pod.clone(), any::<bool>()).prop_map(|(pod, up)| Event::Lose(pod, up)),
        2 => (pod.clone(), 0..9usize, any::<bool>()).prop_map(|(pod, at, up)| Event::Repeat(pod, at, up)),
        1 => pod.clone().prop_map(Event::Reconnect),
        1 => pod.prop_map(Event::Restart),
        1 => Just(Event::FailOver),
        4 => (1i64..4_000).prop_map(Event::Pass),
    ]
}

fn happen(fleet: &mut Fleet, event: &Event) {
    match event {
        Event::Ask(pod) => drop(fleet.ask(PODS[*pod])),
        Event::End(pod) => fleet.end(PODS[*pod]),
        Event::GiveUp(pod) => fleet.give_up(PODS[*pod]),
        Event::Up(pod, at) => {
            let there = fleet.pods[PODS[*pod]].up.len();
            if there > 0 {
                fleet.deliver_up(PODS[*pod], at % there);
            }
        }
        Event::Down(pod, at) => {
            let there = fleet.pods[PODS[*pod]].down.len();
            if there > 0 {
                fleet.deliver_down(PODS[*pod], at % there);
            }
        }
        Event::Lose(pod, up) => {
            let pod = fleet.pods.get_mut(PODS[*pod]).unwrap();
            match up {
                true => pod.up.clear(),
                false => pod.down.clear(),
            }
        }
        Event::Repeat(pod, at, up) => {
            let pod = fleet.pods.get_mut(PODS[*pod]).unwrap();
            if *up && !pod.up.is_empty() {
                pod.up.push(pod.up[at % pod.up.len()].clone());
            } else if !up && !pod.down.is_empty() {
                pod.down.push(pod.down[at % pod.down.len()].clone());
            }
        }
        Event::Reconnect(pod) => fleet.reconnect(PODS[*pod]),
        Event::Restart(pod) => fleet.start(PODS[*pod]),
        Event::FailOver => fleet.fail_over(),
        // A leader that stops waiting for a pod may grant too much: see the promises.
        Event::Pass(ms) => match fleet.leader.is_ready() || fleet.now + ms < fleet.begun + 9_000 {
            true => fleet.pass(*ms),
            false => heal(fleet),
        },
    }
}

/// All messages arrive from now on.
fn heal(fleet: &mut Fleet) {
    fleet.reliable = true;
    PODS.iter().for_each(|pod| fleet.reconnect(pod));
    assert!(fleet.leader.is_ready());
    fleet.reliable = false;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn no_more_run_than_allowed_and_every_request_is_served(
        max in 1u64..5,
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut fleet = Fleet::new(max, &PODS);
        fleet.reliable = false;
        for event in &events {
            happen(&mut fleet, event);
            let held: u64 = PODS.iter().map(|pod| fleet.held(pod)).sum();
            prop_assert!(held <= max, "{held} of {max} are held after {event:?}");
            prop_assert!(fleet.running() <= held, "{} run with {held} after {event:?}", fleet.running());
        }
        heal(&mut fleet);
        fleet.reliable = true;
        for pod in PODS {
            while fleet.pods[pod].runs > 0 {
                fleet.end(pod);
            }
            fleet.give_up(pod);
        }
        fleet.pass(5_000);
        let before: Vec<u64> = PODS.iter().map(|pod| fleet.pods[*pod].served).collect();
        for _ in 0..60 {
            for pod in PODS {
                if fleet.pods[pod].waits == 0 && fleet.pods[pod].runs == 0 {
                    let _ = fleet.ask(pod);
                }
            }
            prop_assert!(fleet.running() <= max);
            fleet.pass(500);
            PODS.iter().for_each(|pod| fleet.end(pod));
        }
        for (pod, before) in PODS.iter().zip(before) {
            prop_assert!(fleet.pods[*pod].served > before + 5, "{pod} is served {}", fleet.pods[*pod].served - before);
        }
        prop_assert_eq!(&fleet.findings, &[]);
    }
}

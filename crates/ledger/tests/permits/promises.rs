//! Each promise by itself.

use outrigger_ledger::permits::{PermitFindingKind, PermitReport, PermitSession, PermitShort, PermitUsage};

use crate::fleet::{Fleet, LIMIT};

#[test]
fn a_gateway_without_a_permit_asks_and_runs_at_once() {
    let mut fleet = Fleet::new(10, &["a", "b"]);
    assert_eq!(fleet.ask("a"), Err(PermitShort::Coming));
    assert_eq!((fleet.running(), fleet.pods["a"].waits), (1, 0), "the leader had one");
    assert_eq!(fleet.ask("a"), Ok(()), "one was asked for beside");
    fleet.end("a");
    fleet.end("a");
    assert_eq!((fleet.ask("a"), fleet.ask("a")), (Ok(()), Ok(())), "without asking anybody");
}

#[test]
fn a_limit_that_is_reached_refuses_at_once_and_the_leader_hears_of_it() {
    let mut fleet = Fleet::new(2, &["a", "b"]);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    assert_eq!(fleet.running(), 2);
    assert_eq!(fleet.ask("b"), Err(PermitShort::Coming), "nobody knows yet");
    assert_eq!(fleet.pods["b"].waits, 0, "it heard that as many run as may");
    assert_eq!(fleet.ask("b"), Err(PermitShort::Reached), "and that holds for the next one");
    fleet.end("a");
    assert_eq!((fleet.held("a"), fleet.held("b")), (1, 1), "what was recalled is returned when a request ends");
    assert_eq!(fleet.ask("b"), Ok(()));
    assert_eq!(fleet.running(), 2);
}

#[test]
fn idle_permits_of_others_are_recalled_and_waited_for() {
    let mut fleet = Fleet::new(4, &["a", "b"]);
    for _ in 0..4 {
        let _ = fleet.ask("a");
    }
    (0..4).for_each(|_| fleet.end("a"));
    assert_eq!(fleet.held("a"), 4);
    assert_eq!(fleet.ask("b"), Err(PermitShort::Coming));
    assert_eq!((fleet.running(), fleet.held("a"), fleet.held("b")), (1, 3, 1));
}

#[test]
fn what_becomes_idle_while_others_wait_is_told_at_once_and_recalled() {
    let mut fleet = Fleet::new(3, &["a", "b"]);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    let _ = (fleet.ask("b"), fleet.ask("b"));
    assert_eq!((fleet.pods["a"].runs, fleet.pods["b"].runs), (2, 1), "the other one is busy, and has hardly more");
    fleet.end("a");
    assert_eq!(fleet.ask("b"), Ok(()), "it came at once");
    assert_eq!(fleet.running(), 3);
}

#[test]
fn a_limit_of_one_goes_round() {
    let pods = ["a", "b", "c"];
    let mut fleet = Fleet::new(1, &pods);
    for _ in 0..120 {
        // Everybody asks again and again, as clients do that are refused.
        for pod in pods {
            if fleet.pods[pod].waits == 0 && fleet.pods[pod].runs == 0 {
                let _ = fleet.ask(pod);
            }
        }
        assert!(fleet.running() <= 1);
        fleet.pass(500);
        for pod in pods {
            fleet.end(pod);
        }
    }
    let served: Vec<u64> = pods.iter().map(|pod| fleet.pods[*pod].served).collect();
    assert!(served.iter().all(|count| *count >= 10), "{served:?}");
}

#[test]
fn whoever_was_refused_finds_its_permit_when_it_comes_back() {
    let mut fleet = Fleet::new(1, &["a", "b"]);
    let _ = fleet.ask("a");
    let _ = fleet.ask("b");
    fleet.end("a");
    assert_eq!(fleet.held("b"), 1);
    // The other one wants it back at once, and waits.
    let _ = fleet.ask("a");
    fleet.pass(1_000);
    assert_eq!(fleet.ask("b"), Ok(()), "after the second that the refusal said");
}

#[test]
fn what_nobody_uses_is_given_back_but_for_a_few() {
    let mut fleet = Fleet::new(100, &["a", "b"]);
    for _ in 0..40 {
        let _ = fleet.ask("a");
    }
    assert_eq!(fleet.running(), 40);
    (0..40).for_each(|_| fleet.end("a"));
    fleet.pass(95_000);
    fleet.report_all();
    assert_eq!(fleet.held("a"), 2);
}

#[test]
fn a_silent_pod_keeps_its_permits_until_it_is_gone() {
    let mut fleet = Fleet::new(2, &["a", "b"]);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    fleet.cut("a");
    fleet.pass(600_000);
    let _ = fleet.ask("b");
    assert_eq!(fleet.running(), 2, "its requests may still run");
    fleet.gone("a");
    fleet.pass(1_000);
    assert_eq!(fleet.ask("b"), Ok(()));
}

#[test]
fn a_gateway_that_lost_the_operator_goes_on_with_what_it_has() {
    let mut fleet = Fleet::new(10, &["a", "b"]);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    fleet.cut("a");
    let held = fleet.held("a");
    let ran = (0..10).filter(|_| fleet.ask("a").is_ok()).count() as u64;
    assert_eq!(fleet.pods["a"].runs, held);
    assert_eq!(ran + 2, held);
    assert_eq!(fleet.ask("a"), Err(PermitShort::Reached), "it does not wait for nobody");
}

#[test]
fn a_process_that_ends_frees_what_it_had_and_one_that_says_farewell_as_well() {
    let mut fleet = Fleet::new(2, &["a", "b"]);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    fleet.start("a");
    fleet.talk();
    let _ = (fleet.ask("b"), fleet.ask("b"));
    assert_eq!(fleet.pods["b"].runs, 2);
    fleet.pods.get_mut("b").unwrap().holder.close();
    fleet.end("b");
    fleet.end("b");
    assert_eq!(fleet.held("b"), 0);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    assert_eq!(fleet.pods["a"].runs, 2);
}

#[test]
fn a_lower_limit_ends_no_request_and_is_reached_as_they_end() {
    let mut fleet = Fleet::new(6, &["a", "b"]);
    for pod in ["a", "b"] {
        let _ = (fleet.ask(pod), fleet.ask(pod), fleet.ask(pod));
    }
    assert_eq!(fleet.running(), 6);
    fleet.resize(2);
    assert_eq!(fleet.running(), 6);
    for pod in ["a", "b", "a", "b"] {
        fleet.end(pod);
        let _ = fleet.ask(pod);
    }
    assert_eq!(fleet.running(), 2);
    assert_eq!(fleet.held("a") + fleet.held("b"), 2);
    fleet.resize(4);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    // One is kept for a while for the request of the other that was refused just now.
    fleet.pass(1_750);
    assert_eq!(fleet.running(), 4);
}

#[test]
fn a_new_leader_waits_to_hear_what_everybody_has() {
    let mut fleet = Fleet::new(4, &["a", "b", "c"]);
    let _ = (fleet.ask("a"), fleet.ask("a"), fleet.ask("b"));
    fleet.cut("a");
    fleet.fail_over();
    assert!(!fleet.leader.is_ready());
    let _ = (fleet.ask("c"), fleet.ask("c"));
    assert_eq!((fleet.pods["c"].runs, fleet.pods["c"].waits), (0, 2), "they wait for it");
    assert_eq!(fleet.ask("b"), Ok(()), "what it has goes on");
    fleet.reconnect("a");
    assert!(fleet.leader.is_ready());
    assert_eq!(fleet.running(), 4);
}

#[test]
fn a_new_leader_does_not_wait_for_ever_and_counts_who_comes_late() {
    let mut fleet = Fleet::new(2, &["a", "b"]);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    fleet.cut("a");
    fleet.fail_over();
    fleet.pass(10_000);
    assert!(fleet.leader.is_ready());
    let _ = fleet.ask("b");
    assert_eq!(fleet.running(), 3, "nobody knows what a pod has that was not heard");
    fleet.reconnect("a");
    fleet.end("a");
    let _ = fleet.ask("a");
    assert_eq!(fleet.running(), 2, "it is recalled as requests end");
    assert_eq!(fleet.findings, []);
}

#[test]
fn a_gateway_gets_nothing_of_a_limit_that_its_keys_do_not_have() {
    let mut fleet = Fleet::new(2, &[]);
    let usage = PermitUsage { limit: LIMIT.to_owned(), need: 1, ..PermitUsage::default() };
    let session = PermitSession { process: 1, connection: 1 };
    let report = PermitReport { session, number: 1, limits: vec![usage], last: false };
    let out = fleet.leader.report("liar", |_| false, report, fleet.now);
    fleet.take(out);
    assert_eq!(fleet.findings, [PermitFindingKind::NotAllowed]);
}

#[test]
fn a_gateway_can_t_say_that_it_was_granted_more() {
    let mut fleet = Fleet::new(2, &["a"]);
    let session = PermitSession { process: 99, connection: 1 };
    let report = |number, granted| {
        let usage = PermitUsage { limit: LIMIT.to_owned(), granted, ..PermitUsage::default() };
        PermitReport { session, number, limits: vec![usage], last: false }
    };
    let mut say = |report| {
        let out = fleet.leader.report("liar", |name| name == LIMIT, report, fleet.now);
        fleet.take(out);
        fleet.findings.clone()
    };
    assert_eq!(say(report(1, 0)), []);
    assert_eq!(say(report(2, 2)), [PermitFindingKind::More]);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    assert_eq!(fleet.running(), 2);
}

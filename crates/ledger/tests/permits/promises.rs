//! Each guarantee separately.

use outrigger_ledger::permits::{
    PermitFindingKind, PermitGrants, PermitHolder, PermitReport, PermitSession, PermitShort, PermitUsage,
};

use crate::fleet::{Fleet, LIMIT};

#[test]
fn a_gateway_without_a_permit_gets_one_immediately() {
    let mut fleet = Fleet::new(10, &["a", "b"]);
    assert_eq!(fleet.ask("a"), Err(PermitShort::Coming));
    assert_eq!((fleet.running(), fleet.pods["a"].waits), (1, 0), "the leader had one");
    assert_eq!(fleet.ask("a"), Ok(()), "one more was requested");
    fleet.end("a");
    fleet.end("a");
    assert_eq!((fleet.ask("a"), fleet.ask("a")), (Ok(()), Ok(())), "without asking anybody");
}

#[test]
fn a_reached_limit_refuses_immediately_and_is_reported() {
    let mut fleet = Fleet::new(2, &["a", "b"]);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    assert_eq!(fleet.running(), 2);
    assert_eq!(fleet.ask("b"), Err(PermitShort::Coming), "the leader does not know yet");
    assert_eq!(fleet.pods["b"].waits, 0, "it was told that the limit is reached");
    assert_eq!(fleet.ask("b"), Err(PermitShort::Reached), "and that holds for the next one");
    fleet.end("a");
    assert_eq!((fleet.held("a"), fleet.held("b")), (1, 1), "what was recalled is returned when a request ends");
    assert_eq!(fleet.ask("b"), Ok(()));
    assert_eq!(fleet.running(), 2);
}

#[test]
fn idle_permits_of_others_are_recalled_while_a_request_waits() {
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
fn permits_that_become_idle_while_others_wait_are_reported_and_recalled() {
    let mut fleet = Fleet::new(3, &["a", "b"]);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    let _ = (fleet.ask("b"), fleet.ask("b"));
    assert_eq!((fleet.pods["a"].runs, fleet.pods["b"].runs), (2, 1), "the other one is busy, and has hardly more");
    fleet.end("a");
    assert_eq!(fleet.ask("b"), Ok(()), "it came immediately");
    assert_eq!(fleet.running(), 3);
}

#[test]
fn a_limit_of_one_rotates() {
    let pods = ["a", "b", "c"];
    let mut fleet = Fleet::new(1, &pods);
    for _ in 0..120 {
        // All clients try again and again, as refused clients do.
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
fn a_refused_caller_finds_a_permit_when_it_tries_again() {
    let mut fleet = Fleet::new(1, &["a", "b"]);
    let _ = fleet.ask("a");
    let _ = fleet.ask("b");
    fleet.end("a");
    assert_eq!(fleet.held("b"), 1);
    // The other one needs it back immediately, and waits.
    let _ = fleet.ask("a");
    fleet.pass(1_000);
    assert_eq!(fleet.ask("b"), Ok(()), "after the second named by the refusal");
}

#[test]
fn idle_permits_are_returned_except_for_a_few() {
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
fn a_gateway_without_the_operator_continues_with_its_permits() {
    let mut fleet = Fleet::new(10, &["a", "b"]);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    fleet.cut("a");
    let held = fleet.held("a");
    let ran = (0..10).filter(|_| fleet.ask("a").is_ok()).count() as u64;
    assert_eq!(fleet.pods["a"].runs, held);
    assert_eq!(ran + 2, held);
    assert_eq!(fleet.ask("a"), Err(PermitShort::Unanswered), "it does not wait without a leader");
    // As many as may run at all are never the operator's fault.
    let mut alone = Fleet::new(1, &["a"]);
    let _ = (alone.ask("a"), alone.ask("a"));
    alone.pass(1_000);
    alone.cut("a");
    assert_eq!((alone.pods["a"].runs, alone.ask("a")), (1, Err(PermitShort::Reached)));
}

#[test]
fn a_new_gateway_without_the_operator_says_that_nobody_answers() {
    let mut fleet = Fleet::new(10, &["a", "b"]);
    fleet.cut("b");
    assert_eq!(fleet.ask("b"), Err(PermitShort::Unanswered));
    // Connected, but nothing is heard: a request waits, and then knows no more than that.
    let mut holder = PermitHolder::new(1);
    let limit = holder.adopt([("a", 10)])[0];
    holder.connected();
    assert_eq!(holder.take(limit, 0), Err(PermitShort::Coming));
    holder.wait(limit);
    for now in [0, 1_000, 2_000] {
        assert!(holder.report(now).is_some());
    }
    assert_eq!(holder.waited_in_vain(limit, 2_000), PermitShort::Unanswered);
    // An answer without a permit says that others have them.
    let report = holder.report(2_100).unwrap();
    let grants = PermitGrants { session: report.session, answers: report.number, limits: Vec::new() };
    assert!(holder.granted(&grants, 2_110));
    assert_eq!(holder.waited_in_vain(limit, 2_200), PermitShort::Reached);
}

#[test]
fn permits_are_freed_when_a_process_ends_or_sends_its_final_report() {
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
fn a_lower_limit_ends_no_request_and_applies_as_requests_end() {
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
    // One is kept for a while for the request of the other gateway that was just refused.
    fleet.pass(1_750);
    assert_eq!(fleet.running(), 4);
}

#[test]
fn a_new_leader_waits_for_the_reports_of_all_pods() {
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
fn a_new_leader_waits_a_limited_time_and_counts_late_reports() {
    let mut fleet = Fleet::new(2, &["a", "b"]);
    let _ = (fleet.ask("a"), fleet.ask("a"));
    fleet.cut("a");
    fleet.fail_over();
    fleet.pass(10_000);
    assert!(fleet.leader.is_ready());
    let _ = fleet.ask("b");
    assert_eq!(fleet.running(), 3, "the permits of a silent pod are unknown");
    fleet.reconnect("a");
    fleet.end("a");
    let _ = fleet.ask("a");
    assert_eq!(fleet.running(), 2, "it is recalled as requests end");
    assert_eq!(fleet.findings, []);
}

#[test]
fn a_gateway_gets_no_permits_of_limits_that_its_keys_do_not_have() {
    let mut fleet = Fleet::new(2, &[]);
    let usage = PermitUsage { limit: LIMIT.to_owned(), need: 1, ..PermitUsage::default() };
    let session = PermitSession { process: 1, connection: 1 };
    let report = PermitReport { session, number: 1, limits: vec![usage], last: false };
    let out = fleet.leader.report("liar", |_| false, report, fleet.now);
    fleet.take(out);
    assert_eq!(fleet.findings, [PermitFindingKind::NotAllowed]);
}

#[test]
fn a_gateway_cannot_claim_more_than_it_was_granted() {
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

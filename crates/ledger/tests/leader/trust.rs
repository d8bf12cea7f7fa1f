//! Which reports a leader does not trust.

use outrigger_ledger::protocol::{AccountUsage, Term, UsageReport, WantedLimit};
use outrigger_ledger::shared::leader::FindingKind;

use crate::one_leader::{Ledger, id, usage};

#[test]
fn false_reports_move_no_money_and_are_recorded() {
    let result_of = |lie: &dyn Fn(&mut Ledger)| {
        let mut ledger = Ledger::of(1000);
        assert_eq!(ledger.ask("one", 100, 100), 100);
        ledger.send_usage("one", 100, 50, 10);
        ledger.pass(11);
        let before = ledger.leader.status(&id("a")).unwrap();
        lie(&mut ledger);
        ledger.pass(11);
        let after = ledger.leader.status(&id("a")).unwrap();
        assert_eq!((after.fleet.spent, after.available), (before.fleet.spent, before.available));
        let void = ledger.grants.values().any(|grants| grants.void);
        (ledger.findings, void)
    };
    let kinds = |findings: (Vec<FindingKind>, bool)| (findings.0, findings.1);
    assert_eq!(kinds(result_of(&|ledger| ledger.send_usage("one", 100, 40, 10))), (vec![FindingKind::Less], true));
    assert_eq!(kinds(result_of(&|ledger| ledger.send_usage("one", 100, 50, 5))), (vec![FindingKind::Less], true));
    assert_eq!(kinds(result_of(&|ledger| ledger.send_usage("one", 90, 50, 10))), (vec![FindingKind::Less], true));
    assert_eq!(
        kinds(result_of(&|ledger| ledger.report("one", 1, Vec::new(), Vec::new(), false))),
        (vec![FindingKind::Less], true)
    );
    assert_eq!(kinds(result_of(&|ledger| ledger.send_usage("one", 900, 50, 800))), (vec![FindingKind::More], false));
    assert_eq!(kinds(result_of(&|ledger| ledger.send_usage("one", 100, 50, 101))), (vec![FindingKind::More], false));
    assert_eq!(
        kinds(result_of(&|ledger| ledger.send_usage("stranger", 100, 0, 0))),
        (vec![FindingKind::Unknown], true)
    );
    let not_allowed = |ledger: &mut Ledger| {
        ledger.report(
            "one",
            1,
            vec![usage(100, 50, 10)],
            vec![WantedLimit { limit: id("b"), want: 5, least: 5 }],
            false,
        );
    };
    assert_eq!(kinds(result_of(&not_allowed)), (vec![FindingKind::NotAllowed], false));
    let absurd = |ledger: &mut Ledger| {
        ledger.report(
            "one",
            1,
            vec![AccountUsage { want: u64::MAX, least: 1, ..usage(100, 50, 10) }],
            Vec::new(),
            false,
        );
    };
    assert_eq!(kinds(result_of(&absurd)), (vec![FindingKind::Absurd], false));
    let odd = |ledger: &mut Ledger| ledger.report("a\"pod", 1, Vec::new(), Vec::new(), false);
    assert_eq!(kinds(result_of(&odd)), (vec![FindingKind::Absurd], false));
}

#[test]
fn an_old_journal_of_a_pod_no_longer_counts() {
    let mut ledger = Ledger::of(1000);
    ledger.ask("one", 100, 100);
    ledger.report("one", 2, Vec::new(), Vec::new(), false);
    ledger.send_usage("one", 100, 0, 0);
    assert_eq!((ledger.findings.as_slice(), ledger.grants["one"].void), ([FindingKind::OldEpoch].as_slice(), true));
    assert_eq!(ledger.leader.status(&id("a")).unwrap().fleet.unconfirmed, 100);
}

#[test]
fn late_reports_and_reports_to_an_earlier_leader_change_nothing() {
    let mut ledger = Ledger::of(1000);
    ledger.ask("one", 100, 100);
    let late = UsageReport {
        epoch: 1,
        term: ledger.term(),
        number: 1,
        whole: true,
        accounts: vec![usage(100, 10, 0)],
        wanted: Vec::new(),
        last: false,
    };
    ledger.send_usage("one", 100, 50, 0);
    ledger.send("one", late.clone());
    assert_eq!((ledger.findings.len(), ledger.leader.status(&id("a")).unwrap().fleet.spent), (0, 50));
    ledger.send("one", UsageReport { number: 99, term: Term(0), ..late });
    assert_eq!((ledger.grants["one"].answers, ledger.grants["one"].accounts.len()), (99, 0));
    assert_eq!(ledger.leader.status(&id("a")).unwrap().fleet.spent, 50);
}

#[test]
fn false_claims_and_returns_free_nothing_of_others() {
    let mut ledger = Ledger::of(1000);
    assert_eq!(ledger.ask("honest", 900, 900), 900);
    ledger.send_usage("honest", 900, 0, 0);
    ledger.pass(11);
    assert_eq!(ledger.ask("liar", 10, 10), 10);
    ledger.pass(11);
    let mut next = ledger.succeeded(1000);
    next.send_usage("liar", 5_000, 0, 5_000);
    next.pass(11);
    assert_eq!(next.findings, [FindingKind::More]);
    assert!(next.ask("another", 1_000, 500) <= 100, "the honest one has 900");
    next.send_usage("honest", 900, 0, 0);
    assert_eq!(next.findings, [FindingKind::More], "its report is possible");
}

#[test]
fn findings_are_recorded_once_for_each_kind_and_report() {
    let mut ledger = Ledger::of(1000);
    let wanted = (0..1_000).map(|n| WantedLimit { limit: id(&format!("other-{n}")), want: 5, least: 5 }).collect();
    ledger.report("one", 1, Vec::new(), wanted, false);
    assert_eq!(ledger.findings, [FindingKind::NotAllowed]);
}

/// Each journal is a row of the store until its pod's part is folded.
#[test]
fn a_pod_that_begins_many_journals_has_to_wait() {
    let mut ledger = Ledger::of(1_000_000);
    let wanted = || vec![WantedLimit { limit: id("a"), want: 1, least: 1 }];
    (1..=1_000).for_each(|epoch| ledger.report("one", epoch, Vec::new(), wanted(), false));
    assert_eq!(ledger.leader.status(&id("a")).unwrap().holders, 17);
    assert_eq!(ledger.findings, vec![FindingKind::Absurd; 983]);
    assert_eq!(ledger.ask("another", 10, 10), 10);
    ledger.pass(10);
    ledger.report("one", 1_001, Vec::new(), wanted(), false);
    ledger.pass(1);
    assert_eq!((ledger.granted("one"), ledger.grants["one"].epoch), (1, 1_001));
}

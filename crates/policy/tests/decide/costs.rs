//! The budget that the rules of a request share, and what happens to rules that exceed it.

use outrigger_core::ObjectRef;
use outrigger_policy::trial::{TrialOutcome, run, run_within};
use outrigger_policy::{
    Decision, Document, Expect, FORMAT, OnError, Policy, Request, RuleDoc, Trial, TrialRequest, TrialWork, bounds,
    decide,
};

use crate::world::*;

/// Always costs the same: some 7,000 steps.
const DEAR: &str = "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5].all(c, a + b + c > 0))) && \
                    model == 'other'";

fn rules(number: usize, last: RuleDoc) -> Policy {
    let dear = |place: usize| RuleDoc {
        priority: i32::try_from(place).unwrap(),
        ..rule(&format!("dear-{place:02}"), DEAR, &["a"], &[])
    };
    let rules = (0..number).map(dear).chain([RuleDoc { priority: 1_000, ..last }]).collect();
    policy(vec![provider("a", "vLLM"), provider("b", "vLLM")], key(vec![entry("a", 1), entry("b", 0)]), rules)
}

fn asked(policy: &Policy) -> Decision {
    decide(policy, &ask("m"))
}

#[test]
fn rules_over_the_budget_fail_and_do_not_match() {
    let last = rule("last", "model == 'm'", &["b"], &[]);
    let fits = asked(&rules(6, last.clone()));
    assert_eq!((fits.rule.as_deref(), fits.rule_errors.len()), (Some("t/last"), 0));
    let decision = asked(&rules(12, last));
    assert_eq!(decision.rule, None);
    let failed: Vec<&str> = decision.rule_errors.iter().map(|(rule, _)| &**rule).collect();
    assert_eq!(failed, ["t/dear-06", "t/dear-07", "t/dear-08", "t/dear-09", "t/dear-10", "t/dear-11", "t/last"]);
    for (rule, problem) in &decision.rule_errors {
        assert_eq!(problem, "fails: the rules that this request asks take more than 50,000 steps together", "{rule}");
    }
    // A rule without a condition costs nothing.
    let decision = asked(&rules(12, rule("last", "", &["b"], &[])));
    assert_eq!(decision.rule.as_deref(), Some("t/last"));
}

#[test]
fn on_error_refuse_is_a_400() {
    let last = RuleDoc { on_error: OnError::Refuse, ..rule("last", "model == 'm'", &["b"], &[]) };
    assert_eq!(asked(&rules(6, last.clone())).rule.as_deref(), Some("t/last"));
    let refusal = asked(&rules(12, last)).refusal.unwrap();
    assert_eq!(refusal.kind.status(), 400);
    assert!(refusal.message.contains("50,000 steps together"), "{}", refusal.message);
}

/// Shadow rules and chains share the same budget.
#[test]
fn shadow_rules_and_chains_share_the_budget() {
    let watching = |number: usize| {
        let shadow = RuleDoc { shadow: true, chain: true, priority: -1, ..rule("watches", "", &["a"], &[]) };
        let mut document = rules(number, rule("last", "model == 'm'", &["b"], &[])).document;
        document.rules.push(shadow);
        asked(&Policy::build(document).unwrap())
    };
    // Evaluated once for the decision and once for the shadow.
    assert!(watching(3).rule_errors.is_empty());
    assert_eq!(watching(3).shadow.unwrap().rule.as_ref(), "t/watches");
    let chain = |number: usize| {
        let chains = RuleDoc { chain: true, priority: -1, ..rule("chains", "model == 'm'", &["a/n"], &[]) };
        let mut document = rules(number, rule("last", "model == 'none'", &["b"], &[])).document;
        document.rules.push(chains);
        asked(&Policy::build(document).unwrap())
    };
    assert!(chain(6).rule_errors.is_empty());
    assert_eq!(chain(7).rule_errors.len(), 2);
}

/// Data that is larger than rules can read fails only the rules that read it.
#[test]
fn oversized_data_fails_only_the_rules_that_read_it() {
    let pairs = |number: usize, name: usize, value: usize| {
        let pair = |place: usize| (format!("x-{place:0name$}"), "v".repeat(value));
        (0..number).map(pair).collect::<Vec<_>>()
    };
    let policy = |when: &str| rules(0, rule("last", when, &["b"], &[]));
    for (what, headers, when, error) in [
        ("ordinary", pairs(20, 3, 10), "'x-000' in headers", None),
        ("as many as there may be", pairs(bounds::ENTRIES, 3, 10), "headers.size() == 128", None),
        ("too many", pairs(bounds::ENTRIES + 1, 3, 10), "'x-000' in headers", Some("more than 128 entries")),
        ("too much", pairs(100, 3, 400), "'x-000' in headers", Some("more than 32768 bytes")),
        ("a long name", pairs(1, 300, 1), "headers.size() > 0", Some("more than 256 bytes in a name")),
        ("a long value", pairs(1, 3, 5_000), "headers['x-000'] != ''", Some("more than 4096 bytes")),
        ("a long value that is not read", pairs(1, 3, 5_000), "headers.size() == 1", None),
        ("too many that are not read", pairs(500, 3, 400), "model == 'm'", None),
        ("the rest decides", pairs(500, 3, 400), "'a' in headers || model == 'm'", None),
    ] {
        let policy = policy(when);
        let decision = decide(&policy, &Request { headers: &headers, ..ask("m") });
        match error {
            None => assert_eq!(decision.rule.as_deref(), Some("t/last"), "{what}"),
            Some(error) => assert!(decision.rule_errors[0].1.contains(error), "{what}: {:?}", decision.rule_errors),
        }
    }
    let long = "m".repeat(2_000);
    let decision = decide(&policy("model != ''"), &ask(&long));
    assert!(decision.rule_errors[0].1.contains("`model` has more than 1024 bytes"), "{:?}", decision.rule_errors);
}

fn trial(expect: Expect) -> Trial {
    Trial {
        rule: ObjectRef { namespace: "t".into(), name: "last".into() },
        name: "test".into(),
        request: TrialRequest { model: Some("m".into()), ..TrialRequest::default() },
        expect,
        ..Trial::default()
    }
}

#[test]
fn tests_run_until_the_work_is_used_up() {
    let policy = rules(5, rule("last", "model == 'm'", &["b=50", "a=50"], &[]));
    let cheap = trial(Expect { rule: Some("last".into()), ..Expect::default() });
    let shares = trial(Expect {
        shares: [("a".to_owned(), 50), ("b".to_owned(), 50)].into_iter().collect(),
        ..Expect::default()
    });
    let mut work = TrialWork::new(1_000_000);
    let outcomes: Vec<TrialOutcome> = (0..40).map(|_| run_within(&policy, &cheap, &mut work)).collect();
    let passed = outcomes.iter().filter(|outcome| **outcome == TrialOutcome::Passed).count();
    assert!((20..30).contains(&passed), "{passed}");
    assert!(outcomes[passed..].iter().all(|outcome| *outcome == TrialOutcome::Untried));
    // Not even checked: an invalid test is not a failure then.
    let wrong = Trial { rule: ObjectRef { namespace: "t".into(), name: "none".into() }, ..cheap.clone() };
    assert!(work.is_spent());
    assert_eq!(run_within(&policy, &wrong, &mut work), TrialOutcome::Untried);
    assert!(matches!(run_within(&policy, &wrong, &mut TrialWork::new(1_000_000)), TrialOutcome::Failed(_)));
    // The rules are evaluated once for all random choices, if no choice leads to other rules.
    assert_eq!(run(&policy, &shares), Ok(()));
    assert_eq!(run_within(&policy, &shares, &mut TrialWork::new(1_000_000)), TrialOutcome::Passed);
}

/// 2,000 random choices, each with rules that are evaluated again.
#[test]
fn a_test_with_too_much_work_fails_with_that_reason() {
    let mut document = rules(5, rule("last", "model == 'm'", &["b=50", "a=50"], &[])).document;
    document.rules[5].chain = true;
    let document = Document { format: FORMAT, ..document };
    let policy = Policy::build(document).unwrap();
    let shares = trial(Expect { shares: [("a".to_owned(), 50)].into_iter().collect(), ..Expect::default() });
    let message = run(&policy, &shares).unwrap_err();
    assert!(message.starts_with("it is too much work"), "{message}");
}

/// Many tables of regular expressions: those over the limit fail, and the policy is still valid.
#[test]
fn the_patterns_of_a_policy_share_a_limit() {
    let pattern = |place: usize| format!("model.matches('^m|{}$') || model == 'x{place}'", r"(?i)\\w+-\\w+");
    let number = 600;
    let rules = (0..number).map(|place| RuleDoc {
        priority: i32::try_from(place).unwrap(),
        shadow: true,
        ..rule(&format!("p-{place:04}"), &pattern(place), &["a"], &[])
    });
    let policy = policy(vec![provider("a", "vLLM")], key(vec![entry("a", 1)]), rules.collect());
    let decision = asked(&policy);
    let left_out = decision.rule_errors.iter().filter(|(_, message)| message.contains("left out")).count();
    assert_eq!(decision.shadow.unwrap().rule.as_ref(), "t/p-0000");
    assert!(left_out > 0 && left_out < number, "{left_out}");
}

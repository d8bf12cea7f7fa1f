//! Affinity: later turns of a conversation go where earlier ones went.

use outrigger_policy::{Draw, KeyDoc, Policy, Request, Skip};

use crate::world::*;

fn three() -> Policy {
    policy(
        ["a", "b", "c"].map(|name| credentials(serving(name, &["m"]), &["x", "y"])).into(),
        key(vec![entry("a", 80), entry("b", 20), entry("c", 0)]),
        vec![],
    )
}

fn first(policy: &Policy, request: &Request<'_>) -> String {
    decided(policy, request).split([',', ' ']).next().unwrap().to_owned()
}

#[test]
fn a_session_gets_the_same_choice_everywhere_by_weight() {
    let (here, there) = (three(), three());
    let mut at_a = 0;
    for session in 0..1_000 {
        let request = Request { draw: Draw::Session(session), ..ask("m") };
        assert_eq!(decided(&here, &request), decided(&there, &request));
        at_a += u32::from(first(&here, &request).starts_with('a'));
    }
    assert!((770..=830).contains(&at_a), "{at_a}");
}

#[test]
fn only_sessions_of_a_gated_backend_move() {
    let policy = three();
    let resting = World { gates: vec![("b", Skip::Cooldown)], ..World::default() };
    for session in 0..500 {
        let request = Request { draw: Draw::Session(session), ..ask("m") };
        let before = first(&policy, &request);
        let after = first(&policy, &Request { state: &resting, ..request });
        match before.starts_with('b') {
            true => assert!(after.starts_with('a'), "{before} -> {after}"),
            false => assert_eq!(before, after),
        }
    }
}

#[test]
fn a_remembered_backend_goes_first_if_allowed() {
    let policy = three();
    let gate = |name| World { gates: vec![(name, Skip::Cooldown)], ..World::default() };
    for (what, provider, credential, world, expected) in [
        ("a weight of 0 is no reason to move", "c", "y", World::default(), "c/m@y"),
        ("the credential rests: the other one", "c", "y", gate("c:y"), "c/m@x"),
    ] {
        for bits in 0..50 {
            let request = Request {
                stay: Some(stay(&policy, provider, credential)),
                draw: Draw::Random(bits),
                state: &world,
                ..ask("m")
            };
            assert_eq!(first(&policy, &request), expected, "{what}");
        }
    }
    // In cooldown: the next one, by weight as usual.
    let world = gate("c");
    let drawn = (0..1_000)
        .map(|bits| Request {
            stay: Some(stay(&policy, "c", "x")),
            draw: Draw::Random(bits),
            state: &world,
            ..ask("m")
        })
        .filter(|request| first(&policy, request).starts_with('a'))
        .count();
    assert!((770..=830).contains(&drawn), "{drawn}");
}

#[test]
fn permissions_override_affinity() {
    let fenced = KeyDoc { deny: texts(&["m"]), ..key(vec![entry("a", 1), entry("b", 1)]) };
    let policy = crate::world::policy(["a", "b"].map(|name| serving(name, &["m"])).into(), fenced, vec![]);
    let request = Request { stay: Some(stay(&policy, "b", "")), ..ask("m") };
    assert_eq!(decided(&policy, &request), "403 model_blocked");
    // Nor does it override a pin.
    let request = Request { model: Some("a/n"), ..request };
    assert_eq!(decided(&policy, &request), "a/n");
}

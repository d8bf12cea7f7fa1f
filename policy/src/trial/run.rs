//! Running a rule's test: the request is decided in the world that is given, and what came is held against what was
//! expected.

use std::collections::BTreeMap;

use super::given::{World, hint};
use super::why::{is_named, why_not};
use super::{Expect, Trial};
use crate::decide::decide;
use crate::decision::{Candidate, Decision, Refusal};
use crate::draw::hash;
use crate::policy::{Key, Policy};
use crate::refusal::KINDS;
use crate::request::{Draw, Request};
use crate::samples::REQUEST_TYPES;

/// Draws for shares: of so many, 3 % are more than chance.
const MANY: u64 = 2_000;
/// Draws for what may come first: one of 5 % is missed less than once in a hundred tests.
const SOME: u64 = 100;

/// Runs a test of a rule. Always the same for the same policy.
///
/// # Errors
/// What was expected and what came, with the candidates and why each was passed over; or what in the test itself is
/// wrong.
pub fn run(policy: &Policy, trial: &Trial) -> Result<(), String> {
    if trial.expect == Expect::default() {
        return Err("it expects nothing".to_owned());
    }
    let place = key_of(policy, trial)?;
    let key = &policy.keys[place];
    let asked = &trial.request;
    let request_type = asked.request_type.as_deref().unwrap_or("chat_completion");
    if !REQUEST_TYPES.contains(&request_type) {
        let hint = hint(request_type, REQUEST_TYPES.into_iter());
        return Err(format!("`{request_type}` is no type of requests{hint}"));
    }
    known(policy, trial)?;
    let world = World::of(policy, key, trial)?;
    let lower = |(name, value): (&String, &String)| (name.to_lowercase(), value.clone());
    let headers: Vec<(String, String)> = asked.headers.iter().map(lower).collect();
    let params: Vec<(String, String)> = asked.params.clone().into_iter().collect();
    let request = Request {
        key: place,
        request_type,
        model: asked.model.as_deref(),
        provider: None,
        fallbacks: asked.fallbacks.as_deref(),
        credential: None,
        headers: &headers,
        params: &params,
        draw: Draw::Likeliest,
        stay: None,
        conditions: &world,
    };
    let decision = decide(policy, &request);
    let expected = &trial.expect;
    let failed =
        one(expected, &decision).or_else(|| whatever(expected, policy, &request)).map(|what| (what, &decision));
    if let Some((what, decision)) = failed {
        let why = why_not(policy, &request, expected, &trial.rule, decision);
        let why = why.map(|why| format!("; {why}")).unwrap_or_default();
        return Err(format!("expected {what}, got {}{why}", told(policy, decision)));
    }
    match shares(expected, policy, &request) {
        None => Ok(()),
        Some(what) => Err(format!("{what}; the likeliest is {}", told(policy, &decision))),
    }
}

/// What is expected by name must be something that can come.
fn known(policy: &Policy, trial: &Trial) -> Result<(), String> {
    if let Some(kind) = &trial.expect.refused
        && !KINDS.contains(&kind.as_str())
    {
        return Err(format!(
            "`{kind}` is no type of refusal: there is {}{}",
            KINDS.join(", "),
            hint(kind, KINDS.into_iter())
        ));
    }
    if let Some(name) = trial.expect.rule.as_deref().filter(|name| !name.is_empty())
        && !policy.rules.iter().any(|rule| is_named(&rule.id, name))
    {
        let names = policy.rules.iter().flat_map(|rule| [rule.id.name.as_str(), &rule.label]);
        return Err(format!("there is no RoutingRule `{name}`{}", hint(name, names)));
    }
    Ok(())
}

/// Whose request it is: of the keys that the rule acts on, the named one or the first in order of names.
fn key_of(policy: &Policy, trial: &Trial) -> Result<usize, String> {
    let Some(rule) = policy.rules.iter().find(|rule| rule.id == trial.rule) else {
        return Err(format!("RoutingRule {} is not in the policy", trial.rule));
    };
    let mut places: Vec<usize> = (0..policy.keys.len()).filter(|place| rule.concerns(&policy.keys[*place])).collect();
    let id = |place: &usize| -> &Key { &policy.keys[*place] };
    // Callers without a key come last: their name is nobody's choice.
    places.sort_by_key(|place| (id(place).keyless, &id(place).id));
    let found = match &trial.request.key {
        None => places.first(),
        Some(name) => places.iter().find(|place| id(place).id.name == *name || id(place).id.to_string() == *name),
    };
    found.copied().ok_or_else(|| match &trial.request.key {
        None => "the rule acts on no key".to_owned(),
        Some(name) => {
            let known = places.iter().map(|place| id(place).id.name.as_str());
            format!("no VirtualKey `{name}` is in the rule's scope{}", hint(name, known))
        }
    })
}

/// What does not hold of the likeliest decision.
fn one(expect: &Expect, decision: &Decision) -> Option<String> {
    let first = decision.eligible().next();
    if let Some(kind) = &expect.refused
        && decision.refusal.as_ref().map(|refusal| refusal.kind) != Some(kind)
    {
        return Some(format!("the refusal {kind}"));
    }
    if let Some(rule) = &expect.rule {
        let decided = decision.rule.as_deref();
        let same = match decided {
            None => rule.is_empty(),
            Some(label) => label == rule || label.split_once('/').is_some_and(|(_, name)| name == rule),
        };
        if !same && rule.is_empty() {
            return Some("no rule to decide".to_owned());
        }
        if !same {
            return Some(format!("RoutingRule {rule} to decide"));
        }
    }
    if let Some(provider) = &expect.provider
        && first.is_none_or(|candidate| !is(candidate, provider))
    {
        return Some(format!("provider {provider}"));
    }
    if let Some(model) = &expect.model
        && first.is_none_or(|candidate| *candidate.model != **model)
    {
        return Some(format!("model {model}"));
    }
    if let Some(fallbacks) = &expect.fallbacks {
        let then: Vec<&Candidate> = decision.eligible().skip(1).collect();
        let same = then.len() == fallbacks.len() && then.iter().zip(fallbacks).all(|(one, text)| is(one, text));
        if !same || first.is_none() {
            let listed = if fallbacks.is_empty() { "none".to_owned() } else { fallbacks.join(", ") };
            return Some(format!("fallbacks {listed}"));
        }
    }
    None
}

/// Whether a candidate goes by a text: its provider, or provider and model.
fn is(candidate: &Candidate, text: &str) -> bool {
    let both = || text.strip_prefix(&*candidate.name).and_then(|rest| rest.strip_prefix('/'));
    *candidate.name == *text || both() == Some(&*candidate.model)
}

/// What does not hold of one draw or another.
fn whatever(expect: &Expect, policy: &Policy, request: &Request<'_>) -> Option<String> {
    if expect.any_of.is_empty() {
        return None;
    }
    let stray = draws(policy, request, SOME).find(|decision| {
        !decision.eligible().next().is_some_and(|first| expect.any_of.iter().any(|text| is(first, text)))
    })?;
    let came = match stray.eligible().next() {
        Some(first) => format!(" (and {}/{} may come)", first.name, first.model),
        None => String::new(),
    };
    Some(format!("any of {}{came}", expect.any_of.join(", ")))
}

/// Which shares are others than expected.
fn shares(expect: &Expect, policy: &Policy, request: &Request<'_>) -> Option<String> {
    if expect.shares.is_empty() {
        return None;
    }
    let mut counts: BTreeMap<&str, u64> = expect.shares.keys().map(|text| (text.as_str(), 0)).collect();
    for decision in draws(policy, request, MANY) {
        let Some(first) = decision.eligible().next() else { continue };
        for (text, count) in &mut counts {
            *count += u64::from(is(first, text));
        }
    }
    let percent = |count: u64| count as f64 * 100.0 / MANY as f64;
    let off = |(text, share): (&String, &u32)| {
        let got = counts.get(text.as_str()).copied().map_or(0.0, percent);
        ((got - f64::from(*share)).abs() > 3.0).then(|| format!("{text} {share} % (got {got:.1} %)"))
    };
    let wrong: Vec<String> = expect.shares.iter().filter_map(off).collect();
    (!wrong.is_empty()).then(|| format!("expected shares {}", wrong.join(", ")))
}

fn draws<'a>(policy: &'a Policy, request: &'a Request<'_>, number: u64) -> impl Iterator<Item = Decision> {
    (0..number).map(|seed| decide(policy, &Request { draw: Draw::Random(hash(&[&seed.to_le_bytes()])), ..*request }))
}

/// A decision in a line.
fn told(policy: &Policy, decision: &Decision) -> String {
    let place = |candidate: &Candidate| format!("{}/{}", candidate.name, candidate.model);
    let by = decision.rule.as_ref().map_or("no rule decided".to_owned(), |rule| format!("RoutingRule {rule} decided"));
    let mut line = match &decision.refusal {
        Some(Refusal { status, kind, message, .. }) => format!("the refusal {status} {kind}: {message}"),
        None => decision.eligible().map(place).collect::<Vec<_>>().join(", then "),
    };
    line.push_str(&format!("; {by}"));
    let skipped = |candidate: &Candidate| {
        let skip = candidate.skipped.as_ref()?;
        Some(format!("{} ({})", place(candidate), policy.skip_in_words(skip)))
    };
    let passed: Vec<String> = decision.candidates.iter().filter_map(skipped).collect();
    if !passed.is_empty() {
        line.push_str(&format!("; passed over: {}", passed.join(", ")));
    }
    line
}

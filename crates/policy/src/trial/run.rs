//! Runs the test of a rule: decides the request in the test's situation, and compares the result with the expected one.

use std::collections::BTreeMap;

use super::given::{TrialState, hint};
use super::why::{is_named, why_not};
use super::work::{TrialWork, Unfinished};
use super::{Expect, Trial, TrialRequest};
use crate::decide::matching::RuleWalk;
use crate::decide::{Repeated, decide, decide_on, requested_model};
use crate::decision::{Candidate, Decision, PolicyRefusal, PolicyRefusalKind};
use crate::headers::is_hidden;
use crate::index::KeyIndex;
use crate::policy::{Key, Policy};
use crate::request::headers::session;
use crate::request::{Draw, Request};
use outrigger_core::RequestType;
use outrigger_core::hash::spread_parts;

/// Random choices for shares: with this many, a deviation of 3 points is not chance.
const MANY: u64 = 2_000;
/// Random choices for possible first candidates: one with 5 % is missed in less than one of a hundred tests.
const SOME: u64 = 100;

/// How much more work it is to explain a decision than to make it.
const EXPLAINED: u64 = 2;

/// The result of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrialOutcome {
    Passed,
    /// The expected and the actual result, with the candidates and why they were skipped; or the mistake in the test
    /// itself.
    Failed(String),
    /// The test did not run, because the work for all tests was used up.
    Untried,
}

/// Runs a test of a rule. Deterministic for the same policy.
///
/// # Errors
/// As [`TrialOutcome::Failed`].
pub fn run(policy: &Policy, trial: &Trial) -> Result<(), String> {
    match run_within(policy, trial, &mut TrialWork::new(u64::MAX)) {
        TrialOutcome::Failed(message) => Err(message),
        TrialOutcome::Passed | TrialOutcome::Untried => Ok(()),
    }
}

/// Runs a test with the remaining work for all tests.
#[must_use]
pub fn run_within(policy: &Policy, trial: &Trial, work: &mut TrialWork) -> TrialOutcome {
    match work.begin().and_then(|()| tried(policy, trial, work)) {
        Ok(Ok(())) => TrialOutcome::Passed,
        Ok(Err(message)) => TrialOutcome::Failed(message),
        Err(Unfinished::All) => TrialOutcome::Untried,
        Err(Unfinished::Own) => TrialOutcome::Failed(
            "it is too much work: with `chain`, `anyOf` and `shares` ask all rules for each of many draws, so let the rules \
             ask for less, or leave those out"
                .to_owned(),
        ),
    }
}

fn tried(policy: &Policy, trial: &Trial, work: &mut TrialWork) -> Result<Result<(), String>, Unfinished> {
    let (key_index, request_type, state) = match prepared(policy, trial) {
        Ok(prepared) => prepared,
        Err(message) => return Ok(Err(message)),
    };
    let trial_request = &trial.request;
    let key = &policy.keys[key_index];
    let headers = TrialHeaders::of(trial_request);
    let request = headers.request(key_index, key, request_type, trial_request, &state);
    let named = requested_model(policy, key, &request);
    let mut walk = RuleWalk::new(policy, key, &request);
    let decision = decide_on(&mut walk, named.as_ref());
    let (errors, steps) = (decision.rule_errors.len(), walk.budget.taken());
    work.decided(policy.rules.len(), errors, steps)?;
    let expected = &trial.expect;
    let repeated = (!expected.any_of.is_empty() || !expected.shares.is_empty())
        .then(|| Repeated::new(policy, key, &request, named.as_ref()));
    if let Some(repeated) = &repeated {
        work.decided(policy.rules.len(), errors, repeated.steps)?;
    }
    let mut draws = Draws { repeated, request: &request, rules: policy.rules.len(), work };
    let failed = match one(expected, &decision) {
        Some(what) => Some(what),
        None => draws.whatever(expected)?,
    };
    if let Some(what) = failed {
        // The explanation evaluates everything once more, and its parts.
        draws.work.decided(policy.rules.len(), errors, steps.saturating_mul(EXPLAINED))?;
        let why = why_not(policy, &request, expected, &trial.rule, &decision);
        let why = why.map(|why| format!("; {why}")).unwrap_or_default();
        return Ok(Err(format!("expected {what}, got {}{why}", describe(policy, &decision))));
    }
    Ok(match draws.shares(expected)? {
        None => Ok(()),
        Some(what) => Err(format!("{what}; the likeliest is {}", describe(policy, &decision))),
    })
}

/// The type of its request; a chat completion by default.
fn request_type(trial: &Trial) -> Result<RequestType, String> {
    let Some(name) = trial.request.request_type.as_deref() else { return Ok(RequestType::default()) };
    RequestType::from_name(name)
        .ok_or_else(|| format!("`{name}` is not a request type{}", hint(name, RequestType::NAMES.into_iter())))
}

/// The key, the request type and the situation of a test.
fn prepared<'a>(policy: &Policy, trial: &'a Trial) -> Result<(KeyIndex, RequestType, TrialState<'a>), String> {
    if trial.expect == Expect::default() {
        return Err("it expects nothing".to_owned());
    }
    let key_index = key_of(policy, trial)?;
    let request_type = request_type(trial)?;
    known(policy, trial)?;
    let state = TrialState::of(policy, &policy.keys[key_index], trial, request_type)?;
    Ok((key_index, request_type, state))
}

/// The headers and parameters of a test's request.
struct TrialHeaders {
    headers: Vec<(String, String)>,
    /// Those that rules can read.
    seen: Vec<(String, String)>,
    params: Vec<(String, String)>,
}

impl TrialHeaders {
    fn of(trial_request: &TrialRequest) -> TrialHeaders {
        let lower = |(name, value): (&String, &String)| (name.to_lowercase(), value.clone());
        let headers: Vec<(String, String)> = trial_request.headers.iter().map(lower).collect();
        let seen = headers.iter().filter(|(name, _)| !is_hidden(name)).cloned().collect();
        TrialHeaders { headers, seen, params: trial_request.params.clone().into_iter().collect() }
    }

    fn request<'a>(
        &'a self,
        key_index: KeyIndex,
        key: &Key,
        request_type: RequestType,
        trial_request: &'a TrialRequest,
        state: &'a TrialState<'_>,
    ) -> Request<'a> {
        let header = |name: &str| self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let headers = Request::from_headers(
            key_index,
            request_type,
            trial_request.model.as_deref(),
            trial_request.fallbacks.as_deref(),
            &header,
            state,
        );
        let draw = session(key, header).map_or(Draw::Likeliest, |session| Draw::of_session(&key.id, session));
        Request { headers: &self.seen, params: &self.params, draw, ..headers }
    }
}

/// Decides the request of a test for a key, as [`run`] does, without comparing.
///
/// # Errors
/// A mistake in the test itself.
pub fn decided(policy: &Policy, key_index: KeyIndex, trial: &Trial) -> Result<Decision, String> {
    let key = policy.keys.get(key_index).ok_or_else(|| "there is no such key".to_owned())?;
    let request_type = request_type(trial)?;
    let state = TrialState::of(policy, key, trial, request_type)?;
    let headers = TrialHeaders::of(&trial.request);
    Ok(decide(policy, &headers.request(key_index, key, request_type, &trial.request, &state)))
}

/// Checks that expected names exist.
fn known(policy: &Policy, trial: &Trial) -> Result<(), String> {
    let kinds = PolicyRefusalKind::ALL.map(PolicyRefusalKind::name);
    if let Some(kind) = &trial.expect.refused
        && PolicyRefusalKind::from_name(kind).is_none()
    {
        return Err(format!(
            "`{kind}` is not a refusal type; the types are {}{}",
            kinds.join(", "),
            hint(kind, kinds.into_iter())
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

/// The key of the request: of the keys that the rule applies to, the named one or the first by name.
fn key_of(policy: &Policy, trial: &Trial) -> Result<KeyIndex, String> {
    let Some(rule) = policy.rules.iter().find(|rule| rule.id == trial.rule) else {
        return Err(format!("RoutingRule {} is not in the policy", trial.rule));
    };
    let mut places: Vec<KeyIndex> =
        policy.keys.keys().filter(|key_index| rule.concerns(&policy.keys[*key_index])).collect();
    let id = |key_index: &KeyIndex| -> &Key { &policy.keys[*key_index] };
    // The key of callers without a key comes last: nobody chose its name.
    places.sort_by_key(|key_index| (id(key_index).keyless, &id(key_index).id));
    let found = match &trial.request.key {
        None => places.first(),
        Some(name) => {
            places.iter().find(|key_index| id(key_index).id.name == *name || id(key_index).id.to_string() == *name)
        }
    };
    found.copied().ok_or_else(|| match &trial.request.key {
        None => "the rule acts on no key".to_owned(),
        Some(name) => {
            let known = places.iter().map(|key_index| id(key_index).id.name.as_str());
            format!("no VirtualKey `{name}` is in the rule's scope{}", hint(name, known))
        }
    })
}

/// The first expectation that the likeliest decision does not meet.
fn one(expect: &Expect, decision: &Decision) -> Option<String> {
    let first = decision.eligible().next();
    if let Some(kind) = &expect.refused
        && decision.refusal.as_ref().map(|refusal| refusal.kind.name()) != Some(kind)
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

/// Whether a text names a candidate: by its provider, or by provider and model.
fn is(candidate: &Candidate, text: &str) -> bool {
    let both = || text.strip_prefix(&*candidate.name).and_then(|rest| rest.strip_prefix('/'));
    *candidate.name == *text || both() == Some(&*candidate.model)
}

/// The same request with many random choices.
struct Draws<'a, 'w> {
    /// `None` if nothing is expected of random choices.
    repeated: Option<Repeated<'a>>,
    request: &'a Request<'a>,
    rules: usize,
    work: &'w mut TrialWork,
}

impl Draws<'_, '_> {
    fn draw(&mut self, seed: u64) -> Result<Decision, Unfinished> {
        let Some(repeated) = &self.repeated else { return Ok(Decision::default()) };
        let draw = Draw::Random(spread_parts(&[&seed.to_le_bytes()]));
        let (decision, steps) = repeated.decide(&Request { draw, ..*self.request });
        let rules = if repeated.evaluates_rules_again() { self.rules } else { 0 };
        self.work.decided(rules, decision.rule_errors.len(), steps)?;
        Ok(decision)
    }

    /// The first expectation that a random choice does not meet.
    fn whatever(&mut self, expect: &Expect) -> Result<Option<String>, Unfinished> {
        if expect.any_of.is_empty() {
            return Ok(None);
        }
        for seed in 0..SOME {
            let decision = self.draw(seed)?;
            let first = decision.eligible().next();
            if first.is_some_and(|first| expect.any_of.iter().any(|text| is(first, text))) {
                continue;
            }
            let came = match first {
                Some(first) => format!(" (and {}/{} may come)", first.name, first.model),
                None => String::new(),
            };
            return Ok(Some(format!("any of {}{came}", expect.any_of.join(", "))));
        }
        Ok(None)
    }

    /// The shares that differ from the expected ones.
    fn shares(&mut self, expect: &Expect) -> Result<Option<String>, Unfinished> {
        if expect.shares.is_empty() {
            return Ok(None);
        }
        let mut counts: BTreeMap<&str, u64> = expect.shares.keys().map(|text| (text.as_str(), 0)).collect();
        for seed in 0..MANY {
            let decision = self.draw(seed)?;
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
        Ok((!wrong.is_empty()).then(|| format!("expected shares {}", wrong.join(", "))))
    }
}

/// A decision in one line.
fn describe(policy: &Policy, decision: &Decision) -> String {
    let key_index = |candidate: &Candidate| format!("{}/{}", candidate.name, candidate.model);
    let by = decision.rule.as_ref().map_or("no rule decided".to_owned(), |rule| format!("RoutingRule {rule} decided"));
    let mut line = match &decision.refusal {
        Some(PolicyRefusal { kind, message, .. }) => format!("the refusal {} {kind}: {message}", kind.status()),
        None => decision.eligible().map(key_index).collect::<Vec<_>>().join(", then "),
    };
    line.push_str(&format!("; {by}"));
    let skipped = |candidate: &Candidate| {
        let skip = candidate.skipped.as_ref()?;
        Some(format!("{} ({})", key_index(candidate), policy.skip_in_words(skip)))
    };
    let passed: Vec<String> = decision.candidates.iter().filter_map(skipped).collect();
    if !passed.is_empty() {
        line.push_str(&format!("; passed over: {}", passed.join(", ")));
    }
    line
}

//! For any policy and request: no panic, and no candidate that the key may not use or whose limit is spent.

use outrigger_policy::{
    AppliesDoc, Balance, BudgetDoc, CredentialDoc, Document, Draw, FORMAT, KeyDoc, KeyProviderDoc, LimitIndex,
    LimitsDoc, ModelDoc, OnError, OnLimit, Policy, Price, ProviderDoc, ProviderIndex, Request, RuleDoc, Skip, Stay,
    ThresholdAction, Unit, UnknownCostPolicy, decide, explain,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::world;

const PROVIDERS: [&str; 4] = ["a", "b", "openai", "gone"];
const MODELS: [&str; 8] = ["gpt-4o", "o3", "openai/gpt-4o", "a/o3", "b", "", "/", "gpt-4o-preview"];
const GLOBS: [&str; 5] = ["gpt-4o", "o*", "*-preview", "*", "x"];

fn texts(of: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<String>> {
    vec(select(of).prop_map(str::to_owned), 0..=most)
}

fn provider(name: &'static str) -> impl Strategy<Value = ProviderDoc> {
    let model = (select(&MODELS[..]), texts(&["o3", "alias"], 1), of(Just("sent".to_owned())), of(0u64..3));
    let credential = (select(&["x", "y", "z"][..]), 0u32..3, texts(&GLOBS, 1), any::<bool>());
    (
        select(&["OpenAI", "vLLM", "Azure"][..]),
        vec(model, 0..3),
        vec(credential, 0..3),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        any::<bool>(),
        limits(),
    )
        .prop_map(move |(kind, models, credentials, exclusive, suspended, adaptive, limits)| ProviderDoc {
            limits,
            models: models
                .into_iter()
                .map(|(name, aliases, upstream_name, price)| ModelDoc {
                    name: name.to_owned(),
                    aliases,
                    upstream_name,
                    price: price.map(|price| Price { input: price, output: price, ..Price::default() }),
                    ..ModelDoc::default()
                })
                .collect(),
            credentials: credentials
                .into_iter()
                .map(|(name, weight, models, suspended)| CredentialDoc {
                    weight,
                    models,
                    suspended,
                    ..world::credentials(world::provider("", ""), &[name]).credentials.remove(0)
                })
                .collect(),
            exclusive,
            suspended,
            balance: if adaptive { Balance::Adaptive } else { Balance::Weighted },
            ..world::provider(name, kind)
        })
}

/// Small ones, so that usage often reaches them.
fn limits() -> impl Strategy<Value = LimitsDoc> {
    let one = || prop::option::weighted(0.2, (0u64..9).prop_map(|max| world::limit("one", max)));
    (one(), one(), one()).prop_map(|(money, requests, tokens)| LimitsDoc {
        budgets: money.into_iter().collect(),
        requests: requests.into_iter().collect(),
        tokens: tokens.into_iter().collect(),
        concurrent_requests: None,
    })
}

fn budget(name: &'static str) -> impl Strategy<Value = BudgetDoc> {
    let down = select(&MODELS[..]).prop_map(|model| ThresholdAction::Downgrade { model: model.to_owned() });
    let action = prop_oneof![Just(ThresholdAction::Notify), Just(ThresholdAction::Reject), down];
    let applies = (texts(&["a", "b"], 1), texts(&GLOBS, 1), any::<bool>()).prop_map(|(providers, models, mine)| {
        AppliesDoc { keys: Some(vec![world::object(if mine { "k" } else { "l" })]), providers, models }
    });
    (vec((1u32..=100, action), 0..3), of(applies), any::<bool>(), of(select(&["one", "two"][..])), 0u64..9).prop_map(
        move |(mut thresholds, applies_to, tokens, parent, max)| {
            thresholds.sort_by_key(|(percent, _)| *percent);
            BudgetDoc {
                unit: if tokens { Unit::Tokens } else { Unit::Money },
                max,
                applies_to,
                parent: parent.map(world::object),
                ..world::budget(name, &thresholds)
            }
        },
    )
}

fn key() -> impl Strategy<Value = KeyDoc> {
    let entry = (0..3usize, 0u32..3, texts(&GLOBS, 2), texts(&["x", "y"], 1), limits()).prop_map(
        |(at, weight, models, credentials, limits)| KeyProviderDoc {
            models,
            credentials,
            limits,
            ..world::entry(PROVIDERS[at], weight)
        },
    );
    let words = (any::<bool>(), any::<bool>(), any::<bool>(), limits(), texts(&["one", "two"], 2));
    (vec(entry, 0..4), texts(&GLOBS, 2), texts(&GLOBS, 1), any::<bool>(), words).prop_map(
        |(mut providers, allow, deny, adaptive, (rejects, unpriced, unmetered, limits, budgets))| {
            let mut seen = Vec::new();
            providers.retain(|entry| {
                !seen.contains(&entry.name) && {
                    seen.push(entry.name.clone());
                    true
                }
            });
            let balance = if adaptive { Balance::Adaptive } else { Balance::Weighted };
            let unknown = |allow| if allow { UnknownCostPolicy::Allow } else { UnknownCostPolicy::Refuse };
            KeyDoc {
                allow,
                deny,
                balance,
                on_limit: if rejects { OnLimit::Reject } else { OnLimit::NextProvider },
                unpriced: unknown(unpriced),
                unmetered: unknown(unmetered),
                limits,
                budgets: budgets.iter().map(|name| world::object(name)).collect(),
                ..world::key(providers)
            }
        },
    )
}

fn rule() -> impl Strategy<Value = RuleDoc> {
    let targets = select(&["a/o3", "b", "openai/gpt-4o@x", "gone/m", "a=0", "b/gpt-4o-preview@q"][..]);
    let when = select(
        &[
            "",
            "model == 'o3'",
            "headers['x'] == 'y'",
            "int(model) > 1",
            "provider != ''",
            "budget_used > 50 || request > 50 || tokens_used > 50",
            "now.getHours('Europe/Paris') > 12 && input_tokens < 8000",
        ][..],
    );
    let modes = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2), 0..3i32);
    (when, vec(targets, 0..3), texts(&MODELS, 2), modes).prop_map(
        |(when, targets, fallbacks, (refuse, chain, shadow, rejects, priority))| RuleDoc {
            fallbacks,
            on_error: if refuse { OnError::Refuse } else { OnError::Skip },
            chain,
            shadow,
            reject: rejects.then(String::new),
            priority,
            ..world::rule(&format!("r{priority}{chain}"), when, &targets, &[])
        },
    )
}

fn world() -> impl Strategy<Value = world::World> {
    let names = || select(&["a", "b", "openai", "a:x", "b:y", "openai:z"][..]);
    let skip = select(&[Skip::Cooldown, Skip::Breaker, Skip::Unhealthy, Skip::Concurrency][..]);
    let time = select(&[0.0, 1.0, 900.0, f64::INFINITY, f64::NAN][..]);
    let gates = vec((names(), skip), 0..4);
    let used = btree_map((0usize..24).prop_map(LimitIndex::from), 0u64..12, 0..12);
    let unmetered = prop::option::weighted(0.1, Just("a why"));
    (
        vec((names(), Just("logprobs")), 0..2),
        gates,
        vec((names(), time, 0u32..3), 0..4),
        used,
        prop::bool::weighted(0.1),
        unmetered,
        any::<i64>(),
    )
        .prop_map(|(unfit, gates, paces, used, free, unmetered, now)| world::World {
            unfit,
            gates,
            paces,
            used,
            free,
            unmetered,
            now,
            ..world::World::default()
        })
}

/// Whether the key may use a candidate, computed only from the documents.
fn inside(policy: &Policy, candidate: &outrigger_policy::Candidate, has_model: bool) -> Result<(), String> {
    let document = &policy.document.keys[0];
    let Some(entry) = document.providers.iter().find(|entry| entry.name == *candidate.name) else {
        return Err("not a provider of the key".into());
    };
    let provider = policy.document.provider(candidate.provider.ok_or("no provider")?).ok_or("no document")?;
    if provider.name != entry.provider.name || provider.suspended {
        return Err("another provider, or suspended".into());
    }
    let own = provider
        .models
        .iter()
        .find(|m| m.name == *candidate.model || m.aliases.iter().any(|a| **a == *candidate.model));
    let own_name = own.map_or(&*candidate.model, |model| &model.name);
    let matches = |list: &[String]| {
        list.iter().any(|glob| {
            let glob = wildmatch::WildMatch::new(glob);
            glob.matches(&candidate.model) || glob.matches(own_name)
        })
    };
    if has_model {
        if matches(&document.deny) {
            return Err("denied".into());
        }
        if !document.allow.is_empty() && !matches(&document.allow)
            || !entry.models.is_empty() && !matches(&entry.models)
        {
            return Err("not allowed".into());
        }
        if provider.exclusive && own.is_none() {
            return Err("not the provider's".into());
        }
    }
    for index in &candidate.credentials {
        let credential = &provider.credentials[usize::from(*index)];
        if credential.suspended || !entry.credentials.is_empty() && !entry.credentials.contains(&credential.name) {
            return Err(format!("the credential {}", credential.name));
        }
    }
    if candidate.credentials.is_empty() && !provider.credentials.is_empty() {
        return Err("no credential".into());
    }
    Ok(())
}

/// The names of the limits that are spent and count a candidate, computed only from the documents.
fn spent(policy: &Policy, world: &world::World, candidate: &outrigger_policy::Candidate) -> Vec<String> {
    let document = &policy.document;
    let key = &document.keys[0];
    let Some(entry) = key.providers.iter().find(|entry| entry.name == *candidate.name) else { return Vec::new() };
    let provider = document.providers.iter().find(|one| one.name == entry.provider.name).unwrap();
    let mut names = vec![
        "VirtualKey t/k: spec.limits.".to_owned(),
        format!("VirtualKey t/k: spec.providers[{}].limits.", entry.name),
        format!("LLMProvider t/{}: spec.limits.", provider.name),
    ];
    let own = provider
        .models
        .iter()
        .find(|m| m.name == *candidate.model || m.aliases.iter().any(|a| **a == *candidate.model));
    let called = [Some(&*candidate.model), own.map(|m| &*m.name), Some(&*candidate.upstream_model)];
    let counts = |budget: &BudgetDoc| {
        budget.applies_to.as_ref().is_some_and(|applies| {
            let glob =
                |glob: &String| called.iter().flatten().any(|name| wildmatch::WildMatch::new(glob).matches(name));
            applies.keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key.name == "k"))
                && (applies.providers.is_empty() || applies.providers.contains(&provider.name))
                && (applies.models.is_empty() || applies.models.iter().any(glob))
        })
    };
    let mut budgets: Vec<&BudgetDoc> = document
        .budgets
        .iter()
        .filter(|budget| counts(budget) || key.budgets.iter().any(|named| named.name == budget.name))
        .collect();
    // Parents, and their parents: there are two budgets, so two steps reach all.
    for _ in 0..2 {
        let parents: Vec<_> = budgets.iter().filter_map(|budget| budget.parent.clone()).collect();
        budgets
            .extend(document.budgets.iter().filter(|budget| parents.iter().any(|parent| parent.name == budget.name)));
    }
    names.extend(budgets.iter().map(|budget| format!("Budget t/{}", budget.name)));
    let all = policy.limits.all.iter_enumerated();
    all.filter(|(_, limit)| {
        let id = limit.id.to_string();
        names.iter().any(|name| if name.ends_with('.') { id.starts_with(name) } else { id == *name })
    })
    .filter(|(_, limit)| !world.free || limit.unit == Unit::Requests)
    .filter(|(place, limit)| {
        let used = world.used.get(place).copied().unwrap_or(0);
        let rejects = |t: &&outrigger_policy::ThresholdDoc| t.action == ThresholdAction::Reject;
        let percent = limit.thresholds.iter().filter(rejects).map(|t| t.percent).min().unwrap_or(100);
        used * 100 >= limit.max * u64::from(percent)
    })
    .map(|(_, limit)| limit.id.to_string())
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn eligible_candidates_are_allowed_and_not_spent(
        providers in (provider("a"), provider("b"), provider("openai")),
        key in key(),
        rules in vec(rule(), 0..4),
        budgets in (budget("one"), budget("two")),
        world in world(),
        model in of(select(&MODELS[..])),
        asked_provider in of(select(&PROVIDERS[..])),
        fallbacks in of(texts(&MODELS, 3)),
        credential in of(select(&["x", "q"][..])),
        bits: u64,
        session: bool,
        stays in of(any::<(usize, u64)>()),
    ) {
        let policy = Policy::build(Document {
            format: FORMAT,
            providers: vec![providers.0, providers.1, providers.2],
            keys: vec![key],
            rules,
            budgets: vec![budgets.0, budgets.1],
            ..Document::default()
        })
        .unwrap();
        let stay = stays.map(|(at, credential)| Stay { provider: policy.providers[ProviderIndex::from(at % 3)].identity, credential });
        let request = Request {
            model,
            provider: asked_provider,
            fallbacks: fallbacks.as_deref(),
            credential,
            draw: if session { Draw::Session(bits) } else { Draw::Random(bits) },
            stay,
            state: &world,
            ..world::ask("")
        };
        let decision = decide(&policy, &request);
        prop_assert_eq!(&decision, &decide(&policy, &request), "the same for the same");
        prop_assert_eq!(decision.refusal.is_some(), decision.eligible().next().is_none(), "{:?}", &decision);
        for candidate in decision.eligible() {
            let allowed = inside(&policy, candidate, model.is_some());
            prop_assert!(allowed.is_ok(), "{:?}: {:?} of {:?}", allowed, candidate, &decision);
            let provider = candidate.provider.unwrap();
            let spent_limits = spent(&policy, &world, candidate);
            prop_assert!(spent_limits.is_empty(), "{:?} of {:?}", spent_limits, candidate);
            let resting = decision.last_resort;
            prop_assert!(resting || !world.unfit.iter().any(|(name, _)| *name == policy.providers[provider].id.name));
        }
        if let Some(refusal) = &decision.refusal {
            prop_assert!(matches!(refusal.kind.status(), 400 | 402 | 403 | 404 | 429 | 503) && !refusal.message.is_empty());
            let limited = ["budget_exceeded", "request_limited", "token_limited"].contains(&refusal.kind.name());
            prop_assert_eq!(refusal.limit.is_some(), limited, "{:?}", &decision);
        }
        prop_assert!(decision.chain.len() <= 10);
        let explained = explain(&policy, &request);
        prop_assert_eq!(explained.candidates.len(), decision.candidates.len());
        prop_assert_eq!(explained.refusal.map(|refusal| refusal.message), decision.refusal.map(|refusal| refusal.message));
    }
}

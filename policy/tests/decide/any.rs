//! Whatever the policy and the request: no panic, and nothing outside the fence.

use outrigger_policy::{
    Balance, CredentialDoc, Draw, KeyDoc, KeyProviderDoc, ModelDoc, OnError, Policy, ProviderDoc, Request, RuleDoc,
    Skip, Stay, decide,
};
use proptest::collection::vec;
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
    let model = (select(&MODELS[..]), texts(&["o3", "alias"], 1), of(Just("sent".to_owned())));
    let credential = (select(&["x", "y", "z"][..]), 0u32..3, texts(&GLOBS, 1), any::<bool>());
    (
        select(&["OpenAI", "vLLM", "Azure"][..]),
        vec(model, 0..3),
        vec(credential, 0..3),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        any::<bool>(),
    )
        .prop_map(move |(kind, models, credentials, exclusive, suspended, adaptive)| ProviderDoc {
            models: models
                .into_iter()
                .map(|(name, aliases, upstream_name)| ModelDoc {
                    name: name.to_owned(),
                    aliases,
                    upstream_name,
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

fn key() -> impl Strategy<Value = KeyDoc> {
    let entry =
        (0..3usize, 0u32..3, texts(&GLOBS, 2), texts(&["x", "y"], 1)).prop_map(|(at, weight, models, credentials)| {
            KeyProviderDoc { models, credentials, ..world::entry(PROVIDERS[at], weight) }
        });
    (vec(entry, 0..4), texts(&GLOBS, 2), texts(&GLOBS, 1), any::<bool>()).prop_map(
        |(mut providers, allow, deny, adaptive)| {
            let mut seen = Vec::new();
            providers.retain(|entry| {
                !seen.contains(&entry.name) && {
                    seen.push(entry.name.clone());
                    true
                }
            });
            let balance = if adaptive { Balance::Adaptive } else { Balance::Weighted };
            KeyDoc { allow, deny, balance, ..world::key(providers) }
        },
    )
}

fn rule() -> impl Strategy<Value = RuleDoc> {
    let targets = select(&["a/o3", "b", "openai/gpt-4o@x", "gone/m", "a=0", "b/gpt-4o-preview@q"][..]);
    let when = select(&["", "model == 'o3'", "headers['x'] == 'y'", "int(model) > 1", "provider != ''"][..]);
    (when, vec(targets, 0..3), texts(&MODELS, 2), any::<bool>()).prop_map(|(when, targets, fallbacks, refuse)| {
        RuleDoc {
            fallbacks,
            on_error: if refuse { OnError::Refuse } else { OnError::Skip },
            ..world::rule("r", when, &targets, &[])
        }
    })
}

fn world() -> impl Strategy<Value = world::World> {
    let names = || select(&["a", "b", "openai", "a:x", "b:y", "openai:z"][..]);
    let skip = select(&[Skip::Cooldown, Skip::Breaker, Skip::Unhealthy][..]);
    let time = select(&[0.0, 1.0, 900.0, f64::INFINITY, f64::NAN][..]);
    (vec((names(), Just("logprobs")), 0..2), vec((names(), skip), 0..4), vec((names(), time, 0u32..3), 0..4))
        .prop_map(|(unfit, gates, paces)| world::World { unfit, gates, paces })
}

/// Whether a candidate is one that the key may have, told from the documents alone.
fn inside(policy: &Policy, candidate: &outrigger_policy::Candidate, has_model: bool) -> Result<(), String> {
    let document = &policy.document.keys[0];
    let Some(entry) = document.providers.iter().find(|entry| entry.name == *candidate.name) else {
        return Err("not a provider of the key".into());
    };
    let provider = &policy.document.providers[candidate.provider.ok_or("no provider")?];
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
        let credential = &provider.credentials[*index];
        if credential.suspended || !entry.credentials.is_empty() && !entry.credentials.contains(&credential.name) {
            return Err(format!("the credential {}", credential.name));
        }
    }
    if candidate.credentials.is_empty() && !provider.credentials.is_empty() {
        return Err("no credential".into());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_is_eligible_lies_inside_the_fence(
        providers in (provider("a"), provider("b"), provider("openai")),
        key in key(),
        rules in vec(rule(), 0..3),
        world in world(),
        model in of(select(&MODELS[..])),
        asked_provider in of(select(&PROVIDERS[..])),
        fallbacks in of(texts(&MODELS, 3)),
        credential in of(select(&["x", "q"][..])),
        bits: u64,
        session: bool,
        stays in of(any::<(usize, u64)>()),
    ) {
        let policy = world::policy(vec![providers.0, providers.1, providers.2], key, rules);
        let stay = stays.map(|(at, credential)| Stay { provider: policy.providers[at % 3].identity, credential });
        let request = Request {
            model,
            provider: asked_provider,
            fallbacks: fallbacks.as_deref(),
            credential,
            draw: if session { Draw::Session(bits) } else { Draw::Random(bits) },
            stay,
            conditions: &world,
            ..world::ask("")
        };
        let decision = decide(&policy, &request);
        prop_assert_eq!(&decision, &decide(&policy, &request), "the same for the same");
        prop_assert_eq!(decision.refusal.is_some(), decision.eligible().next().is_none(), "{:?}", &decision);
        for candidate in decision.eligible() {
            let told = inside(&policy, candidate, model.is_some());
            prop_assert!(told.is_ok(), "{:?}: {:?} of {:?}", told, candidate, &decision);
            let provider = candidate.provider.unwrap();
            let resting = decision.last_resort;
            prop_assert!(resting || !world.unfit.iter().any(|(name, _)| *name == policy.providers[provider].id.name));
        }
        if let Some(refusal) = &decision.refusal {
            prop_assert!(matches!(refusal.status, 400 | 403 | 404 | 503) && !refusal.message.is_empty());
        }
    }
}

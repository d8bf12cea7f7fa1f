//! Imports LiteLLM's config.yaml.
//!
//! ```text
//! model_list -> LLMProvider, RoutingRule    router_settings, litellm_settings -> rules, limits, time-outs, a VirtualKey
//! router_settings.provider_budget_config -> Budget
//! ```
//!
//! Keys, teams and users of LiteLLM's proxy are in its database, which is not read.

mod deployments;
mod groups;
mod models;
mod settings;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Work;
use super::amount;
use super::name;
use super::objects::{ImportedKind, ImportedObject};
use super::period::{self, Clock};
use super::report::{Fate, code};
use super::secrets::KeySource;
use super::source::Node;
use deployments::{Defaults, Deployment};
use groups::Fallbacks;

/// The limit of a key's providers.
const ENTRIES_MAX: usize = 32;

pub(crate) fn import(work: &mut Work<'_>) {
    let root = work.source.root();
    let sections = ["litellm_settings", "router_settings", "general_settings"];
    let [litellm, router, general] = sections.map(|section| root.get(section));
    let all: Vec<&Node<'_>> = [&router, &litellm].into_iter().flatten().collect();
    let get = |field: &str| all.iter().find_map(|section| section.get(field));
    let mut key = Map::new();
    let budget = money(get("max_budget"), get("budget_duration"), Clock::LiteLlmAligned);
    if let Some(limit) = &budget {
        key.insert("limits".to_owned(), json!({"budgets": [limit]}));
    }
    let master = general.as_ref().and_then(|general| general.get("master_key"));
    let defaults = Defaults {
        total: ["timeout", "request_timeout"].into_iter().find_map(get).and_then(|node| deployments::seconds(&node)),
        first_token: get("stream_timeout").and_then(|node| deployments::seconds(&node)),
        attempts: get("num_retries").and_then(|node| deployments::retries(&node)),
        without_key: master.is_none() && budget.is_none(),
    };
    if let Some(limit) = get("max_budget").filter(|_| budget.is_some()) {
        limit.became("a limit of the VirtualKey");
    }
    // If both sections have a setting, the router's applies.
    for (fields, message) in [
        (&["timeout", "request_timeout"][..], "`timeouts.total` of the LLMProviders"),
        (&["stream_timeout"], "`timeouts.firstToken` of the LLMProviders"),
        (&["num_retries"], "`retry` of the LLMProviders"),
    ] {
        let mut found = fields.iter().flat_map(|field| all.iter().filter_map(|section| section.get(field)));
        if let Some(first) = found.next() {
            first.became(message);
            found.for_each(|other| other.idle(format!("{} counts", code(first.path()))));
        }
    }
    let deployments = deployments::import(work, &root, &defaults);
    let fallback_config = fallback_config(&all, router.as_ref(), &deployments);
    groups::import(work, &deployments, &fallback_config);
    if let Some(node) = router.as_ref().and_then(|router| router.get("provider_budget_config")) {
        provider_budgets(work, &node, &deployments);
    }
    if let Some(strategy) = get("routing_strategy") {
        settings::strategy(&strategy, &mut key);
    }
    if let Some(master) = &master {
        key.insert("withoutKey".to_owned(), json!("Refuse"));
        token(master, &mut key);
    }
    virtual_key(work, &root, &deployments, key, defaults.without_key);
    super::report_unpriced(work, "model_list");
    for (section, table) in [
        (&litellm, settings::LITELLM),
        (&router, settings::ROUTER),
        (&general, settings::GENERAL),
        (&Some(root.clone()), settings::ROOT),
    ] {
        if let Some(section) = section {
            settings::report_all(section, table);
        }
    }
    environment(&root);
    if let Some(list) = root.get("credential_list") {
        list.became("the `credentials` of the LLMProviders that name one");
    }
    let message = "keys, teams, users and their budgets that live in LiteLLM's database are not in this file: write a VirtualKey for each \
                   application, and a Budget for each team";
    match general.as_ref().and_then(|general| general.get("database_url")) {
        Some(url) => url.lost(message),
        None => work.source.report(Fate::Lost, "general_settings", message),
    }
}

/// `budgets[0]`: an amount in a period.
fn money(most: Option<Node<'_>>, duration: Option<Node<'_>>, clock: Clock) -> Option<Map<String, Value>> {
    let most = most?;
    let number = most.number()?;
    if number <= 0.0 {
        most.lost("a budget of zero, which is not possible here");
        return None;
    }
    let amount = amount::dollars(number, &most)?;
    let period = match duration {
        Some(duration) => period::read(&duration, clock)?,
        None => {
            most.doubtful("no duration beside it, so it never resets: `window: Lifetime`");
            period::ImportedPeriod {
                name: "lifetime".to_owned(),
                fields: Map::from_iter([("window".to_owned(), json!("Lifetime"))]),
            }
        }
    };
    let mut limit = Map::from_iter([("name".to_owned(), json!(period.name)), ("amount".to_owned(), json!(amount))]);
    limit.extend(period.fields);
    Some(limit)
}

/// Fallbacks and aliases, in either section.
fn fallback_config<'s>(sections: &[&Node<'s>], router: Option<&Node<'s>>, deployments: &[Deployment]) -> Fallbacks<'s> {
    let known = |group: &str| deployments.iter().any(|one| one.group == group);
    let mut fallback_config = Fallbacks::default();
    for section in sections {
        for (field, into) in
            [("fallbacks", &mut fallback_config.fallbacks), ("context_window_fallbacks", &mut fallback_config.windows)]
        {
            let Some(node) = section.get(field) else { continue };
            if field == "context_window_fallbacks" {
                node.became("`fallbacks` of the RoutingRules");
                node.doubtful("used after the other fallbacks, after any failure: a context that is too long for a model goes to one with a larger window");
            } else {
                node.became("`fallbacks` of the RoutingRules");
            }
            for (group, list) in node.items().iter().flat_map(|item| item.fields()) {
                for item in list.items() {
                    match item.is_text() {
                        true => into
                            .entry(group.to_owned())
                            .or_insert_with(Vec::new)
                            .extend(item.text().map(|text| (text.to_owned(), item.clone()))),
                        false => item.lost("a fallback with parameters of its own: let the caller send them"),
                    }
                }
            }
        }
        if let Some(node) = section.get("default_fallbacks") {
            node.became("`fallbacks` of the RoutingRules of groups that have no others");
            let list = node.items().into_iter().filter_map(|item| Some((item.text()?.to_owned(), item)));
            fallback_config.fallbacks.entry("*".to_owned()).or_default().extend(list);
        }
    }
    let mut aliases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if let Some(node) = router.and_then(|router| router.get("model_group_alias")) {
        node.became("`aliases` of models");
        for (alias, target) in node.fields() {
            let group = match target.is_object() {
                true => {
                    if let Some(hidden) = target.get("hidden") {
                        hidden.idle("lists of models show names, not aliases");
                    }
                    target.get("model").and_then(|model| model.text())
                }
                false => target.text(),
            };
            match group {
                Some(group) if known(group) => aliases.entry(group.to_owned()).or_default().push(alias.to_owned()),
                Some(group) => target.lost(format!("nothing that was imported is called {}", code(group))),
                None => {}
            }
        }
    }
    fallback_config.aliases = aliases;
    fallback_config
}

/// The budget of a provider: a Budget, because several LLMProviders may be one provider of LiteLLM.
fn provider_budgets(work: &mut Work<'_>, node: &Node<'_>, deployments: &[Deployment]) {
    for (owner, node) in node.fields() {
        let mut providers: Vec<&str> =
            deployments.iter().filter(|one| one.vendor == owner).map(|one| one.provider.as_str()).collect();
        providers.sort_unstable();
        providers.dedup();
        if providers.is_empty() {
            node.lost(format!("no deployment of {} was imported", code(owner)));
            continue;
        }
        let either = |one: &str, other: &str| node.get(one).or_else(|| node.get(other));
        let most = either("budget_limit", "max_budget");
        let Some(limit) = money(most, either("time_period", "budget_duration"), Clock::LiteLlm) else { continue };
        let name = work.names.free("Budget", &format!("provider-{owner}"));
        let mut object = ImportedObject::new(ImportedKind::Budget, &name, node.path());
        object.body.extend(limit.into_iter().filter(|(field, _)| field != "name"));
        object.set("appliesTo", json!({"providers": providers}));
        node.became(&format!("Budget {}", code(&name)));
        work.objects.push(object);
    }
}

/// The master key stays a valid token for clients, as its hash.
fn token(node: &Node<'_>, key: &mut Map<String, Value>) {
    match KeySource::litellm(node) {
        Some(KeySource::Literal(text)) => {
            let mut hash = String::with_capacity(64);
            for byte in Sha256::digest(text.as_bytes()) {
                hash.push_str(&format!("{byte:02x}"));
            }
            key.insert("aliases".to_owned(), json!([{"sha256": hash}]));
            node.doubtful(
                "its hash is an alias of the VirtualKey, so that clients who hold it need no other, and callers without it get a 401 as before (`withoutKey: \
                 Refuse`); the key's name does as well as the token, so keep the port to yourself; it administers nothing here. A short one can be \
                 guessed from its hash",
            );
        }
        Some(KeySource::Variable(variable)) => node.lost(format!(
            "the token that clients hold is in {}: add the output of `printf %s \"${variable}\" | sha256sum` to spec.aliases of the \
             VirtualKey, or let them send its name",
            code(&variable)
        )),
        _ => {}
    }
}

/// The proxy's single key: everything that its callers may use.
fn virtual_key(
    work: &mut Work<'_>,
    root: &Node<'_>,
    deployments: &[Deployment],
    key: Map<String, Value>,
    without_key: bool,
) {
    if deployments.is_empty() {
        return;
    }
    // By local name: the provider and the entry.
    let mut entries: Vec<(&str, &str, Value)> = Vec::new();
    for one in deployments {
        if !entries.iter().any(|(local, ..)| *local == one.provider) {
            entries.push((&one.provider, &one.provider, entry(&one.provider, deployments)));
        }
    }
    // For a group `team/*`, callers send `team/gpt-4o`, so the provider's local name is `team`.
    let mut unsaid = Vec::new();
    for one in deployments.iter().filter(|one| one.model.contains('*')) {
        let prefix = one.group.strip_suffix("/*").filter(|prefix| one.model == "*" && name::label(prefix) == **prefix);
        let known = entries.iter().find(|(local, ..)| Some(*local) == prefix);
        match (prefix, known) {
            (Some(_), Some((_, provider, _))) if *provider == one.provider => {}
            (Some(prefix), None) => {
                let entry = json!({"name": prefix, "providerRef": {"name": one.provider}, "weight": 0});
                entries.push((prefix, &one.provider, entry));
            }
            _ if one.group == one.model => {}
            _ => unsaid.push(one),
        }
    }
    for one in unsaid {
        let provider = &one.provider;
        let message = format!(
            "the wildcard {} stands for {} of LLMProvider {}, which has no such name here: callers must send {provider}/MODEL",
            code(&one.group),
            code(&one.model),
            code(provider)
        );
        work.source.report(Fate::Doubtful, &one.path, message);
    }
    let called = work.names.free("VirtualKey", "litellm");
    let mut object = ImportedObject::new(ImportedKind::Key, &called, "the proxy as a whole");
    match entries.len() <= ENTRIES_MAX {
        true => object.set("providers", entries.into_iter().map(|(.., entry)| entry).collect::<Vec<_>>()),
        false => object
            .notes
            .push(format!("It may use every LLMProvider of the namespace: a key lists at most {ENTRIES_MAX}.")),
    }
    object.body.extend(key);
    let note = match without_key {
        true => "without a master_key, callers need no key: `withoutKey: Allow` at each LLMProvider",
        false => "everything that callers with the proxy's key may use",
    };
    let path = if root.get("general_settings").is_some() { "general_settings" } else { "model_list" };
    work.source.report(Fate::Carried, path, format!("VirtualKey {}: {note}", code(&called)));
    work.objects.push(object);
}

/// A key's permissions for a provider. A provider that accepts any name is limited to its wildcards.
fn entry(provider: &str, deployments: &[Deployment]) -> Value {
    let mine: Vec<&Deployment> = deployments.iter().filter(|one| one.provider == provider).collect();
    let open = mine.iter().any(|one| one.model.contains('*'));
    if !open || mine.iter().any(|one| one.model == "*") {
        return json!({"name": provider});
    }
    let mut models: Vec<&str> = mine.iter().map(|one| one.listed_as.as_str()).collect();
    models.dedup();
    json!({"name": provider, "models": models})
}

/// Variables that the file sets. Keys that no deployment uses belong to the machine.
fn environment(root: &Node<'_>) {
    for (_, node) in root.get("environment_variables").map(|node| node.fields()).unwrap_or_default() {
        if !node.is_handled() {
            node.lost("set the variable where the gateway runs, if something still reads it");
        }
    }
}

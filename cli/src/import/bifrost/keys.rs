//! `virtual_keys`: one VirtualKey each. A key that may use nothing is suspended, never left open.

use outrigger_policy::Globs;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::super::Work;
use super::super::objects::{ImportedKind, ImportedObject};
use super::super::report::{Fate, code};
use super::super::secrets::KeySource;
use super::super::source::Node;
use super::super::weights;
use super::limits::{self, OwnerLimits, StandaloneLimits, plain};
use super::lists::{Allowed, Empty, SUSPENDED};
use super::owners::{OwnBudget, Owners};
use super::providers::Providers;

/// A key with all its names.
#[derive(Debug)]
pub(crate) struct Named {
    pub id: String,
    pub called: String,
    /// The VirtualKey's name.
    pub name: String,
}

/// The other inputs for keys.
pub(crate) struct KeyContext<'a, 's> {
    pub providers: &'a Providers,
    pub owners: &'a Owners,
    pub pool: &'a StandaloneLimits<'s>,
    pub empty: Empty,
    /// Requests without a key are refused.
    pub key_required: bool,
}

pub(crate) fn import<'s>(work: &mut Work<'s>, governance: &Node<'s>, around: &KeyContext<'_, 's>) -> Vec<Named> {
    let keys = governance.get("virtual_keys").map(|node| node.items()).unwrap_or_default();
    keys.iter().map(|node| key(work, node, around)).collect()
}

/// By id, or else by name.
pub(crate) fn find<'k>(keys: &'k [Named], called: &str) -> Option<&'k Named> {
    keys.iter().find(|key| key.id == called).or_else(|| keys.iter().find(|key| key.called == called))
}

fn key<'s>(work: &mut Work<'s>, node: &Node<'s>, around: &KeyContext<'_, 's>) -> Named {
    let id = node.get("id").and_then(|node| plain(&node)).unwrap_or_default();
    let named = node.get("name");
    let called = named.as_ref().and_then(|node| node.text()).unwrap_or(&id).to_owned();
    let name = work.names.free_reporting("VirtualKey", &called, named.as_ref().unwrap_or(node));
    let mut object = ImportedObject::new(ImportedKind::Key, &name, node.path());
    let mut suspended = Vec::new();
    if let Some(text) = node.get("description").and_then(|node| node.text())
        && !text.trim().is_empty()
    {
        object.annotations.insert("kubernetes.io/description".to_owned(), json!(text.trim()));
    }

    let mut deny = Vec::new();
    let entries = entries(work, node, &name, around, &mut deny);
    match entries.is_empty() {
        true => suspended.push("it may use no provider"),
        false => object.set("providers", entries),
    }
    if !deny.is_empty() {
        object.set("models", json!({"deny": deny}));
    }

    let aligned = node.get("calendar_aligned").and_then(|node| node.flag()).unwrap_or(false);
    let found = around.pool.found(node, (!id.is_empty()).then_some(("virtual_key_id", id.as_str())), aligned);
    if found.nothing.is_some() {
        suspended.push("one of its limits is nothing");
    }
    if let Some(limits) = limits::limits(work, &found, &format!("VirtualKey {}", code(&name))) {
        object.set("limits", limits);
    }
    if owners(node, around.owners, &mut object) {
        suspended.push("its team or customer has a limit of nothing");
    }

    token(node, &mut object);
    if around.key_required {
        object.set("withoutKey", "Refuse");
    }
    if node.get("is_active").and_then(|node| node.flag()) == Some(false) {
        suspended.push("it is not active");
    }
    if let Some(expires) = node.get("expires_at")
        && let Some(text) = expires.text()
    {
        match is_moment(text) {
            true => object.set("expiresAt", text),
            false => {
                expires.lost("no time of RFC 3339, so the key is suspended: write spec.expiresAt");
                suspended.push("when it expires can't be read");
            }
        }
    }
    for field in ["created_at", "updated_at", "config_hash"] {
        if let Some(node) = node.get(field) {
            node.mark_handled();
        }
    }
    if let Some(node) = node.get("mcp_configs") {
        node.lost("MCP tools are not supported");
    }
    if let Some(node) = node.get("access_profile_id") {
        node.lost("access profiles are not supported: write their permissions into the key");
    }
    if !suspended.is_empty() {
        object.set("suspended", true);
        object.notes.push(format!("SUSPENDED, because {}.", suspended.join(", and ")));
        if around.empty == Empty::Unsaid && object.body.get("providers").is_none() {
            object.notes.push(format!("An empty or absent list: {SUSPENDED}."));
        }
    }
    let state = if suspended.is_empty() { "" } else { ", suspended" };
    node.became(&format!("VirtualKey {}{state}", code(&name)));
    work.objects.push(object);
    Named { id, called, name }
}

/// Sets `team`, `customer` and `budgetRefs`. Returns whether one of them may use nothing.
fn owners(node: &Node<'_>, owners: &Owners, object: &mut ImportedObject) -> bool {
    let mut budgets: Vec<&OwnBudget> = Vec::new();
    let mut nothing = false;
    let mut customer = node.get("customer_id");
    let mut of_team = None;
    if let Some(reference) = node.get("team_id")
        && let Some(called) = plain(&reference)
    {
        match owners.team(&called) {
            Some(team) => {
                object.set("team", team.value.as_str());
                budgets.extend(&team.budgets);
                nothing |= team.nothing;
                of_team = team.customer.clone();
            }
            None => reference.lost(format!("the file has no team {}", code(&called))),
        }
    }
    let called = match customer.take() {
        Some(reference) => {
            let called = plain(&reference);
            if let Some(called) = &called
                && owners.customer(called).is_none()
            {
                reference.lost(format!("the file has no customer {}", code(called)));
            }
            called
        }
        None => of_team.clone(),
    };
    if let Some(customer) = called.as_deref().and_then(|called| owners.customer(called)) {
        object.set("customer", customer.value.as_str());
        nothing |= customer.nothing;
        let parents: Vec<&String> = budgets.iter().filter_map(|budget| budget.parent.as_ref()).collect();
        let more = customer.budgets.iter().filter(|budget| !parents.contains(&&budget.name));
        budgets.extend(more.collect::<Vec<_>>());
    }
    if !budgets.is_empty() {
        let references: Vec<Value> = budgets.iter().map(|budget| json!({"name": budget.name})).collect();
        object.set("budgetRefs", references);
    }
    nothing
}

/// The key's value, as a hash.
fn token(node: &Node<'_>, object: &mut ImportedObject) {
    let Some(value) = node.get("value") else { return };
    match KeySource::bifrost(&value) {
        Some(KeySource::Literal(text)) => {
            let mut hash = String::with_capacity(64);
            for byte in Sha256::digest(text.as_bytes()) {
                hash.push_str(&format!("{byte:02x}"));
            }
            object.set("aliases", json!([{"sha256": hash}]));
        }
        Some(KeySource::Variable(variable)) => value.lost(format!(
            "the token that clients hold is in {}: add the output of `printf %s \"${variable}\" | sha256sum` to spec.aliases, or let them \
             send the key's name",
            code(&variable)
        )),
        Some(KeySource::Elsewhere(place)) => value.lost(format!(
            "the clients' token is in {place}: add its SHA-256 to spec.aliases, or let them send the key's name"
        )),
        None => {}
    }
}

/// A provider of a key, before its weight is known.
struct KeyProviderEntry {
    fields: Map<String, Value>,
    limits: Option<Map<String, Value>>,
    /// `None` if it is not drawn by weight.
    weight: Option<f64>,
}

fn entries<'s>(
    work: &Work<'s>,
    node: &Node<'s>,
    key: &str,
    around: &KeyContext<'_, 's>,
    deny: &mut Vec<String>,
) -> Vec<Value> {
    let configs = node.get("provider_configs");
    let items = configs.as_ref().map(|node| node.items()).unwrap_or_default();
    let mut entries: Vec<KeyProviderEntry> = Vec::new();
    if items.is_empty() {
        let path = configs.as_ref().map_or_else(|| node.at("provider_configs"), |node| node.path().to_owned());
        if around.empty.meaning(node, &path, "provider") == Allowed::All {
            for part in around.providers.parts() {
                let fields = Map::from_iter([("name".to_owned(), json!(part.name))]);
                entries.push(KeyProviderEntry { fields, limits: None, weight: Some(1.0) });
            }
        }
    }
    let several = items.len() > 1;
    for config in items {
        let more = entry(&config, around, several, deny);
        for (fields, found, weight) in more {
            let owner =
                format!("entry {} of VirtualKey {}", code(fields["name"].as_str().unwrap_or_default()), code(key));
            entries.push(KeyProviderEntry { fields, limits: limits::limits(work, &found, &owner), weight });
        }
    }
    let none_weighs = entries.iter().all(|entry| entry.weight.is_none());
    let shares: Vec<f64> =
        entries.iter().map(|entry| entry.weight.unwrap_or(if none_weighs { 1.0 } else { 0.0 })).collect();
    entries
        .into_iter()
        .zip(weights::whole(&shares))
        .map(|(entry, weight)| {
            let mut fields = entry.fields;
            if weight != 1 {
                fields.insert("weight".to_owned(), json!(weight));
            }
            if let Some(limits) = entry.limits {
                fields.insert("limits".to_owned(), Value::Object(limits));
            }
            Value::Object(fields)
        })
        .collect()
}

/// The entries of a config, one for each server of its provider. Empty if it allows nothing.
fn entry<'s>(
    config: &Node<'s>,
    around: &KeyContext<'_, 's>,
    several: bool,
    deny: &mut Vec<String>,
) -> Vec<(Map<String, Value>, OwnerLimits, Option<f64>)> {
    let Some(called) = config.get("provider").and_then(|node| node.text()) else {
        config.lost("names no provider");
        return Vec::new();
    };
    let Some(provider) = around.providers.find(called).filter(|provider| !provider.parts.is_empty()) else {
        config.lost(format!(
            "provider {} is not among those that were carried over, so the key may not use it",
            code(called)
        ));
        return Vec::new();
    };
    let id = config.get("id").and_then(|node| plain(&node));
    if let Some(node) = config.get("virtual_key_id") {
        node.mark_handled();
    }
    let aligned = config.get("calendar_aligned").and_then(|node| node.flag()).unwrap_or(false);
    let found = around.pool.found(config, id.as_deref().map(|id| ("provider_config_id", id)), aligned);
    let weight = config.get("weight");
    if weight.is_none() {
        let message =
            "absent, so that it is used only by name: here weight 0, which is never drawn but is still a fallback";
        config.source().report(Fate::Doubtful, &config.at("weight"), message);
    }
    let weight = weight.and_then(|node| node.number()).map(|weight| weight.max(0.0));
    let keys = around.empty.allowed(config, &["key_ids", "allowed_keys", "keys"], "key of the provider");
    let Some(models) = models(config, around.empty, several, deny) else { return Vec::new() };
    if let Some(path) = &found.nothing {
        config.doubtful(format!("its limit {} is nothing, so the key may not use the provider", code(path)));
        return Vec::new();
    }
    if keys == Allowed::Nothing {
        config.doubtful("no key of the provider is allowed, so the key may not use the provider");
        return Vec::new();
    }
    let mut entries = Vec::new();
    let mut unknown = Vec::new();
    for part in &provider.parts {
        let mut fields = Map::from_iter([("name".to_owned(), json!(part.name))]);
        if !models.is_empty() {
            fields.insert("models".to_owned(), json!(models));
        }
        if let Allowed::These(called) = &keys {
            let mine: Vec<_> = part.keys.iter().filter(|key| called.iter().any(|called| key.is(called))).collect();
            if mine.is_empty() {
                continue;
            }
            let credentials: Vec<&str> = mine.iter().filter_map(|key| key.credential.as_deref()).collect();
            if !credentials.is_empty() && mine.len() < part.keys.len() {
                fields.insert("credentials".to_owned(), json!(credentials));
            }
        }
        entries.push((fields, found.clone(), weight.map(|weight| weight * part.share)));
    }
    if let Allowed::These(called) = &keys {
        let known = |called: &&String| provider.parts.iter().any(|part| part.keys.iter().any(|key| key.is(called)));
        unknown.extend(called.iter().filter(|called| !known(called)));
    }
    if !unknown.is_empty() {
        let names: Vec<String> = unknown.iter().map(|name| code(name)).collect();
        let end = if entries.is_empty() { ", so the key may not use the provider" } else { "" };
        config.lost(format!("its provider has no key {}{end}", names.join(", ")));
    }
    if entries.len() > 1 && !found.is_empty() {
        config.doubtful("its limits hold for each of the servers of the provider, not for all of them together");
    }
    entries
}

/// Globs of models; an empty list allows all. `None` if no model is allowed, which is reported. Denied models that
/// can't be removed from a list are added to `deny`.
fn models(config: &Node<'_>, empty: Empty, several: bool, deny: &mut Vec<String>) -> Option<Vec<String>> {
    let allowed = empty.allowed(config, &["allowed_models"], "model");
    let black = config.get("blacklisted_models");
    let denied: Vec<String> = black.iter().flat_map(|node| node.texts()).map(|text| text.trim().to_owned()).collect();
    let mut these = match allowed {
        Allowed::Nothing => {
            config.doubtful("no model is allowed, so the key may not use the provider");
            return None;
        }
        Allowed::All => Vec::new(),
        Allowed::These(these) => these,
    };
    if let Some(black) = black.filter(|_| !denied.is_empty()) {
        if denied.iter().any(|denied| denied == "*") {
            black.doubtful("every model is denied, so the key may not use the provider");
            return None;
        }
        if these.is_empty() {
            if several {
                black.doubtful(
                    "denied at this provider, and for the key as a whole here: spec.models.deny holds at each provider",
                );
            }
            deny.extend(denied.iter().filter(|denied| !deny.contains(denied)).cloned().collect::<Vec<_>>());
        } else {
            let globs = Globs::new(&denied);
            these.retain(|model| !globs.matches(model));
            if these.is_empty() {
                black.doubtful("every model that is allowed is denied, so the key may not use the provider");
                return None;
            }
        }
    }
    Some(these)
}

/// Whether a text is an RFC 3339 time with an offset.
fn is_moment(text: &str) -> bool {
    let (Some((date, time)), true) = (text.split_once('T'), text.is_ascii()) else { return false };
    let digits = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                _ => byte == shape,
            })
    };
    let clock = match time.strip_suffix('Z') {
        Some(clock) => clock,
        None => match time.len().checked_sub(6).map(|at| time.split_at(at)) {
            Some((clock, offset)) if digits(&offset[1..], "00:00") && offset.starts_with(['+', '-']) => clock,
            _ => return false,
        },
    };
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    digits(date, "0000-00-00")
        && digits(seconds, "00:00:00")
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (text, is) in [
            ("2027-06-01T00:00:00Z", true),
            ("2027-06-01T00:00:00.123456789+02:00", true),
            ("2027-06-01T00:00:00", false),
            ("2027-06-01", false),
            ("2027-06-01T00:00:00.Z", false),
            ("2027-06-01T00:00:00 02:00", false),
            ("tomorrowT", false),
            ("é", false),
        ] {
            assert_eq!(is_moment(text), is, "{text}");
        }
    }
}

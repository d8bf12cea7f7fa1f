//! RoutingRules: conditions that compile, and targets that somebody in their scope may use.

use outrigger_crds::routing_rule::Target;
use outrigger_crds::{OnError, RoutingRule};
use outrigger_policy::{
    Expression, Globs, KeyDoc, KeyProviderDoc, ObjectRef, OnError as OnErrorDoc, ProviderDoc, RuleDoc, ScopeDoc,
    TargetDoc, catalogue,
};

use crate::finding::Finding;
use crate::keys::hint;
use crate::providers::{all_zero, count};
use crate::source::Object;
use crate::validate::{Folder, Read};

pub(crate) fn compile(
    folder: &Folder<'_>,
    providers: &[ProviderDoc],
    keys: &[KeyDoc],
    findings: &mut Vec<Finding>,
) -> Vec<RuleDoc> {
    folder.rules.values().filter_map(|rule| document(folder, providers, keys, rule, findings)).collect()
}

/// `None` if its condition can't be asked. Targets that nobody may use stay: to drop them would send requests elsewhere
/// than their author wants, and a gateway says why it passes them over.
fn document(
    folder: &Folder<'_>,
    providers: &[ProviderDoc],
    keys: &[KeyDoc],
    Read { object, typed }: &Read<'_, RoutingRule>,
    findings: &mut Vec<Finding>,
) -> Option<RuleDoc> {
    let spec = &typed.spec;
    let asks = condition(object, spec.when.as_deref(), findings);
    let scope = scope(typed);
    let fence = Fence { providers, keys: in_scope(folder, keys, object, &scope, findings) };
    if spec.targets.len() > 1 && spec.targets.iter().all(|target| target.weight == 0) {
        findings.push(object.warning("spec.targets", all_zero("targets")));
    }
    if !fence.keys.is_empty() {
        for (index, target) in spec.targets.iter().enumerate() {
            let path = format!("spec.targets[{index}]");
            if let Err((field, message)) = fence.target(target) {
                findings.push(object.error(&format!("{path}.{field}"), message));
            }
        }
        for (index, text) in spec.fallbacks.iter().enumerate() {
            if let Err(message) = fence.fallback(text) {
                findings.push(object.error(&format!("spec.fallbacks[{index}]"), message));
            }
        }
    }
    if !asks {
        return None;
    }
    Some(RuleDoc {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        priority: spec.priority,
        created: typed.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
        scope,
        when: spec.when.clone(),
        targets: spec
            .targets
            .iter()
            .map(|target| TargetDoc {
                provider: target.provider.clone(),
                model: target.model.clone(),
                weight: count(target.weight),
                credential: target.credential.clone(),
            })
            .collect(),
        fallbacks: spec.fallbacks.clone(),
        on_error: match spec.on_error {
            OnError::Skip => OnErrorDoc::Skip,
            OnError::Refuse => OnErrorDoc::Refuse,
        },
        ..RuleDoc::default()
    })
}

/// Whether the condition compiles, and holds or doesn't of a sample of each request type.
fn condition(object: &Object, when: Option<&str>, findings: &mut Vec<Finding>) -> bool {
    let Some(source) = when else { return true };
    let told = match Expression::compile(source) {
        Err(error) => error.to_string(),
        Ok(expression) => match expression.try_on_samples() {
            Ok(()) => return true,
            Err((request_type, error)) => format!("on a request of type {request_type}, {error}"),
        },
    };
    findings.push(object.error("spec.when", told));
    false
}

fn scope(rule: &RoutingRule) -> ScopeDoc {
    let Some(scope) = &rule.spec.scope else { return ScopeDoc::Namespace };
    match (&scope.team, &scope.customer) {
        (Some(team), _) => ScopeDoc::Team(team.clone()),
        (None, Some(customer)) => ScopeDoc::Customer(customer.clone()),
        (None, None) if !scope.virtual_keys.is_empty() => ScopeDoc::VirtualKeys(scope.virtual_keys.clone()),
        (None, None) => ScopeDoc::Namespace,
    }
}

/// The keys that a rule acts on; that there is none is told.
fn in_scope<'a>(
    folder: &Folder<'_>,
    keys: &'a [KeyDoc],
    object: &Object,
    scope: &ScopeDoc,
    findings: &mut Vec<Finding>,
) -> Vec<&'a KeyDoc> {
    let near: Vec<&KeyDoc> = keys.iter().filter(|key| key.namespace == object.namespace).collect();
    let found =
        |concerns: &dyn Fn(&KeyDoc) -> bool| near.iter().copied().filter(|key| concerns(key)).collect::<Vec<_>>();
    let (found, path, whose) = match scope {
        ScopeDoc::VirtualKeys(names) => {
            let known: Vec<&str> = near.iter().filter(|key| !key.keyless).map(|key| key.name.as_str()).collect();
            for (index, name) in names.iter().enumerate() {
                let id = ObjectRef { namespace: object.namespace.clone(), name: name.clone() };
                if !folder.keys.contains_key(&id) && !folder.unsound.contains(&("VirtualKey", id.clone())) {
                    let message = format!("there is no VirtualKey {id}{}", hint(name, &known));
                    findings.push(object.error(&format!("spec.scope.virtualKeys[{index}]"), message));
                }
            }
            return found(&|key| !key.keyless && names.contains(&key.name));
        }
        ScopeDoc::Team(team) => {
            (found(&|key| key.team.as_ref() == Some(team)), "spec.scope.team", format!("no key of team {team}"))
        }
        ScopeDoc::Customer(customer) => (
            found(&|key| key.customer.as_ref() == Some(customer)),
            "spec.scope.customer",
            format!("no key of customer {customer}"),
        ),
        ScopeDoc::Namespace => (near.clone(), "metadata.namespace", "no key".to_owned()),
    };
    if found.is_empty() {
        let message = format!("{whose} is in namespace {}, so the rule acts on nobody", object.namespace);
        findings.push(object.warning(path, message));
    }
    found
}

/// What the keys in a rule's scope may use.
struct Fence<'a> {
    providers: &'a [ProviderDoc],
    keys: Vec<&'a KeyDoc>,
}

impl<'a> Fence<'a> {
    /// A key's entries of that local name, each with what it refers to.
    fn entries(&self, name: &str) -> Vec<(&'a KeyDoc, &'a KeyProviderDoc, &'a ProviderDoc)> {
        let of = |key: &'a KeyDoc| {
            let entry = key.providers.iter().find(|entry| entry.name == name)?;
            let provider = self.providers.iter().find(|provider| crate::keys::id(provider) == entry.provider)?;
            Some((key, entry, provider))
        };
        self.keys.iter().filter_map(|key| of(key)).collect()
    }

    fn whose(&self) -> String {
        match self.keys.as_slice() {
            [one] => format!("VirtualKey {}/{}", one.namespace, one.name),
            _ => "no key in the rule's scope".to_owned(),
        }
    }

    /// `VirtualKey a/b has no provider …`, `no key in the rule's scope has a provider …`
    fn no_provider(&self, name: &str) -> String {
        let mut known: Vec<&str> =
            self.keys.iter().flat_map(|key| key.providers.iter().map(|entry| entry.name.as_str())).collect();
        known.sort_unstable();
        known.dedup();
        let has = if self.keys.len() == 1 { "has no" } else { "has a" };
        format!("{} {has} provider `{name}`{}", self.whose(), hint(name, &known))
    }

    /// # Errors
    /// The field at fault, and why nobody may go there.
    fn target(&self, target: &Target) -> Result<(), (&'static str, String)> {
        let mut entries = self.entries(&target.provider);
        if entries.is_empty() {
            return Err(("provider", self.no_provider(&target.provider)));
        }
        if let Some(name) = &target.credential {
            let known: Vec<&str> = entries.iter().flat_map(|(_, entry, provider)| usable(entry, provider)).collect();
            if !known.contains(&name.as_str()) {
                let provider = &target.provider;
                return Err((
                    "credential",
                    format!(
                        "of provider `{provider}`, no key in the rule's scope may use a credential `{name}`{}",
                        hint(name, &known)
                    ),
                ));
            }
            entries.retain(|(_, entry, provider)| usable(entry, provider).any(|one| one == name));
        }
        match &target.model {
            Some(model) => self.model(&entries, model).map_err(|message| ("model", message)),
            None => Ok(()),
        }
    }

    /// # Errors
    /// Why a model lies outside the fence of every one of some entries.
    fn model(&self, entries: &[(&KeyDoc, &KeyProviderDoc, &ProviderDoc)], model: &str) -> Result<(), String> {
        let mut first = None;
        for (key, entry, provider) in entries {
            match model_refusal(key, entry, provider, model) {
                None => return Ok(()),
                Some(why) => drop(first.get_or_insert(why)),
            }
        }
        let why = first.unwrap_or_default();
        Err(format!("no key in the rule's scope may use `{model}` there: {why}"))
    }

    /// # Errors
    /// Why the text names nobody.
    fn fallback(&self, text: &str) -> Result<(), String> {
        let whole = self.entries(text);
        if !whole.is_empty() || self.is_model(text) {
            return Ok(());
        }
        match text.split_once('/') {
            None => Err(self.no_provider(text)),
            Some((provider, model)) => {
                let entries = self.entries(provider);
                if entries.is_empty() {
                    return Err(self.no_provider(provider));
                }
                self.model(&entries, model)
            }
        }
    }

    /// Whether a bare name is a model that one of the providers is known to have.
    fn is_model(&self, name: &str) -> bool {
        self.keys.iter().any(|key| {
            key.providers.iter().any(|entry| {
                let provider = self.providers.iter().find(|provider| crate::keys::id(provider) == entry.provider);
                provider.is_some_and(|provider| {
                    let known = entry.models.iter().any(|one| one == name)
                        || has(provider, name)
                        || (!provider.exclusive && catalogue::lookup(&provider.kind, name).is_some());
                    known && model_refusal(key, entry, provider, name).is_none()
                })
            })
        })
    }
}

/// The credentials of a provider that a key may use.
fn usable<'a>(entry: &'a KeyProviderDoc, provider: &'a ProviderDoc) -> impl Iterator<Item = &'a str> {
    let names = provider.credentials.iter().map(|credential| credential.name.as_str());
    names.filter(|name| entry.credentials.is_empty() || entry.credentials.iter().any(|one| one == name))
}

fn has(provider: &ProviderDoc, name: &str) -> bool {
    provider.models.iter().any(|model| model.name == name || model.aliases.iter().any(|alias| alias == name))
}

/// Which list keeps a model out.
fn model_refusal(key: &KeyDoc, entry: &KeyProviderDoc, provider: &ProviderDoc, model: &str) -> Option<String> {
    let key_name = format!("VirtualKey {}/{}", key.namespace, key.name);
    if Globs::new(&key.deny).matches(model) {
        return Some(format!("{key_name} denies it in spec.models.deny"));
    }
    if !Globs::new(&key.allow).allows(model) {
        return Some(format!("{key_name} does not list it in spec.models.allow"));
    }
    if !Globs::new(&entry.models).allows(model) {
        return Some(format!("{key_name} does not list it in the models of provider `{}`", entry.name));
    }
    if provider.exclusive && !has(provider, model) {
        return Some(format!("LLMProvider {} is exclusive and does not list it", entry.provider));
    }
    None
}

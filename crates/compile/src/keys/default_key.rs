//! The key of callers that name no key.

use outrigger_core::ObjectRef;
use outrigger_crds::WithoutKey;
use outrigger_policy::{KeyDoc, ProviderDoc};

use crate::findings::finding::{Cause, Finding, Severity, SourceLocation};
use crate::findings::hint::hint;
use crate::keys::all_of;
use crate::objects::kind::PolicyKind;
use crate::objects::sorted::SortedObjects;
use crate::read::source::{DEFAULT_KEY, DEFAULT_NAMESPACE};

/// The file name in findings about arguments.
pub const COMMAND_LINE: &str = "--key";

/// The default key as `namespace/name`: the first requested one, else the only one, else the one named `default`. If
/// there is no VirtualKey at all, a keyless key that is added.
pub(crate) fn bind(
    sorted: &SortedObjects<'_>,
    requested: &[String],
    providers: &[ProviderDoc],
    keys: &mut Vec<KeyDoc>,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let names = sorted.key_names();
    let requested: Vec<Option<ObjectRef>> = requested.iter().map(|name| named(&names, name, findings)).collect();
    let chosen = match requested.first() {
        Some(first) => first.clone(),
        None if names.is_empty() => keyless(sorted, providers, keys, findings),
        None => match names.as_slice() {
            [only] => Some(only.clone()),
            _ => default_of(&names),
        },
    };
    // If the default key exists and can't be used, there is no default, and no other key takes its place.
    chosen
        .filter(|id| keys.iter().any(|key| key.namespace == id.namespace && key.name == id.name))
        .map(|id| id.to_string())
}

/// The key named `default`: in the namespace of that name, or in the only namespace that has one.
fn default_of(names: &[ObjectRef]) -> Option<ObjectRef> {
    let mut defaults: Vec<&ObjectRef> = names.iter().filter(|id| id.name == DEFAULT_KEY).collect();
    if defaults.len() > 1 {
        defaults.retain(|id| id.namespace == DEFAULT_NAMESPACE);
    }
    defaults.first().map(|id| (*id).clone())
}

/// The key that an argument `--key` refers to.
fn named(names: &[ObjectRef], requested: &str, findings: &mut Vec<Finding>) -> Option<ObjectRef> {
    let found: Vec<&ObjectRef> =
        names.iter().filter(|id| id.name == requested || id.to_string() == requested).collect();
    let message = match found.as_slice() {
        [one] => return Some((*one).clone()),
        [] => {
            let known: Vec<&str> = names.iter().map(|id| id.name.as_str()).collect();
            format!("there is no VirtualKey `{requested}`{}", hint(requested, &known))
        }
        several => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("`{requested}` could be any of {}: say which", several.join(", "))
        }
    };
    findings.push(Finding {
        severity: Severity::Error,
        cause: Cause::RefNotFound,
        location: SourceLocation { file: COMMAND_LINE.to_owned(), line: 0 },
        object: String::new(),
        path: String::new(),
        message,
    });
    None
}

/// Adds the key of callers without a VirtualKey, with the providers that allow it.
fn keyless(
    sorted: &SortedObjects<'_>,
    providers: &[ProviderDoc],
    keys: &mut Vec<KeyDoc>,
    findings: &mut Vec<Finding>,
) -> Option<ObjectRef> {
    let mut namespaces: Vec<&str> = Vec::new();
    for id in sorted.providers.keys().filter(|id| allows(sorted, id)) {
        if !namespaces.contains(&id.namespace.as_str()) {
            namespaces.push(&id.namespace);
        }
    }
    // In a cluster a pod has the providers of its own namespace. There is no pod here: the namespace is `default`, else
    // the only one.
    let namespace = match namespaces.as_slice() {
        [] => {
            // A provider that can't be used may allow it.
            let whole = !sorted.has_unusable(PolicyKind::LlmProvider, |_| true);
            if let Some(provider) = sorted.providers.values().next().filter(|_| whole) {
                findings.push(provider.object.warning(
                    "spec.withoutKey",
                    "there is no VirtualKey here, and no LLMProvider says withoutKey: Allow, so nobody may call: say so \
                     here, or add a VirtualKey",
                ));
            }
            return None;
        }
        [only] => *only,
        several if several.contains(&DEFAULT_NAMESPACE) => DEFAULT_NAMESPACE,
        [first, ..] => {
            let provider = sorted.providers.values().find(|provider| provider.object.namespace == *first);
            findings.extend(provider.map(|provider| {
                provider.object.warning(
                    "metadata.namespace",
                    format!(
                        "callers without a key get the providers of {first} alone, not of {}",
                        namespaces.join(", ")
                    ),
                )
            }));
            first
        }
    };
    keys.push(keyless_key(sorted, providers, namespace));
    Some(ObjectRef { namespace: namespace.to_owned(), name: DEFAULT_KEY.to_owned() })
}

fn allows(sorted: &SortedObjects<'_>, id: &ObjectRef) -> bool {
    sorted.providers.get(id).is_some_and(|provider| provider.typed.spec.without_key == WithoutKey::Allow)
}

fn keyless_key(sorted: &SortedObjects<'_>, providers: &[ProviderDoc], namespace: &str) -> KeyDoc {
    let mut entries = all_of(providers, namespace);
    entries.retain(|entry| allows(sorted, &entry.provider));
    let label = |name: &str| crate::objects::namespaces::label(sorted, namespace, name).map(str::to_owned);
    KeyDoc {
        namespace: namespace.to_owned(),
        name: DEFAULT_KEY.to_owned(),
        providers: entries,
        extra_fields: true,
        cap_output: true,
        team: label("outrigger.dev/team"),
        customer: label("outrigger.dev/customer"),
        keyless: true,
        ..KeyDoc::default()
    }
}

/// Adds, in a cluster, the key of pods that name none, for each namespace where no VirtualKey is named `default` and a
/// provider allows it. If the VirtualKey `default` exists and can't be used, no key is added.
pub(crate) fn keyless_of(
    sorted: &SortedObjects<'_>,
    providers: &[ProviderDoc],
    such: &dyn Fn(&str) -> bool,
    keys: &mut Vec<KeyDoc>,
) {
    let names = sorted.key_names();
    let mut namespaces: Vec<&str> =
        sorted.providers.keys().filter(|id| allows(sorted, id)).map(|id| id.namespace.as_str()).collect();
    namespaces.dedup();
    for namespace in namespaces.into_iter().filter(|namespace| such(namespace)) {
        if !names.iter().any(|id| id.namespace == namespace && id.name == DEFAULT_KEY) {
            keys.push(keyless_key(sorted, providers, namespace));
        }
    }
}

//! Which key a caller has who names none.

use outrigger_core::ObjectRef;
use outrigger_crds::WithoutKey;
use outrigger_policy::{KeyDoc, ProviderDoc};

use crate::findings::finding::{Cause, Finding, Severity, SourcePlace};
use crate::findings::hint::hint;
use crate::keys::all_of;
use crate::objects::validate::SortedObjects;
use crate::read::source::{DEFAULT_KEY, DEFAULT_NAMESPACE};

/// Where findings say that an argument stands.
pub const COMMAND_LINE: &str = "--key";

/// The default key as `namespace/name`: the first that was asked for, else the only one, else the one named `default`,
/// else, where there is no VirtualKey at all, a keyless one that is added.
pub(crate) fn bind(
    folder: &SortedObjects<'_>,
    asked: &[String],
    providers: &[ProviderDoc],
    keys: &mut Vec<KeyDoc>,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let names = folder.key_names();
    let asked: Vec<Option<ObjectRef>> = asked.iter().map(|name| named(&names, name, findings)).collect();
    let chosen = match asked.first() {
        Some(first) => first.clone(),
        None if names.is_empty() => keyless(folder, providers, keys, findings),
        None => match names.as_slice() {
            [only] => Some(only.clone()),
            _ => default_of(&names),
        },
    };
    // A key that is there and can't be used is nobody's default, and no other takes its place.
    chosen
        .filter(|id| keys.iter().any(|key| key.namespace == id.namespace && key.name == id.name))
        .map(|id| id.to_string())
}

/// The one named `default`: in the namespace of that name, or in the only one that has it.
fn default_of(names: &[ObjectRef]) -> Option<ObjectRef> {
    let mut defaults: Vec<&ObjectRef> = names.iter().filter(|id| id.name == DEFAULT_KEY).collect();
    if defaults.len() > 1 {
        defaults.retain(|id| id.namespace == DEFAULT_NAMESPACE);
    }
    defaults.first().map(|id| (*id).clone())
}

/// The key that `--key` means.
fn named(names: &[ObjectRef], asked: &str, findings: &mut Vec<Finding>) -> Option<ObjectRef> {
    let found: Vec<&ObjectRef> = names.iter().filter(|id| id.name == asked || id.to_string() == asked).collect();
    let message = match found.as_slice() {
        [one] => return Some((*one).clone()),
        [] => {
            let known: Vec<&str> = names.iter().map(|id| id.name.as_str()).collect();
            format!("there is no VirtualKey `{asked}`{}", hint(asked, &known))
        }
        several => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("`{asked}` could be any of {}: say which", several.join(", "))
        }
    };
    findings.push(Finding {
        severity: Severity::Error,
        cause: Cause::RefNotFound,
        place: SourcePlace { file: COMMAND_LINE.to_owned(), line: 0 },
        object: String::new(),
        path: String::new(),
        message,
    });
    None
}

/// Adds the key of callers of a place without a VirtualKey: the providers that allow it.
fn keyless(
    folder: &SortedObjects<'_>,
    providers: &[ProviderDoc],
    keys: &mut Vec<KeyDoc>,
    findings: &mut Vec<Finding>,
) -> Option<ObjectRef> {
    let mut namespaces: Vec<&str> = Vec::new();
    for id in folder.providers.keys().filter(|id| allows(folder, id)) {
        if !namespaces.contains(&id.namespace.as_str()) {
            namespaces.push(&id.namespace);
        }
    }
    // In a cluster a pod has the providers of its own namespace. Here there is no pod: `default`, else the only one.
    let namespace = match namespaces.as_slice() {
        [] => {
            // One that can't be used may say so.
            let whole = !folder.misses("LLMProvider", |_| true);
            if let Some(provider) = folder.providers.values().next().filter(|_| whole) {
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
            let place = folder.providers.values().find(|provider| provider.object.namespace == *first);
            findings.extend(place.map(|provider| {
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
    keys.push(key_of_nobody(folder, providers, namespace));
    Some(ObjectRef { namespace: namespace.to_owned(), name: DEFAULT_KEY.to_owned() })
}

fn allows(folder: &SortedObjects<'_>, id: &ObjectRef) -> bool {
    folder.providers.get(id).is_some_and(|provider| provider.typed.spec.without_key == WithoutKey::Allow)
}

fn key_of_nobody(folder: &SortedObjects<'_>, providers: &[ProviderDoc], namespace: &str) -> KeyDoc {
    let mut entries = all_of(providers, namespace);
    entries.retain(|entry| allows(folder, &entry.provider));
    let label = |name: &str| crate::objects::namespaces::label(folder, namespace, name).map(str::to_owned);
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

/// Adds, in a cluster, the key of those pods of some namespaces that name none: where no VirtualKey is named `default`, and
/// a provider allows it. One that is named so and can't be used is nobody's.
pub(crate) fn keyless_of(
    folder: &SortedObjects<'_>,
    providers: &[ProviderDoc],
    such: &dyn Fn(&str) -> bool,
    keys: &mut Vec<KeyDoc>,
) {
    let names = folder.key_names();
    let mut namespaces: Vec<&str> =
        folder.providers.keys().filter(|id| allows(folder, id)).map(|id| id.namespace.as_str()).collect();
    namespaces.dedup();
    for namespace in namespaces.into_iter().filter(|namespace| such(namespace)) {
        if !names.iter().any(|id| id.namespace == namespace && id.name == DEFAULT_KEY) {
            keys.push(key_of_nobody(folder, providers, namespace));
        }
    }
}

//! What a namespace remembers for the case that a Secret or a ConfigMap disappears.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_core::SecretRef;

use super::EvaluatedNamespace;
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::refs::{ValueKind, ValueRef, references_of};
use crate::objects::version::ObjectVersion;
use crate::plan::last_good::LastGood;
use crate::plan::sources::SecretVersion;
use crate::state::index::ObjectIndex;

/// Remembers the sources of the bundles in use, and the versions of the Secrets whose values are in use.
pub(super) fn remember(index: &ObjectIndex, last_good: &mut LastGood, namespace: &str, evaluated: &EvaluatedNamespace) {
    let document = &evaluated.compiled.document;
    let known: Vec<&ObjectId> =
        evaluated.foreign.keys().filter(|id| last_good.chosen(id).is_some_and(|one| one.known)).collect();
    let serving = evaluated.chosen.values().filter(|chosen| chosen.usable).map(|chosen| &chosen.version);
    let versions: BTreeMap<&ObjectId, &ObjectVersion> =
        serving.chain(evaluated.foreign.values()).map(|version| (&version.id, version.as_ref())).collect();
    let credentials: BTreeSet<&SecretRef> =
        document.providers.iter().flat_map(|one| &one.credentials).map(|credential| &credential.secret).collect();
    let view = last_good.view_mut(namespace);
    for id in known {
        view.objects.remove(id);
    }
    let named: BTreeSet<_> = versions.values().flat_map(|version| references_of(version)).collect();
    view.bundles.retain(|wanted, _| named.contains(&wanted.clone().into()));
    for provider in document.providers.iter().filter(|provider| provider.ca.is_some()) {
        let id = ObjectId {
            kind: ObjectKind::LlmProvider,
            namespace: provider.namespace.clone(),
            name: provider.name.clone(),
        };
        if let Some(wanted) = versions.get(&id).and_then(|version| authorities(version))
            && let Some(holding) = evaluated.values.get(&wanted)
        {
            view.bundles.insert(wanted, holding.clone());
        }
    }
    view.secrets.retain(|at, _| credentials.contains(at));
    for (at, _) in &evaluated.compiled.secrets {
        let wanted =
            ValueRef { holder: ValueKind::Secret, namespace: at.namespace().to_owned(), name: at.name().to_owned() };
        if let Some(holding) = index.value(&wanted) {
            let version =
                SecretVersion { uid: holding.uid.clone(), resource_version: holding.resource_version.clone() };
            view.secrets.insert(at.clone(), version);
        }
    }
}

/// The reference to a provider's bundle of certificates.
pub(crate) fn authorities(version: &ObjectVersion) -> Option<ValueRef> {
    let (place, _) = version.certificate_authority().filter(|_| version.id.kind == ObjectKind::LlmProvider)?;
    Some(place)
}

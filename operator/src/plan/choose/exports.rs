//! What plans of other namespaces take from a namespace: the version of each of its objects that serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{EvaluatedNamespace, authorities};
use crate::objects::id::{ObjectId, ObjectKind};
use crate::objects::refs::ValueRef;
use crate::plan::last_good::{Export, Exports};
use crate::state::index::{ObjectIndex, ValueSource};

pub(super) fn of(
    index: &ObjectIndex,
    namespace: &str,
    evaluated: &EvaluatedNamespace,
    substitutes: &BTreeMap<ValueRef, Arc<ValueSource>>,
) -> Exports {
    let operators = namespace == index.operator_namespace();
    let seen = |id: &ObjectId| match id.kind {
        ObjectKind::LlmProvider | ObjectKind::Budget | ObjectKind::ModelCatalog => true,
        ObjectKind::RoutingRule => operators,
        ObjectKind::VirtualKey => false,
    };
    let exported = evaluated.chosen.iter().filter(|(id, _)| seen(id)).filter_map(|(id, chosen)| {
        let now = &index.get(id)?.version;
        let bundle = authorities(&chosen.version).is_some_and(|wanted| substitutes.contains_key(&wanted));
        let export = Export {
            now: (now.uid.clone(), now.generation),
            serves: (chosen.version.generation, chosen.usable, chosen.known, bundle),
        };
        Some((id.clone(), export))
    });
    exported.collect()
}

/// The objects for which another version serves than was announced, although they have not changed themselves. For
/// changed objects, the index notifies those that reference them.
pub(crate) fn changed(before: &Exports, after: &Exports) -> BTreeSet<ObjectId> {
    let differs = |(id, export): &(&ObjectId, &Export)| {
        before.get(*id).is_some_and(|previous| previous.now == export.now && previous.serves != export.serves)
    };
    after.iter().filter(differs).map(|(id, _)| id.clone()).collect()
}

//! Writes down who asks for an action on a limit: the user of the request, beside the annotation that asks. What a user writes
//! there is replaced.

use serde_json::{Value, json};

use crate::admission::patch::between;
use crate::admission::review::{AdmissionOperation, AdmissionRequest, ReviewResponse};
use crate::admission::{AdmissionContext, AdmissionRecord, Effect, Webhook};
use crate::names;
use crate::objects::metadata::Metadata;

/// Of a user's name so many characters are kept.
const NAME_MAX: usize = 253;

pub(super) fn admit(request: &AdmissionRequest, context: &AdmissionContext<'_>) -> ReviewResponse {
    let is_write = matches!(request.operation, AdmissionOperation::Create | AdmissionOperation::Update);
    let ours = request.kind.group == outrigger_crds::GROUP && request.subresource.is_empty();
    if !is_write || !ours || !request.object.is_object() {
        return ReviewResponse::allow();
    }
    let object = signed(request);
    let patch = between(&request.object, &object);
    let effect = if patch.0.is_empty() { Effect::Unchanged } else { Effect::Stamped };
    (context.record)(&AdmissionRecord {
        webhook: Webhook::Actions,
        effect,
        reason: None,
        message: "",
        namespace: &request.namespace,
        owner: None,
        dry_run: request.dry_run,
    });
    ReviewResponse { patch, ..ReviewResponse::default() }
}

/// The object with its author's name. An action that stood there before keeps the name of who asked for it.
fn signed(request: &AdmissionRequest) -> Value {
    let (new, old) = (Metadata::of(&request.object), Metadata::of(&request.old_object));
    let by = match new.annotation(names::LEDGER_ACTION) {
        None => None,
        action if old.annotation(names::LEDGER_ACTION) == action => {
            old.annotation(names::LEDGER_ACTION_BY).map(str::to_owned)
        }
        Some(_) => Some(request.user.username.chars().take(NAME_MAX).collect()),
    };
    let mut object = request.object.clone();
    let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    if let Some(annotations) = annotations {
        match by {
            Some(by) => drop(annotations.insert(names::LEDGER_ACTION_BY.to_owned(), json!(by))),
            None => drop(annotations.remove(names::LEDGER_ACTION_BY)),
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(action: Option<&str>, by: Option<&str>) -> Value {
        let mut annotations = serde_json::Map::new();
        let both = [(names::LEDGER_ACTION, action), (names::LEDGER_ACTION_BY, by)];
        for (name, value) in both.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            annotations.insert(name.to_owned(), json!(value));
        }
        json!({"kind": "Budget", "metadata": {"name": "team", "namespace": "shop", "annotations": annotations}})
    }

    #[test]
    fn the_user_who_asks_is_written_down_whatever_they_write_themselves() {
        let none = || object(None, None);
        for (old, new, expected) in [
            (Value::Null, object(Some("1"), None), Some("alice")),
            (Value::Null, object(Some("1"), Some("root")), Some("alice")),
            (none(), object(Some("1"), Some("root")), Some("alice")),
            (object(Some("1"), Some("bob")), object(Some("1"), Some("root")), Some("bob")),
            (object(Some("1"), Some("bob")), object(Some("1"), None), Some("bob")),
            (object(Some("1"), Some("bob")), object(Some("2"), Some("bob")), Some("alice")),
            (object(Some("1"), None), object(Some("1"), Some("root")), None),
            (object(Some("1"), Some("bob")), object(None, Some("bob")), None),
            (Value::Null, json!({"metadata": {}}), None),
        ] {
            let mut request = AdmissionRequest { object: new, old_object: old, ..AdmissionRequest::default() };
            request.user.username = "alice".to_owned();
            let signed = signed(&request);
            let by = Metadata::of(&signed).annotation(names::LEDGER_ACTION_BY).map(str::to_owned);
            assert_eq!(by.as_deref(), expected, "{:?}", request.object);
        }
    }
}

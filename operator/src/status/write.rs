//! Writes one status.

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::api::{CallError, resource, timed};
use crate::names;
use crate::objects::id::ObjectId;

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusWrite {
    Done,
    /// The object has changed since it was read, or is gone: its watch reports that, and then it is checked again.
    Moved,
}

/// Writes the operator's fields of an object's status; other writers' fields stay. `resource_version` is that of the
/// object that was read. It prevents a write to another object of the same name, because the API server does not check
/// the uid here.
///
/// # Errors
/// [`CallError`]: to be retried.
pub async fn write(
    client: &Client,
    id: &ObjectId,
    resource_version: &str,
    status: &Value,
) -> Result<StatusWrite, CallError> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &id.namespace, &resource(id.kind));
    let patch = json!({
        "apiVersion": format!("{}/{}", outrigger_crds::GROUP, outrigger_crds::VERSION),
        "kind": id.kind.name(),
        "metadata": {"name": id.name, "namespace": id.namespace, "resourceVersion": resource_version},
        "status": status,
    });
    let params = PatchParams::apply(names::FIELD_MANAGER).force();
    match timed(api.patch_status(&id.name, &params, &Patch::Apply(&patch))).await {
        Ok(_) => Ok(StatusWrite::Done),
        // By force, so that only the version can conflict.
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(StatusWrite::Moved),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use http_body_util::BodyExt;
    use kube::client::Body;

    use super::*;
    use crate::objects::id::ObjectKind;

    fn id() -> ObjectId {
        ObjectId { kind: ObjectKind::LlmProvider, namespace: "shop".to_owned(), name: "openai".to_owned() }
    }

    /// An API server that answers with one status, and records the request.
    async fn answered(code: u16, answer: Value) -> (Result<StatusWrite, CallError>, String, Value) {
        let (sender, received) = tokio::sync::oneshot::channel();
        let sender = std::sync::Mutex::new(Some(sender));
        let service = tower::service_fn(move |request: Request<Body>| {
            let (sender, answer) = (sender.lock().unwrap().take(), answer.to_string());
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let sent: Value = serde_json::from_slice(&body).unwrap();
                sender.unwrap().send((head.uri.to_string(), sent)).unwrap();
                let response = Response::builder().status(code).body(Body::from(answer.into_bytes())).unwrap();
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let client = Client::new(service, "default");
        let wrote = write(&client, &id(), "41", &json!({"observedGeneration": 2})).await;
        let (uri, sent) = received.await.unwrap();
        (wrote, uri, sent)
    }

    fn failure(code: u16, reason: &str) -> Value {
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "no"})
    }

    #[tokio::test]
    async fn only_our_fields_are_applied_to_the_version_that_was_read() {
        let object =
            json!({"apiVersion": "outrigger.dev/v1alpha1", "kind": "LLMProvider", "metadata": {"name": "openai"}});
        let (wrote, uri, sent) = answered(200, object).await;
        assert_eq!(wrote.unwrap(), StatusWrite::Done);
        assert!(
            uri.starts_with("/apis/outrigger.dev/v1alpha1/namespaces/shop/llmproviders/openai/status?")
                && uri.contains("fieldManager=outrigger")
                && uri.contains("force=true"),
            "{uri}"
        );
        assert_eq!(
            sent,
            json!({
                "apiVersion": "outrigger.dev/v1alpha1",
                "kind": "LLMProvider",
                "metadata": {"name": "openai", "namespace": "shop", "resourceVersion": "41"},
                "status": {"observedGeneration": 2},
            })
        );
    }

    #[tokio::test]
    async fn changed_and_deleted_objects_are_left_to_their_watch() {
        for (code, reason) in [(404, "NotFound"), (409, "Conflict")] {
            assert_eq!(answered(code, failure(code, reason)).await.0.unwrap(), StatusWrite::Moved);
        }
        let error = answered(403, failure(403, "Forbidden")).await.0.unwrap_err();
        assert!(error.is_forbidden(), "{error}");
    }
}

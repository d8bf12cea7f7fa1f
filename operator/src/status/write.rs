//! Writes one status.

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::api::{CallError, resource, timed};
use crate::names;
use crate::objects::id::ObjectId;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusWrite {
    Done,
    /// The object has changed since it was looked at, or is gone: its watch tells, and then it is looked at again.
    Moved,
}

/// Writes the operator's fields of an object's status; those of others stay. `resource_version` is that of the object that
/// was looked at. With it nothing is said of another one of the same name: the API server does not look at the uid here.
///
/// # Errors
/// [`CallError`]: to be tried again.
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
        // By force, so that the version is all that it can conflict in.
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

    /// An API server that answers with one status, and what it was asked.
    async fn answered(code: u16, answer: Value) -> (Result<StatusWrite, CallError>, String, Value) {
        let (asked, heard) = tokio::sync::oneshot::channel();
        let asked = std::sync::Mutex::new(Some(asked));
        let service = tower::service_fn(move |request: Request<Body>| {
            let (asked, answer) = (asked.lock().unwrap().take(), answer.to_string());
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let sent: Value = serde_json::from_slice(&body).unwrap();
                asked.unwrap().send((head.uri.to_string(), sent)).unwrap();
                let response = Response::builder().status(code).body(Body::from(answer.into_bytes())).unwrap();
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let client = Client::new(service, "default");
        let wrote = write(&client, &id(), "41", &json!({"observedGeneration": 2})).await;
        let (uri, sent) = heard.await.unwrap();
        (wrote, uri, sent)
    }

    fn failure(code: u16, reason: &str) -> Value {
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "no"})
    }

    #[tokio::test]
    async fn only_our_fields_of_the_version_that_was_seen_are_applied() {
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
    async fn what_has_changed_or_gone_is_left_to_its_watch() {
        for (code, reason) in [(404, "NotFound"), (409, "Conflict")] {
            assert_eq!(answered(code, failure(code, reason)).await.0.unwrap(), StatusWrite::Moved);
        }
        let error = answered(403, failure(403, "Forbidden")).await.0.unwrap_err();
        assert!(error.is_forbidden(), "{error}");
    }
}

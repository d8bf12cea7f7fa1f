//! Writes `caBundle` in the webhook configurations. It is the only field there that the operator owns.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use thiserror::Error;

use super::bundle::CaBundle;
use crate::api;
use crate::names;

const TIME: Duration = Duration::from_secs(10);
const KINDS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Why `caBundle` could not be written.
#[derive(Debug, Error)]
#[error("{kind} {name}: {why}")]
pub struct WebhookError {
    kind: &'static str,
    name: String,
    why: String,
}

/// The webhook configurations of one name.
#[derive(Clone)]
pub struct Webhooks {
    client: Client,
    name: String,
}

impl Webhooks {
    pub fn new(client: Client, name: &str) -> Self {
        Webhooks { client, name: name.to_owned() }
    }

    /// Writes the bundle where it differs. Returns whether every configuration has it now; one that does not exist is
    /// ignored.
    pub async fn apply(&self, bundle: &CaBundle) -> Result<bool, WebhookError> {
        for kind in KINDS {
            let error = |why| WebhookError { kind, name: self.name.clone(), why };
            match tokio::time::timeout(TIME, self.apply_to(kind, bundle)).await {
                // The other replica or the chart has written since. The next check reads again.
                Ok(Err(why)) if api::error::is_conflict(&why) => return Ok(false),
                Ok(applied) => applied.map_err(|why| error(api::error::message(&why)))?,
                Err(_) => return Err(error(format!("no answer within {} s", TIME.as_secs()))),
            }
        }
        Ok(true)
    }

    async fn apply_to(&self, kind: &'static str, bundle: &CaBundle) -> kube::Result<()> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind));
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let Some(found) = api.get_opt(&self.name).await? else { return Ok(()) };
        let meta = &found.metadata;
        let Some(webhooks) = wanted(&found.data, bundle) else { return Ok(()) };
        // With the version, so that a webhook that was deleted since is not recreated with nothing but a bundle.
        let patch = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": self.name, "uid": meta.uid, "resourceVersion": meta.resource_version},
            "webhooks": webhooks,
        });
        let parameters = PatchParams::apply(names::FIELD_MANAGER).force();
        api.patch(&self.name, &parameters, &Patch::Apply(&patch)).await?;
        tracing::info!(kind, name = self.name, authorities = ?bundle.fingerprints, "wrote caBundle of the webhooks");
        Ok(())
    }
}

/// What to apply; `None` if every webhook has the bundle. Webhooks are identified by name, the key of the list.
fn wanted(configuration: &Value, bundle: &CaBundle) -> Option<Vec<Value>> {
    let encoded = STANDARD.encode(&bundle.pem);
    let webhooks = configuration.get("webhooks")?.as_array()?;
    let has = |webhook: &Value| webhook.pointer("/clientConfig/caBundle").and_then(Value::as_str) == Some(&encoded);
    let apply = |webhook: &Value| json!({"name": webhook["name"], "clientConfig": {"caBundle": encoded}});
    (!webhooks.iter().all(has)).then(|| webhooks.iter().map(apply).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bundle_is_applied_and_only_where_it_differs() {
        let bundle = CaBundle::of("pem".to_owned());
        let webhook =
            |name: &str, bundle: &str| json!({"name": name, "clientConfig": {"caBundle": bundle, "url": "u"}});
        let configuration = |webhooks: Value| json!({"webhooks": webhooks});
        let there = configuration(json!([webhook("a", "cGVt"), webhook("b", "cGVt")]));
        assert_eq!(wanted(&there, &bundle), None);
        let applied = |name: &str| json!({"name": name, "clientConfig": {"caBundle": "cGVt"}});
        for webhooks in [
            json!([webhook("a", "cGVt"), webhook("b", "b2xk")]),
            json!([{"name": "a", "clientConfig": {}}, webhook("b", "cGVt")]),
            json!([{"name": "a"}, {"name": "b"}]),
        ] {
            assert_eq!(wanted(&configuration(webhooks), &bundle), Some(vec![applied("a"), applied("b")]));
        }
        for empty in [json!({}), json!({"webhooks": []}), json!({"webhooks": "none"})] {
            assert_eq!(wanted(&empty, &bundle), None);
        }
    }
}

//! Reports impossible values of a gateway: a log line, and an Event for its pod.

use futures_util::future::BoxFuture;
use kube::Client;
use outrigger_ledger::shared::leader::LedgerFinding;
use tokio::time::Instant;

use super::driver::FindingReporter;
use super::finding_words::{meaning, word};
use crate::status::events::{EventAction, EventReason, EventRecorder, NewEvent, Subject};
use crate::stream::ConnectedGateway;

/// Writes to the log and to the pod's Events.
pub struct FindingEvents {
    client: Client,
    events: EventRecorder,
}

impl std::fmt::Debug for FindingEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FindingEvents")
    }
}

impl FindingEvents {
    /// `identity` is that of the replica.
    #[must_use]
    pub fn new(client: Client, identity: &str) -> Self {
        FindingEvents { client, events: EventRecorder::new(identity, Instant::now()) }
    }

    async fn record(&self, gateway: &ConnectedGateway, finding: &LedgerFinding) {
        let subject = Subject {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: gateway.namespace.clone(),
            name: gateway.pod.clone(),
            uid: gateway.uid.clone(),
        };
        let account = finding.account.as_ref().map(|account| format!(" ({})", account.limit.limit));
        let note = format!(
            "The ledger refused what the gateway of this pod reported{}: {}.",
            account.unwrap_or_default(),
            meaning(finding.kind)
        );
        let event = NewEvent { warning: true, reason: EventReason::UsageRefused, action: EventAction::Count, note };
        if let Err(error) = self.events.record(&self.client, &subject, &event).await {
            tracing::debug!(%error, "an Event was not recorded");
        }
    }
}

impl FindingReporter for FindingEvents {
    fn report<'a>(&'a self, gateway: Option<&'a ConnectedGateway>, finding: &'a LedgerFinding) -> BoxFuture<'a, ()> {
        let limit = finding.account.as_ref().map(|account| account.limit.limit.as_str());
        tracing::warn!(
            namespace = gateway.map(|gateway| gateway.namespace.as_str()),
            pod = gateway.map(|gateway| gateway.pod.as_str()),
            uid = finding.holder.pod,
            limit,
            finding = word(finding.kind),
            "what a gateway reported was refused: {}",
            meaning(finding.kind)
        );
        Box::pin(async move {
            if let Some(gateway) = gateway {
                self.record(gateway, finding).await;
            }
        })
    }
}

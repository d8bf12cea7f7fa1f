//! The status of a gateway's policy: the revision in force, its source, why the last change was rejected, and whether
//! the operator is connected.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::gateway::Gateway;
use crate::gateway::rejected::Rejected;
use crate::runtime::origin::{Link, PolicyOrigin};

/// A gateway without a policy counts as started after this long. Then the application may start, and its requests get
/// 503.
const START_TIME: Duration = Duration::from_secs(30);

/// The policy's status on the admin port.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    pub ready: bool,
    /// The revision in force; null before the first.
    pub revision: Option<String>,
    /// The last change that was rejected, until a later one is accepted.
    pub rejected: Option<Rejected>,
    /// The source of the policy in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PolicyOrigin>,
    /// The connection to the operator, if the gateway has an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<Link>,
}

impl Gateway {
    /// The status for the admin port.
    #[must_use]
    pub fn status(&self) -> Status {
        let served = self.served();
        let revision = served.as_ref().map(|served| served.policy.revision.to_string());
        Status {
            ready: revision.is_some(),
            revision,
            rejected: self.rejected.read().clone(),
            source: served.and_then(|served| served.origin),
            operator: self.link.read().clone(),
        }
    }

    /// Whether a policy was ever in force, or enough time has passed to wait for one.
    pub(crate) fn is_started(&self) -> bool {
        self.served().is_some() || self.started.elapsed() >= START_TIME
    }

    /// Records that the operator's stream is open, or why it is not.
    pub(crate) fn set_link(&self, problem: Option<String>) {
        let connected = problem.is_none();
        self.metrics.set_connected(connected);
        let mut link = self.link.write();
        let since = match &*link {
            Some(link) if link.connected == connected => link.since,
            _ => Some(SystemTime::now()),
        };
        *link = Some(Link { connected, since, problem });
    }
}

#[cfg(test)]
mod tests {
    use outrigger_core::ObjectRef;
    use outrigger_policy::{Document, FORMAT, KeyDoc, ProviderDoc, RuleDoc};

    use super::*;
    use crate::gateway::Settings;
    use crate::runtime::secret::Secrets;
    use crate::telemetry::records::Lines;

    fn gateway() -> std::sync::Arc<Gateway> {
        Gateway::new(Settings { lines: Lines::Off, ..Settings::default() }).unwrap()
    }

    fn provider(endpoint: Option<&str>) -> ProviderDoc {
        ProviderDoc {
            namespace: "a".to_owned(),
            name: "p".to_owned(),
            kind: "OpenAICompatible".to_owned(),
            endpoint: endpoint.map(str::to_owned),
            ..ProviderDoc::default()
        }
    }

    #[test]
    fn a_rejection_names_the_object_and_the_field() {
        let at = |namespace: &str, name: &str| ObjectRef { namespace: namespace.to_owned(), name: name.to_owned() };
        let good = || provider(Some("https://a.example/v1"));
        let mut trusting = good();
        trusting.ca = Some("no PEM".to_owned());
        let rule = RuleDoc {
            namespace: "a".to_owned(),
            name: "r".to_owned(),
            when: Some("1 +".to_owned()),
            ..RuleDoc::default()
        };
        let entry = outrigger_policy::KeyProviderDoc {
            name: "x".to_owned(),
            provider: at("a", "gone"),
            ..outrigger_policy::KeyProviderDoc::default()
        };
        let key =
            KeyDoc { namespace: "a".to_owned(), name: "k".to_owned(), providers: vec![entry], ..KeyDoc::default() };
        let with = |providers| Document { format: FORMAT, sequence: 1, providers, ..Document::default() };
        for (document, object, path) in [
            (with(vec![provider(Some("nowhere"))]), "LLMProvider a/p", "spec.endpoint"),
            (with(vec![provider(None)]), "LLMProvider a/p", "spec.endpoint"),
            (with(vec![trusting]), "LLMProvider a/p", "spec.tls.caRef"),
            (Document { rules: vec![rule], ..with(vec![good()]) }, "RoutingRule a/r", "spec.when"),
            (Document { keys: vec![key], ..with(vec![good()]) }, "VirtualKey a/k", "spec.providers[x]"),
            (Document { format: 9, ..with(vec![good()]) }, "policy", ""),
        ] {
            let gateway = gateway();
            gateway.install(document, &Secrets::new()).unwrap_err();
            let rejected = gateway.status().rejected.unwrap();
            assert_eq!((rejected.object.to_string().as_str(), rejected.path.as_str()), (object, path), "{rejected:?}");
            assert!(!rejected.message.contains(object) || path.is_empty(), "said once: {rejected:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_without_a_policy_counts_as_started_after_a_while() {
        let gateway = gateway();
        assert!(!gateway.is_started());
        tokio::time::advance(START_TIME).await;
        assert!(gateway.is_started());
    }

    #[test]
    fn another_reason_does_not_change_the_time_of_the_state() {
        let gateway = gateway();
        gateway.set_link(Some("one".to_owned()));
        let first = gateway.status().operator.unwrap();
        gateway.set_link(Some("another".to_owned()));
        let second = gateway.status().operator.unwrap();
        assert_eq!((first.since, second.problem.as_deref()), (second.since, Some("another")));
        gateway.set_link(None);
        assert!(gateway.status().operator.unwrap().connected);
    }
}

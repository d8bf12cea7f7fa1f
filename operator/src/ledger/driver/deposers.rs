//! Decides which reports of a later leader to follow.
//!
//! The store may have been restored from a backup, and terms with it. Then a gateway knows a later leader than the
//! current one. But a gateway may also have invented that, and each new leader grants nothing until it has read
//! everything.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::stream::ConnectedGateway;

/// How often one pod is followed.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// How many pods of a namespace are followed within that time: a user who may create pods can create many.
const OF_A_NAMESPACE: usize = 3;

/// The pods that were followed, by namespace, and when.
#[derive(Debug, Default)]
pub(super) struct Deposers(HashMap<String, HashMap<String, Instant>>);

impl Deposers {
    /// Whether this pod is followed now. A refusal does not lengthen its wait.
    pub(super) fn may(&mut self, gateway: &ConnectedGateway, now: Instant) -> bool {
        self.0.retain(|_, pods| {
            pods.retain(|_, since| now.duration_since(*since) < EVERY);
            !pods.is_empty()
        });
        let pods = self.0.entry(gateway.namespace.clone()).or_default();
        let may = pods.len() < OF_A_NAMESPACE && !pods.contains_key(&gateway.uid);
        if may {
            pods.insert(gateway.uid.clone(), now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::binding::Binding;

    #[test]
    fn few_pods_of_a_namespace_are_followed_without_affecting_others() {
        let (mut deposers, begin) = (Deposers::default(), Instant::now());
        let mut may = |seconds: u64, namespace: &str, pod: &str| {
            let gateway = ConnectedGateway {
                namespace: namespace.to_owned(),
                pod: pod.to_owned(),
                uid: format!("{namespace}/{pod}"),
                service_account: "default".to_owned(),
                binding: Binding::of(namespace, "a"),
            };
            deposers.may(&gateway, begin + Duration::from_secs(seconds))
        };
        assert!(may(0, "shop", "a"));
        assert!(!may(599, "shop", "a"));
        assert!(may(600, "shop", "a"), "who was refused meanwhile waits no longer");
        assert!(may(601, "shop", "b") && may(601, "shop", "c"));
        assert!(!may(602, "shop", "d"));
        assert!(may(602, "search", "a"));
        assert!(may(1_200, "shop", "d"));
    }
}

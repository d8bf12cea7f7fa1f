//! Checks that the pod resolves the operator's name through the cluster's DNS. The gateway also verifies the operator's
//! certificate, so this is the first of two barriers.

use k8s_openapi::api::core::v1::{PodDNSConfigOption, PodSpec};

use super::AttestationError;

/// Gateways call the operator by `<service>.<namespace>.svc`, without a dot at the end. Its certificate is for that
/// name in every cluster, whatever the cluster's domain. So the name is resolved with the search list.
pub(super) fn check(pod: &PodSpec, services: &[String]) -> Result<(), AttestationError> {
    let mut hosts = pod.host_aliases.iter().flatten().flat_map(|alias| &alias.hostnames).flatten();
    if hosts.any(|host| services.iter().any(|service| service.eq_ignore_ascii_case(host))) {
        return Err(AttestationError::HostAlias);
    }
    let dns = pod.dns_config.as_ref();
    let is_set = |list: Option<&Vec<String>>| list.is_some_and(|list| !list.is_empty());
    if pod.dns_policy.as_deref() == Some("None") {
        return Err(AttestationError::Dns("dnsPolicy None"));
    }
    if is_set(dns.and_then(|dns| dns.nameservers.as_ref())) {
        return Err(AttestationError::Dns("dnsConfig.nameservers"));
    }
    // With ClusterFirst, the resolver tries the cluster's own domains first and finds the name there, before it tries
    // the pod's.
    let asks_cluster_first =
        matches!(pod.dns_policy.as_deref(), None | Some("ClusterFirst" | "ClusterFirstWithHostNet"));
    if is_set(dns.and_then(|dns| dns.searches.as_ref())) && !asks_cluster_first {
        return Err(AttestationError::Dns("dnsConfig.searches without dnsPolicy ClusterFirst"));
    }
    // Options are written into resolv.conf verbatim. After a line break, the rest would be a line of its own.
    if !dns.iter().flat_map(|dns| &dns.options).flatten().all(is_one_word) {
        return Err(AttestationError::Dns("dnsConfig.options"));
    }
    Ok(())
}

fn is_one_word(option: &PodDNSConfigOption) -> bool {
    let mut bytes =
        option.name.iter().flat_map(|name| name.bytes()).chain(option.value.iter().flat_map(|value| value.bytes()));
    bytes.all(|byte| byte.is_ascii_graphic())
}

//! Detects providers whose endpoint is this gateway itself.

use std::net::{IpAddr, SocketAddr};

use crate::access::HostName;
use crate::runtime::active_policy::ActivePolicy;
use crate::upstream::Endpoint;

/// Logs a warning for each provider whose endpoint is one of these ports.
pub fn warn_about_own_ports(served: &ActivePolicy, ports: &[SocketAddr]) {
    for (provider, backend) in served.policy.providers.iter().zip(&served.backends) {
        if let Some(endpoint) = backend.endpoint.as_ref().filter(|endpoint| is_own(endpoint, ports)) {
            tracing::warn!(
                provider = %provider.id,
                %endpoint,
                "spec.endpoint is this gateway itself: requests to it come back here, and get a 508 if they are routed to it again"
            );
        }
    }
}

/// Whether an endpoint is one of these ports. Only names of loopback are resolved.
#[must_use]
pub fn is_own(endpoint: &Endpoint, ports: &[SocketAddr]) -> bool {
    let host = match endpoint.host.parse::<IpAddr>() {
        Ok(address) => Some(HostName::Address(address.to_canonical())),
        Err(_) => HostName::parse(&endpoint.host),
    };
    let Some(host) = host else { return false };
    !endpoint.tls
        && ports.iter().any(|port| {
            let ip = port.ip().to_canonical();
            let same_loopback = host.is_loopback() && (ip.is_loopback() || ip.is_unspecified());
            endpoint.port == port.port() && (same_loopback || host == HostName::Address(ip))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detects_endpoints_that_are_this_gateway() {
        let ports = ["127.0.0.1:4180", "[::1]:4180", "0.0.0.0:4181", "10.0.0.5:4182"].map(|at| at.parse().unwrap());
        for (url, own) in [
            ("http://127.0.0.1:4180/v1", true),
            ("http://localhost:4180/v1", true),
            ("http://LOCALHOST.:4180/v1", true),
            ("http://[::1]:4180/v1", true),
            ("http://127.0.0.1:4181", true),
            ("http://10.0.0.5:4182", true),
            ("http://127.0.0.1:4182", false),
            ("http://127.0.0.1:11434/v1", false),
            ("https://127.0.0.1:4180/v1", false),
            ("http://10.0.0.5:4180", false),
            ("http://models.example:4180/v1", false),
        ] {
            assert_eq!(is_own(&Endpoint::parse(url).unwrap(), &ports), own, "{url}");
        }
    }
}

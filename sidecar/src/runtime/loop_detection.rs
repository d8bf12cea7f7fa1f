//! Detects requests that come back: a provider whose endpoint is this gateway, or two gateways that call each other.
//!
//! A request to an endpoint that may be a gateway lists the gateways that it has passed through, and the provider used
//! in each: `x-outrigger-hop: 9f3c2a7d1b4e8a60.2`. A gateway that finds the same provider of its own twice answers 508
//! and names it. Once is no loop yet: a provider may lead to another one behind the same gateway.

use http::{HeaderMap, HeaderName, HeaderValue};
use outrigger_policy::{Policy, ProviderIndex};

pub const HOP: HeaderName = HeaderName::from_static("x-outrigger-hop");
/// The most gateways that a request may pass through.
const MAX_HOPS: usize = 8;

/// The id of this gateway. Each process draws a random one, so it reveals nothing.
#[derive(Debug)]
pub struct GatewayId(u64);

impl GatewayId {
    #[must_use]
    pub fn new() -> Self {
        GatewayId(fastrand::u64(..))
    }

    /// The header for the requests of a provider.
    #[must_use]
    pub fn hop(&self, provider: ProviderIndex) -> Option<HeaderValue> {
        HeaderValue::from_str(&format!("{:016x}.{}", self.0, usize::from(provider))).ok()
    }

    /// Why a request is stopped: it was here before, or has passed through too many gateways.
    #[must_use]
    pub fn loop_refusal(&self, headers: &HeaderMap, policy: &Policy) -> Option<String> {
        let values = headers.get_all(HOP).iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> =
            values.flat_map(|value| value.split(',')).map(str::trim).filter(|hop| !hop.is_empty()).collect();
        let own_hops = hops.iter().filter_map(|hop| {
            let (id, provider) = hop.split_once('.')?;
            (u64::from_str_radix(id, 16) == Ok(self.0)).then(|| provider.parse().ok().map(usize::into))
        });
        let own_hops: Vec<Option<ProviderIndex>> = own_hops.collect();
        // An entry with our id and no valid provider was not written here.
        let provider = own_hops
            .iter()
            .enumerate()
            .find_map(|(at, provider)| (provider.is_none() || own_hops[..at].contains(provider)).then_some(*provider));
        Some(match provider {
            Some(provider) => {
                let provider = provider.and_then(|index| policy.providers.get(index));
                let name = provider.map_or_else(
                    || "a provider".to_owned(),
                    |provider| {
                        let endpoint = provider.endpoint.as_deref().unwrap_or("its type's own");
                        format!("LLMProvider {} (spec.endpoint {endpoint})", provider.id)
                    },
                );
                format!("{name} leads back to this gateway: set the endpoint of another server")
            }
            None if hops.len() >= MAX_HOPS => {
                format!("this request has passed through {} gateways; the limit is {MAX_HOPS}", hops.len())
            }
            None => return None,
        })
    }
}

/// Adds the gateways that a request has passed through, and this one, to its next request.
pub fn add_hops(from: &HeaderMap, own: &HeaderValue, to: &mut HeaderMap) {
    to.insert(HOP, own.clone());
    for before in from.get_all(HOP) {
        to.append(HOP, before.clone());
    }
}

#[cfg(test)]
mod tests {
    use outrigger_policy::{Document, FORMAT, ProviderDoc};

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(HOP, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn stops_a_loop_and_names_its_provider() {
        let provider = |name: &str| ProviderDoc {
            namespace: "default".to_owned(),
            name: name.to_owned(),
            kind: "OpenAICompatible".to_owned(),
            endpoint: Some("http://127.0.0.1:4180/v1".to_owned()),
            ..ProviderDoc::default()
        };
        let document =
            Document { format: FORMAT, providers: vec![provider("a"), provider("self")], ..Document::default() };
        let policy = Policy::build(document).unwrap();
        let own = GatewayId(0x9f3c);
        let other = |at: usize| format!("{at:016x}.0");
        let many: Vec<String> = (1..=MAX_HOPS).map(other).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (values, part) in [
            (
                vec!["0000000000009f3c.1", "0000000000009f3c.1"],
                Some("LLMProvider default/self (spec.endpoint http://127.0.0.1:4180/v1)"),
            ),
            (vec!["0000000000009f3c.1"], None),
            (vec!["0000000000009f3c.0, 0000000000009f3c.1"], None),
            (vec!["0000000000009f3c.0, 00000000000000aa.3, 0000000000009f3c.0"], Some("LLMProvider default/a ")),
            (vec!["0000000000009f3c.9", "0000000000009f3c.9"], Some("a provider leads back")),
            (vec!["0000000000009f3c.x"], Some("a provider leads back")),
            (many.clone(), Some("8 gateways")),
            (many[1..].to_vec(), None),
            (vec!["00000000000000aa.1"], None),
            (vec!["nonsense", "", "."], None),
            (vec![], None),
        ] {
            let loop_refusal = own.loop_refusal(&headers(&values), &policy);
            assert_eq!(loop_refusal.is_some(), part.is_some(), "{values:?}");
            let message = loop_refusal.unwrap_or_default();
            assert!(message.contains(part.unwrap_or_default()), "{message}");
        }
    }

    #[test]
    fn lists_every_gateway_on_the_path() {
        let mut to = HeaderMap::new();
        add_hops(&headers(&["a.1", "b.2"]), &GatewayId(1).hop(3.into()).unwrap(), &mut to);
        let hops: Vec<_> = to.get_all(HOP).iter().collect();
        assert_eq!(hops, ["0000000000000001.3", "a.1", "b.2"]);
    }
}

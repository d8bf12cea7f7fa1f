//! Requests that come back: a provider whose endpoint is this gateway, or two gateways that are each other's.
//!
//! What goes to an endpoint that may be a gateway says which gateways it has passed through, and by which provider of
//! theirs: `x-outrigger-hop: 9f3c2a7d1b4e8a60.2`. One that finds the same provider of its own there twice answers 508 and names
//! it. Once is no loop yet: a provider may lead to another one behind the same gateway.

use http::{HeaderMap, HeaderName, HeaderValue};
use outrigger_policy::{Policy, ProviderIndex};

pub const HOP: HeaderName = HeaderName::from_static("x-outrigger-hop");
/// Gateways that a request may pass through.
const MOST: usize = 8;

/// One gateway among others. Drawn anew by each process, so it tells nothing of it.
#[derive(Debug)]
pub struct Own(u64);

impl Own {
    #[must_use]
    pub fn new() -> Self {
        Own(fastrand::u64(..))
    }

    /// What goes with the requests of a provider.
    #[must_use]
    pub fn signs(&self, provider: ProviderIndex) -> Option<HeaderValue> {
        HeaderValue::from_str(&format!("{:016x}.{}", self.0, usize::from(provider))).ok()
    }

    /// Why a request goes no further, if it was here before or has been to too many others.
    #[must_use]
    pub fn stops(&self, headers: &HeaderMap, policy: &Policy) -> Option<String> {
        let told = headers.get_all(HOP).iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> =
            told.flat_map(|value| value.split(',')).map(str::trim).filter(|hop| !hop.is_empty()).collect();
        let own = hops.iter().filter_map(|hop| {
            let (id, provider) = hop.split_once('.')?;
            (u64::from_str_radix(id, 16) == Ok(self.0)).then(|| provider.parse().ok().map(usize::into))
        });
        let own: Vec<Option<ProviderIndex>> = own.collect();
        // What is no place of a provider was not written here.
        let provider = own
            .iter()
            .enumerate()
            .find_map(|(at, provider)| (provider.is_none() || own[..at].contains(provider)).then_some(*provider));
        Some(match provider {
            Some(provider) => {
                let provider = provider.and_then(|index| policy.providers.get(index));
                let who = provider.map_or_else(
                    || "a provider".to_owned(),
                    |provider| {
                        let endpoint = provider.endpoint.as_deref().unwrap_or("its type's own");
                        format!("LLMProvider {} (spec.endpoint {endpoint})", provider.id)
                    },
                );
                format!("{who} leads back to this gateway: give it the endpoint of something that answers")
            }
            None if hops.len() >= MOST => {
                format!("this request has passed through {} gateways, and {MOST} are the most", hops.len())
            }
            None => return None,
        })
    }
}

/// Adds where a request has been to where it goes from here.
pub fn onward(from: &HeaderMap, own: &HeaderValue, to: &mut HeaderMap) {
    to.insert(HOP, own.clone());
    for before in from.get_all(HOP) {
        to.append(HOP, before.clone());
    }
}

#[cfg(test)]
mod tests {
    use outrigger_policy::{Document, FORMAT, ProviderDoc};

    use super::*;

    fn came(values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(HOP, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn who_was_here_before_is_refused_and_told_by_which_way_it_came() {
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
        let own = Own(0x9f3c);
        let other = |at: usize| format!("{at:016x}.0");
        let many: Vec<String> = (1..=MOST).map(other).collect();
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
            let stops = own.stops(&came(&values), &policy);
            assert_eq!(stops.is_some(), part.is_some(), "{values:?}");
            let told = stops.unwrap_or_default();
            assert!(told.contains(part.unwrap_or_default()), "{told}");
        }
    }

    #[test]
    fn every_gateway_on_the_way_is_told() {
        let mut to = HeaderMap::new();
        onward(&came(&["a.1", "b.2"]), &Own(1).signs(3.into()).unwrap(), &mut to);
        let told: Vec<_> = to.get_all(HOP).iter().collect();
        assert_eq!(told, ["0000000000000001.3", "a.1", "b.2"]);
    }
}

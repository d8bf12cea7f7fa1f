//! Connection settings of a provider's servers.

use outrigger_compile::Certificates;
use serde_json::{Map, Value, json};

use super::super::Work;
use super::super::endpoint::{Version, endpoint};
use super::super::headers;
use super::super::objects::{ImportedKind, ImportedObject};
use super::super::report::code;
use super::super::source::Node;

/// Sets what all servers of a provider share in `shared`. Returns the base URL.
pub(crate) fn shared(
    work: &mut Work<'_>,
    node: &Node<'_>,
    called: &str,
    version: Version,
    shared: &mut Map<String, Value>,
) -> Option<String> {
    let mut base = None;
    let mut timeouts = Map::new();
    for (field, node) in node.get("network_config").map(|node| node.fields()).unwrap_or_default() {
        let seconds =
            |node: &Node<'_>| node.whole().filter(|seconds| (1..=99_999).contains(seconds)).map(|s| format!("{s}s"));
        match field {
            "base_url" => base = endpoint(&node, version),
            "extra_headers" => headers::into(&node, shared),
            "default_request_timeout_in_seconds" => {
                if let Some(total) = seconds(&node) {
                    node.doubtful("applied to one attempt; here it is the time for all attempts together");
                    timeouts.insert("total".to_owned(), json!(total));
                }
            }
            "stream_idle_timeout_in_seconds" => {
                if let Some(idle) = seconds(&node) {
                    timeouts.insert("idle".to_owned(), json!(idle));
                }
            }
            "max_retries" => {
                if let Some(retries) = node.whole() {
                    if retries > 9 {
                        node.doubtful("at most 10 attempts are made at a provider");
                    }
                    shared.insert("retry".to_owned(), json!({"maxAttempts": retries.clamp(0, 9) + 1}));
                }
            }
            "ca_cert_pem" => match node.text() {
                Some(pem) if let Ok(found) = Certificates::of(pem) => {
                    let name = work.names.free("ConfigMap", &format!("{called}-ca"));
                    let mut map = ImportedObject::new(ImportedKind::ConfigMap, &name, node.path());
                    map.set("data", json!({"ca.crt": found.pem}));
                    match found.has_private_key {
                        true => node.doubtful(format!(
                            "became ConfigMap {}, without the private key beside its certificates, because client certificates are not sent",
                            code(&name)
                        )),
                        false => node.became(&format!("ConfigMap {}", code(&name))),
                    }
                    work.objects.push(map);
                    shared.insert("tls".to_owned(), json!({"caRef": {"kind": "ConfigMap", "name": name}}));
                }
                Some(_) => node.lost("no certificate in PEM: put it into a ConfigMap, and name that in spec.tls.caRef"),
                None => {}
            },
            "insecure_skip_verify" => match node.flag() {
                Some(true) => node.lost("certificates are always verified: name the authority in spec.tls.caRef"),
                _ => node.idle("certificates are always verified"),
            },
            "retry_backoff_initial" | "retry_backoff_max" => {
                node.idle("between attempts, the gateway waits as long as the provider requests, or with jitter")
            }
            "enforce_http2" | "max_conns_per_host" | "keep_alive_timeout_in_seconds" => {
                node.idle("the gateway sizes its connection pool itself");
            }
            "allow_private_network" => node.idle("private addresses are reached without asking"),
            "beta_header_overrides" => node.lost("headers of betas pass as the caller sent them"),
            _ => {}
        }
    }
    if !timeouts.is_empty() {
        shared.insert("timeouts".to_owned(), Value::Object(timeouts));
    }
    if let Some(size) = node.get("concurrency_and_buffer_size") {
        if let Some(number) = size.get("concurrency")
            && let Some(most) = number.whole().filter(|most| *most > 0)
        {
            number.doubtful("the most requests at once of one Bifrost, and of each gateway here");
            shared.insert("limits".to_owned(), json!({"concurrentRequests": most.min(1_000_000)}));
        }
        if let Some(node) = size.get("buffer_size") {
            node.idle("nothing waits in a queue here");
        }
    }
    if let Some(node) = node.get("proxy_config") {
        match node.get("type").and_then(|kind| kind.text()) {
            None | Some("none") => node.idle("no proxy"),
            Some(_) => node.lost("a proxy is not imported: set spec.proxy of the LLMProvider"),
        }
    }
    for field in ["send_back_raw_request", "send_back_raw_response", "store_raw_request_response"] {
        match node.get(field) {
            Some(node) if node.flag() == Some(true) => node.lost("what was sent and received is not handed out"),
            Some(node) => node.idle("what was sent and received is not handed out"),
            None => {}
        }
    }
    if let Some(node) = node.get("openai_config") {
        match node.get("disable_store").and_then(|flag| flag.flag()) {
            Some(true) => node.lost("`store` is sent as the caller sent it: callers must send false"),
            _ => node.idle("`store` is sent as the caller sent it"),
        }
    }
    base
}

//! For operators of the gateway: health, metrics, and, to this machine alone, what is in force and
//! what was decided.

use std::net::SocketAddr;

use http::{HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;
use serde_json::json;

use crate::access::not_from_here;
use crate::gateway::{Gateway, ReplyBody};
use crate::refuse::json as answer_json;

/// Records told at once, at the most.
const MOST: usize = 1_000;

/// Answers a request of an operator.
pub fn answer(gateway: &Gateway, request: &Request<Incoming>, peer: SocketAddr) -> Response<ReplyBody> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return problem(405, "only GET is answered here");
    }
    let query = request.uri().query().unwrap_or_default();
    match request.uri().path() {
        "/healthz" => answer_json(200, r#"{"alive":true}"#),
        "/readyz" => {
            let status = gateway.status();
            let code = if status.ready { 200 } else { 503 };
            answer_json(code, serde_json::to_vec(&status).unwrap_or_default())
        }
        "/startedz" => {
            let started = gateway.is_started();
            answer_json(if started { 200 } else { 503 }, format!(r#"{{"started":{started}}}"#))
        }
        "/metrics" => {
            gateway.measure();
            let mut response = answer_json(200, gateway.metrics.text());
            let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, text);
            response
        }
        "/policy" | "/decisions" => match not_from_here(request.uri(), request.headers(), peer.ip()) {
            Some(why) => problem(403, why),
            None if request.uri().path() == "/policy" => policy(gateway),
            None => decisions(gateway, query),
        },
        _ => problem(404, "here are /healthz, /startedz, /readyz, /metrics, /policy and /decisions (?id=, ?limit=)"),
    }
}

/// The document in force. Credentials are named in it, never told.
fn policy(gateway: &Gateway) -> Response<ReplyBody> {
    let Some(served) = gateway.served() else { return problem(503, "no policy is in force yet") };
    let credentials: Vec<_> = served
        .policy
        .providers
        .iter()
        .zip(&served.places)
        .flat_map(|(provider, place)| {
            provider.credentials.iter().zip(&place.credentials).map(move |(credential, value)| {
                json!({
                    "provider": provider.id.to_string(),
                    "credential": &*credential.name,
                    "secret": credential.secret.to_string(),
                    "found": value.is_some(),
                })
            })
        })
        .collect();
    let told = json!({
        "revision": served.policy.revision.to_string(),
        "digest": served.policy.revision.digest,
        "status": gateway.status(),
        "credentials": credentials,
        "limits": gateway.levels(&served),
        "policy": served.policy.document,
    });
    answer_json(200, told.to_string())
}

fn decisions(gateway: &Gateway, query: &str) -> Response<ReplyBody> {
    let find = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let most = match find("limit").map(str::parse::<usize>) {
        None => 100,
        Some(Ok(most)) => most.min(MOST),
        Some(Err(_)) => return problem(400, "limit must be a number"),
    };
    let records = gateway.records.last(find("id"), most);
    let records: Vec<_> = records.iter().map(|record| &**record).collect();
    answer_json(200, serde_json::to_vec(&records).unwrap_or_default())
}

fn problem(status: u16, message: &str) -> Response<ReplyBody> {
    answer_json(status, json!({"error": message}).to_string())
}

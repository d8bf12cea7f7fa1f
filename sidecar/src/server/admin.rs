//! Serves the admin port: health, metrics, and, only to callers on this machine, the policy in force and recent
//! decisions.

use std::io;
use std::net::SocketAddr;

use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use outrigger_policy::write_json;
use serde::Serialize;
use serde_json::json;

use crate::access::why_not_local;
use crate::gateway::Gateway;
use crate::request::refusal::json as answer_json;
use crate::request::reply::ReplyBody;
use crate::request::whole_body::WholeBody;

/// The most records in a response.
const MAX_RECORDS: usize = 1_000;

/// Answers a request to the admin port.
pub fn answer(gateway: &Gateway, request: &Request<Incoming>, peer: SocketAddr) -> Response<ReplyBody> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return problem(405, "only GET is supported here");
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
        "/policy" | "/decisions" => match why_not_local(request.uri(), request.headers(), peer.ip()) {
            Some(why) => problem(403, why),
            None if request.uri().path() == "/policy" => policy(gateway),
            None => decisions(gateway, query),
        },
        _ => problem(
            404,
            "there is no such page; the pages are /healthz, /startedz, /readyz, /metrics, /policy and /decisions (?id=, ?limit=)",
        ),
    }
}

/// The document in force. It names credentials, but does not contain their values.
fn policy(gateway: &Gateway) -> Response<ReplyBody> {
    let Some(served) = gateway.served() else { return problem(503, "no policy is in force yet") };
    let credentials: Vec<_> = served
        .policy
        .providers
        .iter()
        .zip(&served.backends)
        .flat_map(|(provider, backend)| {
            provider.credentials.iter().zip(&backend.credentials).map(move |(credential, backend)| {
                json!({
                    "provider": provider.id.to_string(),
                    "credential": &*credential.name,
                    "secret": credential.secret.to_string(),
                    "found": backend.value.is_some(),
                })
            })
        })
        .collect();
    let view = PolicyView {
        revision: served.policy.revision.to_string(),
        digest: &served.policy.revision.digest,
        status: gateway.status(),
        credentials,
        limits: gateway.levels(&served),
        concurrency: gateway.concurrency(&served),
        sessions: gateway.sessions(&served),
        policy: &served.policy.document,
    };
    let mut length = Length(0);
    // Counting cannot fail.
    let _ = write_json(&view, &mut length);
    reserved_json(gateway, length.0, &view)
}

/// The content of `/policy`. It is serialized directly: a tree of values would take several times the memory.
#[derive(Serialize)]
struct PolicyView<'a, Status: Serialize, Level: Serialize, Running: Serialize, Sessions: Serialize> {
    revision: String,
    digest: &'a str,
    status: Status,
    credentials: Vec<serde_json::Value>,
    limits: Vec<Level>,
    concurrency: Vec<Running>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Sessions>,
    policy: &'a outrigger_policy::Document,
}

/// Counts the length of a text.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A response of about this many bytes, in the memory account of requests: operators may send many requests and read no
/// response.
fn reserved_json(gateway: &Gateway, length: usize, value: &impl Serialize) -> Response<ReplyBody> {
    let no_room = || problem(503, "the gateway has no memory left for the answer; try again");
    let Ok(mut lease) = gateway.memory.hold(length) else { return no_room() };
    let mut text = Vec::with_capacity(length);
    // Writing to memory cannot fail.
    let _ = write_json(value, &mut text);
    if lease.grow_to(text.capacity(), &gateway.memory).is_err() {
        return no_room();
    }
    answer_json(200, Vec::new()).map(|_| {
        let pieces = [text.into(), Default::default(), Default::default()];
        WholeBody::new(pieces, lease).map_err(|never| match never {}).boxed_unsync()
    })
}

fn decisions(gateway: &Gateway, query: &str) -> Response<ReplyBody> {
    let find = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let limit = match find("limit").map(str::parse::<usize>) {
        None => 100,
        Some(Ok(limit)) => limit.min(MAX_RECORDS),
        Some(Err(_)) => return problem(400, "limit must be a number"),
    };
    let records = gateway.records.last(find("id"), limit);
    let length = gateway.records.bytes(records.len());
    let records: Vec<_> = records.iter().map(|record| &**record).collect();
    reserved_json(gateway, length + length / 2, &records)
}

fn problem(status: u16, message: &str) -> Response<ReplyBody> {
    answer_json(status, json!({"error": message}).to_string())
}

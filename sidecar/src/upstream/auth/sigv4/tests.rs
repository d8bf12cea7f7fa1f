use std::time::Duration;

use outrigger_llm::path::PathSegment;
use serde::Deserialize;

use super::*;

/// A request, and what botocore signed for it: see `tests/sigv4/sigv4_vectors.py`.
#[derive(Deserialize)]
struct Vector {
    /// The name that botocore's client put into the path.
    model: Option<String>,
    method: String,
    target: String,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
    keys: (String, String, Option<String>),
    region: String,
    time: String,
    authorization: String,
}

impl Vector {
    fn body(&self) -> Vec<u8> {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        match self.body.split_once(" times ") {
            Some((times, byte)) => bytes(byte).repeat(times.parse().unwrap()),
            None => bytes(&self.body),
        }
    }

    fn request(&self) -> Request<Pieces> {
        // In pieces, as edits of a caller's body make them.
        let body = self.body();
        let pieces = body.chunks(100_000).map(|piece| piece.to_vec().into());
        let mut request = Request::builder().method(&*self.method).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Pieces::new(pieces)).unwrap()
    }

    async fn sign(&self, request: &mut Request<Pieces>) {
        let (id, secret, session) = self.keys.clone();
        let key = AccessKey { id, secret, session };
        let scope = SigningScope { region: self.region.clone(), service: "bedrock" };
        let hash = body_hash(request.body()).await;
        sign(request, &hash, &key, &scope, humantime::parse_rfc3339(&self.time).unwrap()).unwrap();
    }
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn authorization(request: &Request<Pieces>) -> &str {
    request.headers()["authorization"].to_str().unwrap()
}

#[tokio::test]
async fn signatures_are_those_of_botocore() {
    let vectors = vectors();
    assert!(vectors.len() > 50, "{}", vectors.len());
    for vector in vectors {
        let mut request = vector.request();
        vector.sign(&mut request).await;
        assert_eq!(authorization(&request), vector.authorization, "{} {}", vector.method, vector.target);
        let session = request.headers().get("x-amz-security-token").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(session, vector.keys.2);
        let secrets = [&request.headers()["authorization"]].into_iter().chain(request.headers().get(SESSION));
        assert!(secrets.into_iter().all(HeaderValue::is_sensitive));
    }
}

#[test]
fn models_are_encoded_in_paths_as_botocore_encodes_them() {
    let mut tried = 0;
    for vector in vectors() {
        let Some(model) = &vector.model else { continue };
        let expected = format!("/model/{}/converse", PathSegment::encode(model).unwrap());
        assert!(vector.target.starts_with(&expected), "{model}: {} {expected}", vector.target);
        tried += 1;
    }
    assert!(tried > 15, "{tried}");
}

/// What a caller signed itself, a second signature, and headers that proxies change.
#[tokio::test]
async fn an_earlier_signature_is_replaced() {
    for vector in vectors().into_iter().take(4) {
        let mut request = vector.request();
        for (name, value) in [
            ("authorization", "AWS4-HMAC-SHA256 Credential=callers"),
            ("x-amz-security-token", "callers"),
            ("x-amz-date", "19700101T000000Z"),
            ("x-amz-content-sha256", "callers"),
            ("x-amzn-trace-id", "Root=1"),
            ("user-agent", "x"),
            ("accept", "*/*"),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        vector.sign(&mut request).await;
        vector.sign(&mut request).await;
        assert_eq!(authorization(&request), vector.authorization);
        assert!(!format!("{:?}", request.headers()).contains("callers"));
    }
}

#[tokio::test]
async fn every_part_of_a_request_is_signed() {
    let vector = &vectors()[1];
    type Change = fn(&mut Request<Pieces>);
    let changes: [(&str, Change); 6] = [
        ("method", |request| *request.method_mut() = http::Method::PUT),
        ("path", |request| *request.uri_mut() = "/model/x/converse-stream".parse().unwrap()),
        ("query", |request| *request.uri_mut() = format!("{}?a=b", request.uri()).parse().unwrap()),
        ("body", |request| *request.body_mut() = Pieces::from("{}")),
        ("host", |request| drop(request.headers_mut().insert("host", HeaderValue::from_static("x")))),
        ("header", |request| drop(request.headers_mut().insert("x-amzn-bedrock-trace", HeaderValue::from_static("x")))),
    ];
    for (what, change) in changes {
        let mut request = vector.request();
        change(&mut request);
        vector.sign(&mut request).await;
        assert_ne!(authorization(&request), vector.authorization, "{what}");
    }
    let mut later = vectors().swap_remove(1);
    let time = humantime::parse_rfc3339(&later.time).unwrap() + Duration::from_secs(1);
    later.time = humantime::format_rfc3339_seconds(time).to_string();
    let mut request = later.request();
    later.sign(&mut request).await;
    assert_ne!(authorization(&request), vector.authorization, "time");
}

#[test]
fn parameters_are_encoded_as_the_server_encodes_them() {
    for (query, expected) in [
        ("", ""),
        ("b=2&a=1", "a=1&b=2"),
        ("a=x:y/z", "a=x%3Ay%2Fz"),
        ("a=%7e%2d", "a=~-"),
        ("a=%2f", "a=%2F"),
        ("&&a", "a="),
    ] {
        assert_eq!(canonical_query(query), expected, "{query}");
    }
}

//! The gateway, `explain` and rule tests decide alike: 10,000 requests of every kind, over ten policies.

mod policies;
mod requests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use outrigger_compile::{Inputs, OPERATOR_NAMESPACE, Severity, compile, read};
use outrigger_core::RefusalKind;
use outrigger_policy::{Candidate, Explanation, Policy, Trial, TrialRequest, trial};
use outrigger_sidecar::server::accept::Listeners;
use outrigger_sidecar::telemetry::records::Lines;
use outrigger_sidecar::{Gateway, Query, Secret, Secrets, Settings};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use self::policies::{POLICIES, objects};
use self::requests::{Dice, TestRequest, any};
use super::request::RequestHead;
use super::*;

const EACH: u64 = 1_000;
/// Requests in flight. No more than the records that the gateway keeps.
const BATCH: u64 = 250;

/// A decision in comparable form: candidates, skipped ones, the rule, or the refusal.
#[derive(Clone, Debug, Default, PartialEq)]
struct ComparedOutcome {
    rule: Option<String>,
    candidates: Vec<(String, String, Option<String>)>,
    /// Status and type.
    refused: Option<(u16, RefusalKind)>,
}

/// An upstream that refuses everything as the caller's mistake, so that no other provider is tried.
async fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut received, mut chunk) = (Vec::new(), [0; 4096]);
                loop {
                    let head = received.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
                    let length = head.map(|head| {
                        let text = String::from_utf8_lossy(&received[..head]).to_lowercase();
                        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                        head + length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0)
                    });
                    if let Some(whole) = length.filter(|whole| received.len() >= *whole) {
                        received.drain(..whole);
                        let body = r#"{"error":{"message":"no","type":"invalid_request_error"}}"#;
                        let head = format!(
                            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                            body.len()
                        );
                        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
                            return;
                        }
                        continue;
                    }
                    match stream.read(&mut chunk).await {
                        Ok(read) if read > 0 => received.extend_from_slice(&chunk[..read]),
                        _ => return,
                    }
                }
            });
        }
    });
    format!("http://{at}/v1")
}

/// The id of the gateway's decision for a request.
async fn by_gateway(client: &reqwest::Client, at: SocketAddr, request: &TestRequest) -> String {
    let json = ("content-type", "application/json");
    let mut sent =
        client.post(format!("http://{at}{}", request.target)).header(json.0, json.1).body(request.body.clone());
    for (name, value) in &request.headers {
        sent = sent.header(*name, value);
    }
    let answer = sent.send().await.unwrap();
    let decision = answer.headers()["x-outrigger-decision"].to_str().unwrap().to_owned();
    answer.bytes().await.unwrap();
    decision
}

fn recorded(record: &Value) -> ComparedOutcome {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |candidate: &Value| {
        let name = |field: &str| text(&candidate[field]).unwrap_or_default();
        (name("provider"), name("model"), text(&candidate["skipped"]))
    };
    let sent = !record["attempts"].as_array().unwrap().is_empty();
    ComparedOutcome {
        rule: text(&record["rule"]),
        candidates: record["candidates"].as_array().unwrap().iter().map(one).collect(),
        // An answer by the gateway itself, such as a count of tokens, has neither attempts nor an error.
        refused: text(&record["error_type"])
            .filter(|_| !sent)
            .map(|kind| (record["status"].as_u64().unwrap() as u16, RefusalKind::from_name(&kind).unwrap())),
    }
}

fn explained_as(explanation: &Explanation) -> ComparedOutcome {
    let one = |candidate: &outrigger_policy::ExplainedCandidate| {
        let why = candidate.why.clone().filter(|_| candidate.skipped.as_deref() == Some("unsupported"));
        (candidate.provider.clone(), candidate.model.clone(), why.or_else(|| candidate.skipped.clone()))
    };
    ComparedOutcome {
        rule: explanation.rule.clone(),
        candidates: explanation.candidates.iter().map(one).collect(),
        refused: explanation.refusal.as_ref().map(|refusal| (refusal.status, refusal.kind)),
    }
}

/// The decision of `explain`, and that of a rule test if a test can express the whole request.
fn by_explain(policy: &Policy, args: &Args, request: &TestRequest) -> (ComparedOutcome, Option<ComparedOutcome>) {
    let refused = |refusal: &Refusal| ComparedOutcome {
        refused: Some((refusal.status, refusal.kind)),
        ..ComparedOutcome::default()
    };
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let Some(matched) = outrigger_llm::operation::find("POST", path) else {
        return (
            ComparedOutcome { refused: Some((404, RefusalKind::UnknownPath)), ..ComparedOutcome::default() },
            None,
        );
    };
    let mut headers = http::HeaderMap::new();
    for (name, value) in &request.headers {
        headers.insert(*name, value.parse().unwrap());
    }
    let parsed = Query::parse(query);
    let named =
        caller(policy, &headers, &parsed).and_then(|who| identify(policy, &headers, &parsed, None, 0).map(|_| who));
    let key = match named {
        Ok(caller) => caller.key,
        Err(refusal) => return (refused(&refusal), None),
    };
    let head = RequestHead { path, query: query.to_owned(), headers, model: None, stream: false };
    let explained = match ExplainedRequest::of(matched, head, Some(request.body.clone().into_bytes())) {
        Ok(explained) => explained,
        Err(refusal) => return (refused(&refusal), None),
    };
    let assumed = AssumedState::of(policy, &policy.keys[key], &explained, args, 0).unwrap();
    let mut explanation = decided(policy, key, &explained, &assumed);
    if let Some(refusal) =
        explanation.refusal.as_mut().filter(|refusal| refusal.kind == RefusalKind::UnsupportedParameter)
        && explained.problem().is_some()
    {
        refusal.kind = RefusalKind::InvalidRequest;
    }
    let outcome = explained_as(&explanation);
    let trial = Trial {
        request: TrialRequest {
            model: explained.model.clone(),
            request_type: Some(explained.request_type().name().to_owned()),
            headers: request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            params: explained.seen_params().into_iter().collect(),
            fallbacks: explained.scanned.fallbacks.clone(),
            input_tokens: explained.caller_tokens(),
            needs: explained.needs().names().map(str::to_owned).collect(),
            ..TrialRequest::default()
        },
        ..Trial::default()
    };
    // A test can't express the rest of a body.
    let fields = ["completions", "embeddings", "moderations", "images", "responses"];
    let body_alone =
        outcome.candidates.iter().filter_map(|(.., skipped)| skipped.as_deref()?.strip_prefix("unsupported: "));
    let counts = explained.operation.kind == outrigger_llm::operation::OperationKind::CountTokens;
    let expressible = !counts
        && body_alone.clone().all(|field| fields.contains(&field))
        && outcome.candidates.iter().all(|(.., skipped)| skipped.as_deref() != Some("unpriced"));
    let decision = trial::decided(policy, key, &trial).unwrap();
    let one = |candidate: &Candidate| {
        let skipped = candidate.skipped.as_ref().map(ToString::to_string);
        (candidate.name.to_string(), candidate.model.to_string(), skipped)
    };
    let tested = ComparedOutcome {
        rule: decision.rule.as_deref().map(str::to_owned),
        candidates: decision.candidates.iter().map(one).collect(),
        refused: decision.refusal.as_ref().map(|refusal| (refusal.kind.status(), refusal.kind.kind())),
    };
    (outcome, expressible.then_some(tested))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_explain_and_rule_tests_decide_alike() {
    let upstream = refusing().await;
    let args = Args {
        dir: PathBuf::new(),
        request: None,
        model: None,
        key: None,
        headers: Vec::new(),
        params: Vec::new(),
        path: String::new(),
        stream: false,
        unhealthy: Vec::new(),
        spent: Vec::new(),
        time: None,
        labels: Vec::new(),
        workload: None,
        json: false,
    };
    let client = reqwest::Client::new();
    let (mut sent, mut refused, mut ruled, mut unfit, mut tested) = (0, 0, 0, 0, 0);
    for (number, policy) in POLICIES.iter().enumerate() {
        let source = read("objects.yaml", &objects(&upstream, policy));
        let inputs = Inputs {
            objects: &source.objects,
            unread: false,
            environment: &|_| None,
            keys: &[],
            without_value: Severity::Warning,
            sequence: 1,
            operator_namespace: OPERATOR_NAMESPACE,
        };
        let compiled = compile(&inputs);
        let errors: Vec<_> = compiled.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "policy {number}: {errors:?}");
        let secrets: Secrets = compiled.secrets.iter().map(|(at, value)| (at.clone(), Secret::new(value))).collect();
        let policy = Policy::build(compiled.document.clone()).unwrap();
        let gateway = Gateway::new(Settings { lines: Lines::Off, ..Settings::default() }).unwrap();
        gateway.install(compiled.document, &secrets).unwrap();
        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(&[free], &[free]).await.unwrap();
        let (at, admin) = (listeners.clients()[0], listeners.admin()[0]);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(Arc::clone(&gateway).serve(listeners, async {
            stopped.await.ok();
        }));
        let mut dice = Dice(number as u64 + 1);
        for _ in 0..EACH / BATCH {
            let requests: Vec<TestRequest> = (0..BATCH).map(|_| any(&mut dice)).collect();
            let mut decisions = Vec::new();
            for request in &requests {
                decisions.push(by_gateway(&client, at, request).await);
            }
            let records = client.get(format!("http://{admin}/decisions?limit={BATCH}")).send().await.unwrap();
            let records: Value = serde_json::from_slice(&records.bytes().await.unwrap()).unwrap();
            let records = records.as_array().unwrap();
            for (request, decision) in requests.iter().zip(&decisions) {
                let record = records.iter().find(|record| record["decision"] == *decision).unwrap();
                let gateway = recorded(record);
                let (explained, rule_test) = by_explain(&policy, &args, request);
                assert_eq!(gateway, explained, "policy {number}: the gateway and explain, of {request:?}: {record}");
                if let Some(rule_test) = &rule_test {
                    assert_eq!(*rule_test, explained, "policy {number}: a rule's test and explain, of {request:?}");
                    tested += 1;
                }
                sent += u32::from(gateway.refused.is_none());
                refused += u32::from(gateway.refused.is_some());
                ruled += u32::from(gateway.rule.is_some());
                let skipped = |(.., why): &(String, String, Option<String>)| {
                    why.as_deref().is_some_and(|why| why.starts_with("unsupported"))
                };
                unfit += u32::from(gateway.candidates.iter().any(skipped));
            }
        }
        drop(stop);
        serving.await.unwrap().unwrap();
    }
    assert!(
        sent > 2_000 && refused > 2_000 && ruled > 300 && unfit > 300 && tested > 5_000,
        "{sent} {refused} {ruled} {unfit} {tested}"
    );
}

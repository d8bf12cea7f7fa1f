//! Policies from the operator's stream, from mounted files, and from the previous process.

use outrigger_policy::Document;
use outrigger_sync::{FromOperator, NoFields};
use serde_json::{Value, json};

use crate::fake::{Fake, answer};
use crate::operator::{Answer, Authority, Operator, Pod, Sidecar, in_force, policy, rejection, secret};
use crate::policies::{chat, document, provider};

/// An operator, an upstream, and a pod between them.
async fn stage() -> (Operator, Fake, Pod) {
    let authority = Authority::new();
    let pod = Pod::new(&authority.pem);
    (Operator::new(&authority).await, Fake::always(answer("hi")).await, pod)
}

fn with(sequence: u64, upstream: &Fake) -> Document {
    document(sequence, vec![provider("first", &upstream.url)])
}

/// The credential with which a request is sent, or the error.
async fn request(sidecar: &Sidecar, upstream: &Fake) -> Result<String, String> {
    let got = sidecar.running.post("/v1/chat/completions", &chat("m")).await;
    match got.status {
        200 => Ok(upstream.take_requests()[0].header("authorization").unwrap_or_default()),
        _ => Err(got.json()["error"]["type"].as_str().unwrap_or_default().to_owned()),
    }
}

fn bearer(value: &str) -> Result<String, String> {
    Ok(format!("Bearer {value}"))
}

#[tokio::test]
async fn a_pushed_policy_is_served_and_reported() {
    let (mut operator, upstream, pod) = stage().await;
    let sidecar = pod.start(&operator.url()).await;
    assert_eq!(request(&sidecar, &upstream).await, Err("no_policy".to_owned()));
    let (mut stream, hello) = operator.stream().await;
    assert_eq!((stream.token.as_str(), hello.sequence, hello.digest), ("Bearer first-token", None, None));
    assert_eq!((hello.formats, hello.authorities.len(), hello.authorities[0].len()), (vec![1, 2], 1, 64));
    let outcome = stream.push(&with(7, &upstream), &[("first-main", "sk-streamed")]).await;
    in_force(7, &outcome);
    assert_eq!(outcome.authorities, hello.authorities);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-streamed"));
    let ready = sidecar.ready().await;
    assert_eq!((&ready["source"], &ready["operator"]["connected"]), (&json!("stream"), &json!(true)));
    assert!(ready["operator"]["since"].is_string() && ready["operator"]["problem"].is_null(), "{ready}");
    let policy = sidecar.running.admin("/policy").await;
    assert_eq!(policy["status"]["source"], "stream");
    assert!(!policy.to_string().contains("sk-streamed"), "{policy}");
    let metrics = format!("http://{}/metrics", sidecar.running.admin);
    let metrics = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("outrigger_operator_connected 1"), "{metrics}");
}

#[tokio::test]
async fn an_older_operator_is_followed_over_http2() {
    let authority = Authority::new();
    let (mut operator, pod) = (Operator::older(&authority).await, Pod::new(&authority.pem));
    let upstream = Fake::always(answer("hi")).await;
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    in_force(7, &stream.push(&with(7, &upstream), &[("first-main", "sk-streamed")]).await);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-streamed"));
    operator.answers(Answer::Refuse(403, "the pod is unknown"));
    drop(stream);
    let refused = "the operator answers 403: the pod is unknown";
    sidecar.wait_for_status(|operator| operator["problem"] == refused).await;
}

#[tokio::test]
async fn an_older_policy_from_any_source_is_ignored() {
    let (mut operator, upstream, pod) = stage().await;
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    in_force(7, &stream.push(&with(7, &upstream), &[("first-main", "sk-7")]).await);
    // The outcome of an older policy is the one in force.
    in_force(7, &stream.push(&with(6, &upstream), &[("first-main", "sk-6")]).await);
    pod.mount(&with(5, &upstream));
    pod.write("policy/default_first-main_apiKey", "sk-5");
    sidecar.read_mounted();
    in_force(7, &stream.outcome().await);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-7"));
    assert_eq!(sidecar.ready().await["rejected"], Value::Null, "a copy that lags behind is no error");
    // A newer policy may come from files too, and the operator gets the outcome.
    pod.mount(&with(8, &upstream));
    sidecar.read_mounted();
    in_force(8, &stream.outcome().await);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-5"));
    assert_eq!(sidecar.ready().await["source"], "mounted");
}

#[tokio::test]
async fn at_the_same_sequence_the_stream_has_precedence_over_files() {
    let (mut operator, upstream, pod) = stage().await;
    pod.mount(&with(7, &upstream));
    pod.write("policy/default_first-main_apiKey", "sk-mounted");
    let sidecar = pod.start(&operator.url()).await;
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-mounted"));
    let (mut stream, hello) = operator.stream().await;
    assert_eq!((hello.sequence, hello.digest), (Some(7), None), "there is no digest for mounted files");
    in_force(7, &stream.push(&with(7, &upstream), &[("first-main", "sk-streamed")]).await);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-streamed"));
    sidecar.read_mounted();
    in_force(7, &stream.outcome().await);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-streamed"));
    // Files that disappear change nothing.
    std::fs::remove_file(pod.at("policy/policy.v1.json")).unwrap();
    sidecar.read_mounted();
    in_force(7, &stream.outcome().await);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-streamed"));
}

#[tokio::test]
async fn a_rejection_names_the_field_until_a_valid_policy_arrives() {
    let (mut operator, upstream, pod) = stage().await;
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    in_force(1, &stream.push(&with(1, &upstream), &[("first-main", "sk-1")]).await);
    let broken = document(2, vec![provider("first", "nowhere")]);
    let rejected = rejection(stream.push(&broken, &[]).await);
    assert_eq!(
        (rejected.sequence, rejected.object.as_str(), rejected.path.as_str()),
        (2, "LLMProvider default/first", "spec.endpoint"),
        "{rejected:?}"
    );
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-1"));
    assert_eq!(sidecar.ready().await["rejected"]["object"], "LLMProvider default/first");
    // A credential of the old policy that arrives meanwhile does not change the rejection of the new one.
    let still = rejection(stream.push(&with(1, &upstream), &[("first-main", "sk-2")]).await);
    assert_eq!(still.sequence, 2);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-2"));
    assert_eq!(sidecar.ready().await["rejected"]["path"], "spec.endpoint");
    drop(stream);
    let (mut stream, hello) = operator.stream().await;
    assert_eq!((hello.sequence, hello.rejected), (Some(1), Some(rejected)));
    in_force(3, &stream.push(&with(3, &upstream), &[]).await);
    assert_eq!(sidecar.ready().await["rejected"], Value::Null);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-2"), "a credential that was not sent again stays");
}

#[tokio::test]
async fn a_future_format_is_rejected_with_a_reason() {
    let (mut operator, upstream, pod) = stage().await;
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    in_force(1, &stream.push(&with(1, &upstream), &[("first-main", "sk-1")]).await);
    for document in [
        json!({"format": 9, "sequence": 2, "all": "new"}),
        json!({"format": 1, "sequence": 2, "providers": [], "keys": [{}]}),
    ] {
        let line = json!({"policy": {"sequence": 2, "digest": "d", "document": document}});
        stream.bytes(format!("{line}\n").into_bytes());
        let rejected = rejection(stream.outcome().await);
        assert!(rejected.message.contains("format 9") || rejected.object.starts_with("VirtualKey"), "{rejected:?}");
    }
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-1"));
}

#[tokio::test]
async fn a_restart_needs_no_operator_and_keeps_the_newest_policy() {
    let (mut operator, upstream, pod) = stage().await;
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    in_force(7, &stream.push(&with(7, &upstream), &[("first-main", "sk-held")]).await);
    let url = operator.url();
    drop((stream, operator));
    sidecar.ends().await;
    pod.mount(&with(6, &upstream));
    pod.write("policy/default_first-main_apiKey", "sk-older");
    let sidecar = pod.start(&url).await;
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-held"));
    assert_eq!(sidecar.ready().await["source"], "held");
    let status = sidecar.wait_for_status(|operator| operator["problem"].is_string()).await;
    assert!(status["problem"].as_str().unwrap().contains("cannot connect"), "{status}");
    assert_eq!(status["connected"], false);
}

#[tokio::test]
async fn a_restarted_gateway_reports_its_policy() {
    let (mut operator, upstream, pod) = stage().await;
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    in_force(7, &stream.push(&with(7, &upstream), &[("first-main", "sk-held")]).await);
    drop(stream);
    sidecar.ends().await;
    let _sidecar = pod.start(&operator.url()).await;
    let (_stream, hello) = operator.stream().await;
    assert_eq!((hello.sequence, hello.digest.as_deref()), (Some(7), Some("digest of 7")));
}

#[tokio::test]
async fn a_withdrawn_credential_is_removed_at_once() {
    let (mut operator, upstream, pod) = stage().await;
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    in_force(1, &stream.push(&with(1, &upstream), &[("first-main", "sk-gone")]).await);
    assert!(pod.snapshot().contains("sk-gone"));
    // No longer named by the policy.
    let mut without = with(2, &upstream);
    without.providers[0].credentials[0].secret = secret("other");
    in_force(2, &stream.push(&without, &[]).await);
    assert_eq!(request(&sidecar, &upstream).await, Err("provider_blocked".to_owned()));
    assert!(!pod.snapshot().contains("sk-gone"));
    // Named again, but its value was forgotten.
    in_force(3, &stream.push(&with(3, &upstream), &[]).await);
    assert_eq!(request(&sidecar, &upstream).await, Err("provider_blocked".to_owned()));
    // Withheld from this pod.
    in_force(4, &stream.push(&with(4, &upstream), &[("first-main", "sk-withheld")]).await);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-withheld"));
    in_force(5, &stream.push(&with(5, &upstream), &[("first-main", "")]).await);
    assert_eq!(request(&sidecar, &upstream).await, Err("provider_blocked".to_owned()));
    assert!(!pod.snapshot().contains("sk-withheld"));
}

#[tokio::test]
async fn a_follower_redirects_to_the_leader() {
    let authority = Authority::new();
    let (follower, mut leader) = (Operator::new(&authority).await, Operator::new(&authority).await);
    follower.answers(Answer::Leader(leader.address.to_string()));
    let pod = Pod::new(&authority.pem);
    let sidecar = pod.start(&follower.url()).await;
    let (stream, _) = leader.stream().await;
    sidecar.wait_for_status(|operator| operator["connected"] == true).await;
    // A former leader redirects to the Service, where another one leads by now.
    let mut other = Operator::new(&authority).await;
    follower.answers(Answer::Leader(other.address.to_string()));
    leader.answers(Answer::Leader(follower.address.to_string()));
    drop(stream);
    other.stream().await;
}

#[tokio::test]
async fn files_are_read_again_for_each_connection() {
    let (mut operator, upstream, pod) = stage().await;
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, hello) = operator.stream().await;
    pod.write("token", "second-token");
    let another = Authority::new();
    let both = std::fs::read_to_string(pod.at("policy/ca.crt")).unwrap() + &another.pem;
    pod.write("policy/ca.crt", &both);
    // The outcome reports at once which authorities the next connection trusts.
    let outcome = stream.push(&with(1, &upstream), &[]).await;
    assert_eq!((outcome.authorities.len(), &outcome.authorities[..1]), (2, &hello.authorities[..]));
    drop(stream);
    let (stream, hello) = operator.stream().await;
    assert_eq!((stream.token.as_str(), hello.authorities.len()), ("Bearer second-token", 2));
    drop(sidecar);
}

#[tokio::test]
async fn an_untrusted_operator_gets_no_token() {
    let (mut operator, upstream, pod) = stage().await;
    let right = std::fs::read_to_string(pod.at("policy/ca.crt")).unwrap();
    pod.write("policy/ca.crt", &Authority::new().pem);
    pod.mount(&with(1, &upstream));
    pod.write("policy/default_first-main_apiKey", "sk-mounted");
    let sidecar = pod.start(&operator.url()).await;
    let status = sidecar.wait_for_status(|operator| operator["problem"].is_string()).await;
    assert!(status["problem"].as_str().unwrap().contains("TLS with the operator"), "{status}");
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-mounted"), "it serves nevertheless");
    std::fs::remove_file(pod.at("policy/ca.crt")).unwrap();
    sidecar
        .wait_for_status(|operator| operator["problem"].as_str().is_some_and(|problem| problem.contains("missing")))
        .await;
    pod.write("policy/ca.crt", "not PEM");
    sidecar
        .wait_for_status(|operator| {
            operator["problem"].as_str().is_some_and(|problem| problem.contains("no certificate"))
        })
        .await;
    pod.write("policy/ca.crt", &right);
    sidecar.read_mounted();
    operator.stream().await;
}

#[tokio::test]
async fn a_refused_gateway_reports_why_and_keeps_serving() {
    let (mut operator, upstream, pod) = stage().await;
    operator.answers(Answer::Refuse(403, "the token is bound\nto no pod"));
    pod.mount(&with(1, &upstream));
    pod.write("policy/default_first-main_apiKey", "sk-mounted");
    let sidecar = pod.start(&operator.url()).await;
    let status = sidecar.wait_for_status(|operator| operator["problem"].is_string()).await;
    assert_eq!(status["problem"], "the operator answers 403: the token is bound to no pod");
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-mounted"));
    operator.answers(Answer::Stream);
    operator.stream().await;
}

#[tokio::test]
async fn a_line_of_a_megabyte_arrives_complete() {
    let (mut operator, upstream, pod) = stage().await;
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    let mut long = with(1, &upstream);
    long.keys[0].deny = (0..40_000).map(|index| format!("a-model-that-nobody-asks-for-{index}")).collect();
    assert!(outrigger_sync::write(&policy(&long, &[])).len() > 1 << 20);
    in_force(1, &stream.push(&long, &[("first-main", "sk-1")]).await);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-1"));
}

#[tokio::test]
async fn garbage_only_ends_the_stream() {
    let (mut operator, upstream, pod) = stage().await;
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    in_force(1, &stream.push(&with(1, &upstream), &[("first-main", "sk-1")]).await);
    for garbage in
        [b"sk-never-told\n".to_vec(), vec![b'x'; (4 << 20) + 1], b"{\"policy\":{\"sequence\":-1}}\n".to_vec()]
    {
        stream.bytes(garbage);
        stream.wait_until_closed().await;
        stream = operator.stream().await.0;
    }
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-1"));
    in_force(2, &stream.push(&with(2, &upstream), &[]).await);
}

#[tokio::test]
async fn unknown_messages_and_fields_are_ignored() {
    let (mut operator, upstream, pod) = stage().await;
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    stream.bytes(b"{\"grants\":[1,2,3]}\n\n".to_vec());
    stream.write(&FromOperator::Beat(NoFields {}));
    let mut line = serde_json::to_value(policy(&with(1, &upstream), &[("first-main", "sk-1")])).unwrap();
    line["policy"]["mood"] = json!("good");
    line["policy"]["document"]["allowedWorkloads"] = json!([{"serviceAccount": "x"}]);
    stream.bytes(format!("{line}\n").into_bytes());
    in_force(1, &stream.outcome().await);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-1"));
}

#[tokio::test]
async fn a_provider_of_an_unknown_type_does_not_affect_others() {
    let (mut operator, upstream, pod) = stage().await;
    let sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    let mut newer = provider("newer", "https://newer.example/v1");
    newer.kind = "Quantum".to_owned();
    let mut both = document(1, vec![newer, provider("first", &upstream.url)]);
    both.keys[0].providers[0].models = vec!["m".to_owned()];
    both.keys[0].providers[1].models = vec!["m".to_owned()];
    in_force(1, &stream.push(&both, &[("newer-main", "sk-x"), ("first-main", "sk-1")]).await);
    assert_eq!(request(&sidecar, &upstream).await, bearer("sk-1"));
    let record = sidecar.running.record().await;
    let newer = record["candidates"].as_array().unwrap().iter().find(|candidate| candidate["provider"] == "newer");
    assert_eq!(newer.unwrap()["skipped"], "provider_blocked", "{record}");
}

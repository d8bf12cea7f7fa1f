//! Policies that change while requests are in progress.

use std::sync::Arc;

use outrigger_sidecar::telemetry::records::Lines;
use outrigger_sidecar::{Gateway, Settings};
use tokio::sync::Notify;

use crate::fake::{Act, Fake, answer, chunk, delta, end, role, stop, stream_head};
use crate::policies::{Running, chat, document, provider, secrets, streamed};

#[tokio::test]
async fn a_stream_outlives_the_policy_it_began_with() {
    let go = Arc::new(Notify::new());
    let slow = vec![
        stream_head(),
        chunk(&role()),
        chunk(&delta("one")),
        Act::Wait(go.clone()),
        chunk(&delta("two")),
        chunk(&stop()),
        chunk("data: [DONE]\n\n"),
        end(),
    ];
    let (old, new) = (Fake::always(slow).await, Fake::always(answer("new")).await);
    let running = Running::new(document(1, vec![provider("first", &old.url)])).await;
    let mut response =
        reqwest::Client::new().post(running.url("/v1/chat/completions")).json(&streamed("m")).send().await.unwrap();
    response.chunk().await.unwrap().unwrap();
    let next = document(2, vec![provider("first", &new.url)]);
    running.gateway.install(next.clone(), &secrets(&next)).unwrap();
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "new");
    go.notify_one();
    let rest = response.text().await.unwrap();
    assert!(rest.contains("two") && rest.ends_with("data: [DONE]\n\n"), "{rest}");
}

#[tokio::test]
async fn the_last_good_policy_stays_in_force_and_the_reason_is_reported() {
    let upstream = Fake::always(answer("good")).await;
    let running = Running::new(document(3, vec![provider("first", &upstream.url)])).await;
    let broken = document(4, vec![provider("first", "no url at all")]);
    let error = running.gateway.install(broken.clone(), &secrets(&broken)).unwrap_err().to_string();
    assert!(error.contains("LLMProvider default/first"), "{error}");
    let ready = running.admin("/readyz").await;
    assert!(ready["revision"].as_str().unwrap().starts_with("3-"));
    assert_eq!(
        (&ready["rejected"]["object"], &ready["rejected"]["path"]),
        (&"LLMProvider default/first".into(), &"spec.endpoint".into())
    );
    assert_eq!(running.post("/v1/chat/completions", &chat("m")).await.status, 200);
    // Never back to an older one.
    let older = document(2, vec![provider("first", &upstream.url)]);
    assert!(running.gateway.install(older.clone(), &secrets(&older)).is_err());
    let good = document(5, vec![provider("first", &upstream.url)]);
    running.gateway.install(good.clone(), &secrets(&good)).unwrap();
    assert_eq!(running.admin("/readyz").await["rejected"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_thousand_swaps_lose_no_request_no_connection_and_no_pause() {
    let upstream = Fake::always(answer("hi")).await;
    let limited = Fake::always(crate::fake::json_with(
        429,
        "retry-after: 600\r\n",
        r#"{"error":{"message":"slow","type":"rate_limit_exceeded","code":"rate_limit_exceeded"}}"#,
    ))
    .await;
    let policy =
        |sequence| document(sequence, vec![provider("limited", &limited.url), provider("good", &upstream.url)]);
    let running = Running::new(policy(1)).await;
    let first = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(first.status, 200);
    let client = reqwest::Client::new();
    let mut sequence = 1;
    for _ in 0..50 {
        for _ in 0..20 {
            sequence += 1;
            let next = policy(sequence);
            running.gateway.install(next.clone(), &secrets(&next)).unwrap();
        }
        let got = running.send(client.post(running.url("/v1/chat/completions")).json(&chat("m"))).await;
        assert_eq!(got.status, 200);
    }
    assert_eq!(limited.asked().len(), 1, "the pause outlived every swap");
    let connections: std::collections::BTreeSet<usize> =
        upstream.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections.len(), 1, "and so did the connection");
}

#[tokio::test]
async fn without_a_policy_requests_get_503() {
    let running = Running::of(Gateway::new(Settings { lines: Lines::Off, ..Settings::default() }).unwrap()).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, got.json()["error"]["type"].as_str()), (503, Some("no_policy")));
    assert_eq!(running.admin("/readyz").await["ready"], false);
}

#[tokio::test]
async fn shutdown_lets_requests_finish() {
    let go = Arc::new(Notify::new());
    let mut slow = vec![Act::Wait(go.clone())];
    slow.extend(answer("late"));
    let upstream = Fake::always(slow).await;
    let mut running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let request = reqwest::Client::new().post(running.url("/v1/chat/completions")).json(&chat("m")).send();
    let answer = tokio::spawn(request);
    while upstream.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    let served = running.stop();
    go.notify_one();
    let answer = answer.await.unwrap().unwrap();
    assert!(answer.text().await.unwrap().contains("late"));
    served.await.unwrap().unwrap();
}

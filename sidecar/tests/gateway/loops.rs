//! Gateways that are their own providers, or each other's.

use outrigger_sidecar::telemetry::records::Lines;
use outrigger_sidecar::{Gateway, Settings};

use crate::fake::{Fake, answer};
use crate::policies::{Running, chat, document, provider, secrets, streamed};

/// A gateway that gets its policy when its port is known.
async fn serving() -> Running {
    let gateway = Gateway::new(Settings { lines: Lines::Off, ..Settings::default() }).unwrap();
    Running::of(gateway).await
}

fn leads(running: &Running, to: &[&str]) {
    let names = ["onward", "second"];
    let policy = document(1, names.iter().zip(to).map(|(name, url)| provider(name, url)).collect());
    let values = secrets(&policy);
    running.gateway.install(policy, &values).unwrap();
}

#[tokio::test]
async fn a_gateway_that_is_its_own_provider_refuses_at_once() {
    let running = serving().await;
    leads(&running, &[&running.url("/v1")]);
    for body in [chat("onward/m"), streamed("onward/m")] {
        let got = running.post("/v1/chat/completions", &body).await;
        assert_eq!((got.status, got.json()["error"]["type"].as_str()), (508, Some("loop_detected")), "{}", got.text);
        let endpoint = running.url("/v1");
        assert!(got.text.contains("LLMProvider default/onward") && got.text.contains(&endpoint), "{}", got.text);
        assert_eq!(got.header("x-should-retry"), Some("false"));
    }
    // Three records for each request: its own, and those of its two returns.
    let records = running.admin("/decisions").await;
    let attempts: Vec<_> =
        records.as_array().unwrap().iter().map(|record| record["attempts"].as_array().unwrap().len()).collect();
    assert_eq!(attempts, [1, 1, 0, 1, 1, 0]);
    assert_eq!(records[0]["attempts"][0]["error"], "loop");
}

#[tokio::test]
async fn a_ring_of_two_gateways_is_detected() {
    let (one, other) = (serving().await, serving().await);
    leads(&one, &[&other.url("/v1")]);
    leads(&other, &[&one.url("/v1")]);
    let got = one.post("/v1/chat/completions", &chat("onward/onward/m")).await;
    assert_eq!((got.status, got.json()["error"]["type"].as_str()), (508, Some("loop_detected")), "{}", got.text);
    assert!(got.text.contains(&other.url("/v1")), "{}", got.text);
}

#[tokio::test]
async fn a_loop_fails_over_to_another_provider() {
    let upstream = Fake::always(answer("hi")).await;
    let running = serving().await;
    leads(&running, &[&running.url("/v1"), &upstream.url]);
    let mut body = chat("onward/onward/onward/m");
    body["fallbacks"] = serde_json::json!(["second/m"]);
    let got = running.post("/v1/chat/completions", &body).await;
    assert_eq!((got.status, got.header("x-outrigger-provider")), (200, Some("second")), "{}", got.text);
}

#[tokio::test]
async fn a_provider_may_lead_to_another_one_of_the_same_gateway() {
    let upstream = Fake::always(answer("hi")).await;
    let running = serving().await;
    leads(&running, &[&running.url("/v1"), &upstream.url]);
    let got = running.post("/v1/chat/completions", &chat("onward/second/m")).await;
    assert_eq!((got.status, got.header("x-outrigger-provider")), (200, Some("onward")), "{}", got.text);
}

#[tokio::test]
async fn gateways_behind_each_other_are_no_loop() {
    let upstream = Fake::always(answer("hi")).await;
    let (near, far) = (serving().await, serving().await);
    leads(&far, &[&upstream.url]);
    leads(&near, &[&far.url("/v1")]);
    let got = near.post("/v1/chat/completions", &chat("onward/onward/m")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let asked = upstream.take_requests().remove(0);
    let hops = asked.head.lines().filter(|line| line.starts_with("x-outrigger-hop")).count();
    assert_eq!(hops, 2, "{}", asked.head);
}

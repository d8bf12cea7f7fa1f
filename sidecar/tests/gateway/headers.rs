//! Headers and query parameters: which reach a provider, and which come back.

use outrigger_policy::ModelDoc;
use serde_json::{Value, json};

use crate::escrow::nanos;
use crate::fake::{Fake, chunk, end, json as replies, json_with, stream_head};
use crate::limits::{dear, limit, spent};
use crate::policies::{Running, chat, document, provider, typed};

fn gemini_answer(usage: Option<Value>) -> Value {
    let mut answer = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "hi"}]}, "finishReason": "STOP", "index": 0}]});
    if let Some(usage) = usage {
        answer["usageMetadata"] = usage;
    }
    answer
}

fn gemini_body() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}], "generationConfig": {"maxOutputTokens": 100}})
}

#[tokio::test]
async fn credentials_and_system_parameters_do_not_reach_google() {
    let usage = json!({"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5});
    let upstream = Fake::always(replies(200, &gemini_answer(Some(usage)).to_string())).await;
    let mut policy = document(1, vec![typed("google", "Gemini", &upstream.url)]);
    policy.providers[0].models = vec![ModelDoc { name: "m".to_owned(), ..ModelDoc::default() }];
    let running = Running::new(policy).await;
    for (query, sent, adapted) in [
        ("key=AIza", "", None),
        ("k%65y=AIza&x=1", "?x=1", None),
        ("access_token=ya29&$fields=a", "", Some("?$fields")),
        ("fields=candidates", "", Some("?fields")),
        ("%24fields=candidates&prettyPrint=false", "", Some("?$fields, ?prettyPrint")),
        ("alt=json", "", None),
        ("alt=media", "", Some("?alt")),
        ("$httpMethod=DELETE&quotaUser=me&a=b%20c", "?a=b%20c", Some("?$httpMethod, ?quotaUser")),
    ] {
        let path = format!("/v1beta/models/m:generateContent?{query}");
        let request = reqwest::Client::new()
            .post(running.url(&path))
            .header("x-goog-fieldmask", "candidates")
            .header("x-bf-eh-x-goog-fieldmask", "candidates")
            .header("x-http-method-override", "DELETE")
            .header("x-goog-user-project", "theirs")
            .header("baggage", "user=anna")
            .header("referer", "http://localhost/")
            .header("sec-fetch-mode", "cors")
            .header("x-goog-api-client", "genai-py/1")
            .json(&gemini_body());
        let got = running.send(request).await;
        assert_eq!((got.status, got.header("x-outrigger-adapted")), (200, adapted), "{query}: {}", got.text);
        let asked = upstream.take_requests().remove(0);
        assert!(asked.target().ends_with(&format!("/models/m:generateContent{sent}")), "{query}: {}", asked.target());
        for name in [
            "x-goog-fieldmask",
            "x-http-method-override",
            "x-goog-user-project",
            "baggage",
            "referer",
            "sec-fetch-mode",
        ] {
            assert_eq!(asked.header(name), None, "{name}");
        }
        assert_eq!(asked.header("x-goog-api-client").as_deref(), Some("genai-py/1"));
        assert!(!asked.head.contains("AIza") && !asked.head.contains("ya29"), "{}", asked.head);
    }
}

#[tokio::test]
async fn a_providers_headers_for_browsers_are_dropped() {
    let headers = "access-control-allow-origin: *\r\nset-cookie: a=b\r\nclear-site-data: \"*\"\r\nx-kept: 1\r\n";
    let upstream = Fake::always(json_with(200, headers, &crate::fake::completion("hi"))).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, got.header("x-kept")), (200, Some("1")));
    for name in ["access-control-allow-origin", "set-cookie", "clear-site-data"] {
        assert_eq!(got.header(name), None, "{name}");
    }
}

/// A thousand tokens cost 1 and 10 dollars: the reservation for 100 output tokens is a dollar and a few cents.
#[tokio::test]
async fn a_thinking_model_without_usage_is_charged_in_full() {
    let event = |usage| format!("data: {}\n\n", gemini_answer(usage));
    let streams = |usage| vec![stream_head(), chunk(&event(usage)), end()];
    let usage = || json!({"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5});
    for (thinks, script, verb, charged) in [
        (true, replies(200, &gemini_answer(None).to_string()), "generateContent", 1_000_000_000..1_100_000_000),
        (true, streams(None), "streamGenerateContent?alt=sse", 1_000_000_000..1_100_000_000),
        (false, replies(200, &gemini_answer(None).to_string()), "generateContent", 1_000_000..500_000_000),
        (false, streams(None), "streamGenerateContent?alt=sse", 1_000_000..500_000_000),
        (true, replies(200, &gemini_answer(Some(usage())).to_string()), "generateContent", 23_000_000..23_000_001),
        (true, streams(Some(usage())), "streamGenerateContent?alt=sse", 23_000_000..23_000_001),
    ] {
        let upstream = Fake::always(script).await;
        let mut policy = document(1, vec![typed("google", "Gemini", &upstream.url)]);
        policy.providers[0].models = vec![ModelDoc {
            name: "m".to_owned(),
            price: Some(dear()),
            capabilities: Some(if thinks { vec!["Reasoning".to_owned()] } else { Vec::new() }),
            ..ModelDoc::default()
        }];
        policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
        let running = Running::new(policy).await;
        let got = running.post(&format!("/v1beta/models/m:{verb}"), &gemini_body()).await;
        assert_eq!(got.status, 200, "{}", got.text);
        let on_account = nanos(&spent(&running, "budgets[all]").await);
        assert!(charged.contains(&on_account), "{thinks} {verb}: {on_account}, not in {charged:?}");
    }
}

//! Refused requests, and their error responses.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fake::{Act, Fake, answer};
use crate::policies::{Running, chat, document, key, provider, typed};

#[tokio::test]
async fn refusals_are_in_the_callers_dialect() {
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = document(1, vec![provider("first", &upstream.url)]);
    policy.keys[0].deny = vec!["secret-*".to_owned()];
    let running = Running::new(policy).await;
    let anthropic =
        |model: &str| json!({"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    let gemini = json!({"contents": [{"parts": [{"text": "x"}]}]});
    for (path, body, status, pointer, word) in [
        ("/v1/chat/completions", chat("secret-1"), 403, "/error/type", "model_blocked"),
        ("/v1/messages", anthropic("secret-1"), 403, "/error/reason", "model_blocked"),
        ("/v1beta/models/secret-1:generateContent", gemini.clone(), 403, "/error/details/0/reason", "MODEL_BLOCKED"),
        ("/v1/chat/completions", json!({"messages": []}), 400, "/error/type", "invalid_request"),
        ("/v1/chat/completions", json!([1]), 400, "/error/type", "invalid_request"),
        ("/v1/nothing", json!({}), 404, "/error/type", "unknown_path"),
    ] {
        let got = running.post(path, &body).await;
        assert_eq!(
            (got.status, got.json().pointer(pointer).and_then(Value::as_str)),
            (status, Some(word)),
            "{path}: {}",
            got.text
        );
    }
    let got = running.post("/v1/chat/completions", &chat("secret-1")).await;
    assert!(got.text.contains("VirtualKey default/app"), "the refusing object is named: {}", got.text);
    assert_eq!(upstream.asked().len(), 0);
    let metrics = reqwest::get(format!("http://{}/metrics", running.admin)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("outrigger_refusals_total{type=\"model_blocked\"} 4"), "{metrics}");
    assert!(!metrics.contains("secret-1"), "no free text of a request is a label");
}

#[tokio::test]
async fn a_duplicate_json_key_is_refused() {
    let upstream = Fake::always(answer("hi")).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let request = reqwest::Client::new()
        .post(running.url("/v1/chat/completions"))
        .body(r#"{"model":"m","mod\u0065l":"other","messages":[]}"#);
    let got = running.send(request).await;
    assert_eq!(got.status, 400);
    assert!(got.text.contains("`model` is repeated in the body"), "{}", got.text);
}

#[tokio::test]
async fn a_large_body_is_refused_before_it_is_sent_completely() {
    let upstream = Fake::always(answer("hi")).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let mut stream = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 40000000\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut response = vec![0; 1_024];
    let read = stream.read(&mut response).await.unwrap();
    let response = String::from_utf8_lossy(&response[..read]).into_owned();
    assert!(response.starts_with("HTTP/1.1 413"), "{response}");
    assert!(response.contains("request_too_large"), "{response}");
}

#[tokio::test]
async fn an_unsupported_field_skips_a_candidate_and_then_refuses_the_request() {
    let openai = Fake::always(answer("hi")).await;
    let anthropic = Fake::always(vec![Act::Close]).await;
    let mut body = chat("m");
    body["logprobs"] = json!(true);
    let both = vec![typed("claude", "Anthropic", &anthropic.url), provider("compatible", &openai.url)];
    let mut policy = document(1, both);
    for entry in &mut policy.keys[0].providers {
        entry.models = vec!["m".to_owned()];
    }
    let running = Running::new(policy.clone()).await;
    let got = running.post("/v1/chat/completions", &body).await;
    assert_eq!(got.header("x-outrigger-provider"), Some("compatible"), "{}", got.text);
    assert_eq!(running.record().await["candidates"][1]["skipped"], "unsupported: logprobs");
    policy.keys[0].providers.truncate(1);
    let running = Running::new(policy).await;
    let got = running.post("/v1/chat/completions", &body).await;
    assert_eq!((got.status, got.json()["error"]["type"].as_str()), (400, Some("unsupported_parameter")));
    assert_eq!(got.json()["error"]["param"], "logprobs");
    assert_eq!(anthropic.asked().len(), 0);
}

#[tokio::test]
async fn overlong_names_are_refused_and_not_recorded() {
    let upstream = Fake::always(answer("hi")).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let got = running.post("/v1/chat/completions", &chat(&"m".repeat(100_000))).await;
    assert_eq!(got.status, 400);
    assert!(got.text.len() < 1_000 && running.record().await.to_string().len() < 2_000, "{}", got.text.len());
    let mut body = chat("m");
    body["fallbacks"] = vec!["first/x"; 33].into();
    assert_eq!(running.post("/v1/chat/completions", &body).await.status, 400);
    assert_eq!(upstream.asked().len(), 0);
}

#[tokio::test]
async fn a_body_that_is_no_conversation_is_invalid() {
    let anthropic = Fake::always(vec![Act::Close]).await;
    let running = Running::new(document(1, vec![typed("claude", "Anthropic", &anthropic.url)])).await;
    let got = running.post("/v1/chat/completions", &json!({"model": "claude/m", "messages": "hello"})).await;
    assert_eq!((got.status, got.json()["error"]["type"].as_str()), (400, Some("invalid_request")), "{}", got.text);
    assert_eq!(got.json()["error"]["param"], "messages");
    assert_eq!(anthropic.asked().len(), 0);
}

#[tokio::test]
async fn early_refusals_are_recorded() {
    let running = Running::new(document(1, vec![provider("first", "http://127.0.0.1:9/v1")])).await;
    for (path, status, kind) in
        [("/v1/nothing", 404, "unknown_path"), ("/v1/chat/completions", 403, "virtual_key_blocked")]
    {
        let request =
            reqwest::Client::new().post(running.url(path)).header("x-outrigger-key", "nobody").json(&chat("m"));
        let got = running.send(request).await;
        let record = running.record().await;
        assert_eq!((record["status"].as_u64(), record["error_type"].as_str()), (Some(status), Some(kind)));
        assert_eq!(got.header("x-outrigger-decision"), record["decision"].as_str());
    }
}

#[tokio::test]
async fn hints_are_dropped_and_reported() {
    let reply = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 2}});
    let upstream = Fake::always(crate::fake::json(200, &reply.to_string())).await;
    let running = Running::new(document(1, vec![typed("claude", "Anthropic", &upstream.url)])).await;
    let mut body = chat("claude/m");
    body["user"] = json!("someone");
    let got = running.post("/v1/chat/completions", &body).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "hi", "{}", got.text);
    assert_eq!(got.header("x-outrigger-adapted"), Some("user"));
    assert_eq!(running.record().await["adapted"], json!(["user"]));
    assert_eq!(got.json()["usage"]["prompt_tokens"], 3);
}

#[tokio::test]
async fn callers_name_a_key_and_its_concurrency_is_limited() {
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    let mut slow = vec![Act::Wait(go.clone())];
    slow.extend(answer("hi"));
    let upstream = Fake::always(slow).await;
    let mut policy = document(1, vec![provider("first", &upstream.url)]);
    policy.keys[0].limits.concurrent_requests = Some(1);
    policy.keys.push(key("other", policy.keys[0].providers.clone()));
    let running = Running::new(policy).await;
    let url = running.url("/v1/chat/completions");
    let first = tokio::spawn(reqwest::Client::new().post(&url).json(&chat("m")).send());
    while upstream.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, got.json()["error"]["type"].as_str()), (429, Some("concurrency_limited")));
    assert_eq!(got.header("retry-after"), Some("1"));
    let named =
        tokio::spawn(reqwest::Client::new().post(&url).header("x-outrigger-key", "other").json(&chat("m")).send());
    while upstream.asked().len() < 2 {
        tokio::task::yield_now().await;
    }
    go.notify_waiters();
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    assert_eq!(named.await.unwrap().unwrap().status(), 200);
    let got =
        running.send(reqwest::Client::new().post(&url).header("x-outrigger-key", "nobody").json(&chat("m"))).await;
    assert_eq!((got.status, got.json()["error"]["type"].as_str()), (403, Some("virtual_key_blocked")));
    assert!(got.text.contains("app, other"), "{}", got.text);
}

#[tokio::test]
async fn models_are_listed_in_each_callers_dialect() {
    let mut policy = document(1, vec![provider("first", "http://127.0.0.1:9/v1")]);
    policy.providers[0].models =
        ["a", "b"].map(|name| outrigger_policy::ModelDoc { name: name.to_owned(), ..Default::default() }).to_vec();
    let running = Running::new(policy).await;
    let get = |path: &str| reqwest::Client::new().get(running.url(path));
    let openai = running.send(get("/v1/models")).await.json();
    assert_eq!(openai.pointer("/data/0/id"), Some(&json!("first/a")));
    let anthropic = running.send(get("/v1/models").header("anthropic-version", "2023-06-01")).await.json();
    assert_eq!(
        (anthropic.pointer("/data/1/id"), anthropic["has_more"].as_bool()),
        (Some(&json!("first/b")), Some(false))
    );
    let gemini = running.send(get("/v1beta/models").header("x-goog-api-key", "k")).await.json();
    assert_eq!(gemini.pointer("/models/0/name"), Some(&json!("models/first/a")));
    assert_eq!(running.send(get("/v1/models/first/a")).await.json()["id"], "first/a");
    assert_eq!(running.send(get("/v1/models/nobody")).await.status, 404);
}

#[tokio::test]
async fn the_admin_port_shows_the_policy_without_credentials() {
    let running = Running::new(document(7, vec![provider("first", "http://127.0.0.1:9/v1")])).await;
    let ready = running.admin("/readyz").await;
    assert_eq!(
        (ready["ready"].as_bool(), ready["revision"].as_str().map(|r| r.starts_with("7-"))),
        (Some(true), Some(true))
    );
    let policy = running.admin("/policy").await;
    assert_eq!(policy["credentials"][0]["found"], true);
    assert!(!policy.to_string().contains("sk-first-main"));
    assert_eq!(running.admin("/healthz").await["alive"], true);
}

#[tokio::test]
async fn clear_text_http2_works_on_the_same_port() {
    let upstream = Fake::always(answer("hi")).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let got = running.send(client.post(running.url("/v1/chat/completions")).json(&chat("m"))).await;
    assert_eq!(got.status, 200, "{}", got.text);
}

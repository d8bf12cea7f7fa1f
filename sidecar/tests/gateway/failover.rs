//! Failed attempts, and what happens next.

use outrigger_policy::{ModelDoc, ProviderDoc};
use serde_json::{Value, json};

use crate::fake::{
    Act, Fake, answer, chunk, delta, end, json as replies, json_with, role, stop, stream_head, streamed_answer,
};
use crate::free_addresses::free;
use crate::policies::{Running, chat, credential, document, provider, streamed, typed};

/// A gateway with `first` before a second provider that works.
async fn before_a_good_one(first: &Fake) -> (Running, Fake) {
    let second = Fake::new(vec![answer("second")]).await;
    let both = vec![lists_m(provider("first", &first.url)), lists_m(provider("second", &second.url))];
    (Running::new(document(1, both)).await, second)
}

/// Lists the requested model at the provider.
fn lists_m(mut provider: ProviderDoc) -> ProviderDoc {
    provider.models = ["m", "*"].map(|name| ModelDoc { name: name.to_owned(), ..ModelDoc::default() }).into();
    provider
}

fn openai_error(code: &str, message: &str) -> String {
    json!({"error": {"message": message, "type": code, "param": null, "code": code}}).to_string()
}

/// A model that no provider is known to have is sent to one provider at most. Providers that accept any name are
/// fallbacks for it only if the caller names them.
#[tokio::test]
async fn an_unknown_model_is_tried_at_one_provider_only() {
    let missing = || replies(404, &openai_error("model_not_found", "no such model"));
    let (first, second) = (Fake::always(missing()).await, Fake::new(vec![answer("second")]).await);
    let both = vec![provider("first", &first.url), provider("second", &second.url)];
    let running = Running::new(document(1, both)).await;
    let got = running.post("/v1/chat/completions", &chat("nobody-s")).await;
    assert_eq!((got.status, first.asked().len(), second.asked().len()), (404, 1, 0), "{}", got.text);
    for name in ["azure/gpt-4o", "frist/gpt-4o", "First/gpt-4o", "bedrock/anthropic.claude-haiku-4-5"] {
        let got = running.post("/v1/chat/completions", &chat(name)).await;
        assert_eq!((got.status, got.json()["error"]["type"].as_str()), (404, Some("model_not_found")), "{name}");
    }
    assert_eq!((first.asked().len(), second.asked().len()), (1, 0), "no provider has received the prompt");
    let mut named = chat("nobody-s");
    named["fallbacks"] = json!(["second/nobody-s"]);
    let got = running.post("/v1/chat/completions", &named).await;
    assert_eq!((got.status, first.asked().len(), second.asked().len()), (200, 2, 1), "{}", got.text);
}

#[tokio::test]
async fn each_class_of_failure_fails_over_or_is_returned() {
    let cured: Vec<(&str, Vec<Act>, &str)> = vec![
        ("401", replies(401, &openai_error("invalid_api_key", "bad key")), "credential"),
        ("402", replies(402, &openai_error("billing", "pay")), "quota"),
        ("429 quota", replies(429, &openai_error("insufficient_quota", "no money")), "quota"),
        ("429", replies(429, &openai_error("rate_limit_exceeded", "slow down")), "rate_limited"),
        ("503", replies(503, &openai_error("overloaded", "busy")), "overloaded"),
        ("500", replies(500, &openai_error("server_error", "oops")), "server_error"),
        ("500 html", replies(500, "<html>"), "server_error"),
        ("404 model", replies(404, &openai_error("model_not_found", "no such model")), "model_missing"),
        (
            "empty",
            replies(
                200,
                r#"{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}]}"#,
            ),
            "empty",
        ),
        ("malformed", replies(200, "<html>"), "malformed"),
        ("closed", vec![Act::Close], "cut"),
        (
            "cut",
            vec![
                Act::Send(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{".to_owned(),
                ),
                Act::Close,
            ],
            "cut",
        ),
    ];
    for (name, script, word) in cured {
        let first = Fake::always(script).await;
        let (running, second) = before_a_good_one(&first).await;
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!(got.status, 200, "{name}: {}", got.text);
        let extra = &got.json()["extra_fields"];
        assert_eq!(
            (extra["provider"].as_str(), extra["fallback_reason"].as_str()),
            (Some("second"), Some(word)),
            "{name}"
        );
        assert_eq!(
            (got.header("x-outrigger-provider"), got.header("x-outrigger-attempts")),
            (Some("second"), Some("2"))
        );
        assert_eq!((first.asked().len(), second.asked().len()), (1, 1), "{name}");
        let record = running.record().await;
        assert_eq!(record["attempts"][0]["error"], word, "{name}");
        assert_eq!(record["attempts"][1]["error"], Value::Null, "{name}");
    }
    for (name, script, status) in [
        ("400", replies(400, &openai_error("invalid_request_error", "bad field")), 400),
        ("422", replies(422, &openai_error("invalid_request_error", "bad field")), 422),
        ("404 path", replies(404, &openai_error("not_found", "unknown url")), 404),
    ] {
        let first = Fake::always(script).await;
        let (running, second) = before_a_good_one(&first).await;
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!(got.status, status, "{name}");
        assert_eq!(got.json()["error"]["message"].as_str().map(|m| m.is_empty()), Some(false), "{name}");
        assert!(got.json().get("extra_fields").is_none(), "the error is returned unchanged");
        assert_eq!(second.asked().len(), 0, "{name}");
    }
}

#[tokio::test]
async fn an_empty_answer_is_returned_unchanged_if_nothing_else_is_left() {
    let empty = r#"{"id":"x","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":2}}"#;
    let first = Fake::always(json_with(200, "request-id: up-1\r\n", empty)).await;
    let running = Running::new(document(1, vec![typed("first", "Anthropic", &first.url)])).await;
    let body = json!({"model": "first/m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    let got = running.post("/v1/messages", &body).await;
    assert_eq!((got.status, got.text.as_str(), got.header("request-id")), (200, empty, Some("up-1")));
    assert_eq!(got.header("content-type"), Some("application/json"));
    // It was billed.
    let record = running.record().await;
    assert_eq!((&record["tokens"]["input"], &record["tokens"]["output"]), (&json!(7), &json!(2)));
}

#[tokio::test]
async fn a_failed_connection_fails_over() {
    let unused = free();
    let second = Fake::always(answer("second")).await;
    let url = format!("http://{unused}/v1");
    let running = Running::new(document(1, vec![provider("first", &url), provider("second", &second.url)])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.json()["extra_fields"]["fallback_reason"], "connect");
}

#[tokio::test]
async fn the_next_credential_is_tried_before_the_next_provider() {
    let first = Fake::new(vec![replies(401, &openai_error("invalid_api_key", "bad")), answer("first")]).await;
    let second = Fake::always(answer("second")).await;
    let mut one = provider("first", &first.url);
    one.credentials = vec![credential("first", "a", 1), credential("first", "b", 1)];
    let running = Running::new(document(1, vec![one, provider("second", &second.url)])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.json()["extra_fields"]["provider"], "first");
    let used: Vec<_> = first.asked().iter().filter_map(|asked| asked.header("authorization")).collect();
    assert_eq!(used.len(), 2);
    assert_ne!(used[0], used[1]);
    // The refused credential is paused: the next request does not use it.
    running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(first.asked().len(), 3);
    assert_eq!(first.asked()[2].header("authorization").as_ref(), Some(&used[1]));
}

#[tokio::test]
async fn a_provider_is_paused_as_long_as_it_asks() {
    let limited = json_with(429, "retry-after: 60\r\n", &openai_error("rate_limit_exceeded", "slow"));
    let first = Fake::always(limited).await;
    let (running, second) = before_a_good_one(&first).await;
    for _ in 0..3 {
        assert_eq!(running.post("/v1/chat/completions", &chat("m")).await.status, 200);
    }
    assert_eq!((first.asked().len(), second.asked().len()), (1, 3));
    assert_eq!(running.record().await["candidates"][1]["skipped"], "cooldown");
}

#[tokio::test]
async fn if_all_fail_the_error_is_the_primarys_with_the_attempts() {
    let first = Fake::always(replies(429, &openai_error("rate_limit_exceeded", "slow down please"))).await;
    let second = Fake::always(replies(500, &openai_error("server_error", "oops"))).await;
    let running = Running::new(document(1, vec![provider("first", &first.url), provider("second", &second.url)])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.status, 429);
    let message = got.json()["error"]["message"].as_str().unwrap().to_owned();
    for part in ["slow down please", "first/m (main) 429 rate_limited", "second/m (main) 500 server_error"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert_eq!(got.header("x-should-retry"), Some("false"));
    let anthropic = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    let got = running.post("/v1/messages", &anthropic).await;
    assert_eq!(got.json()["type"], "error", "{}", got.text);
}

#[tokio::test]
async fn the_error_of_a_single_candidate_is_returned_unchanged() {
    let body = openai_error("rate_limit_exceeded", "slow down");
    let first = Fake::always(json_with(429, "retry-after: 7\r\nx-request-id: up-1\r\n", &body)).await;
    let running = Running::new(document(1, vec![provider("first", &first.url)])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, got.text.as_str()), (429, body.as_str()));
    assert_eq!((got.header("x-outrigger-provider"), got.header("x-outrigger-attempts")), (Some("first"), Some("1")));
    assert_eq!((got.header("retry-after"), got.header("x-request-id")), (Some("7"), Some("up-1")));
    assert_eq!(got.header("x-should-retry"), None, "the client may retry");
}

#[tokio::test]
async fn a_refused_credential_is_not_reported_as_the_callers() {
    let first =
        Fake::always(replies(401, &openai_error("invalid_api_key", "Incorrect API key provided: sk-first-main"))).await;
    let running = Running::new(document(1, vec![provider("first", &first.url)])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, got.json()["error"]["type"].as_str()), (502, Some("upstream_credentials_exhausted")));
    assert!(!got.text.contains("sk-first-main"), "{}", got.text);
}

#[tokio::test]
async fn an_error_event_before_content_fails_over() {
    let scripts = [
        (
            "error",
            vec![
                stream_head(),
                chunk(&role()),
                chunk("data: {\"error\":{\"message\":\"overloaded\",\"type\":\"overloaded_error\",\"code\":529}}\n\n"),
                end(),
            ],
        ),
        ("closed after the role", vec![stream_head(), chunk(&role()), Act::Close]),
        ("ended after the role", vec![stream_head(), chunk(&role()), end()]),
        ("nothing", vec![stream_head(), end()]),
        ("stop without content", vec![stream_head(), chunk(&role()), chunk(&stop()), chunk("data: [DONE]\n\n"), end()]),
        ("malformed", vec![stream_head(), chunk("data: {oops\n\n"), end()]),
    ];
    for (name, script) in scripts {
        let first = Fake::always(script).await;
        let second = Fake::always(streamed_answer("second")).await;
        let running =
            Running::new(document(1, vec![provider("first", &first.url), provider("second", &second.url)])).await;
        let got = running.post("/v1/chat/completions", &streamed("m")).await;
        assert_eq!(got.status, 200, "{name}");
        assert!(got.text.contains("second") && got.text.ends_with("data: [DONE]\n\n"), "{name}: {}", got.text);
        assert_eq!(got.text.matches("\"role\"").count(), 1, "{name}: nothing of the first stream was sent");
        assert_eq!(second.asked().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_loss_after_content_is_an_error_event_in_each_dialect() {
    let (openai, anthropic, gemini) = (
        ("/v1/chat/completions", streamed("m")),
        (
            "/v1/messages",
            json!({"model": "m", "stream": true, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}),
        ),
        ("/v1beta/models/m:streamGenerateContent?alt=sse", json!({"contents": [{"parts": [{"text": "x"}]}]})),
    );
    let broken = [
        ("closed", vec![stream_head(), chunk(&role()), chunk(&delta("half")), Act::Close]),
        ("ended", vec![stream_head(), chunk(&role()), chunk(&delta("half")), end()]),
        ("malformed", vec![stream_head(), chunk(&role()), chunk(&delta("half")), chunk("data: {oops\n\n"), end()]),
    ];
    for (name, script) in broken {
        for ((path, body), mark) in
            [(&openai, "data: {\"error\":"), (&anthropic, "event: error\n"), (&gemini, "{\"error\":")]
        {
            let first = Fake::always(script.clone()).await;
            let running = Running::new(document(1, vec![provider("first", &first.url)])).await;
            let got = running.post(path, body).await;
            assert_eq!(got.status, 200, "{name} {path}");
            assert!(got.text.contains("half") && got.text.contains(mark), "{name} {path}: {}", got.text);
            assert!(
                !got.text.contains("[DONE]") && !got.text.contains("message_stop"),
                "no invented end: {}",
                got.text
            );
            let record = running.record().await;
            assert_eq!(record["error_type"], "upstream_unreachable", "{name} {path}");
        }
    }
}

#[tokio::test]
async fn each_timeout_has_its_error() {
    let cases = [
        ("first token of a stream", vec![Act::Silence], streamed("m"), "timeout_first_token"),
        (
            "first token after the head",
            vec![stream_head(), chunk(&role()), Act::Silence],
            streamed("m"),
            "timeout_first_token",
        ),
        ("total", vec![Act::Silence], chat("m"), "timeout_total"),
    ];
    for (name, script, body, word) in cases {
        let first = Fake::always(script).await;
        let mut one = provider("first", &first.url);
        one.timeouts.first_token = Some(50);
        one.timeouts.total = Some(if word == "timeout_total" { 500 } else { 60_000 });
        let running = Running::new(document(1, vec![one])).await;
        let got = running.post("/v1/chat/completions", &body).await;
        assert_eq!((got.status, got.json()["error"]["type"].as_str()), (504, Some("upstream_timeout")), "{name}");
        assert_eq!(running.record().await["attempts"][0]["error"], word, "{name}");
    }
    let first = Fake::always(vec![stream_head(), chunk(&role()), chunk(&delta("half")), Act::Silence]).await;
    let mut one = provider("first", &first.url);
    one.timeouts.idle = Some(50);
    let running = Running::new(document(1, vec![one])).await;
    let got = running.post("/v1/chat/completions", &streamed("m")).await;
    assert!(got.text.contains("half") && got.text.contains("upstream_timeout"), "{}", got.text);
    assert_eq!(running.record().await["attempts"][0]["error"], "timeout_idle");
}

#[tokio::test]
async fn the_callers_timeout_is_a_deadline() {
    let first = Fake::always(vec![Act::Silence]).await;
    let running = Running::new(document(1, vec![provider("first", &first.url)])).await;
    let request = reqwest::Client::new()
        .post(running.url("/v1/chat/completions"))
        .header("x-stainless-timeout", "0.05")
        .json(&chat("m"));
    let got = running.send(request).await;
    assert_eq!(got.status, 504);
    assert_eq!(got.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn a_larger_context_window_serves_a_long_request() {
    let too_long = replies(400, &openai_error("context_length_exceeded", "maximum context length is 8192 tokens"));
    let first = Fake::always(too_long).await;
    let (smaller, larger) = (Fake::always(answer("smaller")).await, Fake::always(answer("larger")).await);
    let window = |name: &str, fake: &Fake, tokens: u32| {
        let mut one = provider(name, &fake.url);
        one.models = vec![outrigger_policy::ModelDoc {
            name: "m".to_owned(),
            context_window: Some(tokens),
            ..outrigger_policy::ModelDoc::default()
        }];
        one
    };
    let providers =
        vec![window("first", &first, 8_192), window("small", &smaller, 4_096), window("large", &larger, 128_000)];
    let running = Running::new(document(1, providers)).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.json()["extra_fields"]["provider"], "large");
    assert_eq!(smaller.asked().len(), 0);

    let running =
        Running::new(document(1, vec![window("first", &first, 8_192), window("small", &smaller, 4_096)])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, got.json()["error"]["code"].as_str()), (400, Some("context_length_exceeded")));
}

#[tokio::test]
async fn the_callers_mistake_is_returned_whatever_failed_before() {
    let first = Fake::always(replies(503, &openai_error("overloaded", "busy"))).await;
    let mistake = openai_error("invalid_request_error", "bad temperature");
    let second = Fake::always(replies(400, &mistake)).await;
    let running = Running::new(document(1, vec![provider("first", &first.url), provider("second", &second.url)])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, got.text.as_str()), (400, mistake.as_str()));
    assert_eq!(got.header("x-should-retry"), Some("false"));
    assert_eq!(running.record().await["provider"], "second");
}

#[tokio::test]
async fn a_reused_connection_that_was_closed_is_invisible_to_the_caller() {
    // The second request is sent on the reused connection, which closes without an answer.
    let first = Fake::new(vec![answer("one"), vec![Act::Close], answer("three")]).await;
    let second = Fake::always(answer("second")).await;
    let running = Running::new(document(1, vec![provider("first", &first.url), provider("second", &second.url)])).await;
    running.post("/v1/chat/completions", &chat("m")).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, got.header("x-outrigger-attempts")), (200, Some("1")), "{}", got.text);
    assert_eq!(got.header("x-outrigger-provider"), Some("first"), "a stale connection is no reason to fail over");
    assert!(running.record().await["attempts"][0]["error"].is_null());
    assert_eq!(first.asked().len(), 3);
}

#[tokio::test]
async fn content_and_a_loss_in_one_chunk_are_both_relayed_and_recorded() {
    let piece = format!("{}{}data: {{oops\n\n", role(), delta("half"));
    let first = Fake::always(vec![stream_head(), chunk(&piece), end()]).await;
    let running = Running::new(document(1, vec![provider("first", &first.url)])).await;
    let got = running.post("/v1/chat/completions", &streamed("m")).await;
    assert!(got.text.contains("half") && got.text.contains("data: {\"error\""), "{}", got.text);
    let record = running.record().await;
    assert_eq!((&record["status"], &record["attempts"][0]["error"]), (&json!(200), &json!("malformed")), "{record}");
}

#[tokio::test]
async fn a_loss_after_the_end_of_a_stream_is_no_error() {
    let whole = format!("{}{}{}data: [DONE]\n\n", role(), delta("all of it"), stop());
    for after in [Act::Close, Act::Silence] {
        let first = Fake::always(vec![stream_head(), chunk(&whole), after]).await;
        let mut one = provider("first", &first.url);
        one.timeouts.idle = Some(50);
        let running = Running::new(document(1, vec![one])).await;
        let got = running.post("/v1/chat/completions", &streamed("m")).await;
        assert!(got.text.ends_with("data: [DONE]\n\n") && !got.text.contains("error\":{"), "{}", got.text);
        let record = running.record().await;
        assert_eq!(
            (record["error_type"].is_null(), record["attempts"][0]["error"].is_null()),
            (true, true),
            "{record}"
        );
    }
}

#[tokio::test]
async fn a_single_provider_is_retried_up_to_the_limit() {
    let oops = replies(500, &openai_error("server_error", "oops"));
    let first = Fake::new(vec![oops.clone(), answer("again")]).await;
    let running = Running::new(document(1, vec![provider("first", &first.url)])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, got.header("x-outrigger-attempts")), (200, Some("2")));
    let limited = |headers: &str| json_with(429, headers, &openai_error("rate_limit_exceeded", "slow"));
    let busy = json_with(503, "retry-after-ms: 20\r\n", &openai_error("overloaded", "busy"));
    for (name, script, most, status, asked) in [
        ("500", oops.clone(), Some(6), 500, 6),
        ("500, by default", oops.clone(), None, 500, 4),
        ("500, once", oops, Some(1), 500, 1),
        ("429 for a moment", limited("retry-after-ms: 20\r\n"), Some(6), 429, 6),
        ("429 that says nothing", limited(""), Some(3), 429, 3),
        ("429 that says nothing, by default", limited(""), None, 429, 1),
        ("429 for a minute", limited("retry-after: 60\r\n"), Some(6), 429, 1),
        ("503 for a moment", busy, Some(3), 503, 3),
        ("400", replies(400, &openai_error("invalid_request_error", "no")), Some(6), 400, 1),
        // It may have been processed and billed: one retry only.
        ("closed without a word", vec![Act::Close], Some(6), 502, 2),
    ] {
        let first = Fake::always(script).await;
        let mut one = provider("first", &first.url);
        one.max_attempts = most;
        let running = Running::new(document(1, vec![one])).await;
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!((got.status, first.asked().len()), (status, asked), "{name}: {}", got.text);
        assert_eq!(got.header("x-should-retry"), (asked > 1).then_some("false"), "{name}");
    }
}

#[tokio::test]
async fn retries_are_limited_by_the_retry_budget() {
    let first = Fake::always(replies(500, &openai_error("server_error", "oops"))).await;
    let mut one = provider("first", &first.url);
    one.max_attempts = Some(10);
    let running = Running::new(document(1, vec![one])).await;
    let body = chat("m");
    let begun = std::time::Instant::now();
    futures_util::future::join_all((0..20).map(|_| running.post("/v1/chat/completions", &body))).await;
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
    // Ten saved, a fifth of twenty, and one a second.
    let most = 20 + 10 + 4 + seconds + 1;
    assert!((20..=most).contains(&first.asked().len()), "{} of {most}", first.asked().len());
}

#[tokio::test]
async fn a_request_is_sent_again_without_the_usage_option_if_the_provider_does_not_know_it() {
    let refusal = openai_error("invalid_request_error", "Unrecognized request argument supplied: stream_options");
    let first = Fake::new(vec![replies(400, &refusal), streamed_answer("fine")]).await;
    let running = Running::new(document(1, vec![provider("first", &first.url)])).await;
    for _ in 0..2 {
        let got = running.post("/v1/chat/completions", &streamed("m")).await;
        assert!(got.text.contains("fine"), "{}", got.text);
    }
    let options: Vec<bool> = first.asked().iter().map(|asked| asked.body.contains("stream_options")).collect();
    assert_eq!(options, [true, false, false]);
}

#[tokio::test]
async fn an_error_is_translated_to_the_callers_dialect() {
    let anthropic =
        json!({"type": "error", "error": {"type": "invalid_request_error", "message": "messages: too odd"}});
    let first = Fake::always(replies(400, &anthropic.to_string())).await;
    let running = Running::new(document(1, vec![typed("first", "Anthropic", &first.url)])).await;
    let got = running.post("/v1/chat/completions", &chat("first/m")).await;
    assert_eq!(got.status, 400);
    assert!(got.json()["error"]["message"].as_str().unwrap().contains("too odd"), "{}", got.text);
    assert_eq!(first.asked()[0].target(), "/v1/messages");
    assert_eq!(first.asked()[0].header("x-api-key").as_deref(), Some("sk-first-main"));
}

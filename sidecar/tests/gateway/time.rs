//! Timeouts: which one runs out, and whether it counts against the provider.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fake::{Act, Fake, answer, chunk, completion, delta, end, role, stop, stream_head, streamed_answer};
use crate::policies::{Answer, Running, chat, document, provider, streamed, typed};

async fn patient(running: &Running, header: &str, seconds: &str, body: &Value) -> Answer {
    let request = reqwest::Client::new().post(running.url("/v1/chat/completions")).header(header, seconds).json(body);
    running.send(request).await
}

/// A stream that sends a word every 60 ms, ten times.
fn flowing() -> Vec<Act> {
    let mut script = vec![stream_head(), chunk(&role())];
    for _ in 0..10 {
        script.extend([chunk(&delta("word ")), Act::Pause(Duration::from_millis(60))]);
    }
    script.extend([chunk(&stop()), chunk("data: [DONE]\n\n"), end()]);
    script
}

#[tokio::test]
async fn a_flowing_stream_is_only_limited_by_silence() {
    for (name, header, total) in [
        ("a read time-out", Some(("x-stainless-read-timeout", "0.3")), None),
        ("a time-out", Some(("x-stainless-timeout", "0.3")), None),
        ("the total", None, Some(300)),
    ] {
        let first = Fake::always(flowing()).await;
        let mut one = provider("first", &first.url);
        one.timeouts.total = total;
        let running = Running::new(document(1, vec![one])).await;
        let (header, seconds) = header.unwrap_or(("x-none", "0"));
        let got = patient(&running, header, seconds, &streamed("m")).await;
        assert_eq!((got.status, got.text.matches("word ").count()), (200, 10), "{name}: {}", got.text);
        assert!(got.text.ends_with("data: [DONE]\n\n"), "{name}: {}", got.text);
        assert_eq!(running.record().await["attempts"][0]["error"], Value::Null, "{name}");
    }
}

#[tokio::test]
async fn buffered_events_are_sent_before_the_caller_gives_up() {
    // The upstream sends comments, and thinks for longer than the caller waits for an answer.
    let mut script = vec![stream_head(), chunk(&role())];
    for _ in 0..6 {
        script.extend([chunk(": thinking\n\n"), Act::Pause(Duration::from_millis(400))]);
    }
    script.extend([chunk(&format!("{}{}data: [DONE]\n\n", delta("at last"), stop())), end()]);
    let first = Fake::always(script).await;
    let running = Running::new(document(1, vec![provider("first", &first.url)])).await;
    // Far more than a pause, even on a busy machine.
    let got = patient(&running, "x-stainless-read-timeout", "2.0", &streamed("m")).await;
    assert!(got.text.contains("at last"), "{} {}", got.status, got.text);
}

#[tokio::test]
async fn a_read_timeout_limits_gaps_and_does_not_count_against_the_provider() {
    let half = vec![stream_head(), chunk(&role()), chunk(&delta("half")), Act::Silence];
    let first = Fake::always(half).await;
    let second = Fake::always(streamed_answer("second")).await;
    let running = Running::new(document(1, vec![provider("first", &first.url), provider("second", &second.url)])).await;
    for _ in 0..6 {
        let got = patient(&running, "x-stainless-read-timeout", "0.4", &streamed("m")).await;
        assert!(got.text.contains("half") && got.text.contains("upstream_timeout"), "{}", got.text);
    }
    first.play(streamed_answer("fine"));
    let got = running.post("/v1/chat/completions", &streamed("m")).await;
    assert!(got.text.contains("fine"), "six callers timed out, not the provider: {}", got.text);
}

#[tokio::test]
async fn a_hanging_attempt_leaves_time_for_the_next_one() {
    let stalled = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{";
    for (name, script, body) in [
        ("no head", vec![Act::Silence], chat("m")),
        ("a head and no more", vec![Act::Send(stalled.to_owned()), Act::Silence], chat("m")),
        ("a stream without a head", vec![Act::Silence], streamed("m")),
        ("a stream without content", vec![stream_head(), chunk(&role()), Act::Silence], streamed("m")),
    ] {
        let first = Fake::always(script).await;
        let second =
            Fake::always(if body["stream"].is_null() { answer("second") } else { streamed_answer("second") }).await;
        let mut one = provider("first", &first.url);
        one.timeouts.total = Some(1_800);
        let running = Running::new(document(1, vec![one, provider("second", &second.url)])).await;
        let got = running.post("/v1/chat/completions", &body).await;
        assert!(got.status == 200 && got.text.contains("second"), "{name}: {} {}", got.status, got.text);
        let record = running.record().await;
        assert_eq!(record["attempts"][0]["error"], "timeout_attempt", "{name}: {record}");
        let took = record["attempts"][0]["ms"].as_f64().unwrap();
        assert!((1_150.0..1_700.0).contains(&took), "{name}: two thirds of the time, not {took} ms");
    }
}

#[tokio::test]
async fn timeouts_open_the_breaker_and_a_callers_deadline_does_not() {
    for (name, own, header, opens) in
        [("the provider's", Some(30), "x-none", true), ("the caller's", None, "x-stainless-timeout", false)]
    {
        let (first, second) = (Fake::always(vec![Act::Silence]).await, Fake::always(answer("second")).await);
        let mut one = provider("first", &first.url);
        one.timeouts.attempt = own;
        let running = Running::new(document(1, vec![one, provider("second", &second.url)])).await;
        for _ in 0..7 {
            patient(&running, header, "0.06", &chat("m")).await;
        }
        first.play(answer("first"));
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!(got.header("x-outrigger-provider"), Some(if opens { "second" } else { "first" }), "{name}");
        let skipped = &running.record().await["candidates"][1]["skipped"];
        assert_eq!(*skipped, if opens { json!("breaker") } else { Value::Null }, "{name}");
    }
}

#[tokio::test]
async fn white_space_before_an_answer_is_no_silence() {
    let text = completion("at last");
    let length = text.len() + 10;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    let mut script = vec![Act::Send(head)];
    for _ in 0..10 {
        script.extend([Act::Send("\n".to_owned()), Act::Pause(Duration::from_millis(60))]);
    }
    script.push(Act::Send(text));
    let (first, second) = (Fake::always(script).await, Fake::always(answer("second")).await);
    let mut one = provider("first", &first.url);
    one.timeouts.attempt = Some(300);
    let running = Running::new(document(1, vec![one, provider("second", &second.url)])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert!(got.text.contains("at last"), "{}", got.text);
}

/// Reads an answer until it contains `mark`, then closes the connection.
async fn reads_until(running: &Running, path: &str, body: &Value, mark: &str) {
    let body = body.to_string();
    let mut stream = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while memchr::memmem::find(&seen, mark.as_bytes()).is_none() {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "{}", String::from_utf8_lossy(&seen));
    }
}

/// Waits for the record of the only request.
async fn first_record(running: &Running) -> Value {
    loop {
        let records = running.admin("/decisions").await;
        match records.get(0) {
            Some(record) => return record.clone(),
            None => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_caller_that_has_read_to_the_end_may_close() {
    let anthropic = |end: &str| {
        let events = [
            r#"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":3,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            end,
        ];
        let text: Vec<String> = events
            .iter()
            .filter(|event| !event.is_empty())
            .map(|event| {
                let kind = serde_json::from_str::<Value>(event).unwrap()["type"].as_str().unwrap().to_owned();
                format!("event: {kind}\ndata: {event}\n\n")
            })
            .collect();
        text.concat()
    };
    let done = format!("{}{}{}data: [DONE]\n\n", role(), delta("hi"), stop());
    let gemini = r#"data: {"candidates":[{"content":{"parts":[{"text":"hi"}],"role":"model"},"finishReason":"STOP"}]}"#;
    let ask = json!({"model": "m", "stream": true, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
    let contents = json!({"contents": [{"parts": [{"text": "x"}]}]});
    let gemini_path = "/v1beta/models/m:streamGenerateContent?alt=sse";
    let openai = "/v1/chat/completions";
    for (name, kind, path, body, sent, mark, status) in [
        ("[DONE]", "OpenAICompatible", openai, streamed("m"), done.clone(), "[DONE]", 200),
        (
            "message_stop",
            "Anthropic",
            "/v1/messages",
            ask.clone(),
            anthropic(r#"{"type":"message_stop"}"#),
            "message_stop\"",
            200,
        ),
        ("finishReason", "Gemini", gemini_path, contents, format!("{gemini}\n\n"), "STOP", 200),
        ("translated", "OpenAICompatible", "/v1/messages", ask.clone(), done, "message_stop\"", 200),
        ("in mid-answer", "OpenAICompatible", openai, streamed("m"), format!("{}{}", role(), delta("hi")), "hi", 499),
        ("in mid-message", "Anthropic", "/v1/messages", ask, anthropic(""), "hi", 499),
    ] {
        // The upstream never closes the connection.
        let first = Fake::always(vec![stream_head(), chunk(&sent), Act::Silence]).await;
        let mut policy = document(1, vec![typed("first", kind, &first.url)]);
        policy.keys[0].providers[0].models = vec!["m".to_owned()];
        let running = Running::new(policy).await;
        reads_until(&running, path, &body, mark).await;
        let record = first_record(&running).await;
        let error = if status == 200 { Value::Null } else { json!("client_closed") };
        assert_eq!((&record["status"], &record["error_type"]), (&json!(status), &error), "{name}: {record}");
    }
}

#[tokio::test]
async fn another_provider_takes_over_if_one_stalls() {
    // The upstream reads nothing of a request that is longer than any socket buffer.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stalled = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let mut long = chat("m");
    long["messages"][0]["content"] = json!("x".repeat(12 << 20));
    let error = Fake::always(vec![
        Act::Send("HTTP/1.1 500 X\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{".to_owned()),
        Act::Silence,
    ])
    .await;
    for (name, url, body, word) in [
        ("it does not read", &stalled, &long, "timeout_attempt"),
        ("its error has no end", &error.url, &chat("m"), "server_error"),
    ] {
        let second = Fake::always(answer("second")).await;
        let mut one = provider("first", url);
        one.timeouts.attempt = Some(600);
        let running = Running::new(document(1, vec![one, provider("second", &second.url)])).await;
        let got = running.post("/v1/chat/completions", body).await;
        assert!(got.text.contains("second"), "{name}: {} {}", got.status, got.text);
        assert_eq!(running.record().await["attempts"][0]["error"], word, "{name}");
    }
    server.abort();
}

#[tokio::test]
async fn reading_on_for_a_caller_that_has_gone_is_limited() {
    let mut script = vec![stream_head(), chunk(&role())];
    script.extend((0..200).flat_map(|_| [chunk(&delta("word ")), Act::Pause(Duration::from_millis(50))]));
    let first = Fake::always(script).await;
    let mut one = provider("first", &first.url);
    one.timeouts.total = Some(500);
    let mut policy = document(1, vec![one]);
    policy.keys[0].on_hang_up = outrigger_policy::OnHangUp::Drain;
    let running = Running::new(policy).await;
    reads_until(&running, "/v1/chat/completions", &streamed("m"), "word").await;
    let record = first_record(&running).await;
    assert_eq!(record["status"], 499, "{record}");
    let took = record["latency_ms"].as_f64().unwrap();
    assert!((400.0..5_000.0).contains(&took), "{took}");
}

#[tokio::test]
async fn a_rate_limit_pauses_what_it_names() {
    for (message, other_model) in [
        ("Rate limit reached for m in organization org-x on tokens per min (TPM)", "first"),
        ("slow down", "first"),
        ("Too many requests for this API key", "second"),
        ("Your organization has made too many requests", "second"),
    ] {
        let error = json!({"error": {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}}).to_string();
        let limited = crate::fake::json_with(429, "retry-after: 60\r\n", &error);
        let (first, second) = (Fake::always(limited).await, Fake::always(answer("second")).await);
        let providers = vec![provider("first", &first.url), provider("second", &second.url)];
        let running = Running::new(document(1, providers)).await;
        running.post("/v1/chat/completions", &chat("m")).await;
        first.play(answer("first"));
        for (model, expected) in [("m", "second"), ("n", other_model)] {
            let got = running.post("/v1/chat/completions", &chat(model)).await;
            assert_eq!(got.header("x-outrigger-provider"), Some(expected), "{message}: {model}");
        }
    }
}

#[tokio::test]
async fn providers_that_share_an_account_pause_together() {
    let error =
        json!({"error": {"message": "Your organization has made too many requests", "code": "rate_limit_exceeded"}});
    let limited = crate::fake::json_with(429, "retry-after: 60\r\n", &error.to_string());
    for (account, serves) in [(Some("acme"), "third"), (None, "second")] {
        let (first, second) = (Fake::always(limited.clone()).await, Fake::always(answer("second")).await);
        let third = Fake::always(answer("third")).await;
        let mut providers =
            vec![provider("first", &first.url), provider("second", &second.url), provider("third", &third.url)];
        for one in &mut providers[..2] {
            one.account = account.map(str::to_owned);
        }
        let running = Running::new(document(1, providers)).await;
        running.post("/v1/chat/completions", &chat("m")).await;
        let got = running.post("/v1/chat/completions", &chat("n")).await;
        assert_eq!(got.header("x-outrigger-provider"), Some(serves), "{account:?}");
    }
}

#[tokio::test]
async fn adaptive_shares_follow_whole_answers_and_failures() {
    let slow = vec![Act::Pause(Duration::from_millis(40)), answer("slow").remove(0)];
    let failing = crate::fake::json(500, r#"{"error": {"message": "oops", "type": "server_error"}}"#);
    for (name, script) in [("slow", slow), ("failing", failing)] {
        let (bad, good) = (Fake::always(script).await, Fake::always(answer("good")).await);
        let mut policy = document(1, vec![provider("bad", &bad.url), provider("good", &good.url)]);
        policy.keys[0].balance = outrigger_policy::Balance::Adaptive;
        policy.keys[0].providers.iter_mut().for_each(|entry| entry.weight = 1);
        let running = Running::new(policy).await;
        for _ in 0..150 {
            running.post("/v1/chat/completions", &chat("m")).await;
        }
        let asked = bad.asked().len();
        assert!((1..60).contains(&asked), "{name}: {asked} of 150");
    }
}

#[tokio::test]
async fn a_refusal_closes_the_breaker_of_a_trial() {
    let failing = |status: u16| {
        let error = json!({"error": {"message": "no", "type": "invalid_request_error", "code": null}});
        crate::fake::json(status, &error.to_string())
    };
    let (first, second) = (Fake::always(failing(500)).await, Fake::always(answer("second")).await);
    let running = Running::new(document(1, vec![provider("first", &first.url), provider("second", &second.url)])).await;
    for _ in 0..6 {
        running.post("/v1/chat/completions", &chat("m")).await;
    }
    assert_eq!(first.asked().len(), 5, "the breaker is open");
    first.play(failing(400));
    // Until the pause is over and a trial request is sent.
    while running.post("/v1/chat/completions", &chat("m")).await.status == 200 {}
    first.play(answer("first"));
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.header("x-outrigger-provider"), Some("first"), "it answered, so it is up");
}

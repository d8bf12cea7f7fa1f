//! What the gateway changes in requests and answers, and what it leaves unchanged.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::fake::{
    Act, Fake, answer, chunk, completion, delta, end, json_with, role, stop, stream_head, streamed_answer,
};
use crate::policies::{Running, chat, document, provider, streamed, typed};

#[tokio::test]
async fn bytes_of_the_same_dialect_are_relayed_unchanged() {
    let upstream = Fake::always(answer("hi")).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let body = r#"{ "messages":[{"role":"user","content":"hé\u0021"}] ,"model" : "first/m","unknown":{"a":[1.0,1e400]},  "fallbacks":[]}"#;
    let request = reqwest::Client::new()
        .post(running.url("/v1/chat/completions?x=1&key=secret"))
        .header("content-type", "application/json")
        .header("authorization", "Bearer sk-of-the-caller")
        .header("x-custom", "kept")
        .header("openai-organization", "org")
        .body(body);
    let got = running.send(request).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let asked = &upstream.asked()[0];
    assert_eq!(
        asked.body,
        r#"{ "messages":[{"role":"user","content":"hé\u0021"}] ,"model" : "m","unknown":{"a":[1.0,1e400]}}"#
    );
    assert_eq!(asked.target(), "/v1/chat/completions?x=1");
    assert_eq!(asked.header("authorization").as_deref(), Some("Bearer sk-first-main"));
    assert_eq!(asked.header("x-custom").as_deref(), Some("kept"));
    assert_eq!(asked.header("openai-organization"), None);
    assert_eq!(asked.header("accept-encoding").as_deref(), Some("identity"));
    assert!(!asked.head.contains("sk-of-the-caller"));
    // In the answer, only extra_fields is added.
    let at = got.text.find(",\"extra_fields\":").unwrap();
    let sent = completion("hi");
    assert_eq!(format!("{}}}", &got.text[..at]), sent);
    let extra = &got.json()["extra_fields"];
    assert_eq!(extra["request_type"], "chat_completion");
    assert_eq!((extra["model_requested"].as_str(), extra["model"].as_str()), (Some("first/m"), Some("m")));
}

#[tokio::test]
async fn extra_fields_can_be_turned_off() {
    let upstream = Fake::new(vec![answer("hi"), streamed_answer("hi")]).await;
    let mut policy = document(1, vec![provider("first", &upstream.url)]);
    policy.keys[0].extra_fields = false;
    let running = Running::new(policy).await;
    assert_eq!(running.post("/v1/chat/completions", &chat("m")).await.text, completion("hi"));
    let text = running.post("/v1/chat/completions", &streamed("m")).await.text;
    assert_eq!(text, format!("{}{}{}data: [DONE]\n\n", role(), delta("hi"), stop()));
}

fn usage_chunk() -> String {
    let chunk = json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}});
    format!("data: {chunk}\n\n")
}

#[tokio::test]
async fn usage_is_requested_and_hidden_from_callers_that_did_not_request_it() {
    let events = || format!("{}{}{}{}data: [DONE]\n\n", role(), delta("hi"), stop(), usage_chunk());
    let upstream = Fake::always(vec![stream_head(), chunk(&events()), end()]).await;
    let mut policy = document(1, vec![provider("first", &upstream.url)]);
    policy.keys[0].extra_fields = false;
    let running = Running::new(policy).await;
    let text = running.post("/v1/chat/completions", &streamed("m")).await.text;
    assert_eq!(text, format!("{}{}{}data: [DONE]\n\n", role(), delta("hi"), stop()));
    assert_eq!(upstream.asked()[0].json()["stream_options"], json!({"include_usage": true}));
    assert_eq!(running.record().await["tokens"]["output"], 2);
    // A caller that requests it gets it, and its bytes are unchanged.
    let mut body = streamed("m");
    body["stream_options"] = json!({"include_usage": true});
    let text = running.post("/v1/chat/completions", &body).await.text;
    assert_eq!(text, events());
}

#[tokio::test]
async fn a_stream_ends_with_a_comment_before_its_end() {
    let upstream = Fake::always(streamed_answer("hi")).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let text = running.post("/v1/chat/completions", &streamed("m")).await.text;
    let (before, after) = text.split_once(": outrigger ").unwrap();
    assert_eq!(before, format!("{}{}{}", role(), delta("hi"), stop()));
    let (comment, done) = after.split_once('\n').unwrap();
    assert_eq!(done, "data: [DONE]\n\n");
    let comment: Value = serde_json::from_str(comment).unwrap();
    assert_eq!(
        (comment["provider"].as_str(), comment["request_type"].as_str()),
        (Some("first"), Some("chat_completion_stream"))
    );
}

#[tokio::test]
async fn chunks_reach_the_caller_as_they_arrive() {
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    let script = vec![
        stream_head(),
        chunk(&role()),
        chunk(&delta("one")),
        Act::Wait(go.clone()),
        chunk(&delta("two")),
        chunk(&stop()),
        chunk("data: [DONE]\n\n"),
        end(),
    ];
    let upstream = Fake::always(script).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let mut response =
        reqwest::Client::new().post(running.url("/v1/chat/completions")).json(&streamed("m")).send().await.unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert!(
        String::from_utf8_lossy(&first).contains("one"),
        "the first word has arrived while the upstream still waits"
    );
    go.notify_one();
    let mut rest = Vec::new();
    while let Some(more) = response.chunk().await.unwrap() {
        rest.extend_from_slice(&more);
    }
    assert!(String::from_utf8_lossy(&rest).contains("two"));
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_the_upstream_request() {
    let script = vec![stream_head(), chunk(&role()), chunk(&delta("one")), Act::Wait(Default::default())];
    let upstream = Fake::always(script).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let mut response =
        reqwest::Client::new().post(running.url("/v1/chat/completions")).json(&streamed("m")).send().await.unwrap();
    response.chunk().await.unwrap().unwrap();
    drop(response);
    let mut closed = upstream.closed.lock().unwrap().try_recv().ok();
    // The upstream's end of the connection reports it.
    if closed.is_none() {
        let receiver = upstream.closed.clone();
        closed = tokio::task::spawn_blocking(move || receiver.lock().unwrap().blocking_recv()).await.unwrap();
    }
    assert_eq!(closed, Some(()));
    let record = running.record().await;
    assert_eq!((record["status"].as_u64(), record["error_type"].as_str()), (Some(499), Some("client_closed")));
}

#[tokio::test]
async fn usage_is_recorded_although_the_caller_has_gone() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n";
    let text = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"one\"}}\n\n";
    // To a caller of the same dialect, and of another one.
    for (path, body) in [
        (
            "/v1/messages",
            json!({"model": "m", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "x"}]}),
        ),
        ("/v1/chat/completions", streamed("m")),
    ] {
        let script = vec![stream_head(), chunk(start), chunk(text), Act::Wait(Default::default())];
        let upstream = Fake::always(script).await;
        let running = Running::new(document(1, vec![typed("first", "Anthropic", &upstream.url)])).await;
        let mut body = body;
        body["model"] = json!("first/m");
        let mut response = reqwest::Client::new().post(running.url(path)).json(&body).send().await.unwrap();
        response.chunk().await.unwrap().unwrap();
        drop(response);
        let receiver = upstream.closed.clone();
        tokio::task::spawn_blocking(move || receiver.lock().unwrap().blocking_recv()).await.unwrap().unwrap();
        let record = running.record().await;
        assert_eq!((record["status"].as_u64(), record["tokens"]["input"].as_u64()), (Some(499), Some(25)), "{path}");
    }
}

#[tokio::test]
async fn a_gemini_caller_without_alt_sse_gets_an_array() {
    for (kind, script) in [
        ("OpenAICompatible", streamed_answer("hi")),
        (
            "Gemini",
            vec![
                stream_head(),
                chunk(
                    "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"hi\"}]},\"finishReason\":\"STOP\"}]}\r\n\r\n",
                ),
                end(),
            ],
        ),
    ] {
        let upstream = Fake::always(script).await;
        let running = Running::new(document(1, vec![typed("first", kind, &upstream.url)])).await;
        let body = json!({"contents": [{"parts": [{"text": "x"}]}]});
        let got = running.post("/v1beta/models/first%2Fm:streamGenerateContent", &body).await;
        let all = got.json();
        let texts: Vec<&str> = all
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["candidates"][0]["content"]["parts"][0]["text"].as_str())
            .collect();
        assert_eq!(texts.concat(), "hi", "{kind}: {}", got.text);
        assert_eq!(got.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn headers_are_relayed_except_those_of_the_account() {
    let headers = "x-request-id: up-1\r\nopenai-processing-ms: 7\r\nset-cookie: a=b\r\nopenai-organization: org\r\nx-ratelimit-remaining-requests: 5\r\nalt-svc: h3\r\n";
    let upstream = Fake::always(json_with(200, headers, &completion("hi"))).await;
    let second = Fake::always(answer("x")).await;
    for (providers, limits) in [
        (vec![provider("first", &upstream.url)], Some("5")),
        (vec![provider("first", &upstream.url), provider("second", &second.url)], None),
    ] {
        let running = Running::new(document(1, providers)).await;
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!(got.header("x-request-id"), Some("up-1"));
        assert_eq!(got.header("openai-processing-ms"), Some("7"));
        assert_eq!(
            (got.header("set-cookie"), got.header("openai-organization"), got.header("alt-svc")),
            (None, None, None)
        );
        assert_eq!(got.header("x-ratelimit-remaining-requests"), limits);
        assert!(got.header("x-outrigger-decision").is_some());
    }
}

#[tokio::test]
async fn the_content_type_is_the_upstreams_if_it_is_correct() {
    for (sent, expected) in [
        ("application/json; charset=UTF-8", "application/json; charset=UTF-8"),
        ("application/json", "application/json"),
        ("text/plain", "application/json"),
    ] {
        let body = completion("hi");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {sent}\r\ncontent-length: {}\r\n\r\n", body.len());
        let upstream = Fake::always(vec![Act::Send(head), Act::Send(body)]).await;
        let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!((got.status, got.header("content-type")), (200, Some(expected)), "{sent}");
        // After a translation it is the gateway's own.
        let asked = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
        let got = running.post("/v1/messages", &asked).await;
        assert_eq!((got.status, got.header("content-type")), (200, Some("application/json")), "{sent}");
    }
}

#[tokio::test]
async fn a_compressed_answer_is_decompressed() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, completion("squeezed").as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4_096];
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await.unwrap();
        assert!(read > 0);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
    });
    let running = Running::new(document(1, vec![provider("first", &url)])).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "squeezed");
    assert_eq!(got.header("content-encoding"), None);
}

#[tokio::test]
async fn a_connection_is_reused() {
    let upstream = Fake::always(answer("hi")).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    for _ in 0..5 {
        running.post("/v1/chat/completions", &chat("m")).await;
    }
    let connections: std::collections::BTreeSet<usize> =
        upstream.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections.len(), 1);
}

#[tokio::test]
async fn a_stored_response_is_used_at_its_account() {
    let stored = r#"{"id":"resp_1","object":"response","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}]}"#;
    let (first, second) =
        (Fake::always(crate::fake::json(200, stored)).await, Fake::always(crate::fake::json(200, stored)).await);
    let mut policy = document(1, vec![provider("first", &first.url), provider("second", &second.url)]);
    policy.keys[0].providers.iter_mut().for_each(|entry| entry.weight = 1);
    let running = Running::new(policy).await;
    let got = running.post("/v1/responses", &json!({"model": "m", "input": "x"})).await;
    let home = got.header("x-outrigger-provider").unwrap().to_owned();
    for _ in 0..20 {
        let later = json!({"model": "m", "input": "y", "previous_response_id": "resp_1"});
        let got = running.post("/v1/responses", &later).await;
        assert_eq!(got.header("x-outrigger-provider"), Some(home.as_str()));
    }
}

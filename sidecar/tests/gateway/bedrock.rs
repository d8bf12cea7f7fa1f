//! Callers of Amazon Bedrock: Converse, and InvokeModel with bodies of Claude, to providers of other dialects.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use outrigger_llm::framing::{Event, EventReader, Framing};
use outrigger_policy::{ModelDoc, ProviderDoc};
use serde_json::{Value, json};

use crate::fake::{Act, Fake, answer, chunk, end, json as reply, stream_head, streamed_answer};
use crate::policies::{Running, document, key, typed};

/// What a caller of Converse sends.
fn converse() -> Value {
    json!({
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 50},
    })
}

/// What a caller of InvokeModel sends.
fn invoke() -> Value {
    json!({
        "anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["context-1m-2025-08-07"], "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hi"}],
    })
}

fn claude() -> Vec<Act> {
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
        "stop_sequence": null, "content": [{"type": "text", "text": "Hello"}],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    });
    reply(200, &message.to_string())
}

/// Events of Anthropic's, with their framing.
fn claude_events(events: &[Value]) -> Vec<Act> {
    let mut acts = vec![stream_head()];
    for event in events {
        let name = event["type"].as_str().unwrap();
        acts.push(chunk(&format!("event: {name}\ndata: {event}\n\n")));
    }
    acts.push(end());
    acts
}

fn claude_stream() -> Vec<Value> {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [],
        "stop_reason": null, "usage": {"input_tokens": 3, "output_tokens": 1}});
    vec![
        json!({"type": "message_start", "message": message}),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ]
}

/// A gateway with one provider that serves any model.
async fn gateway(kind: &str, fake: &Fake) -> Running {
    Running::new(document(1, vec![ProviderDoc { max_attempts: Some(1), ..typed("up", kind, &fake.url) }])).await
}

/// A streamed answer: its status, its media type, and its events.
async fn stream(running: &Running, path: &str, body: &Value) -> (u16, String, Vec<Event>) {
    let response = reqwest::Client::new().post(running.url(path)).json(body).send().await.unwrap();
    let status = response.status().as_u16();
    let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let (mut reader, mut events) = (EventReader::new(Framing::AwsEventStream), Vec::new());
    reader.push(&response.bytes().await.unwrap(), &mut events);
    assert_eq!((reader.failure(), reader.buffered()), (None, 0));
    (status, media_type, events)
}

fn data(event: &Event) -> Value {
    serde_json::from_slice(event.data_bytes().unwrap()).unwrap()
}

#[tokio::test]
async fn converse_is_answered_by_a_provider_of_another_dialect() {
    let upstream = Fake::always(answer("Hello")).await;
    let running = gateway("OpenAICompatible", &upstream).await;
    for path in ["/model/up%2Fgpt-4o/converse", "/bedrock/model/gpt-4o/converse"] {
        let got = running.post(path, &converse()).await;
        assert_eq!(got.status, 200, "{}", got.text);
        assert_eq!(got.json()["output"]["message"], json!({"role": "assistant", "content": [{"text": "Hello"}]}));
        assert_eq!(got.json()["stopReason"], "end_turn");
        assert!(got.json()["usage"]["inputTokens"].is_u64() && got.json()["metrics"]["latencyMs"].is_u64());
        let asked = &upstream.take_requests()[0];
        assert_eq!(asked.json()["model"], "gpt-4o");
        assert_eq!(asked.json()["messages"][0], json!({"role": "system", "content": "Be brief."}));
        assert_eq!(running.record().await["dialect"], "bedrock");
    }
}

#[tokio::test]
async fn converse_stream_is_an_event_stream_with_checksums() {
    let upstream = Fake::always(streamed_answer("Hello")).await;
    let running = gateway("OpenAICompatible", &upstream).await;
    let (status, media_type, events) = stream(&running, "/model/gpt-4o/converse-stream", &converse()).await;
    assert_eq!((status, media_type.as_str()), (200, "application/vnd.amazon.eventstream"));
    let names: Vec<&str> = events.iter().map(Event::name).collect();
    assert_eq!(names.first(), Some(&"messageStart"));
    assert_eq!(names[names.len() - 2..], ["messageStop", "metadata"]);
    let said: String =
        events.iter().filter_map(|event| data(event)["delta"]["text"].as_str().map(str::to_owned)).collect();
    assert_eq!(said, "Hello");
    assert!(!names.contains(&"contentBlockStart"), "text has none");
    assert_eq!(upstream.take_requests()[0].json()["stream"], true);
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_exception() {
    let upstream = Fake::always(vec![stream_head(), chunk(&crate::fake::delta("Hel")), Act::Close]).await;
    let running = gateway("OpenAICompatible", &upstream).await;
    let (_, _, events) = stream(&running, "/model/gpt-4o/converse-stream", &converse()).await;
    let last = events.last().unwrap();
    assert_eq!((last.name(), last.is_exception()), ("internalServerException", true));
    assert!(data(last)["message"].as_str().unwrap().contains("broken"), "{}", data(last));
}

#[tokio::test]
async fn errors_have_the_class_that_awss_sdks_read() {
    let upstream = Fake::always(reply(429, r#"{"error": {"message": "slow down", "type": "rate_limit"}}"#)).await;
    let models = vec![ModelDoc { name: "gpt-4o".to_owned(), ..ModelDoc::default() }];
    let only = ProviderDoc { models, exclusive: true, ..typed("up", "OpenAICompatible", &upstream.url) };
    let running = Running::new(document(1, vec![ProviderDoc { max_attempts: Some(1), ..only }])).await;
    for (path, body, status, class) in [
        ("/model/gpt-4o/converse", converse(), 429, "ThrottlingException"),
        ("/model/gpt-4o/converse-stream", converse(), 429, "ThrottlingException"),
        ("/model/gpt-4o/converse", json!({"messages": 1}), 400, "ValidationException"),
        ("/model/nobody%2Fm/converse", converse(), 404, "ResourceNotFoundException"),
        ("/model/gpt-4o/apply", json!({}), 404, "ResourceNotFoundException"),
        ("/model/gpt-4o/invoke", json!({"inputText": "Hi"}), 400, "ValidationException"),
        ("/model/gpt-4o/invoke", invoke(), 429, "ThrottlingException"),
    ] {
        let got = running.post(path, &body).await;
        assert_eq!((got.status, got.header("x-amzn-errortype")), (status, Some(class)), "{path}: {}", got.text);
        assert!(got.header("x-amzn-requestid").is_some());
        assert!(!got.json()["message"].as_str().unwrap().is_empty(), "{}", got.text);
        assert_eq!(got.json()["__type"], class);
    }
}

#[tokio::test]
async fn invoke_model_reaches_claude_with_its_own_body() {
    let upstream = Fake::always(claude()).await;
    let running = gateway("Anthropic", &upstream).await;
    let got = running.post("/model/claude-sonnet-4-5/invoke", &invoke()).await;
    assert_eq!((got.status, got.json()["content"][0]["text"].as_str()), (200, Some("Hello")), "{}", got.text);
    let asked = upstream.take_requests().remove(0);
    assert_eq!(asked.target(), "/v1/messages");
    assert_eq!(asked.header("anthropic-beta").as_deref(), Some("context-1m-2025-08-07"));
    assert_eq!(
        asked.json(),
        json!({"model": "claude-sonnet-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]})
    );
    // A stream is one because of its path.
    upstream.play(claude_events(&claude_stream()));
    let path = "/model/claude-sonnet-4-5/invoke-with-response-stream";
    let (status, media_type, events) = stream(&running, path, &invoke()).await;
    assert_eq!((status, media_type.as_str()), (200, "application/vnd.amazon.eventstream"));
    assert_eq!(upstream.take_requests()[0].json()["stream"], true);
    let told: Vec<Value> = events
        .iter()
        .map(|event| {
            assert_eq!(event.name(), "chunk");
            serde_json::from_slice(&STANDARD.decode(data(event)["bytes"].as_str().unwrap()).unwrap()).unwrap()
        })
        .collect();
    let sent: Vec<Value> = claude_stream().into_iter().filter(|event| event["type"] != "ping").collect();
    assert_eq!(told, sent);
    assert_eq!(running.record().await["tokens"]["output"], 2);
}

#[tokio::test]
async fn invoke_model_is_translated_for_other_providers() {
    let upstream = Fake::always(answer("Hello")).await;
    let running = gateway("OpenAICompatible", &upstream).await;
    let got = running.post("/model/gpt-4o/invoke", &invoke()).await;
    assert_eq!((got.status, got.json()["content"][0]["text"].as_str()), (200, Some("Hello")), "{}", got.text);
    upstream.play(streamed_answer("Hello"));
    let (_, _, events) = stream(&running, "/model/gpt-4o/invoke-with-response-stream", &invoke()).await;
    let last = STANDARD.decode(data(events.last().unwrap())["bytes"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&last).unwrap(), json!({"type": "message_stop"}));
    // An error inside of the stream is an exception.
    upstream.play(vec![stream_head(), chunk(&crate::fake::delta("Hel")), Act::Close]);
    let (_, _, events) = stream(&running, "/model/gpt-4o/invoke-with-response-stream", &invoke()).await;
    assert_eq!(
        events.last().map(|event| (event.name(), event.is_exception())),
        Some(("modelStreamErrorException", true))
    );
}

/// Without the guardrail, the answer would be unfiltered.
#[tokio::test]
async fn a_guardrail_is_refused() {
    let upstream = Fake::always(claude()).await;
    let running = gateway("Anthropic", &upstream).await;
    let request = reqwest::Client::new()
        .post(running.url("/model/claude-sonnet-4-5/invoke"))
        .header("x-amzn-bedrock-guardrailidentifier", "g")
        .json(&invoke());
    let got = running.send(request).await;
    assert_eq!(got.status, 400);
    let mut guarded = converse();
    guarded["guardrailConfig"] = json!({"guardrailIdentifier": "g", "guardrailVersion": "1"});
    let got = running.post("/model/claude-sonnet-4-5/converse", &guarded).await;
    assert_eq!(got.status, 400);
    assert!(got.text.contains("guardrailConfig"), "{}", got.text);
    assert!(upstream.take_requests().is_empty());
}

/// The id of the access key names the caller's key. Nothing of the signature goes on.
#[tokio::test]
async fn a_signature_names_a_key_and_goes_no_further() {
    let upstream = Fake::always(answer("Hello")).await;
    let mut doc = document(1, vec![typed("up", "OpenAICompatible", &upstream.url)]);
    let mut other = key("other", doc.keys[0].providers.clone());
    other.namespace.clone_from(&doc.keys[0].namespace);
    doc.keys.push(other);
    let running = Running::new(doc).await;
    let signed =
        "AWS4-HMAC-SHA256 Credential=other/20261201/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=abc";
    let request = reqwest::Client::new()
        .post(running.url("/model/gpt-4o/converse"))
        .header("authorization", signed)
        .header("x-amz-date", "20261201T000000Z")
        .header("x-amz-security-token", "session")
        .header("x-amz-content-sha256", "abc")
        .json(&converse());
    assert_eq!(running.send(request).await.status, 200);
    assert!(running.record().await["key"].as_str().unwrap().ends_with("other"));
    let asked = upstream.take_requests().remove(0);
    for name in ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] {
        let value = asked.header(name).unwrap_or_default();
        assert!(!value.contains("AWS4") && !value.contains("session"), "{name}: {value}");
        assert!(value.is_empty() || name == "authorization", "{name}: {value}");
    }
}

#[tokio::test]
async fn models_are_listed_as_aws_does() {
    let upstream = Fake::always(answer("Hello")).await;
    let mut provider = typed("up", "OpenAICompatible", &upstream.url);
    provider.models = vec![ModelDoc { name: "gpt-4o".to_owned(), ..ModelDoc::default() }];
    let running = Running::new(document(1, vec![provider])).await;
    let get = |path: &str| running.send(reqwest::Client::new().get(running.url(path)));
    let all = get("/foundation-models").await.json();
    assert_eq!(all["modelSummaries"][0]["modelId"], "up/gpt-4o", "{all}");
    assert_eq!(get("/foundation-models/up%2Fgpt-4o").await.json()["modelDetails"]["modelId"], "up/gpt-4o");
    assert_eq!(get("/foundation-models/none").await.header("x-amzn-errortype"), Some("ResourceNotFoundException"));
}

/// The framing of a stream does not depend on how the upstream's bytes arrive.
#[tokio::test]
async fn a_whole_answer_becomes_a_stream() {
    let upstream = Fake::always(answer("Hello")).await;
    let running = gateway("OpenAICompatible", &upstream).await;
    let (status, media_type, events) = stream(&running, "/model/gpt-4o/converse-stream", &converse()).await;
    assert_eq!((status, media_type.as_str()), (200, "application/vnd.amazon.eventstream"));
    let raw: Vec<Bytes> = events.iter().map(|event| event.raw().clone()).collect();
    assert!(raw.len() >= 5, "{raw:?}");
    assert_eq!(data(&events[1])["delta"]["text"], "Hello");
}

//! Amazon Bedrock as a provider: Converse for callers of other dialects, Claude with its own body, and the classes of
//! errors.

use outrigger_llm::framing::aws_event_stream::{write_event, write_exception};
use outrigger_policy::{BedrockDoc, ModelDoc, ProviderDoc};
use serde_json::{Value, json};

use crate::clouds::{base, with_key};
use crate::fake::{Act, Fake, answer, json as reply, json_with};
use crate::policies::{Answer, Running, chat, document, typed};

const NOVA: &str = "eu.amazon.nova-2-lite-v1:0";
const CLAUDE: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
const PROFILE: &str = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3";
const API_KEY: &str = "ABSKQmVkcm9ja0FQSUtleS0xMjM0NTY=";

fn bedrock(fake: &Fake) -> ProviderDoc {
    let bedrock = Some(BedrockDoc { region: "eu-central-1".to_owned(), ..BedrockDoc::default() });
    let models = vec![ModelDoc { name: "*".to_owned(), ..ModelDoc::default() }];
    ProviderDoc { bedrock, models, ..typed("bedrock", "Bedrock", &base(fake)) }
}

/// A whole answer of Converse with these blocks.
fn whole(content: &Value, stop: &str) -> Vec<Act> {
    let told = json!({
        "output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop,
        "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}, "metrics": {"latencyMs": 1},
    });
    reply(200, &told.to_string())
}

/// A streamed answer of Converse.
fn stream(events: &[(&str, Value)]) -> Vec<Act> {
    let mut body = Vec::new();
    for (name, data) in events {
        match name.ends_with("Exception") {
            true => write_exception(name, data, &mut body),
            false => write_event(name, data, &mut body),
        }
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    vec![Act::Send(head), Act::Bytes(body)]
}

fn start() -> (&'static str, Value) {
    ("messageStart", json!({"role": "assistant"}))
}

fn text(text: &str) -> (&'static str, Value) {
    ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": text}}))
}

fn finish(stop: &str) -> [(&'static str, Value); 3] {
    [
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("messageStop", json!({"stopReason": stop})),
        ("metadata", json!({"usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}})),
    ]
}

fn streamed_text() -> Vec<Act> {
    let mut events = vec![start(), text("Hel"), text("lo")];
    events.extend(finish("end_turn"));
    stream(&events)
}

/// The paths and bodies of callers of four APIs, whole or streamed.
fn questions(model: &str, stream: bool) -> [(String, Value); 4] {
    let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    [
        (
            "/v1/chat/completions".to_owned(),
            json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}),
        ),
        (
            "/v1/messages".to_owned(),
            json!({"model": model, "stream": stream, "max_tokens": 50,
                "messages": [{"role": "user", "content": "Hi"}]}),
        ),
        (
            format!("/v1beta/models/bedrock%2F{model}:{verb}"),
            json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}),
        ),
        ("/v1/responses".to_owned(), json!({"model": model, "stream": stream, "store": false, "input": "Hi"})),
    ]
}

async fn tokens(running: &Running) -> (Option<u64>, Option<u64>) {
    let record = running.record().await;
    (record["tokens"]["input"].as_u64(), record["tokens"]["output"].as_u64())
}

#[tokio::test]
async fn callers_of_four_apis_reach_converse() {
    let upstream = Fake::always(Vec::new()).await;
    let running = with_key(bedrock(&upstream), API_KEY).await;
    for (stream, operation) in [(false, "converse"), (true, "converse-stream")] {
        for (path, body) in questions(NOVA, stream) {
            upstream.play(if stream { streamed_text() } else { whole(&json!([{"text": "Hello"}]), "end_turn") });
            let got = running.post(&path, &body).await;
            assert_eq!(got.status, 200, "{path}: {}", got.text);
            match stream {
                true => assert!(got.text.contains("Hel") && got.text.contains("lo"), "{path}: {}", got.text),
                false => assert!(got.text.contains("Hello"), "{path}: {}", got.text),
            }
            let asked = upstream.take_requests().remove(0);
            assert_eq!(asked.target(), format!("/model/eu.amazon.nova-2-lite-v1%3A0/{operation}"), "{path}");
            assert_eq!(asked.json()["messages"], json!([{"role": "user", "content": [{"text": "Hi"}]}]), "{path}");
            assert_eq!(asked.header("authorization"), Some(format!("Bearer {API_KEY}")));
            assert_eq!(tokens(&running).await, (Some(7), Some(3)), "{path}");
        }
    }
}

/// An inference profile is named by its ARN, whose slash belongs to the name.
#[tokio::test]
async fn an_inference_profile_is_one_segment_of_the_path() {
    let upstream = Fake::always(whole(&json!([{"text": "Hello"}]), "end_turn")).await;
    let mut provider = bedrock(&upstream);
    let upstream_name = Some(PROFILE.to_owned());
    provider.models.insert(0, ModelDoc { name: "chat".to_owned(), upstream_name, ..ModelDoc::default() });
    let running = with_key(provider, API_KEY).await;
    for model in ["chat", PROFILE] {
        let got = running.post("/v1/chat/completions", &chat(&format!("bedrock/{model}"))).await;
        assert_eq!(got.status, 200, "{}", got.text);
        let path = "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2c3";
        assert_eq!(upstream.take_requests()[0].target(), format!("{path}/converse"));
    }
}

#[tokio::test]
async fn tools_are_called_and_their_results_return() {
    let call = json!({"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "Paris"}});
    let upstream = Fake::always(Vec::new()).await;
    let running = with_key(bedrock(&upstream), API_KEY).await;
    let tool = json!({"type": "function", "function": {"name": "get_weather", "parameters":
        {"type": "object", "properties": {"city": {"type": "string"}}}}});
    let mut body = chat(NOVA);
    body["tools"] = json!([tool]);
    upstream.play(whole(&json!([{"text": "Let me see."}, {"toolUse": call}]), "tool_use"));
    let got = running.post("/v1/chat/completions", &body).await.json();
    let choice = &got["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{got}");
    assert_eq!(choice["message"]["tool_calls"][0]["function"]["arguments"], r#"{"city":"Paris"}"#);
    let spec = &upstream.take_requests()[0].json()["toolConfig"]["tools"][0]["toolSpec"];
    assert_eq!(spec["inputSchema"]["json"]["properties"]["city"]["type"], "string", "{spec}");

    // The second turn: the call as it was, and its result in the next turn of the user.
    let mut messages = body["messages"].as_array().unwrap().clone();
    let id = choice["message"]["tool_calls"][0]["id"].clone();
    messages.push(choice["message"].clone());
    messages.push(json!({"role": "tool", "tool_call_id": id, "content": "18"}));
    body["messages"] = json!(messages);
    upstream.play(whole(&json!([{"text": "18 degrees"}]), "end_turn"));
    assert_eq!(running.post("/v1/chat/completions", &body).await.status, 200);
    let sent = upstream.take_requests()[0].json();
    assert_eq!(sent["messages"][1]["content"][1], json!({"toolUse": call}), "{sent}");
    let result = &sent["messages"][2]["content"][0]["toolResult"];
    assert_eq!((&result["toolUseId"], &result["content"][0]["text"]), (&json!("tooluse_1"), &json!("18")), "{sent}");

    // Streamed: the arguments come in pieces.
    let start_call =
        json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather"}}});
    let piece = |text: &str| json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": text}}});
    let mut events = vec![start(), ("contentBlockStart", start_call)];
    events.extend(["{\"city\":", " \"Paris\"}"].map(|part| ("contentBlockDelta", piece(part))));
    events.extend(finish("tool_use"));
    upstream.play(stream(&events));
    body["stream"] = json!(true);
    let got = running.post("/v1/chat/completions", &body).await;
    let chunks: Vec<Value> = got
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let arguments: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str())
        .collect();
    assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({"city": "Paris"}), "{}", got.text);
    assert!(chunks.iter().any(|chunk| chunk["choices"][0]["finish_reason"] == "tool_calls"), "{}", got.text);
}

/// Each family of models is asked for thoughts in its own words, and what it thought is told in the caller's.
#[tokio::test]
async fn thinking_is_asked_for_in_the_words_of_the_model() {
    let thought = json!({"reasoningContent": {"reasoningText": {"text": "Hmm.", "signature": "c2ln"}}});
    let upstream = Fake::always(whole(&json!([thought, {"text": "Hello"}]), "end_turn")).await;
    let running = with_key(bedrock(&upstream), API_KEY).await;
    let mut body = chat(NOVA);
    body["reasoning_effort"] = json!("low");
    let got = running.post("/v1/chat/completions", &body).await;
    let asked = upstream.take_requests().remove(0);
    assert_eq!(
        asked.json()["additionalModelRequestFields"],
        json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}})
    );
    assert_eq!(got.json()["choices"][0]["message"]["content"], "Hello", "{}", got.text);
    assert!(got.text.contains("Hmm."), "{}", got.text);

    // Claude is called with its own body.
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
        "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}, "content": [
            {"type": "thinking", "thinking": "Hmm.", "signature": "c2ln"}, {"type": "text", "text": "Hello"},
        ],
    });
    upstream.play(reply(200, &message.to_string()));
    body["model"] = json!(CLAUDE);
    body["max_completion_tokens"] = json!(9_000);
    let got = running.post("/v1/chat/completions", &body).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "Hello", "{}", got.text);
    assert!(got.text.contains("Hmm."), "{}", got.text);
    let asked = upstream.take_requests().remove(0);
    assert_eq!(asked.target(), "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke");
    let sent = asked.json();
    assert_eq!((&sent["anthropic_version"], sent.get("model")), (&json!("bedrock-2023-05-31"), None), "{sent}");
    assert_eq!(sent["thinking"]["type"], "enabled", "{sent}");
    assert!(sent["thinking"]["budget_tokens"].as_u64().is_some_and(|budget| budget < 9_000), "{sent}");
}

/// The error of a caller of OpenAI's API, and whether the next provider was asked.
async fn fails(script: Vec<Act>, stream: bool) -> (Answer, Value, bool) {
    let upstream = Fake::always(script).await;
    let second = Fake::always(answer("second")).await;
    let running = with_key(bedrock(&upstream), API_KEY).await;
    let mut body = chat("bedrock/m");
    body["stream"] = json!(stream);
    let alone = running.post("/v1/chat/completions", &body).await;
    let mut others = document(1, vec![bedrock(&upstream), crate::policies::provider("second", &second.url)]);
    for provider in &mut others.providers {
        provider.max_attempts = Some(1);
    }
    let both = Running::with_values(others, |_| API_KEY.to_owned()).await;
    body["model"] = json!("m");
    both.post("/v1/chat/completions", &body).await;
    let record = both.record().await;
    let failed_over = !second.asked().is_empty();
    (alone, record, failed_over)
}

#[tokio::test]
async fn errors_are_told_apart_by_their_class_and_not_by_their_status() {
    for (status, exception, message, class, fails_over) in [
        (429, "ThrottlingException", "Too many requests", "rate_limited", true),
        (400, "ServiceQuotaExceededException", "Your request exceeds the quota", "rate_limited", true),
        (503, "ServiceUnavailableException", "Unable to process", "overloaded", true),
        (403, "UnrecognizedClientException", "The security token is invalid.", "credential", true),
        (403, "ExpiredTokenException", "The security token is expired", "credential", true),
        (400, "ValidationException", "Malformed input request", "caller", false),
    ] {
        let headers = format!("x-amzn-errortype: {exception}:http://internal.amazon.com/coral/\r\n");
        let script = json_with(status, &headers, &json!({"message": message}).to_string());
        let (alone, record, failed_over) = fails(script, false).await;
        assert_eq!(record["attempts"][0]["error"], class, "{exception}: {record}");
        assert_eq!(failed_over, fails_over, "{exception}: {record}");
        assert!(alone.status >= 400 && !alone.text.contains(API_KEY), "{exception}: {}", alone.text);
        assert!(alone.text.contains(message), "{exception}: {}", alone.text);
    }
}

#[tokio::test]
async fn an_exception_in_a_stream_fails_over_until_something_was_told() {
    let throttled = ("throttlingException", json!({"message": "slow down"}));
    let (alone, record, failed_over) = fails(stream(&[start(), throttled.clone()]), true).await;
    assert_eq!((alone.status, failed_over), (429, true), "{}", alone.text);
    assert_eq!(record["attempts"][0]["error"], "rate_limited", "{record}");
    let (alone, _, failed_over) = fails(stream(&[start(), text("Hel"), throttled]), true).await;
    assert_eq!((alone.status, failed_over), (200, false), "{}", alone.text);
    assert!(alone.text.contains("Hel") && alone.text.contains("slow down"), "{}", alone.text);
    assert!(!alone.text.contains("[DONE]"), "{}", alone.text);
}

#[tokio::test]
async fn a_stream_with_a_flipped_bit_is_broken() {
    let mut script = streamed_text();
    let Some(Act::Bytes(body)) = script.last_mut() else { panic!("no bytes") };
    let middle = body.len() / 2;
    body[middle] ^= 1;
    let (alone, _, _) = fails(script, true).await;
    assert!(alone.text.contains("error") && !alone.text.contains("[DONE]"), "{}", alone.text);
}

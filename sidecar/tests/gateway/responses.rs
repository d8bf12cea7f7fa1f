//! OpenAI's Responses: as they are to providers that have this API, and as conversations to all others.

use outrigger_policy::ModelDoc;
use serde_json::{Value, json};

use crate::fake::{Act, Fake, answer, chunk, delta, end, json as reply, role, stream_head, streamed_answer};
use crate::policies::{Running, document, typed};

const PATH: &str = "/v1/responses";

fn asked() -> Value {
    json!({"model": "m", "input": "Hi", "store": false})
}

fn streamed() -> Value {
    json!({"model": "m", "input": "Hi", "store": false, "stream": true})
}

/// A provider of this type that serves any name.
fn any(name: &str, kind: &str, fake: &Fake) -> outrigger_policy::ProviderDoc {
    let models = vec![ModelDoc { name: "*".to_owned(), ..ModelDoc::default() }];
    outrigger_policy::ProviderDoc { models, ..typed(name, kind, &fake.url) }
}

fn claude() -> Vec<Act> {
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
        "stop_sequence": null, "content": [{"type": "text", "text": "hi"}],
        "usage": {"input_tokens": 3, "output_tokens": 2},
    });
    reply(200, &message.to_string())
}

fn native() -> Vec<Act> {
    let message = json!({"type": "message", "content": [{"type": "output_text", "text": "hi"}]});
    reply(200, &json!({"id": "resp_9", "object": "response", "status": "completed", "output": [message]}).to_string())
}

/// The events of a body.
fn events(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_provider_of_another_api_answers_as_a_conversation() {
    let fake = Fake::always(claude()).await;
    let running = Running::new(document(1, vec![any("first", "Anthropic", &fake)])).await;
    let got = running.post(PATH, &json!({"model": "m", "input": "Hi", "metadata": {"a": "b"}})).await;
    let body = got.json();
    assert_eq!((got.status, &body["object"], &body["status"]), (200, &json!("response"), &json!("completed")));
    assert_eq!(body["output"][0]["content"][0]["text"], "hi");
    assert_eq!(body["usage"]["total_tokens"], 5);
    assert_eq!(body["metadata"], json!({"a": "b"}));
    assert_eq!(body["extra_fields"]["provider"], "first");
    assert_eq!(got.header("x-outrigger-adapted"), Some("store, metadata"));
    let sent = fake.asked().remove(0);
    assert_eq!(sent.target(), "/v1/messages");
    assert_eq!(sent.json()["messages"][0]["content"][0]["text"], "Hi");
    let record = running.record().await;
    assert_eq!((&record["operation"], &record["tokens"]["input"]), (&json!("responses"), &json!(3)));
}

#[tokio::test]
async fn a_server_of_chat_completions_alone_answers_as_a_conversation() {
    let fake = Fake::new(vec![answer("hi"), streamed_answer("hi")]).await;
    let running = Running::new(document(1, vec![any("first", "Mistral", &fake)])).await;
    let got = running.post(PATH, &asked()).await;
    assert_eq!(got.json()["output"][0]["content"][0]["text"], "hi");
    let got = running.post(PATH, &streamed()).await;
    assert_eq!(got.header("content-type"), Some("text/event-stream"));
    let events = events(&got.text);
    assert_eq!(types(&events).first(), Some(&"response.created"));
    assert_eq!(types(&events).last(), Some(&"response.completed"));
    let pieces: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(pieces, "hi");
    assert_eq!(events.last().unwrap()["response"]["output"][0]["content"][0]["text"], "hi");
    for sent in fake.asked() {
        assert_eq!(sent.target(), "/v1/chat/completions");
    }
}

#[tokio::test]
async fn a_provider_with_this_api_gets_the_callers_bytes() {
    let fake = Fake::always(native()).await;
    for kind in ["OpenAI", "xAI", "OpenAICompatible"] {
        let running = Running::new(document(1, vec![any("first", kind, &fake)])).await;
        let bytes = r#"{ "novelty":[1.50], "input":"Hi","model" : "m"}"#;
        let got = running.send(reqwest::Client::new().post(running.url(PATH)).body(bytes)).await;
        assert_eq!(got.json()["id"], "resp_9");
        let sent = fake.take_requests().remove(0);
        assert_eq!((sent.target(), sent.body.as_str()), (PATH, bytes));
    }
}

#[tokio::test]
async fn what_is_stored_at_a_provider_is_asked_for_nowhere_else() {
    let (stateless, openai) = (Fake::always(claude()).await, Fake::always(native()).await);
    let later = json!({"model": "m", "input": "Hi", "previous_response_id": "resp_9"});
    let both = vec![any("first", "Anthropic", &stateless), any("second", "OpenAI", &openai)];
    let running = Running::new(document(1, both)).await;
    let got = running.post(PATH, &later).await;
    assert_eq!((got.status, got.header("x-outrigger-provider")), (200, Some("second")));

    let alone = Running::new(document(1, vec![any("first", "Anthropic", &stateless)])).await;
    for (body, field) in [
        (later, "previous_response_id"),
        (json!({"model": "m", "input": "Hi", "tools": [{"type": "web_search"}]}), "tools[].type:web_search"),
    ] {
        let got = alone.post(PATH, &body).await;
        let error = &got.json()["error"];
        assert_eq!((got.status, error["type"].as_str()), (400, Some("unsupported_parameter")));
        assert!(error["message"].as_str().unwrap().contains(field), "{error}");
    }
    assert_eq!(stateless.asked().len(), 0);
}

#[tokio::test]
async fn the_ids_of_translated_answers_bind_nobody() {
    let (translated, openai) = (Fake::always(claude()).await, Fake::always(native()).await);
    let both = vec![any("first", "Anthropic", &translated), any("second", "OpenAI", &openai)];
    let running = Running::new(document(1, both)).await;
    let got = running.post(PATH, &asked()).await;
    assert_eq!(got.header("x-outrigger-provider"), Some("first"));
    let id = got.json()["id"].as_str().unwrap().to_owned();
    let got = running.post(PATH, &json!({"model": "m", "input": "y", "previous_response_id": id})).await;
    assert_eq!(got.header("x-outrigger-provider"), Some("second"));
}

#[tokio::test]
async fn a_fallback_from_one_api_to_the_other() {
    let (busy, other) = (Fake::always(reply(503, "{}")).await, Fake::always(claude()).await);
    let both = vec![any("first", "OpenAI", &busy), any("second", "Anthropic", &other)];
    let running = Running::new(document(1, both)).await;
    let got = running.post(PATH, &asked()).await;
    assert_eq!((got.status, got.header("x-outrigger-provider")), (200, Some("second")));
    assert_eq!(got.json()["output"][0]["content"][0]["text"], "hi");
}

#[tokio::test]
async fn a_lost_stream_ends_with_an_error_and_a_failed_response() {
    let script = vec![stream_head(), chunk(&format!("{}{}", role(), delta("hi"))), Act::Close];
    let fake = Fake::always(script).await;
    let running = Running::new(document(1, vec![any("first", "Mistral", &fake)])).await;
    let got = running.post(PATH, &streamed()).await;
    let events = events(&got.text);
    let last = &events[events.len() - 2..];
    assert_eq!(types(last), ["error", "response.failed"]);
    assert_eq!(last[0]["error"]["type"], "upstream_unreachable");
    assert_eq!(last[1]["response"]["status"], "failed");
    let numbers: Vec<u64> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());

    // A stream that passes through, of which the gateway keeps no account.
    let created =
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n";
    let fake = Fake::always(vec![stream_head(), chunk(created), Act::Close]).await;
    let running = Running::new(document(1, vec![any("first", "OpenAI", &fake)])).await;
    let got = running.post(PATH, &streamed()).await;
    let events = self::events(&got.text);
    assert_eq!(types(&events), ["response.output_text.delta", "error"]);
    assert_eq!(events[1]["error"]["type"], "upstream_unreachable");
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_is_written_as_events() {
    let fake = Fake::always(claude()).await;
    let running = Running::new(document(1, vec![any("first", "Anthropic", &fake)])).await;
    let got = running.post(PATH, &streamed()).await;
    assert_eq!(types(&events(&got.text)).last(), Some(&"response.completed"));
}

#[tokio::test]
async fn an_empty_stream_is_no_answer() {
    let fake = Fake::always(vec![stream_head(), chunk("data: [DONE]\n\n"), end()]).await;
    let other = Fake::always(streamed_answer("hi")).await;
    let both = vec![any("first", "Mistral", &fake), any("second", "Cerebras", &other)];
    let running = Running::new(document(1, both)).await;
    let got = running.post(PATH, &streamed()).await;
    assert_eq!(got.header("x-outrigger-provider"), Some("second"));
    assert_eq!(types(&events(&got.text)).last(), Some(&"response.completed"));
}

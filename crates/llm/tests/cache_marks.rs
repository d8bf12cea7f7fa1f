//! Where a caller wants the prompt cached is told to the providers that have such marks.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_llm::provider::Target;
use outrigger_llm::{EncodedRequest, Format, decode_request, encode_request};
use serde_json::{Value, json};

fn crossed(caller: Format, body: &Value, upstream: Format, model: &str) -> EncodedRequest {
    let request = decode_request(caller, body.as_object().unwrap(), "m", false).unwrap();
    encode_request(caller, &request, &Target::vendor(upstream.dialect(), model), None).unwrap()
}

fn openai() -> Value {
    let mark = json!({"type": "ephemeral"});
    json!({
        "tools": [{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief.", "cache_control": mark}]},
            {"role": "user", "content": [{"type": "text", "text": "A book.", "cache_control": mark}, {"type": "text", "text": "What is it?"}]},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "ok", "cache_control": mark}]},
        ],
    })
}

#[test]
fn marks_of_openais_clients_reach_anthropic() {
    let encoded = crossed(Format::OpenAiChat, &openai(), Format::Anthropic, "claude-sonnet-4-5");
    let (body, mark) = (Value::Object(encoded.body), json!({"type": "ephemeral"}));
    assert_eq!(body["tools"][0]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    assert_eq!(body["system"], json!([{"type": "text", "text": "Be brief.", "cache_control": mark}]));
    assert_eq!(
        body["messages"][0]["content"],
        json!([{"type": "text", "text": "A book.", "cache_control": mark}, {"type": "text", "text": "What is it?"}])
    );
    assert_eq!(body["messages"][2]["content"][0]["cache_control"], mark);
    assert_eq!(encoded.left_out, [""; 0]);
}

#[test]
fn marks_reach_the_models_of_bedrock_that_have_them() {
    let point = json!({"cachePoint": {"type": "default"}});
    let encoded = crossed(Format::OpenAiChat, &openai(), Format::Bedrock, "us.amazon.nova-pro-v1:0");
    let body = Value::Object(encoded.body);
    assert_eq!(body["system"], json!([{"text": "Be brief."}, point]));
    assert_eq!(body["messages"][0]["content"], json!([{"text": "A book."}, point, {"text": "What is it?"}]));
    assert_eq!(encoded.left_out, ["tools[].cache_control"]);
    let encoded = crossed(Format::OpenAiChat, &openai(), Format::Bedrock, "meta.llama3-3-70b-instruct-v1:0");
    assert!(!Value::Object(encoded.body).to_string().contains("cachePoint"));
    assert_eq!(encoded.left_out, ["tools[].cache_control", "cache_control"]);
}

#[test]
fn anthropic_and_bedrock_read_each_others_marks() {
    let tool = json!({"name": "f", "inputSchema": {"json": {"type": "object"}}});
    let bedrock = json!({
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}, {"text": "In French."}],
        "toolConfig": {"tools": [{"toolSpec": tool}, {"cachePoint": {"type": "default", "ttl": "1h"}}]},
        "messages": [{"role": "user", "content": [{"text": "A book."}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "What is it?"}]}],
    });
    let body = Value::Object(crossed(Format::Bedrock, &bedrock, Format::Anthropic, "claude-sonnet-4-5").body);
    let mark = json!({"type": "ephemeral"});
    assert_eq!(
        body["system"],
        json!([{"type": "text", "text": "Be brief.", "cache_control": mark}, {"type": "text", "text": "In French."}])
    );
    assert_eq!(body["tools"][0]["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    // Anthropic refuses an hour after five minutes.
    assert_eq!(body["messages"][0]["content"][0]["cache_control"], mark);
    assert_eq!(body["messages"][0]["content"][1].get("cache_control"), None);

    let anthropic = json!({
        "max_tokens": 9,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": mark}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "A book.", "cache_control": mark}, {"type": "text", "text": "Why?"}]}],
    });
    let body = Value::Object(crossed(Format::Anthropic, &anthropic, Format::Bedrock, "amazon.nova-lite-v1:0").body);
    let point = json!({"cachePoint": {"type": "default"}});
    assert_eq!(body["system"], json!([{"text": "Be brief."}, point]));
    assert_eq!(body["messages"][0]["content"], json!([{"text": "A book."}, point, {"text": "Why?"}]));
}

#[test]
fn providers_without_marks_are_sent_none() {
    for upstream in [Format::Gemini, Format::Cohere] {
        let encoded = crossed(Format::OpenAiChat, &openai(), upstream, "m");
        assert!(!Value::Object(encoded.body).to_string().contains("cache"), "{upstream:?}");
        assert!(encoded.left_out.iter().any(|field| field == "messages[].content[].cache_control"), "{upstream:?}");
    }
}

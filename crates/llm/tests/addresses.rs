//! A caller of one API cannot make a provider of another one open what only the gateway's identity may read.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_llm::provider::Target;
use outrigger_llm::{CallerFormat, Format, RequestError, decode_request, encode_request};
use serde_json::{Value, json};

/// A request of each API that can name an address, with a picture behind it.
fn requests(url: &str) -> [(CallerFormat, Value); 5] {
    let turn = |part: Value| json!({"role": "user", "content": [part]});
    let openai = json!({"messages": [turn(json!({"type": "image_url", "image_url": {"url": url}}))]});
    [
        (Format::OpenAiChat.into(), openai.clone()),
        (Format::Cohere.into(), openai),
        (
            Format::Anthropic.into(),
            json!({"max_tokens": 9, "messages": [turn(json!({"type": "image", "source": {"type": "url", "url": url}}))]}),
        ),
        (
            Format::Gemini.into(),
            json!({"contents": [{"role": "user", "parts": [{"fileData": {"mimeType": "image/png", "fileUri": url}}]}]}),
        ),
        (CallerFormat::OpenAiResponses, json!({"input": [turn(json!({"type": "input_image", "image_url": url}))]})),
    ]
}

#[test]
fn addresses_of_storage_do_not_cross() {
    for url in ["gs://bucket/a.png", "S3://bucket/a.png", "file:///var/run/secrets/token"] {
        for (caller, body) in requests(url) {
            let request = match decode_request(caller, body.as_object().unwrap(), "m", false) {
                Ok(request) => request,
                // Some formats know which addresses they have.
                Err(error) => {
                    assert!(!url.starts_with("gs:") && matches!(error, RequestError::Invalid { .. }), "{error}");
                    continue;
                }
            };
            for upstream in Format::ALL.into_iter().filter(|upstream| CallerFormat::from(*upstream) != caller) {
                let refused = encode_request(caller, &request, &Target::vendor(upstream.dialect(), "m"), None);
                let Err(RequestError::Unsupported { field, .. }) = refused else {
                    panic!("{url} of {caller:?} reaches {upstream:?}")
                };
                assert!(field.ends_with(": address from another API"), "{field}");
            }
        }
    }
}

#[test]
fn a_tools_result_is_searched_too() {
    let result = json!({"type": "tool_result", "tool_use_id": "c", "content": [
        {"type": "image", "source": {"type": "url", "url": "gs://bucket/a.png"}}]});
    let body = json!({"max_tokens": 9, "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": [result]}]});
    let request = decode_request(Format::Anthropic, body.as_object().unwrap(), "m", false).unwrap();
    let target = Target::vendor(Format::Gemini.dialect(), "gemini-2.5-flash");
    let field = "a gs: address from another API".to_owned();
    let refused = RequestError::Unsupported { field, upstream: Format::Gemini.dialect() };
    assert_eq!(encode_request(Format::Anthropic, &request, &target, None), Err(refused));
}

#[test]
fn addresses_of_the_web_cross() {
    for (caller, body) in requests("https://a.example/a.png") {
        let request = decode_request(caller, body.as_object().unwrap(), "m", false).unwrap();
        let upstream = if caller == Format::Gemini.into() { Format::OpenAiChat } else { Format::Gemini };
        let target = Target::vendor(upstream.dialect(), "m");
        let encoded = encode_request(caller, &request, &target, None).unwrap();
        assert!(Value::Object(encoded.body).to_string().contains("https://a.example/a.png"), "{caller:?}");
    }
}

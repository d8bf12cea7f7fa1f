use serde_json::{Value, json};

use super::fields::FIELDS;
use super::request::decode;
use crate::chat::fields::FieldHandling::{Hint, Refused};
use crate::chat::{ChatEvent, ChatResponse, Finish, Part, Thought};
use crate::provider::Target;
use crate::registry::{fields, fit, handling};
use crate::usage::Usage;
use crate::{Answer, CallerFormat, Dialect, Format, RequestError, StreamEncoder, encode_request, encode_response};

const CALLER: CallerFormat = CallerFormat::OllamaGenerate;

fn sent(body: &Value) -> Result<(Value, Vec<String>), RequestError> {
    let request = crate::decode_request(CALLER, body.as_object().unwrap(), "m", false)?;
    let encoded = encode_request(CALLER, &request, &Target::vendor(Dialect::OpenAi, "gpt-4o"), None)?;
    Ok((Value::Object(encoded.body), encoded.left_out))
}

#[test]
fn a_prompt_becomes_a_conversation_of_one_turn() {
    let body = json!({"model": "m", "prompt": "What is this?", "system": "Be brief.", "images": ["/9j/AAAA"],
        "suffix": "", "template": "", "raw": false, "context": null, "stream": false, "keep_alive": "5m",
        "options": {"num_predict": 100, "temperature": 0.5, "num_ctx": 8192}});
    let (body, left_out) = sent(&body).unwrap();
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/AAAA"}});
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [image, {"type": "text", "text": "What is this?"}]},
        ])
    );
    assert_eq!((&body["temperature"], &body["max_tokens"]), (&json!(0.5), &json!(100)));
    assert_eq!(left_out, ["keep_alive", "options.num_ctx"]);
}

#[test]
fn each_row_is_handled_as_specified() {
    for row in fields(CALLER) {
        let mut body = json!({"prompt": "Hi"});
        let sample: Value = serde_json::from_str(row.sample).unwrap();
        match row.path.split_once('.') {
            Some((object, key)) => body[object] = json!({key: sample}),
            None => body[row.path] = sample,
        }
        let request = decode(body.as_object().unwrap()).unwrap_or_else(|error| panic!("{}: {error}", row.path));
        for upstream in Format::ALL {
            let fitted = fit(CALLER, &request.fields, upstream);
            match handling(CALLER, row.path, upstream) {
                Hint => assert!(fitted.unwrap().iter().any(|hint| hint == row.path), "{} to {upstream:?}", row.path),
                Refused => assert!(fitted.is_err(), "{} to {upstream:?}", row.path),
                _ => assert_eq!(fitted, Ok(vec![]), "{} to {upstream:?}", row.path),
            }
        }
    }
    assert!(FIELDS.iter().any(|row| row.path == "context"));
}

#[test]
fn a_request_without_a_prompt_is_refused() {
    for body in [json!({}), json!({"prompt": ""}), json!({"prompt": null, "keep_alive": 0}), json!({"prompt": 1})] {
        let refused = decode(body.as_object().unwrap()).unwrap_err();
        assert!(matches!(&refused, RequestError::Invalid { path, .. } if path == "prompt"), "{body}: {refused}");
    }
    let novel = decode(json!({"prompt": "a", "novelty": 1}).as_object().unwrap()).unwrap();
    assert!(fit(CALLER, &novel.fields, Format::OpenAiChat).is_err());
}

#[test]
fn an_answer_is_a_response() {
    let thought = Thought { text: Some("Hm.".into()), ..Thought::default() };
    let response = ChatResponse {
        id: None,
        model: Some("gpt-4o".into()),
        parts: vec![Part::Thinking(thought), Part::Text("Hello".into())],
        finish: Some(Finish::Length),
        stop_sequence: None,
        usage: Usage { input: Some(7), output: Some(3), ..Usage::default() },
        citations: Vec::new(),
    };
    let answer = Answer { created: 1_764_000_000, latency_ms: 2, ..Answer::default() };
    let last = json!({"done_reason": "length", "total_duration": 2_000_000, "prompt_eval_count": 7, "eval_count": 3});
    let mut expected = json!({"model": "gpt-4o", "created_at": "2025-11-24T16:00:00Z", "response": "Hello",
        "thinking": "Hm.", "done": true});
    expected.as_object_mut().unwrap().extend(last.as_object().unwrap().clone());
    assert_eq!(encode_response(CALLER, &response, &answer), expected);

    let (mut encoder, mut bytes) = (StreamEncoder::new(CALLER, answer), Vec::new());
    for event in [
        ChatEvent::Start { id: None, model: Some("gpt-4o".into()) },
        ChatEvent::Text("Hel".into()),
        ChatEvent::Text("lo".into()),
        ChatEvent::Usage(response.usage),
        ChatEvent::Finish { reason: Finish::Length, stop_sequence: None },
        ChatEvent::End,
    ] {
        encoder.push(&event, &mut bytes);
    }
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<&Value> = lines.iter().map(|line| &line["response"]).collect();
    assert_eq!(said, [&json!("Hel"), &json!("lo"), &json!("")]);
    assert_eq!(
        (&lines[0]["done"], &lines[2]["done"], &lines[2]["eval_count"]),
        (&json!(false), &json!(true), &json!(3))
    );
}

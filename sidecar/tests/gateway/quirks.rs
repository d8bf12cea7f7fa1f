//! Failover within one API to a server that accepts less: what it would refuse is changed before it is sent.

use serde_json::{Value, json};

use crate::fake::{Act, Fake, completion, json as replies, streamed_answer};
use crate::policies::{Running, document, provider, typed};

/// A request with what OpenAI accepts and Mistral refuses.
fn of_openai() -> Value {
    json!({
        "model": "m",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "What time is it?", "name": "ann"},
            {"role": "assistant", "content": null, "refusal": null, "annotations": [], "tool_calls": [
                {"id": "call_abcdefghijklmnop", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "call_abcdefghijklmnop", "content": "noon"},
            {"role": "user", "content": "In words?"},
            {"role": "system", "content": "In English."},
        ],
        "tools": [{"type": "function", "function": {"name": "clock", "parameters":
            {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {}}}}],
        "max_completion_tokens": 50,
        "temperature": 1.75,
        "seed": 7,
        "user": "u-1",
        "store": true,
        "logit_bias": {},
        "n": 1,
    })
}

/// What Mistral answers: 422 for each field that it does not know, 400 for messages in another order than it wants.
fn mistral(body: &str) -> Vec<Act> {
    let body: Value = serde_json::from_str(body).unwrap();
    match refused(&body) {
        Some((status, problem)) => {
            let error = json!({"object": "error", "type": "invalid_request_error", "code": "3001",
                "message": {"detail": [{"type": "extra_forbidden", "msg": problem}]}});
            replies(status, &error.to_string())
        }
        None if body["stream"] == true => streamed_answer("noon"),
        None => replies(200, &completion("noon")),
    }
}

fn refused(body: &Value) -> Option<(u16, String)> {
    let unknown = |object: &Value, known: &str| {
        let mut keys = object.as_object().unwrap().keys();
        keys.find(|key| !known.split(' ').any(|one| one == key.as_str())).cloned()
    };
    let known = "model messages tools tool_choice max_tokens temperature top_p random_seed stream stop n \
                 response_format parallel_tool_calls reasoning_effort metadata";
    if let Some(key) = unknown(body, known) {
        return Some((422, format!("body.{key}: Extra inputs are not permitted")));
    }
    if body["temperature"].as_f64().is_some_and(|temperature| temperature > 1.5) {
        return Some((422, "body.temperature: Input should be less than or equal to 1.5".to_owned()));
    }
    for tool in body["tools"].as_array().into_iter().flatten() {
        if tool["function"]["parameters"].get("$schema").is_some() {
            return Some((400, "Invalid tool schema: $schema".to_owned()));
        }
    }
    let nine = |id: &Value| {
        let id = id.as_str().unwrap();
        id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let mut before = "";
    for message in body["messages"].as_array().unwrap() {
        let role = message["role"].as_str().unwrap();
        let known = match role {
            "system" | "user" => "role content",
            "assistant" => "role content tool_calls prefix",
            "tool" => "role content tool_call_id name",
            other => {
                return Some((
                    422,
                    format!("body.messages: Input tag '{other}' does not match any of the expected tags"),
                ));
            }
        };
        if let Some(key) = unknown(message, known) {
            return Some((422, format!("body.messages.{role}.{key}: Extra inputs are not permitted")));
        }
        if role == "system" && !before.is_empty() || role == "user" && before == "tool" {
            return Some((400, format!("Unexpected role '{role}' after role '{before}'")));
        }
        if role == "tool" && !nine(&message["tool_call_id"]) {
            return Some((400, "Tool call id must be a-z, A-Z, 0-9, with a length of 9".to_owned()));
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            if !nine(&call["id"]) {
                return Some((400, "Tool call id must be a-z, A-Z, 0-9, with a length of 9".to_owned()));
            }
        }
        before = role;
    }
    None
}

#[tokio::test]
async fn a_failover_from_openai_to_mistral_does_not_end_in_mistrals_refusal() {
    for streams in [false, true] {
        let first = Fake::always(replies(500, "{}")).await;
        let second = Fake::always(vec![Act::Judge(mistral)]).await;
        let both = vec![typed("first", "OpenAI", &first.url), typed("second", "Mistral", &second.url)];
        let running = Running::new(listing_m(both)).await;
        let mut body = of_openai();
        if streams {
            body["stream"] = json!(true);
            body["stream_options"] = json!({"include_usage": true});
        }
        let got = running.post("/v1/chat/completions", &body).await;
        assert_eq!((got.status, got.header("x-outrigger-provider")), (200, Some("second")), "{}", got.text);
        assert!(got.text.contains("noon"), "{}", got.text);
        let left_out = running.record().await["adapted"].clone();
        assert_eq!(left_out, json!(["user", "store", "messages[].name", "temperature"]));

        assert_eq!(first.asked()[0].body, body.to_string(), "the first one gets the caller's bytes");
        let sent = second.asked()[0].json();
        assert_eq!(sent["messages"][0], json!({"role": "system", "content": "Be brief.\n\nIn English."}));
        assert_eq!(
            (&sent["max_tokens"], &sent["random_seed"], &sent["temperature"]),
            (&json!(50), &json!(7), &json!(1.5))
        );
        assert_eq!(sent["messages"][2]["tool_calls"][0]["id"], sent["messages"][3]["tool_call_id"]);
    }
}

/// Where the caller means Mistral, it gets what the caller wrote, and the caller gets its answer.
#[tokio::test]
async fn the_first_candidate_gets_the_callers_bytes_whatever_it_refuses() {
    let first = Fake::always(vec![Act::Judge(mistral)]).await;
    let running = Running::new(listing_m(vec![typed("first", "Mistral", &first.url)])).await;
    // Ids of earlier calls are what another provider told, and are made to fit everywhere.
    let body = of_openai().to_string().replace("call_abcdefghijklmnop", "D681PevK1");
    let got = running.post("/v1/chat/completions", &serde_json::from_str(&body).unwrap()).await;
    assert_eq!(got.status, 422, "{}", got.text);
    assert_eq!(first.asked()[0].body, body);
}

/// Groq gives one answer only, so it is passed over; the next one gives two.
#[tokio::test]
async fn a_candidate_that_would_answer_otherwise_is_passed_over() {
    let first = Fake::always(replies(500, "{}")).await;
    let second = Fake::always(replies(200, &completion("one"))).await;
    let third = Fake::always(replies(200, &completion("two"))).await;
    let all =
        vec![typed("first", "OpenAI", &first.url), typed("second", "Groq", &second.url), provider("third", &third.url)];
    let running = Running::new(listing_m(all)).await;
    let body = json!({"model": "m", "n": 2, "messages": [{"role": "user", "content": "Hi"}]});
    let got = running.post("/v1/chat/completions", &body).await;
    assert_eq!((got.status, got.header("x-outrigger-provider")), (200, Some("third")), "{}", got.text);
    assert_eq!((second.asked().len(), third.asked()[0].body.as_str()), (0, body.to_string().as_str()));
}

fn listing_m(mut providers: Vec<outrigger_policy::ProviderDoc>) -> outrigger_policy::Document {
    for provider in &mut providers {
        provider.models = vec![outrigger_policy::ModelDoc { name: "m".to_owned(), ..Default::default() }];
    }
    document(1, providers)
}

use serde_json::{Value, json};

use super::*;
use crate::Dialect;
use crate::provider::{TYPES, lookup};

fn target<'m>(kind: &str, model: &'m str) -> Target<'m> {
    Target::new(lookup(kind).unwrap(), Dialect::OpenAi, model)
}

fn conformed(kind: &str, model: &str, body: &Value) -> Result<(Value, BodyChanges), RequestError> {
    let mut body = body.as_object().unwrap().clone();
    conform(&mut body, &target(kind, model)).map(|changes| (Value::Object(body), changes))
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

/// For each quirk: the type, its name, what a caller of OpenAI writes, and what is sent.
#[test]
fn every_quirk_has_its_change() {
    let call = |id: &str, name: &str| {
        json!({"role": "assistant", "content": null, "tool_calls":
            [{"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}]})
    };
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "7"});
    for (kind, quirk, before, after) in [
        (
            "DeepSeek",
            "developer",
            json!({"messages": [{"role": "developer", "content": "a"}, user("b")]}),
            json!({"messages": [{"role": "system", "content": "a"}, user("b")]}),
        ),
        (
            "Mistral",
            "system_first",
            json!({"messages": [user("b"), {"role": "system", "content": "a"}, user("c"),
                {"role": "developer", "content": [{"type": "text", "text": "d"}]}]}),
            json!({"messages": [
                {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "d"}]},
                user("b"), user("c")]}),
        ),
        (
            "vLLM",
            "system_first",
            json!({"messages": [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}, user("c")]}),
            json!({"messages": [{"role": "system", "content": "a\n\nb"}, user("c")]}),
        ),
        (
            "Perplexity",
            "alternates",
            json!({"messages": [user("a"), user("b"), {"role": "assistant", "content": "c"}, user("d")]}),
            json!({"messages": [user("a\n\nb"), {"role": "assistant", "content": "c"}, user("d")]}),
        ),
        (
            "Mistral",
            "user_after_tool",
            json!({"messages": [user("a"), call("abcdefgh1", "f"), result("abcdefgh1"), user("b")]}),
            json!({"messages": [user("a"), call("abcdefgh1", "f"), result("abcdefgh1"),
                {"role": "assistant", "content": "OK."}, user("b")]}),
        ),
        (
            "DeepSeek",
            "one_string",
            json!({"messages": [{"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "user", "content": [{"type": "text", "text": "c"}]}]}),
            json!({"messages": [{"role": "system", "content": "a\nb"},
                {"role": "user", "content": [{"type": "text", "text": "c"}]}]}),
        ),
        (
            "OpenAI",
            "thinking_parts",
            json!({"messages": [{"role": "assistant", "content":
                [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]}]}),
            json!({"messages": [{"role": "assistant", "content": [{"type": "text", "text": "a"}]}]}),
        ),
        (
            "Mistral",
            "tool_call_ids",
            json!({"messages": [user("a"), call("call_1", "f"), result("call_1")]}),
            json!({"messages": [user("a"), call("16xj2wjzp", "f"), result("16xj2wjzp")]}),
        ),
        (
            "Mistral",
            "schema_without",
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters":
                {"$schema": "x", "type": "object", "properties": {"$id": {"$id": "y", "type": "string"}}}}}]}),
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters":
                {"type": "object", "properties": {"$id": {"type": "string"}}}}}]}),
        ),
        ("Groq", "efforts", json!({"reasoning_effort": "minimal"}), json!({"reasoning_effort": "low"})),
        ("Groq", "efforts", json!({"reasoning_effort": "xhigh"}), json!({"reasoning_effort": "high"})),
        ("Cerebras", "efforts", json!({"reasoning": {"effort": "high"}}), json!({"reasoning_effort": "high"})),
        ("Groq", "efforts", json!({"enable_thinking": false}), json!({"reasoning_effort": "none"})),
        ("Mistral", "temperature_tenths", json!({"temperature": 1.8}), json!({"temperature": 1.5})),
        ("Mistral", "renamed", json!({"seed": 7}), json!({"random_seed": 7})),
        ("Mistral", "caps", json!({"max_completion_tokens": 9, "max_tokens": 8}), json!({"max_tokens": 9})),
        ("DeepSeek", "caps", json!({"max_completion_tokens": 9}), json!({"max_tokens": 9})),
        (
            "Mistral",
            "fields",
            json!({"user": "u", "store": true, "n": null, "logit_bias": {}, "service_tier": "auto",
                "stream": true, "stream_options": {"include_usage": true}}),
            json!({"n": null, "stream": true}),
        ),
        ("Groq", "fields", json!({"logprobs": false, "n": 1, "safety_identifier": "u"}), json!({})),
        (
            "Cerebras",
            "messages",
            json!({"messages": [{"role": "assistant", "content": "a", "reasoning_content": "hm", "annotations": []}]}),
            json!({"messages": [{"role": "assistant", "content": "a", "reasoning": "hm"}]}),
        ),
        (
            "Mistral",
            "messages",
            json!({"messages": [{"role": "user", "content": "a", "name": "ann"},
                {"role": "assistant", "content": null, "refusal": "No.", "function_call": null}, user("b")]}),
            json!({"messages": [user("a"), {"role": "assistant", "content": "No."}, user("b")]}),
        ),
    ] {
        let (sent, changes) = conformed(kind, "m", &before).unwrap_or_else(|error| panic!("{kind} {quirk}: {error}"));
        assert_eq!(sent, after, "{kind} {quirk}");
        assert!(!changes.touched.is_empty(), "{kind} {quirk}");
        let (again, changes) = conformed(kind, "m", &sent).unwrap();
        assert_eq!((again, changes), (sent, BodyChanges::default()), "{kind} {quirk}: what fits stays");
    }
}

#[test]
fn calls_of_other_servers_are_completed() {
    let call = |call: Value| json!({"messages": [{"role": "assistant", "content": "", "tool_calls": [call]}]});
    let whole = call(json!({"id": "c", "function": {"name": "f", "arguments": "{\"a\":1}"}, "type": "function"}));
    for given in [
        json!({"id": "c", "function": {"name": "f", "arguments": "{\"a\":1}"}}),
        json!({"id": "c", "function": {"name": "f", "arguments": {"a": 1}}, "type": "function"}),
        json!({"index": 0, "id": "c", "function": {"name": "f", "arguments": "{\"a\":1}", "parsed_arguments": {}},
            "type": "function", "extra_content": {"google": {"thought_signature": "x"}}}),
    ] {
        assert_eq!(conformed("OpenAI", "gpt-4o", &call(given)).unwrap().0, whole);
    }
}

#[test]
fn what_would_change_the_answer_is_refused() {
    let tool = |name: &str| json!({"tools": [{"type": "function", "function": {"name": name}}]});
    let stops = |count: usize| json!({"stop": vec!["x"; count]});
    for (kind, body, field) in [
        ("Groq", json!({"n": 2}), "n"),
        ("Groq", json!({"logprobs": true}), "logprobs"),
        ("Cerebras", json!({"presence_penalty": 0.5}), "presence_penalty"),
        ("Mistral", json!({"logit_bias": {"1": 2}}), "logit_bias"),
        ("OpenAI", json!({"guided_json": {}}), "guided_json"),
        ("Fireworks", json!({"modalities": ["text", "audio"]}), "modalities"),
        (
            "DeepSeek",
            json!({"response_format": {"type": "json_schema", "json_schema": {}}}),
            "response_format.json_schema",
        ),
        ("Perplexity", tool("f"), "tools"),
        ("Mistral", tool("a.b"), "the tool's name `a.b`"),
        (
            "OpenAI",
            tool(&"x".repeat(65)),
            "the tool's name `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`",
        ),
        ("OpenAI", stops(5), "5 stop sequences"),
        ("DeepSeek", stops(17), "17 stop sequences"),
        ("Mistral", json!({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}), "messages[].audio"),
    ] {
        let refused = conformed(kind, "m", &body).unwrap_err();
        assert_eq!(refused, RequestError::Unsupported { field: field.to_owned(), upstream: Dialect::OpenAi }, "{kind}");
    }
    for (kind, body) in
        [("vLLM", tool("a.b")), ("OpenAI", stops(4)), ("Mistral", stops(9)), ("Together", json!({"n": 2}))]
    {
        assert_eq!(conformed(kind, "m", &body).unwrap().1, BodyChanges::default(), "{kind}: {body}");
    }
}

#[test]
fn what_was_left_out_is_named() {
    for (kind, body, expected) in [
        (
            "Mistral",
            json!({"user": "u", "temperature": 2, "n": 1, "messages": [{"role": "user", "name": "ann"}]}),
            vec!["user", "messages[].name", "temperature"],
        ),
        ("Groq", json!({"reasoning_effort": "max", "store": true}), vec!["store", "reasoning_effort"]),
        ("Mistral", json!({"seed": 1, "store": false, "stream_options": {"include_usage": true}}), vec![]),
    ] {
        assert_eq!(conformed(kind, "m", &body).unwrap().1.left_out, expected, "{kind}");
    }
}

#[test]
fn the_limit_is_written_for_the_model() {
    for (kind, model, before, after) in [
        ("OpenAI", "gpt-5", json!({"max_tokens": 9}), json!({"max_completion_tokens": 9})),
        ("OpenAI", "gpt-4o", json!({"max_tokens": 9}), json!({"max_tokens": 9})),
        ("OpenAI", "gpt-5", json!({"max_tokens": null}), json!({})),
        ("OpenRouter", "openai/o3", json!({"max_tokens": 9}), json!({"max_completion_tokens": 9})),
        ("Ollama", "gpt-5-of-mine", json!({"max_completion_tokens": 9}), json!({"max_tokens": 9})),
        ("vLLM", "llama", json!({"max_completion_tokens": 9}), json!({"max_completion_tokens": 9})),
    ] {
        assert_eq!(conformed(kind, model, &before).unwrap().0, after, "{kind} {model}");
    }
}

/// A plain conversation of an OpenAI SDK is accepted by all of them as it is.
#[test]
fn an_ordinary_request_stays_as_it_is() {
    let body = json!({
        "model": "m",
        "messages": [{"role": "system", "content": "a"}, user("b")],
        "temperature": 0.5,
        "max_tokens": 9,
        "stream": true,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    });
    for kind in TYPES.iter().filter(|kind| kind.name != "Perplexity" && !kind.quirks.caps.is_empty()) {
        assert_eq!(conformed(kind.name, "m", &body).unwrap().1, BodyChanges::default(), "{}", kind.name);
    }
}

//! Guarantees of a scan, and of its edits.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::Dialect;
use crate::json::raw::{self, unescape};
use crate::operation::find;

fn edited(body: &str, edits: Edits<'_>) -> String {
    let scanned = scan(body.as_bytes()).unwrap();
    String::from_utf8(scanned.edit(body.as_bytes(), edits).into_owned()).unwrap()
}

#[test]
fn only_the_listed_edits_are_made() {
    let model = Edits { model: Some("m2"), ..Edits::default() };
    let usage = Edits { ask_usage: true, ..Edits::default() };
    for (body, edits, expected) in [
        (r#"{"model":"m1" , "x":[1, 2]}"#, model, r#"{"model":"m2" , "x":[1, 2]}"#),
        (r#"{"model":"m2","n":1}"#, model, r#"{"model":"m2","n":1}"#),
        (r#"{"n":1}"#, model, r#"{"model":"m2","n":1}"#),
        (r#"{"mod\u0065l":"m1"}"#, model, r#"{"mod\u0065l":"m2"}"#),
        (r#"{"a":1,"fallbacks":["x/y"],"b":2}"#, Edits::default(), r#"{"a":1,"b":2}"#),
        (r#"{"a":1 , "fallbacks":[]}"#, Edits::default(), r#"{"a":1 }"#),
        (r#"{"fallbacks":[{"provider":"x","model":"y"}]}"#, Edits::default(), "{}"),
        // Anthropic's own stays.
        (r#"{"fallbacks":"default","a":1}"#, Edits::default(), r#"{"fallbacks":"default","a":1}"#),
        (r#"{"fallbacks":[{"model":"m","x":1}]}"#, Edits::default(), r#"{"fallbacks":[{"model":"m","x":1}]}"#),
        ("{}", usage, r#"{"stream_options":{"include_usage":true}}"#),
        (r#"{"fallbacks":[]}"#, usage, r#"{"stream_options":{"include_usage":true}}"#),
        (r#" {"a":1}"#, usage, r#" {"stream_options":{"include_usage":true},"a":1}"#),
        (r#"{"stream_options":null}"#, usage, r#"{"stream_options":{"include_usage":true}}"#),
        (
            r#"{"stream_options":{"include_usage":false,"x":1}}"#,
            usage,
            r#"{"stream_options":{"include_usage":true,"x":1}}"#,
        ),
        (r#"{"stream_options": {"include_usage": true}}"#, usage, r#"{"stream_options": {"include_usage": true}}"#),
    ] {
        assert_eq!(edited(body, edits), expected, "{body}");
    }
}

const CHAT: &[CapField] = &[CapField::MaxCompletionTokens, CapField::MaxTokens];
const OLD: &[CapField] = &[CapField::MaxTokens];
const GEMINI: &[CapField] = &[CapField::Generation];
const OLLAMA: &[CapField] = &[CapField::Options];

fn capped(body: &str, fields: &[CapField], tokens: u64) -> String {
    edited(body, Edits { cap: Some(Cap { tokens, fields }), ..Edits::default() })
}

#[test]
fn a_cap_is_written_into_the_right_field() {
    for (body, fields, expected) in [
        // The caller has none: the upstream's field is used.
        ("{}", CHAT, r#"{"max_completion_tokens":50}"#),
        (r#" { "a":1}"#, OLD, r#" {"max_tokens":50, "a":1}"#),
        (r#"{"max_tokens":null,"a":1}"#, OLD, r#"{"max_tokens":50,"a":1}"#),
        // OpenAI refuses the two fields together, but null counts as absent.
        (r#"{"max_tokens":null}"#, CHAT, r#"{"max_completion_tokens":50,"max_tokens":null}"#),
        // The caller's own field, whichever and wherever it is.
        (r#"{"a":1,"max_tokens":100 }"#, CHAT, r#"{"a":1,"max_tokens":50 }"#),
        (r#"{"max\u005ftokens":"100"}"#, CHAT, r#"{"max\u005ftokens":50}"#),
        (r#"{"max_tokens":-1}"#, CHAT, r#"{"max_tokens":50}"#),
        (r#"{"max_tokens":100,"max_completion_tokens":20}"#, CHAT, r#"{"max_tokens":50,"max_completion_tokens":20}"#),
        // It is lower already.
        (r#"{"max_tokens":50}"#, CHAT, r#"{"max_tokens":50}"#),
        (r#"{"max_tokens":0}"#, CHAT, r#"{"max_tokens":0}"#),
        // A field that the upstream ignores limits nothing.
        (r#"{"max_completion_tokens":9}"#, OLD, r#"{"max_tokens":50,"max_completion_tokens":9}"#),
        (r#"{"max_output_tokens":9}"#, CHAT, r#"{"max_completion_tokens":50,"max_output_tokens":9}"#),
        // Gemini's is inside another object.
        ("{}", GEMINI, r#"{"generationConfig":{"maxOutputTokens":50}}"#),
        (r#"{"fallbacks":[]}"#, GEMINI, r#"{"generationConfig":{"maxOutputTokens":50}}"#),
        (
            r#"{"system_instruction":1}"#,
            GEMINI,
            r#"{"generation_config":{"max_output_tokens":50},"system_instruction":1}"#,
        ),
        (r#"{"generationConfig":null}"#, GEMINI, r#"{"generationConfig":{"maxOutputTokens":50}}"#),
        (r#"{"generationConfig": { }}"#, GEMINI, r#"{"generationConfig": {"maxOutputTokens":50 }}"#),
        (r#"{"generation_config":{"a":1}}"#, GEMINI, r#"{"generation_config":{"max_output_tokens":50,"a":1}}"#),
        (r#"{"generationConfig":{"maxOutputTokens":null}}"#, GEMINI, r#"{"generationConfig":{"maxOutputTokens":50}}"#),
        (
            r#"{"generationConfig":{"a":1,"max_output_tokens":99}}"#,
            GEMINI,
            r#"{"generationConfig":{"a":1,"max_output_tokens":50}}"#,
        ),
        (r#"{"generationConfig":{"maxOutputTokens":0}}"#, GEMINI, r#"{"generationConfig":{"maxOutputTokens":50}}"#),
        (r#"{"generationConfig":{"maxOutputTokens":7}}"#, GEMINI, r#"{"generationConfig":{"maxOutputTokens":7}}"#),
        // Ollama's too. A negative number is no limit there.
        (r#"{"options":{"seed":1}}"#, OLLAMA, r#"{"options":{"num_predict":50,"seed":1}}"#),
        (r#"{"options":{"num_predict":-1}}"#, OLLAMA, r#"{"options":{"num_predict":50}}"#),
        (r#"{"options":{"num_predict":7}}"#, OLLAMA, r#"{"options":{"num_predict":7}}"#),
        (r#"{"max_tokens":9}"#, &[], r#"{"max_tokens":9}"#),
    ] {
        assert_eq!(capped(body, fields, 50), expected, "{body} {fields:?}");
    }
}

#[test]
fn a_version_replaces_the_model_and_back() {
    let in_path = Edits { version: Some("v1"), ..Edits::default() };
    let counting = Edits { model: Some("up"), keeps_model: true, ..in_path };
    let in_body = Edits { model: Some("up"), ..Edits::default() };
    for (body, edits, expected) in [
        (r#"{"model":"m","n":1}"#, in_path, r#"{"anthropic_version":"v1","n":1}"#),
        (r#"{"n":1, "model" : "m"}"#, in_path, r#"{"anthropic_version":"v1","n":1}"#),
        (r#"{"model":"m"}"#, in_path, r#"{"anthropic_version":"v1"}"#),
        ("{}", in_path, r#"{"anthropic_version":"v1"}"#),
        (r#"{"anthropic_version":"v1","n":1}"#, in_path, r#"{"anthropic_version":"v1","n":1}"#),
        (r#"{"n":1,"anthropic_version":"other"}"#, in_path, r#"{"n":1,"anthropic_version":"v1"}"#),
        (r#"{"model":"m","n":1}"#, counting, r#"{"anthropic_version":"v1","model":"up","n":1}"#),
        (r#"{"anthropic_version":"v1","n":1}"#, in_body, r#"{"model":"up","n":1}"#),
        (r#"{"n":1,"anthropic_version":"v1"}"#, in_body, r#"{"model":"up","n":1}"#),
        (r#"{"anthropic_version":"v1"}"#, in_body, r#"{"model":"up"}"#),
        (r#"{"anthropic_version":"v1","model":"m"}"#, in_body, r#"{"model":"up"}"#),
        (r#"{"n":1,"fallbacks":["a/b"] , "anthropic_version":"v1" }"#, in_body, r#"{"model":"up","n":1 }"#),
        (r#"{"fallbacks":["a/b"],"model":"m"}"#, in_path, r#"{"anthropic_version":"v1"}"#),
        (r#"{"fallbacks":["a/b"],"n":1,"model":"m"}"#, in_path, r#"{"anthropic_version":"v1","n":1}"#),
        (r#"{"model":"m","fallbacks":["a/b"],"n":1}"#, in_path, r#"{"anthropic_version":"v1","n":1}"#),
    ] {
        let edited = edited(body, edits);
        assert!(serde_json::from_str::<serde_json::Value>(&edited).is_ok(), "{body}: {edited}");
        assert_eq!(edited, expected, "{body}");
    }
}

#[test]
fn several_edits_are_made_together() {
    let all =
        Edits { model: Some("m2"), ask_usage: true, cap: Some(Cap { tokens: 50, fields: CHAT }), ..Edits::default() };
    assert_eq!(
        edited(r#"{"max_tokens":99,"fallbacks":["x/y"],"model":"m1"}"#, all),
        r#"{"stream_options":{"include_usage":true},"max_tokens":50,"model":"m2"}"#
    );
    assert_eq!(
        edited("{}", all),
        r#"{"model":"m2","stream_options":{"include_usage":true},"max_completion_tokens":50}"#
    );
}

#[test]
fn a_cap_is_read_from_the_fields_that_count() {
    let read = |path: &str, body: &str| {
        let operation = find("POST", path).unwrap().operation;
        let scanned = scan(body.as_bytes()).unwrap();
        (scanned.output_cap(CapField::of_caller(operation)), scanned.answers(operation, body.as_bytes()))
    };
    for (path, body, expected) in [
        ("/v1/chat/completions", "{}", (None, 1)),
        ("/v1/chat/completions", r#"{"max_tokens":7,"n":3}"#, (Some(7), 3)),
        ("/v1/chat/completions", r#"{"max_tokens":7,"max_completion_tokens":9,"n":0}"#, (Some(9), 1)),
        ("/v1/chat/completions", r#"{"max_output_tokens":7,"best_of":2}"#, (None, 2)),
        ("/v1/chat/completions", r#"{"max_tokens":-1,"n":null}"#, (None, 1)),
        ("/v1/completions", r#"{"max_tokens":7,"n":2,"best_of":5,"prompt":["a","b"]}"#, (Some(7), 10)),
        ("/v1/completions", r#"{"max_completion_tokens":7,"prompt":[1,2,3]}"#, (None, 1)),
        ("/v1/completions", r#"{"prompt":[[1,2],[3]]}"#, (None, 2)),
        ("/v1/responses", r#"{"max_output_tokens":7,"max_tokens":9,"n":2}"#, (Some(7), 1)),
        ("/v1/messages", r#"{"max_tokens":0}"#, (Some(0), 1)),
        (
            "/v1/models/m:generateContent",
            r#"{"generationConfig":{"max_output_tokens":"7","candidateCount":2}}"#,
            (Some(7), 2),
        ),
        (
            "/v1/models/m:generateContent",
            r#"{"generationConfig":{"maxOutputTokens":0},"maxOutputTokens":7}"#,
            (None, 1),
        ),
        ("/api/chat", r#"{"options":{"num_predict":7},"max_tokens":9}"#, (Some(7), 1)),
        ("/api/generate", r#"{"options":{"num_predict":-1},"prompt":["a","b"]}"#, (None, 1)),
        ("/v1/images/generations", r#"{"n":4}"#, (None, 4)),
        ("/v1/embeddings", r#"{"max_tokens":7,"n":2}"#, (None, 1)),
    ] {
        assert_eq!(read(path, body), expected, "{path} {body}");
    }
}

#[test]
fn a_budget_for_thinking_is_read() {
    for (body, expected) in [
        ("{}", None),
        (r#"{"thinking":{"type":"adaptive"}}"#, None),
        (r#"{"thinking":null}"#, None),
        (r#"{"thinking":{"type":"enabled","budget_tokens":2048}}"#, Some(2_048)),
    ] {
        assert_eq!(scan(body.as_bytes()).unwrap().thinking_budget(body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn each_type_of_provider_has_a_field_for_the_cap() {
    let chat = find("POST", "/v1/chat/completions").unwrap().operation;
    let responses = find("POST", "/v1/responses").unwrap().operation;
    for kind in crate::provider::TYPES {
        let fields = kind.quirks.caps(chat);
        assert_eq!(fields.is_empty(), kind.api.is_some_and(|api| api.dialect != Dialect::OpenAi), "{}", kind.name);
        assert!(fields.iter().all(|field| CapField::of_caller(chat).contains(field)), "{}", kind.name);
        assert_eq!(kind.quirks.caps(responses), [CapField::MaxOutputTokens], "{}", kind.name);
    }
}

#[test]
fn other_billed_fields_are_read() {
    let read = |body: &str| scan(body.as_bytes()).unwrap();
    for (body, tier) in [
        ("{}", None),
        (r#"{"service_tier":null}"#, None),
        (r#"{"service_tier":"flex"}"#, Some("flex")),
        (r#"{"serviceTier":"PRIORITY"}"#, Some("priority")),
        (r#"{"speed":"standard","service_tier":"auto"}"#, Some("auto")),
        (r#"{"speed":"fast","service_tier":"auto"}"#, Some("fast")),
    ] {
        assert_eq!(read(body).service_tier.as_deref(), tier, "{body}");
    }
    for (body, background) in [("{}", false), (r#"{"background":false}"#, false), (r#"{"background":true}"#, true)] {
        assert_eq!(read(body).background, background, "{body}");
    }
}

#[test]
fn ambiguous_bodies_are_refused() {
    for (body, problem) in [
        ("", "the body is not JSON: EOF"),
        ("[1]", "the body must be a JSON object"),
        ("{\"a\":1} x", "the body is not JSON: trailing characters"),
        (r#"{"model":1}"#, "`model` must be a string"),
        (r#"{"stream":"yes"}"#, "`stream` must be true or false"),
        (r#"{"model":"a","model":"b"}"#, "the key `model` is repeated"),
        (r#"{"model":"a","m\u006fdel":"b"}"#, "the key `model` is repeated"),
        (r#"{"cachedContent":"a","cached_content":"b"}"#, "the key `cachedContent` is repeated"),
        (r#"{"model":"a","models":["b"]}"#, "`models` lets the provider answer with another model"),
        (r#"{"model":"a","models":"b"}"#, "`models` lets the provider answer with another model"),
        (r#"{"model":"a","route":"fallback"}"#, "`route` lets the provider answer with another model"),
        (r#"{"fallbacks":"x"}"#, "`fallbacks` must be a list of names"),
        (
            r#"{"stream_options":{"include_usage":true,"include_usag\u0065":false}}"#,
            "the key `stream_options.include_usage` is repeated",
        ),
        (r#"{"max_tokens":1,"max_tokens":9}"#, "the key `max_tokens` is repeated"),
        (r#"{"max_tokens":1,"Max_Tokens":9}"#, "the key `Max_Tokens` is `max_tokens` to some parsers"),
        (r#"{"MODEL":"m"}"#, "the key `MODEL` is `model` to some parsers"),
        (r#"{"\u0054ools":[]}"#, "the key `Tools` is `tools` to some parsers"),
        (r#"{"stream_options":{"Include_usage":true}}"#, "the key `Include_usage` is `include_usage` to some parsers"),
        (r#"{"generationConfig":{"maxoutputtokens":9}}"#, "the key `maxoutputtokens` is `maxOutputTokens` to some"),
        (r#"{"generationConfig":{},"generation_config":{}}"#, "the key `generationConfig` is repeated"),
        (r#"{"generationConfig":[]}"#, "`generationConfig` must be an object"),
        (
            r#"{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":9}}"#,
            "the key `generationConfig.maxOutputTokens` is repeated",
        ),
        (
            r#"{"generationConfig":{"candidateCount":1,"candidate_count":9}}"#,
            "the key `generationConfig.candidateCount` is repeated",
        ),
        ("{\"a\":\"\u{0}\"}", "the body is not JSON: control character"),
    ] {
        let error = scan(body.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{body}: {error}");
    }
    assert!(scan(b"{\"a\":\"\xff\"}").is_err());
    // SDKs send these values for "not set".
    assert!(scan(br#"{"model":"a","models":[],"route":null}"#).is_ok());
    assert!(scan(br#"{"model":"a","models":null}"#).is_ok());
    // Keys that the gateway doesn't read may have any form.
    assert!(scan(br#"{"x":1,"x":2,"X":3,"model":"m"}"#).is_ok());
}

#[test]
fn the_hash_of_a_conversation_stays_the_same() {
    let opening = |body: Value| scan(body.to_string().as_bytes()).unwrap().conversation.unwrap();
    let system = json!({"role": "system", "content": "s"});
    let user = json!({"role": "user", "content": "hello"});
    let first = opening(json!({"messages": [system, user]}));
    let later = opening(
        json!({"messages": [system, user, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "more"}]}),
    );
    let other = opening(json!({"messages": [system, {"role": "user", "content": "other"}]}));
    assert_eq!(first.opening, later.opening);
    assert_ne!(first.opening, other.opening);
    assert_eq!((first.turns, later.turns), (2, 4));
}

fn json_text() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,5}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Members of a `generationConfig`.
fn generation() -> impl Strategy<Value = Value> {
    let key = prop_oneof![Just("maxOutputTokens".to_owned()), Just("max_output_tokens".to_owned()), "[a-z]{1,3}"];
    let value = prop_oneof![json_text(), (0..200_i64).prop_map(Value::from)];
    prop::collection::vec((key, value), 0..4).prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
}

proptest! {
    /// The gateway reads the same values as a first-wins and a last-wins parser read in the forwarded bytes.
    #[test]
    fn every_parser_reads_the_same_model(
        members in prop::collection::vec((prop_oneof![Just("model".to_owned()), Just("fallbacks_".to_owned()), "[a-z]{1,3}"], json_text()), 0..6),
        name in "[a-z/\\-\"\\\\]{1,8}",
    ) {
        let text: Vec<String> = members.iter().map(|(k, v)| {
            let v = if k == "model" { Value::from(v.to_string()) } else { v.clone() };
            format!("{}:{v}", Value::from(k.as_str()))
        }).collect();
        let body = format!("{{{}}}", text.join(","));
        let Ok(scanned) = scan(body.as_bytes()) else {
            // Those of the names above that are read, and may therefore occur only once.
            let twice = |name: &str| members.iter().filter(|(k, _)| k == name).count() > 1;
            prop_assert!(twice("model") || twice("n"));
            return Ok(());
        };
        let sent = scanned.edit(body.as_bytes(), Edits { model: Some(&name), ask_usage: true, ..Edits::default() });
        let last: Value = serde_json::from_slice(&sent).unwrap();
        let mut first: Option<String> = None;
        raw::members(std::str::from_utf8(&sent).unwrap(), |k, v| {
            if unescape(k.get()) == "model" {
                first.get_or_insert_with(|| serde_json::from_str(v.get()).unwrap());
            }
        }).unwrap();
        let expected = Some(name.clone());
        prop_assert_eq!(last["model"].as_str().map(str::to_owned), expected.clone());
        prop_assert_eq!(first, expected);
        prop_assert_eq!(last["stream_options"]["include_usage"].as_bool(), Some(true));
        prop_assert!(last.get("fallbacks").is_none());
    }

    /// A written limit is the only change, and every parser reads one that is not larger.
    #[test]
    fn a_written_cap_is_the_only_change(
        members in prop::collection::vec(
            (prop_oneof![Just("max_tokens".to_owned()), Just("max_completion_tokens".to_owned()),
                Just("generationConfig".to_owned()), Just("generation_config".to_owned()), "[a-z]{1,3}"],
             prop_oneof![json_text(), (0..200_i64).prop_map(Value::from), generation()]), 0..6),
        spaced in any::<bool>(),
        gemini in any::<bool>(),
    ) {
        let colon = if spaced { " : " } else { ":" };
        let text: Vec<String> = members.iter().map(|(k, v)| format!("{}{colon}{v}", Value::from(k.as_str()))).collect();
        let body = format!("{{{}}}", text.join(if spaced { " , " } else { "," }));
        let Ok(scanned) = scan(body.as_bytes()) else { return Ok(()) };
        let fields = if gemini { GEMINI } else { CHAT };
        let edits = Edits { cap: Some(Cap { tokens: 50, fields }), ..Edits::default() };
        let pieces = scanned.pieces(body.as_bytes(), edits);
        // Kept pieces are the caller's bytes, in order.
        let mut at = 0;
        for piece in &pieces {
            if let BodyPiece::Kept(range) = piece {
                prop_assert!(range.start >= at);
                at = range.end;
            }
        }
        prop_assert_eq!(at, body.len());
        let sent = scanned.edit(body.as_bytes(), edits);
        let again = scan(&sent).unwrap();
        prop_assert!(again.output_cap(fields).is_some_and(|cap| cap <= 50));
        // A second edit changes nothing.
        prop_assert_eq!(again.edit(&sent, edits), Cow::Borrowed(&*sent));
        let take_out = |body: &[u8]| {
            let mut value: Map<String, Value> = serde_json::from_slice(body).unwrap();
            for name in ["max_tokens", "max_completion_tokens"].into_iter().filter(|_| !gemini) {
                value.remove(name);
            }
            for name in ["generationConfig", "generation_config"].into_iter().filter(|_| gemini) {
                if let Some(Value::Object(config)) = value.get_mut(name) {
                    config.remove("maxOutputTokens");
                    config.remove("max_output_tokens");
                }
                if value.get(name).is_some_and(|config| config.is_null() || config == &json!({})) {
                    value.remove(name);
                }
            }
            value
        };
        prop_assert_eq!(take_out(&sent), take_out(body.as_bytes()));
    }
}

//! The promises of a scan, and of its edits.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::members::{Members, string, unescape};
use super::*;

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

#[test]
fn what_cannot_be_read_in_one_way_is_refused() {
    for (body, problem) in [
        ("", "the body is not JSON: EOF"),
        ("[1]", "the body must be a JSON object"),
        ("{\"a\":1} x", "the body is not JSON: trailing characters"),
        (r#"{"model":1}"#, "`model` must be a string"),
        (r#"{"stream":"yes"}"#, "`stream` must be true or false"),
        (r#"{"model":"a","model":"b"}"#, "the key `model` stands twice"),
        (r#"{"model":"a","m\u006fdel":"b"}"#, "the key `model` stands twice"),
        (r#"{"cachedContent":"a","cached_content":"b"}"#, "the key `cachedContent` stands twice"),
        (r#"{"fallbacks":"x"}"#, "`fallbacks` must be a list of names"),
        (
            r#"{"stream_options":{"include_usage":true,"include_usag\u0065":false}}"#,
            "the key `stream_options.include_usage` stands twice",
        ),
        ("{\"a\":\"\u{0}\"}", "the body is not JSON: control character"),
    ] {
        let error = scan(body.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{body}: {error}");
    }
    assert!(scan(b"{\"a\":\"\xff\"}").is_err());
    // What the gateway doesn't read may be as odd as it likes.
    assert!(scan(br#"{"x":1,"x":2,"model":"m"}"#).is_ok());
}

#[test]
fn a_conversation_keeps_its_opening() {
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

proptest! {
    /// What was read is what a first-wins and a last-wins parser read in the forwarded bytes.
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
            prop_assert!(members.iter().filter(|(k, _)| k == "model").count() > 1);
            return Ok(());
        };
        let sent = scanned.edit(body.as_bytes(), Edits { model: Some(&name), ask_usage: true, cap: None });
        let last: Value = serde_json::from_slice(&sent).unwrap();
        let first = serde_json::from_slice::<Members<'_>>(&sent).unwrap().0.into_iter()
            .find(|(k, _)| unescape(k.get()) == "model").map(|(_, v)| string(v.get()).unwrap());
        let expected = Some(name.clone());
        prop_assert_eq!(last["model"].as_str().map(str::to_owned), expected.clone());
        prop_assert_eq!(first, expected);
        prop_assert_eq!(last["stream_options"]["include_usage"].as_bool(), Some(true));
        prop_assert!(last.get("fallbacks").is_none());
    }
}

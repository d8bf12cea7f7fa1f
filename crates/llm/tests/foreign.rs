//! The gateway's additions to a conversation are removed before a provider of the caller's own dialect reads it, and
//! nothing else changes.
#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_llm::Dialect::{self, Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenAi};
use outrigger_llm::chat::origin::Origin;
use outrigger_llm::chat::signature::pack;
use outrigger_llm::chat::{Thought, mark};
use outrigger_llm::passthrough::strip_marks::strip_marks;
use outrigger_llm::provider::Target;
use proptest::prelude::*;
use serde_json::{Value, json};

const CLAUDE: &str = "claude-sonnet-4-5";
const GPT: &str = "gpt-4o";

/// What a client keeps in place of the signature of another provider's thought.
fn mark(signature: Option<&str>) -> String {
    marked(&Origin::of_type("Groq"), signature)
}

fn marked(origin: &Origin, signature: Option<&str>) -> String {
    mark::mark(origin, &Thought { signature: signature.map(str::to_owned), ..Thought::default() })
}

fn turns_key(dialect: Dialect) -> &'static str {
    if dialect == Gemini { "contents" } else { "messages" }
}

/// The rewritten turns of a body; `None` if it is unchanged.
fn taken(dialect: Dialect, model: &str, turns: &Value) -> Option<Value> {
    let body = json!({"model": model, turns_key(dialect): turns, "temperature": 0.1}).to_string();
    let out = strip_marks(&Target::vendor(dialect, model), body.as_bytes())?;
    let out: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(out["temperature"], json!(0.1));
    Some(out[turns_key(dialect)].clone())
}

#[test]
fn openai_gets_its_own_ids_and_no_signature() {
    let packed = pack("call_1", Some("sig"));
    let long = "c".repeat(60);
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let with = |mut call: Value, extra: Value| {
        call["extra_content"] = extra;
        call
    };
    let signed = json!({"google": {"thought_signature": "sig"}});
    let turns = |call: Value, id: &str| json!([{"role": "assistant", "content": null, "tool_calls": [call]}, {"role": "tool", "tool_call_id": id, "content": "ok"}]);
    let long_packed = pack(&long, Some("sig"));
    let shortened = "ccccccccccccccccccccccc_".to_owned();
    for (name, model, before, after) in [
        ("an id", GPT, turns(call(&packed), &packed), turns(call("call_1"), "call_1")),
        (
            "in a separate field",
            GPT,
            turns(with(call(&packed), signed.clone()), &packed),
            turns(call("call_1"), "call_1"),
        ),
        (
            "another extra stays",
            GPT,
            turns(with(call(&packed), json!({"google": {"thought_signature": "s"}, "x": 1})), &packed),
            turns(with(call("call_1"), json!({"x": 1})), "call_1"),
        ),
        (
            "Gemini behind this dialect wants it back",
            "google/gemini-3-pro",
            turns(with(call(&packed), signed.clone()), &packed),
            turns(with(call("call_1"), signed.clone()), "call_1"),
        ),
        (
            "and gets it out of the id",
            "gemini-2.5-flash",
            turns(call(&packed), &packed),
            turns(with(call("call_1"), signed.clone()), "call_1"),
        ),
    ] {
        assert_eq!(taken(OpenAi, model, &before), Some(after), "{name}");
    }
    for (model, fits) in [
        (GPT, (|id: &str| id.len() == 40) as fn(&str) -> bool),
        ("mistral-large-latest", |id| id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric())),
    ] {
        let out = taken(OpenAi, model, &turns(call(&long_packed), &long_packed)).unwrap();
        let id = out[0]["tool_calls"][0]["id"].as_str().unwrap();
        assert!(fits(id) && (model != GPT || id.starts_with(&shortened)), "{id}");
        assert_eq!(out[1]["tool_call_id"], id, "the result still finds its call");
    }
}

#[test]
fn anthropic_gets_no_thought_of_another_provider() {
    let thinking = |signature: &str| json!({"type": "thinking", "thinking": "hm", "signature": signature});
    let text = json!({"type": "text", "text": "a"});
    let turn = |blocks: Value| json!([{"role": "user", "content": "q"}, {"role": "assistant", "content": blocks}]);
    let packed = pack("toolu_1", Some("sig"));
    for (name, before, after) in [
        ("another's goes", turn(json!([thinking(&mark(Some("sig"))), text])), Some(turn(json!([text])))),
        ("an unsigned one is removed", turn(json!([thinking(&mark(None)), text])), Some(turn(json!([text])))),
        (
            "its own stays",
            turn(json!([thinking("ErUB"), thinking(&mark(None)), text])),
            Some(turn(json!([thinking("ErUB"), text]))),
        ),
        (
            "with nothing else in the turn",
            turn(json!([thinking(&mark(None))])),
            Some(json!([{"role": "user", "content": "q"}])),
        ),
        (
            "its own, through another API, has its signature again",
            turn(json!([thinking(&marked(&Origin::CLAUDE, Some("ErUB"))), text])),
            Some(turn(json!([thinking("ErUB"), text]))),
        ),
        (
            "redacted",
            turn(json!([{"type": "redacted_thinking", "data": mark(Some("x"))}, text])),
            Some(turn(json!([text]))),
        ),
        (
            "ids",
            json!([
                {"role": "assistant", "content": [{"type": "tool_use", "id": packed, "name": "f", "input": {"a": 1.50}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": packed, "content": "ok"}]},
            ]),
            Some(json!([
                {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1.50}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}]},
            ])),
        ),
        ("all its own", turn(json!([thinking("ErUB"), text])), None),
    ] {
        assert_eq!(taken(Anthropic, CLAUDE, &before), after, "{name}");
    }
}

/// Anthropic refuses a thinking budget if the current turn begins without thinking.
#[test]
fn anthropic_gets_no_budget_if_the_current_turn_lacks_thinking() {
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}});
    let foreign = json!({"type": "thinking", "thinking": "hm", "signature": mark(None)});
    let own = json!({"type": "thinking", "thinking": "hm", "signature": "ErUB"});
    let result =
        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}]});
    let question = json!({"role": "user", "content": "and now?"});
    let budget = json!({"type": "enabled", "budget_tokens": 2000});
    let adaptive = json!({"type": "adaptive"});
    for (name, first, last, thinking, stays) in [
        ("in the middle of a step", &foreign, &result, &budget, false),
        ("a new turn of the user's", &foreign, &question, &budget, true),
        ("the model decides", &foreign, &result, &adaptive, true),
    ] {
        let body = json!({
            "thinking": thinking,
            "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": [first, call]}, last],
        });
        let out = strip_marks(&Target::vendor(Anthropic, CLAUDE), body.to_string().as_bytes()).unwrap();
        let out: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(out.get("thinking").is_some(), stays, "{name}");
    }
    let mixed = json!({
        "thinking": budget,
        "messages": [{"role": "assistant", "content": [foreign, own, call]}, result],
    });
    let out = strip_marks(&Target::vendor(Anthropic, CLAUDE), mixed.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap()["thinking"], budget);
}

#[test]
fn gemini_gets_a_replacement_signature_for_calls_of_others() {
    let turn = |parts: Value| json!([{"role": "model", "parts": parts}]);
    let call = json!({"name": "f", "args": {}});
    let signed = |key: &str, signature: &str| json!({"functionCall": call, key: signature});
    for (name, model, before, after) in [
        (
            "a thought",
            "gemini-3-pro",
            turn(json!([{"text": "hm", "thought": true, "thoughtSignature": mark(Some("x"))}, {"text": "a"}])),
            Some(turn(json!([{"text": "a"}]))),
        ),
        (
            "nothing but a thought",
            "gemini-3-pro",
            turn(json!([{"text": "", "thought": true, "thought_signature": mark(None)}])),
            Some(json!([])),
        ),
        (
            "a call, for one that wants a signature",
            "gemini-3-pro",
            turn(json!([signed("thoughtSignature", &mark(None))])),
            Some(turn(json!([signed("thoughtSignature", "skip_thought_signature_validator")]))),
        ),
        (
            "a call, for one that does not know the stand-in",
            "gemini-2.5-flash",
            turn(json!([signed("thought_signature", &mark(None))])),
            Some(turn(json!([{"functionCall": call}]))),
        ),
        (
            "packed ids",
            "gemini-2.5-flash",
            json!([
                {"role": "model", "parts": [{"functionCall": {"id": pack("c", Some("s")), "name": "f"}}]},
                {"role": "user", "parts": [{"function_response": {"id": pack("c", Some("s")), "name": "f"}}]},
            ]),
            Some(json!([
                {"role": "model", "parts": [{"functionCall": {"id": "c", "name": "f"}}]},
                {"role": "user", "parts": [{"function_response": {"id": "c", "name": "f"}}]},
            ])),
        ),
        ("its own", "gemini-3-pro", turn(json!([signed("thoughtSignature", "CqUB")])), None),
    ] {
        assert_eq!(taken(Gemini, model, &before), after, "{name}");
    }
}

#[test]
fn bedrock_gets_its_own_ids_and_no_thought_of_another_provider() {
    let thought =
        |signature: &str| json!({"reasoningContent": {"reasoningText": {"text": "hm", "signature": signature}}});
    let text = json!({"text": "a"});
    let turn = |blocks: Value| json!([{"role": "assistant", "content": blocks}]);
    let packed = pack("call_1", Some("sig"));
    let calls = |id: &str| {
        json!([
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": id, "name": "f", "input": {}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": id, "content": []}}]},
        ])
    };
    for (name, before, after) in [
        ("another's goes", turn(json!([thought(&mark(Some("sig"))), text])), Some(turn(json!([text])))),
        ("its own stays", turn(json!([thought("own"), thought(&mark(None))])), Some(turn(json!([thought("own")])))),
        (
            "redacted",
            turn(json!([{"reasoningContent": {"redactedContent": mark(Some("x"))}}, text])),
            Some(turn(json!([text]))),
        ),
        ("nothing else in the turn", turn(json!([thought(&mark(None))])), Some(json!([]))),
        ("ids", calls(&packed), Some(calls("call_1"))),
        ("all its own", turn(json!([thought("own"), text])), None),
    ] {
        assert_eq!(taken(Bedrock, "m", &before), after, "{name}");
    }
}

/// Text about the marks stays.
#[test]
fn similar_text_stays() {
    let (packed, marked) = (pack("call_1", Some("sig")), mark(Some("sig")));
    let words = format!("what are {packed} and {marked}?");
    let arguments = json!({"id": packed, "signature": marked, "tool_use_id": packed});
    for (dialect, turns) in [
        (OpenAi, json!([{"role": "user", "content": packed}, {"role": "user", "content": words, "name": packed}])),
        (
            OpenAi,
            json!([{"role": "assistant", "tool_calls": [
                {"id": "call_1", "function": {"name": "f", "arguments": arguments.to_string()}, "extra_content": {"google": {"thought_signature": marked}}}
            ]}]),
        ),
        (OpenAi, json!([{"role": "tool", "tool_call_id": "call_1__ts_", "content": marked}])),
        (
            Anthropic,
            json!([{"role": "user", "content": words}, {"role": "assistant", "content": [{"type": "text", "text": marked}]}]),
        ),
        (
            Anthropic,
            json!([{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": arguments}]}]),
        ),
        (
            Anthropic,
            json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": words}]}]}]),
        ),
        (Gemini, json!([{"parts": [{"text": words}, {"text": marked, "thought": true}]}])),
        (
            Bedrock,
            json!([{"content": [{"text": words}, {"toolUse": {"toolUseId": "a", "name": "f", "input": arguments}}]}]),
        ),
        (Gemini, json!([{"parts": [{"functionCall": {"id": "a", "name": "f", "args": arguments}}]}])),
    ] {
        assert_eq!(taken(dialect, "m", &turns), None, "{turns}");
        // Nor is it removed together with a real mark.
        let one_more = match dialect {
            OpenAi | Cohere | Ollama => json!({"role": "tool", "tool_call_id": packed, "content": words}),
            Anthropic => {
                json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": packed, "content": words}]})
            }
            Gemini => json!({"parts": [{"functionResponse": {"id": packed, "name": "f", "response": arguments}}]}),
            Bedrock => {
                json!({"role": "user", "content": [{"toolResult": {"toolUseId": packed, "content": [{"text": words}]}}]})
            }
        };
        let mut more = turns.clone();
        more.as_array_mut().unwrap().push(one_more.clone());
        let out = taken(dialect, "m", &more).unwrap();
        assert_eq!(out.as_array().unwrap()[..turns.as_array().unwrap().len()], turns.as_array().unwrap()[..]);
        assert_eq!(
            out.to_string().matches(&*packed).count(),
            more.to_string().matches(&*packed).count() - 1,
            "{turns}"
        );
    }
}

#[test]
fn all_other_bytes_stay_unchanged() {
    let head = r#"{"model":"m","x":{ "n" : 1.10e2 ,"big":123456789012345678901234567890},"messages":["#;
    let kept = r#"{ "role":"user", "content":"a\u00e9\/" ,"content2":0.30000000000000004}"#;
    let packed = pack("call_1", Some("sig"));
    let body = format!(r#"{head}{kept},{{"role":"tool","tool_call_id":"{packed}","content":"ok"}}],"seed":1.0}}"#);
    let expected = format!(r#"{head}{kept},{{"role":"tool","tool_call_id":"call_1","content":"ok"}}],"seed":1.0}}"#);
    let out = strip_marks(&Target::vendor(OpenAi, GPT), body.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn other_bodies_are_not_changed() {
    let marked = mark(None);
    for body in [
        marked.clone(),
        format!(r#""{marked}""#),
        format!(r#"{{"messages":"{marked}"}}"#),
        format!(r#"{{"messages":["{marked}",1]}}"#),
        format!(r#"{{"input":["{marked}"]}}"#),
        format!(r#"{{"contents":[{{"parts":"{marked}"}}]}}"#),
    ] {
        for dialect in Dialect::ALL {
            assert_eq!(strip_marks(&Target::vendor(dialect, "m"), body.as_bytes()), None, "{dialect} {body}");
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let keys = prop_oneof![
        Just("messages"),
        Just("contents"),
        Just("content"),
        Just("parts"),
        Just("tool_calls"),
        Just("id"),
        Just("type"),
        Just("signature"),
        Just("functionCall"),
        Just("thought"),
        Just("thoughtSignature"),
        Just("tool_call_id"),
        Just("extra_content"),
    ];
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        Just(json!(1.5)),
        Just(json!("thinking")),
        Just(json!("tool_use")),
        Just(json!(mark(None))),
        Just(json!(pack("c", Some("s")))),
        "[a-z_]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn bodies_without_a_mark_are_not_changed(bytes in "\\PC{0,200}") {
        prop_assume!(!bytes.contains("__ts_") && !bytes.contains("b3V0cmlnZ2Vy"));
        for dialect in Dialect::ALL {
            prop_assert_eq!(strip_marks(&Target::vendor(dialect, "m"), bytes.as_bytes()), None);
        }
    }

    /// A second run changes nothing, and any shape is accepted.
    #[test]
    fn stripping_twice_equals_stripping_once(body in any_json()) {
        for dialect in Dialect::ALL {
            if let Some(out) = strip_marks(&Target::vendor(dialect, "m"), body.to_string().as_bytes()) {
                prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
                prop_assert_eq!(strip_marks(&Target::vendor(dialect, "m"), &out), None);
            }
        }
    }
}

//! A body may be spelled in many ways: unnecessary escapes hide nothing from the counts.

#![allow(clippy::unwrap_used)] // The helpers here are tests too.

use outrigger_llm::Dialect::{self, Anthropic, Gemini, OpenAi};
use outrigger_llm::operation::find;
use outrigger_llm::passthrough::caching::Caching;
use outrigger_llm::passthrough::needs::Needs;
use outrigger_llm::passthrough::scan::scan;
use outrigger_llm::provider::CapField;
use outrigger_llm::tokens::estimate::{RequestInput, TokenEstimate};
use outrigger_llm::tokens::meter::{Metered, meter};
use proptest::prelude::*;

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";
const GEMINI: &str = "/v1beta/models/m:generateContent";

/// Bodies that contain everything that is counted once.
const BODIES: [(Dialect, &str, &str); 9] = [
    (
        OpenAi,
        CHAT,
        r#"{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"text","text":"What is \"this\", in C:\\temp?"},{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]},{"role":"tool","tool_call_id":"c","content":"ok"}],"max_tokens":100,"n":2}"#,
    ),
    (
        OpenAi,
        CHAT,
        r#"{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"wav","data":"AA"}},{"type":"file","file":{"file_id":"f"}}]}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"reasoning_effort":"none","prediction":{"type":"content","content":"a long text"}}"#,
    ),
    (OpenAi, CHAT, r#"{"messages":[],"web_search_options":{},"prompt_cache_retention":"24h"}"#),
    (
        OpenAi,
        RESPONSES,
        r#"{"input":[{"type":"item_reference","id":"msg_1"},{"id":"rs_1"},{"role":"user","content":[{"type":"input_file","file_url":"https://example.com/a.pdf"}]}],"tools":[{"type":"web_search"}],"reasoning":{"effort":"high"},"max_output_tokens":7}"#,
    ),
    (OpenAi, RESPONSES, r#"{"input":"x","tools":[{"type":"mcp","server_label":"a"}],"background":false}"#),
    (
        Anthropic,
        MESSAGES,
        r#"{"model":"claude-haiku-4-5","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},"system":[{"type":"text","text":"Be kind.","cache_control":{"type":"ephemeral","ttl":"1h"}}],"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"},"citations":{"enabled":true}},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgoAAAANSUhEUgAAAZAAAAEsCAYAAADtt+XCAAAABHNCSVQICAgIfAhkiAAAAAlwSFlzAAAL"}}]},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"type":"image"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"7"}]}]}"#,
    ),
    (
        Anthropic,
        MESSAGES,
        r#"{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"web_fetch_20260318","name":"web_fetch"}],"context_management":{"edits":[{"type":"compact_20260112"}]}}"#,
    ),
    (
        Gemini,
        GEMINI,
        r#"{"contents":[{"role":"user","parts":[{"text":"a/b"},{"fileData":{"mimeType":"video/mp4","fileUri":"https://example.com/v"}},{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0xLjQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}]}],"generationConfig":{"maxOutputTokens":50,"candidateCount":2,"thinkingConfig":{"thinkingBudget":100},"responseSchema":{"type":"STRING"}}}"#,
    ),
    (Gemini, GEMINI, r#"{"contents":[],"tools":[{"urlContext":{}}],"cachedContent":"cachedContents/c"}"#),
];

#[derive(Debug, PartialEq)]
struct Counted {
    estimates: Vec<TokenEstimate>,
    words: bool,
    elsewhere: bool,
    needs: Needs,
    metered: Metered,
    cap: Option<u64>,
    answers: u64,
    predicted: u64,
    thinking: Option<u64>,
    caching: Option<Caching>,
    keeps: bool,
    handle: Option<String>,
}

fn counted(dialect: Dialect, path: &str, body: &str) -> Counted {
    let (operation, body) = (find("POST", path).unwrap().operation, body.as_bytes());
    let (scanned, input) = (scan(body).unwrap(), RequestInput::read(dialect, body));
    let models = [(OpenAi, "gpt-4o"), (Anthropic, "claude-haiku-4-5"), (Gemini, "gemini-2.5-pro")];
    Counted {
        estimates: models.map(|(upstream, model)| input.estimate(upstream, model)).to_vec(),
        words: input.is_words(),
        elsewhere: input.is_elsewhere(),
        needs: scanned.needs(operation, body),
        metered: meter(operation, &scanned, body),
        cap: scanned.output_cap(CapField::of_caller(operation)),
        answers: scanned.answers(operation, body),
        predicted: scanned.predicted(operation, body),
        thinking: scanned.thinking_budget(body),
        caching: scanned.caching(body),
        keeps: scanned.keeps_cache(body),
        handle: scanned.handle,
    }
}

/// The same JSON with some characters of strings escaped by number.
fn spelled(body: &str, mut escapes: impl FnMut() -> Option<bool>) -> String {
    let (mut written, mut inside, mut rest) = (String::new(), false, body.chars());
    while let Some(letter) = rest.next() {
        match letter {
            '"' => {
                inside = !inside;
                written.push('"');
            }
            // An existing escape stays, except for its letter's own spelling.
            '\\' => {
                let escaped = rest.next().unwrap_or_default();
                match (escaped, escapes()) {
                    ('"' | '\\', Some(_)) => written.push_str(&format!("\\u{:04x}", escaped as u32)),
                    _ => written.extend(['\\', escaped]),
                }
            }
            letter if inside => match escapes() {
                Some(true) => written.push_str(&format!("\\u{:04X}", letter as u32)),
                Some(false) => written.push_str(&format!("\\u{:04x}", letter as u32)),
                None => written.push(letter),
            },
            letter => written.push(letter),
        }
    }
    written
}

#[test]
fn every_character_may_be_escaped() {
    for (dialect, path, body) in BODIES {
        let all = spelled(body, || Some(true));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&all).unwrap(),
            serde_json::from_str::<serde_json::Value>(body).unwrap()
        );
        assert_eq!(counted(dialect, path, &all), counted(dialect, path, body), "{body}");
    }
}

#[test]
fn content_elsewhere_is_recognized() {
    let expected = [false, true, false, true, false, true, false, true, false];
    for ((dialect, path, body), elsewhere) in BODIES.into_iter().zip(expected) {
        assert_eq!(counted(dialect, path, body).elsewhere, elsewhere, "{body}");
    }
    let refers =
        |input: &str| RequestInput::read(OpenAi, format!(r#"{{"input":[{input}]}}"#).as_bytes()).is_elsewhere();
    for (input, expected) in [
        (r#"{"type":"item_reference","id":"x"}"#, true),
        (r#"{"id":"x"}"#, true),
        (r#"{"id":"x","role":"user","content":"hi"}"#, false),
        (r#"{"type":"message","content":[{"type":"input_text","text":"hi"}]}"#, false),
        (r#"{"type":"function_call","id":"x","call_id":"c","name":"f","arguments":"{}"}"#, false),
    ] {
        assert_eq!(refers(input), expected, "{input}");
    }
}

#[test]
fn a_picture_is_recognized_in_every_spelling() {
    let part = |kind: &str| format!(r#"{{"type":"{kind}","image_url":{{"url":"https://example.com/a.png"}}}}"#);
    let body =
        |kind: &str| format!(r#"{{"messages":[{{"role":"user","content":[{}]}}]}}"#, vec![part(kind); 200].join(","));
    let tokens = |kind: &str| RequestInput::read(OpenAi, body(kind).as_bytes()).estimate(OpenAi, "gpt-4o").pictures;
    assert!(tokens("image_url") > 10_000);
    assert_eq!(tokens("image\\u005furl"), tokens("image_url"));
}

proptest! {
    #[test]
    fn any_spelling_is_counted_the_same(which in 0..BODIES.len(), choices in prop::collection::vec(0..6_u8, 1..400)) {
        let (dialect, path, body) = BODIES[which];
        let mut choices = choices.into_iter().cycle();
        let other = spelled(body, || match choices.next() {
            Some(0) => Some(true),
            Some(1) => Some(false),
            _ => None,
        });
        prop_assert_eq!(counted(dialect, path, &other), counted(dialect, path, body), "{}", other);
    }
}

//! The memory of requests and answers besides their bytes: almost none while they are read, and no more than the
//! estimate while they are translated.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod shapes;

use std::time::Instant;

use allocation_counter::measure;
use outrigger_llm::json::strict;
use outrigger_llm::json::weight::Weight;
use outrigger_llm::operation::TABLE;
use outrigger_llm::operation::find;
use outrigger_llm::passthrough::scan::scan;
use outrigger_llm::passthrough::strip_marks::strip_marks;
use outrigger_llm::passthrough::summary::AnswerSummary;
use outrigger_llm::provider::Target;
use outrigger_llm::registry::summarize;
use outrigger_llm::tokens::estimate;
use outrigger_llm::tokens::meter;
use outrigger_llm::{Dialect, decode_request, decode_response, encode_request, encode_response};

/// The summary of an answer of the operation with this name.
fn whole(dialect: Dialect, operation: &str, body: &[u8]) -> AnswerSummary {
    let row = TABLE.iter().find(|row| row.name == operation).unwrap();
    summarize(dialect, row.kind, body)
}

const MIB: usize = 1 << 20;

/// The highest number of allocated bytes at one time.
fn peak(work: impl FnOnce()) -> usize {
    usize::try_from(measure(work).bytes_max).unwrap()
}

/// The walks over a body keep none of its values, however many there are.
#[test]
fn a_body_is_read_in_constant_memory() {
    for shape in shapes::all() {
        for bytes in [MIB / 16, MIB / 8] {
            let body = shape.body(bytes).into_bytes();
            let operation = find("POST", &shape.path("m")).unwrap().operation;
            let begun = Instant::now();
            let held = peak(|| {
                let Ok(scanned) = scan(&body) else { return };
                let _ = scanned.needs(operation, &body);
                let _ = scanned.caching(&body);
                let _ = scanned.thinking_budget(&body);
                let _ = scanned.answers(operation, &body);
                let _ = meter::meter(operation, &scanned, &body);
                let _ = estimate::RequestInput::read(shape.dialect, &body);
                assert_eq!(strip_marks(&Target::vendor(shape.dialect, "m"), &body), None);
            });
            // If characters are escaped by number, an unescaped copy is read.
            let copy = if shape.name == "calls with large arguments" { body.len() } else { 0 };
            assert!(held <= (300 << 10) + copy, "{:?} {} of {}: {held}", shape.dialect, shape.name, body.len());
            assert!(begun.elapsed().as_secs() < 20, "{:?} {}: {:?}", shape.dialect, shape.name, begun.elapsed());
        }
    }
}

/// A tree and a translation take no more than the estimate, and not so much less that ordinary requests would be
/// refused.
#[test]
fn the_memory_of_a_translation_is_estimated_beforehand() {
    let mut most = 0.0_f64;
    for shape in shapes::all() {
        for bytes in [1_000, MIB / 8] {
            let body = shape.body(bytes).into_bytes();
            let weight = Weight::of(&body);
            let parse = || match shape.dialect {
                Dialect::Gemini => strict::google(&body),
                _ => strict::parse(&body),
            };
            let tree = peak(|| drop(parse()));
            let name = format!("{:?} {} of {}", shape.dialect, shape.name, body.len());
            assert!(tree <= weight.tree() + 4_096, "{name}: {tree} > {} {weight:?}", weight.tree());
            for upstream in Dialect::ALL.into_iter().filter(|upstream| *upstream != shape.dialect) {
                let begun = Instant::now();
                let mut encoded_whole = false;
                let held = peak(|| {
                    let Ok(value) = parse() else { return };
                    let Ok(request) = decode_request(shape.dialect.format(), value.as_object().unwrap(), "m", false)
                    else {
                        return;
                    };
                    drop(value);
                    let Ok(encoded) =
                        encode_request(shape.dialect.format(), &request, &Target::vendor(upstream, "m"), None)
                    else {
                        return;
                    };
                    let mut out = Vec::with_capacity(body.len() + body.len() / 8);
                    serde_json::to_writer(&mut out, &encoded.body).unwrap();
                    encoded_whole = true;
                });
                let forecast = weight.translated();
                most = most.max(forecast as f64 / body.len() as f64);
                assert!(held <= forecast, "{name} to {upstream}: {held} > {forecast} {weight:?}");
                assert!(begun.elapsed().as_secs() < 20, "{name} to {upstream}: {:?}", begun.elapsed());
                // Ordinary requests fit.
                let ordinary = match shape.name {
                    "a picture" | "one long text" => Some(4),
                    "an agent at work" => Some(16),
                    _ => None,
                };
                if let Some(most) = ordinary.filter(|_| bytes > 1_000) {
                    assert!(
                        encoded_whole && forecast < most * body.len(),
                        "{name} to {upstream}: {held} of {forecast}"
                    );
                }
            }
        }
    }
    // The largest factor of a byte.
    assert!(most < 600.0, "{most}");
}

/// The same for answers.
#[test]
fn an_answer_takes_no_more_than_estimated() {
    let many = |one: &str, bytes: usize| vec![one; bytes / (one.len() + 1)].join(",");
    for (dialect, operation, name, answer) in [
        (Dialect::OpenAi, "chat", "choices", format!(r#"{{"choices":[{}]}}"#, many("{}", MIB))),
        (
            Dialect::OpenAi,
            "chat",
            "choices in full",
            format!(r#"{{"choices":[{}]}}"#, many(r#"{"message":{"content":"x","tool_calls":[{},{}]}}"#, MIB)),
        ),
        (
            Dialect::OpenAi,
            "chat",
            "text",
            format!(
                r#"{{"choices":[{{"finish_reason":"stop","message":{{"content":"{}"}}}}]}}"#,
                "a\\nb ".repeat(MIB / 5)
            ),
        ),
        (
            Dialect::OpenAi,
            "chat",
            "calls",
            format!(
                r#"{{"choices":[{{"message":{{"tool_calls":[{}]}}}}]}}"#,
                many(r#"{"id":"a","function":{"name":"f","arguments":"{}"}}"#, MIB)
            ),
        ),
        (Dialect::OpenAi, "responses", "output", format!(r#"{{"output":[{}]}}"#, many("{}", MIB))),
        (Dialect::OpenAi, "images", "data", format!(r#"{{"data":[{}]}}"#, many("{}", MIB))),
        (Dialect::OpenAi, "chat", "a key twice", format!(r#"{{"choices":[{}],"choices":[]}}"#, many("[0]", MIB))),
        (Dialect::OpenAi, "chat", "unknown", format!(r#"{{"choices":[{{}}],"x":[{}]}}"#, many("[0]", MIB))),
        (
            Dialect::Anthropic,
            "messages",
            "content",
            format!(r#"{{"content":[{}]}}"#, many(r#"{"type":"text","text":"x"}"#, MIB)),
        ),
        (Dialect::Gemini, "generate_content", "candidates", format!(r#"{{"candidates":[{}]}}"#, many("{}", MIB))),
        (
            Dialect::Gemini,
            "generate_content",
            "parts",
            format!(r#"{{"candidates":[{{"content":{{"parts":[{}]}}}}]}}"#, many(r#"{"text":"x"}"#, MIB)),
        ),
        (Dialect::Gemini, "generate_content", "pieces", format!("[{}]", many(r#"{"candidates":[]}"#, MIB))),
    ] {
        let body = answer.as_bytes();
        let looked_at = peak(|| drop(whole(dialect, operation, body)));
        // A string with escapes may be unescaped; a duplicate key may need a tree of a mebibyte.
        assert!(looked_at <= body.len() * 5 / 2, "{dialect} {name}: {looked_at}");
        for caller in Dialect::ALL.into_iter().filter(|caller| *caller != dialect) {
            let held = peak(|| {
                let Ok(value) = serde_json::from_slice(body) else { return };
                let Ok(response) = decode_response(dialect.format(), &value) else { return };
                drop(value);
                let encoded = encode_response(caller.format(), &response, &outrigger_llm::Answer::default());
                let mut out = Vec::with_capacity(body.len() + body.len() / 8);
                serde_json::to_writer(&mut out, &encoded).unwrap();
            });
            let forecast = Weight::of(body).translated();
            assert!(held <= forecast, "{dialect} {name} to {caller}: {held} > {forecast}");
        }
    }
}

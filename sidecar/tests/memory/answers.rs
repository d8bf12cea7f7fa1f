//! Upstreams' answers that are wide, long, compressed, or endless.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use outrigger_llm::Dialect::{self, Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenAi};

use crate::upstream::Script;
use crate::{MIB, PROVIDERS, Scene, led};

fn gzip(plain: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..times {
        encoder.write_all(plain).unwrap();
    }
    encoder.finish().unwrap()
}

fn many(one: &str, bytes: usize) -> String {
    vec![one; bytes / (one.len() + 1)].join(",")
}

/// A whole answer with this text.
fn saying(dialect: Dialect, text: &str) -> String {
    match dialect {
        OpenAi => format!(r#"{{"choices":[{{"message":{{"content":"{text}"}},"finish_reason":"stop"}}]}}"#),
        Anthropic => {
            format!(r#"{{"type":"message","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn"}}"#)
        }
        Gemini => {
            format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}},"finishReason":"STOP"}}]}}"#)
        }
        Bedrock => format!(
            r#"{{"output":{{"message":{{"role":"assistant","content":[{{"text":"{text}"}}]}}}},"stopReason":"end_turn"}}"#
        ),
        Ollama => format!(r#"{{"message":{{"content":"{text}"}},"done":true}}"#),
        Cohere => {
            format!(r#"{{"message":{{"content":[{{"type":"text","text":"{text}"}}]}},"finish_reason":"COMPLETE"}}"#)
        }
    }
}

/// A whole answer of very many small parts.
fn wide(dialect: Dialect, bytes: usize) -> String {
    match dialect {
        OpenAi => format!(r#"{{"choices":[{}]}}"#, many(r#"{"message":{"content":"x"}}"#, bytes)),
        Anthropic => format!(r#"{{"type":"message","content":[{}]}}"#, many(r#"{"type":"text","text":"x"}"#, bytes)),
        Gemini => format!(r#"{{"candidates":[{{"content":{{"parts":[{}]}}}}]}}"#, many(r#"{"text":"x"}"#, bytes)),
        Bedrock => {
            format!(r#"{{"output":{{"message":{{"content":[{}]}}}}}}"#, many(r#"{"text":"x"}"#, bytes))
        }
        Ollama => {
            format!(r#"{{"message":{{"tool_calls":[{}]}},"done":true}}"#, many(r#"{"function":{"name":"f"}}"#, bytes))
        }
        Cohere => format!(r#"{{"message":{{"content":[{}]}}}}"#, many(r#"{"type":"text","text":"x"}"#, bytes)),
    }
}

/// One event with content.
fn event(dialect: Dialect, text: &str) -> String {
    match dialect {
        OpenAi => format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"),
        Anthropic => format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
        ),
        Gemini => format!("data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}}}}]}}\n\n"),
        Bedrock | Ollama => panic!("no provider of this dialect is in the policy"),
        Cohere => format!(
            "event: content-delta\ndata: {{\"type\":\"content-delta\",\"index\":0,\"delta\":{{\"message\":{{\"content\":{{\"text\":\"{text}\"}}}}}}}}\n\n"
        ),
    }
}

/// The events before it.
fn opening(dialect: Dialect) -> &'static str {
    match dialect {
        Anthropic => {
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"role\":\"assistant\",\"content\":[],\"usage\":{\"input_tokens\":1}}}\n\n\
             event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
        }
        _ => "",
    }
}

/// A fragment of a call's arguments.
fn argument(text: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,\"id\":\"c\",\"function\":{{\"name\":\"f\",\"arguments\":\"{text}\"}}}}]}}}}]}}\n\n"
    )
}

/// The name, whether it is a stream, and the answer.
fn scripts(dialect: Dialect) -> Vec<(&'static str, bool, Script)> {
    let long = "x".repeat(1_000);
    let json = |text: String| Script::json(200, text);
    let compressed = "content-type: application/json\r\ncontent-encoding: gzip";
    let wide_bytes = wide(dialect, 4 * MIB);
    let mut scripts = vec![
        ("8 MB of text", false, json(saying(dialect, &"abc\\n def ".repeat(800_000)))),
        ("60 MB of text", false, json(saying(dialect, &"x".repeat(60_000_000)))),
        ("4 MiB of small things", false, json(wide_bytes.clone())),
        ("a key twice", false, json(format!("{{\"choices\":0,{}", &wide_bytes[1..]))),
        ("a long error", false, Script::json(400, saying(dialect, &"x".repeat(8 * MIB)))),
        ("a wide error", false, Script::json(500, format!("{{\"error\":[{}]}}", many("[0]", MIB / 5)))),
        ("a compressed error", false, Script::whole(500, compressed, gzip(&[b'['; 1 << 16], 1_000))),
        ("compressed text", false, Script::whole(200, compressed, gzip(&[b' '; 1 << 16], 1_600))),
        (
            "an event of 7 MB",
            true,
            Script::events("", opening(dialect), &event(dialect, &"x".repeat(7_000_000)), 1, ""),
        ),
        (
            "an event of 1 MB",
            true,
            Script::events("", opening(dialect), &event(dialect, &"x".repeat(1_000_000)), 4, ""),
        ),
        (
            "an event without an end",
            true,
            Script::events("", opening(dialect), &format!("data: {}", "x".repeat(60_000)), 400, ""),
        ),
        ("events of one byte", true, Script::events("", opening(dialect), &"\n".repeat(65_536), 4, "")),
        ("events of one word", true, Script::events("", opening(dialect), &event(dialect, "x").repeat(600), 10, "")),
        ("long events", true, Script::events("", opening(dialect), &event(dialect, &long).repeat(60), 30, "")),
    ];
    let mut stream = GzEncoder::new(Vec::new(), Compression::best());
    stream.write_all(opening(dialect).as_bytes()).unwrap();
    for _ in 0..2 {
        stream.write_all(event(dialect, "x").repeat(10_000).as_bytes()).unwrap();
    }
    let mut script = Script::events("content-encoding: gzip\r\n", "", "", 0, "");
    script.first = stream.finish().unwrap().into();
    scripts.push(("compressed events", true, script));
    if dialect == OpenAi {
        let begin = argument("{\\\"a\\\":\\\"");
        scripts.push((
            "arguments without an end",
            true,
            Script::events("", &begin, &argument(&long).repeat(60), 150, ""),
        ));
        // As objects, these arguments take a hundred times their text.
        let list = argument("{\\\"a\\\":[0");
        let end =
            argument("]}") + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n";
        let zeros = argument(&",0".repeat(500)).repeat(60);
        scripts.push(("arguments of many numbers", true, Script::events("", &list, &zeros, 80, &end)));
        scripts.push(("calls without an end", true, {
            let calls: String = (0..10_000)
                .map(|call| argument("{}").replace("\"index\":0,\"id\"", &format!("\"index\":{call},\"id\"")))
                .collect();
            Script::events("", "", &calls, 1, "")
        }));
    }
    scripts
}

/// A request to a provider.
fn request(caller: Dialect, provider: Dialect, stream: bool) -> (String, Vec<u8>) {
    let body = match caller {
        OpenAi | Cohere | Ollama => {
            format!(r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"x"}}]}}"#)
        }
        Anthropic => {
            format!(r#"{{"model":"m","stream":{stream},"max_tokens":9,"messages":[{{"role":"user","content":"x"}}]}}"#)
        }
        Gemini => r#"{"contents":[{"parts":[{"text":"x"}]}]}"#.to_owned(),
        Bedrock => r#"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#.to_owned(),
    };
    let (path, body) = led(caller, provider, body);
    let path = match caller {
        Gemini if stream => path.replace(":generateContent", ":streamGenerateContent?alt=sse"),
        Bedrock if stream => path.replace("/converse", "/converse-stream"),
        _ => path,
    };
    (path, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_below_the_limit_for_any_answer() {
    let scene = Scene::new().await;
    for provider in PROVIDERS {
        for (name, stream, script) in scripts(provider) {
            scene.upstream(provider).play(script);
            for caller in Dialect::ALL {
                // At least one translation in each direction.
                if provider != OpenAi && caller != OpenAi && caller != provider {
                    continue;
                }
                let at_once = if caller == provider { 4 } else { 16 };
                for clients in [1, at_once] {
                    let (path, body) = request(caller, provider, stream);
                    let statuses =
                        scene.tries(&format!("{name} from {provider} to {caller}"), clients, &path, body).await;
                    let known = |status: &u16| matches!(status, 200 | 400 | 429 | 500 | 502 | 503 | 504);
                    assert!(statuses.iter().all(known), "{name} from {provider} to {caller}: {statuses:?}");
                }
            }
        }
    }
}

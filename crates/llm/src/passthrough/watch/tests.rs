use crate::Dialect::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenAi};

use bytes::Bytes;

use super::*;
use crate::Dialect;
use crate::chat::StreamError;
use crate::operation::TABLE;
use crate::passthrough::summary::AnswerSummary;
use crate::registry::summarize;

/// The summary of an answer of the operation with this name.
fn whole(dialect: Dialect, operation: &str, body: &[u8]) -> AnswerSummary {
    let row = TABLE.iter().find(|row| row.name == operation).unwrap();
    summarize(dialect, row.kind, body)
}

fn event(name: &str, data: &str) -> Event {
    Event::of(name, Some(data))
}

fn first(dialect: Dialect, name: &str, data: &str) -> Observation {
    StreamWatch::new(dialect.format()).observe(&event(name, data))
}

fn content() -> Observation {
    Observation { content: true, ..Observation::default() }
}

fn terminal() -> Observation {
    Observation { terminal: true, ..Observation::default() }
}

fn malformed() -> Observation {
    Observation { malformed: true, ..Observation::default() }
}

fn error(kind: &str, message: &str, status: Option<u16>) -> Observation {
    let error = StreamError { kind: kind.to_owned(), message: message.to_owned(), status };
    Observation { error: Some(error), ..Observation::default() }
}

#[test]
fn openai_events_are_observed() {
    let table = [
        (
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
            Observation::default(),
        ),
        (r#"{"choices":[{"delta":{"content":"a"}}]}"#, content()),
        (r#"{"choices":[{"delta":{"content":""}},{"index":1,"delta":{"content":"a"}}]}"#, content()),
        (
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]}]}}]}"#,
            content(),
        ),
        (r#"{"choices":[{"delta":{"content":[{"type":"text","text":""}]}}]}"#, Observation::default()),
        (r#"{"choices":[{"delta":{"reasoning_content":"a"}}]}"#, content()),
        (r#"{"choices":[{"delta":{"reasoning":"a"}}]}"#, content()),
        (r#"{"choices":[{"delta":{"refusal":"a"}}]}"#, content()),
        (
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}}]}"#,
            content(),
        ),
        (r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}"#, content()),
        (r#"{"choices":[{"delta":{"tool_calls":[]}}]}"#, Observation::default()),
        (r#"{"choices":[{"delta":{"audio":{"id":"a","data":"AAAA"}}}]}"#, content()),
        (r#"{"choices":[{"text":"a","index":0}]}"#, content()),
        (r#"{"choices":[],"prompt_filter_results":[{}]}"#, Observation::default()),
        (r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, Observation { usage_only: true, ..Observation::default() }),
        (r#"{"choices":[],"usage":null}"#, Observation::default()),
        (r#"{"choices":null,"usage":{"prompt_tokens":1}}"#, Observation::default()),
        (r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#, Observation::default()),
        ("[DONE]", terminal()),
        (" [DONE]", terminal()),
        // A duplicate key: the last one counts, as for clients.
        (r#"{"choices":[],"choices":[{"delta":{"content":"a"}}]}"#, content()),
        (r#"{"choices":[{"delta":{"content":"é\n"}}],"model":7}"#, content()),
        // Unexpected types.
        (
            r#"{"choices":[1,{"delta":[]},{"delta":{"content":5}}],"usage":3,"model":{},"error":[]}"#,
            Observation::default(),
        ),
        ("", Observation::default()),
        (r#"{"type":"ping"}"#, Observation::default()),
        ("hello", malformed()),
        (r#"{"choices":[{"delta":{"content":"a"#, malformed()),
        ("[]", malformed()),
        ("{}", malformed()),
        (r#"{"this":[{"is":{}}]}"#, malformed()),
        (r#"{"error":{"message":"m","type":"server_error","code":null}}"#, error("server_error", "m", None)),
        (
            r#"{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}"#,
            error("rate_limit_exceeded", "m", None),
        ),
        (r#"{"error":{"message":"m","code":502}}"#, error("error", "m", Some(502))),
        (r#"{"error":{"message":"m","code":"429","type":"too_many"}}"#, error("too_many", "m", Some(429))),
        (r#"{"error":"m"}"#, error("error", "m", None)),
    ];
    for (data, expected) in table {
        assert_eq!(first(OpenAi, "", data), expected, "{data}");
    }
    assert_eq!(first(OpenAi, "error", "upstream gone"), error("error", "upstream gone", None));
    let cut = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"error"}],"error":{"message":"m","code":502}}"#;
    assert_eq!(first(OpenAi, "", cut), Observation { content: true, ..error("error", "m", Some(502)) });
}

#[test]
fn events_of_a_response_are_observed() {
    let table = [
        (
            r#"{"type":"response.created","response":{"status":"in_progress","model":"m","output":[],"error":null}}"#,
            Observation::default(),
        ),
        (
            r#"{"type":"response.output_item.added","item":{"id":"i","type":"message","status":"in_progress","content":[],"role":"assistant"}}"#,
            Observation::default(),
        ),
        (
            r#"{"type":"response.output_item.added","item":{"id":"i","type":"reasoning","encrypted_content":"x","summary":[]}}"#,
            Observation::default(),
        ),
        (
            r#"{"type":"response.output_item.done","item":{"id":"i","type":"reasoning","encrypted_content":"x","summary":[]}}"#,
            content(),
        ),
        (
            r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"f","arguments":""}}"#,
            content(),
        ),
        (r#"{"type":"response.content_part.added","part":{"type":"output_text","text":""}}"#, Observation::default()),
        (r#"{"type":"response.output_text.delta","delta":"a"}"#, content()),
        (r#"{"type":"response.output_text.delta","delta":""}"#, Observation::default()),
        (r#"{"type":"response.function_call_arguments.delta","delta":"{"}"#, content()),
        (r#"{"type":"response.reasoning_summary_text.delta","delta":"a"}"#, content()),
        (r#"{"type":"response.refusal.delta","delta":"a"}"#, content()),
        (r#"{"type":"response.output_text.done","text":"a"}"#, content()),
        (r#"{"type":"response.completed","response":{"status":"completed","output":[]}}"#, terminal()),
        (
            r#"{"type":"response.completed","response":{"output":[{"type":"function_call"}]}}"#,
            Observation { content: true, ..terminal() },
        ),
        (r#"{"type":"response.incomplete","response":{"status":"incomplete","output":[]}}"#, terminal()),
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"}}}"#,
            Observation { terminal: true, ..error("server_error", "m", None) },
        ),
        (
            r#"{"type":"error","code":"rate_limit_exceeded","message":"m","param":null}"#,
            error("rate_limit_exceeded", "m", None),
        ),
        (r#"{"type":"error","error":{"type":"server_error","message":"m"}}"#, error("server_error", "m", None)),
        (r#"{"type":"response.of_tomorrow"}"#, Observation::default()),
    ];
    for (data, expected) in table {
        assert_eq!(first(OpenAi, "", data), expected, "{data}");
    }
}

#[test]
fn anthropic_events_are_observed() {
    let table = [
        (
            r#"{"type":"message_start","message":{"model":"m","content":[],"usage":{"input_tokens":1}}}"#,
            Observation::default(),
        ),
        (r#"{"type":"ping"}"#, Observation::default()),
        (
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            Observation::default(),
        ),
        (
            r#"{"type":"content_block_start","content_block":{"type":"thinking","thinking":"","signature":"s"}}"#,
            Observation::default(),
        ),
        (
            r#"{"type":"content_block_start","content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
            content(),
        ),
        (r#"{"type":"content_block_start","content_block":{"type":"redacted_thinking","data":"x"}}"#, content()),
        (r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#, content()),
        (r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":""}}"#, Observation::default()),
        (r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"a"}}"#, content()),
        (r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}"#, content()),
        (
            r#"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"s"}}"#,
            Observation::default(),
        ),
        (r#"{"type":"content_block_stop","index":0}"#, Observation::default()),
        (
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}"#,
            Observation::default(),
        ),
        (r#"{"type":"message_stop"}"#, terminal()),
        (r#"{"type":"of_tomorrow","x":1}"#, Observation::default()),
        (
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            error("overloaded_error", "Overloaded", None),
        ),
        (r#"{"type":"error"}"#, error("error", "", None)),
        (r#"{"error":{"message":"m"}}"#, error("error", "m", None)),
        (r#"{"choices":[]}"#, malformed()),
        ("[DONE]", malformed()),
        ("<html>", malformed()),
    ];
    for (data, expected) in table {
        assert_eq!(first(Anthropic, "", data), expected, "{data}");
    }
}

#[test]
fn gemini_events_are_observed() {
    let table = [
        (r#"{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"}}]}"#, content()),
        (r#"{"candidates":[{"content":{"parts":[{"text":"a","thought":true}]}}]}"#, content()),
        (r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"s"}]}}]}"#, Observation::default()),
        (r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]}}]}"#, content()),
        (r#"{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"A"}}]}}]}"#, content()),
        (r#"{"candidates":[{"content":{},"index":0}]}"#, Observation::default()),
        (
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#,
            Observation { terminal: true, ..content() },
        ),
        (r#"{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}]}"#, Observation::default()),
        (r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, terminal()),
        (r#"{"promptFeedback":{"safetyRatings":[]},"candidates":[]}"#, Observation::default()),
        (r#"{"usageMetadata":{"promptTokenCount":1}}"#, Observation::default()),
        (r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#, error("UNAVAILABLE", "m", Some(503))),
        (r#"{"this":[{"is":{"not":[{"a":"valid"}]},"response":{}}]}"#, malformed()),
        ("", Observation::default()),
        ("null", malformed()),
    ];
    for (data, expected) in table {
        assert_eq!(first(Gemini, "", data), expected, "{data}");
    }
}

#[test]
fn an_error_without_a_data_line_is_observed() {
    let mut events = Vec::new();
    crate::framing::sse::SseReader::default().push(
        &Bytes::from_static(
            b"{\n \"error\": {\n  \"code\": 499, \"message\": \"m\", \"status\": \"CANCELLED\"\n }\n}\n\n: ping\n\n",
        ),
        &mut events,
    );
    for dialect in [OpenAi, Anthropic, Gemini] {
        let mut watch = StreamWatch::new(dialect.format());
        assert_eq!(watch.observe(&events[0]).error.map(|error| error.message).as_deref(), Some("m"), "{dialect}");
        assert_eq!(watch.observe(&events[1]), Observation::default());
    }
}

/// Watches a stream whose first event is content, so that the rest is only searched.
fn after_content(dialect: Dialect, events: &[(&str, &str)]) -> (StreamWatch, Vec<Observation>) {
    let mut watch = StreamWatch::new(dialect.format());
    let begin = match dialect {
        OpenAi => r#"{"model":"m","choices":[{"delta":{"content":"a"}}]}"#,
        Anthropic => r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#,
        Gemini => r#"{"modelVersion":"m","candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#,
        Bedrock => r#"{"contentBlockIndex":0,"delta":{"text":"a"}}"#,
        Ollama => r#"{"message":{"role":"assistant","content":"a"},"done":false}"#,
        Cohere => r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"a"}}}}"#,
    };
    let name = if dialect == Bedrock { "contentBlockDelta" } else { "" };
    assert!(watch.observe(&event(name, begin)).content);
    let seen = events.iter().map(|(name, data)| watch.observe(&event(name, data))).collect();
    (watch, seen)
}

#[test]
fn ends_and_usage_are_observed_after_the_first_content() {
    let (watch, seen) = after_content(
        OpenAi,
        &[
            (
                "",
                r#"{"choices":[{"delta":{"content":"say \"error\": \"usage\""},"finish_reason": null}],"usage":null}"#,
            ),
            ("", r#"{"choices":[{"delta":{"role":"assistant"},"finish_reason":null}]}"#),
            ("", r#"{"choices":[{"delta":{},"finish_reason" : "length"}],"usage":null}"#),
            ("", r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#),
            ("", "[DONE]"),
        ],
    );
    assert_eq!(
        seen,
        [
            content(),
            content(),
            Observation::default(),
            Observation { usage_only: true, ..Observation::default() },
            terminal()
        ]
    );
    assert!(watch.finished());
    assert_eq!(watch.model(), Some("m"));
    assert_eq!(watch.usage(), Usage { input: Some(3), output: Some(2), ..Usage::default() });

    let (watch, seen) = after_content(OpenAi, &[("", r#"{"error":{"message":"m"}}"#), ("", r#"{"choices":[{"del"#)]);
    assert_eq!(seen, [error("error", "m", None), malformed()]);
    assert!(!watch.finished());

    let (watch, seen) = after_content(
        OpenAi,
        &[
            ("response.output_text.delta", r#"{"type":"response.output_text.delta","delta":"b"}"#),
            ("", r#"{"type":"error","code":"server_error","message":"m"}"#),
            (
                "",
                r#"{"type":"response.completed","response":{"usage":{"input_tokens":3,"output_tokens":2},"output":[]}}"#,
            ),
        ],
    );
    assert_eq!(seen, [content(), error("server_error", "m", None), terminal()]);
    assert_eq!(watch.usage().output, Some(2));

    let (watch, seen) = after_content(
        Anthropic,
        &[
            ("content_block_delta", r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"b"}}"#),
            ("content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
            ("error", r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#),
            (
                "message_delta",
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#,
            ),
            ("message_stop", r#"{"type":"message_stop"}"#),
        ],
    );
    assert_eq!(
        seen,
        [content(), Observation::default(), error("api_error", "m", None), Observation::default(), terminal()]
    );
    assert!(watch.finished());

    let (watch, seen) = after_content(
        Gemini,
        &[
            ("", r#"{"candidates":[{"content":{"parts":[{"text":"b"}]}}]}"#),
            ("", r#"{"candidates":[{"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":3}}"#),
            ("", r#"{"error":{"code":499,"message":"m","status":"CANCELLED"}}"#),
        ],
    );
    assert_eq!(seen, [content(), terminal(), error("CANCELLED", "m", Some(499))]);
    assert_eq!((watch.finished(), watch.usage().input), (true, Some(3)));
}

#[test]
fn a_stream_without_content_is_empty_unless_its_end_explains_that() {
    let table: &[(Dialect, &[&str], bool)] = &[
        (OpenAi, &[r#"{"choices":[{"delta":{"content":""},"finish_reason":"stop"}]}"#, "[DONE]"], true),
        (OpenAi, &["[DONE]"], true),
        (OpenAi, &[r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#], false),
        (OpenAi, &[r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#], false),
        (OpenAi, &[r#"{"choices":[{"delta":{"content":"a"}}]}"#, "[DONE]"], false),
        (OpenAi, &[r#"{"choices":[{"delta":{}}]}"#], false), // cut, which is worse
        (OpenAi, &[r#"{"type":"response.incomplete","response":{"status":"incomplete"}}"#], false),
        (OpenAi, &[r#"{"type":"response.completed","response":{"status":"completed"}}"#], true),
        (Anthropic, &[r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#], true),
        (Anthropic, &[r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#], false),
        (Gemini, &[r#"{"candidates":[{"content":{},"finishReason":"STOP"}]}"#], true),
        (Gemini, &[r#"{"candidates":[{"finishReason":"SAFETY"}]}"#], false),
        (Gemini, &[r#"{"promptFeedback":{"blockReason":"OTHER"}}"#], false),
    ];
    for (dialect, events, empty) in table {
        let mut watch = StreamWatch::new(dialect.format());
        for data in *events {
            watch.observe(&event("", data));
        }
        assert_eq!(watch.empty(), *empty, "{events:?}");
    }
}

#[test]
fn usage_means_the_same_in_every_dialect() {
    let of = |dialect: Dialect, events: &[&str]| {
        let mut watch = StreamWatch::new(dialect.format());
        for data in events {
            watch.observe(&event("", data));
        }
        watch.usage()
    };
    let anthropic = of(
        Anthropic,
        &[
            r#"{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":50,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":30},"output_tokens":1}}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}}"#,
        ],
    );
    assert_eq!(
        anthropic,
        Usage {
            input: Some(160),
            cached_input: Some(100),
            cache_write: Some(20),
            cache_write_1h: Some(30),
            output: Some(9),
            reasoning: Some(4),
            ..Usage::default()
        }
    );
    let openai = r#"{"choices":[],"usage":{"prompt_tokens":10.0,"completion_tokens":5,"total_tokens":22,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":2},"completion_tokens_details":{"reasoning_tokens":7,"audio_tokens":1}}}"#;
    assert_eq!(
        of(OpenAi, &[openai]),
        Usage {
            input: Some(10),
            cached_input: Some(4),
            output: Some(12), // xAI: 10 + 5 + 7 = 22
            reasoning: Some(7),
            audio_input: Some(2),
            audio_output: Some(1),
            ..Usage::default()
        }
    );
    let deepseek = r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":-1,"prompt_cache_hit_tokens":4,"prompt_tokens_details":null}}"#;
    assert_eq!(of(OpenAi, &[deepseek]), Usage { input: Some(10), cached_input: Some(4), ..Usage::default() });
    // Mistral: 9 + 40 of audio + 20 = 69
    let mistral = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":20,"total_tokens":69,"prompt_tokens_details":{"audio_tokens":40}}}"#;
    assert_eq!((of(OpenAi, &[mistral]).input, of(OpenAi, &[mistral]).audio_input), (Some(49), Some(40)));
    let grok = r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":163}}}"#;
    assert_eq!(of(OpenAi, &[grok]), Usage { input: Some(7), output: Some(1), ..Usage::default() });
    let groq = r#"{"choices":[],"x_groq":{"usage":{"prompt_tokens":10}}}"#;
    assert_eq!(of(OpenAi, &[groq]), Usage { input: Some(10), ..Usage::default() });
    let gemini = of(
        Gemini,
        &[
            r#"{"usageMetadata":{"promptTokenCount":10,"totalTokenCount":10}}"#,
            r#"{"usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":3,"cachedContentTokenCount":2,"candidatesTokenCount":5,"thoughtsTokenCount":7,"promptTokensDetails":[{"modality":"TEXT","tokenCount":4},{"modality":"AUDIO","tokenCount":6}]}}"#,
        ],
    );
    assert_eq!(
        gemini,
        Usage {
            input: Some(13),
            cached_input: Some(2),
            output: Some(12),
            reasoning: Some(7),
            audio_input: Some(6),
            ..Usage::default()
        }
    );
    let most = r#"{"usageMetadata":{"promptTokenCount":18446744073709551615,"toolUsePromptTokenCount":1}}"#;
    assert_eq!(of(Gemini, &[most]).input, None);
}

#[test]
fn whole_answers_are_observed() {
    let plain = AnswerSummary::default();
    let empty = || AnswerSummary { empty: true, ..AnswerSummary::default() };
    let malformed = |why: &str| AnswerSummary { malformed: Some(why.to_owned()), ..AnswerSummary::default() };
    let error = |kind: &str, status| AnswerSummary {
        error: Some(StreamError { kind: kind.to_owned(), message: "m".to_owned(), status }),
        ..AnswerSummary::default()
    };
    let table = [
        (OpenAi, "chat", r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#, plain.clone()),
        (
            OpenAi,
            "chat",
            r#"{"choices":[{"message":{"content":null,"tool_calls":[{"function":{"name":"f"}}]},"finish_reason":"tool_calls"}]}"#,
            plain.clone(),
        ),
        (OpenAi, "chat", r#"{"choices":[{"message":{"content":null,"refusal":"no"}}]}"#, plain.clone()),
        (OpenAi, "chat", r#"{"choices":[{"message":{"content":""},"finish_reason":"length"}]}"#, plain.clone()),
        (
            OpenAi,
            "chat",
            r#"{"choices":[{"finish_reason":"content_filter","content_filter_results":{}}]}"#,
            plain.clone(),
        ),
        (OpenAi, "chat", r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#, empty()),
        (OpenAi, "chat", r#"{"choices":[{"message":{"content":null},"finish_reason":""}]}"#, empty()),
        (OpenAi, "chat", r#"{"choices":[]}"#, empty()),
        (OpenAi, "chat", r#"{"error":{"message":"m","code":429}}"#, error("error", Some(429))),
        (OpenAi, "chat", r#"{"object":"x"}"#, malformed("`choices` is missing")),
        (OpenAi, "chat", "", malformed("the body is empty")),
        (OpenAi, "chat", "<html>", malformed("not a JSON object")),
        (OpenAi, "chat", "[]", malformed("not a JSON object")),
        (OpenAi, "completions", r#"{"choices":[{"text":"a"}]}"#, plain.clone()),
        (OpenAi, "completions", r#"{"choices":[{"text":"","finish_reason":"stop"}]}"#, empty()),
        (
            OpenAi,
            "responses",
            r#"{"object":"response","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}"#,
            plain.clone(),
        ),
        (
            OpenAi,
            "responses",
            r#"{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":""}]}]}"#,
            empty(),
        ),
        (
            OpenAi,
            "responses",
            r#"{"status":"completed","output":[{"type":"function_call","name":"f"}]}"#,
            plain.clone(),
        ),
        (OpenAi, "responses", r#"{"status":"incomplete","output":[]}"#, plain.clone()),
        (OpenAi, "responses", r#"{"status":"queued","object":"response"}"#, plain.clone()),
        (
            OpenAi,
            "responses",
            r#"{"status":"failed","output":[],"error":{"code":"server_error","message":"m"}}"#,
            error("server_error", None),
        ),
        (OpenAi, "responses", "{}", malformed("`output` is missing")),
        (Anthropic, "messages", r#"{"content":[{"type":"text","text":"a"}],"stop_reason":"end_turn"}"#, plain.clone()),
        (Anthropic, "messages", r#"{"content":[{"type":"tool_use","name":"f","input":{}}]}"#, plain.clone()),
        (Anthropic, "messages", r#"{"content":[],"stop_reason":"end_turn"}"#, empty()),
        (Anthropic, "messages", r#"{"content":[],"stop_reason":"max_tokens"}"#, plain.clone()),
        (
            Anthropic,
            "messages",
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
            error("overloaded_error", None),
        ),
        (Anthropic, "messages", r#"{"choices":[]}"#, malformed("`content` is missing")),
        (Gemini, "generate_content", r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#, plain.clone()),
        (Gemini, "generate_content", r#"{"candidates":[{"content":{},"index":0}]}"#, empty()),
        (Gemini, "generate_content", r#"{"candidates":[{"finishReason":"OTHER","finishMessage":"x"}]}"#, empty()),
        (Gemini, "generate_content", r#"{"candidates":[{"finishReason":"SAFETY"}]}"#, plain.clone()),
        (Gemini, "generate_content", r#"{"candidates":[{"finishReason":"FAKE_NEW_FINISH_REASON"}]}"#, plain.clone()),
        (Gemini, "generate_content", r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, plain.clone()),
        (Gemini, "generate_content", r#"{"candidates":[],"promptFeedback":{"blockReasonMessage":"x"}}"#, plain.clone()),
        (
            Gemini,
            "generate_content",
            r#"[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]},{"candidates":[{"finishReason":"STOP"}]}]"#,
            plain.clone(),
        ),
        (
            Gemini,
            "generate_content",
            r#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#,
            error("UNAVAILABLE", Some(503)),
        ),
        (Gemini, "generate_content", "[]", empty()),
        (Gemini, "generate_content", r#"{"this":[]}"#, malformed("`candidates` is missing")),
        (OpenAi, "embeddings", r#"{"data":[{"embedding":[0.1]}]}"#, plain.clone()),
        (OpenAi, "embeddings", "{}", malformed("`data` is missing")),
        (Gemini, "embeddings", r#"{"embedding":{"values":[0.1]}}"#, plain.clone()),
        (Gemini, "embeddings", r#"{"embeddings":[{"values":[0.1]}]}"#, plain.clone()),
        (Gemini, "embeddings", "{}", malformed("`embeddings` is missing")),
        (Cohere, "embeddings", r#"{"embeddings":{"float":[[0.1]]}}"#, plain.clone()),
        (Cohere, "embeddings", "{}", malformed("`embeddings` is missing")),
        (Ollama, "chat", r#"{"message":{"content":"a"},"done":true}"#, plain.clone()),
        (Ollama, "chat", r#"{"message":{"content":""},"done":true,"done_reason":"stop"}"#, empty()),
        (Ollama, "chat", r#"{"message":{"content":""},"done":true,"done_reason":"length"}"#, plain.clone()),
        (Ollama, "chat", r#"{"error":"m"}"#, error("error", None)),
        (Ollama, "chat", "{}", malformed("`message` is missing")),
        (Cohere, "rerank", r#"{"results":[]}"#, plain.clone()),
        (OpenAi, "rerank", r#" [{"score":0.5,"index":0}]"#, plain.clone()),
        (OpenAi, "rerank", r#"{"error":{"message":"m","type":"t"}}"#, error("t", None)),
        (OpenAi, "rerank", "{}", malformed("`results` is missing")),
        (OpenAi, "rerank", "x", malformed("not a JSON object")),
        (Anthropic, "count_tokens", r#"{"input_tokens":3}"#, plain.clone()),
        (Anthropic, "count_tokens", "{}", malformed("`input_tokens` is missing")),
        (Gemini, "count_tokens", r#"{"totalTokens":3}"#, plain.clone()),
        (OpenAi, "models", r#"{"object":"list","data":[]}"#, plain.clone()),
        (Gemini, "models", "{}", plain.clone()),
        (OpenAi, "speech", "\u{1}binary", plain.clone()),
        (OpenAi, "speech", r#"{"error":{"message":"m","type":"t"}}"#, error("t", None)),
    ];
    for (dialect, operation, body, expected) in table {
        assert_eq!(whole(dialect, operation, body.as_bytes()), expected, "{dialect} {operation} {body}");
    }
}

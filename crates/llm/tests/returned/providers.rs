//! Providers, as they answer: their own thoughts, signatures and ids, and how they want them back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outrigger_llm::Format;
use serde_json::{Value, json};

use crate::{bedrock, cohere, ollama};

/// A provider and its model, and what it says in turn `n`.
pub struct Provider {
    /// The type of provider.
    pub kind: &'static str,
    pub model: &'static str,
    /// Providers with the same word can read each other's signatures.
    pub family: &'static str,
    pub format: Format,
    /// Its answer: thinking in its own form, and the call of a tool.
    pub answer: fn(usize) -> Value,
    /// The same, streamed: the data of the events.
    pub events: fn(usize) -> Vec<Value>,
    /// Values that its next request must have again, exactly so, and what nobody else's may have.
    pub own: fn(usize) -> Own,
}

/// What is only for the provider that said it.
pub struct Own {
    /// Objects that are somewhere in the request, with at least these members.
    pub objects: Vec<Value>,
    /// Texts that no other provider may get.
    pub secrets: Vec<String>,
}

/// At least one provider of each format, and one for each form in which servers of OpenAI's format send thoughts.
pub const PROVIDERS: &[Provider] = &[
    Provider {
        kind: "Anthropic",
        model: "claude-sonnet-4-5",
        family: "claude",
        format: Format::Anthropic,
        answer: anthropic,
        events: anthropic_events,
        own: anthropic_own,
    },
    Provider {
        // By InvokeModel.
        kind: "Bedrock",
        model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        family: "claude",
        format: Format::Anthropic,
        answer: anthropic,
        events: anthropic_events,
        own: anthropic_own,
    },
    Provider {
        kind: "Gemini",
        model: "gemini-3-pro-preview",
        family: "gemini",
        format: Format::Gemini,
        answer: gemini,
        events: gemini_events,
        own: gemini_own,
    },
    Provider {
        kind: "OpenAI",
        model: "gpt-5",
        family: "OpenAI",
        format: Format::OpenAiChat,
        answer: |n| chat(n, json!({}), &format!("call_{n}Zr5")),
        events: |n| chat_events(n, vec![], &format!("call_{n}Zr5")),
        own: |n| Own { objects: vec![json!({"id": format!("call_{n}Zr5")})], secrets: vec![] },
    },
    Provider {
        kind: "DeepSeek",
        model: "deepseek-reasoner",
        family: "DeepSeek",
        format: Format::OpenAiChat,
        answer: |n| chat(n, json!({"reasoning_content": thought("deepseek", n)}), &format!("call_00_{n}")),
        events: |n| {
            let pieces = halves(&thought("deepseek", n));
            chat_events(
                n,
                pieces.iter().map(|piece| json!({"reasoning_content": piece})).collect(),
                &format!("call_00_{n}"),
            )
        },
        own: |n| Own {
            objects: vec![
                json!({"role": "assistant", "reasoning_content": thought("deepseek", n)}),
                json!({"id": format!("call_00_{n}")}),
            ],
            secrets: vec![thought("deepseek", n)],
        },
    },
    Provider {
        // Kimi's template needs the ids that it made.
        kind: "vLLM",
        model: "moonshotai/Kimi-K2-Thinking",
        family: "vLLM",
        format: Format::OpenAiChat,
        answer: |n| chat(n, json!({"reasoning": thought("vllm", n)}), &format!("functions.look:{n}")),
        events: |n| {
            let pieces = halves(&thought("vllm", n));
            chat_events(
                n,
                pieces.iter().map(|piece| json!({"reasoning": piece})).collect(),
                &format!("functions.look:{n}"),
            )
        },
        own: |n| Own {
            objects: vec![
                json!({"role": "assistant", "reasoning": thought("vllm", n)}),
                json!({"id": format!("functions.look:{n}")}),
                json!({"tool_call_id": format!("functions.look:{n}")}),
            ],
            secrets: vec![thought("vllm", n)],
        },
    },
    Provider {
        kind: "OpenRouter",
        model: "anthropic/claude-haiku-4.5",
        family: "OpenRouter",
        format: Format::OpenAiChat,
        answer: |n| {
            let text = thought("openrouter", n);
            chat(n, json!({"reasoning": text, "reasoning_details": details(n)}), &format!("toolu_bdrk_01L{n}"))
        },
        events: |n| {
            let format = "anthropic-claude-v1";
            let piece = |text: &String| {
                let detail = json!({"type": "reasoning.text", "text": text, "format": format, "index": 0});
                json!({"content": "", "reasoning": text, "reasoning_details": [detail]})
            };
            let mut deltas: Vec<Value> = halves(&thought("openrouter", n)).iter().map(piece).collect();
            let signature = signature("openrouter", n);
            let last = json!({"type": "reasoning.text", "signature": signature, "format": format, "index": 0});
            deltas.push(json!({"content": "", "reasoning_details": [last]}));
            chat_events(n, deltas, &format!("toolu_bdrk_01L{n}"))
        },
        own: |n| Own {
            objects: vec![
                json!({"role": "assistant", "reasoning_details": details(n)}),
                json!({"id": format!("toolu_bdrk_01L{n}")}),
            ],
            secrets: vec![thought("openrouter", n), signature("openrouter", n)],
        },
    },
    Provider {
        kind: "Mistral",
        model: "magistral-medium-latest",
        family: "Mistral",
        format: Format::OpenAiChat,
        answer: |n| chat(n, json!({"content": [thinking_part(&thought("mistral", n))]}), &format!("D681PevK{n}")),
        events: |n| {
            let pieces = halves(&thought("mistral", n));
            let deltas = pieces.iter().map(|piece| json!({"content": [thinking_part(piece)]})).collect();
            chat_events(n, deltas, &format!("D681PevK{n}"))
        },
        own: |n| Own {
            objects: vec![thinking_part(&thought("mistral", n)), json!({"id": format!("D681PevK{n}")})],
            secrets: vec![thought("mistral", n)],
        },
    },
    Provider {
        // By Converse.
        kind: "Bedrock",
        model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        family: "claude",
        format: Format::Bedrock,
        answer: bedrock::claude,
        events: bedrock::claude_events,
        own: bedrock::claude_own,
    },
    Provider {
        kind: "Bedrock",
        model: "us.amazon.nova-2-lite-v1:0",
        family: "Bedrock",
        format: Format::Bedrock,
        answer: bedrock::nova,
        events: bedrock::nova_events,
        own: bedrock::nova_own,
    },
    Provider {
        kind: "Cohere",
        model: "command-a-reasoning-08-2025",
        family: "Cohere",
        format: Format::Cohere,
        answer: cohere::answer,
        events: cohere::events,
        own: cohere::own,
    },
    Provider {
        kind: "Mock",
        model: "qwen3",
        family: "Mock",
        format: Format::Ollama,
        answer: ollama::answer,
        events: ollama::lines,
        own: ollama::own,
    },
];

/// What a provider thinks in turn `n`. No other text contains it.
pub fn thought(who: &str, n: usize) -> String {
    format!("«{who} ponders {n}»")
}

pub fn signature(who: &str, n: usize) -> String {
    STANDARD.encode(format!("{who} {n} {}", "?>\u{7f}".repeat(40)))
}

pub fn halves(text: &str) -> Vec<String> {
    let (first, second) = text.split_at(text.find(' ').unwrap());
    vec![first.to_owned(), second.to_owned()]
}

fn anthropic(n: usize) -> Value {
    json!({"id": format!("msg_{n}"), "type": "message", "role": "assistant", "model": "claude",
    "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1},
    "content": [
        {"type": "thinking", "thinking": thought("claude", n), "signature": signature("claude", n)},
        {"type": "redacted_thinking", "data": signature("redacted", n)},
        {"type": "tool_use", "id": format!("toolu_01{n}"), "name": "look", "input": {"at": 1}},
    ]})
}

fn anthropic_events(n: usize) -> Vec<Value> {
    let delta = |index: usize, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let start =
        |index: usize, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let stop = |index: usize| json!({"type": "content_block_stop", "index": index});
    let mut message = anthropic(n);
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    let mut events = vec![
        json!({"type": "message_start", "message": message}),
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
    ];
    let pieces = halves(&thought("claude", n));
    events.extend(pieces.iter().map(|piece| delta(0, json!({"type": "thinking_delta", "thinking": piece}))));
    events.extend([
        delta(0, json!({"type": "signature_delta", "signature": signature("claude", n)})),
        stop(0),
        start(1, json!({"type": "redacted_thinking", "data": signature("redacted", n)})),
        stop(1),
        start(2, json!({"type": "tool_use", "id": format!("toolu_01{n}"), "name": "look", "input": {}})),
        delta(2, json!({"type": "input_json_delta", "partial_json": "{\"at\":1}"})),
        stop(2),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
            "usage": {"output_tokens": 1}}),
        json!({"type": "message_stop"}),
    ]);
    events
}

fn anthropic_own(n: usize) -> Own {
    Own {
        objects: vec![
            json!({"type": "thinking", "thinking": thought("claude", n), "signature": signature("claude", n)}),
            json!({"type": "redacted_thinking", "data": signature("redacted", n)}),
            json!({"type": "tool_use", "id": format!("toolu_01{n}")}),
        ],
        secrets: vec![thought("claude", n), signature("claude", n), signature("redacted", n)],
    }
}

/// Gemini signs a text after its thought, and a call.
fn gemini_parts(n: usize) -> Vec<Value> {
    vec![
        json!({"text": thought("gemini", n), "thought": true}),
        json!({"text": "I look.", "thoughtSignature": signature("gemini-text", n)}),
        json!({"functionCall": {"name": "look", "args": {"at": 1}, "id": format!("g{n}")}, "thoughtSignature": signature("gemini", n)}),
    ]
}

fn gemini_chunk(n: usize, parts: Value, last: bool) -> Value {
    let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": parts}});
    if last {
        candidate["finishReason"] = json!("STOP");
    }
    json!({"responseId": format!("r{n}"), "modelVersion": "gemini", "candidates": [candidate]})
}

fn gemini(n: usize) -> Value {
    gemini_chunk(n, Value::Array(gemini_parts(n)), true)
}

fn gemini_events(n: usize) -> Vec<Value> {
    let mut parts = gemini_parts(n);
    let thoughts = halves(&thought("gemini", n)).into_iter().map(|text| json!({"text": text, "thought": true}));
    parts.splice(..1, thoughts);
    let last = parts.len() - 1;
    parts.into_iter().enumerate().map(|(at, part)| gemini_chunk(n, json!([part]), at == last)).collect()
}

fn gemini_own(n: usize) -> Own {
    let mut objects = gemini_parts(n);
    objects.remove(0);
    Own { objects, secrets: vec![thought("gemini", n), signature("gemini", n), signature("gemini-text", n)] }
}

fn call(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}})
}

fn chat(n: usize, thoughts: Value, id: &str) -> Value {
    let mut message = json!({"role": "assistant", "content": null, "tool_calls": [call(id)]});
    message.as_object_mut().unwrap().extend(thoughts.as_object().unwrap().clone());
    let choice = json!({"index": 0, "finish_reason": "tool_calls", "message": message});
    json!({"id": format!("chatcmpl-{n}"), "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})
}

fn chat_events(n: usize, thoughts: Vec<Value>, id: &str) -> Vec<Value> {
    let mut call = call(id);
    call["index"] = json!(0);
    let deltas = thoughts.into_iter().chain([json!({"tool_calls": [call]})]).map(|delta| (delta, Value::Null));
    let deltas = deltas.chain([(json!({}), json!("tool_calls"))]);
    let chunk = |(delta, finish): (Value, Value)| {
        json!({"id": format!("chatcmpl-{n}"), "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    deltas.map(chunk).collect()
}

fn details(n: usize) -> Value {
    json!([{"type": "reasoning.text", "text": thought("openrouter", n), "format": "anthropic-claude-v1", "index": 0,
        "signature": signature("openrouter", n)}])
}

fn thinking_part(text: &str) -> Value {
    json!({"type": "thinking", "thinking": [{"type": "text", "text": text}]})
}

//! Bodies that would take much more memory than their size: wide, deep, many values, long values.

#![allow(dead_code, reason = "each test that has this file uses some of it")]

use outrigger_llm::Dialect::{self, Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenAi};

/// A body of one shape.
pub struct Shape {
    pub name: &'static str,
    pub dialect: Dialect,
    make: Box<dyn Fn(usize) -> String + Send + Sync>,
}

impl Shape {
    /// A body of about this many bytes.
    pub fn body(&self, bytes: usize) -> String {
        (self.make)(bytes)
    }

    /// The path for a body of this dialect and a model.
    pub fn path(&self, model: &str) -> String {
        match self.dialect {
            OpenAi => "/v1/chat/completions".to_owned(),
            Anthropic => "/v1/messages".to_owned(),
            Gemini => format!("/v1beta/models/{model}:generateContent"),
            Bedrock => format!("/model/{model}/converse"),
            Cohere => "/v2/chat".to_owned(),
            Ollama => "/api/chat".to_owned(),
        }
    }
}

/// The text before and after a list of turns in a dialect.
fn around(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        OpenAi | Cohere | Ollama => (r#"{"model":"m","messages":["#, "]}"),
        Anthropic => (r#"{"model":"m","max_tokens":10,"messages":["#, "]}"),
        Gemini => (r#"{"contents":["#, "]}"),
        Bedrock => (r#"{"messages":["#, "]}"),
    }
}

/// One turn that is valid in the dialect.
fn turn(dialect: Dialect) -> &'static str {
    match dialect {
        OpenAi | Anthropic | Cohere | Ollama => r#"{"role":"user","content":"x"}"#,
        Gemini => r#"{"role":"user","parts":[{"text":"x"}]}"#,
        Bedrock => r#"{"role":"user","content":[{"text":"x"}]}"#,
    }
}

/// As many of `one` as fit into this many bytes, with commas.
fn many(one: &str, bytes: usize) -> String {
    let mut all = String::with_capacity(bytes + one.len());
    while all.len() + one.len() < bytes {
        if !all.is_empty() {
            all.push(',');
        }
        all.push_str(one);
    }
    all
}

/// As many members of an object as fit, with different keys.
fn members(value: &str, bytes: usize) -> String {
    let mut all = String::with_capacity(bytes + 32);
    let mut count = 0;
    while all.len() < bytes {
        all.push_str(&format!("{}\"k{count}\":{value}", if count > 0 { "," } else { "" }));
        count += 1;
    }
    all
}

/// A body with one turn, and an additional member.
fn with_member(dialect: Dialect, member: &str) -> String {
    let (open, close) = around(dialect);
    format!("{open}{}{},{member}}}", turn(dialect), &close[..close.len() - 1])
}

fn shape(name: &'static str, dialect: Dialect, make: impl Fn(usize) -> String + Send + Sync + 'static) -> Shape {
    Shape { name, dialect, make: Box::new(make) }
}

/// All shapes.
pub fn all() -> Vec<Shape> {
    let mut shapes = Vec::new();
    // The smallest elements of lists that are read.
    let list = |name, dialect, key: &'static str, one: &'static str| {
        shape(name, dialect, move |bytes| with_member(dialect, &format!("\"{key}\":[{}]", many(one, bytes))))
    };
    shapes.extend([
        list("tools {}", OpenAi, "tools", "{}"),
        list("tools {}", Anthropic, "tools", "{}"),
        list("tools {}", Gemini, "tools", "{}"),
        list("tools 0", OpenAi, "tools", "0"),
        list("tools [0]", OpenAi, "tools", "[0]"),
        list("tools of many functions", OpenAi, "tools", r#"{"type":"function","function":{"name":"f"}}"#),
        list("tools of many names", Anthropic, "tools", r#"{"name":"f","input_schema":{"type":"object"}}"#),
        list("stop sequences", OpenAi, "stop", r#""""#),
        list("modalities", OpenAi, "modalities", r#""""#),
        list("safety settings", Gemini, "safetySettings", "{}"),
        shape("functions of one group", Gemini, |bytes| {
            with_member(
                Gemini,
                &format!(r#""tools":[{{"functionDeclarations":[{}]}}]"#, many(r#"{"name":"f"}"#, bytes)),
            )
        }),
        shape("a schema of many properties", OpenAi, |bytes| {
            let schema = format!(r#"{{"type":"object","properties":{{{}}}}}"#, members(r#"{"type":"string"}"#, bytes));
            with_member(
                OpenAi,
                &format!(r#""tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}]"#),
            )
        }),
        shape("response_format", OpenAi, |bytes| {
            with_member(OpenAi, &format!(r#""response_format":{{"type":"text","x":[{}]}}"#, many("[0]", bytes)))
        }),
        shape("thinking", Anthropic, |bytes| {
            with_member(Anthropic, &format!(r#""thinking":{{"type":"disabled","x":[{}]}}"#, many("{}", bytes)))
        }),
        shape("generationConfig", Gemini, |bytes| {
            with_member(Gemini, &format!(r#""generationConfig":{{{}}}"#, members("0", bytes)))
        }),
        shape("fields that nobody knows", OpenAi, |bytes| with_member(OpenAi, &members("0", bytes))),
        shape("fields that nobody knows", Anthropic, |bytes| with_member(Anthropic, &members("0", bytes))),
        shape("fields that nobody knows", Gemini, |bytes| with_member(Gemini, &members("0", bytes))),
        shape("fields that nobody knows", Bedrock, |bytes| with_member(Bedrock, &members("0", bytes))),
        shape("fields of a model", Bedrock, |bytes| {
            with_member(Bedrock, &format!(r#""additionalModelRequestFields":{{{}}}"#, members("0", bytes)))
        }),
        shape("tools of one configuration", Bedrock, |bytes| {
            with_member(
                Bedrock,
                &format!(r#""toolConfig":{{"tools":[{}]}}"#, many(r#"{"toolSpec":{"name":"f"}}"#, bytes)),
            )
        }),
        shape("one field with a long name", OpenAi, |bytes| {
            with_member(OpenAi, &format!("\"{}\":1", "k".repeat(bytes)))
        }),
        shape("one field with a long name", Gemini, |bytes| {
            with_member(Gemini, &format!("\"{}\":1", "k".repeat(bytes)))
        }),
        shape("a long name for the model", OpenAi, |bytes| {
            format!(r#"{{"model":"{}","messages":[{}]}}"#, "m".repeat(bytes), turn(OpenAi))
        }),
        shape("fallbacks", OpenAi, |bytes| {
            with_member(OpenAi, &format!(r#""fallbacks":[{}]"#, many(r#""a/b""#, bytes)))
        }),
        shape("metadata", OpenAi, |bytes| {
            with_member(OpenAi, &format!(r#""metadata":{{{}}}"#, members(r#""v""#, bytes)))
        }),
        shape("cache_control in cache_control", Anthropic, |bytes| {
            let deep = r#"{"cache_control":"#.repeat(100);
            with_member(Anthropic, &format!(r#""x":{deep}[{}]{}"#, many("0", bytes), "}".repeat(100)))
        }),
    ]);
    for dialect in Dialect::ALL {
        let turns = move |name, one: &'static str| {
            shape(name, dialect, move |bytes| {
                let (open, close) = around(dialect);
                format!("{open}{}{close}", many(one, bytes))
            })
        };
        shapes.extend([
            turns("turns 0", "0"),
            turns("turns {}", "{}"),
            turns("turns []", "[]"),
            turns("turns of one word", turn(dialect)),
            shape("calls with large arguments", dialect, move |bytes| {
                let (open, close) = around(dialect);
                let inner = many("[0]", bytes);
                let call = match dialect {
                    OpenAi | Cohere => format!(r#"{{"role":"assistant","tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":" {{\"a\":[{inner}]}}"}}}}]}},{{"role":"tool","tool_call_id":"c","content":"\u007b\"a\":[{inner}]}}"}}"#),
                    Ollama => format!(r#"{{"role":"assistant","tool_calls":[{{"id":"c","function":{{"name":"f","arguments":{{"a":[{inner}]}}}}}}]}},{{"role":"tool","tool_call_id":"c","content":"\u007b\"a\":[{inner}]}}"}}"#),
                    Anthropic => format!(r#"{{"role":"assistant","content":[{{"type":"tool_use","id":"c","name":"f","input":{{"a":[{inner}]}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"c","content":"{{\"a\":[{inner}]}}"}}]}}"#),
                    Gemini => format!(r#"{{"role":"model","parts":[{{"functionCall":{{"name":"f","args":{{"a":[{inner}]}}}}}}]}}"#),
                    Bedrock => format!(r#"{{"role":"assistant","content":[{{"toolUse":{{"toolUseId":"c","name":"f","input":{{"a":[{inner}]}}}}}}]}},{{"role":"user","content":[{{"toolResult":{{"toolUseId":"c","content":[{{"json":[{inner}]}}]}}}}]}}"#),
                };
                format!("{open}{},{call}{close}", turn(dialect))
            }),
            shape("many calls", dialect, move |bytes| {
                let (open, close) = around(dialect);
                let call = match dialect {
                    OpenAi | Cohere => format!(r#"{{"role":"assistant","tool_calls":[{}]}}"#, many(r#"{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}"#, bytes)),
                    Ollama => format!(r#"{{"role":"assistant","tool_calls":[{}]}}"#, many(r#"{"function":{"name":"f"}}"#, bytes)),
                    Anthropic => format!(r#"{{"role":"assistant","content":[{}]}}"#, many(r#"{"type":"tool_use","id":"c","name":"f","input":{}}"#, bytes)),
                    Bedrock => format!(r#"{{"role":"assistant","content":[{}]}}"#, many(r#"{"toolUse":{"toolUseId":"c","name":"f","input":{}}}"#, bytes)),
                    Gemini => format!(r#"{{"role":"model","parts":[{}]}},{{"role":"user","parts":[{}]}}"#, many(r#"{"functionCall":{"name":"f"}}"#, bytes / 2), many(r#"{"functionResponse":{"name":"f"}}"#, bytes / 2)),
                };
                format!("{open}{},{call}{close}", turn(dialect))
            }),
            shape("one turn of many parts", dialect, move |bytes| {
                let (open, close) = around(dialect);
                let (content, part) = match dialect {
                    // It has no parts besides pictures.
                    Ollama => ("images", r#""""#),
                    Gemini => ("parts", r#"{"text":""}"#),
                    Bedrock => ("content", r#"{"text":""}"#),
                    _ => ("content", r#"{"type":"text","text":""}"#),
                };
                format!(r#"{open}{{"role":"user","{content}":[{}]}}{close}"#, many(part, bytes))
            }),
            shape("one long text", dialect, move |bytes| {
                let (open, close) = around(dialect);
                let words = "The quick brown fox\\n\\\"jumps\\\". ".repeat(bytes / 32);
                match dialect {
                    Gemini => format!(r#"{open}{{"role":"user","parts":[{{"text":"{words}"}}]}}{close}"#),
                    Bedrock => format!(r#"{open}{{"role":"user","content":[{{"text":"{words}"}}]}}{close}"#),
                    _ => format!(r#"{open}{{"role":"user","content":"{words}"}}{close}"#),
                }
            }),
            shape("a picture", dialect, move |bytes| {
                let (open, close) = around(dialect);
                let data = format!("iVBORw0KGgo{}", "A".repeat(bytes / 4 * 4 - 11));
                let part = match dialect {
                    OpenAi | Cohere => format!(r#""content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}]"#),
                    Ollama => format!(r#""content":"","images":["{data}"]"#),
                    Anthropic => format!(r#""content":[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}}]"#),
                    Gemini => format!(r#""parts":[{{"inlineData":{{"mimeType":"image/png","data":"{data}"}}}}]"#),
                    Bedrock => format!(r#""content":[{{"image":{{"format":"png","source":{{"bytes":"{data}"}}}}}}]"#),
                };
                format!(r#"{open}{{"role":"user",{part}}}{close}"#)
            }),
            shape("an agent at work", dialect, move |bytes| agent(dialect, bytes)),
            shape("deep", dialect, move |bytes| {
                let one = format!("{}{}", "[".repeat(100), "]".repeat(100));
                with_member(dialect, &format!("\"x\":[{}]", many(&one, bytes)))
            }),
        ]);
    }
    shapes
}

/// A typical conversation of an agent: twenty tools, and turns of calls and results of some two kilobytes.
pub fn agent(dialect: Dialect, bytes: usize) -> String {
    let schema = r#"{"type":"object","properties":{"path":{"type":"string","description":"Where it is."},"lines":{"type":"array","items":{"type":"integer"}},"all":{"type":"boolean"}},"required":["path"]}"#;
    let text = "    let found = self.places.iter().find(|place| place.name == name);\\n".repeat(28);
    let (mut tools, mut turns) = (Vec::new(), Vec::new());
    for tool in 0..20 {
        tools.push(match dialect {
            OpenAi | Cohere | Ollama => format!(r#"{{"type":"function","function":{{"name":"tool{tool}","description":"Reads.","parameters":{schema}}}}}"#),
            Anthropic => format!(r#"{{"name":"tool{tool}","description":"Reads.","input_schema":{schema}}}"#),
            Gemini => format!(r#"{{"name":"tool{tool}","description":"Reads.","parametersJsonSchema":{schema}}}"#),
            Bedrock => format!(r#"{{"toolSpec":{{"name":"tool{tool}","description":"Reads.","inputSchema":{{"json":{schema}}}}}}}"#),
        });
    }
    let mut length = 0;
    for step in 0.. {
        let pair = match dialect {
            OpenAi | Cohere => format!(
                r#"{{"role":"user","content":"Go on."}},{{"role":"assistant","content":"I look.","tool_calls":[{{"id":"call_{step}","type":"function","function":{{"name":"tool1","arguments":"{{\"path\":\"src/{step}.rs\"}}"}}}}]}},{{"role":"tool","tool_call_id":"call_{step}","content":"{text}"}}"#
            ),
            Ollama => format!(
                r#"{{"role":"user","content":"Go on."}},{{"role":"assistant","content":"I look.","tool_calls":[{{"id":"call_{step}","function":{{"name":"tool1","arguments":{{"path":"src/{step}.rs"}}}}}}]}},{{"role":"tool","tool_call_id":"call_{step}","content":"{text}"}}"#
            ),
            Anthropic => format!(
                r#"{{"role":"user","content":"Go on."}},{{"role":"assistant","content":[{{"type":"text","text":"I look."}},{{"type":"tool_use","id":"toolu_{step}","name":"tool1","input":{{"path":"src/{step}.rs"}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"toolu_{step}","content":"{text}"}}]}}"#
            ),
            Bedrock => format!(
                r#"{{"role":"user","content":[{{"text":"Go on."}}]}},{{"role":"assistant","content":[{{"text":"I look."}},{{"toolUse":{{"toolUseId":"t{step}","name":"tool1","input":{{"path":"src/{step}.rs"}}}}}}]}},{{"role":"user","content":[{{"toolResult":{{"toolUseId":"t{step}","content":[{{"text":"{text}"}}]}}}}]}}"#
            ),
            Gemini => format!(
                r#"{{"role":"user","parts":[{{"text":"Go on."}}]}},{{"role":"model","parts":[{{"text":"I look."}},{{"functionCall":{{"id":"c{step}","name":"tool1","args":{{"path":"src/{step}.rs"}}}}}}]}},{{"role":"user","parts":[{{"functionResponse":{{"id":"c{step}","name":"tool1","response":{{"output":"{text}"}}}}}}]}}"#
            ),
        };
        length += pair.len();
        turns.push(pair);
        if length >= bytes {
            break;
        }
    }
    let (open, close) = around(dialect);
    let tools = match dialect {
        Gemini => format!(r#""tools":[{{"functionDeclarations":[{}]}}]"#, tools.join(",")),
        Bedrock => format!(r#""toolConfig":{{"tools":[{}]}}"#, tools.join(",")),
        _ => format!(r#""tools":[{}]"#, tools.join(",")),
    };
    format!("{open}{}],{tools}{}", turns.join(","), &close[1..])
}

use serde_json::{Value, json};

use super::{decode, encode};
use crate::chat::{
    ChatRequest, Effort, Media, MediaSource, Message, OutputFormat, Part, Role, Thinking, Thought, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use crate::provider::Target;
use crate::{Dialect, RequestError};

const NOVA: &str = "us.amazon.nova-2-lite-v1:0";

fn sent_to(model: &str, request: &ChatRequest) -> Result<(Value, Vec<String>), RequestError> {
    let target = Target::vendor(Dialect::Bedrock, model);
    encode(request, &target, None).map(|encoded| (Value::Object(encoded.body), encoded.left_out))
}

fn sent(request: &ChatRequest) -> (Value, Vec<String>) {
    sent_to(NOVA, request).unwrap()
}

fn user(parts: Vec<Part>) -> Message {
    Message { role: Role::User, parts }
}

fn assistant(parts: Vec<Part>) -> Message {
    Message { role: Role::Assistant, parts }
}

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn call(id: &str, name: &str) -> Part {
    let arguments = r#"{"a":1}"#.to_owned();
    Part::ToolCall(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments, signature: None })
}

fn result(id: &str, content: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult(ToolResult { id: id.to_owned(), name: None, content, is_error })
}

fn tool(name: &str) -> Tool {
    Tool { name: name.to_owned(), description: None, parameters: None, strict: None }
}

fn asking(parts: Vec<Part>) -> ChatRequest {
    ChatRequest { messages: vec![user(parts)], ..ChatRequest::default() }
}

fn unsupported(request: &ChatRequest) -> String {
    match sent_to(NOVA, request) {
        Err(RequestError::Unsupported { field, upstream: Dialect::Bedrock }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn turns_alternate_and_results_come_first() {
    let request = ChatRequest {
        messages: vec![
            assistant(vec![text("Hello.")]),
            user(vec![text(" "), text("a")]),
            user(vec![text("b")]),
            assistant(vec![
                Part::Thinking(Thought { text: Some("hm".into()), ..Thought::default() }),
                call("c.1", "f"),
            ]),
            assistant(vec![call("c2", "f")]),
            user(vec![text("and"), result("c.1", vec![text("1")], false), result("c2", vec![], true)]),
        ],
        tools: vec![tool("f")],
        ..ChatRequest::default()
    };
    let (body, left_out) = sent(&request);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "."}]},
            {"role": "assistant", "content": [{"text": "Hello."}]},
            {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
            {"role": "assistant", "content": [
                {"toolUse": {"toolUseId": "c_2e1", "name": "f", "input": {"a": 1}}},
                {"toolUse": {"toolUseId": "c2", "name": "f", "input": {"a": 1}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "c_2e1", "content": [{"text": "1"}], "status": "success"}},
                {"toolResult": {"toolUseId": "c2", "content": [{"json": {}}], "status": "error"}},
                {"text": "and"},
            ]},
        ])
    );
    assert_eq!(left_out, ["thinking"]);
}

#[test]
fn a_document_gets_a_text_beside_it() {
    let pdf = Media {
        media_type: Some("application/pdf".into()),
        source: MediaSource::Base64("AAAA".into()),
        filename: Some("a.pdf".into()),
        detail: None,
    };
    let (body, _) = sent(&asking(vec![Part::Media(pdf.clone())]));
    let document = json!({"document": {"format": "pdf", "name": "a", "source": {"bytes": "AAAA"}}});
    assert_eq!(body["messages"][0]["content"], json!([document, {"text": "."}]));
    let answered = ChatRequest { messages: vec![assistant(vec![Part::Media(pdf)])], ..ChatRequest::default() };
    assert_eq!(unsupported(&answered), "a picture or document in the assistant's turn");
}

#[test]
fn the_configuration_is_written() {
    let request = ChatRequest {
        system: vec!["Be brief.".into(), " ".into()],
        max_output_tokens: Some(100),
        temperature: Some(serde_json::Number::from_f64(1.5).unwrap()),
        top_p: Some(serde_json::Number::from_f64(0.9).unwrap()),
        stop: vec!["END".into(), "\n".into()],
        seed: Some(7),
        ..asking(vec![text("Hi")])
    };
    let (body, left_out) = sent(&request);
    assert_eq!(body["system"], json!([{"text": "Be brief."}]));
    assert_eq!(
        body["inferenceConfig"],
        json!({"maxTokens": 100, "temperature": 1, "topP": 0.9, "stopSequences": ["END"]})
    );
    assert_eq!(left_out, ["seed", "temperature", "stop"]);
    let target = Target::vendor(Dialect::Bedrock, NOVA);
    let limited = encode(&request, &target, Some(10)).unwrap();
    assert_eq!(
        (limited.body["inferenceConfig"]["maxTokens"].clone(), limited.max_output_tokens),
        (json!(10), Some(10))
    );
    let (plain, left_out) = sent(&asking(vec![text("Hi")]));
    assert_eq!((plain, left_out), (json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}), vec![]));
}

#[test]
fn tools_and_their_choice_are_written() {
    let schema = json!({"properties": {"a": {"type": "string"}}});
    let described = Tool { description: Some("Does g.".into()), parameters: Some(schema), ..tool("g") };
    let asked = |choice| ChatRequest {
        tools: vec![tool("f"), described.clone()],
        tool_choice: choice,
        ..asking(vec![text("Hi")])
    };
    let first = json!({"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}});
    let second = json!({"toolSpec": {"name": "g", "description": "Does g.",
        "inputSchema": {"json": {"properties": {"a": {"type": "string"}}, "type": "object"}}}});
    for (choice, expected) in [
        (None, json!({"tools": [first, second]})),
        (Some(ToolChoice::Auto), json!({"tools": [first, second], "toolChoice": {"auto": {}}})),
        (Some(ToolChoice::Required), json!({"tools": [first, second], "toolChoice": {"any": {}}})),
        (Some(ToolChoice::Tool("g".into())), json!({"tools": [first, second], "toolChoice": {"tool": {"name": "g"}}})),
        (Some(ToolChoice::AnyOf(vec!["g".into()])), json!({"tools": [second], "toolChoice": {"any": {}}})),
        (Some(ToolChoice::None), Value::Null),
    ] {
        assert_eq!(sent(&asked(choice.clone())).0["toolConfig"], expected, "{choice:?}");
    }
    // The turns contain calls, so tools must be declared.
    let history =
        vec![user(vec![text("q")]), assistant(vec![call("c", "old")]), user(vec![result("c", vec![], false)])];
    let later = ChatRequest { messages: history.clone(), ..ChatRequest::default() };
    let old = json!({"tools": [{"toolSpec": {"name": "old", "inputSchema": {"json": {"type": "object"}}}}]});
    assert_eq!(sent(&later).0["toolConfig"], old);
    let forbidden = ChatRequest { messages: history, ..asked(Some(ToolChoice::None)) };
    assert_eq!(unsupported(&forbidden), "tool_choice that forbids tools, after calls of tools,");
    let named = ChatRequest { tools: vec![tool("a.b")], ..asking(vec![text("Hi")]) };
    assert_eq!(unsupported(&named), "the tool name `a.b`");
    let strict = ChatRequest { tools: vec![Tool { strict: Some(true), ..tool("f") }], ..asking(vec![text("Hi")]) };
    assert_eq!(sent(&strict).1, ["tools[].strict"]);
}

#[test]
fn thinking_and_top_k_are_in_the_words_of_the_model() {
    let asked = |thinking| ChatRequest { thinking, ..asking(vec![text("Hi")]) };
    let nova = |effort: &str| json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}});
    for (model, thinking, expected, named) in [
        (NOVA, Thinking::Effort(Effort::High), nova("high"), false),
        (NOVA, Thinking::Budget(1_000), nova("low"), false),
        (NOVA, Thinking::Adaptive, nova("medium"), false),
        (NOVA, Thinking::Off, json!({"reasoningConfig": {"type": "disabled"}}), false),
        ("openai.gpt-oss-120b-1:0", Thinking::Effort(Effort::Minimal), json!({"reasoning_effort": "low"}), false),
        ("openai.gpt-oss-120b-1:0", Thinking::Off, json!({"reasoning_effort": "low"}), true),
        ("meta.llama4-scout-17b-instruct-v1:0", Thinking::Adaptive, Value::Null, true),
        ("meta.llama4-scout-17b-instruct-v1:0", Thinking::Off, Value::Null, false),
    ] {
        let (body, left_out) = sent_to(model, &asked(Some(thinking.clone()))).unwrap();
        assert_eq!(body.get("additionalModelRequestFields").cloned().unwrap_or_default(), expected, "{model}");
        assert_eq!(left_out.contains(&"thinking".to_owned()), named, "{model} {thinking:?}");
    }
    // Nova refuses a limit together with its highest effort.
    let limited = ChatRequest { max_output_tokens: Some(9), ..asked(Some(Thinking::Effort(Effort::XHigh))) };
    let (body, left_out) = sent(&limited);
    assert_eq!((&body["additionalModelRequestFields"], left_out), (&nova("medium"), vec!["thinking".to_owned()]));
    let top_k = ChatRequest { top_k: serde_json::Number::from_f64(40.0), ..asking(vec![text("Hi")]) };
    for (model, expected) in [
        ("amazon.nova-pro-v1:0", json!({"inferenceConfig": {"topK": 40}})),
        ("mistral.mistral-large-2402-v1:0", json!({"top_k": 40})),
        ("cohere.command-r-v1:0", json!({"k": 40})),
        ("meta.llama4-scout-17b-instruct-v1:0", Value::Null),
    ] {
        let (body, left_out) = sent_to(model, &top_k).unwrap();
        assert_eq!(body.get("additionalModelRequestFields").cloned().unwrap_or_default(), expected, "{model}");
        assert_eq!(left_out.is_empty(), expected != Value::Null, "{model}");
    }
}

#[test]
fn structured_output_is_text_of_a_schema() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let output = |schema| OutputFormat::JsonSchema {
        name: Some("answer".into()),
        description: None,
        schema,
        strict: Some(true),
    };
    let (body, _) = sent(&ChatRequest { output: output(schema), ..asking(vec![text("Hi")]) });
    let definition = &body["outputConfig"]["textFormat"]["structure"]["jsonSchema"];
    assert_eq!(definition["name"], "answer");
    let closed: Value = serde_json::from_str(definition["schema"].as_str().unwrap()).unwrap();
    assert_eq!(closed["additionalProperties"], false);
    let free = ChatRequest { output: output(json!({"type": "object"})), ..asking(vec![text("Hi")]) };
    assert_eq!(unsupported(&free), "a JSON schema for the answer with objects of free keys");
    let any = ChatRequest { output: OutputFormat::JsonObject, ..asking(vec![text("Hi")]) };
    let (body, left_out) = sent(&any);
    assert!(body["system"][0]["text"].as_str().unwrap().contains("JSON object"));
    assert_eq!(left_out, ["response_format"]);
    let penalty = ChatRequest { presence_penalty: serde_json::Number::from_f64(0.5), ..asking(vec![text("Hi")]) };
    assert_eq!(unsupported(&penalty), "presence_penalty");
}

fn read(body: Value) -> Result<ChatRequest, RequestError> {
    decode(body.as_object().unwrap())
}

/// What is written for an upstream is read again as the same conversation.
#[test]
fn an_encoded_request_decodes_to_the_same() {
    let picture = Media {
        media_type: Some("image/png".into()),
        source: MediaSource::Base64("AAAA".into()),
        filename: None,
        detail: None,
    };
    let schema = json!({"type": "object", "properties": {}});
    let request = ChatRequest {
        system: vec!["Be brief.".into()],
        messages: vec![
            user(vec![text("Look"), Part::Media(picture.clone())]),
            assistant(vec![text("I do."), call("c1", "f")]),
            user(vec![Part::ToolResult(ToolResult {
                id: "c1".into(),
                name: Some("f".into()),
                content: vec![text("a cat"), Part::Media(picture)],
                is_error: true,
            })]),
        ],
        tools: vec![Tool { description: Some("d".into()), parameters: Some(schema), ..tool("f") }],
        tool_choice: Some(ToolChoice::Tool("f".into())),
        stop: vec!["END".into()],
        max_output_tokens: Some(10),
        temperature: serde_json::Number::from_f64(0.5),
        thinking: Some(Thinking::Effort(Effort::Low)),
        ..ChatRequest::default()
    };
    let (body, left_out) = sent(&request);
    assert_eq!((read(body).unwrap(), left_out), (request, vec![]));
}

#[test]
fn documents_become_what_other_dialects_have() {
    let parts = |document: Value| {
        read(json!({"messages": [{"role": "user", "content": [{"document": document}]}]})).unwrap().messages[0]
            .parts
            .clone()
    };
    assert_eq!(
        parts(json!({"format": "txt", "name": "facts", "context": "old", "source": {"text": "A page."}})),
        [text("facts\nold\n\nA page.")]
    );
    assert_eq!(
        parts(json!({"format": "md", "name": "facts", "source": {"bytes": "QSBwYWdlLg=="}})),
        [text("facts\n\nA page.")]
    );
    assert_eq!(parts(json!({"name": "", "source": {"content": [{"text": "A"}, {"text": "B"}]}})), [text("A\nB")]);
    let pdf = parts(json!({"format": "pdf", "name": "facts", "source": {"bytes": "AAAA"}}));
    let [Part::Media(media)] = &pdf[..] else { panic!("{pdf:?}") };
    assert_eq!((media.media_type.as_deref(), media.filename.as_deref()), (Some("application/pdf"), Some("facts")));
}

#[test]
fn wrong_shapes_are_told_with_their_place() {
    let turn = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    for (body, expected) in [
        (json!({}), "messages: is missing"),
        (json!({"messages": []}), "messages: must not be empty"),
        (json!({"messages": [{"role": "system", "content": []}]}), "messages[0].role: must be user or assistant"),
        (turn(json!({})), "messages[0].content[0]: must have a member"),
        (
            turn(json!({"text": "a", "image": {}})),
            "messages[0].content[0].image: cannot stand beside text: a block is one thing",
        ),
        (turn(json!({"text": 1})), "messages[0].content[0].text: must be a string"),
        (
            turn(json!({"image": {"format": "tiff", "source": {"bytes": "AAAA"}}})),
            "messages[0].content[0].image.format: must be png, jpeg, gif or webp",
        ),
        (
            turn(json!({"document": {"format": "txt", "source": {"bytes": "/w=="}}})),
            "messages[0].content[0].document.source.bytes: must be base64 of UTF-8",
        ),
        (
            turn(json!({"toolUse": {"toolUseId": "", "name": "f"}})),
            "messages[0].content[0].toolUse.toolUseId: must not be empty",
        ),
        (turn(json!({"toolResult": {"toolUseId": "a"}})), "messages[0].content[0].toolResult.content: is missing"),
        (
            json!({"messages": [{"role": "user", "content": []}], "outputConfig": {"textFormat":
                {"type": "json_schema", "structure": {"jsonSchema": {"schema": "["}}}}}),
            "outputConfig.textFormat.structure.jsonSchema.schema: must be the JSON of a schema, an object",
        ),
    ] {
        assert_eq!(read(body.clone()).unwrap_err().to_string(), expected, "{body}");
    }
}

use serde_json::{Value, json};

use super::decode;
use crate::chat::mark::mark;
use crate::chat::origin::Origin;
use crate::chat::{
    ChatRequest, Effort, JsonObject, Media, MediaSource, Message, OutputFormat, Part, Role, Thinking, Thought, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use crate::provider::Target;
use crate::{Dialect, EncodedRequest, Format, RequestError};

/// Encodes a request for the vendor of the format.
fn encode(request: &ChatRequest, model: &str, most: Option<u64>) -> Result<EncodedRequest, RequestError> {
    super::encode(request, &Target::vendor(Dialect::Gemini, model), most)
}

fn object(value: Value) -> JsonObject {
    serde_json::from_value(value).unwrap()
}

/// A request with one turn and these additional fields.
fn with(fields: Value) -> JsonObject {
    let mut body = object(fields);
    body.entry("contents").or_insert_with(|| json!([{"parts": [{"text": "hi"}]}]));
    body
}

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn call(id: &str, name: &str, arguments: &str, signature: Option<&str>) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        signature: signature.map(str::to_owned),
    })
}

fn result(id: &str, name: &str, content: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult(ToolResult { id: id.to_owned(), name: Some(name.to_owned()), content, is_error })
}

fn picture(media_type: Option<&str>, source: MediaSource) -> Part {
    Part::Media(Media { media_type: media_type.map(str::to_owned), source, filename: None, detail: None })
}

fn user(parts: Vec<Part>) -> Message {
    Message { role: Role::User, parts }
}

fn model(parts: Vec<Part>) -> Message {
    Message { role: Role::Assistant, parts }
}

fn signed(signature: &str) -> Thought {
    Thought { signature: Some(signature.to_owned()), ..Thought::default() }
}

#[test]
fn reads_turns() {
    let body = with(json!({
        "system_instruction": {"parts": [{"text": "be"}, {"text": "brief"}]},
        "contents": [
            {"parts": [{"text": "look"}, {"inline_data": {"mime_type": "image/png", "data": "_-8"}}]},
            {"role": "model", "parts": [
                {"text": "h", "thought": true, "thoughtSignature": mark(&Origin::CLAUDE, &Thought::default())},
                {"text": "m", "thought": true, "thoughtSignature": mark(&Origin::CLAUDE, &signed("t"))},
                {"text": "ours", "thought": true, "thoughtSignature": "of use to Gemini alone"},
                {"functionCall": {"name": "f", "args": {"n": 1}}, "thought_signature": "s"},
                {"functionCall": {"id": "call_1", "name": "f"}},
                {"functionCall": {"name": "f"}},
            ]},
            {"role": "function", "parts": [
                {"functionResponse": {"id": "call_1", "name": "f", "response": {"error": "no"}}},
                {"functionResponse": {"name": "f", "response": {"result": "one"}}},
                {"functionResponse": {"name": "f", "response": {"a": 1, "b": 2},
                    "parts": [{"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/x"}}]}},
            ]},
        ],
    }));
    let request = decode(&body).unwrap();
    assert_eq!(request.system, ["be", "brief"]);
    assert_eq!(
        request.messages,
        [
            user(vec![text("look"), picture(Some("image/png"), MediaSource::Base64("/+8=".to_owned()))]),
            model(vec![
                Part::Thinking(Thought { text: Some("hm".to_owned()), origin: Some(Origin::CLAUDE), ..signed("t") }),
                Part::Thinking(Thought {
                    text: Some("ours".to_owned()),
                    origin: Some(Origin::GEMINI),
                    ..signed("of use to Gemini alone")
                }),
                call("call_0", "f", r#"{"n":1}"#, Some("s")),
                call("call_1", "f", "{}", None),
                call("call_2", "f", "{}", None),
            ]),
            user(vec![
                result("call_1", "f", vec![text("no")], true),
                result("call_0", "f", vec![text("one")], false),
                result(
                    "call_2",
                    "f",
                    vec![
                        text(r#"{"a":1,"b":2}"#),
                        picture(Some("image/png"), MediaSource::Url("https://example.com/x".to_owned())),
                    ],
                    false
                ),
            ]),
        ]
    );
    assert_eq!(request.fields, Vec::<String>::new());
}

#[test]
fn reads_tools_and_their_choice() {
    let tools = json!([{"functionDeclarations": [
        {"name": "f", "description": "does f", "parameters": {"type": "OBJECT"}},
        {"name": "g", "parametersJsonSchema": {"type": "object", "additionalProperties": false}},
    ]}]);
    let cases = [
        (json!(null), None, 2),
        (json!({}), None, 2),
        (json!({"mode": "AUTO"}), Some(ToolChoice::Auto), 2),
        (json!({"mode": "none"}), Some(ToolChoice::None), 2),
        (json!({"mode": "ANY"}), Some(ToolChoice::Required), 2),
        (json!({"mode": "ANY", "allowed_function_names": ["g"]}), Some(ToolChoice::Tool("g".to_owned())), 2),
        (
            json!({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}),
            Some(ToolChoice::AnyOf(vec!["f".to_owned(), "g".to_owned()])),
            2,
        ),
        (json!({"mode": "VALIDATED", "allowedFunctionNames": ["g"]}), Some(ToolChoice::Auto), 1),
    ];
    for (config, choice, count) in cases {
        let body = with(json!({"tools": tools, "toolConfig": {"functionCallingConfig": config}}));
        let request = decode(&body).unwrap();
        assert_eq!((request.tool_choice, request.tools.len()), (choice, count), "{config}");
    }
    let read = decode(&with(json!({"tools": tools}))).unwrap().tools;
    let schemas: Vec<_> = read.into_iter().map(|tool| tool.parameters.unwrap()).collect();
    assert_eq!(schemas, [json!({"type": "object"}), json!({"type": "object", "additionalProperties": false})]);
}

#[test]
fn decodes_the_configuration() {
    let body = with(json!({"generation_config": {
        "temperature": 0.50, "topP": 1, "top_k": 40, "max_output_tokens": "100", "stopSequences": ["x"], "seed": 7,
        "candidateCount": 1, "responseModalities": ["TEXT"], "responseLogprobs": false,
        "responseMimeType": "application/json", "responseSchema": {"type": "STRING", "nullable": true},
    }}));
    let request = decode(&body).unwrap();
    assert_eq!(request.temperature.unwrap().to_string(), "0.5");
    assert_eq!(request.top_p.unwrap().to_string(), "1");
    assert_eq!((request.max_output_tokens, request.seed, request.stop), (Some(100), Some(7), vec!["x".to_owned()]));
    assert_eq!(request.fields, ["generationConfig.topK", "generationConfig.seed"]);
    let OutputFormat::JsonSchema { schema, .. } = request.output else { panic!("{:?}", request.output) };
    assert_eq!(schema, json!({"type": ["string", "null"]}));

    for (config, thinking) in [
        (json!({"thinkingBudget": 0}), Some(Thinking::Off)),
        (json!({"thinking_budget": -1}), Some(Thinking::Adaptive)),
        (json!({"thinkingBudget": 99}), Some(Thinking::Budget(99))),
        (json!({"thinkingLevel": "HIGH"}), Some(Thinking::Effort(Effort::High))),
        (json!({"thinkingLevel": "low", "thinkingBudget": 99}), Some(Thinking::Effort(Effort::Low))),
        (json!({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}), None),
        (json!({}), None),
    ] {
        let request = decode(&with(json!({"generationConfig": {"thinkingConfig": config}}))).unwrap();
        assert_eq!(request.thinking, thinking, "{config}");
    }
}

#[test]
fn reports_fields_that_are_not_carried() {
    let parts = |part: Value| json!({"contents": [{"parts": [part]}]});
    for (body, field) in [
        (json!({"somethingNew": 1}), "somethingNew"),
        (parts(json!({"text": "x", "something_new": 1})), "contents[].parts[].somethingNew"),
        (
            parts(json!({"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}})),
            "contents[].parts[].inlineData.mimeType=audio/wav",
        ),
        (
            parts(json!({"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/a"}})),
            "contents[].parts[].fileData.fileUri=files/",
        ),
        (json!({"systemInstruction": {"parts": [{"inlineData": {}}]}}), "systemInstruction.parts[].inlineData"),
        (
            json!({"generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {}}}),
            "generationConfig.responseMimeType=text/x.enum",
        ),
    ] {
        let request = decode(&with(body)).unwrap();
        assert_eq!(request.fields, [field]);
        let refused = crate::registry::fit(Format::Gemini, &request.fields, Format::OpenAiChat);
        assert_eq!(refused, Err(RequestError::Unsupported { field: field.to_owned(), upstream: Dialect::OpenAi }));
    }
}

#[test]
fn refuses_fields_of_the_wrong_shape() {
    let parts = |part: Value| json!({"contents": [{"parts": [{"text": "x"}, part]}]});
    for (body, error) in [
        (json!({"contents": []}), "contents: is missing: a request needs at least one turn"),
        (json!({"contents": "hi"}), "contents: must be a list, not a string"),
        (json!({"contents": ["hi"]}), "contents[0]: must be an object, not a string"),
        (json!({"contents": [{"role": "system"}]}), "contents[0].role: \"system\" is neither user nor model"),
        (parts(json!(1)), "contents[0].parts[1]: must be an object, not another number"),
        (parts(json!({"text": 1})), "contents[0].parts[1].text: must be a string, not another number"),
        (
            parts(json!({"text": "x", "inlineData": {}})),
            "contents[0].parts[1].inlineData: cannot stand beside text: a part is one thing",
        ),
        (
            parts(json!({"functionCall": {}})),
            "contents[0].parts[1].functionCall.name: is missing: a call needs the function's name",
        ),
        (
            parts(json!({"functionCall": {"name": "f", "args": []}})),
            "contents[0].parts[1].functionCall.args: must be an object, not a list",
        ),
        (parts(json!({"fileData": {}})), "contents[0].parts[1].fileData.fileUri: is missing"),
        (
            json!({"tools": [{"functionDeclarations": [{}]}]}),
            "tools[0].functionDeclarations[0].name: is missing: a function needs a name",
        ),
        (
            json!({"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}),
            "toolConfig.functionCallingConfig.mode: \"SOME\" is none of AUTO, ANY, NONE, VALIDATED",
        ),
        (
            json!({"generationConfig": {"maxOutputTokens": -1}}),
            "generationConfig.maxOutputTokens: must not be negative",
        ),
        (
            json!({"generationConfig": {"temperature": "hot"}}),
            "generationConfig.temperature: must be a number, not a string",
        ),
        (
            json!({"generationConfig": {"responseSchema": {}}}),
            "generationConfig.responseSchema: needs responseMimeType application/json",
        ),
        (
            json!({"generationConfig": {"stopSequences": [1]}}),
            "generationConfig.stopSequences[0]: must be a string, not another number",
        ),
        (
            json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": -2}}}),
            "generationConfig.thinkingConfig.thinkingBudget: must be -1, 0 or a number of tokens",
        ),
    ] {
        assert_eq!(decode(&with(body)).unwrap_err().to_string(), error);
    }
}

#[test]
fn encodes_turns() {
    let thought = |signature: &str, origin: Origin| {
        Part::Thinking(Thought { text: Some("hm".to_owned()), origin: Some(origin), ..signed(signature) })
    };
    let request = ChatRequest {
        system: vec!["be".to_owned(), String::new(), "brief".to_owned()],
        messages: vec![
            user(vec![text("look"), picture(None, MediaSource::Url("https://example.com/a.JPG?x=1".to_owned()))]),
            // Another provider's turn: its thought is omitted, its first call gets the replacement signature.
            model(vec![
                thought("anthropic's", Origin::CLAUDE),
                text(""),
                call("a", "f", "{\"n\":1.0}", None),
                call("b", "g", "", None),
            ]),
            user(vec![result("b", "g", vec![text("[1]")], false)]),
            user(vec![
                Part::ToolResult(ToolResult {
                    id: "a".to_owned(),
                    name: None,
                    content: vec![
                        text("{\"ok\":true}"),
                        picture(Some("image/png"), MediaSource::Base64("AAAA".to_owned())),
                    ],
                    is_error: false,
                }),
                text("go on"),
            ]),
            // Gemini's own.
            model(vec![thought("gemini's", Origin::GEMINI), call("c", "f", "{}", Some("s"))]),
            user(vec![result("c", "f", vec![text("broken")], true)]),
        ],
        ..ChatRequest::default()
    };
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let look = json!({"role": "user", "parts": [
        {"text": "look"}, {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a.JPG?x=1"}}]});
    let results = |third: bool| {
        let second = json!({"id": "b", "name": "g", "response": {"result": "[1]"}});
        let mut first = json!({"id": "a", "name": "f", "response": {"ok": true}});
        let mut parts = vec![json!({"functionResponse": second})];
        if third {
            first["parts"] = json!([picture.clone()]);
        }
        parts.push(json!({"functionResponse": first}));
        if !third {
            parts.push(picture.clone());
        }
        json!({"role": "user", "parts": parts})
    };
    let own = json!({"role": "model", "parts": [
        {"text": "hm", "thought": true, "thoughtSignature": "gemini's"},
        {"functionCall": {"id": "c", "name": "f", "args": {}}, "thoughtSignature": "s"}]});
    for (name, third) in [("gemini-3-flash", true), ("gemini-2.5-flash", false)] {
        let mut first = json!({"functionCall": {"id": "a", "name": "f", "args": {"n": 1.0}}});
        if third {
            first["thoughtSignature"] = json!("skip_thought_signature_validator");
        }
        let body = Value::Object(encode(&request, name, None).unwrap().body);
        assert_eq!(
            body,
            json!({
                "contents": [
                    look,
                    {"role": "model", "parts": [first, {"functionCall": {"id": "b", "name": "g", "args": {}}}]},
                    results(third),
                    {"role": "user", "parts": [{"text": "go on"}]},
                    own,
                    {"role": "user", "parts": [{"functionResponse": {"id": "c", "name": "f", "response": {"error": "broken"}}}]},
                ],
                "systemInstruction": {"parts": [{"text": "be"}, {"text": "brief"}]},
            }),
            "{name}"
        );
    }
}

fn tool() -> Tool {
    Tool {
        name: "f".to_owned(),
        description: None,
        parameters: Some(json!({"type": "object", "$schema": "s"})),
        strict: None,
    }
}

#[test]
fn encodes_the_configuration() {
    let request = ChatRequest {
        messages: vec![user(vec![text("hi")])],
        tools: vec![tool()],
        tool_choice: Some(ToolChoice::AnyOf(vec!["f".to_owned()])),
        output: OutputFormat::JsonSchema {
            name: None,
            description: None,
            schema: json!({"type": "object"}),
            strict: None,
        },
        stop: vec!["x".to_owned()],
        max_output_tokens: Some(9),
        temperature: serde_json::Number::from_f64(0.5),
        seed: Some(7),
        thinking: Some(Thinking::Effort(Effort::Low)),
        ..ChatRequest::default()
    };
    let encoded = encode(&request, "gemini-3-flash", None).unwrap();
    assert_eq!(encoded.left_out, Vec::<String>::new());
    assert_eq!(
        Value::Object(encoded.body),
        json!({
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "$schema": "s"}}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
            "generationConfig": {
                "maxOutputTokens": 9, "temperature": 0.5, "stopSequences": ["x"], "seed": 7,
                "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
                "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": true},
            },
        })
    );
    let refused = encode(&request, "gemini-2.5-flash", None).unwrap_err();
    assert_eq!(refused.to_string(), "response_format together with tools cannot be expressed in the gemini dialect");
}

#[test]
fn refuses_content_that_gemini_cannot_express() {
    let base = || ChatRequest { messages: vec![user(vec![text("hi")])], ..ChatRequest::default() };
    let picture = |source| vec![user(vec![picture(None, source)])];
    for (request, field) in [
        (ChatRequest { stop: vec!["x".to_owned(); 6], ..base() }, "stop"),
        (ChatRequest { seed: Some(1 << 40), ..base() }, "seed"),
        (
            ChatRequest { messages: picture(MediaSource::Url("https://example.com/a".to_owned())), ..base() },
            "a picture or document whose media type is not known",
        ),
        (
            ChatRequest { messages: picture(MediaSource::Base64("AAAA".to_owned())), ..base() },
            "a picture or document whose media type is not known",
        ),
    ] {
        let error = encode(&request, "gemini-3-flash", None).unwrap_err();
        assert_eq!(error, RequestError::Unsupported { field: field.to_owned(), upstream: Dialect::Gemini });
    }
    let broken = ChatRequest { messages: vec![model(vec![call("a", "f", "{\"x\":", None)])], ..base() };
    assert_eq!(
        encode(&broken, "gemini-3-flash", None).unwrap_err().to_string(),
        "messages[0]: the arguments of the call of f (a) are not a JSON object"
    );
}

#[test]
fn names_the_omitted_hints() {
    let mut detailed = picture(Some("image/png"), MediaSource::Base64("AAAA".to_owned()));
    if let Part::Media(media) = &mut detailed {
        media.detail = Some("high".to_owned());
    }
    let request = ChatRequest {
        messages: vec![user(vec![detailed])],
        tools: vec![Tool { strict: Some(true), ..tool() }],
        thinking: Some(Thinking::Budget(100)),
        ..ChatRequest::default()
    };
    assert_eq!(encode(&request, "gemini-2.0-flash", None).unwrap().left_out, ["detail", "strict", "thinking"]);
}

//! Pseudo-random requests.

use serde_json::{Value, json};

const MODELS: [&str; 34] = [
    "gpt-4o",
    "gpt-4o",
    "gpt-4o-mini",
    "claude-haiku-4-5",
    "gemini-2.5-flash",
    "mistral-small-latest",
    "own",
    "best",
    "openai/gpt-4o",
    "openai/gpt-4o",
    "claude/claude-haiku-4-5",
    "google/gemini-2.5-flash",
    "grid/own",
    "grid/new",
    "router/anthropic/claude-haiku-4.5",
    "anthropic/claude-haiku-4.5",
    "meta-llama/Llama-3-70b",
    "azure/gpt-4o",
    "bedrock/x",
    "opanai/gpt-4o",
    "OpenAI/gpt-4o",
    "off/gpt-4o",
    "nobody/x",
    "openai/",
    "/gpt-4o",
    "openai/gpt-oss-120b",
    "new",
    "gpt-9",
    " gpt-4o",
    "a b",
    "é/ü",
    "mistral",
    "text-embedding-3-small",
    "any/x",
];

const FALLBACKS: [&str; 12] = [
    r#"[]"#,
    r#"["openai/gpt-4o-mini"]"#,
    r#"["openai/gpt-4o-mini"]"#,
    r#"["claude/claude-haiku-4-5","gpt-4o"]"#,
    r#"["azure/gpt-4o","nobody","grid"]"#,
    r#"["azure","OPENAI"]"#,
    r#"[{"provider":"openai","model":"gpt-4o"}]"#,
    r#"[{"provider":"grid"}]"#,
    r#"[{"model":"claude-haiku-4-5"}]"#,
    r#""default""#,
    r#""gpt-4o""#,
    r#"null"#,
];

/// Pseudo-random choices, the same in each run.
pub(super) struct Dice(pub u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.roll(all.len())]
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.roll(many) == 0
    }
}

#[derive(Clone, Debug)]
pub(super) struct TestRequest {
    /// With its query.
    pub target: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// A request of any kind, also an invalid one.
pub(super) fn any(dice: &mut Dice) -> TestRequest {
    let model = dice.of(&MODELS);
    let text = "word ".repeat(dice.roll(60));
    let encoded = percent_encoding::utf8_percent_encode(model, percent_encoding::NON_ALPHANUMERIC).to_string();
    let turn = match dice.roll(8) {
        0 => {
            json!([{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}])
        }
        _ => json!(text),
    };
    let chat = || json!({"model": model, "messages": [{"role": "user", "content": turn}]});
    let contents = || json!({"contents": [{"role": "user", "parts": [{"text": text}]}]});
    let (mut target, mut body) = match dice.roll(16) {
        0 => ("/v1/responses".to_owned(), json!({"model": model, "input": text})),
        1 => ("/v1/embeddings".to_owned(), json!({"model": model, "input": text})),
        2 => ("/v1/completions".to_owned(), json!({"model": model, "prompt": text})),
        3 => ("/v1/moderations".to_owned(), json!({"model": model, "input": text})),
        4 => ("/v1/images/generations".to_owned(), json!({"model": model, "prompt": text})),
        5 => (
            "/v1/messages/count_tokens".to_owned(),
            json!({"model": model, "messages": [{"role": "user", "content": text}]}),
        ),
        6 | 7 => (
            "/v1/messages".to_owned(),
            json!({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": text}]}),
        ),
        8 => (format!("/v1beta/models/{encoded}:generateContent"), contents()),
        9 => (format!("/v1beta/models/{encoded}:streamGenerateContent"), contents()),
        10 => (format!("/v1beta/models/{encoded}:embedContent"), json!({"content": {"parts": [{"text": text}]}})),
        _ => ("/v1/chat/completions".to_owned(), chat()),
    };
    let fields: [(&str, Value); 12] = [
        ("stream", json!(true)),
        ("temperature", json!(0.5)),
        ("max_tokens", json!(50)),
        ("tools", json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])),
        ("tools", json!([{"name": "f", "input_schema": {"type": "object"}}])),
        ("unknown_field", json!(1)),
        ("logprobs", json!(true)),
        ("response_format", json!({"type": "json_object"})),
        ("n", json!(2)),
        ("thinking", json!({"type": "enabled", "budget_tokens": 2000})),
        ("reasoning_effort", json!("low")),
        ("store", json!(false)),
    ];
    for _ in 0..dice.roll(3) {
        let (name, value) = &fields[dice.roll(fields.len())];
        body[*name] = value.clone();
    }
    let mut body = body.to_string();
    if dice.one_in(3) {
        body.insert_str(1, &format!("\"fallbacks\":{},", dice.of(&FALLBACKS)));
    }
    match dice.roll(60) {
        0 => body.truncate(body.len() / 2),
        1 => body.insert_str(1, "\"model\":\"gpt-4o\","),
        2 => body = "[1]".to_owned(),
        _ => {}
    }
    let mut headers = vec![("x-outrigger-session", format!("s{}", dice.roll(40)))];
    for (name, many, values) in [
        ("x-outrigger-key", 8, &["app", "gone", "vk-app", "nobody"][..]),
        ("x-outrigger-provider", 8, &["openai", "grid", "azure", "OpenAI", "claude"]),
        ("x-bf-api-key", 20, &["main", "b", "z"]),
        ("x-tier", 4, &["gold", "free"]),
        ("authorization", 3, &["Bearer sk-anything", "Bearer app", "Basic x"]),
        ("anthropic-version", 9, &["2023-06-01"]),
    ] {
        if dice.one_in(many) {
            headers.push((name, dice.of(values).to_owned()));
        }
    }
    if dice.one_in(5) {
        target.push_str(dice.of(&["?tier=gold", "?tier=g%6Fld&x", "?key=app", "?tier=free&alt=sse"]));
    }
    TestRequest { target, headers, body }
}

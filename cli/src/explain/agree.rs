//! The gateway, `explain` and the tests of rules decide alike: 10,000 requests of every kind, over ten policies.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use outrigger_compile::{Inputs, OPERATOR_NAMESPACE, Severity, compile, read};
use outrigger_core::RefusalKind;
use outrigger_policy::{Candidate, Explanation, Policy, Trial, TrialRequest, trial};
use outrigger_sidecar::server::accept::Listeners;
use outrigger_sidecar::telemetry::records::Lines;
use outrigger_sidecar::{Gateway, Query, Secret, Secrets, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::asking::Saying;
use super::*;

const EACH: u64 = 1_000;
/// At once: no more than the records that are kept.
const BATCH: u64 = 250;

/// Providers by name; `{}` is the upstream.
const PROVIDERS: [(&str, &str); 12] = [
    ("openai", "type: OpenAI, endpoint: '{}', credentials: [{name: main, secretRef: {name: s}}]"),
    ("claude", "type: Anthropic, endpoint: '{}', credentials: [{name: main, secretRef: {name: s}}]"),
    ("google", "type: Gemini, endpoint: '{}', credentials: [{name: main, secretRef: {name: s}}]"),
    (
        "mistral",
        "type: Mistral, endpoint: '{}', credentials: [{name: main, secretRef: {name: s}}, {name: b, secretRef: {name: s}, weight: 0}]",
    ),
    ("router", "type: OpenRouter, endpoint: '{}', credentials: [{name: main, secretRef: {name: s}}]"),
    ("local", "type: vLLM, endpoint: '{}'"),
    ("grid", "type: OpenAICompatible, endpoint: '{}', models: [{name: own, aliases: [best], upstreamName: sent}]"),
    (
        "closed",
        "type: OpenAI, endpoint: '{}', exclusive: true, models: [{name: gpt-4o}, {name: own}], credentials: [{name: main, secretRef: {name: s}}]",
    ),
    ("any", "type: OpenAI, endpoint: '{}', models: [{name: '*'}], credentials: [{name: main, secretRef: {name: s}}]"),
    (
        "part",
        "type: Groq, endpoint: '{}', models: [{name: 'gpt-*'}], credentials: [{name: main, secretRef: {name: s}}]",
    ),
    ("stage", "type: Mock, mock: {dialect: Anthropic}"),
    ("off", "type: OpenAI, endpoint: '{}', suspended: true, credentials: [{name: main, secretRef: {name: s}}]"),
];

/// The providers, the keys and rules of each policy.
const POLICIES: [(&[&str], &str); 10] = [
    (&["openai"], ""),
    (&["openai", "claude", "google"], "kind: VirtualKey\nmetadata: {name: app}\nspec: {}"),
    (
        &["grid", "closed", "claude"],
        "kind: VirtualKey\nmetadata: {name: app}\nspec: {providers: [{name: grid, weight: 3}, {name: closed}, {name: claude, weight: 0}]}",
    ),
    (
        &["local", "grid", "stage", "router"],
        "kind: VirtualKey\nmetadata: {name: app}\nspec: {providers: [{name: local}, {name: grid}, {name: stage}, {name: router, weight: 2}]}",
    ),
    (&["router", "openai", "off"], "kind: VirtualKey\nmetadata: {name: app}\nspec: {extraFields: false}"),
    (
        &["openai", "claude", "local"],
        "kind: RoutingRule\nmetadata: {name: tier}\nspec: {when: 'headers[\"x-tier\"] == \"gold\"', targets: [{provider: claude, model: claude-haiku-4-5}], fallbacks: [openai, local/x, gpt-4o]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: RoutingRule\nmetadata: {name: large}\nspec: {when: 'input_tokens > 40 || \"Tools\" in needs', targets: [{provider: openai, weight: 2}, {provider: local}]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: RoutingRule\nmetadata: {name: hidden}\nspec: {when: 'headers.exists(name, name == \"authorization\" || name.startsWith(\"x-outrigger\"))', targets: [{provider: local, model: never}]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: VirtualKey\nmetadata: {name: app}\nspec: {}",
    ),
    (
        &["openai", "mistral", "google"],
        "kind: VirtualKey\nmetadata: {name: app}\nspec: {models: {allow: ['gpt-*', 'mistral-*', own], deny: ['*-mini']}, providers: [{name: openai, models: ['gpt-4*']}, {name: mistral, credentials: [b]}]}",
    ),
    (
        &["openai", "claude", "any"],
        "kind: RoutingRule\nmetadata: {name: first}\nspec: {when: 'params[\"tier\"] == \"gold\"', chain: true, targets: [{provider: claude}]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: RoutingRule\nmetadata: {name: second}\nspec: {when: 'provider == \"claude\" && request_type.startsWith(\"chat\")', targets: [{provider: any, model: x}, {provider: openai, model: gpt-4o}]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: RoutingRule\nmetadata: {name: no}\nspec: {when: 'model.contains(\"bedrock\")', action: Reject, message: never}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: RoutingRule\nmetadata: {name: watch}\nspec: {mode: Shadow, when: 'model == \"own\"', targets: [{provider: openai}]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: VirtualKey\nmetadata: {name: app}\nspec: {}",
    ),
    (
        &["openai", "grid", "claude"],
        "kind: VirtualKey\nmetadata: {name: app}\nspec: {limits: {budgets: [{name: month, amount: '900000', window: Month}]}}",
    ),
    (
        &["any", "part", "grid", "openai"],
        "kind: VirtualKey\nmetadata: {name: default}\nspec: {}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: VirtualKey\nmetadata: {name: app}\nspec: {providers: [{name: part}, {name: grid, models: ['*']}]}\n---\napiVersion: outrigger.dev/v1alpha1\n\
         kind: VirtualKey\nmetadata: {name: gone}\nspec: {suspended: true}",
    ),
];

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

/// Chance, the same in each run.
struct Dice(u64);

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
struct Asks {
    /// With its query.
    target: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

fn any(dice: &mut Dice) -> Asks {
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
    Asks { target, headers, body }
}

/// What a decision comes to: who is tried and who is passed over, by which rule, or why nobody is.
#[derive(Clone, Debug, Default, PartialEq)]
struct ComparedOutcome {
    rule: Option<String>,
    candidates: Vec<(String, String, Option<String>)>,
    /// Status and type.
    refused: Option<(u16, RefusalKind)>,
}

/// An upstream that takes nothing: a caller's mistake teaches nothing, and nobody else is asked.
async fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut held, mut chunk) = (Vec::new(), [0; 4096]);
                loop {
                    let head = held.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
                    let length = head.map(|head| {
                        let text = String::from_utf8_lossy(&held[..head]).to_lowercase();
                        let said = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                        head + said.and_then(|said| said.parse::<usize>().ok()).unwrap_or(0)
                    });
                    if let Some(whole) = length.filter(|whole| held.len() >= *whole) {
                        held.drain(..whole);
                        let body = r#"{"error":{"message":"no","type":"invalid_request_error"}}"#;
                        let head = format!(
                            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                            body.len()
                        );
                        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
                            return;
                        }
                        continue;
                    }
                    match stream.read(&mut chunk).await {
                        Ok(read) if read > 0 => held.extend_from_slice(&chunk[..read]),
                        _ => return,
                    }
                }
            });
        }
    });
    format!("http://{at}/v1")
}

fn objects(upstream: &str, (providers, rest): &(&[&str], &str)) -> String {
    let mut all = vec!["apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {apiKey: k}".to_owned()];
    for (name, spec) in PROVIDERS.iter().filter(|(name, _)| providers.contains(name)) {
        let spec = spec.replace("{}", upstream);
        all.push(format!("apiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\nmetadata: {{name: {name}}}\nspec: {{withoutKey: Allow, {spec}}}"));
    }
    if !rest.is_empty() {
        all.push(format!("apiVersion: outrigger.dev/v1alpha1\n{rest}"));
    }
    all.join("\n---\n")
}

/// What the gateway decided, of one whose decision is known by name.
async fn by_gateway(client: &reqwest::Client, at: SocketAddr, asks: &Asks) -> String {
    let json = ("content-type", "application/json");
    let mut request = client.post(format!("http://{at}{}", asks.target)).header(json.0, json.1).body(asks.body.clone());
    for (name, value) in &asks.headers {
        request = request.header(*name, value);
    }
    let answer = request.send().await.unwrap();
    let decision = answer.headers()["x-outrigger-decision"].to_str().unwrap().to_owned();
    answer.bytes().await.unwrap();
    decision
}

fn recorded(record: &Value) -> ComparedOutcome {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |candidate: &Value| {
        let name = |field: &str| text(&candidate[field]).unwrap_or_default();
        (name("provider"), name("model"), text(&candidate["skipped"]))
    };
    let sent = !record["attempts"].as_array().unwrap().is_empty();
    ComparedOutcome {
        rule: text(&record["rule"]),
        candidates: record["candidates"].as_array().unwrap().iter().map(one).collect(),
        refused: (!sent).then(|| {
            (
                record["status"].as_u64().unwrap() as u16,
                RefusalKind::from_name(&text(&record["error_type"]).unwrap()).unwrap(),
            )
        }),
    }
}

fn explained_as(told: &Explanation) -> ComparedOutcome {
    let one = |candidate: &outrigger_policy::CandidateSeen| {
        let why = candidate.why.clone().filter(|_| candidate.skipped.as_deref() == Some("unsupported"));
        (candidate.provider.clone(), candidate.model.clone(), why.or_else(|| candidate.skipped.clone()))
    };
    ComparedOutcome {
        rule: told.rule.clone(),
        candidates: told.candidates.iter().map(one).collect(),
        refused: told.refusal.as_ref().map(|refusal| (refusal.status, refusal.kind)),
    }
}

/// What `explain` says, and what a rule's test would see; the latter where a test can say all that the request says.
fn by_explain(policy: &Policy, args: &Args, asks: &Asks) -> (ComparedOutcome, Option<ComparedOutcome>) {
    let refused = |refusal: &Refusal| ComparedOutcome {
        refused: Some((refusal.status, refusal.kind)),
        ..ComparedOutcome::default()
    };
    let (path, query) = asks.target.split_once('?').unwrap_or((&asks.target, ""));
    let Some(matched) = outrigger_llm::operation::find("POST", path) else {
        return (
            ComparedOutcome { refused: Some((404, RefusalKind::UnknownPath)), ..ComparedOutcome::default() },
            None,
        );
    };
    let mut headers = http::HeaderMap::new();
    for (name, value) in &asks.headers {
        headers.insert(*name, value.parse().unwrap());
    }
    let parsed = Query::parse(query);
    let named =
        caller(policy, &headers, &parsed).and_then(|who| identify(policy, &headers, &parsed, None, 0).map(|_| who));
    let key = match named {
        Ok(caller) => caller.key,
        Err(refusal) => return (refused(&refusal), None),
    };
    let said = Saying { path, query: query.to_owned(), headers, model: None, stream: false };
    let asking = match ExplainedRequest::of(matched, said, Some(asks.body.clone().into_bytes())) {
        Ok(asking) => asking,
        Err(refusal) => return (refused(&refusal), None),
    };
    let world = AssumedState::of(policy, &policy.keys[key], &asking, args, 0).unwrap();
    let mut told = decided(policy, key, &asking, &world);
    if let Some(refusal) = told.refusal.as_mut().filter(|refusal| refusal.kind == RefusalKind::UnsupportedParameter)
        && asking.problem().is_some()
    {
        refusal.kind = RefusalKind::InvalidRequest;
    }
    let outcome = explained_as(&told);
    let trial = Trial {
        request: TrialRequest {
            model: asking.model.clone(),
            request_type: Some(asking.request_type().name().to_owned()),
            headers: asks.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            params: asking.seen_params().into_iter().collect(),
            fallbacks: asking.scanned.fallbacks.clone(),
            input_tokens: asking.caller_tokens(),
            needs: asking.needs().names().map(str::to_owned).collect(),
            ..TrialRequest::default()
        },
        ..Trial::default()
    };
    // What else is in a body, a test does not say.
    let fields = ["completions", "embeddings", "moderations", "images", "responses"];
    let body_alone =
        outcome.candidates.iter().filter_map(|(.., skipped)| skipped.as_deref()?.strip_prefix("unsupported: "));
    let counts = asking.operation.kind == outrigger_llm::operation::OperationKind::CountTokens;
    let sayable = !counts
        && body_alone.clone().all(|field| fields.contains(&field))
        && outcome.candidates.iter().all(|(.., skipped)| skipped.as_deref() != Some("unpriced"));
    let decision = trial::decided(policy, key, &trial).unwrap();
    let one = |candidate: &Candidate| {
        let skipped = candidate.skipped.as_ref().map(ToString::to_string);
        (candidate.name.to_string(), candidate.model.to_string(), skipped)
    };
    let tested = ComparedOutcome {
        rule: decision.rule.as_deref().map(str::to_owned),
        candidates: decision.candidates.iter().map(one).collect(),
        refused: decision.refusal.as_ref().map(|refusal| (refusal.kind.status(), refusal.kind.kind())),
    };
    (outcome, sayable.then_some(tested))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_decides_decides_alike() {
    let upstream = refusing().await;
    let args = Args {
        dir: PathBuf::new(),
        request: None,
        model: None,
        key: None,
        headers: Vec::new(),
        params: Vec::new(),
        path: String::new(),
        stream: false,
        unhealthy: Vec::new(),
        spent: Vec::new(),
        time: None,
        labels: Vec::new(),
        workload: None,
        json: false,
    };
    let client = reqwest::Client::new();
    let (mut sent, mut refused, mut ruled, mut unfit, mut tested) = (0, 0, 0, 0, 0);
    for (number, policy) in POLICIES.iter().enumerate() {
        let source = read("objects.yaml", &objects(&upstream, policy));
        let inputs = Inputs {
            objects: &source.objects,
            unread: false,
            environment: &|_| None,
            keys: &[],
            without_value: Severity::Warning,
            sequence: 1,
            operator_namespace: OPERATOR_NAMESPACE,
        };
        let compiled = compile(&inputs);
        let errors: Vec<_> = compiled.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "policy {number}: {errors:?}");
        let secrets: Secrets = compiled.secrets.iter().map(|(at, value)| (at.clone(), Secret::new(value))).collect();
        let policy = Policy::build(compiled.document.clone()).unwrap();
        let gateway = Gateway::new(Settings { lines: Lines::Off, ..Settings::default() }).unwrap();
        gateway.install(compiled.document, &secrets).unwrap();
        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listeners = Listeners::bind(&[free], &[free]).await.unwrap();
        let (at, admin) = (listeners.clients()[0], listeners.admin()[0]);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(Arc::clone(&gateway).serve(listeners, async {
            stopped.await.ok();
        }));
        let mut dice = Dice(number as u64 + 1);
        for _ in 0..EACH / BATCH {
            let asked: Vec<Asks> = (0..BATCH).map(|_| any(&mut dice)).collect();
            let mut decisions = Vec::new();
            for asks in &asked {
                decisions.push(by_gateway(&client, at, asks).await);
            }
            let records = client.get(format!("http://{admin}/decisions?limit={BATCH}")).send().await.unwrap();
            let records: Value = serde_json::from_slice(&records.bytes().await.unwrap()).unwrap();
            let records = records.as_array().unwrap();
            for (asks, decision) in asked.iter().zip(&decisions) {
                let record = records.iter().find(|record| record["decision"] == *decision).unwrap();
                let gateway = recorded(record);
                let (explained, rule_test) = by_explain(&policy, &args, asks);
                assert_eq!(gateway, explained, "policy {number}: the gateway and explain, of {asks:?}: {record}");
                if let Some(rule_test) = &rule_test {
                    assert_eq!(*rule_test, explained, "policy {number}: a rule's test and explain, of {asks:?}");
                    tested += 1;
                }
                sent += u32::from(gateway.refused.is_none());
                refused += u32::from(gateway.refused.is_some());
                ruled += u32::from(gateway.rule.is_some());
                let skipped = |(.., why): &(String, String, Option<String>)| {
                    why.as_deref().is_some_and(|why| why.starts_with("unsupported"))
                };
                unfit += u32::from(gateway.candidates.iter().any(skipped));
            }
        }
        drop(stop);
        serving.await.unwrap().unwrap();
    }
    assert!(
        sent > 2_000 && refused > 2_000 && ruled > 300 && unfit > 300 && tested > 5_000,
        "{sent} {refused} {ruled} {unfit} {tested}"
    );
}

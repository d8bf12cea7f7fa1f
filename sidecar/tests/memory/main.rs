//! Tests the sidecar with 64 MiB: no request and no answer makes it use more, and it refuses with readable errors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests fail loudly")]

#[path = "../gateway/free_addresses.rs"]
mod free_addresses;
#[path = "../gateway/policies.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod policies;
#[path = "../../../crates/llm/tests/shapes/mod.rs"]
mod shapes;

mod answers;
mod client;
mod connections;
mod process;
mod upstream;

use std::sync::Arc;

use client::{Answer, ask};
use outrigger_llm::Dialect;
use outrigger_policy::Document;
use policies::{document, typed};
use process::{LIMIT, Process};
use upstream::{Script, Upstream};

const MIB: usize = 1 << 20;

/// One upstream for each dialect, and a gateway in front of them.
#[derive(Debug)]
pub struct Scene {
    pub process: Arc<Process>,
    openai: Upstream,
    anthropic: Upstream,
    gemini: Upstream,
    cohere: Upstream,
}

impl Scene {
    pub async fn new() -> Self {
        let openai = Upstream::new(Script::json(200, usual(Dialect::OpenAi))).await;
        let anthropic = Upstream::new(Script::json(200, usual(Dialect::Anthropic))).await;
        let gemini = Upstream::new(Script::json(200, usual(Dialect::Gemini))).await;
        let cohere = Upstream::new(Script::json(200, usual(Dialect::Cohere))).await;
        let process = Process::start(&policy(&openai, &anthropic, &gemini, &cohere)).await;
        Scene { process: Arc::new(process), openai, anthropic, gemini, cohere }
    }

    pub fn upstream(&self, dialect: Dialect) -> &Upstream {
        match dialect {
            Dialect::OpenAi => &self.openai,
            Dialect::Anthropic => &self.anthropic,
            Dialect::Gemini => &self.gemini,
            Dialect::Bedrock | Dialect::Ollama => panic!("no provider of this dialect is in the policy"),
            Dialect::Cohere => &self.cohere,
        }
    }

    /// Sends the same request from several clients at once.
    pub async fn ask(&self, clients: usize, path: &str, body: impl Into<Arc<[u8]>>) -> Vec<Result<Answer, String>> {
        let body: Arc<[u8]> = body.into();
        let asking: Vec<_> = (0..clients)
            .map(|_| {
                let (process, path, body) = (Arc::clone(&self.process), path.to_owned(), Arc::clone(&body));
                tokio::spawn(async move { ask(&process.clients, &path, &body).await })
            })
            .collect();
        let mut answers = Vec::new();
        for one in asking {
            answers.push(one.await.unwrap());
        }
        answers
    }

    /// The same, and checks the peak of memory.
    pub async fn tries(&self, name: &str, clients: usize, path: &str, body: impl Into<Arc<[u8]>>) -> Vec<u16> {
        self.process.reset();
        let answers = self.ask(clients, path, body).await;
        let peak = self.process.peak();
        let mut statuses: Vec<u16> = Vec::new();
        for answer in answers {
            let answer = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
            if answer.status >= 400 {
                let readable = ["\"error", "\"__type\""].iter().any(|key| answer.text.contains(key));
                assert!(readable, "{name}: {}", answer.text);
            }
            statuses.push(answer.status);
        }
        statuses.sort_unstable();
        if std::env::var_os("OUTRIGGER_FIGURES").is_some() {
            let mut distinct = statuses.clone();
            distinct.dedup();
            let wrong = if peak < LIMIT { "" } else { "TOO MUCH" };
            eprintln!("{:6.1} MiB  {clients:2} clients  {distinct:?}  {name} {wrong}", peak as f64 / MIB as f64);
            return statuses;
        }
        assert!(peak < LIMIT, "{name}, {clients} clients: {} kB", peak >> 10);
        statuses
    }
}

fn policy(openai: &Upstream, anthropic: &Upstream, gemini: &Upstream, cohere: &Upstream) -> Document {
    let mut document = document(
        1,
        vec![
            typed("oai", "OpenAICompatible", &format!("{}/v1", openai.url)),
            typed("ant", "Anthropic", &anthropic.url),
            typed("gem", "Gemini", &gemini.url),
            typed("coh", "Cohere", &cohere.url),
        ],
    );
    for provider in &mut document.providers {
        provider.max_attempts = Some(1);
    }
    document
}

/// The dialects of the providers.
pub const PROVIDERS: [Dialect; 3] = [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini];

/// A short answer of a dialect.
fn usual(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => {
            r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#
        }
        Dialect::Anthropic => {
            r#"{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Yes."}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}"#
        }
        Dialect::Bedrock => {
            r#"{"output":{"message":{"role":"assistant","content":[{"text":"Yes."}]}},"stopReason":"end_turn","usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}"#
        }
        Dialect::Ollama => {
            r#"{"model":"m","message":{"role":"assistant","content":"Yes."},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}"#
        }
        Dialect::Gemini => {
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Yes."}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}}"#
        }
        Dialect::Cohere => {
            r#"{"id":"c","message":{"role":"assistant","content":[{"type":"text","text":"Yes."}]},"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3,"output_tokens":2}}}"#
        }
    }
}

pub fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "oai",
        Dialect::Anthropic => "ant",
        Dialect::Gemini => "gem",
        Dialect::Bedrock => "bed",
        Dialect::Cohere => "coh",
        Dialect::Ollama => "oll",
    }
}

/// A request for a model of that provider: its path, and the body with the model's name.
pub fn led(caller: Dialect, provider: Dialect, body: String) -> (String, Vec<u8>) {
    let model = format!("{}/m", name(provider));
    match caller {
        Dialect::OpenAi => ("/v1/chat/completions".to_owned(), named(body, &model)),
        Dialect::Anthropic => ("/v1/messages".to_owned(), named(body, &model)),
        Dialect::Cohere => ("/v2/chat".to_owned(), named(body, &model)),
        Dialect::Ollama => ("/api/chat".to_owned(), named(body, &model)),
        Dialect::Gemini => (format!("/v1beta/models/{model}:generateContent"), body.into_bytes()),
        Dialect::Bedrock => (format!("/model/{}%2Fm/converse", name(provider)), body.into_bytes()),
    }
}

fn named(body: String, model: &str) -> Vec<u8> {
    body.replacen(r#""model":"m""#, &format!(r#""model":"{model}""#), 1).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_below_the_limit_for_any_request() {
    let scene = Scene::new().await;
    for shape in shapes::all() {
        let other = if shape.dialect == Dialect::OpenAi { Dialect::Anthropic } else { Dialect::OpenAi };
        for provider in [shape.dialect, other] {
            let (path, body) = led(shape.dialect, provider, shape.body(MIB / 2));
            let name = format!("{:?} {} to {provider}", shape.dialect, shape.name);
            scene.tries(&name, 1, &path, body).await;
        }
        // Several at once, and translated.
        let (path, body) = led(shape.dialect, other, shape.body(MIB / 4));
        scene.tries(&format!("{:?} {} to {other}", shape.dialect, shape.name), 16, &path, body).await;
    }
    // As large as allowed.
    for shape in shapes::all().into_iter().filter(|shape| shape.dialect == Dialect::OpenAi) {
        if !["tools {}", "turns 0", "turns of one word", "one long text", "a picture"].contains(&shape.name) {
            continue;
        }
        for (provider, clients) in [(Dialect::OpenAi, 1), (Dialect::Anthropic, 1), (Dialect::Anthropic, 4)] {
            let (path, body) = led(Dialect::OpenAi, provider, shape.body(15 * MIB));
            scene.tries(&format!("15 MiB of {} to {provider}", shape.name), clients, &path, body).await;
        }
    }
    // Refused requests, each with a long name that the record keeps.
    for _ in 0..20 {
        let body = format!(r#"{{"model":"ant/m","messages":[],"{}":1}}"#, "k".repeat(MIB));
        scene.tries("a long name", 3, "/v1/chat/completions", body.into_bytes()).await;
    }
    let kept = reqwest::get(scene.process.url("decisions?limit=1000")).await.unwrap().text().await.unwrap();
    assert!(kept.len() < 4 * MIB, "{}", kept.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_requests_are_served() {
    let scene = Scene::new().await;
    let shapes = shapes::all();
    let find = |dialect, name| shapes.iter().find(|shape| (shape.dialect, shape.name) == (dialect, name)).unwrap();
    for caller in Dialect::ALL {
        for provider in PROVIDERS {
            let (path, body) = led(caller, provider, find(caller, "a picture").body(7 * 1_000_000));
            assert_eq!(scene.tries(&format!("7 MB picture, {caller} to {provider}"), 1, &path, body).await, [200]);
            let (path, body) = led(caller, provider, shapes::agent(caller, 1_000_000));
            assert_eq!(scene.tries(&format!("1 MB agent, {caller} to {provider}"), 1, &path, body).await, [200]);
            let (path, body) = led(caller, provider, shapes::agent(caller, 100_000));
            let served = scene.tries(&format!("100 kB, {caller} to {provider}"), 16, &path, body).await;
            assert_eq!(served, [200; 16], "{caller} to {provider}");
        }
        if PROVIDERS.contains(&caller) {
            let (path, body) = led(caller, caller, shapes::agent(caller, 100_000));
            assert_eq!(scene.tries("100 kB", 64, &path, body).await, [200; 64]);
        }
    }
    let (path, body) = led(Dialect::OpenAi, Dialect::OpenAi, find(Dialect::OpenAi, "one long text").body(15 * MIB));
    assert_eq!(scene.tries("15 MiB of text", 1, &path, body).await, [200]);
}

/// Refusals are readable, even if the client is still writing.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_write_first_can_read_a_refusal() {
    let scene = Scene::new().await;
    let find = |name: &str| shapes::all().into_iter().find(|shape| shape.name == name).unwrap();
    let text = find("one long text");
    let long = text.body(40 * MIB).into_bytes();
    for (path, status, kind) in [
        ("/v1/chat/completions", 413, "request_too_large"),
        ("/v1/nowhere", 404, "unknown_path"),
        ("/v1/messages?key=x", 413, "request_too_large"),
    ] {
        let answer = ask(&scene.process.clients, path, &long).await.unwrap();
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.text.contains(kind), "{}", answer.text);
    }
    let (path, body) = led(Dialect::OpenAi, Dialect::Anthropic, text.body(15 * MIB));
    let answer = ask(&scene.process.clients, &path, &body).await.unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text);
    assert!(answer.text.contains("to another dialect"), "{}", answer.text);
    // Several streams on one connection.
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = format!("http://{}/v1/chat/completions", scene.process.clients);
    let asking: Vec<_> = (0..4)
        .map(|_| {
            let request = client.post(&url).body(long.clone());
            tokio::spawn(async move { request.send().await.map(|answer| answer.status().as_u16()) })
        })
        .collect();
    for one in asking {
        assert_eq!(one.await.unwrap().expect("an answer"), 413);
    }
    // Many at once: those beyond the memory get 503.
    let (path, body) = led(Dialect::OpenAi, Dialect::OpenAi, text.body(12 * MIB));
    let statuses = scene.tries("12 MiB", 12, &path, body).await;
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    assert!(statuses.contains(&200), "{statuses:?}");
}

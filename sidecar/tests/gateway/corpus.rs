//! Sends recorded exchanges through the gateway in the dialect in which they were recorded. Everything but the listed
//! edits arrives unchanged, in both directions.
//!
//! They are read from the folder `OUTRIGGER_CORPUS`. Without it, the tests report that they were skipped.

mod recorded;
mod undone;

use std::collections::BTreeMap;

use outrigger_policy::{BedrockDoc, Document, ProviderDoc};
use serde_json::Value;

use self::recorded::{Exchange, Replay, UPSTREAMS, Variation, exchanges, replay};
use self::undone::{objects, without_comment, without_extra_fields, without_usage_chunks};
use crate::fake::{Fake, UpstreamRequest, json};
use crate::policies::{Answer, Running, document, typed};

/// Checks that headers are passed on: all of the request's, and of the answer's all that do not describe the account.
fn headers_passed(exchange: &Exchange, asked: &UpstreamRequest, got: &Answer) {
    let place = exchange.place();
    for (name, value) in &exchange.req_headers {
        assert_eq!(asked.header(name).as_deref(), Some(value.trim()), "{place}: {name} up");
    }
    for (name, value) in &exchange.resp_headers {
        let name = name.to_lowercase();
        let ours = ["transfer-encoding", "content-encoding", "openai-organization", "openai-project"];
        let limits = name.starts_with("x-ratelimit-") || name.starts_with("anthropic-ratelimit-");
        let expected = if ours.contains(&&*name) || limits { None } else { Some(value.trim()) };
        if name != "transfer-encoding" {
            assert_eq!(got.header(&name), expected, "{place}: {name} down");
        }
    }
}

/// The outcome of an exchange, in words.
fn compare(exchange: &Exchange, replay: &Replay, asked: &[UpstreamRequest], got: &Answer) -> &'static str {
    let place = exchange.place();
    for asked in asked {
        assert_eq!(asked.body, replay.upstream_body, "{place}: up");
        assert_eq!(asked.target(), replay.target, "{place}");
    }
    let same = got.bytes == *exchange.body();
    if exchange.is_odd() && !same {
        assert_eq!((asked.len(), got.status), (1, 502), "{place}: {}", got.text);
        assert!(got.text.to_lowercase().contains("upstream_credentials_exhausted"), "{place}: {}", got.text);
        return "our credential's fault: 502";
    }
    assert_eq!((asked.len(), got.status), (1, exchange.status), "{place}: {}", got.text);
    headers_passed(exchange, &asked[0], got);
    match exchange.status {
        200 if exchange.is_odd() => return "the same, empty",
        200 => {}
        _ => return "the same error",
    }
    let openai = exchange.route().is_some_and(|(upstream, _)| upstream == 0);
    if exchange.kind == "eventstream" {
        assert!(same, "{place}: down");
        return "the same stream";
    }
    if exchange.kind != "sse" {
        let text = if openai { without_extra_fields(&got.text, &place) } else { got.text.clone() };
        assert_eq!(text, exchange.text(), "{place}: down");
        return "the same";
    }
    let text = if openai { without_comment(&got.text, &place) } else { got.text.clone() };
    let (expected, withheld) = match replay.requests_usage {
        true => without_usage_chunks(exchange.text()),
        false => (exchange.text().to_owned(), 0),
    };
    assert_eq!(text, expected, "{place}: down");
    match (replay.requests_usage, withheld) {
        (false, _) => "the same stream",
        // The usage was in a chunk with choices, or missing.
        (true, 0) => "the same stream, usage asked for",
        (true, 1) => "the same stream but for the usage chunk",
        (true, _) => panic!("{place}: {withheld} usage chunks"),
    }
}

/// One provider for each type, and one for each odd exchange, whose effect on a provider's health must not affect the
/// next one.
fn providers(recorded: &[Exchange], fake: &Fake) -> Document {
    let root = fake.url.trim_end_matches("/v1");
    let named = |upstream: usize, name: &str| {
        let (kind, version) = UPSTREAMS[upstream];
        // One attempt each: an answer with a short Retry-After would be retried.
        let bedrock = (kind == "Bedrock").then(|| BedrockDoc {
            region: "us-east-1".to_owned(),
            token_endpoint: None,
            workload_identity: None,
        });
        ProviderDoc { max_attempts: Some(1), bedrock, ..typed(name, kind, &format!("{root}{version}")) }
    };
    let mut all: Vec<_> = (0..UPSTREAMS.len()).map(|upstream| named(upstream, &format!("up{upstream}"))).collect();
    for (index, exchange) in recorded.iter().enumerate().filter(|(_, exchange)| exchange.is_odd()) {
        if let Some((upstream, _)) = exchange.route() {
            all.push(named(upstream, &format!("odd{index}")));
        }
    }
    document(1, all)
}

/// One gateway and one upstream, for all exchanges one after another.
struct Stage {
    recorded: Vec<Exchange>,
    fake: Fake,
    running: Running,
    client: reqwest::Client,
}

impl Stage {
    async fn new() -> Option<Self> {
        let recorded = exchanges()?;
        let fake = Fake::always(Vec::new()).await;
        let running = Running::new(providers(&recorded, &fake)).await;
        Some(Stage { recorded, fake, running, client: reqwest::Client::new() })
    }

    /// Repeats every exchange that can be requested in this way.
    async fn each(&self, variation: Variation, mut see: impl FnMut(&Exchange, &Replay, &[UpstreamRequest], &Answer)) {
        for (index, exchange) in self.recorded.iter().enumerate() {
            let Some((upstream, below)) = exchange.route() else { continue };
            let name = if exchange.is_odd() { format!("odd{index}") } else { format!("up{upstream}") };
            let Some(replay) = replay(exchange, (upstream, &below), &name, variation) else { continue };
            self.fake.play(exchange.script());
            let mut request = self.client.post(self.running.url(&replay.path)).body(replay.body.clone());
            for (name, value) in &exchange.req_headers {
                request = request.header(name, value);
            }
            let got = self.running.send(request).await;
            see(exchange, &replay, &self.fake.take_requests(), &got);
        }
    }
}

#[tokio::test]
async fn every_recorded_exchange_is_unchanged_except_for_the_listed_edits() {
    let Some(stage) = Stage::new().await else { return };
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for variation in [Variation::AsRecorded, Variation::WithoutUsage] {
        stage
            .each(variation, |exchange, replay, asked, got| {
                let kind = exchange.route().map_or("", |(upstream, _)| UPSTREAMS[upstream].0);
                *counts.entry((kind, compare(exchange, replay, asked, got))).or_default() += 1;
            })
            .await;
    }
    let expected = [
        (("OpenAICompatible", "the same"), 497),
        (("OpenAICompatible", "the same stream"), 88),
        (("OpenAICompatible", "the same stream but for the usage chunk"), 29),
        (("OpenAICompatible", "the same stream, usage asked for"), 44),
        (("OpenAICompatible", "the same error"), 13),
        (("OpenAICompatible", "our credential's fault: 502"), 10),
        (("OpenAICompatible", "the same, empty"), 1),
        (("Anthropic", "the same"), 75),
        (("Anthropic", "the same stream"), 13),
        (("Anthropic", "the same error"), 1),
        (("Anthropic", "our credential's fault: 502"), 1),
        (("Anthropic", "the same, empty"), 1),
        (("Gemini", "the same"), 144),
        (("Gemini", "the same stream"), 23),
        (("Gemini", "the same error"), 2),
        (("Gemini", "our credential's fault: 502"), 1),
        (("Bedrock", "the same"), 60),
        (("Bedrock", "the same stream"), 13),
        (("Bedrock", "the same error"), 1),
        (("Bedrock", "our credential's fault: 502"), 1),
        (("Cohere", "the same"), 52),
        (("Cohere", "the same stream"), 11),
        (("Cohere", "the same error"), 1),
        (("Cohere", "our credential's fault: 502"), 1),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[tokio::test]
async fn a_gemini_stream_is_an_array_of_the_same_objects() {
    let Some(stage) = Stage::new().await else { return };
    let mut count = 0;
    stage
        .each(Variation::ForArray, |exchange, _, asked, got| {
            let place = exchange.place();
            assert_eq!(asked[0].target().split_once('?').map(|(_, query)| query), Some("alt=sse"), "{place}");
            assert_eq!(got.json(), Value::from(objects(exchange.text())), "{place}");
            count += 1;
        })
        .await;
    assert_eq!(count, 23);
}

#[tokio::test]
async fn requests_in_unsupported_dialects_reach_no_provider() {
    let Some(stage) = Stage::new().await else { return };
    let mut counts: BTreeMap<(&str, u16), usize> = BTreeMap::new();
    for exchange in stage.recorded.iter().filter(|exchange| exchange.route().is_none()) {
        let method = exchange.method.parse().unwrap();
        let path = exchange.path.replace(['<', '>'], "");
        let request = stage.client.request(method, stage.running.url(&path)).body(exchange.req.get().to_owned());
        stage.fake.play(json(500, "{}"));
        let got = stage.running.send(request).await;
        assert!(got.json().is_object(), "{}", exchange.place());
        *counts.entry((&exchange.provider, got.status)).or_default() += 1;
    }
    let asked: Vec<String> = stage.fake.asked().iter().map(|asked| asked.target().to_owned()).collect();
    assert_eq!(asked, [""; 0]);
    // The two successes are lists of models, which the gateway answers itself.
    let expected = [
        (("bedrock", 200), 1),
        // InvokeModel with bodies of other models than Claude.
        (("bedrock", 400), 12),
        (("gemini", 404), 3),
        (("perplexity", 200), 1),
        (("vertex", 404), 5),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

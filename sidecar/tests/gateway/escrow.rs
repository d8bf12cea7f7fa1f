//! Concurrent requests never spend more than a limit, and can use nearly all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use outrigger_core::Window;
use outrigger_policy::{Document, LimitDoc, ModelDoc, Price};
use serde_json::{Value, json};

use crate::meter::{INPUT, Meter, OUTPUT, price};
use crate::policies::{Running, document, provider};

pub const DOLLAR: u64 = 1_000_000_000;
const CLIENTS: usize = 64;
const RUNS: u64 = 100;
/// The least that a client requests. If even that is refused, the money is spent.
const LEAST: u64 = 50;

/// A key with a dollar, and a provider with the meter's prices.
pub fn with_a_dollar(url: &str) -> Document {
    let mut one = provider("metered", url);
    let price = Price { input: INPUT, output: OUTPUT, ..Price::default() };
    one.models = vec![ModelDoc { name: "m".to_owned(), price: Some(price), ..ModelDoc::default() }];
    let mut document = document(1, vec![one]);
    document.keys[0].limits.budgets = vec![LimitDoc { name: "all".to_owned(), max: DOLLAR, window: Window::Lifetime }];
    document
}

/// An amount from the admin port, in nano-dollars.
pub fn nanos(amount: &Value) -> u64 {
    let (dollars, rest) = amount.as_str().unwrap().split_once('.').unwrap();
    dollars.parse::<u64>().unwrap() * DOLLAR + format!("{rest:0<9}").parse::<u64>().unwrap()
}

/// The highest cost of a request with this cap, as the meter computes it.
fn most(body: &Value, cap: u64) -> u64 {
    // As many tokens as bytes: more than any estimate.
    price(body.to_string().len() as u64, cap)
}

/// Spends with several clients until nothing is left. Returns what the meter had billed when a client first got a 402,
/// plus the highest cost of that client's request.
pub async fn spend(running: &Running, meter: &Meter, seed: u64, clients: usize) -> u64 {
    let client = reqwest::Client::new();
    let url = running.url("/v1/chat/completions");
    let told_at = Arc::new(AtomicU64::new(u64::MAX));
    let clients = (0..clients).map(|number| {
        let (client, url, meter, told_at) = (client.clone(), url.clone(), meter.clone(), Arc::clone(&told_at));
        tokio::spawn(async move {
            let mut dice = fastrand::Rng::with_seed(seed << 8 | number as u64);
            let mut largest = 800;
            loop {
                // Some leave the cap to the gateway.
                let cap = (dice.u8(0..4) > 0 || largest <= LEAST).then(|| dice.u64(LEAST..=largest));
                let words = "word ".repeat(dice.usize(1..40));
                let mut body = json!({"model": "m", "messages": [{"role": "user", "content": words}]});
                if let Some(cap) = cap {
                    body["max_tokens"] = json!(cap);
                }
                if dice.bool() {
                    body["stream"] = json!(true);
                }
                let answer = client.post(&url).json(&body).send().await.unwrap();
                let status = answer.status().as_u16();
                let text = answer.text().await.unwrap();
                match status {
                    200 => {}
                    402 => {
                        assert!(text.contains("budget_exceeded"), "{text}");
                        let billed = meter.billed() + most(&body, cap.unwrap_or(1_024));
                        told_at.fetch_min(billed, Ordering::SeqCst);
                        if largest <= LEAST {
                            return;
                        }
                        largest = LEAST;
                    }
                    429 => assert!(text.contains("budget_contended"), "{text}"),
                    other => panic!("{other}: {text}"),
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    told_at.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dollar_is_never_overspent_and_almost_all_of_it_is_usable() {
    for seed in 0..RUNS {
        let meter = Meter::new(seed, false).await;
        let running = Running::new(with_a_dollar(&meter.url)).await;
        let told_at = spend(&running, &meter, seed, CLIENTS).await;
        let billed = meter.billed();
        assert!(billed <= DOLLAR, "run {seed}: {billed} nano-dollars of {DOLLAR} were spent");
        assert!(billed >= DOLLAR / 100 * 95, "run {seed}: only {billed} nano-dollars of {DOLLAR} could be spent");
        assert!(told_at >= DOLLAR, "run {seed}: a 402 at {told_at}, although money was only reserved");
        // The account equals what the upstream billed, to the nano-dollar.
        let limits = running.admin("/policy").await["limits"].clone();
        assert_eq!(nanos(&limits[0]["spent"]), billed, "run {seed}");
        assert_eq!(limits[0]["reserved"], json!("0.00"), "run {seed}: {limits}");
    }
}

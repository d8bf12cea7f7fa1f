//! The promises of the documentation about budgets ([table](../../../docs/budgets.md#ten-promises-and-their-tests)) that one
//! gateway keeps by itself: 1, 6, 7 and 8. The others are in `crates/ledger/tests/acceptance.rs`.

use serde_json::{Value, json};

use crate::escrow::nanos;
use crate::fake::{Act, Fake, answer, chunk, delta, role, stream_head};
use crate::limits::{limit, priced, short, spent, under_way};
use crate::policies::{Running, streamed};

/// What ten tokens cost, at a cent each.
const TEN_TOKENS: u64 = 100_000_000;
/// What the input of a short request costs at most.
const INPUT: u64 = 60_000_000;
const PATH: &str = "/v1/chat/completions";

fn a_thousand_dollars(urls: &[(&str, &str)]) -> outrigger_policy::Document {
    let mut policy = priced(urls);
    policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
    policy
}

async fn reserved(running: &Running) -> u64 {
    nanos(&running.admin("/policy").await["limits"][0]["reserved"])
}

async fn charged(running: &Running) -> u64 {
    nanos(&spent(running, "budgets[all]").await)
}

/// Sentence 1.
#[tokio::test]
async fn the_worst_case_is_reserved_not_a_flat_amount() {
    let silent = Fake::always(vec![Act::Silence]).await;
    let running = std::sync::Arc::new(Running::new(a_thousand_dollars(&[("first", &silent.url)])).await);
    let mut requests = Vec::new();
    let mut before = 0;
    for (count, cap) in [(1, 10), (2, 1_000)] {
        let body: Value = {
            let mut body = short("m");
            body["max_tokens"] = json!(cap);
            body
        };
        let asker = std::sync::Arc::clone(&running);
        requests.push(tokio::spawn(async move { asker.post(PATH, &body).await }));
        under_way(&running, count).await;
        while silent.asked().len() < count {
            tokio::task::yield_now().await;
        }
        let more = reserved(&running).await - before;
        let output = TEN_TOKENS / 10 * cap;
        assert!((output..output + INPUT).contains(&more), "{cap} tokens: {more}");
        before += more;
    }
    requests.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Sentence 6.
#[tokio::test]
async fn each_attempt_reserves() {
    let (closes, good) = (Fake::always(vec![Act::Close]).await, Fake::always(answer("hi")).await);
    let mut policy = a_thousand_dollars(&[("closes", &closes.url), ("good", &good.url)]);
    policy.keys[0].providers[1].weight = 0;
    let running = Running::new(policy).await;
    let got = running.post(PATH, &short("m")).await;
    assert_eq!(got.json()["extra_fields"]["provider"], "good", "{}", got.text);
    let failed = closes.asked().len() as u64;
    // What failed may have been served: it stays charged as it was reserved. The last one costs what it cost.
    let charged = charged(&running).await;
    let least = failed * TEN_TOKENS + 23_000_000;
    assert!(failed > 0 && (least..least + failed * INPUT).contains(&charged), "{failed} attempts: {charged}");
    assert_eq!(reserved(&running).await, 0);
}

/// Sentence 7.
#[tokio::test]
async fn no_price_under_a_money_limit_is_refused() {
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = a_thousand_dollars(&[("first", &upstream.url)]);
    policy.providers[0].models[0].price = None;
    let running = Running::new(policy).await;
    let got = running.post(PATH, &short("m")).await;
    assert_eq!((got.status, &got.json()["error"]["type"]), (403, &json!("model_unpriced")), "{}", got.text);
    assert_eq!((upstream.asked().len(), charged(&running).await), (0, 0));
}

/// Sentence 8. Of a stream whose text shows what was made, that is charged; where nothing shows it, the worst case stands.
#[tokio::test]
async fn with_usage_missing_or_a_stream_cut_the_worst_case_stands() {
    let half = vec![stream_head(), chunk(&format!("{}{}", role(), delta("so far so good"))), Act::Close];
    for (what, script, body, thinks) in [
        ("a whole answer that never came", vec![Act::Close], short("m"), false),
        (
            "a stream that was cut, of a model that thinks",
            half,
            {
                let mut body = streamed("m");
                body["max_tokens"] = json!(10);
                body
            },
            true,
        ),
    ] {
        let upstream = Fake::always(script).await;
        let mut policy = a_thousand_dollars(&[("first", &upstream.url)]);
        policy.providers[0].models[0].capabilities = thinks.then(|| vec!["Reasoning".to_owned()]);
        let running = Running::new(policy).await;
        running.post(PATH, &body).await;
        let attempts = upstream.asked().len() as u64;
        let charged = charged(&running).await;
        let worst = attempts * TEN_TOKENS..attempts * (TEN_TOKENS + INPUT);
        assert!(attempts > 0 && worst.contains(&charged), "{what}: {attempts} attempts, {charged}");
        assert_eq!(running.record().await["usage_estimated"], json!(true), "{what}");
        assert_eq!(reserved(&running).await, 0, "{what}");
    }
}

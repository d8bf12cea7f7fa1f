//! Requests that wait for the same limit: each gets its turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use tokio::task::JoinSet;

use crate::fake::{Fake, answer};
use crate::limits::{hourly, priced, short};
use crate::operator::soon;
use crate::policies::Running;

const CHAT: &str = "/v1/chat/completions";
const MAX: u64 = 1_000_000;

/// Each small request reserves a tenth of the limit and uses five tokens of it. There are more of them than fit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_request_is_served_beside_small_ones_that_never_pause() {
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = priced(&[("first", &upstream.url)]);
    policy.keys[0].limits.tokens = vec![hourly("hour", MAX)];
    policy.keys[0].cap_output = false;
    let running = Arc::new(Running::new(policy).await);
    let body = |tokens: u64| {
        let mut body = short("m");
        body["max_tokens"] = json!(tokens);
        body
    };
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut small = JoinSet::new();
    for _ in 0..14 {
        let (running, stop, served, body) = (Arc::clone(&running), stop.clone(), served.clone(), body(MAX / 10 - 100));
        small.spawn(async move {
            while !stop.load(Ordering::Acquire) {
                let got = running.post(CHAT, &body).await;
                // Who waits for two seconds gives up.
                assert!(got.status == 200 || got.text.contains("budget_contended"), "{}", got.text);
                served.fetch_add(usize::from(got.status == 200), Ordering::AcqRel);
            }
        });
    }
    soon("small requests", async {
        while served.load(Ordering::Acquire) < 20 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..3 {
        let before = served.load(Ordering::Acquire);
        let got = running.post(CHAT, &body(MAX / 10 * 8)).await;
        assert_eq!(got.status, 200, "{}", got.text);
        soon("small requests after it", async {
            while served.load(Ordering::Acquire) == before {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    stop.store(true, Ordering::Release);
    while let Some(done) = small.join_next().await {
        done.unwrap();
    }
    let limits = running.admin("/policy").await["limits"].clone();
    assert_eq!(limits[0]["reserved"], json!("0"), "{limits}");
}

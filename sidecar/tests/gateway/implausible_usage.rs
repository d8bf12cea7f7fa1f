//! Implausible usage figures: their cost, and reports of an unknown cost.

use outrigger_policy::{Price, UnknownCostPolicy};
use serde_json::{Value, json};

use crate::escrow::nanos;
use crate::fake::{Fake, answer, chunk, delta, end, json as replies, role, stop, stream_head};
use crate::limits::{dear, limit, priced, short, spent};
use crate::policies::{Running, streamed};

fn whole(usage: &str) -> String {
    format!(
        r#"{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"hello"}},"finish_reason":"stop"}}],"usage":{usage}}}"#
    )
}

/// An output token costs a cent, an input token a tenth of one.
#[tokio::test]
async fn implausible_figures_count_as_missing_and_are_neither_free_nor_a_fortune() {
    for (usage, input_told, output_told) in [
        (r#"{"prompt_tokens":9223372036854775808,"completion_tokens":2,"total_tokens":2}"#, None, Some(2)),
        (r#"{"prompt_tokens":3,"completion_tokens":18446744073709551615,"total_tokens":3}"#, Some(3), None),
        (r#"{"prompt_tokens":18446744073709551616,"completion_tokens":1e300,"total_tokens":3}"#, None, None),
        (r#"{"prompt_tokens":1000000,"completion_tokens":2,"total_tokens":1000002}"#, None, Some(2)),
        (r#"{"prompt_tokens":3,"completion_tokens":5000000,"total_tokens":5000003}"#, Some(3), None),
        // More than the caller's cap of ten, and not in the content.
        (r#"{"prompt_tokens":3,"completion_tokens":20000,"total_tokens":20003}"#, Some(3), None),
        (r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#, None, None),
        (r#"{"prompt_tokens":3,"completion_tokens":0,"total_tokens":3}"#, Some(3), None),
        (r#"{"prompt_tokens":-3,"completion_tokens":-2,"total_tokens":-5}"#, None, None),
        (r#"{"prompt_tokens":"3","completion_tokens":2.5,"total_tokens":5.5}"#, None, None),
        (
            r#"{"prompt_tokens":3,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":9}}"#,
            Some(3),
            None,
        ),
        (r#"{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":9}}"#, Some(3), Some(2)),
        (r#"{"prompt_tokens":3.0,"completion_tokens":2.0,"total_tokens":5.0}"#, Some(3), Some(2)),
    ] {
        for stream in [false, true] {
            let script = match stream {
                false => replies(200, &whole(usage)),
                true => vec![
                    stream_head(),
                    chunk(&format!("{}{}{}", role(), delta("hello"), stop())),
                    chunk(&format!(
                        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{usage}}}\n\ndata: [DONE]\n\n"
                    )),
                    end(),
                ],
            };
            let upstream = Fake::always(script).await;
            let mut policy = priced(&[("first", &upstream.url)]);
            policy.keys[0].limits.budgets = vec![limit("all", 20_000_000_000)];
            let running = Running::new(policy).await;
            let body = if stream { streamed("m") } else { short("m") };
            let got = running.post("/v1/chat/completions", &body).await;
            assert_eq!(got.status, 200, "{usage}: {}", got.text);
            let record = running.record().await;
            let charged = nanos(&spent(&running, "budgets[all]").await);
            let least = 1_000_000 * input_told.unwrap_or(1) + 10_000_000 * output_told.unwrap_or(1);
            assert!((least..2_000_000_000).contains(&charged), "{usage}, stream {stream}: {charged}, {record}");
            let untold = input_told.is_none() || output_told.is_none();
            assert_eq!(record["usage_estimated"], json!(untold), "{usage}: {record}");
            if !untold {
                assert_eq!(charged, least, "{usage}: {record}");
            }
            assert_eq!(nanos(&record["cost_usd"]), charged, "{record}");
            // The key is not blocked by it.
            assert_eq!(running.post("/v1/chat/completions", &body).await.status, 200, "{usage}");
        }
    }
}

/// Missing figures are estimated from the content, not from the JSON around it.
#[tokio::test]
async fn a_whole_answer_without_figures_costs_as_much_as_its_stream() {
    let mut costs = Vec::new();
    for stream in [false, true] {
        let script = match stream {
            false => replies(200, &whole("null")),
            true => {
                vec![stream_head(), chunk(&format!("{}{}{}data: [DONE]\n\n", role(), delta("hello"), stop())), end()]
            }
        };
        let upstream = Fake::always(script).await;
        let mut policy = priced(&[("first", &upstream.url)]);
        policy.keys[0].limits.budgets = vec![limit("all", 20_000_000_000)];
        let running = Running::new(policy).await;
        let body = if stream { streamed("m") } else { short("m") };
        assert_eq!(running.post("/v1/chat/completions", &body).await.status, 200);
        let record = running.record().await;
        assert_eq!(record["usage_estimated"], true, "{record}");
        costs.push(record["tokens"]["output"].clone());
    }
    assert_eq!(costs[0], costs[1], "five letters are the same number of tokens in both");
}

#[tokio::test]
async fn implausible_figures_are_not_recorded_without_limits() {
    let upstream =
        Fake::always(replies(200, &whole(r#"{"prompt_tokens":9223372036854775808,"completion_tokens":2}"#))).await;
    let running = Running::new(priced(&[("first", &upstream.url)])).await;
    let got = running.post("/v1/chat/completions", &short("m")).await;
    assert_eq!((got.status, got.headers.get("x-outrigger-cost-usd")), (200, None), "{}", got.text);
    assert_eq!(got.json()["extra_fields"]["cost_usd"], Value::Null);
    let record = running.record().await;
    assert_eq!((&record["cost_usd"], &record["tokens"]["input"]), (&Value::Null, &Value::Null), "{record}");
}

#[tokio::test]
async fn an_unknown_cost_is_null_and_no_cost_is_zero() {
    let refused = |status| replies(status, r#"{"error": {"message": "no", "type": "x"}}"#);
    let free = Price::default();
    for (what, script, price, expected) in [
        ("refused, with a price", refused(400), Some(dear()), json!("0.00")),
        ("refused, without a price", refused(400), None, Value::Null),
        ("failed, without a price", refused(500), None, Value::Null),
        ("answered, without a price", answer("hi"), None, Value::Null),
        ("answered, for nothing", answer("hi"), Some(free), json!("0.00")),
    ] {
        let upstream = Fake::always(script).await;
        let mut policy = priced(&[("first", &upstream.url)]);
        policy.providers[0].models[0].price = price;
        let running = Running::new(policy).await;
        let got = running.post("/v1/chat/completions", &short("m")).await;
        let record = running.record().await;
        assert_eq!(record["cost_usd"], expected, "{what}: {record}");
        assert_eq!(got.headers.get("x-outrigger-cost-usd").is_some(), !expected.is_null(), "{what}");
        let metrics = reqwest::get(format!("http://{}/metrics", running.admin)).await.unwrap().text().await.unwrap();
        if expected.is_null() {
            assert!(!metrics.contains("outrigger_cost_usd_total{"), "{what}: {metrics}");
        }
    }
}

#[tokio::test]
async fn a_sum_with_an_unknown_part_is_unknown() {
    let broken = Fake::always(replies(500, r#"{"error": {"message": "no", "type": "x"}}"#)).await;
    let good = Fake::always(answer("hi")).await;
    for (broken_price, good_price, known) in
        [(Some(dear()), Some(dear()), true), (None, Some(dear()), true), (Some(dear()), None, false)]
    {
        let mut policy = priced(&[("broken", &broken.url), ("good", &good.url)]);
        policy.keys[0].providers[1].weight = 0;
        policy.keys[0].unpriced = UnknownCostPolicy::Allow;
        policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
        policy.providers[0].models[0].price = broken_price;
        policy.providers[1].models[0].price = good_price;
        let running = Running::new(policy).await;
        assert_eq!(running.post("/v1/chat/completions", &short("m")).await.status, 200);
        let record = running.record().await;
        assert_eq!(record["cost_usd"].is_null(), !known, "{record}");
    }
}

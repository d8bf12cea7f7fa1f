//! The outcome of an attempt decides what is charged.

use outrigger_policy::OnHangUp;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::escrow::nanos;
use crate::fake::{Act, Fake, answer, chunk, delta, json as replies, role, stop, stream_head};
use crate::free_addresses::free;
use crate::limits::{hourly, limit, priced, short, spent};
use crate::policies::{Running, streamed};

#[tokio::test]
async fn the_outcome_of_an_attempt_decides_what_is_charged() {
    let in_error = |status: u16| replies(status, r#"{"error": {"message": "no", "type": "x"}}"#);
    let half = vec![stream_head(), chunk(&format!("{}{}", role(), delta("so far so good"))), Act::Close];
    let without_usage = replies(
        200,
        &json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]})
        .to_string(),
    );
    for (what, script, body, charged, estimated) in [
        ("refused by the upstream", in_error(400), short("m"), 0..1, false),
        ("rate limited", in_error(429), short("m"), 0..1, false),
        ("failed twice", in_error(500), short("m"), 1_000_000..100_000_000, true),
        // Two attempts, each charged in full: the upstream may have served both.
        ("closed without a word", vec![Act::Close], short("m"), 200_000_000..260_000_000, true),
        // The input, and a few tokens at a cent each.
        ("cut in mid-stream", half, streamed("m"), 20_000_000..150_000_000, true),
        ("usage untold", without_usage, short("m"), 20_000_000..u64::MAX, true),
        ("a good answer", answer("hi"), short("m"), 23_000_000..23_000_001, false),
    ] {
        let upstream = Fake::always(script).await;
        let mut policy = priced(&[("first", &upstream.url)]);
        policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
        let running = Running::new(policy).await;
        running.post("/v1/chat/completions", &body).await;
        let on_account = nanos(&spent(&running, "budgets[all]").await);
        assert!(charged.contains(&on_account), "{what}: {on_account}, not in {charged:?}");
        let record = running.record().await;
        assert_eq!(record["usage_estimated"], json!(estimated), "{what}: {record}");
        assert_eq!(running.admin("/policy").await["limits"][0]["reserved"], "0.00", "{what}");
    }
}

/// A client that closes its connection after it has received `hello`.
pub async fn hang_up(running: &Running, body: &Value) {
    let body = body.to_string();
    let mut stream = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(5).any(|five| five == b"hello") {
        tokio::io::AsyncReadExt::read_buf(&mut stream, &mut seen).await.unwrap();
    }
}

/// Waits for the next record.
async fn next_record(running: &Running, before: usize) -> Value {
    loop {
        let records = running.admin("/decisions").await;
        if records.as_array().unwrap().len() > before {
            return records[0].clone();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_caller_that_leaves_is_charged_for_the_answer_so_far() {
    let usage = r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":40,"total_tokens":43}}

data: [DONE]

"#;
    for (on_hang_up, completes, cost, estimated) in [
        // The end arrives while the gateway still reads on.
        (OnHangUp::Cancel, true, Some("0.403"), false),
        (OnHangUp::Drain, true, Some("0.403"), false),
        // The end never arrives: the upstream request is cancelled, and the received part is charged.
        (OnHangUp::Cancel, false, None, true),
    ] {
        let gate = std::sync::Arc::new(tokio::sync::Notify::new());
        let mut script = vec![stream_head(), chunk(&format!("{}{}", role(), delta("hello"))), Act::Wait(gate.clone())];
        script.push(chunk(&format!("{}{usage}", stop())));
        script.push(crate::fake::end());
        let upstream = Fake::always(script).await;
        let mut policy = priced(&[("first", &upstream.url)]);
        policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
        policy.keys[0].on_hang_up = on_hang_up;
        let running = Running::new(policy).await;
        hang_up(&running, &streamed("m")).await;
        if completes {
            gate.notify_one();
        }
        let record = next_record(&running, 0).await;
        assert_eq!((&record["status"], &record["error_type"]), (&json!(499), &json!("client_closed")), "{record}");
        assert_eq!(record["usage_estimated"], json!(estimated), "{record}");
        let on_account = spent(&running, "budgets[all]").await;
        match cost {
            Some(cost) => assert_eq!(on_account, cost, "{record}"),
            None => assert!((1_000_000..400_000_000).contains(&nanos(&on_account)), "{on_account}"),
        }
    }
}

#[tokio::test]
async fn an_answer_that_times_out_is_charged_in_full() {
    let silent = Fake::always(vec![Act::Silence]).await;
    let half = vec![stream_head(), chunk(&role()), Act::Silence];
    let half = Fake::always(half).await;
    for (what, url, stream, charged) in [
        // Ten tokens at a cent each, and some input.
        ("whole", &silent.url, false, 100_000_000..200_000_000),
        ("streamed, nothing in it", &half.url, true, 1_000_000..100_000_000),
    ] {
        let mut policy = priced(&[("first", url)]);
        policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
        let running = Running::new(policy).await;
        let mut body = short("m");
        body["stream"] = json!(stream);
        let client = reqwest::Client::new();
        let request = client.post(running.url("/v1/chat/completions")).header("x-stainless-timeout", "1").json(&body);
        let got = running.send(request).await;
        assert_eq!(got.status, 504, "{what}: {}", got.text);
        let on_account = nanos(&spent(&running, "budgets[all]").await);
        assert!(charged.contains(&on_account), "{what}: {on_account}");
    }
}

#[tokio::test]
async fn a_request_that_was_not_sent_costs_nothing() {
    // A port without a listener.
    let unused = free();
    let mut policy = priced(&[("first", &format!("http://{unused}/v1"))]);
    policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
    policy.keys[0].providers[0].limits.requests = vec![hourly("hour", 10)];
    let running = Running::new(policy).await;
    let got = running.post("/v1/chat/completions", &short("m")).await;
    assert_eq!(got.status, 502, "{}", got.text);
    assert_eq!((spent(&running, "budgets[all]").await, spent(&running, "requests").await), (json!("0.00"), json!("0")));
}

#[tokio::test]
async fn embeddings_have_no_output_tokens() {
    let body = json!({"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": vec![0.25; 900]}],
                      "usage": {"prompt_tokens": 8, "total_tokens": 8}});
    let upstream = Fake::always(replies(200, &body.to_string())).await;
    let mut policy = priced(&[("first", &upstream.url)]);
    policy.keys[0].limits.tokens = vec![hourly("hour", 1_000)];
    let running = Running::new(policy).await;
    let got = running.post("/v1/embeddings", &json!({"model": "m", "input": "hello"})).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(spent(&running, "tokens[hour]").await, "8");
    assert_eq!(running.record().await["usage_estimated"], json!(false));
}

#[tokio::test]
async fn a_request_counts_once_however_many_attempts_it_takes() {
    let broken = Fake::always(replies(500, r#"{"error": {"message": "no", "type": "x"}}"#)).await;
    let good = Fake::always(answer("hi")).await;
    let mut policy = priced(&[("broken", &broken.url), ("good", &good.url)]);
    policy.keys[0].providers[1].weight = 0;
    policy.keys[0].limits.requests = vec![hourly("hour", 100)];
    for entry in &mut policy.keys[0].providers {
        entry.limits.requests = vec![hourly("hour", 100)];
    }
    let running = Running::new(policy).await;
    let got = running.post("/v1/chat/completions", &short("m")).await;
    assert_eq!(got.json()["extra_fields"]["provider"], "good", "{}", got.text);
    for name in [": spec.limits.requests", "providers[broken]", "providers[good]"] {
        assert_eq!(spent(&running, name).await, "1", "{name}");
    }
}

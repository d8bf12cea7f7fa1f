//! Limits on a run: each session of a key has an account of its own, whatever else the key may use.

use std::sync::Arc;

use outrigger_policy::{Document, Price, RuleDoc, ScopeDoc, SessionDoc, SessionLimitDoc, TargetDoc};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::again::to_small;
use crate::escrow::{DOLLAR, nanos, with_a_dollar};
use crate::fake::{Act, Fake, answer, json as answers, streamed_answer};
use crate::limits::{daily, priced, short};
use crate::meter::Meter;
use crate::operator::soon;
use crate::policies::{Answer, Running};

const CHAT: &str = "/v1/chat/completions";
const HEADER: &str = "x-outrigger-session";
/// What an answer to [`short`] costs: three tokens in and two out.
const COST: u64 = 23_000_000;

fn one(name: &str, max: u64) -> Vec<SessionLimitDoc> {
    vec![SessionLimitDoc { name: name.to_owned(), max }]
}

fn session() -> SessionDoc {
    SessionDoc { header: HEADER.to_owned(), idle: 3_600_000, ..SessionDoc::default() }
}

fn limited(upstream: &Fake, session: SessionDoc) -> Document {
    let mut policy = priced(&[("first", &upstream.url)]);
    policy.keys[0].session = Some(session);
    policy
}

async fn ask(running: &Running, run: &str, body: &Value) -> Answer {
    let request = reqwest::Client::new().post(running.url(CHAT)).json(body);
    running.send(if run.is_empty() { request } else { request.header(HEADER, run) }).await
}

fn kind(got: &Answer) -> (u16, String) {
    (got.status, got.json()["error"]["type"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_run_ends_where_its_money_does_and_no_other_run_with_it() {
    let upstream = Fake::always(answer("hi")).await;
    let running = Running::new(limited(&upstream, SessionDoc { budgets: one("run", 200_000_000), ..session() })).await;
    let mut served = 0;
    let refused = loop {
        let got = ask(&running, "one", &short("m")).await;
        if got.status != 200 {
            break got;
        }
        served += 1;
    };
    assert_eq!(served, 4, "what fits with its worst case");
    assert_eq!(kind(&refused), (402, "session_budget_exceeded".to_owned()), "{}", refused.text);
    assert!(refused.text.contains("VirtualKey default/app: spec.limits.session.budgets[run]"), "{}", refused.text);
    assert!(refused.text.contains("$0.20 a session"), "{}", refused.text);
    assert_eq!((refused.header("x-should-retry"), refused.header("retry-after")), (Some("false"), None));
    let record = running.record().await;
    let of_one = record["session"].as_str().unwrap().to_owned();
    assert_eq!((of_one.len(), &record["error_type"]), (16, &json!("session_budget_exceeded")));
    // Others go on, and so does who names none.
    for run in ["two", ""] {
        assert_eq!(ask(&running, run, &short("m")).await.status, 200, "{run}");
    }
    let records = running.admin("/decisions?limit=2").await;
    let (nameless, two) = (&records[0], &records[1]);
    assert_eq!((&nameless["session"], &nameless["budgets"]), (&Value::Null, &json!([])));
    assert_eq!(two["budgets"][0]["name"], "VirtualKey default/app: spec.limits.session.budgets[run]");
    assert_eq!((&two["budgets"][0]["spent"], &two["budgets"][0]["limit"]), (&json!("0.023"), &json!("0.20")));
    assert_ne!(two["session"], json!(of_one));
    let told = running.admin("/policy").await;
    assert_eq!(told["limits"], json!([]), "no period, and no gateway's own account");
    let limits =
        json!([{"name": "VirtualKey default/app: spec.limits.session.budgets[run]", "unit": "usd", "limit": "0.20"}]);
    assert_eq!(told["sessions"], json!({"live": 2, "forgotten": 0, "limits": limits}));
    let metrics = reqwest::get(format!("http://{}/metrics", running.admin)).await.unwrap().text().await.unwrap();
    for line in [
        r#"outrigger_refusals_total{type="session_budget_exceeded"} 1"#,
        "outrigger_sessions 2",
        "outrigger_sessions_forgotten_total 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(!metrics.contains("session.budgets") && !metrics.contains(&of_one), "no session is a label");
}

#[tokio::test]
async fn tokens_and_requests_of_a_run_end_it_too_in_every_dialect() {
    let tokens = SessionDoc { tokens: one("few", 5), ..session() };
    let requests = SessionDoc { requests: one("few", 1), ..session() };
    let anthropic = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "x"}]});
    let gemini = json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"maxOutputTokens": 10}});
    for (what, limits, served) in [("tokens", tokens, 0), ("requests", requests, 1)] {
        let upstream = Fake::always(answer("hi")).await;
        let running = Running::new(limited(&upstream, limits)).await;
        for _ in 0..served {
            assert_eq!(ask(&running, "run", &short("m")).await.status, 200);
        }
        for (path, body, pointer, word) in [
            (CHAT, short("m"), "/error/type", "session_limited"),
            ("/v1/messages", anthropic.clone(), "/error/reason", "session_limited"),
            ("/v1beta/models/m:generateContent", gemini.clone(), "/error/details/0/reason", "SESSION_LIMITED"),
        ] {
            let request = reqwest::Client::new().post(running.url(path)).header(HEADER, "run").json(&body);
            let got = running.send(request).await;
            let told = got.json();
            assert_eq!((got.status, told.pointer(pointer).and_then(Value::as_str)), (429, Some(word)), "{}", got.text);
            assert!(got.text.contains(&format!("spec.limits.session.{what}[few]")), "{}", got.text);
            assert_eq!((got.header("x-should-retry"), got.header("retry-after")), (Some("false"), None), "{path}");
        }
        assert_eq!(upstream.asked().len(), served, "{what}");
    }
}

#[tokio::test]
async fn a_request_counts_once_whatever_attempts_it_takes_and_a_refused_one_not_at_all() {
    let failing = Fake::always(answers(500, r#"{"error": {"message": "no"}}"#)).await;
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = priced(&[("first", &failing.url), ("second", &upstream.url)]);
    policy.keys[0].session = Some(SessionDoc { requests: one("two", 2), ..session() });
    let running = Running::new(policy).await;
    let unknown = short("nobody/x");
    assert_eq!(ask(&running, "run", &unknown).await.status, 404);
    for _ in 0..2 {
        assert_eq!(ask(&running, "run", &short("m")).await.status, 200);
    }
    assert_eq!(ask(&running, "run", &short("m")).await.status, 429);
}

#[tokio::test]
async fn a_request_that_the_provider_refuses_counts() {
    let upstream = Fake::always(answers(400, r#"{"error": {"message": "no"}}"#)).await;
    let running = Running::new(limited(&upstream, SessionDoc { requests: one("one", 1), ..session() })).await;
    assert_eq!(ask(&running, "run", &short("m")).await.status, 400);
    assert_eq!(ask(&running, "run", &short("m")).await.status, 429);
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn many_requests_of_one_run_never_pass_its_money() {
    let meter = Meter::new(7, false).await;
    let mut policy = with_a_dollar(&meter.url);
    policy.keys[0].limits.budgets.clear();
    policy.keys[0].session = Some(SessionDoc { budgets: one("run", DOLLAR / 10), ..session() });
    let running = Arc::new(Running::new(policy).await);
    let mut asking = JoinSet::new();
    for client in 0..64 {
        let running = Arc::clone(&running);
        asking.spawn(async move {
            let mut dice = fastrand::Rng::with_seed(client);
            let run = if client % 2 == 0 { "one" } else { "two" };
            for _ in 0..100 {
                let body = json!({
                    "model": "m",
                    "max_tokens": dice.u64(50..800),
                    "stream": dice.bool(),
                    "messages": [{"role": "user", "content": "word ".repeat(dice.usize(1..40))}],
                });
                match ask(&running, run, &body).await {
                    got if got.status == 402 => return,
                    got => assert!(got.status == 200 || got.status == 429, "{}: {}", got.status, got.text),
                }
            }
        });
    }
    while let Some(done) = asking.join_next().await {
        done.unwrap();
    }
    let billed = meter.billed();
    assert!(billed <= 2 * (DOLLAR / 10), "{billed} of two runs");
    assert!(billed >= DOLLAR / 10, "{billed}: and most of it could be used");
}

#[tokio::test]
async fn what_a_run_has_under_way_is_waited_for() {
    let go = Arc::new(Notify::new());
    let slow = [vec![Act::Wait(Arc::clone(&go))], answer("hi")].concat();
    let upstream = Fake::new(vec![slow, answer("hi")]).await;
    let running =
        Arc::new(Running::new(limited(&upstream, SessionDoc { budgets: one("run", 180_000_000), ..session() })).await);
    let mine = Arc::clone(&running);
    let first = tokio::spawn(async move { ask(&mine, "run", &short("m")).await });
    soon("the first request", async {
        while upstream.asked().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let body = short("m");
    let second = ask(&running, "run", &body);
    let (second, ()) = tokio::join!(second, async {
        // It waits: nothing else was asked.
        tokio::task::yield_now().await;
        go.notify_one();
    });
    assert_eq!((first.await.unwrap().status, second.status), (200, 200), "{}", second.text);
    let record = running.record().await;
    assert_eq!(nanos(&record["budgets"][0]["spent"]), 2 * COST);
}

#[tokio::test]
async fn a_run_counts_beside_the_key_s_own_limits_and_gives_back_what_they_refuse() {
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = limited(&upstream, SessionDoc { budgets: one("run", DOLLAR), ..session() });
    policy.keys[0].limits.budgets = vec![daily("day", 150_000_000)];
    let running = Running::new(policy).await;
    let mut served = 0;
    let refused = loop {
        let got = ask(&running, &format!("run-{}", served % 2), &short("m")).await;
        if got.status != 200 {
            break got;
        }
        served += 1;
    };
    assert_eq!(kind(&refused), (402, "budget_exceeded".to_owned()));
    assert!(served == 2 && refused.text.contains("budgets[day]"), "{}", refused.text);
    let mut raised = limited(&upstream, SessionDoc { budgets: one("run", COST * 3), ..session() });
    raised.sequence = 2;
    let secrets = crate::policies::secrets(&raised);
    running.gateway.install(raised, &secrets).unwrap();
    // What the day refused is not charged to the run, which keeps what it has spent under a new amount.
    let refused = ask(&running, "run-0", &short("m")).await;
    let spent = outrigger_core::Money::from_nanos(COST).to_string();
    assert!(refused.text.contains(&format!("{spent} of")), "{}", refused.text);
}

#[tokio::test]
async fn the_header_is_the_key_s_choice_is_bounded_and_goes_to_no_provider() {
    let upstream = Fake::always(answer("hi")).await;
    let header = "x-thread-id".to_owned();
    let limits = SessionDoc { header, required: true, requests: one("one", 1), ..session() };
    let running = Running::new(limited(&upstream, limits)).await;
    let send = |values: Vec<(&'static str, String)>| {
        let request = reqwest::Client::new().post(running.url(CHAT)).json(&short("m"));
        let request = values.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        running.send(request)
    };
    for values in [vec![], vec![(HEADER, "run".to_owned())], vec![("x-thread-id", "  ".to_owned())]] {
        let got = send(values.clone()).await;
        assert_eq!(kind(&got), (400, "invalid_request".to_owned()), "{values:?}");
        assert_eq!(got.json()["error"]["param"], "x-thread-id");
        assert!(got.text.contains("spec.limits.session.required"), "{}", got.text);
    }
    let got = send(vec![("x-thread-id", "r".repeat(257))]).await;
    assert!(got.status == 400 && got.text.contains("257 bytes"), "{}", got.text);
    assert_eq!(send(vec![("x-thread-id", "r".repeat(256)), ("x-other", "1".to_owned())]).await.status, 200);
    assert_eq!(send(vec![("x-thread-id", "r".repeat(256))]).await.status, 429);
    let asked = upstream.asked();
    assert_eq!(
        (asked.len(), asked[0].header("x-thread-id"), asked[0].header("x-other")),
        (1, None, Some("1".to_owned()))
    );
}

#[tokio::test]
async fn two_different_ids_are_refused() {
    let upstream = Fake::always(answer("hi")).await;
    let running = Running::new(limited(&upstream, SessionDoc { requests: one("few", 1), ..session() })).await;
    let send = |second: &'static str| {
        let request = reqwest::Client::new().post(running.url(CHAT)).json(&short("m"));
        running.send(request.header(HEADER, "run").header(HEADER, second))
    };
    let got = send("other").await;
    assert_eq!(kind(&got), (400, "invalid_request".to_owned()), "{}", got.text);
    assert!(got.text.contains("more than one session") && got.json()["error"]["param"] == HEADER, "{}", got.text);
    assert_eq!(send("run").await.status, 200, "the same one twice is one");
    assert_eq!(send("run").await.status, 429);
}

#[tokio::test]
async fn counting_tokens_is_no_step_of_a_run() {
    let upstream = Fake::always(answers(200, r#"{"input_tokens": 3, "totalTokens": 3}"#)).await;
    for (kind, path, body) in [
        (
            "Anthropic",
            "/v1/messages/count_tokens",
            json!({"model": "m", "messages": [{"role": "user", "content": "x"}]}),
        ),
        ("Gemini", "/v1beta/models/m:countTokens", json!({"contents": [{"parts": [{"text": "x"}]}]})),
    ] {
        let limits = SessionDoc { required: true, requests: one("one", 1), ..session() };
        let mut policy = limited(&upstream, limits);
        policy.providers[0].kind = kind.to_owned();
        let running = Running::new(policy).await;
        for run in ["", "run", "run"] {
            let request = reqwest::Client::new().post(running.url(path)).json(&body);
            let got = running.send(if run.is_empty() { request } else { request.header(HEADER, run) }).await;
            assert_eq!(got.status, 200, "{kind}: {}", got.text);
        }
        assert_eq!(running.admin("/policy").await["sessions"]["live"], json!(0), "{kind}");
        assert!(upstream.asked().iter().all(|asked| asked.header(HEADER).is_none()), "{kind}");
    }
}

/// Prompt caches are kept by one provider.
#[tokio::test]
async fn requests_of_a_run_stay_with_one_provider_by_the_key_s_own_header() {
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = priced(&[("first", &upstream.url), ("second", &upstream.url)]);
    policy.keys[0].providers[1].weight = 1;
    policy.keys[0].session =
        Some(SessionDoc { header: "x-thread-id".to_owned(), requests: one("many", 100), ..session() });
    let running = Running::new(policy).await;
    let mut providers = std::collections::HashSet::new();
    for run in 0..16 {
        let mut of_run = std::collections::HashSet::new();
        for _ in 0..3 {
            let request = reqwest::Client::new().post(running.url(CHAT)).json(&short("m"));
            let got = running.send(request.header("x-thread-id", format!("run-{run}"))).await;
            assert_eq!(got.status, 200, "{}", got.text);
            of_run.insert(got.header("x-outrigger-provider").unwrap_or_default().to_owned());
        }
        assert_eq!(of_run.len(), 1, "run {run}");
        providers.extend(of_run);
    }
    assert_eq!(providers.len(), 2, "runs are spread");
}

/// A place in the table costs a whole, valid request.
#[tokio::test]
async fn a_body_that_never_comes_or_is_invalid_begins_no_run() {
    let upstream = Fake::always(answer("hi")).await;
    let limits = SessionDoc { budgets: one("run", DOLLAR), repeats: Some(3), ..session() };
    let running = Running::new(limited(&upstream, limits)).await;
    let live = async || running.admin("/policy").await["sessions"]["live"].clone();
    let mut open = Vec::new();
    for run in 0..8 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: {}\r\n{HEADER}: run-{run}\r\nexpect: 100-continue\r\n\
             content-type: application/json\r\ncontent-length: 500\r\n\r\n",
            running.address
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The gateway waits for the body.
        let mut told = [0; 12];
        stream.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 100");
        open.push(stream);
    }
    assert_eq!(live().await, json!(0));
    assert_eq!(ask(&running, "invalid", &json!({"messages": "none"})).await.status, 400);
    assert_eq!(ask(&running, "repeats", &circling(4)).await.status, 429);
    assert_eq!(live().await, json!(0));
    assert_eq!(ask(&running, "run", &short("m")).await.status, 200);
    assert_eq!(live().await, json!(1));
}

#[tokio::test]
async fn an_unpriced_model_is_not_free_in_a_run() {
    let upstream = Fake::always(answer("hi")).await;
    let mut policy = limited(&upstream, SessionDoc { budgets: one("run", DOLLAR), ..session() });
    policy.providers[0].models[0].price = None;
    let running = Running::new(policy).await;
    let got = ask(&running, "run", &short("m")).await;
    assert_eq!(kind(&got), (403, "model_unpriced".to_owned()), "{}", got.text);
    assert_eq!(ask(&running, "", &short("m")).await.status, 200, "nothing counts it");
}

#[tokio::test]
async fn a_rule_may_go_by_what_the_run_has_used() {
    let upstream = Fake::always(answer("hi")).await;
    let cheap = Price { input: 1_000_000_000, output: 10_000_000_000, ..Price::default() };
    let mut policy = limited(&upstream, SessionDoc { budgets: one("run", 400_000_000), ..session() });
    let small = outrigger_policy::ModelDoc { name: "small".to_owned(), price: Some(cheap), ..Default::default() };
    policy.providers[0].models.push(small);
    policy.keys[0].providers[0].models.push("small".to_owned());
    let reject = RuleDoc {
        namespace: "default".to_owned(),
        name: "never".to_owned(),
        scope: ScopeDoc::Namespace,
        when: Some("budget_used > 0.0".to_owned()),
        targets: vec![TargetDoc { provider: "first".to_owned(), model: None, weight: 1, credential: None }],
        reject: Some("a run is no budget of the key".to_owned()),
        ..RuleDoc::default()
    };
    policy.rules = vec![reject, to_small("session_used > 5")];
    let running = Running::new(policy).await;
    let model = |got: Answer| got.header("x-outrigger-model").map(str::to_owned);
    assert_eq!(model(ask(&running, "run", &short("m")).await).as_deref(), Some("m"));
    assert_eq!(model(ask(&running, "run", &short("m")).await).as_deref(), Some("small"));
    assert_eq!(model(ask(&running, "other", &short("m")).await).as_deref(), Some("m"));
}

/// A conversation that has called a tool so often in the same way.
fn circling(times: usize) -> Value {
    let mut body = short("m");
    let messages = body["messages"].as_array_mut().unwrap();
    for turn in 0..times {
        let arguments = if turn % 2 == 0 { r#"{"q":"x","n":1}"# } else { r#"{ "n": 1.0, "q": "x" }"# };
        let call = json!({"id": format!("c{turn}"), "type": "function", "function": {"name": "search", "arguments": arguments}});
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
        messages.push(json!({"role": "tool", "tool_call_id": format!("c{turn}"), "content": "nothing"}));
    }
    body
}

#[tokio::test]
async fn an_agent_that_goes_round_in_circles_is_stopped() {
    let upstream = Fake::always(streamed_answer("hi")).await;
    let running = Running::new(limited(&upstream, SessionDoc { repeats: Some(3), ..session() })).await;
    for stream in [false, true] {
        let body = |times| {
            let mut body = circling(times);
            body["stream"] = json!(stream);
            body
        };
        // With or without a session: each request carries its own history.
        for run in ["run", ""] {
            upstream.play(if stream { streamed_answer("hi") } else { answer("hi") });
            assert_eq!(ask(&running, run, &body(3)).await.status, 200);
            let got = ask(&running, run, &body(4)).await;
            assert_eq!(kind(&got), (429, "repeated_tool_call".to_owned()), "{}", got.text);
            assert_eq!(got.header("x-should-retry"), Some("false"));
            assert!(got.text.contains("`search`") && got.text.contains("3 times"), "{}", got.text);
        }
    }
    assert_eq!(upstream.asked().len(), 4);
    let record = running.record().await;
    assert_eq!((&record["error_type"], &record["status"]), (&json!("repeated_tool_call"), &json!(429)));
    // A body above 256 KiB is looked at on another thread.
    let mut long = circling(4);
    long["messages"][0]["content"] = json!("word ".repeat(60_000));
    assert_eq!(ask(&running, "run", &long).await.status, 429);
    // Other paths have no conversation.
    let vectors = json!({"model": "m", "input": "x"});
    let got = running.post("/v1/embeddings", &vectors).await;
    assert_ne!(got.status, 429, "{}", got.text);
}

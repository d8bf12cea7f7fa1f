//! Providers that are called with the caller's own credential: it goes to them, to nobody else, and costs no money here.

use outrigger_policy::{ModelDoc, ProviderDoc};
use serde_json::{Value, json};

use crate::fake::{Fake, UpstreamRequest, answer, json_with};
use crate::limits::{daily, dear, hourly, short, spent};
use crate::policies::{Answer, Running, chat, document, provider, typed};

/// The login of Claude Code, and one of Codex.
const CLAUDE: &str = "sk-ant-oat01-9876543210abcdef";
const CHATGPT: &str = "eyJhbGciOiJub25lIn0.9876543210abcdef";

fn login(name: &str, kind: &str, url: &str) -> ProviderDoc {
    ProviderDoc { credentials: Vec::new(), caller_credential: true, ..typed(name, kind, url) }
}

fn messages(model: &str) -> Value {
    json!({"model": model, "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]})
}

fn message() -> String {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "hi"}], "usage": {"input_tokens": 3, "output_tokens": 2},
    })
    .to_string()
}

async fn send(running: &Running, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let request = reqwest::Client::new().post(running.url(path)).json(body);
    running.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

fn holds_no_login(what: &str, asked: &[UpstreamRequest]) {
    for UpstreamRequest { head, body, .. } in asked {
        assert!(!head.contains("9876543210") && !body.contains("9876543210"), "{what}: {head}\n{body}");
    }
}

#[tokio::test]
async fn the_login_of_claude_code_goes_to_its_provider() {
    let upstream = Fake::always(json_with(200, "", &message())).await;
    let running = Running::new(document(1, vec![login("claude", "Anthropic", &upstream.url)])).await;
    let bearer = format!("Bearer {CLAUDE}");
    let headers = [("authorization", &*bearer), ("anthropic-beta", "oauth-2025-04-20"), ("x-outrigger-key", "app")];
    let got = send(&running, "/v1/messages?beta=true", &headers, &messages("claude/m")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let asked = upstream.take_requests();
    assert_eq!(asked[0].header("authorization").as_deref(), Some(&*bearer));
    assert_eq!(asked[0].header("anthropic-beta").as_deref(), Some("oauth-2025-04-20"));
    assert_eq!((asked[0].header("x-api-key"), asked[0].header("x-outrigger-key")), (None, None));
    let record = running.record().await;
    assert_eq!(record["attempts"][0]["credential"], "caller", "{record}");
    assert_eq!((&record["cost_usd"], &record["tokens"]["output"]), (&Value::Null, &json!(2)), "{record}");
    assert!(!record.to_string().contains("9876543210"), "{record}");
    // An API key of the caller's is one too.
    let got = send(&running, "/v1/messages", &[("x-api-key", CLAUDE)], &messages("claude/m")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(upstream.take_requests()[0].header("x-api-key").as_deref(), Some(CLAUDE));
}

#[tokio::test]
async fn the_login_of_codex_goes_with_its_account() {
    let response = json!({
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [{
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "hi", "annotations": []}],
        }],
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
    });
    let upstream = Fake::always(json_with(200, "", &response.to_string())).await;
    let running = Running::new(document(1, vec![login("chatgpt", "OpenAI", &upstream.url)])).await;
    let bearer = format!("Bearer {CHATGPT}");
    let headers = [("authorization", &*bearer), ("chatgpt-account-id", "acct"), ("openai-organization", "org")];
    let got = send(&running, "/v1/responses", &headers, &json!({"model": "chatgpt/m", "input": "Hello"})).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let asked = upstream.take_requests();
    for (name, value) in headers {
        assert_eq!(asked[0].header(name).as_deref(), Some(value), "{name}");
    }
}

/// A 529 of the first one, and the second one has a credential of the gateway's.
#[tokio::test]
async fn no_other_provider_gets_it() {
    for (kind, path, body, dialect_answer) in [
        ("Anthropic", "/v1/messages", messages("m"), json_with(200, "", &message())),
        ("OpenAICompatible", "/v1/messages", messages("m"), answer("hi")),
    ] {
        let first = Fake::always(json_with(529, "", r#"{"type":"error","error":{"type":"overloaded_error"}}"#)).await;
        let second = Fake::always(dialect_answer).await;
        let mut providers = vec![login("claude", "Anthropic", &first.url), typed("own", kind, &second.url)];
        for provider in &mut providers {
            provider.models = vec![ModelDoc { name: "m".to_owned(), ..ModelDoc::default() }];
        }
        let running = Running::new(document(1, providers)).await;
        let bearer = format!("Bearer {CLAUDE}");
        let got = send(&running, path, &[("authorization", &bearer)], &body).await;
        assert_eq!((got.status, got.header("x-outrigger-provider")), (200, Some("own")), "{}", got.text);
        assert_eq!(first.take_requests()[0].header("authorization").as_deref(), Some(&*bearer));
        let asked = second.take_requests();
        assert_eq!(asked.len(), 1);
        holds_no_login(kind, &asked);
    }
}

#[tokio::test]
async fn callers_without_one_for_the_provider_are_refused() {
    let (claude, openai) = (Fake::always(answer("hi")).await, Fake::always(answer("hi")).await);
    let providers = vec![login("claude", "Anthropic", &claude.url), login("openai", "OpenAI", &openai.url)];
    let running = Running::new(document(1, providers)).await;
    let (bearer, named) = (format!("Bearer {CLAUDE}"), "Bearer app");
    let vertex = "/v1/projects/p/locations/l/publishers/anthropic/models/claude%2Fm:rawPredict";
    for (what, path, authorization, body) in [
        ("no credential", "/v1/messages", None, messages("claude/m")),
        ("the name of a key", "/v1/messages", Some(named), messages("claude/m")),
        ("no token", "/v1/messages", Some("Basic YTpi9876543210"), messages("claude/m")),
        ("another API", "/v1/chat/completions", Some(&*bearer), chat("claude/m")),
        ("another API", "/v1/messages", Some(&*bearer), messages("openai/m")),
        ("a login at Google", vertex, Some(&*bearer), messages("claude/m")),
        (
            "a login at Microsoft",
            "/openai/deployments/openai%2Fm/chat/completions?api-version=1",
            Some(&*bearer),
            chat("m"),
        ),
    ] {
        let headers: Vec<(&str, &str)> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        let got = send(&running, path, &headers, &body).await;
        assert_eq!(got.status, 401, "{what}: {}", got.text);
        assert!(got.text.contains("caller_credential_required"), "{what}: {}", got.text);
        assert!(!got.text.contains("9876543210"), "{what}: {}", got.text);
    }
    assert_eq!((claude.asked().len(), openai.asked().len()), (0, 0));
    // It was nobody's fault: the next caller is served.
    claude.play(json_with(200, "", &message()));
    let got = send(&running, "/v1/messages", &[("authorization", &bearer)], &messages("claude/m")).await;
    assert_eq!(got.status, 200, "{}", got.text);
}

/// The client renews its login when it sees the 401. Another caller's login may be good.
#[tokio::test]
async fn a_refused_login_is_its_callers_to_renew() {
    for status in [401, 403, 429] {
        let refusal =
            format!(r#"{{"type":"error","error":{{"type":"authentication_error","message":"not {CLAUDE}"}}}}"#);
        let upstream = Fake::always(json_with(status, "retry-after: 300\r\n", &refusal)).await;
        let running = Running::new(document(1, vec![login("claude", "Anthropic", &upstream.url)])).await;
        let bearer = format!("Bearer {CLAUDE}");
        let got = send(&running, "/v1/messages", &[("authorization", &bearer)], &messages("claude/m")).await;
        assert_eq!(got.status, status, "{}", got.text);
        assert!(!running.record().await.to_string().contains("9876543210"));
        upstream.play(json_with(200, "", &message()));
        let another = [("authorization", "Bearer sk-ant-oat01-another")];
        let got = send(&running, "/v1/messages", &another, &messages("claude/m")).await;
        assert_eq!(got.status, 200, "{status}: nothing rests: {}", got.text);
    }
}

/// The key's budget in money is spent at the other provider: requests and tokens still count here, money does not.
#[tokio::test]
async fn limits_of_requests_and_tokens_count_and_money_does_not() {
    let (claude, paid) = (Fake::always(json_with(200, "", &message())).await, Fake::always(answer("hi")).await);
    let model = ModelDoc { name: "m".to_owned(), price: Some(dear()), ..ModelDoc::default() };
    let paid = ProviderDoc { models: vec![model], ..provider("paid", &paid.url) };
    let mut policy = document(1, vec![login("claude", "Anthropic", &claude.url), paid]);
    policy.keys[0].limits.budgets = vec![daily("day", 200_000_000)];
    policy.keys[0].limits.tokens = vec![hourly("tokens", 100_000)];
    policy.keys[0].providers[0].limits.requests = vec![hourly("requests", 4)];
    let running = Running::new(policy).await;
    let bearer = format!("Bearer {CLAUDE}");
    let ask = async || send(&running, "/v1/messages", &[("authorization", &bearer)], &messages("claude/m")).await;
    assert_eq!(ask().await.status, 200);
    let money = spent(&running, "budgets[day]").await;
    assert_eq!(spent(&running, "tokens[tokens]").await, json!("5"));
    while running.post("/v1/chat/completions", &short("paid/m")).await.status == 200 {}
    assert_ne!(spent(&running, "budgets[day]").await, money, "the other provider counts");
    assert_eq!(ask().await.status, 200, "a spent budget is not in the way");
    let mut last = ask().await;
    while last.status == 200 {
        last = ask().await;
    }
    assert_eq!(last.json()["error"]["type"], "rate_limit_error", "{}", last.text);
    assert!(last.text.contains("requests[requests]"), "{}", last.text);
}

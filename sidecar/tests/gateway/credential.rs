//! The gateway's own credential is never sent to a caller, whatever an upstream quotes.

use outrigger_policy::ProviderDoc;
use serde_json::{Value, json};

use crate::fake::{Act, Fake, answer, chunk, completion, delta, end, json_with, role, stop, stream_head};
use crate::policies::{Answer, Running, chat, credential, document, provider, streamed, typed};

/// The value of every credential in these tests.
const KEY: &str = "sk-live-0123456789";

async fn gateway(providers: Vec<ProviderDoc>) -> Running {
    Running::with_values(document(1, providers), |_| KEY.to_owned()).await
}

fn quoting(status: u16) -> Vec<Act> {
    let headers = format!(
        "www-authenticate: Bearer token=\"{KEY}\"\r\nx-echo: {KEY}\r\nlocation: https://x/?k={KEY}\r\nretry-after: 1\r\n"
    );
    let body = json!({"error": {
        "message": format!("bad request: {{\"authorization\": \"Bearer {KEY}\"}}"),
        "type": "invalid_request_error", "param": KEY, "code": format!("for {KEY}"),
    }});
    json_with(status, &headers, &body.to_string())
}

fn holds_none_of_it(got: &Answer) {
    assert!(!got.text.contains("0123456789"), "{}", got.text);
    for (name, value) in &got.headers {
        assert!(!value.to_str().unwrap_or_default().contains("0123456789"), "{name}: {value:?}");
    }
}

#[tokio::test]
async fn an_error_that_quotes_the_credential_is_not_passed_on() {
    for status in [300, 302, 400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 529] {
        for kind in ["OpenAICompatible", "Anthropic"] {
            let first = Fake::always(quoting(status)).await;
            let running = gateway(vec![typed("first", kind, &first.url)]).await;
            for body in [chat("first/m"), streamed("first/m")] {
                let got = running.post("/v1/chat/completions", &body).await;
                holds_none_of_it(&got);
                assert_eq!(
                    (got.status, got.json()["error"]["type"].as_str()),
                    (502, Some("upstream_credentials_exhausted")),
                    "{status} {kind}: {}",
                    got.text
                );
                let message = got.json()["error"]["message"].as_str().unwrap().to_owned();
                let named =
                    "credential main of LLMProvider default/first, from key apiKey of Secret default/first-main: ";
                assert!(message.contains(named), "{message}");
                let record = running.record().await;
                assert_eq!(record["attempts"][0]["error"], "credential", "{status} {kind}");
                assert!(!record.to_string().contains("0123456789"), "{record}");
            }
        }
    }
}

#[tokio::test]
async fn the_next_provider_is_tried_and_a_bad_request_pauses_no_credential() {
    let first = Fake::always(quoting(400)).await;
    let second = Fake::always(answer("second")).await;
    let running = gateway(vec![provider("first", &first.url), provider("second", &second.url)]).await;
    for _ in 0..2 {
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!((got.status, got.header("x-outrigger-provider")), (200, Some("second")), "{}", got.text);
    }
    // Two requests: the credential was not paused in between.
    assert_eq!((first.asked().len(), second.asked().len()), (2, 2));
    let first = Fake::always(quoting(401)).await;
    let running = gateway(vec![provider("first", &first.url), provider("second", &second.url)]).await;
    for _ in 0..2 {
        assert_eq!(running.post("/v1/chat/completions", &chat("m")).await.status, 200);
    }
    assert_eq!(first.asked().len(), 1, "a 401 is about the credential, which is paused");
}

#[tokio::test]
async fn answers_and_streams_are_masked_and_served() {
    let mut all: Vec<(&str, Value, Vec<Act>)> = vec![
        ("whole", chat("m"), answer(&format!("the key is {KEY}."))),
        ("header", chat("m"), json_with(200, &format!("x-echo: a {KEY} b\r\n"), &completion("the key is ***."))),
    ];
    let event = delta(&format!("the key is {KEY}."));
    let rest = format!("{}data: [DONE]\n\n", stop());
    for at in [1, event.len() / 2, event.find(KEY).unwrap() + 4, event.find(KEY).unwrap() + KEY.len() - 1] {
        let (one, two) = event.split_at(at);
        all.push((
            "stream",
            streamed("m"),
            vec![stream_head(), chunk(&role()), chunk(one), chunk(two), chunk(&rest), end()],
        ));
    }
    for (name, body, script) in all {
        let first = Fake::always(script).await;
        let running = gateway(vec![provider("first", &first.url)]).await;
        let got = running.post("/v1/chat/completions", &body).await;
        assert_eq!(got.status, 200, "{name}: {}", got.text);
        holds_none_of_it(&got);
        assert!(got.text.contains("the key is ***."), "{name}: {}", got.text);
    }
}

#[tokio::test]
async fn error_events_are_masked_before_and_after_content() {
    let error =
        format!("data: {{\"error\":{{\"message\":\"no: {KEY}\",\"type\":\"server_error\",\"param\":\"{KEY}\"}}}}\n\n");
    let first = Fake::always(vec![stream_head(), chunk(&role()), chunk(&error), end()]).await;
    let running = gateway(vec![provider("first", &first.url)]).await;
    let got = running.post("/v1/chat/completions", &streamed("m")).await;
    holds_none_of_it(&got);
    assert_eq!(got.json()["error"]["type"], "upstream_credentials_exhausted", "{}", got.text);
    let first = Fake::always(vec![stream_head(), chunk(&role()), chunk(&delta("hi")), chunk(&error), end()]).await;
    let running = gateway(vec![provider("first", &first.url)]).await;
    let got = running.post("/v1/chat/completions", &streamed("m")).await;
    holds_none_of_it(&got);
    assert!(got.text.contains("no: ***"), "{}", got.text);
    // An error in a whole answer, under status 200.
    let body = json!({"error": {"message": format!("no {KEY}"), "code": 400}}).to_string();
    let first = Fake::always(json_with(200, "", &body)).await;
    let running = gateway(vec![provider("first", &first.url)]).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    holds_none_of_it(&got);
    assert_eq!((got.status, got.json()["error"]["type"].as_str()), (502, Some("upstream_credentials_exhausted")));
}

#[tokio::test]
async fn a_short_value_is_not_masked_in_answers() {
    let first = Fake::always(answer("a mock is x")).await;
    let policy = document(1, vec![provider("first", &first.url)]);
    let running = Running::with_values(policy, |_| "x".to_owned()).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert!(got.text.contains("a mock is x"), "{}", got.text);
}

#[tokio::test]
async fn the_error_names_the_refused_credential() {
    let refused = json!({"error": {"message": "Incorrect API key provided: sk-…", "code": "invalid_api_key"}});
    let first = Fake::always(json_with(401, "", &refused.to_string())).await;
    let mut policy = document(1, vec![provider("first", &first.url)]);
    policy.providers[0].credentials.push(credential("first", "spare", 0));
    let running = Running::with_values(policy, |at| format!("value-of-{}", at.name())).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    let message = got.json()["error"]["message"].as_str().unwrap().to_owned();
    for part in [
        "first refused credential main of LLMProvider default/first, from key apiKey of Secret default/first-main: ",
        "Incorrect API key provided: ",
        "first/m (main) 401 credential",
        "first/m (spare) 401 credential",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert!(!got.text.contains("value-of-"), "{}", got.text);
}

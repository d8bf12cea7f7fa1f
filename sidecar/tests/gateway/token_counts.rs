//! Requests to count tokens: asked for at a provider that can count them, and estimated for all others.

use outrigger_policy::{ModelDoc, ProviderDoc};
use serde_json::{Value, json};

use crate::fake::{Fake, json as reply};
use crate::policies::{Running, document, typed};

const ANTHROPIC: &str = "/v1/messages/count_tokens";
const GEMINI: &str = "/v1beta/models/m:countTokens";

fn any(name: &str, kind: &str, fake: &Fake) -> ProviderDoc {
    let models = vec![ModelDoc { name: "*".to_owned(), ..ModelDoc::default() }];
    ProviderDoc { models, ..typed(name, kind, &fake.url) }
}

fn asked(path: &str, words: &str) -> Value {
    match path {
        ANTHROPIC => json!({"model": "m", "messages": [{"role": "user", "content": words}]}),
        _ => json!({"contents": [{"parts": [{"text": words}]}]}),
    }
}

#[tokio::test]
async fn a_provider_that_cannot_count_is_not_asked() {
    let fake = Fake::always(reply(500, "{}")).await;
    for (kind, path, field) in [
        ("OpenAI", ANTHROPIC, "input_tokens"),
        ("Gemini", ANTHROPIC, "input_tokens"),
        ("Mistral", GEMINI, "totalTokens"),
        ("Anthropic", GEMINI, "totalTokens"),
    ] {
        let running = Running::new(document(1, vec![any("first", kind, &fake)])).await;
        let mut counts = Vec::new();
        for words in ["short", &"many words ".repeat(200)] {
            let got = running.post(path, &asked(path, words)).await;
            assert_eq!((got.status, got.header("x-outrigger-estimated")), (200, Some("true")), "{kind} {}", got.text);
            assert_eq!(got.header("x-outrigger-provider"), Some("first"));
            counts.push(got.json()[field].as_u64().unwrap());
        }
        assert!(counts[0] > 0 && (380..=900).contains(&counts[1]), "{kind} {counts:?}");
        let record = running.record().await;
        assert_eq!(
            (&record["operation"], &record["provider"], &record["attempts"], &record["status"]),
            (&json!("count_tokens"), &json!("first"), &json!([]), &json!(200))
        );
        assert_eq!((&record["tokens"]["input"], &record["cost_usd"]), (&Value::Null, &Value::Null));
    }
    assert_eq!(fake.asked().len(), 0);
}

#[tokio::test]
async fn a_provider_that_can_count_is_asked_and_another_one_estimated_if_it_fails() {
    let counted = Fake::always(reply(200, r#"{"input_tokens":3}"#)).await;
    let running = Running::new(document(1, vec![any("first", "Anthropic", &counted)])).await;
    let got = running.post(ANTHROPIC, &asked(ANTHROPIC, "x")).await;
    assert_eq!((got.json(), got.header("x-outrigger-estimated")), (json!({"input_tokens": 3}), None));

    let busy = Fake::always(reply(503, "{}")).await;
    let both = vec![any("first", "Anthropic", &busy), any("second", "OpenAI", &counted)];
    let running = Running::new(document(1, both)).await;
    let got = running.post(ANTHROPIC, &asked(ANTHROPIC, "x")).await;
    assert_eq!((got.status, got.header("x-outrigger-provider")), (200, Some("second")));
    assert_eq!(got.header("x-outrigger-estimated"), Some("true"));
}

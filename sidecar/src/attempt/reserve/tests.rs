use outrigger_core::{ObjectRef, Window};
use outrigger_policy::{Document, FORMAT, KeyDoc, KeyProviderDoc, LimitDoc, LimitsDoc, MockDoc, Price, ProviderDoc};
use serde_json::{Value, json};

use crate::server::accept::Listeners;
use crate::telemetry::records::Lines;
use crate::{Gateway, Secrets, Settings};

/// A mock, and a key with a dollar.
fn document() -> Document {
    let mock = MockDoc { dialect: "OpenAI".to_owned(), ..MockDoc::default() };
    let provider = ObjectRef { namespace: "default".to_owned(), name: "mock".to_owned() };
    let budget = LimitDoc { name: "all".to_owned(), max: 1_000_000_000, window: Window::Lifetime };
    Document {
        format: FORMAT,
        sequence: 1,
        providers: vec![ProviderDoc {
            namespace: "default".to_owned(),
            name: "mock".to_owned(),
            kind: "Mock".to_owned(),
            mock: Some(mock),
            default_price: Some(Price { input: 1_000, output: 1_000, ..Price::default() }),
            ..ProviderDoc::default()
        }],
        keys: vec![KeyDoc {
            namespace: "default".to_owned(),
            name: "app".to_owned(),
            providers: vec![KeyProviderDoc {
                name: "mock".to_owned(),
                provider,
                weight: 1,
                ..KeyProviderDoc::default()
            }],
            limits: LimitsDoc { budgets: vec![budget], ..LimitsDoc::default() },
            cap_output: true,
            ..KeyDoc::default()
        }],
        default_key: Some("default/app".to_owned()),
        ..Document::default()
    }
}

#[tokio::test]
async fn amounts_that_cannot_be_stored_are_not_spent_in_any_dialect() {
    let dir = tempfile::tempdir().unwrap();
    let state = Some(dir.path().to_owned());
    let gateway = Gateway::new(Settings { lines: Lines::Off, state, ..Settings::default() }).unwrap();
    gateway.install(document(), &Secrets::new()).unwrap();
    // A file that can't be written, as on a full disk.
    gateway.accounts.write_to(std::fs::File::open(dir.path().join("accounts")).unwrap());
    let listeners =
        Listeners::bind(&["127.0.0.1:0".parse().unwrap()], &["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let address = listeners.clients()[0];
    let served = tokio::spawn(gateway.serve(listeners, std::future::pending()));
    let chat = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    let gemini = json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"maxOutputTokens": 5}});
    for (path, body, pointer, word) in [
        ("/v1/chat/completions", &chat, "/error/type", "budget_unavailable"),
        ("/v1/messages", &chat, "/error/reason", "budget_unavailable"),
        ("/v1beta/models/m:generateContent", &gemini, "/error/details/0/reason", "BUDGET_UNAVAILABLE"),
    ] {
        let got = reqwest::Client::new().post(format!("http://{address}{path}")).json(body).send().await.unwrap();
        let (status, after) = (got.status().as_u16(), got.headers()["retry-after"].clone());
        let answer: Value = got.json().await.unwrap();
        assert_eq!((status, answer.pointer(pointer).and_then(Value::as_str)), (503, Some(word)), "{path}: {answer}");
        assert_eq!(after, "1", "{path}");
    }
    served.abort();
}

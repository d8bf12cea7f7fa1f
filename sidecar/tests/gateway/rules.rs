//! A rule decides by a request's headers, and the answer names the rule.

use outrigger_policy::{OnError, RuleDoc, ScopeDoc, TargetDoc};

use crate::fake::{Fake, answer};
use crate::policies::{Running, chat, document, provider};

#[tokio::test]
async fn a_header_selects_another_provider() {
    let (first, second) = (Fake::always(answer("first")).await, Fake::always(answer("second")).await);
    let mut policy = document(1, vec![provider("first", &first.url), provider("second", &second.url)]);
    policy.rules.push(RuleDoc {
        namespace: "default".to_owned(),
        name: "premium".to_owned(),
        priority: 10,
        created: 0,
        scope: ScopeDoc::Namespace,
        when: Some(r#"headers["x-tier"] == "premium" && model == "m""#.to_owned()),
        targets: vec![TargetDoc {
            provider: "second".to_owned(),
            model: Some("better".to_owned()),
            weight: 1,
            credential: None,
        }],
        fallbacks: vec!["first".to_owned()],
        on_error: OnError::Skip,
        ..RuleDoc::default()
    });
    let running = Running::new(policy).await;
    let url = running.url("/v1/chat/completions");
    let client = reqwest::Client::new();
    let plain = running.send(client.post(&url).json(&chat("m"))).await;
    assert_eq!((plain.header("x-outrigger-provider"), plain.header("x-outrigger-rule")), (Some("first"), None));
    let premium = running.send(client.post(&url).header("X-Tier", "premium").json(&chat("m"))).await;
    assert_eq!(premium.header("x-outrigger-rule"), Some("default/premium"));
    assert_eq!(premium.json()["extra_fields"]["rule"], "default/premium");
    assert_eq!(second.asked()[0].json()["model"], "better");
    let record = running.record().await;
    assert_eq!(record["rule"], "default/premium");
    assert_eq!(record["candidates"][1]["provider"], "first");
}

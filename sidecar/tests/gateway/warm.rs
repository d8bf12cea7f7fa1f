//! Connections that are opened before they are needed.

use crate::fake::{Fake, answer};
use crate::policies::{Running, chat, document, provider, secrets};

#[tokio::test]
async fn a_prewarmed_provider_has_a_connection_before_the_first_request() {
    let upstream = Fake::always(answer("hi")).await;
    let mut one = provider("first", &upstream.url);
    one.prewarm = true;
    let running = Running::new(document(1, vec![one])).await;
    upstream.opened.clone().wait_for(|opened| *opened == 1).await.unwrap();
    running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(upstream.asked()[0].connection, 0, "the request used the open connection");
}

#[tokio::test]
async fn a_fallback_is_kept_warm() {
    let (first, second) = (Fake::always(answer("hi")).await, Fake::always(answer("hi")).await);
    let policy = |sequence| document(sequence, vec![provider("first", &first.url), provider("second", &second.url)]);
    let running = Running::new(policy(1)).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.header("x-outrigger-provider"), Some("first"));
    // A new policy wakes the task that keeps connections warm: the fallback gets a connection.
    running.gateway.install(policy(2), &secrets(&policy(2))).unwrap();
    second.opened.clone().wait_for(|opened| *opened == 1).await.unwrap();
    assert!(second.asked().is_empty());
}

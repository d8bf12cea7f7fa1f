//! The two places where more can be attached.

use std::sync::{Arc, Mutex};

use outrigger_llm::framing::sse;
use outrigger_sidecar::pipeline::hooks::{Call, Hooks, OnAnswer, OnRequest, Refusal};
use outrigger_sidecar::telemetry::record::{Lines, Record};
use outrigger_sidecar::{Gateway, Settings};

use crate::fake::{Fake, says};
use crate::policies::{Running, chat, document, provider, secrets, streamed};

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl OnAnswer for Seen {
    fn event(&self, _: &Call, event: &sse::Event) {
        self.0.lock().unwrap().push(event.data.clone().unwrap_or_default());
    }

    fn recorded(&self, record: &Record) {
        self.0.lock().unwrap().push(format!("recorded {}", record.status));
    }
}

struct Guard;

impl OnRequest for Guard {
    fn identified(&self, call: &mut Call) -> Result<(), Refusal> {
        match memchr::memmem::find(&call.body, b"hello") {
            Some(_) if !call.stream => Err(Refusal::new(400, "invalid_request", "no greetings")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_hook_refuses_a_request_and_reads_an_answer() {
    let upstream = Fake::always(says("hi")).await;
    let seen = Arc::new(Seen::default());
    let hooks = Hooks { on_request: Some(Arc::new(Guard)), on_answer: Some(Arc::clone(&seen) as Arc<dyn OnAnswer>) };
    let gateway = Gateway::new(Settings { lines: Lines::Off, hooks, ..Settings::default() }).unwrap();
    let policy = document(1, vec![provider("first", &upstream.url)]);
    gateway.install(policy.clone(), &secrets(&policy)).unwrap();
    let running = Running::of(gateway).await;
    let refused = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("no greetings"));
    running.post("/v1/chat/completions", &streamed("m")).await;
    let seen = seen.0.lock().unwrap().clone();
    assert_eq!(seen.first().map(String::as_str), Some("recorded 400"));
    assert!(seen.iter().any(|event| event.contains("\"hi\"")), "{seen:?}");
    assert_eq!(seen.last().map(String::as_str), Some("recorded 200"));
}

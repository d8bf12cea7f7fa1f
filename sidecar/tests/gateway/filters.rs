//! Filters: what they can do with requests and answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use outrigger_core::RefusalKind;
use outrigger_policy::{Decision, Document, FilterDoc};
use outrigger_sidecar::filter::{
    AnswerFilter, BoxFuture, DecidedVerdict, Filter, FilterAnswer, FilterBody, FilterTypes, FilteredRequest,
    FullAnswer, Refusal, RequestContext, RequestEdit, RequestVerdict, StreamEvent, StreamView,
};
use outrigger_sidecar::telemetry::record::Record;
use outrigger_sidecar::telemetry::records::Lines;
use outrigger_sidecar::{Gateway, Settings};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::fake::{
    Act, Fake, answer, chunk, completion, delta, end, json as whole, role, stop, stream_head, streamed_answer,
};
use crate::limits::{limit, priced, spent};
use crate::policies::{Running, chat, document, provider, secrets, streamed};
use crate::settlement::hang_up;

/// A scripted filter, with a log of its calls.
#[derive(Debug, Default)]
struct Scripted {
    name: &'static str,
    on_request: Option<fn(&Value) -> RequestVerdict>,
    on_decision: Option<fn() -> DecidedVerdict>,
    /// Also reads the conversation.
    reads: bool,
    on_answer: Option<Script>,
    log: Arc<Log>,
}

/// What it does with an answer.
#[derive(Clone, Copy, Debug)]
enum Script {
    /// Puts its name before the content of each event or of a whole answer.
    Sign(StreamView),
    /// Holds all events back until the end.
    Hold,
    Fail(StreamView),
    /// Rejects an event that contains this.
    FailAt(&'static str),
}

#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    ended: tokio::sync::Notify,
}

impl Log {
    fn add(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }

    /// Waits for this many lines that report the end of a request.
    async fn recorded(&self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.extend(self.take().into_iter().filter(|line| line.contains("recorded")));
            if lines.len() >= count {
                return lines;
            }
            self.ended.notified().await;
        }
    }
}

impl Filter for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }

    fn request<'a>(&'a self, request: FilteredRequest<'a>) -> BoxFuture<'a, RequestVerdict> {
        Box::pin(async move {
            self.log.add(format!("{} request", self.name));
            if self.reads {
                let texts = request.conversation(|chat| format!("{:?}", chat.messages)).await.unwrap();
                self.log.add(format!("{} reads {texts}", self.name));
            }
            request.notes.insert(self.name);
            let body = serde_json::from_slice(&request.context.body).unwrap();
            self.on_request.map_or(RequestVerdict::Continue, |script| script(&body))
        })
    }

    fn decided<'a>(&'a self, _: FilteredRequest<'a>, decision: &'a Decision) -> BoxFuture<'a, DecidedVerdict> {
        Box::pin(async move {
            self.log.add(format!("{} decided {}", self.name, decision.candidates.len()));
            self.on_decision.map_or(DecidedVerdict::Continue, |script| script())
        })
    }

    fn answer(&self, context: &RequestContext) -> Option<Box<dyn AnswerFilter>> {
        // All filters of this type share a note: that of the last one.
        assert!(context.notes.get::<&'static str>().is_some(), "notes reach the answer");
        let script = self.on_answer?;
        Some(Box::new(Shown { name: self.name, script, held: Vec::new(), log: Arc::clone(&self.log) }))
    }

    fn recorded(&self, record: &Record) {
        self.log.add(format!("{} recorded {}", self.name, record.status));
        self.log.ended.notify_one();
    }
}

struct Shown {
    name: &'static str,
    script: Script,
    held: Vec<StreamEvent>,
    log: Arc<Log>,
}

fn blocked() -> Refusal {
    Refusal::new(RefusalKind::RequestRejected, "not this").with_status(400)
}

impl AnswerFilter for Shown {
    fn stream_view(&self) -> StreamView {
        match self.script {
            Script::Sign(view) | Script::Fail(view) => view,
            Script::Hold | Script::FailAt(_) => StreamView::Events,
        }
    }

    fn whole<'a>(&'a mut self, answer: &'a mut FullAnswer) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            self.log.add(format!("{} whole", self.name));
            match self.script {
                Script::Fail(_) => return Err(blocked()),
                Script::Sign(_) => {
                    let mut body: Value = serde_json::from_slice(answer.body()).unwrap();
                    for pointer in
                        ["/choices/0/message/content", "/content/0/text", "/candidates/0/content/parts/0/text"]
                    {
                        if let Some(text) = body.pointer_mut(pointer) {
                            *text = format!("{}({})", self.name, text.as_str().unwrap()).into();
                        }
                    }
                    answer.replace(body.to_string());
                }
                Script::Hold | Script::FailAt(_) => {}
            }
            Ok(())
        })
    }

    fn event<'a>(
        &'a mut self,
        event: StreamEvent,
        out: &'a mut Vec<StreamEvent>,
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            // A call-out takes time.
            tokio::task::yield_now().await;
            match self.script {
                Script::Fail(_) => return Err(blocked()),
                Script::FailAt(text) if event.data().is_some_and(|data| data.contains(text)) => return Err(blocked()),
                Script::Hold => self.held.push(event),
                Script::Sign(_) => {
                    match event.data().map(|data| data.replace("hello", &format!("{}(hello)", self.name))) {
                        Some(data) => out.push(event.with_data(data)),
                        None => out.push(event),
                    }
                }
                Script::FailAt(_) => out.push(event),
            }
            Ok(())
        })
    }

    fn end<'a>(&'a mut self, out: &'a mut Vec<StreamEvent>) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            self.log.add(format!("{} end, {} held", self.name, self.held.len()));
            out.append(&mut self.held);
            Ok(())
        })
    }

    fn cannot_view(&mut self, what: &str) -> Result<(), Refusal> {
        self.log.add(format!("{} cannot view {what}", self.name));
        match self.script {
            Script::Fail(_) => Err(blocked()),
            _ => Ok(()),
        }
    }
}

fn scripted(name: &'static str, log: &Arc<Log>) -> Scripted {
    Scripted { name, log: Arc::clone(log), ..Scripted::default() }
}

/// A gateway with these filters, each as a type of its own name.
fn knowing(filters: Vec<Arc<dyn Filter>>) -> Arc<Gateway> {
    let filter_types = filters
        .into_iter()
        .fold(FilterTypes::default(), |types, filter| types.with(filter.name(), move |_| Ok(Arc::clone(&filter))));
    Gateway::new(Settings { lines: Lines::Off, filter_types, ..Settings::default() }).unwrap()
}

/// A policy that lists filters of these types.
fn listing(policy: Document, types: &[&str]) -> Document {
    let one = |kind: &&str| FilterDoc { kind: (*kind).to_owned(), ..FilterDoc::default() };
    Document { filters: types.iter().map(one).collect(), ..policy }
}

async fn running(policy: Document, filters: Vec<Scripted>) -> Running {
    let names: Vec<&str> = filters.iter().map(|filter| filter.name).collect();
    let policy = listing(policy, &names);
    let gateway = knowing(filters.into_iter().map(|one| Arc::new(one) as Arc<dyn Filter>).collect());
    gateway.install(policy.clone(), &secrets(&policy)).unwrap();
    Running::of(gateway).await
}

fn one(upstream: &Fake) -> Document {
    document(1, vec![provider("first", &upstream.url)])
}

/// Adds a turn to the conversation.
fn add_turn(body: &Value, text: &str) -> RequestVerdict {
    let mut body = body.clone();
    body["messages"].as_array_mut().unwrap().push(json!({"role": "user", "content": text}));
    RequestVerdict::Edit(RequestEdit { body: Some(body.to_string().into()), ..RequestEdit::default() })
}

#[tokio::test]
async fn filters_see_requests_in_order_and_answers_in_reverse() {
    let upstream = Fake::always(answer("hello")).await;
    let log = Arc::new(Log::default());
    let signing = |name| Scripted { on_answer: Some(Script::Sign(StreamView::Events)), ..scripted(name, &log) };
    let first = Scripted { on_request: Some(|body| add_turn(body, "one")), ..signing("a") };
    let second = Scripted { on_request: Some(|body| add_turn(body, "two")), reads: true, ..signing("b") };
    let running = running(one(&upstream), vec![first, second]).await;
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "a(b(hello))");
    let asked = upstream.take_requests()[0].json();
    let contents: Vec<_> = asked["messages"].as_array().unwrap().iter().map(|turn| turn["content"].clone()).collect();
    assert_eq!(contents, ["hello", "one", "two"]);
    let mut lines = log.take();
    let read = lines.remove(2);
    assert!(read.starts_with("b reads") && read.contains("one") && !read.contains("two"), "{read}");
    assert_eq!(
        lines,
        [
            "a request",
            "b request",
            "a decided 1",
            "b decided 1",
            "b whole",
            "a whole",
            "a recorded 200",
            "b recorded 200"
        ]
    );
}

#[tokio::test]
async fn an_edit_is_used_for_the_decision_and_for_a_translation() {
    let upstream = Fake::always(answer("hello")).await;
    let log = Arc::new(Log::default());
    let edit = |body: &Value| {
        let mut body = body.clone();
        body["temperature"] = json!(0);
        let headers = HeaderMap::from_iter([("x-by".parse().unwrap(), HeaderValue::from_static("filter"))]);
        let body = Some(body.to_string().into());
        RequestVerdict::Edit(RequestEdit { body, model: Some("other".to_owned()), headers: Some(headers) })
    };
    let running =
        running(one(&upstream), vec![Scripted { on_request: Some(edit), reads: true, ..scripted("a", &log) }]).await;
    for (path, body) in [
        ("/v1/chat/completions", chat("m")),
        ("/v1/messages", json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]})),
    ] {
        let got = running.post(path, &body).await;
        assert_eq!(got.status, 200, "{}", got.text);
        let asked = &upstream.take_requests()[0];
        let body_sent = asked.json();
        assert_eq!(
            (&body_sent["model"], body_sent["temperature"].as_f64()),
            (&json!("other"), Some(0.0)),
            "{path}: {body_sent}"
        );
        assert_eq!(running.record().await["model"], "other", "{path}");
    }
    // The result of an edit is parsed like a caller's body.
    let broken = |_: &Value| {
        let body = Some("{".into());
        RequestVerdict::Edit(RequestEdit { body, ..RequestEdit::default() })
    };
    let running =
        self::running(one(&upstream), vec![Scripted { on_request: Some(broken), ..scripted("a", &log) }]).await;
    assert_eq!(running.post("/v1/chat/completions", &chat("m")).await.status, 400);
    assert_eq!(running.record().await["filter"], "a");
}

fn cached(body: FilterBody) -> FilterAnswer {
    let headers = HeaderMap::from_iter([("x-outrigger-cache".parse().unwrap(), HeaderValue::from_static("hit"))]);
    FilterAnswer { headers, body }
}

fn hit() -> FilterAnswer {
    cached(FilterBody::Whole(completion("hello").into()))
}

#[tokio::test]
async fn a_filter_that_answers_calls_no_provider_and_charges_nothing() {
    let upstream = Fake::always(answer("never")).await;
    let before: fn(&Value) -> RequestVerdict = |_| RequestVerdict::Answer(hit());
    let after: fn() -> DecidedVerdict = || DecidedVerdict::Answer(hit());
    for (what, on_request, on_decision) in [("before", Some(before), None), ("after", None, Some(after))] {
        let log = Arc::new(Log::default());
        let outer = Scripted { on_answer: Some(Script::Sign(StreamView::Whole)), ..scripted("outer", &log) };
        let cache = Scripted { on_request, on_decision, ..scripted("cache", &log) };
        let inner = Scripted { on_answer: Some(Script::Fail(StreamView::Whole)), ..scripted("inner", &log) };
        let mut policy = priced(&[("first", &upstream.url)]);
        policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
        let running = running(policy, vec![outer, cache, inner]).await;
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!((got.status, got.header("x-outrigger-cache")), (200, Some("hit")), "{what}: {}", got.text);
        assert_eq!(got.header("x-outrigger-attempts"), Some("0"), "{what}");
        assert!(got.header("x-outrigger-decision").is_some(), "{what}");
        assert_eq!(
            got.json()["choices"][0]["message"]["content"],
            "outer(hello)",
            "{what}: seen by the filter before it"
        );
        let record = running.record().await;
        assert_eq!(
            (&record["filter"], &record["status"], &record["cost_usd"]),
            (&json!("cache"), &json!(200), &json!(null))
        );
        assert_eq!(record["attempts"], json!([]), "{what}");
        assert_eq!(spent(&running, "budgets[all]").await, "0.00", "{what}");
        // The same as events, for a caller that requested a stream.
        let got = running.post("/v1/chat/completions", &streamed("m")).await;
        assert_eq!(got.header("content-type"), Some("text/event-stream"), "{what}");
        assert!(got.text.contains("outer(hello)") && got.text.ends_with("data: [DONE]\n\n"), "{what}: {}", got.text);
        assert!(!log.take().iter().any(|line| line == "inner whole"), "{what}: the filter after it sees nothing");
    }
    assert!(upstream.asked().is_empty());
}

#[tokio::test]
async fn a_filters_own_events_are_only_for_streams() {
    let upstream = Fake::always(answer("never")).await;
    let log = Arc::new(Log::default());
    let events = |_: &Value| {
        let text = format!("{}{}data: [DONE]\n\n", delta("hello"), crate::fake::stop());
        RequestVerdict::Answer(cached(FilterBody::Events(text.into())))
    };
    let outer = Scripted { on_answer: Some(Script::Sign(StreamView::Events)), ..scripted("outer", &log) };
    let cache = Scripted { on_request: Some(events), ..scripted("cache", &log) };
    let running = running(one(&upstream), vec![outer, cache]).await;
    let got = running.post("/v1/chat/completions", &streamed("m")).await;
    assert!(got.text.contains("outer(hello)") && got.text.ends_with("data: [DONE]\n\n"), "{}", got.text);
    // A caller that did not request a stream gets an error, not half an answer.
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!((got.status, &got.json()["error"]["type"]), (500, &json!("filter_failed")), "{}", got.text);
}

#[tokio::test]
async fn a_refusal_calls_no_provider_and_names_the_filter() {
    let upstream = Fake::always(answer("never")).await;
    let before: fn(&Value) -> RequestVerdict = |_| RequestVerdict::Refuse(blocked());
    let after: fn() -> DecidedVerdict = || DecidedVerdict::Refuse(blocked());
    for (what, on_request, on_decision) in [("before", Some(before), None), ("after", None, Some(after))] {
        let log = Arc::new(Log::default());
        let guard = Scripted { on_request, on_decision, ..scripted("guard", &log) };
        let running = running(one(&upstream), vec![guard, scripted("behind", &log)]).await;
        let got = running.post("/v1/chat/completions", &chat("m")).await;
        assert_eq!((got.status, &got.json()["error"]["message"]), (400, &json!("not this")), "{what}");
        let record = running.record().await;
        assert_eq!((&record["filter"], &record["error_type"]), (&json!("guard"), &json!("request_rejected")), "{what}");
        let asked = if what == "before" { "behind request" } else { "behind decided 1" };
        assert!(!log.take().contains(&asked.to_owned()), "{what}");
    }
    assert!(upstream.asked().is_empty());
}

#[tokio::test]
async fn a_refused_request_is_not_shown_after_the_decision() {
    let upstream = Fake::always(answer("never")).await;
    let log = Arc::new(Log::default());
    let mut policy = one(&upstream);
    policy.keys[0].providers[0].models = vec!["other".to_owned()];
    let running = running(policy, vec![scripted("cache", &log)]).await;
    assert_ne!(running.post("/v1/chat/completions", &chat("m")).await.status, 200);
    assert!(!log.take().iter().any(|line| line.contains("decided")));
}

#[tokio::test]
async fn events_are_replaced_one_by_one_or_held_until_the_end() {
    let upstream = Fake::always(streamed_answer("hello")).await;
    let plain = Running::new(one(&upstream)).await.post("/v1/chat/completions", &streamed("m")).await.text;
    let log = Arc::new(Log::default());
    let signing = |name| Scripted { on_answer: Some(Script::Sign(StreamView::Events)), ..scripted(name, &log) };
    let holding = Scripted { on_answer: Some(Script::Hold), ..scripted("hold", &log) };
    let running = running(one(&upstream), vec![signing("a"), holding, signing("b")]).await;
    let got = running.post("/v1/chat/completions", &streamed("m")).await;
    let without_comment =
        |text: &str| text.lines().filter(|line| !line.starts_with(": ")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_comment(&got.text), without_comment(&plain).replace("hello", "b(a(hello))"), "b was first");
    assert!(log.take().contains(&"hold end, 4 held".to_owned()));
    assert_eq!(running.record().await["status"], 200);
    // A Gemini caller gets an array of the same objects.
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]});
    let got = running.post("/v1beta/models/m:streamGenerateContent", &gemini).await;
    assert_eq!(got.json()[0]["candidates"][0]["content"]["parts"][0]["text"], "b(a(hello))", "{}", got.text);
}

#[tokio::test]
async fn a_filter_can_see_a_stream_as_a_whole_in_every_dialect() {
    let messages =
        json!({"model": "m", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "x"}]});
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]});
    // The upstream streams, or answers whole although a stream was requested.
    for script in [streamed_answer("hello"), answer("hello")] {
        let upstream = Fake::always(script).await;
        let log = Arc::new(Log::default());
        let signing = Scripted { on_answer: Some(Script::Sign(StreamView::Whole)), ..scripted("a", &log) };
        let running = running(one(&upstream), vec![signing]).await;
        for (path, body, ends) in [
            ("/v1/messages", &messages, "event: message_stop"),
            ("/v1beta/models/m:streamGenerateContent?alt=sse", &gemini, "STOP"),
            ("/v1beta/models/m:streamGenerateContent", &gemini, "]"),
        ] {
            let got = running.post(path, body).await;
            assert_eq!(got.status, 200, "{path}: {}", got.text);
            assert!(got.text.contains("a(hello)") && got.text.contains(ends), "{path}: {}", got.text);
            assert_eq!(log.take().iter().filter(|line| *line == "a whole").count(), 1, "{path}");
        }
    }
    let upstream = Fake::always(streamed_answer("hello")).await;
    let log = Arc::new(Log::default());
    let signing = Scripted { on_answer: Some(Script::Sign(StreamView::Whole)), ..scripted("a", &log) };
    let running = running(one(&upstream), vec![signing]).await;
    let got = running.post("/v1/chat/completions", &streamed("m")).await;
    assert!(got.text.contains("a(hello)") && got.text.ends_with("data: [DONE]\n\n"), "{}", got.text);
}

#[tokio::test]
async fn a_rejected_answer_is_an_error_and_is_charged() {
    for (what, script, body, fails) in [
        ("whole", answer("hello"), chat("m"), Script::Fail(StreamView::Whole)),
        ("whole, seen in events", answer("hello"), chat("m"), Script::Fail(StreamView::Events)),
        ("a stream, whole", streamed_answer("hello"), streamed("m"), Script::Fail(StreamView::Whole)),
    ] {
        let upstream = Fake::always(script).await;
        let mut policy = priced(&[("first", &upstream.url)]);
        policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
        let log = Arc::new(Log::default());
        let running = running(policy, vec![Scripted { on_answer: Some(fails), ..scripted("guard", &log) }]).await;
        let got = running.post("/v1/chat/completions", &body).await;
        assert_eq!(
            (got.status, &got.json()["error"]["type"]),
            (400, &json!("request_rejected")),
            "{what}: {}",
            got.text
        );
        assert!(!got.text.contains("hello"), "{what}");
        let record = running.record().await;
        assert_eq!((&record["filter"], &record["status"]), (&json!("guard"), &json!(400)), "{what}");
        assert_eq!(record["attempts"].as_array().map(Vec::len), Some(1), "{what}: no other provider is tried");
        assert_ne!(spent(&running, "budgets[all]").await, "0.00", "{what}");
    }
}

#[tokio::test]
async fn a_filter_that_fails_an_event_ends_the_stream_with_an_error() {
    let wait = Arc::new(tokio::sync::Notify::new());
    let script = vec![
        stream_head(),
        chunk(&format!("{}{}", role(), delta("hello"))),
        chunk(&delta("secret")),
        Act::Wait(Arc::clone(&wait)),
        chunk(&delta("more")),
        Act::Close,
    ];
    let upstream = Fake::always(script).await;
    let log = Arc::new(Log::default());
    let guard = Scripted { on_answer: Some(Script::FailAt("secret")), ..scripted("guard", &log) };
    let running = running(one(&upstream), vec![guard]).await;
    let got = running.post("/v1/chat/completions", &streamed("m")).await;
    assert_eq!(got.status, 200);
    assert!(got.text.contains("hello") && !got.text.contains("secret"), "{}", got.text);
    let last = got.text.trim_end().lines().next_back().unwrap();
    let error: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(error["error"]["type"], "request_rejected", "{}", got.text);
    let record = running.record().await;
    assert_eq!((&record["filter"], &record["error_type"]), (&json!("guard"), &json!("request_rejected")));
    wait.notify_one();
}

#[tokio::test]
async fn an_answer_that_filters_cannot_see_passes_only_if_all_allow_it() {
    let sound =
        vec![Act::Send("HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 5\r\n\r\nsound".to_owned())];
    let speech = json!({"model": "m", "input": "x", "voice": "v"});
    let legacy = vec![
        stream_head(),
        chunk("data: {\"choices\":[{\"index\":0,\"text\":\"hi\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"),
        crate::fake::end(),
    ];
    let prompt = json!({"model": "m", "prompt": "x", "stream": true});
    for (path, body, script, what) in [
        ("/v1/audio/speech", &speech, sound, "audio/mpeg"),
        ("/v1/completions", &prompt, legacy, "a stream of completions"),
    ] {
        let upstream = Fake::always(script).await;
        for (does, status) in [(Script::Sign(StreamView::Whole), 200), (Script::Fail(StreamView::Whole), 400)] {
            let log = Arc::new(Log::default());
            let filter = Scripted { on_answer: Some(does), ..scripted("a", &log) };
            let running = running(one(&upstream), vec![filter]).await;
            let got = running.post(path, body).await;
            assert_eq!(got.status, status, "{path}: {}", got.text);
            assert!(log.take().contains(&format!("a cannot view {what}")), "{path}");
        }
    }
}

#[tokio::test]
async fn a_caller_that_leaves_is_recorded_once_and_reported_to_every_filter() {
    let wait = Arc::new(tokio::sync::Notify::new());
    let script =
        vec![stream_head(), chunk(&format!("{}{}", role(), delta("hello"))), Act::Wait(Arc::clone(&wait)), Act::Close];
    let upstream = Fake::always(script).await;
    let log = Arc::new(Log::default());
    let signing = |name| Scripted { on_answer: Some(Script::Sign(StreamView::Events)), ..scripted(name, &log) };
    let running = running(one(&upstream), vec![signing("a"), signing("b")]).await;
    hang_up(&running, &streamed("m")).await;
    tokio::time::timeout(Duration::from_secs(20), log.ended.notified()).await.unwrap();
    assert_eq!(running.record().await["status"], 499);
    let ended = log.take().into_iter().filter(|line| line.contains("recorded")).collect::<Vec<_>>();
    assert_eq!(ended, ["a recorded 499", "b recorded 499"]);
    wait.notify_one();
}

/// Counts its answer filters: each answer needs its own.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl Filter for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn answer(&self, _: &RequestContext) -> Option<Box<dyn AnswerFilter>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[tokio::test]
async fn a_filter_that_changes_nothing_leaves_every_byte() {
    for (script, body) in [(whole(200, &completion("hi")), chat("m")), (streamed_answer("hi"), streamed("m"))] {
        let upstream = Fake::always(script).await;
        let counting = Arc::new(Counting::default());
        let mut policy = one(&upstream);
        policy.keys[0].extra_fields = false;
        let gateway = knowing(vec![Arc::clone(&counting) as Arc<dyn Filter>]);
        gateway.install(listing(policy.clone(), &["counting"]), &secrets(&policy)).unwrap();
        let with = Running::of(gateway).await.post("/v1/chat/completions", &body).await;
        let without = Running::new(policy).await.post("/v1/chat/completions", &body).await;
        assert_eq!((with.status, with.text), (without.status, without.text));
        assert_eq!(counting.0.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn a_policy_lists_its_filters_and_a_request_keeps_those_it_began_with() {
    let go = Arc::new(Notify::new());
    let slow = vec![
        stream_head(),
        chunk(&format!("{}{}", role(), delta("hello"))),
        Act::Wait(go.clone()),
        chunk(&format!("{}data: [DONE]\n\n", stop())),
        end(),
    ];
    let (old, new) = (Fake::always(slow).await, Fake::always(answer("hello")).await);
    let log = Arc::new(Log::default());
    let signing = |name| {
        let filter = Scripted { on_answer: Some(Script::Sign(StreamView::Events)), ..scripted(name, &log) };
        Arc::new(filter) as Arc<dyn Filter>
    };
    let gateway = knowing(vec![signing("a"), signing("b"), signing("c")]);
    let first = listing(one(&old), &["b", "a"]);
    gateway.install(first.clone(), &secrets(&first)).unwrap();
    let running = Running::of(gateway).await;
    let mut begun =
        reqwest::Client::new().post(running.url("/v1/chat/completions")).json(&streamed("m")).send().await.unwrap();
    let mut shown = String::new();
    while !shown.contains("hello") {
        shown.push_str(std::str::from_utf8(&begun.chunk().await.unwrap().unwrap()).unwrap());
    }
    // Each filter signs the output of the one before.
    assert!(shown.contains("a(b(hello))"), "{shown}");

    let next = listing(document(2, vec![provider("first", &new.url)]), &["c", "b"]);
    running.gateway.install(next.clone(), &secrets(&next)).unwrap();
    log.take();
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "c(b(hello))");
    assert_eq!(log.recorded(2).await, ["c recorded 200", "b recorded 200"]);
    go.notify_one();
    begun.text().await.unwrap();
    assert_eq!(log.recorded(2).await, ["b recorded 200", "a recorded 200"]);

    let none = document(3, vec![provider("first", &new.url)]);
    running.gateway.install(none.clone(), &secrets(&none)).unwrap();
    let got = running.post("/v1/chat/completions", &chat("m")).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "hello");
}

#[tokio::test]
async fn an_invalid_list_leaves_the_last_good_policy_in_force() {
    let upstream = Fake::always(answer("hello")).await;
    let most = FilterTypes::default().with("most", |settings| match settings["turns"].as_u64() {
        Some(_) => Ok(Arc::new(Counting::default()) as Arc<dyn Filter>),
        None => Err("settings.turns must be a number".to_owned()),
    });
    let gateway = Gateway::new(Settings { lines: Lines::Off, filter_types: most, ..Settings::default() }).unwrap();
    let filter = |kind: &str, settings: Value| FilterDoc { kind: kind.to_owned(), settings };
    let good = Document { filters: vec![filter("most", json!({"turns": 3}))], ..one(&upstream) };
    gateway.install(good.clone(), &secrets(&good)).unwrap();
    let running = Running::of(gateway).await;
    for (filters, index, problem) in [
        (
            vec![filter("most", json!({"turns": 3})), filter("guard", Value::Null)],
            1,
            "this gateway has no filter of type `guard`",
        ),
        (vec![filter("most", json!({"turns": "many"}))], 0, "settings.turns must be a number"),
    ] {
        let bad = Document { filters, ..document(2, vec![provider("first", &upstream.url)]) };
        let error = running.gateway.install(bad.clone(), &secrets(&bad)).unwrap_err().to_string();
        assert_eq!(error, format!("filters[{index}]: {problem}"));
        let rejected = running.admin("/readyz").await["rejected"].clone();
        assert_eq!(rejected, json!({"object": "policy", "path": format!("filters[{index}]"), "message": problem}));
        assert_eq!(running.post("/v1/chat/completions", &chat("m")).await.status, 200);
    }
}

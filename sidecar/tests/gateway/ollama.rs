//! Ollama's own API: as callers use it, and as an Ollama server has it beside OpenAI's.

use outrigger_policy::{MockDoc, ModelDoc, ProviderDoc};
use serde_json::{Value, json};

use crate::fake::{Act, Fake, answer, chunk, end, json as reply, streamed_answer};
use crate::mock::mock;
use crate::policies::{Answer, Running, chat, document, provider, typed};

/// Its endpoint is that of OpenAI's API, as it is by default.
fn ollama(fake: &Fake) -> ProviderDoc {
    let mut provider = typed("local", "Ollama", &fake.url);
    provider.models = vec![ModelDoc { name: "qwen3".to_owned(), ..ModelDoc::default() }];
    provider
}

fn asked(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]})
}

fn text(text: &str, done: bool) -> Value {
    let mut line = json!({"model": "qwen3", "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": text}, "done": done});
    if done {
        let more = json!({"done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    }
    line
}

fn lines(lines: &[Value]) -> Vec<Act> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut acts = vec![Act::Send(head.to_owned())];
    acts.extend(lines.iter().map(|line| chunk(&format!("{line}\n"))));
    acts.push(end());
    acts
}

async fn get(running: &Running, path: &str) -> Answer {
    running.send(reqwest::Client::new().get(running.url(path))).await
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn bytes_between_ollama_and_its_callers_stay_as_they_are() {
    let upstream = Fake::always(reply(200, &text("Hello", true).to_string())).await;
    let running = Running::new(document(1, vec![ollama(&upstream)])).await;
    for (path, target) in [
        ("/api/chat", "/api/chat"),
        ("/ollama/api/chat", "/api/chat"),
        ("/litellm/api/chat", "/api/chat"),
        ("/api/generate", "/api/generate"),
    ] {
        let mut body = json!({"novelty": 1.50, "stream": false});
        body.as_object_mut().unwrap().extend(asked("local/qwen3").as_object().unwrap().clone());
        let got = running.post(path, &body).await;
        assert_eq!(got.text, text("Hello", true).to_string(), "{path}");
        let requests = upstream.take_requests();
        assert_eq!(requests[0].target(), target, "{path}");
        assert_eq!(requests[0].json().to_string(), body.to_string().replace("local/qwen3", "qwen3"));
        let record = running.record().await;
        assert_eq!((record["tokens"]["input"].as_u64(), record["tokens"]["output"].as_u64()), (Some(7), Some(3)));
    }
    // A stream is the default, also for null.
    let told = [text("Hel", false), text("lo", false), text("", true)];
    upstream.play(lines(&told));
    let mut body = asked("local/qwen3");
    body["stream"] = Value::Null;
    let got = running.post("/api/chat", &body).await;
    assert_eq!(got.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(parsed(&got.text), told);
    let record = running.record().await;
    assert_eq!((record["tokens"]["input"].as_u64(), record["tokens"]["output"].as_u64()), (Some(7), Some(3)));
}

#[tokio::test]
async fn a_caller_of_openai_still_reaches_ollama_by_openai_s_api() {
    let upstream = Fake::always(answer("Hello")).await;
    let running = Running::new(document(1, vec![ollama(&upstream)])).await;
    let got = running.post("/v1/chat/completions", &chat("local/qwen3")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(upstream.take_requests()[0].target(), "/v1/chat/completions");
}

#[tokio::test]
async fn a_caller_of_ollama_is_served_by_openai() {
    let upstream = Fake::always(streamed_answer("Hello there")).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let mut body = asked("first/m");
    body["options"] = json!({"top_p": 0.5, "num_ctx": 4096});
    let got = running.post("/api/chat", &body).await;
    assert_eq!(got.header("content-type"), Some("application/x-ndjson"));
    let told = parsed(&got.text);
    let said: String = told.iter().map(|line| line["message"]["content"].as_str().unwrap()).collect();
    assert_eq!(said, "Hello there");
    assert_eq!(told.iter().map(|line| line["done"] == true).filter(|done| *done).count(), 1, "{}", got.text);
    assert_eq!(told.last().unwrap()["done_reason"], "stop");
    let requests = upstream.take_requests();
    assert_eq!((requests[0].target(), &requests[0].json()["top_p"]), ("/v1/chat/completions", &json!(0.5)));
    assert_eq!(requests[0].json()["stream"], true);

    upstream.play(streamed_answer("Hello there"));
    let got = running.post("/api/generate", &json!({"model": "first/m", "prompt": "Hi"})).await;
    let said: String = parsed(&got.text).iter().map(|line| line["response"].as_str().unwrap().to_owned()).collect();
    assert_eq!(said, "Hello there", "{}", got.text);
    assert_eq!(upstream.take_requests()[0].json()["messages"], json!([{"role": "user", "content": "Hi"}]));

    // What OpenAI's API can't express is refused, in Ollama's form.
    body["options"] = json!({"repeat_penalty": 1.2});
    let got = running.post("/api/chat", &body).await;
    assert_eq!(got.status, 400, "{}", got.text);
    assert!(got.json()["error"].as_str().unwrap().contains("options.repeat_penalty"), "{}", got.text);
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error() {
    for script in [lines(&[text("Hel", false)]), lines(&[text("Hel", false), json!({"error": "out of memory"})])] {
        let upstream = Fake::always(script).await;
        let running = Running::new(document(1, vec![ollama(&upstream)])).await;
        let got = running.post("/api/chat", &asked("local/qwen3")).await;
        let told = parsed(&got.text);
        assert_eq!(told[0], text("Hel", false));
        assert!(told.last().unwrap()["error"].is_string(), "{}", got.text);
    }
}

#[tokio::test]
async fn a_failure_before_the_answer_goes_to_the_next_provider() {
    let upstream = Fake::always(reply(500, r#"{"error":"model runner has unexpectedly stopped"}"#)).await;
    let second = Fake::always(answer("Hello")).await;
    let mut first = ollama(&upstream);
    first.models.clear();
    let running = Running::new(document(1, vec![first, provider("second", &second.url)])).await;
    let mut body = asked("local/m");
    body["stream"] = json!(false);
    body["fallbacks"] = json!(["second/m"]);
    let got = running.post("/api/chat", &body).await;
    assert_eq!((got.status, &got.json()["message"]["content"]), (200, &json!("Hello")), "{}", got.text);
    assert!(upstream.asked().iter().all(|request| request.target() == "/api/chat"));
    assert_eq!(second.take_requests()[0].target(), "/v1/chat/completions");
}

#[tokio::test]
async fn embeddings_reach_ollama_and_others() {
    let own = json!({"model": "qwen3", "embeddings": [[0.5, 0.25]], "prompt_eval_count": 2});
    let upstream = Fake::always(reply(200, &own.to_string())).await;
    let vectors = json!({"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
        "usage": {"prompt_tokens": 2, "total_tokens": 2}});
    let other = Fake::always(reply(200, &vectors.to_string())).await;
    let running = Running::new(document(1, vec![ollama(&upstream), provider("other", &other.url)])).await;
    for (path, model, input, expected) in [
        ("/api/embed", "local/qwen3", "input", own.clone()),
        ("/api/embed", "other/m", "input", json!({"model": "m", "embeddings": [[0.5, 0.25]], "prompt_eval_count": 2})),
        ("/api/embeddings", "other/m", "prompt", json!({"embedding": [0.5, 0.25]})),
    ] {
        let got = running.post(path, &json!({"model": model, input: "a"})).await;
        assert_eq!(got.json(), expected, "{path} {model}");
    }
    assert_eq!(upstream.take_requests()[0].target(), "/api/embed");
    assert!(other.asked().iter().all(|request| request.target() == "/v1/embeddings"));
}

#[tokio::test]
async fn the_gateway_answers_what_is_asked_about_the_server() {
    let upstream = Fake::always(answer("Hello")).await;
    let mut known = provider("known", &upstream.url);
    let capabilities = Some(vec!["Vision".to_owned()]);
    known.models = vec![ModelDoc { name: "llava".to_owned(), capabilities, ..ModelDoc::default() }];
    let running = Running::new(document(1, vec![ollama(&upstream), known])).await;
    for path in ["/api/tags", "/api/ps", "/ollama/api/tags", "/litellm/api/tags"] {
        let got = get(&running, path).await;
        assert_eq!(got.json()["models"][0]["model"], "local/qwen3", "{path}: {}", got.text);
    }
    assert!(get(&running, "/api/version").await.json()["version"].is_string());
    let shown = running.post("/api/show", &json!({"model": "qwen3"})).await;
    assert_eq!(shown.json()["capabilities"], json!(["completion", "tools"]), "{}", shown.text);
    let shown = running.post("/api/show", &json!({"model": "known/llava"})).await;
    assert_eq!(shown.json()["capabilities"], json!(["completion", "vision"]), "{}", shown.text);
    let unknown = running.post("/api/show", &json!({"model": "qwen4"})).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    assert!(unknown.json()["error"].as_str().unwrap().contains("qwen4"));
    // The server's models are not the caller's to manage.
    for path in ["/api/pull", "/api/create", "/api/delete", "/api/copy", "/api/push"] {
        let got = running.post(path, &json!({"model": "qwen3"})).await;
        assert_eq!(got.status, 404, "{path}");
        assert!(got.json()["error"].as_str().unwrap().contains("ollama: POST /api/chat"), "{}", got.text);
    }
    assert!(upstream.asked().is_empty());
}

#[tokio::test]
async fn a_mock_speaks_ollama_s_api() {
    let script = MockDoc { dialect: "Ollama".to_owned(), ..MockDoc::default() };
    let running = Running::new(document(1, vec![mock("mock", script)])).await;
    let got = running.post("/api/chat", &asked("mock/m")).await;
    assert_eq!(parsed(&got.text).last().unwrap()["done"], true, "{}", got.text);
    // From another dialect, its answer is translated.
    let got = running.post("/v1/chat/completions", &chat("mock/m")).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "Hello from mock/m", "{}", got.text);
}

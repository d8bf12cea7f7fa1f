//! Cohere's API: as callers use it, and as a provider serves it.

use outrigger_policy::{ModelDoc, ProviderDoc};
use serde_json::{Value, json};

use crate::fake::{Act, Fake, chunk, end, json as reply, stream_head, streamed_answer};
use crate::policies::{Running, chat, document, provider, streamed, typed};

fn cohere(fake: &Fake) -> ProviderDoc {
    // Without the `/v1` of the fake's address: the version is a part of each path.
    let mut provider = typed("cohere", "Cohere", fake.url.trim_end_matches("/v1"));
    provider.models = vec![ModelDoc { name: "command-a-03-2025".to_owned(), ..ModelDoc::default() }];
    provider
}

fn text(text: &str) -> Value {
    json!({"id": "r1", "message": {"role": "assistant", "content": [{"type": "text", "text": text}]},
        "finish_reason": "COMPLETE", "usage": {"billed_units": {"input_tokens": 7, "output_tokens": 3},
            "tokens": {"input_tokens": 500, "output_tokens": 5}, "cached_tokens": 448}})
}

fn event(event: &Value) -> Act {
    chunk(&format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
}

fn delta(text: &str) -> Act {
    event(&json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}}))
}

fn events() -> Vec<Act> {
    let usage = json!({"billed_units": {"input_tokens": 7, "output_tokens": 3}});
    vec![
        stream_head(),
        event(&json!({"id": "r1", "type": "message-start", "delta": {"message": {"role": "assistant"}}})),
        delta("Hel"),
        delta("lo"),
        event(&json!({"type": "content-end", "index": 0})),
        event(&json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}})),
        chunk("data: [DONE]\n\n"),
        end(),
    ]
}

#[tokio::test]
async fn a_caller_of_openai_is_served_by_cohere() {
    let upstream = Fake::always(reply(200, &text("Hello").to_string())).await;
    let running = Running::new(document(1, vec![cohere(&upstream)])).await;
    let mut body = chat("command-a-03-2025");
    body["stop"] = json!(["END"]);
    let got = running.post("/v1/chat/completions", &body).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "Hello", "{}", got.text);
    // The model that was asked for: Cohere does not name it.
    assert_eq!(got.json()["model"], "command-a-03-2025");
    assert_eq!(got.json()["usage"]["prompt_tokens"], 7);
    let asked = upstream.take_requests();
    assert_eq!(asked[0].target(), "/v2/chat");
    assert!(asked[0].header("authorization").unwrap().starts_with("Bearer "));
    assert_eq!(
        (&asked[0].json()["model"], &asked[0].json()["stop_sequences"]),
        (&json!("command-a-03-2025"), &json!(["END"]))
    );
    let record = running.record().await;
    assert_eq!((record["tokens"]["input"].as_u64(), record["tokens"]["output"].as_u64()), (Some(7), Some(3)));

    upstream.play(events());
    let got = running.post("/v1/chat/completions", &streamed("command-a-03-2025")).await;
    assert!(got.text.contains(r#""content":"Hel""#) && got.text.ends_with("data: [DONE]\n\n"), "{}", got.text);
    assert_eq!(upstream.take_requests()[0].json()["stream"], true);
}

#[tokio::test]
async fn bytes_between_cohere_and_its_callers_stay_as_they_are() {
    let upstream = Fake::always(reply(200, &text("Hello").to_string())).await;
    let running = Running::new(document(1, vec![cohere(&upstream)])).await;
    for path in ["/v2/chat", "/cohere/v2/chat", "/litellm/v2/chat"] {
        let body = json!({"novelty": 1.50, "model": "cohere/command-a-03-2025", "documents": ["d"],
            "messages": [{"role": "user", "content": "Hi"}]});
        let got = running.post(path, &body).await;
        assert_eq!(got.text, text("Hello").to_string());
        assert!(got.header("x-request-id").is_some());
        let asked = upstream.take_requests();
        assert_eq!(asked[0].target(), "/v2/chat", "{path}");
        let expected = body.to_string().replace("cohere/command", "command");
        assert_eq!(asked[0].json().to_string(), expected);
    }
    upstream.play(events());
    let mut body = streamed("command-a-03-2025");
    body.as_object_mut().unwrap().remove("stream_options");
    let got = running.post("/v2/chat", &body).await;
    assert!(got.text.starts_with("event: message-start\n") && got.text.ends_with("data: [DONE]\n\n"), "{}", got.text);
    let record = running.record().await;
    assert_eq!((record["tokens"]["input"].as_u64(), record["tokens"]["output"].as_u64()), (Some(7), Some(3)));
}

#[tokio::test]
async fn a_caller_of_cohere_is_served_by_openai() {
    let upstream = Fake::always(streamed_answer("Hello there")).await;
    let running = Running::new(document(1, vec![provider("first", &upstream.url)])).await;
    let body = json!({"model": "first/m", "stream": true, "messages": [{"role": "user", "content": "Hi"}], "p": 0.5});
    let got = running.post("/v2/chat", &body).await;
    assert_eq!(got.header("content-type"), Some("text/event-stream"));
    let names: Vec<&str> = got.text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names.first(), Some(&"message-start"), "{}", got.text);
    assert_eq!(names.last(), Some(&"message-end"), "{}", got.text);
    assert!(names.contains(&"content-delta") && got.text.ends_with("data: [DONE]\n\n"), "{}", got.text);
    let asked = upstream.take_requests();
    assert_eq!((asked[0].target(), &asked[0].json()["top_p"]), ("/v1/chat/completions", &json!(0.5)));
    // What OpenAI's API can't express is refused, in Cohere's form.
    let mut body = body;
    body["documents"] = json!(["d"]);
    let got = running.post("/v2/chat", &body).await;
    assert_eq!((got.status, &got.json()["error_type"]), (400, &json!("UNSUPPORTED_PARAMETER")), "{}", got.text);
    assert!(got.json()["message"].as_str().unwrap().contains("documents"), "{}", got.text);
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error() {
    for (kind, script) in [
        ("cohere", vec![stream_head(), delta("Hel"), end()]),
        (
            "cohere",
            vec![
                stream_head(),
                delta("Hel"),
                event(
                    &json!({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "the model failed"}}),
                ),
                end(),
            ],
        ),
    ] {
        let upstream = Fake::always(script).await;
        let running = Running::new(document(1, vec![cohere(&upstream)])).await;
        let mut body = streamed("cohere/command-a-03-2025");
        body.as_object_mut().unwrap().remove("stream_options");
        let got = running.post("/v2/chat", &body).await;
        let last = got.text.trim_end().rsplit("\n\n").next().unwrap();
        assert!(last.contains(r#""finish_reason":"ERROR""#), "{kind}: {}", got.text);
        let got = running.post("/v1/chat/completions", &streamed("cohere/command-a-03-2025")).await;
        assert!(got.text.contains(r#"data: {"error""#) && !got.text.contains("[DONE]"), "{kind}: {}", got.text);
    }
}

#[tokio::test]
async fn a_failure_before_the_answer_goes_to_the_next_provider() {
    let upstream = Fake::always(reply(429, r#"{"message":"You are past the per minute request limit"}"#)).await;
    let second = Fake::always(crate::fake::answer("Hello")).await;
    let mut first = cohere(&upstream);
    first.models.clear();
    let running = Running::new(document(1, vec![first, provider("second", &second.url)])).await;
    let body = json!({"model": "cohere/command-a-03-2025", "fallbacks": ["second/m"],
        "messages": [{"role": "user", "content": "Hi"}]});
    let got = running.post("/v2/chat", &body).await;
    assert_eq!(got.json()["message"]["content"][0]["text"], "Hello", "{}", got.text);
    let record = running.record().await;
    assert_eq!(record["attempts"][0]["error"], "rate_limited", "{record}");
}

#[tokio::test]
async fn the_list_of_models_has_cohere_s_form_for_its_sdks() {
    let upstream = Fake::always(reply(200, "{}")).await;
    let running = Running::new(document(1, vec![cohere(&upstream)])).await;
    let http = reqwest::Client::new();
    for (path, sdk) in [("/v1/models", Some("cohere")), ("/cohere/v1/models", None)] {
        let mut request = http.get(running.url(path));
        if let Some(sdk) = sdk {
            request = request.header("x-fern-sdk-name", sdk);
        }
        let got = running.send(request).await;
        let found = json!({"name": "cohere/command-a-03-2025"});
        assert!(got.json()["models"].as_array().unwrap().contains(&found), "{path}: {}", got.text);
    }
}

/// What Cohere answers to two texts.
fn vectors() -> Value {
    json!({"id": "e1", "embeddings": {"float": [[0.5, -2.0], [1.5, 0.25]]}, "texts": ["a", "b"],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}}})
}

#[tokio::test]
async fn embeddings_cross_to_cohere_and_from_it() {
    let upstream = Fake::always(reply(200, &vectors().to_string())).await;
    let running = Running::new(document(1, vec![cohere(&upstream)])).await;
    let body = json!({"model": "cohere/embed-v4.0", "input": ["a", "b"], "encoding_format": "base64", "user": "u"});
    let got = running.post("/v1/embeddings", &body).await;
    assert_eq!(got.json()["data"][0]["embedding"], "AAAAPwAAAMA=", "{}", got.text);
    assert_eq!(got.json()["usage"]["prompt_tokens"], 7);
    assert_eq!(got.header("x-outrigger-adapted"), Some("user"));
    let asked = upstream.take_requests();
    assert_eq!(asked[0].target(), "/v2/embed");
    let expected = json!({"model": "embed-v4.0", "texts": ["a", "b"], "input_type": "search_document",
        "embedding_types": ["float"]});
    assert_eq!(asked[0].json(), expected);
    let record = running.record().await;
    assert_eq!((record["operation"].as_str(), record["tokens"]["input"].as_u64()), (Some("embeddings"), Some(7)));
    let body = json!({"requests": [
        {"model": "models/cohere/embed-v4.0", "content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY"},
        {"model": "models/cohere/embed-v4.0", "content": {"parts": [{"text": "b"}]}, "taskType": "RETRIEVAL_QUERY"},
    ]});
    let got = running.post("/v1beta/models/cohere/embed-v4.0:batchEmbedContents", &body).await;
    assert_eq!(got.json()["embeddings"][1]["values"], json!([1.5, 0.25]), "{}", got.text);
    assert_eq!(upstream.take_requests()[0].json()["input_type"], "search_query");

    let data = |index: u64| json!({"object": "embedding", "index": index, "embedding": [0.5, -2.0]});
    let openai =
        json!({"object": "list", "data": [data(0)], "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}});
    let second = Fake::always(reply(200, &openai.to_string())).await;
    let running = Running::new(document(1, vec![provider("first", &second.url)])).await;
    let mut body = json!({"model": "first/m", "texts": ["a"], "input_type": "search_query", "output_dimension": 2});
    let got = running.post("/v2/embed", &body).await;
    assert_eq!(got.json()["embeddings"]["float"], json!([[0.5, -2.0]]), "{}", got.text);
    assert_eq!(got.json()["meta"]["billed_units"]["input_tokens"], 3);
    let asked = second.take_requests();
    assert_eq!((asked[0].target(), &asked[0].json()["dimensions"]), ("/v1/embeddings", &json!(2)));
    body["images"] = json!(["data:image/png;base64,AAAA"]);
    let got = running.post("/v2/embed", &body).await;
    assert_eq!((got.status, &got.json()["error_type"]), (400, &json!("UNSUPPORTED_PARAMETER")), "{}", got.text);
    assert!(got.json()["message"].as_str().unwrap().contains("images"), "{}", got.text);
}

#[tokio::test]
async fn embeddings_of_cohere_s_callers_pass_through() {
    let upstream = Fake::always(reply(200, &vectors().to_string())).await;
    let running = Running::new(document(1, vec![cohere(&upstream)])).await;
    let body = json!({"novelty": 1.50, "model": "cohere/embed-v4.0", "images": ["data:image/png;base64,AAAA"],
        "input_type": "image", "embedding_types": ["int8"]});
    let got = running.post("/v2/embed", &body).await;
    assert_eq!(got.text, vectors().to_string());
    let asked = upstream.take_requests();
    assert_eq!(asked[0].target(), "/v2/embed");
    assert_eq!(asked[0].json().to_string(), body.to_string().replace("cohere/embed", "embed"));
    assert_eq!(running.record().await["tokens"]["input"].as_u64(), Some(7));
}

#[tokio::test]
async fn documents_are_reranked_by_cohere_and_by_servers_of_openai_s_dialect() {
    let results = json!([{"index": 1, "relevance_score": 0.75}, {"index": 0, "relevance_score": 0.25}]);
    let searched = json!({"id": "r1", "results": results, "meta": {"billed_units": {"search_units": 1}}});
    let upstream = Fake::always(reply(200, &searched.to_string())).await;
    let running = Running::new(document(1, vec![cohere(&upstream)])).await;
    let mut body = json!({"model": "cohere/rerank-v3.5", "query": "q", "documents": ["a", {"text": "b"}],
        "return_documents": true});
    for path in ["/v1/rerank", "/rerank"] {
        let got = running.post(path, &body).await;
        let first = json!({"index": 1, "relevance_score": 0.75, "document": {"text": "b"}});
        assert_eq!(got.json()["results"][0], first, "{}", got.text);
        let asked = upstream.take_requests();
        let expected = json!({"model": "rerank-v3.5", "query": "q", "documents": ["a", "b"]});
        assert_eq!((asked[0].target(), asked[0].json()), ("/v2/rerank", expected));
        let record = running.record().await;
        // The built-in catalogue: 2 dollars for a thousand searches.
        assert_eq!(
            (record["operation"].as_str(), record["cost_usd"].as_str()),
            (Some("rerank"), Some("0.002")),
            "{record}"
        );
    }
    // Cohere's own callers get its bytes.
    let got = running.post("/v2/rerank", &json!({"model": "cohere/rerank-v3.5", "novelty": 1})).await;
    assert_eq!(got.text, searched.to_string());

    let ranked = json!([{"index": 0, "score": 0.75, "document": "a"}]);
    let second = Fake::always(reply(200, &ranked.to_string())).await;
    let openai = Fake::always(reply(200, &ranked.to_string())).await;
    let providers = vec![typed("first", "OpenAI", &openai.url), typed("sglang", "SGLang", &second.url)];
    let running = Running::new(document(1, providers)).await;
    body = json!({"model": "sglang/m", "query": "q", "documents": ["a"], "top_n": 1});
    let got = running.post("/v2/rerank", &body).await;
    assert_eq!(got.json()["results"], json!([{"index": 0, "relevance_score": 0.75}]), "{}", got.text);
    assert_eq!(second.take_requests()[0].target(), "/v1/rerank");
    let got = running.post("/v1/rerank", &body).await;
    assert_eq!(got.text, ranked.to_string());
    // OpenAI has no such operation.
    for path in ["/v1/rerank", "/v2/rerank"] {
        body["model"] = json!("first/m");
        let got = running.post(path, &body).await;
        assert_eq!((got.status, openai.take_requests().len()), (400, 0), "{path}: {}", got.text);
    }
}

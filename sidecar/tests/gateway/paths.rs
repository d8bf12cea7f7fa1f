//! A caller's model name cannot change the path of an upstream request.

use serde_json::{Value, json};

use crate::fake::{Fake, json as reply};
use crate::policies::{Running, chat, document, typed};

/// Names that try, and the segment that is requested; `None` if the request is refused.
const NAMES: &[(&str, Option<&str>)] = &[
    ("../../v1beta/cachedContents?x=", None),
    ("..", None),
    ("a/../b", None),
    ("%2e%2e/x", None),
    ("%252e%252e", None),
    ("..\\..\\x", None),
    ("..;a=b/x", None),
    ("a?x=1", Some("a%3Fx%3D1")),
    ("a#b", Some("a%23b")),
    ("a b", Some("a%20b")),
    ("a/b", Some("a%2Fb")),
    ("a:countTokens", Some("a%3AcountTokens")),
    ("模", Some("%E6%A8%A1")),
    ("a%20b", Some("a%2520b")),
];

fn embedding() -> Value {
    json!({"embedding": {"values": [1.0]}})
}

fn gemini_answer() -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "hi"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}})
}

#[tokio::test]
async fn a_models_name_stays_in_its_path_segment() {
    for &(name, segment) in NAMES {
        for (path, body, answer, verb) in [
            ("/v1/embeddings", json!({"model": format!("ge/{name}"), "input": "hi"}), embedding(), "embedContent"),
            ("/v1/chat/completions", chat(&format!("ge/{name}")), gemini_answer(), "generateContent"),
            (
                "/v1/messages",
                json!({"model": format!("ge/{name}"), "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}),
                gemini_answer(),
                "generateContent",
            ),
        ] {
            let upstream = Fake::always(reply(200, &answer.to_string())).await;
            let running = Running::new(document(1, vec![typed("ge", "Gemini", &upstream.url)])).await;
            let got = running.post(path, &body).await;
            let asked: Vec<String> = upstream.asked().iter().map(|asked| asked.target().to_owned()).collect();
            match segment {
                None => assert_eq!((got.status, asked.len()), (400, 0), "{name} at {path}: {asked:?} {}", got.text),
                Some(segment) => {
                    assert_eq!(asked, [format!("/v1/models/{segment}:{verb}")], "{name} at {path}: {}", got.text);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_path_that_leads_elsewhere_is_unknown() {
    let upstream = Fake::always(reply(200, &gemini_answer().to_string())).await;
    let running = Running::new(document(1, vec![typed("ge", "Gemini", &upstream.url)])).await;
    let body = json!({"contents": [{"parts": [{"text": "x"}]}]}).to_string();
    for path in [
        "/v1beta/models/ge%2F..%2F..%2Fx:generateContent",
        "/v1beta/models/ge/%2e%2e/x:generateContent",
        "/v1beta/models/ge/%252e%252e/x:generateContent",
        "/v1beta/models/..:generateContent",
        "/v1beta/models/%2e%2e:generateContent",
        "/v1beta/models/ge%2Fa%0d%0ax:generateContent",
        "/v1beta/models/ge%2Fa%00:generateContent",
        "/v1beta/models/ge%2F%ff:generateContent",
        "/v1beta/models/ge%5C..%5Cx:generateContent",
    ] {
        let (status, _) = raw(&running, path, &body).await;
        assert_eq!(status, 404, "{path}");
    }
    assert_eq!(upstream.asked().len(), 0);
    for (path, target) in [
        ("/v1beta/models/ge%2Fgemini-x:generateContent", "/v1/models/gemini-x:generateContent"),
        ("/v1beta/models/ge/tunedModels%2Fmine:generateContent", "/v1/tunedModels/mine:generateContent"),
        ("/v1beta/models/ge/models/gemini-x%3AgenerateContent", "/v1/models/gemini-x:generateContent"),
    ] {
        let (status, text) = raw(&running, path, &body).await;
        assert_eq!((status, upstream.take_requests()[0].target()), (200, target), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_name_with_control_characters_is_refused() {
    let upstream = Fake::always(reply(200, "{}")).await;
    let running = Running::new(document(1, vec![typed("ge", "Gemini", &upstream.url)])).await;
    for name in ["ge/\u{1b}]52;c;x\u{7}", "ge/a\r\nhost: b", "ge/a\u{85}"] {
        let got = running.post("/v1/chat/completions", &chat(name)).await;
        assert_eq!((got.status, got.json()["error"]["type"].as_str()), (400, Some("invalid_request")), "{name:?}");
        let mut body = chat("ge/m");
        body["fallbacks"] = json!([name]);
        assert_eq!(running.post("/v1/chat/completions", &body).await.status, 400, "{name:?}");
    }
    assert_eq!(upstream.asked().len(), 0);
}

/// Sends a path unchanged; a client library would normalize it.
async fn raw(running: &Running, path: &str, body: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut stream = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    (status.unwrap(), text)
}

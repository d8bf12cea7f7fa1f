//! An upstream that bills: its sum is the truth, and the gateway's account must never be lower.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Nano-dollars per million tokens.
pub const INPUT: u64 = 1_000_000_000;
pub const OUTPUT: u64 = 10_000_000_000;

/// The cost of these tokens in nano-dollars, rounded up.
pub fn price(input: u64, output: u64) -> u64 {
    (input * INPUT + output * OUTPUT).div_ceil(1_000_000)
}

/// An upstream of the OpenAI dialect. It respects caps, and answers with a random number of tokens.
#[derive(Clone)]
pub struct Meter {
    pub url: String,
    billed: Arc<AtomicU64>,
    asked: Arc<AtomicUsize>,
    /// The number of requests that have arrived.
    pub arrivals: tokio::sync::watch::Receiver<usize>,
    dice: Arc<std::sync::Mutex<fastrand::Rng>>,
    /// Answers are as long as their cap allows.
    always_full: bool,
}

impl Meter {
    pub async fn new(seed: u64, always_full: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (arriving, arrivals) = tokio::sync::watch::channel(0);
        let meter = Meter {
            url,
            billed: Arc::default(),
            asked: Arc::default(),
            arrivals,
            dice: Arc::new(std::sync::Mutex::new(fastrand::Rng::with_seed(seed))),
            always_full,
        };
        let mine = meter.clone();
        let arriving = Arc::new(arriving);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(mine.clone().serve(stream, Arc::clone(&arriving)));
            }
        });
        meter
    }

    /// The cost of all answers so far, in nano-dollars.
    pub fn billed(&self) -> u64 {
        self.billed.load(Ordering::SeqCst)
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn serve(self, mut stream: TcpStream, arriving: Arc<tokio::sync::watch::Sender<usize>>) {
        stream.set_nodelay(true).ok();
        let mut buffer = Vec::new();
        while let Some(body) = next_body(&mut stream, &mut buffer).await {
            let request: Value = serde_json::from_slice(&body).unwrap();
            let cap = ["max_tokens", "max_completion_tokens"].iter().find_map(|name| request[*name].as_u64());
            let (output, pause) = {
                let mut dice = self.dice.lock().unwrap();
                let wanted = if self.always_full { u64::MAX } else { dice.u64(1..3_000) };
                (wanted.min(cap.unwrap_or(5_000)), dice.u64(0..3))
            };
            // A token for each word, and a few for a provider's own overhead.
            let words = request["messages"][0]["content"].as_str().unwrap().split_whitespace().count();
            let input = words as u64 + 3;
            // Billed from here on, whether or not the client is still there.
            self.billed.fetch_add(price(input, output), Ordering::SeqCst);
            self.asked.fetch_add(1, Ordering::SeqCst);
            arriving.send_modify(|count| *count += 1);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
            let answer = match request["stream"].as_bool() {
                Some(true) => streamed(&usage),
                _ => whole(&usage),
            };
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn whole(usage: &Value) -> String {
    let message = json!({"role": "assistant", "content": "as asked"});
    let body = json!({
        "id": "m", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    })
    .to_string();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn streamed(usage: &Value) -> String {
    let chunk = |choices: Value, usage: &Value| {
        json!({"id": "m", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices,
               "usage": usage})
    };
    let events = [
        chunk(json!([{"index": 0, "delta": {"role": "assistant", "content": "as "}}]), &Value::Null),
        chunk(json!([{"index": 0, "delta": {"content": "asked"}, "finish_reason": "stop"}]), &Value::Null),
        chunk(json!([]), usage),
    ];
    let mut body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    body.push_str("data: [DONE]\n\n");
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// The body of the next request; `None` if the client has gone.
async fn next_body(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length: usize =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
            let whole = end + 4 + length;
            if buffer.len() >= whole {
                let body = buffer[end + 4..whole].to_vec();
                buffer.drain(..whole);
                return Some(body);
            }
        }
        let mut more = [0; 16 << 10];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&more[..read]),
        }
    }
}

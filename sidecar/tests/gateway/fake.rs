//! An upstream on a socket that plays scripts, and records the requests.
//!
//! It speaks raw HTTP/1.1, to do what no server library allows: close in the middle of an answer, fall silent, send
//! half an event.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

/// A step of a script.
#[derive(Clone, Debug)]
pub enum Act {
    /// Send this.
    Send(String),
    /// Send these bytes, which may end within a character.
    Bytes(Vec<u8>),
    /// Wait until the test notifies.
    Wait(Arc<Notify>),
    /// Wait this long: the upstream's own pace.
    Pause(std::time::Duration),
    /// Close the connection.
    Close,
    /// Never answer.
    Silence,
    /// Do what the body of the request deserves.
    Judge(fn(&str) -> Vec<Act>),
}

/// A received request.
#[derive(Clone, Debug)]
pub struct UpstreamRequest {
    pub head: String,
    pub body: String,
    /// The number of its connection.
    pub connection: usize,
}

impl UpstreamRequest {
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The upstream. Requests use the scripts in order; the last one is repeated.
#[derive(Clone)]
pub struct Fake {
    pub url: String,
    scripts: Arc<Mutex<VecDeque<Vec<Act>>>>,
    asked: Arc<Mutex<Vec<UpstreamRequest>>>,
    /// The number of connections that were opened.
    pub opened: tokio::sync::watch::Receiver<usize>,
    /// A message for each connection that a client has closed.
    pub closed: Arc<Mutex<mpsc::UnboundedReceiver<()>>>,
}

impl Fake {
    pub async fn new(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (disconnected, closed) = mpsc::unbounded_channel();
        let (opening, opened) = tokio::sync::watch::channel(0);
        let fake = Fake {
            url,
            scripts: Arc::new(Mutex::new(scripts.into())),
            asked: Arc::default(),
            opened,
            closed: Arc::new(Mutex::new(closed)),
        };
        let server = fake.clone();
        tokio::spawn(async move {
            let mut connections = 0;
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream, connections, disconnected.clone()));
                connections += 1;
                opening.send_replace(connections);
            }
        });
        fake
    }

    /// An upstream that always plays this script.
    pub async fn always(script: Vec<Act>) -> Self {
        Fake::new(vec![script]).await
    }

    pub fn asked(&self) -> Vec<UpstreamRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// Plays this script from now on.
    pub fn play(&self, script: Vec<Act>) {
        *self.scripts.lock().unwrap() = VecDeque::from([script]);
    }

    /// The requests since the last call.
    pub fn take_requests(&self) -> Vec<UpstreamRequest> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    async fn serve(self, mut stream: TcpStream, connection: usize, disconnected: mpsc::UnboundedSender<()>) {
        // Otherwise the second write of an answer waits for the acknowledgement of the first.
        stream.set_nodelay(true).unwrap();
        let mut buffer = Vec::new();
        loop {
            let Some((head, body)) = read_request(&mut stream, &mut buffer).await else {
                disconnected.send(()).ok();
                return;
            };
            self.asked.lock().unwrap().push(UpstreamRequest { head, body: body.clone(), connection });
            let script = {
                let mut scripts = self.scripts.lock().unwrap();
                if scripts.len() > 1 { scripts.pop_front().unwrap() } else { scripts[0].clone() }
            };
            let judged = script.into_iter().flat_map(|act| match act {
                Act::Judge(judge) => judge(&body),
                act => vec![act],
            });
            for act in judged {
                let bytes = match act {
                    Act::Send(text) => text.into_bytes(),
                    Act::Bytes(bytes) => bytes,
                    Act::Wait(notify) => {
                        let mut byte = [0; 1];
                        tokio::select! {
                            () = notify.notified() => {}
                            read = stream.read(&mut byte) => {
                                assert!(matches!(read, Ok(0) | Err(_)), "no pipelining here");
                                disconnected.send(()).ok();
                                return;
                            }
                        }
                        continue;
                    }
                    Act::Pause(pause) => {
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                    Act::Judge(_) => unreachable!("it was replaced"),
                    Act::Close => return,
                    Act::Silence => {
                        let mut byte = [0; 1];
                        let _until_closed = stream.read(&mut byte).await;
                        disconnected.send(()).ok();
                        return;
                    }
                };
                if stream.write_all(&bytes).await.is_err() {
                    disconnected.send(()).ok();
                    return;
                }
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, String)> {
    let mut chunk = [0; 16_384];
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
                })
                .unwrap_or(0);
            if buffer.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&buffer[end + 4..end + 4 + length]).into_owned();
                buffer.drain(..end + 4 + length);
                return Some((head, body));
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&chunk[..read]),
        }
    }
}

/// A JSON answer.
pub fn json(status: u16, body: &str) -> Vec<Act> {
    json_with(status, "", body)
}

/// A JSON answer with more headers, each ending with a line break.
pub fn json_with(status: u16, headers: &str, body: &str) -> Vec<Act> {
    vec![Act::Send(format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    ))]
}

/// The head of a stream, whose chunks follow.
pub fn stream_head() -> Act {
    Act::Send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned())
}

/// One chunk of a stream.
pub fn chunk(text: &str) -> Act {
    Act::Send(format!("{:x}\r\n{text}\r\n", text.len()))
}

/// The regular end of a chunked body.
pub fn end() -> Act {
    Act::Send("0\r\n\r\n".to_owned())
}

/// An event of the OpenAI dialect.
pub fn delta(content: &str) -> String {
    let chunk = serde_json::json!({
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}],
    });
    format!("data: {chunk}\n\n")
}

/// The first event: a role without content.
pub fn role() -> String {
    let chunk = serde_json::json!({
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}],
    });
    format!("data: {chunk}\n\n")
}

/// The last event before the end.
pub fn stop() -> String {
    let chunk = serde_json::json!({
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    });
    format!("data: {chunk}\n\n")
}

/// A whole stream with this text.
pub fn streamed_answer(text: &str) -> Vec<Act> {
    let all = format!("{}{}{}data: [DONE]\n\n", role(), delta(text), stop());
    vec![stream_head(), chunk(&all), end()]
}

/// A whole answer of the OpenAI dialect.
pub fn answer(text: &str) -> Vec<Act> {
    json(200, &completion(text))
}

pub fn completion(text: &str) -> String {
    serde_json::json!({
        "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    })
    .to_string()
}

//! Upstreams that send scripted answers as fast as possible, and discard requests.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A head, a piece, and how often the piece is sent.
#[derive(Clone, Debug)]
pub struct Script {
    pub head: String,
    pub first: Bytes,
    pub piece: Bytes,
    pub times: usize,
    pub last: Bytes,
}

impl Script {
    /// A whole answer.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Script::whole(status, "content-type: application/json", body)
    }

    /// A whole answer with these headers.
    pub fn whole(status: u16, headers: &str, body: impl Into<Bytes>) -> Self {
        let first = body.into();
        let head = format!("HTTP/1.1 {status} X\r\n{headers}\r\ncontent-length: {}\r\n\r\n", first.len());
        Script { head, first, piece: Bytes::new(), times: 0, last: Bytes::new() }
    }

    /// A stream of events that ends with the connection.
    pub fn events(headers: &str, first: &str, piece: &str, times: usize, last: &str) -> Self {
        let head = format!("HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n{headers}connection: close\r\n\r\n");
        let text = |text: &str| Bytes::from(text.to_owned());
        Script { head, first: text(first), piece: text(piece), times, last: text(last) }
    }
}

#[derive(Debug)]
pub struct Upstream {
    pub url: String,
    script: watch::Sender<Arc<Script>>,
}

impl Upstream {
    pub async fn new(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (script, scripts) = watch::channel(Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, scripts.clone()));
            }
        });
        Upstream { url, script }
    }

    pub fn play(&self, script: Script) {
        self.script.send_replace(Arc::new(script));
    }
}

async fn serve(mut stream: TcpStream, scripts: watch::Receiver<Arc<Script>>) {
    let mut head = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let end = loop {
            if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => head.extend_from_slice(&chunk[..read]),
            }
        };
        let text = String::from_utf8_lossy(&head[..end]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        let mut rest = (end + length.unwrap_or(0)).saturating_sub(head.len());
        head.clear();
        while rest > 0 {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(read) => rest = rest.saturating_sub(read),
            }
        }
        let script = scripts.borrow().clone();
        let pieces = [Bytes::from(script.head.clone()), script.first.clone()];
        let many = std::iter::repeat_n(script.piece.clone(), script.times);
        for piece in pieces.into_iter().chain(many).chain([script.last.clone()]) {
            if stream.write_all(&piece).await.is_err() {
                return;
            }
        }
        if script.head.contains("connection: close") {
            stream.shutdown().await.ok();
            return;
        }
    }
}

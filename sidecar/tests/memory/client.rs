//! A client that writes its whole request before it reads, as most do. It cannot read a response if the connection is
//! reset.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Its first bytes, head included.
    pub text: String,
    pub length: usize,
}

/// Sends a request, and reads the response to its end. An error means that the connection ended before a response.
pub async fn ask(address: &str, path: &str, body: &[u8]) -> Result<Answer, String> {
    let asking = async {
        let mut stream = TcpStream::connect(address).await.map_err(|error| format!("not connected: {error}"))?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.map_err(|error| format!("head: {error}"))?;
        stream.write_all(body).await.map_err(|error| format!("body: {error}"))?;
        let mut text = Vec::new();
        let mut length = 0;
        let mut chunk = vec![0; 64 << 10];
        loop {
            let read = stream.read(&mut chunk).await.map_err(|error| format!("answer: {error}"))?;
            if read == 0 {
                break;
            }
            length += read;
            if text.len() < 4_096 {
                text.extend_from_slice(&chunk[..read.min(4_096)]);
            }
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(Answer { status: status.ok_or("no answer")?, text, length })
    };
    tokio::time::timeout(Duration::from_secs(120), asking).await.map_err(|_| "no answer in time".to_owned())?
}

//! A provider with next to no cost: OpenAI's chat completions on loopback, over HTTP/1.1.
//!
//! Whole answers have 1 kB. Streams send a chunk every millisecond. The text of each chunk is the time at which it was
//! sent, so that the reader can compute its delay.

use std::convert::Infallible;
use std::error::Error;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Request, Response, header};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

const HELP: &str = "upstream [--listen ADDRESS] [--chunks N] [--every MICROSECONDS]";

#[derive(Clone, Copy)]
struct ChunkPace {
    chunks: u32,
    every: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    use lexopt::prelude::*;
    let mut listen = "127.0.0.1:0".to_owned();
    let mut pace = ChunkPace { chunks: 50, every: Duration::from_millis(1) };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("listen") => listen = parser.value()?.parse()?,
            Long("chunks") => pace.chunks = parser.value()?.parse()?,
            Long("every") => pace.every = Duration::from_micros(parser.value()?.parse()?),
            _ => return Err(HELP.into()),
        }
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(&listen, pace))
}

async fn serve(listen: &str, pace: ChunkPace) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(listen).await?;
    // The program that started this waits for the line.
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, pace));
            // A client that disconnects ends only its own connection.
            let _ =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type StubBody = UnsyncBoxBody<Bytes, Infallible>;

async fn answer(request: Request<Incoming>, pace: ChunkPace) -> Result<Response<StubBody>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let (content_type, body) = match memchr::memmem::find(&body, b"\"stream\":true") {
        None => ("application/json", Full::new(whole()).boxed_unsync()),
        Some(_) => {
            let wants_usage = memchr::memmem::find(&body, b"\"include_usage\":true").is_some();
            ("text/event-stream", StreamBody::new(events(pace, wants_usage)).boxed_unsync())
        }
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert("x-request-id", HeaderValue::from_static("req_0123456789abcdef"));
    Ok(response)
}

/// An answer of 1 kB.
fn whole() -> Bytes {
    let text = "The tide comes in twice a day, and nobody has to ask. ".repeat(11);
    let answer = format!(
        "{{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"bench-1\",\
         \"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\",\"refusal\":null}},\
         \"logprobs\":null,\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":200,\"completion_tokens\":150,\
         \"total_tokens\":350,\"prompt_tokens_details\":{{\"cached_tokens\":0,\"audio_tokens\":0}}}},\
         \"system_fingerprint\":\"fp_bench\"}}"
    );
    answer.into()
}

/// The role, the chunks, the finish reason, the usage if it was requested, and `[DONE]`.
fn events(pace: ChunkPace, wants_usage: bool) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    stream::unfold(0, move |sent| async move {
        let event = match sent {
            0 => {
                chunk("[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]", "")
            }
            _ if sent <= pace.chunks => {
                if sent > 1 {
                    tokio::time::sleep(pace.every).await;
                }
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
                chunk(
                    &format!(
                        "[{{\"index\":0,\"delta\":{{\"content\":\"t{now} \"}},\"logprobs\":null,\"finish_reason\":null}}]"
                    ),
                    "",
                )
            }
            _ if sent == pace.chunks + 1 => {
                let mut end = chunk("[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]", "");
                if wants_usage {
                    let usage = ",\"usage\":{\"prompt_tokens\":200,\"completion_tokens\":50,\"total_tokens\":250}";
                    end.push_str(&chunk("[]", usage));
                }
                end.push_str("data: [DONE]\n\n");
                end
            }
            _ => return None,
        };
        Some((Ok(Frame::data(event.into())), sent + 1))
    })
}

fn chunk(choices: &str, more: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\
         \"model\":\"bench-1\",\"system_fingerprint\":\"fp_bench\",\"choices\":{choices}{more}}}\n\n"
    )
}

//! Reads what a gateway sends on its stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use outrigger_sync::{BEAT_SECONDS, FromGateway, LineError, LineReader};

use super::session::{StreamEnd, StreamHandle};

/// A gateway that is silent for this long is dead.
const SILENCE: Duration = Duration::from_secs(3 * BEAT_SECONDS);
/// A gateway's line is short; thousands of them may be read at the same time.
const LINE_MAX: usize = 256 << 10;

/// Reads until the stream ends, and ends it when the gateway's side does.
pub(super) async fn listen<B>(handle: Arc<StreamHandle>, body: B)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let gateway = handle.gateway();
    tracing::debug!(namespace = gateway.namespace, pod = gateway.pod, "a gateway has connected");
    let why = tokio::select! {
        why = handle.ended() => why,
        why = read(&handle, body) => why,
    };
    handle.end(why);
    tracing::debug!(namespace = gateway.namespace, pod = gateway.pod, ?why, "a gateway's stream has ended");
}

async fn read<B>(handle: &StreamHandle, mut body: B) -> StreamEnd
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let mut lines = LineReader::default();
    let mut unfinished = 0;
    loop {
        let frame = match tokio::time::timeout(SILENCE, body.frame()).await {
            Err(_) => return StreamEnd::Silent,
            Ok(None | Some(Err(_))) => return StreamEnd::Left,
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(bytes) = frame.into_data() else { continue };
        unfinished = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => bytes.len() - end - 1,
            None => unfinished + bytes.len(),
        };
        if let Err(error) = take(handle, &mut lines, &bytes, unfinished) {
            let gateway = handle.gateway();
            tracing::warn!(namespace = gateway.namespace, pod = gateway.pod, %error, "a gateway's stream is ended");
            return StreamEnd::Broken;
        }
    }
}

fn take(handle: &StreamHandle, lines: &mut LineReader, bytes: &[u8], unfinished: usize) -> Result<(), LineError> {
    if unfinished > LINE_MAX {
        return Err(LineError::TooLong);
    }
    lines.push(bytes)?;
    while let Some(message) = lines.from_gateway()? {
        handle_message(handle, message);
    }
    Ok(())
}

/// Passes each kind of message to its receiver.
fn handle_message(handle: &StreamHandle, message: FromGateway) {
    match message {
        FromGateway::Hello(hello) => handle.hello(hello),
        FromGateway::Outcome(outcome) => handle.outcome(outcome),
        FromGateway::Usage(report) => handle.usage(report),
        FromGateway::Permits(report) => handle.permits(report),
        FromGateway::UsageRows(report) => handle.usage_rows(report),
        FromGateway::Beat(_) => {}
        FromGateway::Unknown(_) => handle.hub().count_unknown(),
    }
}

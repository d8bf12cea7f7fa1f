//! Timeouts of streams, with a paused clock.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use outrigger_operator::runtime::response::AnswerBody;
use outrigger_operator::stream::{Hub, Streams, Verifier};
use outrigger_sync::{FromGateway, FromOperator, Hello, LineReader, NoFields};
use tokio::time::Instant;

use crate::world::{FakeCluster, FakePods, Signer, claims};

struct WaitingGateway {
    sender: http_body_util::channel::Sender<Bytes>,
    responses: AnswerBody,
    pods: Arc<FakePods>,
    hub: Arc<Hub>,
}

async fn open() -> WaitingGateway {
    let (cluster, pods, signer) = (Arc::new(FakeCluster::default()), Arc::new(FakePods::default()), Signer::new("one"));
    *cluster.keys.lock().unwrap() = Some(vec![signer.jwk.clone()]);
    pods.add("shop", "search-1", "uid-1", "search");
    let hub = Arc::new(Hub::default());
    hub.lead(true);
    let known = Arc::clone(&pods);
    let streams = Streams::new(Arc::clone(&hub), Verifier::new(cluster, known));
    let (sender, body) = Channel::<Bytes>::new(64);
    let token = signer.sign(&claims("shop", "search-1", "uid-1", "search"));
    let request = Request::post(outrigger_sync::PATH).header("authorization", format!("Bearer {token}"));
    let response = streams.answer(request.body(body).unwrap()).await;
    assert_eq!(response.status(), 200);
    WaitingGateway { sender, responses: response.into_body(), pods, hub }
}

impl WaitingGateway {
    async fn send(&mut self, message: &FromGateway) {
        self.sender.send_data(outrigger_sync::write(message).into()).await.unwrap();
    }

    /// The number of beats until the stream ends, and the time until then. Answers each beat if `answer` is set.
    async fn beats(&mut self, answer: bool) -> (usize, Duration) {
        let (began, mut beats) = (Instant::now(), 0);
        while let Some(frame) = self.responses.frame().await {
            let mut lines = LineReader::default();
            lines.push(&frame.unwrap().into_data().unwrap()).unwrap();
            assert_eq!(lines.from_operator().unwrap(), Some(FromOperator::Beat(NoFields {})));
            beats += 1;
            assert!(beats < 1_000);
            if answer {
                self.send(&FromGateway::Beat(NoFields {})).await;
            }
            if beats == 100 {
                self.pods.remove("uid-1");
            }
        }
        (beats, began.elapsed())
    }
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_a_silent_gateway_ends_after_three_beats() {
    let mut open = open().await;
    open.send(&FromGateway::Hello(Hello::default())).await;
    let (beats, after) = open.beats(false).await;
    assert!((2..=3).contains(&beats), "{beats}");
    assert_eq!(after.as_secs(), 45);
    drop(open.responses);
    assert_eq!(open.hub.connected(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_a_live_gateway_ends_with_its_pod() {
    let mut open = open().await;
    open.send(&FromGateway::Hello(Hello::default())).await;
    let (beats, after) = open.beats(true).await;
    // The pod is deleted at the hundredth beat. The cache may miss a pod for a moment.
    assert_eq!((beats, after.as_secs()), (102, 103 * 15));
}

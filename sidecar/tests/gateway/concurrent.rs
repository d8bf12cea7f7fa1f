//! Gateways that share a limit on concurrent requests, with the operator's own leader behind their streams.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use outrigger_ledger::permits::{PermitLeader, PermitOutput};
use outrigger_policy::Document;
use outrigger_sync::{FromGateway, FromOperator};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::limits::{priced, short};
use crate::operator::{Authority, Operator, OperatorSender, Pod, Sidecar, policy, soon};
use crate::policies::Running;

const LIMIT: &str = "VirtualKey default/app";

/// An upstream that takes a while for each answer, and counts its concurrent requests.
#[derive(Clone, Default)]
struct Counting {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Counting {
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let counting = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counting = counting.clone();
                let service = service_fn(move |_| {
                    let counting = counting.clone();
                    async move { Ok::<_, Infallible>(counting.answer().await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        url
    }

    async fn answer(&self) -> http::Response<Full<Bytes>> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        // The interval of reports.
        tokio::time::sleep(Duration::from_millis(15)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        let answer = json!({
            "id": "x", "object": "chat.completion", "model": "m", "created": 0,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        });
        let response = http::Response::builder().header("content-type", "application/json");
        response.body(Full::from(answer.to_string())).unwrap()
    }
}

/// The leader, and the streams of the gateways.
struct PermitServer {
    operator: Operator,
    document: Document,
    leader: PermitLeader,
    begun: Instant,
    most: u64,
    gateways: HashMap<String, OperatorSender>,
    /// The pods that exist, whether connected or not.
    pods: BTreeSet<String>,
    received_sender: UnboundedSender<(String, FromGateway)>,
    received: UnboundedReceiver<(String, FromGateway)>,
    orders: UnboundedReceiver<Order>,
}

enum Order {
    FailOver,
    Gone(String),
    /// The operator stops.
    Leave,
}

impl PermitServer {
    fn now(&self) -> i64 {
        self.begun.elapsed().as_millis() as i64
    }

    fn lead(&mut self) {
        // Streams end with the leader.
        self.gateways.clear();
        self.leader = PermitLeader::new(self.now());
        let out = self.leader.adopt([(LIMIT.to_owned(), self.most)]);
        self.send(out);
    }

    fn send(&mut self, outputs: Vec<PermitOutput>) {
        for output in outputs {
            match output {
                PermitOutput::Grants { pod, grants } => {
                    if let Some(gateway) = self.gateways.get(&pod) {
                        gateway.send(&FromOperator::Permits(grants));
                    }
                }
                PermitOutput::Finding(finding) => panic!("no false reports: {finding:?}"),
            }
        }
    }

    async fn serve(mut self) {
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut listening = JoinSet::new();
        self.lead();
        loop {
            tokio::select! {
                Some((pod, message)) = self.received.recv() => {
                    if let FromGateway::Permits(report) = message {
                        let now = self.now();
                        let out = self.leader.report(&pod, |name| name == LIMIT, report, now);
                        self.send(out);
                    }
                }
                Some(order) = self.orders.recv() => match order {
                    Order::FailOver => self.lead(),
                    Order::Gone(pod) => {
                        self.gateways.remove(&pod);
                        self.pods.remove(&pod);
                        let out = self.leader.gone(&pod);
                        self.send(out);
                    }
                    Order::Leave => return,
                },
                _ = ticks.tick() => {
                    while let Some(stream) = self.operator.try_stream() {
                        // Each pod has a token of its own.
                        let (pod, received_sender) = (stream.token.replace("Bearer ", ""), self.received_sender.clone());
                        let (sender, mut listener) = stream.split();
                        sender.send(&policy(&self.document, &[("first-main", "sk-1")]));
                        self.pods.insert(pod.clone());
                        self.gateways.insert(pod.clone(), sender);
                        listening.spawn(async move {
                            while let Some(message) = listener.recv().await {
                                received_sender.send((pod.clone(), message)).ok();
                            }
                        });
                    }
                    // Like a real leader, it waits for all existing pods: one that is not connected may have permits.
                    let now = self.now();
                    let out = self.leader.tick(now, self.pods.iter().map(String::as_str));
                    self.send(out);
                }
            }
        }
    }
}

struct Fleet {
    authority: String,
    url: String,
    orders: UnboundedSender<Order>,
    pods: usize,
    upstream: Counting,
    _serving: JoinSet<()>,
}

impl Fleet {
    async fn new(most: u32) -> Fleet {
        let (authority, upstream) = (Authority::new(), Counting::default());
        let operator = Operator::new(&authority).await;
        let url = operator.url();
        let mut document = priced(&[("first", &upstream.serve().await)]).shared();
        document.keys[0].limits.concurrent_requests = Some(most);
        let ((received_sender, received), (orders, ordered)) = (unbounded_channel(), unbounded_channel());
        let server = PermitServer {
            operator,
            document,
            leader: PermitLeader::new(0),
            begun: Instant::now(),
            most: most.into(),
            gateways: HashMap::new(),
            pods: BTreeSet::new(),
            received_sender,
            received,
            orders: ordered,
        };
        let mut serving = JoinSet::new();
        serving.spawn(server.serve());
        Fleet { authority: authority.pem, url, orders, pods: 0, upstream, _serving: serving }
    }

    /// A new pod, which has its policy.
    async fn pod(&mut self) -> (Pod, Sidecar) {
        self.pods += 1;
        let pod = Pod::new(&self.authority);
        pod.write("token", &format!("pod-{}\n", self.pods));
        let sidecar = pod.start(&self.url).await;
        soon("a policy", async {
            while sidecar.ready().await["ready"] != true {
                tokio::task::yield_now().await;
            }
        })
        .await;
        (pod, sidecar)
    }

    fn most(&self) -> usize {
        self.upstream.most.load(Ordering::SeqCst)
    }
}

/// Sends requests until this many were answered. Returns how many were refused.
async fn send_until_answered(gateway: &Running, answered: usize) -> usize {
    let mut refused = 0;
    for _ in 0..answered {
        loop {
            let got = gateway.post("/v1/chat/completions", &short("m")).await;
            if got.status == 200 {
                break;
            }
            let told = (got.status, got.json()["error"]["type"].as_str().unwrap_or_default().to_owned());
            let (reached, away) = ((429, "concurrency_limited".to_owned()), (503, "budget_unavailable".to_owned()));
            assert!(told == reached || told == away, "{}", got.text);
            assert_eq!(got.header("retry-after"), Some(if told == reached { "1" } else { "5" }));
            refused += 1;
            assert!(refused < 5_000, "it is never served");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    refused
}

async fn level(gateway: &Running) -> serde_json::Value {
    gateway.admin("/policy").await["concurrency"][0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_run_at_all_gateways_than_allowed_and_each_gets_its_turn() {
    let mut fleet = Fleet::new(3).await;
    let pods = [fleet.pod().await, fleet.pod().await, fleet.pod().await];
    let [a, b, c] = pods.each_ref().map(|(_, sidecar)| &sidecar.running);
    tokio::join!(
        send_until_answered(a, 30),
        send_until_answered(a, 30),
        send_until_answered(b, 30),
        send_until_answered(b, 30),
        send_until_answered(c, 30),
        send_until_answered(c, 30)
    );
    assert_eq!(fleet.most(), 3, "as many as may, and no more");
    // A gateway that is alone gets all permits. The others keep theirs for a moment, for the callers that they refused.
    soon("all permits at one gateway", async {
        while level(b).await["granted"] != 3 {
            tokio::join!(
                send_until_answered(b, 5),
                send_until_answered(b, 5),
                send_until_answered(b, 5),
                send_until_answered(b, 5)
            );
        }
    })
    .await;
    assert_eq!(fleet.most(), 3);
    let level = level(b).await;
    assert_eq!((&level["name"], &level["limit"]), (&json!(LIMIT), &json!(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_one_rotates_between_gateways_and_across_leaders() {
    let mut fleet = Fleet::new(1).await;
    let (a, b) = (fleet.pod().await, fleet.pod().await);
    let [a, b] = [&a.1, &b.1].map(|sidecar| &sidecar.running);
    let busy = async {
        // A new leader after every five answers, while another gateway sends requests too.
        for _ in 0..3 {
            send_until_answered(a, 5).await;
            fleet.orders.send(Order::FailOver).unwrap();
        }
        send_until_answered(a, 5).await;
    };
    tokio::join!(busy, send_until_answered(b, 20));
    assert_eq!(fleet.most(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_operator_a_gateway_keeps_its_permits_and_others_do_not_wait() {
    let mut fleet = Fleet::new(2).await;
    let (a, b) = (fleet.pod().await, fleet.pod().await);
    let [a, b] = [&a.1, &b.1].map(|sidecar| &sidecar.running);
    send_until_answered(a, 2).await;
    soon("a second permit for the next request", async {
        while level(a).await["granted"] != 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    fleet.orders.send(Order::Leave).unwrap();
    soon("the end of the stream", async {
        while b.admin("/policy").await["status"]["operator"]["connected"] != false {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(send_until_answered(a, 10).await, 0, "what it has is its own");
    let began = Instant::now();
    let got = b.post("/v1/chat/completions", &short("m")).await;
    assert_eq!((got.status, got.json()["error"]["type"].as_str()), (503, Some("budget_unavailable")), "{}", got.text);
    assert!(got.text.contains("may have 0 requests under way"), "{}", got.text);
    assert_eq!((got.header("retry-after"), got.header("x-should-retry")), (Some("5"), None));
    assert!(began.elapsed() < Duration::from_secs(1), "no leader could answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pods_permits_are_free_after_its_final_report_or_its_end() {
    let mut fleet = Fleet::new(1).await;
    let (mut first, second, third) = (fleet.pod().await, fleet.pod().await, fleet.pod().await);
    send_until_answered(&first.1.running, 1).await;
    soon("its end", first.1.running.stop()).await.unwrap().unwrap();
    send_until_answered(&second.1.running, 1).await;
    second.1.kill().await;
    fleet.orders.send(Order::Gone("pod-2".to_owned())).unwrap();
    send_until_answered(&third.1.running, 1).await;
    assert_eq!(fleet.most(), 1);
}

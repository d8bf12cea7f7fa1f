//! Gateways' reports for the usage history, in a real PostgreSQL.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outrigger_operator::ledger::history::report::{ReportFormat, UsageDimension, UsageQuery, usage_report};
use outrigger_operator::ledger::history::{PodWorkloads, UsageRecorder};
use outrigger_operator::ledger::limits::PlannedLimits;
use outrigger_operator::metrics::OperatorMetrics;
use outrigger_policy::{Document, KeyDoc};
use outrigger_sync::{FromGateway, FromOperator, UsageKept, UsageRow, UsageRowsReport, UsageSums};
use tokio::task::JoinHandle;

use crate::client::{GatewayStream, SOON};
use crate::postgres_server::PostgresServer;
use crate::world::{StreamWorld, binding};

/// A replica that keeps a history.
struct HistoryWorld {
    world: StreamWorld,
    folder: PathBuf,
    metrics: Arc<OperatorMetrics>,
    recorder: JoinHandle<()>,
}

#[derive(Debug)]
struct Workloads;

impl PodWorkloads for Workloads {
    fn workload(&self, _: &str, pod: &str, _: &str) -> Option<String> {
        (pod != "unknown").then(|| "Deployment/search".to_owned())
    }
}

impl HistoryWorld {
    async fn new(server: &PostgresServer) -> Self {
        let (world, folder) = (StreamWorld::new().await, server.secret(""));
        let (limits, metrics) = (Arc::new(PlannedLimits::default()), Arc::new(OperatorMetrics::new().unwrap()));
        let key = KeyDoc {
            namespace: "shop".to_owned(),
            name: "search".to_owned(),
            team: Some("finders".to_owned()),
            ..KeyDoc::default()
        };
        let document = Document { keys: vec![key], ..Document::default() };
        limits.planned("shop", 1, [(&binding(), &document)].into_iter(), &BTreeSet::new());
        let recorder = UsageRecorder::new(
            folder.clone(),
            400,
            limits,
            Arc::new(Workloads),
            Arc::clone(&world.hub),
            Arc::clone(&metrics),
        );
        let recorder = recorder.folding_every(Duration::from_millis(200));
        let recorder = tokio::spawn(async move { recorder.run().await });
        HistoryWorld { world, folder, metrics, recorder }
    }

    async fn gateway(&self, pod: &'static str) -> GatewayStream {
        let mut stream = GatewayStream::new(&self.world, &self.world.pod(pod, "default")).await;
        assert!(matches!(stream.next().await, Some(FromOperator::CollectUsage(_))), "the first word");
        stream
    }

    /// Requests and money by the given dimensions.
    async fn sums(&self, by: &[UsageDimension]) -> Vec<String> {
        let query = UsageQuery {
            from: jiff::Timestamp::UNIX_EPOCH,
            to: jiff::Timestamp::MAX,
            by: by.to_vec(),
            format: ReportFormat::Csv,
        };
        let text = usage_report(&self.folder, &query).await.unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    }
}

fn hour() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap() / 3_600
}

fn row(hour: u64, model: &str, requests: u64) -> UsageRow {
    UsageRow {
        hour,
        namespace: "shop".to_owned(),
        key: "search".to_owned(),
        provider: "openai".to_owned(),
        model: model.to_owned(),
        sums: UsageSums {
            requests,
            errors: 1,
            input_tokens: 10 * requests,
            cached_tokens: requests,
            output_tokens: 2 * requests,
            cost_nanos: 1_500_000_000 * requests,
        },
    }
}

/// Of a gateway whose rows may still change.
fn report(number: u64, rows: Vec<UsageRow>) -> UsageRowsReport {
    UsageRowsReport { epoch: 1_700_000_000_000, number, complete_before: 0, rows, last: false }
}

/// Sends it until it is durable. Returns how often it was sent.
async fn keep(stream: &mut GatewayStream, report: UsageRowsReport) -> u64 {
    let number = report.number;
    let keeping = async {
        for sent in 1.. {
            stream.send(&FromGateway::UsageRows(report.clone())).await;
            let answered = async {
                loop {
                    match stream.next().await {
                        Some(FromOperator::UsageKept(UsageKept { number: kept, .. })) if kept == number => return,
                        Some(_) => {}
                        None => panic!("the stream has ended"),
                    }
                }
            };
            if tokio::time::timeout(Duration::from_secs(2), answered).await.is_ok() {
                return sent;
            }
        }
        unreachable!("it is sent until it is kept")
    };
    tokio::time::timeout(SOON, keeping).await.expect("word that it is kept")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_counts_once_despite_repeats_delays_and_sums() {
    let server = PostgresServer::start();
    let first = HistoryWorld::new(&server).await;
    let mut gateway = first.gateway("a").await;
    let old = hour() - 5;
    keep(&mut gateway, report(1, vec![row(old, "small", 3), row(old, "large", 1)])).await;
    keep(&mut gateway, report(2, vec![row(old, "small", 5)])).await;
    keep(&mut gateway, report(1, vec![row(old, "small", 3), row(old, "large", 1)])).await;
    keep(&mut gateway, UsageRowsReport { complete_before: hour(), ..report(3, Vec::new()) }).await;
    // Summing up changes nothing visible.
    let dimensions = [UsageDimension::Team, UsageDimension::Workload, UsageDimension::Model];
    let expected =
        ["finders,shop/Deployment/search,small,5,1,50,5,10,7.5", "finders,shop/Deployment/search,large,1,1,10,1,2,1.5"];
    let folded = async {
        loop {
            assert_eq!(first.sums(&dimensions).await, expected);
            if count(&server, "outrigger_usage_recent").await == 0 {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, folded).await.expect("rows that are complete are summed up");
    assert_eq!(count(&server, "outrigger_usage_hour").await, 2);
    // The next leader gets it again, late, and from another process of the same pod.
    first.recorder.abort();
    let second = HistoryWorld::new(&server).await;
    let mut gateway = second.gateway("a").await;
    keep(&mut gateway, report(4, vec![row(old, "small", 5)])).await;
    assert_eq!(second.sums(&dimensions).await, expected);
    let other = UsageRowsReport { epoch: 1_700_000_000_001, last: true, ..report(1, vec![row(hour(), "small", 2)]) };
    keep(&mut gateway, other.clone()).await;
    let folded = async { while count(&server, "outrigger_usage_recent").await > 0 {} };
    tokio::time::timeout(SOON, folded).await.expect("a process that has ended is summed up");
    keep(&mut gateway, other).await;
    assert_eq!(second.sums(&[UsageDimension::Key]).await, ["shop/search,8,3,80,8,16,12"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_other_keys_are_refused_and_the_rest_is_kept() {
    let server = PostgresServer::start();
    let world = HistoryWorld::new(&server).await;
    let mut gateway = world.gateway("unknown").await;
    let others = UsageRow { key: "others".to_owned(), ..row(hour(), "small", 100) };
    let late = row(hour() - 2_000, "small", 100);
    // The same row twice in one report is not an error.
    let rows = vec![others, late, row(hour(), "small", 1), row(hour(), "small", 2)];
    let sent = keep(&mut gateway, report(1, rows)).await;
    let sums = world.sums(&[UsageDimension::Workload]).await;
    assert_eq!(sums, ["shop/Pod/unknown,2,1,20,2,4,3"]);
    let text = String::from_utf8(world.metrics.text()).unwrap();
    let refused = text.lines().find_map(|line| line.strip_prefix("outrigger_operator_usage_rows_refused_total "));
    // Two of each report. With a slow database the gateway sends it again, and the last ones may not have been read
    // yet.
    let refused: u64 = refused.unwrap().parse().unwrap();
    assert!(refused.is_multiple_of(2) && (2..=2 * sent).contains(&refused), "{refused} of {sent} reports");
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed_rows_outlive_the_server() {
    let mut server = PostgresServer::start();
    let world = HistoryWorld::new(&server).await;
    let mut gateway = world.gateway("a").await;
    keep(&mut gateway, report(1, vec![row(hour(), "small", 1)])).await;
    server.kill();
    gateway.send(&FromGateway::UsageRows(report(2, vec![row(hour(), "small", 2)]))).await;
    let failed = async {
        while !String::from_utf8(world.metrics.text()).unwrap().contains("outrigger_operator_usage_history_fault{") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, failed).await.expect("a fault is named");
    server.resume();
    keep(&mut gateway, report(3, vec![row(hour(), "small", 4)])).await;
    assert_eq!(world.sums(&[UsageDimension::Provider]).await, ["openai,4,1,40,4,8,6"]);
}

async fn count(server: &PostgresServer, table: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(&server.url(""), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
}

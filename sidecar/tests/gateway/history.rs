//! The usage of requests, for an operator that keeps a usage history.

use outrigger_sync::{FromGateway, FromOperator, NoFields, UsageKept, UsageRow, UsageRowsReport};

use crate::fake::{Fake, answer, json};
use crate::limits::{priced, short};
use crate::operator::{Authority, Operator, Pod, Stream, in_force, soon};

/// The next report of rows.
async fn rows(stream: &mut Stream) -> UsageRowsReport {
    loop {
        match stream.message().await {
            FromGateway::UsageRows(report) => return report,
            FromGateway::Beat(_) | FromGateway::Outcome(_) | FromGateway::Usage(_) => {}
            other => panic!("no rows: {other:?}"),
        }
    }
}

fn keep(stream: &Stream, report: &UsageRowsReport) {
    stream.write(&FromOperator::UsageKept(UsageKept { epoch: report.epoch, number: report.number }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_by_the_hour_and_the_final_report_waits_until_it_is_stored() {
    let refused = json(400, r#"{"error":{"type":"invalid_request_error","message":"no"}}"#);
    let upstream = Fake::new(vec![answer("one"), refused, answer("two")]).await;
    let authority = Authority::new();
    let (mut operator, pod) = (Operator::new(&authority).await, Pod::new(&authority.pem));
    let mut sidecar = pod.start(&operator.url()).await;
    let (mut stream, _) = operator.stream().await;
    let credentials = [("first-main", "sk-1")];
    in_force(1, &stream.push(&priced(&[("first", &upstream.url)]), &credentials).await);
    // The operator has not requested it yet.
    assert_eq!(sidecar.running.post("/v1/chat/completions", &short("m")).await.status, 200);
    stream.write(&FromOperator::CollectUsage(NoFields {}));
    // The next messages are read after it.
    let mut next = priced(&[("first", &upstream.url)]);
    next.sequence = 2;
    in_force(2, &stream.push(&next, &credentials).await);
    assert_eq!(sidecar.running.post("/v1/chat/completions", &short("m")).await.status, 400);
    assert_eq!(sidecar.running.post("/v1/chat/completions", &short("m")).await.status, 200);
    let stopping = async {
        let report = loop {
            let report = rows(&mut stream).await;
            let requests: u64 = report.rows.iter().map(|row| row.sums.requests).sum();
            // It is not answered, so it is sent again.
            if requests == 2 && report.last {
                break report;
            }
        };
        keep(&stream, &report);
        report
    };
    let (report, ended) = tokio::join!(stopping, soon("its end", sidecar.running.stop()));
    ended.unwrap().unwrap();
    let of = |row: &UsageRow| (row.key.clone(), row.provider.clone(), row.model.clone());
    // The hour may turn in between.
    assert!(
        report.rows.iter().all(|row| of(row) == ("app".to_owned(), "first".to_owned(), "m".to_owned())),
        "{report:?}"
    );
    let sum = |field: fn(&UsageRow) -> u64| report.rows.iter().map(field).sum::<u64>();
    assert_eq!((sum(|row| row.sums.requests), sum(|row| row.sums.errors)), (2, 1));
    assert_eq!(sum(|row| row.sums.cost_nanos), 23_000_000, "as an answer of the fake costs");
    assert!(sum(|row| row.sums.input_tokens) > 0 && sum(|row| row.sums.output_tokens) > 0);
}

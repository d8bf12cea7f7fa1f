//! Runs an open stream.

use outrigger_sync::{FromGateway, FromOperator, LineReader, NoFields, PolicyOutcome};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout_at};

use super::concurrency::PermitReports;
use super::opening::OpenStream;
use super::report::ReportSender;
use super::trust::Authorities;
use super::usage::UsageReports;
use super::{OperatorStream, StreamEnded};
use crate::config::source::PolicySources;

/// Receives messages until the stream ends, and reports the outcome of each policy, whatever its source.
pub(super) async fn run(
    open: OpenStream,
    operator: &OperatorStream,
    sources: &PolicySources,
    mut mounted: watch::Receiver<()>,
    received: &mut bool,
) -> StreamEnded {
    let OpenStream { reports, received: mut incoming, _tasks } = open;
    let pace = operator.pace;
    let mut beats = interval_at(Instant::now() + pace.beat, pace.beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut usage = UsageReports::begin(&sources.gateway().accounts);
    let mut permits = PermitReports::begin(&sources.gateway().permits);
    let history = &sources.gateway().history;
    history.connected();
    let mut lines = LineReader::default();
    let mut last_received = Instant::now();
    loop {
        let result = tokio::select! {
            bytes = timeout_at(last_received + pace.silence, incoming.next()) => {
                let bytes = match bytes {
                    Err(_) => return StreamEnded::Silent { seconds: pace.silence.as_secs() },
                    Ok(None) => return StreamEnded::Closed,
                    Ok(Some(Err(error))) => return StreamEnded::Broken(error),
                    Ok(Some(Ok(bytes))) => bytes,
                };
                last_received = Instant::now();
                handle_messages(&mut lines, &bytes, sources, received, |outcome| report_outcome(&reports, outcome, operator))
            }
            Ok(()) = mounted.changed() => report_outcome(&reports, sources.outcome(), operator),
            () = usage.due() => usage.send(&reports),
            () = permits.due() => permits.send(&reports),
            () = history.due() => history.report().map_or(Ok(()), |report| reports.send(&FromGateway::UsageRows(report))),
            _ = beats.tick() => reports.send(&FromGateway::Beat(NoFields {})),
        };
        if let Err(ended) = result {
            return ended;
        }
    }
}

/// Dispatches the messages in these bytes.
fn handle_messages(
    lines: &mut LineReader,
    bytes: &[u8],
    sources: &PolicySources,
    received: &mut bool,
    report: impl Fn(Option<PolicyOutcome>) -> Result<(), StreamEnded>,
) -> Result<(), StreamEnded> {
    lines.push(bytes)?;
    while let Some(message) = lines.from_operator()? {
        *received = true;
        match message {
            FromOperator::Policy(policy) => report(sources.apply_streamed(*policy))?,
            FromOperator::Unreadable(rejection) => report(sources.reject_streamed(rejection))?,
            FromOperator::Grants(grants) => sources.gateway().granted(&grants),
            FromOperator::Permits(grants) => sources.gateway().permits.granted(&grants),
            FromOperator::CollectUsage(_) => sources.gateway().history.asked(),
            FromOperator::UsageKept(kept) => sources.gateway().history.keep(kept),
            // It would have sent another report first.
            FromOperator::Beat(_) => sources.gateway().history.not_asked(),
            FromOperator::Unknown(_) => {}
        }
    }
    Ok(())
}

/// Reports an outcome, with the authorities that are mounted now: the next connection trusts these.
fn report_outcome(
    reports: &ReportSender,
    outcome: Option<PolicyOutcome>,
    operator: &OperatorStream,
) -> Result<(), StreamEnded> {
    let Some(outcome) = outcome else { return Ok(()) };
    let authorities = Authorities::read(&operator.authorities, operator.trust.as_ref());
    let authorities = authorities.map(|found| found.fingerprints()).unwrap_or_default();
    reports.send(&FromGateway::Outcome(PolicyOutcome { authorities, ..outcome }))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use bytes::Bytes;
    use http::{HeaderValue, Request, Response};
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};
    use hyper::body::Incoming;
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use outrigger_core::Window;
    use outrigger_ledger::protocol::{
        AccountGrant, AccountKey, DurableUsage, FleetAccount, Grants, LimitKey, Term, UsageReport,
    };
    use outrigger_policy::{Document, KeyDoc, LimitDoc, LimitsDoc};
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    use super::*;
    use crate::config::stream::dial::hello;
    use crate::config::stream::opening::StreamRequest;
    use crate::config::stream::{OperatorStream, ReconnectPace};
    use crate::gateway::{Gateway, Settings};
    use crate::runtime::accounts::NotHeld;
    use crate::runtime::secret::Secrets;
    use crate::telemetry::records::Lines as Written;

    /// An operator at the other end of a pipe, with its received messages and a sender. The clock advances only when
    /// all tasks wait.
    async fn piped(operator: &OperatorStream) -> (OpenStream, UnboundedReceiver<FromGateway>, UnboundedSender<Bytes>) {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let ((receives, received), (sender, mut output)) = (unbounded_channel(), unbounded_channel());
        tokio::spawn(async move {
            let parts = futures_util::stream::poll_fn(move |cx| output.poll_recv(cx));
            let frames = futures_util::StreamExt::map(parts, |bytes| Ok::<_, Infallible>(Frame::data(bytes)));
            let body = std::sync::Mutex::new(Some(StreamBody::new(frames)));
            let service = service_fn(move |request: Request<Incoming>| {
                let (body, receives) = (body.lock().unwrap().take().unwrap(), receives.clone());
                tokio::spawn(async move {
                    let (mut lines, mut body) = (LineReader::default(), request.into_body());
                    while let Some(Ok(frame)) = body.frame().await {
                        lines.push(frame.data_ref().unwrap()).unwrap();
                        while let Some(message) = lines.from_gateway().unwrap() {
                            receives.send(message).unwrap();
                        }
                    }
                });
                async move { Ok::<_, Infallible>(Response::new(body)) }
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.serve_connection(TokioIo::new(theirs), service).await.ok();
        });
        let token = HeaderValue::from_static("Bearer x");
        let hello = hello(Default::default(), Vec::new());
        let opening = StreamRequest { target: &operator.target, token, address: "there", hello };
        let opened = opening.http2(ours).await.unwrap();
        (opened, received, sender)
    }

    fn operator_and_sources() -> (OperatorStream, PolicySources) {
        let operator =
            OperatorStream::new("https://there", "token".into(), "ca.crt".into(), ReconnectPace::default()).unwrap();
        let gateway = Gateway::new(Settings { lines: Written::Off, ..Settings::default() }).unwrap();
        (operator, PolicySources::new(gateway, None))
    }

    #[tokio::test(start_paused = true)]
    async fn beats_keep_a_stream_open_and_silence_ends_it() {
        let (operator, sources) = operator_and_sources();
        let (opened, mut received, sender) = piped(&operator).await;
        let begun = Instant::now();
        let beating = tokio::spawn(async move {
            for _ in 0..10 {
                tokio::time::sleep(ReconnectPace::default().beat).await;
                sender.send(outrigger_sync::write(&FromOperator::Beat(NoFields {})).into()).unwrap();
            }
            // The stream stays open, but silent.
            sender
        });
        let mut any_received = false;
        let ended = run(opened, &operator, &sources, sources.mounted(), &mut any_received).await;
        assert!(any_received && matches!(ended, StreamEnded::Silent { seconds: 45 }), "{ended:?}");
        assert_eq!(begun.elapsed().as_secs(), 10 * 15 + 45);
        let mut beats = 0;
        assert!(matches!(received.recv().await, Some(FromGateway::Hello(_))));
        while let Some(message) = received.recv().await {
            assert!(matches!(message, FromGateway::Beat(_)), "{message:?}");
            beats += 1;
        }
        assert!((12..=13).contains(&beats), "{beats} beats in 195 s");
        drop(beating.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_on_which_the_operator_sends_nothing_ends() {
        let (operator, sources) = operator_and_sources();
        let (opened, _received, _sender) = piped(&operator).await;
        let mut any_received = false;
        let ended = run(opened, &operator, &sources, sources.mounted(), &mut any_received).await;
        assert!(!any_received && matches!(ended, StreamEnded::Silent { .. }), "{ended:?}");
        assert_eq!(Arc::strong_count(sources.gateway()), 1, "nothing of it is left running");
    }

    /// A key with a shared budget.
    fn shared() -> Document {
        let limit = LimitDoc { name: "all".to_owned(), max: 1_000, window: Window::Lifetime };
        let limits = LimitsDoc { budgets: vec![limit], ..LimitsDoc::default() };
        let key = KeyDoc { namespace: "a".to_owned(), name: "b".to_owned(), limits, ..KeyDoc::default() };
        Document { sequence: 1, keys: vec![key], ..Document::default() }.shared()
    }

    /// The next report, and the time until it arrived, in milliseconds.
    async fn next_report(received: &mut UnboundedReceiver<FromGateway>) -> (UsageReport, u128) {
        let begun = Instant::now();
        loop {
            match received.recv().await.unwrap() {
                FromGateway::Usage(report) => return (report, begun.elapsed().as_millis()),
                FromGateway::Hello(_) | FromGateway::Beat(_) | FromGateway::Permits(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn usage_reports_come_sooner_if_more_has_changed() {
        let (operator, sources) = operator_and_sources();
        sources.gateway().install(shared(), &Secrets::new()).unwrap();
        let (accounts, served) = (Arc::clone(&sources.gateway().accounts), sources.gateway().served().unwrap());
        let limit = served.limits.first().unwrap().number().unwrap();
        let (opened, mut received, sender) = piped(&operator).await;
        let session = async {
            let mounted = sources.mounted();
            run(opened, &operator, &sources, mounted, &mut false).await
        };
        let grants = async {
            let grant = |report: &UsageReport, accounts: Vec<AccountGrant>| {
                let (epoch, answers) = (report.epoch, report.number);
                let grants = Grants { epoch, term: Term(1), answers, accounts, ..Grants::default() };
                sender.send(outrigger_sync::write(&FromOperator::Grants(grants)).into()).unwrap();
            };
            let id = LimitKey::new("VirtualKey a/b: spec.limits.budgets[all]", "usd");
            let granted = |granted, durable| AccountGrant {
                account: AccountKey { limit: id.clone(), start: 0 },
                end: None,
                valid_for_ms: None,
                begins_in_ms: 0,
                granted,
                durable,
                over: false,
                recall: false,
                short: None,
                fleet: FleetAccount { limit: 1_000, ..FleetAccount::default() },
            };
            let (first, at) = next_report(&mut received).await;
            assert_eq!((first.term, first.whole, at), (Term(0), true, 0), "the first report asks for the leader");
            grant(&first, Vec::new());
            let (second, at) = next_report(&mut received).await;
            assert_eq!((second.term, second.whole, at), (Term(1), true, 0), "a new leader gets a full report");
            grant(&second, vec![granted(900, DurableUsage::default())]);
            let (third, at) = next_report(&mut received).await;
            assert!((4_000..=6_100).contains(&at), "the gateway confirms what was granted: {at} ms");
            grant(&third, vec![granted(900, DurableUsage::default())]);
            let (idle, at) = next_report(&mut received).await;
            assert!((24_000..=36_100).contains(&at), "nothing has changed: {at} ms");
            grant(&idle, vec![granted(900, DurableUsage::default())]);
            // A part of the grant: some is left.
            accounts.hold(0, &[(limit, 10)]).unwrap().settle(&[(limit, 10)]);
            let (fourth, at) = next_report(&mut received).await;
            assert!((4_000..=6_100).contains(&at), "something has changed: {at} ms");
            assert_eq!((fourth.whole, fourth.accounts[0].spent), (false, 10));
            grant(&fourth, vec![granted(900, DurableUsage { spent: 10, returned: 0 })]);
            let (_, at) = next_report(&mut received).await;
            assert!((24_000..=36_100).contains(&at), "nothing has changed again: {at} ms");
            assert!(matches!(accounts.hold(0, &[(limit, 950)]), Err(NotHeld::Refused(_))));
            let (wants, at) = next_report(&mut received).await;
            assert_eq!((wants.accounts[0].least, at), (60, 0), "a request waits");
        };
        tokio::select! {
            ended = session => panic!("{ended:?}"),
            () = grants => {}
        }
    }
}

//! Runs many gateways' streams in one process: the load of an operator, without the pods.
//!
//! Each line of `--tokens` is the token of a gateway. Every stream sends hello, takes each policy and reports it as in
//! force. For each policy, one line of JSON goes to standard output: `{"at":<ns since 1970>,"stream":3,"sequence":42}`.
//! When all streams are connected and have a policy: `{"ready":1000}`. The program ends when standard input ends.
//!
//! With `--limit NAME`, each gateway also spends of this shared limit of money, and reports every five seconds. A line
//! on standard input then asks for what all of them saw: `{"reports":200,"spent":1000000,"refused":0,"waits":[812]}`. The
//! waits are microseconds from a report that asks for money to its answer, since the last such line.

mod spending;

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use outrigger_ledger::protocol::UsageReport;
use outrigger_sync::{FromGateway, FromOperator, Hello, LineReader, NoFields, PATH, PROTOCOL, PolicyOutcome, write};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use spending::{Spender, Spending};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;

/// What is read at once.
const READ: usize = 4 << 10;

type Problem = Box<dyn std::error::Error + Send + Sync>;

struct Arguments {
    operator: SocketAddr,
    name: ServerName<'static>,
    authorities: String,
    tokens: String,
    limit: Option<String>,
}

struct Fleet {
    spending: Option<Spending>,
    operator: SocketAddr,
    name: ServerName<'static>,
    tls: TlsConnector,
    served: AtomicUsize,
    size: usize,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments, Problem> {
    use lexopt::prelude::*;
    let (mut operator, mut name, mut authorities, mut tokens, mut limit) = (None, None, None, None, None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("operator") => operator = Some(parser.value()?.parse()?),
            Long("name") => name = Some(ServerName::try_from(parser.value()?.string()?)?),
            Long("authorities") => authorities = Some(parser.value()?.string()?),
            Long("tokens") => tokens = Some(parser.value()?.string()?),
            Long("limit") => limit = Some(parser.value()?.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let missing = "--operator IP:PORT --name DNS-NAME --authorities FILE --tokens FILE are needed";
    match (operator, name, authorities, tokens) {
        (Some(operator), Some(name), Some(authorities), Some(tokens)) => {
            Ok(Arguments { operator, name, authorities, tokens, limit })
        }
        _ => Err(missing.into()),
    }
}

fn run() -> Result<(), Problem> {
    let arguments = arguments()?;
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(&arguments.authorities)? {
        roots.add(authority?)?;
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.into()];
    let tokens: Vec<String> = std::fs::read_to_string(&arguments.tokens)?.lines().map(str::to_owned).collect();
    let fleet = Arc::new(Fleet {
        spending: arguments.limit.as_deref().map(Spending::new),
        operator: arguments.operator,
        name: arguments.name,
        tls: TlsConnector::from(Arc::new(config)),
        served: AtomicUsize::new(0),
        size: tokens.len(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for (stream, token) in tokens.into_iter().enumerate() {
            let fleet = Arc::clone(&fleet);
            tokio::spawn(async move {
                // Reconnects when the leader changes or the operator restarts, which is part of the measurement.
                let mut sequence = None;
                let mut spender = fleet.spending.as_ref().map(Spender::new);
                loop {
                    if let Err(error) = connect(&fleet, stream, &token, &mut sequence, spender.as_mut()).await {
                        let _ = writeln!(std::io::stderr(), "stream {stream}: {error}");
                    }
                    tokio::time::sleep(Duration::from_millis(200 + fastrand::u64(0..800))).await;
                }
            });
        }
        tokio::task::spawn_blocking(move || {
            for line in std::io::stdin().lock().lines() {
                line?;
                if let Some(spending) = &fleet.spending {
                    write_line(&spending.summary());
                }
            }
            Ok::<(), std::io::Error>(())
        })
        .await??;
        Ok(())
    })
}

async fn connect(
    fleet: &Fleet,
    stream: usize,
    token: &str,
    sequence: &mut Option<u64>,
    mut spender: Option<&mut Spender<'_>>,
) -> Result<(), Problem> {
    let tcp = tokio::net::TcpStream::connect(fleet.operator).await?;
    let tls = fleet.tls.connect(fleet.name.clone(), tcp).await?;
    let (mut sender, connection) = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(tls)).await?;
    tokio::spawn(connection.with_upgrades());
    let request = Request::post(PATH)
        .header(header::HOST, "fleet")
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, PROTOCOL)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Empty::new())?;
    let answer = sender.send_request(request).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let status = answer.status();
        let message = answer.into_body().collect().await?.to_bytes();
        return Err(format!("{status} {}", String::from_utf8_lossy(&message)).into());
    }
    let (mut received, mut connection) = tokio::io::split(TokioIo::new(hyper::upgrade::on(answer).await?));
    let (lines, mut outgoing) = mpsc::channel::<Bytes>(8);
    let send = |message: &FromGateway| lines.try_send(Bytes::from(write(message)));
    send(&FromGateway::Hello(Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        formats: vec![1, 2],
        sequence: *sequence,
        ..Hello::default()
    }))?;
    tokio::spawn(async move {
        while let Some(line) = outgoing.recv().await {
            connection.write_all(&line).await?;
        }
        connection.shutdown().await
    });
    let mut bytes = Vec::with_capacity(READ);
    let mut reader = LineReader::default();
    let send_usage = |report: Option<UsageReport>| match report {
        Some(report) => send(&FromGateway::Usage(report)),
        None => Ok(()),
    };
    send_usage(spender.as_mut().and_then(|spender| spender.connected()))?;
    let mut tick = pin!(tokio::time::sleep(Spender::pause(true)));
    let mut beat = tokio::time::interval(Duration::from_secs(outrigger_sync::BEAT_SECONDS));
    loop {
        bytes.clear();
        let read = tokio::select! {
            read = received.read_buf(&mut bytes) => read?,
            _ = beat.tick() => {
                send(&FromGateway::Beat(NoFields {}))?;
                continue;
            }
            () = &mut tick, if spender.is_some() => {
                tick.set(tokio::time::sleep(Spender::pause(false)));
                send_usage(spender.as_mut().and_then(|spender| spender.tick()))?;
                continue;
            }
        };
        if read == 0 {
            return Ok(());
        }
        reader.push(&bytes)?;
        while let Some(message) = reader.from_operator()? {
            if let (FromOperator::Grants(grants), Some(spender)) = (&message, spender.as_mut()) {
                send_usage(spender.take(grants))?;
            }
            if let FromOperator::Policy(policy) = message {
                let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
                write_line(&format!("{{\"at\":{at},\"stream\":{stream},\"sequence\":{}}}", policy.sequence));
                if sequence.replace(policy.sequence).is_none()
                    && fleet.served.fetch_add(1, Ordering::Relaxed) + 1 == fleet.size
                {
                    write_line(&format!("{{\"ready\":{}}}", fleet.size));
                }
                send(&FromGateway::Outcome(PolicyOutcome { sequence: policy.sequence, ..PolicyOutcome::default() }))?;
            }
        }
    }
}

fn write_line(line: &str) {
    // If nobody reads the output, the program ends soon anyway.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

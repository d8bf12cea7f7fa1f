//! Sends requests to an upstream directly and through the gateway in turns, and reports the difference.

mod client;
mod round;
mod scenario;
mod table;

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::{Client, Failure};
use futures_util::future::try_join_all;
use outrigger_bench::process::{self, ProcessMemory};
use scenario::{CallerApi, ask};

const HELP: &str = "\
load --direct ADDRESS --via ADDRESS --pid PID [--rounds N] [--only TEXT]
     compares direct requests with requests through the gateway; PID: the gateway's process, for its
     memory and CPU time
load --via ADDRESS --send N --only TEXT
     sends N requests of the first scenario whose name contains TEXT, without measuring
load --via ADDRESS --pid PID --saturate SECONDS
     sends requests as fast as possible from 16 clients";

#[derive(Default)]
struct Arguments {
    direct: Option<SocketAddr>,
    via: Option<SocketAddr>,
    pid: u32,
    rounds: u32,
    only: String,
    send: u32,
    saturate: u64,
}

fn main() -> Result<(), Failure> {
    let arguments = arguments()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(&arguments))
}

fn arguments() -> Result<Arguments, Failure> {
    use lexopt::prelude::*;
    let mut arguments = Arguments { rounds: 7, ..Arguments::default() };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("direct") => arguments.direct = Some(parser.value()?.parse()?),
            Long("via") => arguments.via = Some(parser.value()?.parse()?),
            Long("pid") => arguments.pid = parser.value()?.parse()?,
            Long("rounds") => arguments.rounds = parser.value()?.parse()?,
            Long("only") => arguments.only = parser.value()?.parse()?,
            Long("send") => arguments.send = parser.value()?.parse()?,
            Long("saturate") => arguments.saturate = parser.value()?.parse()?,
            _ => return Err(HELP.into()),
        }
    }
    Ok(arguments)
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let via = arguments.via.ok_or(HELP)?;
    if arguments.send > 0 {
        return send(via, &arguments.only, arguments.send).await;
    }
    if arguments.saturate > 0 {
        return saturate(via, arguments.pid, Duration::from_secs(arguments.saturate)).await;
    }
    measure(arguments.direct.ok_or(HELP)?, via, arguments).await
}

async fn measure(direct: SocketAddr, via: SocketAddr, arguments: &Arguments) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let idle = process::memory(arguments.pid)?;
    send(via, "", 1_000).await?;
    let used = process::memory(arguments.pid)?;
    out.write_all(table::HEAD.as_bytes())?;
    for scenario in scenario::all().into_iter().filter(|scenario| scenario.name.contains(&arguments.only)) {
        let mut rounds = Vec::new();
        let before = process::cpu(arguments.pid)?;
        for _ in 0..arguments.rounds {
            rounds.push(round::round(&scenario, direct, via).await?);
        }
        let spent = process::cpu(arguments.pid)?.saturating_sub(before);
        let sent = arguments.rounds * (scenario.pairs / scenario.clients + 1) * scenario.clients;
        table::rows(&mut out, &scenario, &rounds, spent / sent)?;
    }
    if arguments.only.is_empty() {
        full_load(via, Duration::from_secs(5)).await?;
        let loaded = process::memory(arguments.pid)?;
        writeln!(out, "\n| | resident | without file pages |\n|---|---|---|")?;
        memory(&mut out, "before the first request", idle)?;
        memory(&mut out, "after 1,000 requests", used)?;
        memory(&mut out, "after 64 clients at once, bodies to 100 kB", loaded)?;
        writeln!(out, "| peak | {:.1} MiB | |", mib(loaded.peak))?;
    }
    Ok(())
}

fn memory(out: &mut impl Write, when: &str, memory: ProcessMemory) -> std::io::Result<()> {
    writeln!(out, "| {when} | {:.1} MiB | {:.1} MiB |", mib(memory.resident), mib(memory.own))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Sends requests one after another on one connection.
async fn send(via: SocketAddr, only: &str, requests: u32) -> Result<(), Failure> {
    let scenario =
        scenario::all().into_iter().find(|scenario| scenario.name.contains(only)).ok_or("no such scenario")?;
    let mut client = Client::connect(via).await?;
    for _ in 0..requests {
        client.ask(&scenario.via).await?;
    }
    Ok(())
}

/// Measures the requests per second of 16 clients, and the gateway's CPU time for each request.
async fn saturate(via: SocketAddr, pid: u32, time: Duration) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let question = ask(CallerApi::OpenAi, 1_000, false);
    let before = process::cpu(pid)?;
    let begun = Instant::now();
    let clients = (0..16).map(|_| async {
        let mut client = Client::connect(via).await?;
        let mut sent = 0u32;
        while begun.elapsed() < time {
            client.ask(&question).await?;
            sent += 1;
        }
        Ok::<_, Failure>(sent)
    });
    let sent: u32 = try_join_all(clients).await?.into_iter().sum();
    let took = begun.elapsed().as_secs_f64();
    let spent = process::cpu(pid)?.saturating_sub(before).as_secs_f64();
    writeln!(out, "| requests a second, 16 clients, 1 kB | {:.0} |", f64::from(sent) / took)?;
    writeln!(out, "| the gateway's CPU use | {:.0} % |", spent / took * 100.0)?;
    writeln!(out, "| CPU time per request | {:.0} µs |", spent / f64::from(sent) * 1e6)?;
    Ok(())
}

/// 64 clients, bodies from 1 kB to 100 kB, every fourth client streaming.
async fn full_load(via: SocketAddr, time: Duration) -> Result<(), Failure> {
    let begun = Instant::now();
    let clients = (0..64usize).map(|number| async move {
        let mut client = Client::connect(via).await?;
        let question = ask(CallerApi::OpenAi, 1_000 + number * 99_000 / 63, number % 4 == 0);
        while begun.elapsed() < time {
            client.ask(&question).await?;
        }
        Ok::<_, Failure>(())
    });
    try_join_all(clients).await?;
    Ok(())
}

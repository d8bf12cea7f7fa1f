//! Measures the time from the start of the process until it is ready, and its memory then.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outrigger_bench::process;
use outrigger_bench::samples::{Samples, median};

const HELP: &str = "start --sidecar FILE --policy DIR [--runs N]";
const PATIENCE: Duration = Duration::from_secs(10);

/// Kills the process when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    use lexopt::prelude::*;
    let (mut sidecar, mut policy, mut runs) = (PathBuf::new(), PathBuf::new(), 30u32);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("sidecar") => sidecar = parser.value()?.into(),
            Long("policy") => policy = parser.value()?.into(),
            Long("runs") => runs = parser.value()?.parse()?,
            _ => return Err(HELP.into()),
        }
    }
    let mut times = Samples::default();
    let (mut resident, mut own) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let (clients, admin) = (free()?, free()?);
        let begun = Instant::now();
        let child = Command::new(&sidecar)
            .arg("--policy")
            .arg(&policy)
            .args(["--listen", &clients.to_string(), "--admin", &admin.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let running = Running(child);
        while !ready(admin) {
            if begun.elapsed() > PATIENCE {
                return Err("the sidecar is not ready after 10 s".into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        times.add(begun.elapsed());
        let memory = process::memory(running.0.id())?;
        resident.push(memory.resident as f64);
        own.push(memory.own as f64);
    }
    let mib = f64::from(1 << 20);
    let mut out = std::io::stdout();
    writeln!(out, "| start to ready, p50 of {runs} | {:.1} ms |", times.quantile(0.5) / 1e3)?;
    writeln!(out, "| start to ready, slowest | {:.1} ms |", times.quantile(1.0) / 1e3)?;
    writeln!(out, "| resident when ready | {:.1} MiB |", median(resident) / mib)?;
    writeln!(out, "| resident when ready, without file pages | {:.1} MiB |", median(own) / mib)?;
    Ok(())
}

/// A free port. The sidecar binds it next.
fn free() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn ready(admin: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(admin)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    ask().is_ok_and(|answer| answer.ends_with(b"200"))
}

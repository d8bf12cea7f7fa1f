//! A killed process loses no charge: requests in progress are charged in full, and the limit still holds.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::escrow::{DOLLAR, nanos, with_a_dollar};
use crate::free_addresses::free;
use crate::meter::Meter;

const KILLS: usize = 50;
const CLIENTS: usize = 16;
/// The tokens of each answer: a two-thousandth of the dollar.
const CAP: u64 = 50;

/// A sidecar process on ports that it keeps across restarts.
struct Sidecar {
    policy: std::path::PathBuf,
    state: std::path::PathBuf,
    clients: String,
    admin: String,
}

impl Sidecar {
    async fn start(&self) -> Child {
        let mut child = Command::new(env!("CARGO_BIN_EXE_outrigger-sidecar"))
            .arg("--policy")
            .arg(&self.policy)
            .arg("--state")
            .arg(&self.state)
            .args(["--listen", &self.clients, "--admin", &self.admin])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let ready = format!("http://{}/readyz", self.admin);
        let client = reqwest::Client::new();
        loop {
            match client.get(&ready).send().await {
                Ok(answer) if answer.status() == 200 => return child,
                // Only polling shows that a process listens; its exit shows that it never will.
                _ => {
                    assert!(child.try_wait().unwrap().is_none(), "it ended before it listened");
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }
    }

    async fn limit(&self) -> Value {
        let url = format!("http://{}/policy", self.admin);
        let policy: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        policy["limits"][0].clone()
    }
}

fn written(dir: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let folder = dir.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("policy.v1.json"), text).unwrap();
    std::fs::write(folder.join("default_metered-main_apiKey"), "sk-test").unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_no_charge() {
    let dir = tempfile::tempdir().unwrap();
    // Each answer is as long as its cap, so a charge in full is the actual cost.
    let meter = Meter::new(7, true).await;
    let document = serde_json::to_string(&with_a_dollar(&meter.url)).unwrap();
    let sidecar = Arc::new(Sidecar {
        policy: written(dir.path(), "policy", &document),
        state: dir.path().join("state"),
        clients: free(),
        admin: free(),
    });
    let spent = Arc::new(AtomicBool::new(false));
    let mut child = sidecar.start().await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (sidecar, spent) = (Arc::clone(&sidecar), Arc::clone(&spent));
        clients.spawn(async move {
            let client = reqwest::Client::new();
            let url = format!("http://{}/v1/chat/completions", sidecar.clients);
            let body = json!({"model": "m", "max_tokens": CAP, "messages": [{"role": "user", "content": "x"}]});
            while !spent.load(Ordering::SeqCst) {
                match client.post(&url).json(&body).send().await {
                    Ok(answer) if answer.status() == 402 => spent.store(true, Ordering::SeqCst),
                    // The rest is reserved for others, or the process was killed during the answer.
                    Ok(answer) if matches!(answer.status().as_u16(), 200 | 429) => {}
                    Ok(answer) => panic!("{}", answer.text().await.unwrap()),
                    // The process was just killed.
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
    }
    let mut dice = fastrand::Rng::with_seed(50);
    let mut arrivals = meter.arrivals.clone();
    for kill in 0..KILLS {
        // Kills when a request arrives: others are being reserved, sent, answered or settled then.
        let at = *arrivals.borrow() + dice.usize(1..20);
        tokio::select! {
            reached = arrivals.wait_for(|count| *count >= at) => drop(reached.unwrap()),
            ended = clients.join_next() => panic!("a client has ended after {kill} kills: {ended:?}"),
        }
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        assert!(meter.billed() <= DOLLAR, "after {kill} kills");
        child = sidecar.start().await;
        let on_account = nanos(&sidecar.limit().await["spent"]);
        assert!(on_account <= DOLLAR, "after {kill} kills {on_account} nano-dollars are on the account");
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let limit = sidecar.limit().await;
    let (billed, on_account) = (meter.billed(), nanos(&limit["spent"]));
    assert!(billed <= DOLLAR, "{billed} nano-dollars of {DOLLAR} were spent");
    assert!(on_account >= billed, "{billed} nano-dollars were spent, and only {on_account} are on the account");
    assert!(billed >= DOLLAR / 100 * 95, "only {billed} nano-dollars of {DOLLAR} could be spent: {limit}");
    assert!(meter.asked() > KILLS, "it served between the kills");
    child.kill().await.unwrap();
}

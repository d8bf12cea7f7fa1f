//! Runs the sidecar as a process, as in a pod: its probes, its end, and its restart.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use outrigger_policy::{FilterDoc, OnHangUp};
use outrigger_sidecar::filter::{Filter, FilterTypes};
use outrigger_sidecar::telemetry::record::Record;
use outrigger_sidecar::telemetry::records::Lines;
use outrigger_sidecar::{Gateway, Settings};
use serde_json::Value;
use tokio::io::AsyncBufReadExt;
use tokio::process::{Child, Command};
use tokio::sync::Notify;

use crate::fake::{Act, Fake, answer, chunk, delta, end, role, stop, stream_head};
use crate::free_addresses::free;
use crate::limits::{limit, priced};
use crate::operator::{Authority, Operator, Pod, in_force, soon};
use crate::policies::{Running, chat, document, provider, secrets, streamed};
use crate::settlement::hang_up;

pub struct Process {
    clients: String,
    admin: String,
    pub child: Child,
}

pub fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_outrigger-sidecar"))
}

impl Process {
    async fn start(pod: &Pod, operator: Option<&str>) -> Self {
        Self::with(pod, operator, &[]).await
    }

    pub async fn with(pod: &Pod, operator: Option<&str>, more: &[String]) -> Self {
        let (clients, admin) = (free(), free());
        let mut command = binary();
        command.args(["--listen", &clients, "--admin", &admin]);
        command.arg("--policy").arg(pod.policy()).arg("--state").arg(pod.state());
        if let Some(url) = operator {
            command.args(["--operator", url]).arg("--token").arg(pod.at("token"));
        }
        command.args(more);
        command.env("POD_NAME", "shop-1").env("POD_NAMESPACE", "shop").env("HOSTNAME", "node-7");
        command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().unwrap();
        let mut process = Process { clients, admin, child };
        process.until("ready").await;
        // The admin port opens after the clients' port.
        soon("the admin port", async {
            while tokio::net::TcpStream::connect(&process.admin).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        })
        .await;
        process
    }

    async fn probe(&self, name: &str) -> Output {
        let arguments = ["probe", name, "--listen", &self.clients, "--admin", &self.admin];
        soon("a probe", binary().args(arguments).output()).await.unwrap()
    }

    /// Waits until a probe succeeds.
    pub async fn until(&mut self, name: &str) {
        soon(name, async {
            while !self.probe(name).await.status.success() {
                assert!(self.child.try_wait().unwrap().is_none(), "it has ended");
            }
        })
        .await;
    }

    pub async fn admin(&self, name: &str) -> Value {
        let url = format!("http://{}/{name}", self.admin);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    pub async fn is_in_force(&self, sequence: u64) -> bool {
        let ready = self.admin("readyz").await;
        ready["revision"].as_str().is_some_and(|revision| revision.starts_with(&format!("{sequence}-")))
    }

    pub async fn chats(&self) -> u16 {
        let url = format!("http://{}/v1/chat/completions", self.clients);
        reqwest::Client::new().post(url).json(&chat("m")).send().await.unwrap().status().as_u16()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

#[tokio::test]
async fn probes_succeed_or_say_why_not() {
    let upstream = Fake::always(answer("hi")).await;
    let pod = Pod::new("");
    let mut process = Process::start(&pod, None).await;
    // On a busy machine a probe may time out before that.
    soon("what is missing", async {
        loop {
            let not_yet = process.probe("started").await;
            assert_eq!(not_yet.status.code(), Some(1));
            if text(&not_yet.stderr) == "outrigger-sidecar: the gateway has no policy yet\n" {
                break;
            }
        }
    })
    .await;
    pod.write("policy/default_first-main_apiKey", "sk-1");
    pod.mount(&document(1, vec![provider("first", &upstream.url)]));
    process.until("started").await;
    assert_eq!(process.chats().await, 200);
    let unknown = process.probe("alive").await;
    assert!(text(&unknown.stderr).contains("`started` and `ready`"), "{}", text(&unknown.stderr));
    process.child.kill().await.unwrap();
    for name in ["started", "ready"] {
        let gone = process.probe(name).await;
        assert_eq!(gone.status.code(), Some(1));
        assert!(text(&gone.stderr).contains("nothing listens on 127.0.0.1"), "{}", text(&gone.stderr));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_killed_process_leaves_everything_that_the_next_one_needs() {
    let authority = Authority::new();
    let mut operator = Operator::new(&authority).await;
    let upstream = Fake::always(answer("hi")).await;
    let pod = Pod::new(&authority.pem);
    let mut process = Process::start(&pod, Some(&operator.url())).await;
    let (mut stream, _) = operator.stream().await;
    let mut policy = priced(&[("first", &upstream.url)]);
    // Accounts are in the same folder.
    policy.keys[0].limits.budgets = vec![limit("all", 1_000_000_000_000)];
    in_force(policy.sequence, &stream.push(&policy, &[("first-main", "sk-streamed")]).await);
    assert_eq!(process.chats().await, 200);
    process.child.kill().await.unwrap();
    let url = operator.url();
    drop((stream, operator));
    let mut process = Process::start(&pod, Some(&url)).await;
    assert_eq!(process.admin("readyz").await["source"], "held");
    assert_eq!(process.chats().await, 200);
    let asked = upstream.asked();
    assert_eq!(
        asked.iter().filter_map(|asked| asked.header("authorization")).collect::<Vec<_>>(),
        ["Bearer sk-streamed"; 2]
    );
    // The records name the pod, and the process ends on SIGTERM.
    let lines = tokio::io::BufReader::new(process.child.stdout.take().unwrap());
    let unknown = format!("http://{}/nowhere", process.clients);
    reqwest::get(unknown).await.unwrap();
    process.signal("-TERM");
    assert!(soon("its end", process.child.wait()).await.unwrap().success());
    let mut lines = lines.lines();
    let mut records = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        records.push(serde_json::from_str::<Value>(&line).unwrap());
    }
    let whose: Vec<_> =
        records.iter().map(|record| (&record["namespace"], &record["workload"], &record["status"])).collect();
    assert_eq!(
        whose,
        [(&"default".into(), &"shop-1".into(), &200.into()), (&"shop".into(), &"shop-1".into(), &404.into())]
    );
    assert!(Path::new(&pod.state().join("accounts")).exists() && pod.snapshot().contains("sk-streamed"));
}

/// Other processes of the same user cannot read its memory, and no core is dumped, whoever kills it.
#[tokio::test]
async fn its_memory_is_private() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let root = std::fs::metadata("/proc/self/environ").unwrap().uid() == 0;
    let upstream = Fake::always(answer("hi")).await;
    let pod = Pod::new("");
    pod.write("policy/default_first-main_apiKey", "sk-1");
    pod.mount(&document(1, vec![provider("first", &upstream.url)]));
    // Root can read its own files, so the process runs as nobody, as in a pod.
    let program = pod.at("sidecar");
    // Copied by a separate process: a process that another test forks meanwhile would inherit the open file, which then
    // could not be executed.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_outrigger-sidecar")).arg(&program).status().await.unwrap();
    assert!(copied.success());
    std::fs::create_dir(pod.state()).unwrap();
    for path in [pod.at(""), pod.policy(), program.clone()] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (clients, admin) = (free(), free());
    let mut command = Command::new(&program);
    if root {
        chown(pod.state(), Some(65_534), Some(65_534)).unwrap();
        command.uid(65_534).gid(65_534);
    }
    command.args(["--listen", &clients, "--admin", &admin]);
    command.arg("--policy").arg(pod.policy()).arg("--state").arg(pod.state());
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut process = Process { clients, admin, child: command.spawn().unwrap() };
    process.until("started").await;
    assert_eq!(process.chats().await, 200);
    let pid = process.child.id().unwrap();
    let owner = |file: &str| std::fs::metadata(format!("/proc/{pid}/{file}")).unwrap().uid();
    assert_eq!((owner("environ"), owner("mem")), (0, 0));
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(cores.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{cores}");
    process.signal("-ABRT");
    let status = soon("its end", process.child.wait()).await.unwrap();
    assert!(!std::os::unix::process::ExitStatusExt::core_dumped(&status), "{status}");
}

/// The pod's author controls where a host name leads. So without TLS, only credentials of the pod's own namespace are
/// sent.
#[tokio::test]
async fn credentials_are_sent_over_http_only_in_their_own_namespace() {
    for (namespace, allowed, sent) in [("shop", false, true), ("models", false, false), ("models", true, true)] {
        let upstream = Fake::always(answer("hi")).await;
        let mut policy = document(1, vec![provider("first", &upstream.url)]);
        policy.providers[0].namespace = namespace.to_owned();
        policy.providers[0].clear_text_credentials = allowed;
        policy.keys[0].providers[0].provider.namespace = namespace.to_owned();
        let pod = Pod::new("");
        pod.write("policy/default_first-main_apiKey", "sk-1");
        pod.mount(&policy);
        let mut process = Process::start(&pod, None).await;
        process.until("started").await;
        let status = process.chats().await;
        assert_eq!((status == 200, upstream.asked().len()), (sent, usize::from(sent)), "{namespace} {allowed}");
    }
}

#[derive(Debug, Default)]
struct Counted(AtomicUsize);

impl Filter for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }

    fn recorded(&self, _: &Record) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn shutdown_waits_for_the_usage_of_a_caller_that_has_gone() {
    let gate = Arc::new(Notify::new());
    let begins = chunk(&format!("{}{}", role(), delta("hello")));
    let script =
        vec![stream_head(), begins, Act::Wait(gate.clone()), chunk(&format!("{}data: [DONE]\n\n", stop())), end()];
    let upstream = Fake::always(script).await;
    let mut policy = document(1, vec![provider("first", &upstream.url)]);
    policy.keys[0].on_hang_up = OnHangUp::Drain;
    let counted = Arc::new(Counted::default());
    let filter = Arc::clone(&counted);
    let filter_types = FilterTypes::default().with("counted", move |_| Ok(Arc::clone(&filter) as Arc<dyn Filter>));
    policy.filters = vec![FilterDoc { kind: "counted".to_owned(), ..FilterDoc::default() }];
    let gateway = Gateway::new(Settings { lines: Lines::Off, filter_types, ..Settings::default() }).unwrap();
    gateway.install(policy.clone(), &secrets(&policy)).unwrap();
    let mut running = Running::of(gateway).await;
    hang_up(&running, &streamed("m")).await;
    let served = running.stop();
    // The ports are closed first.
    soon("the ports' end", async { while tokio::net::TcpStream::connect(running.address).await.is_ok() {} }).await;
    assert_eq!(counted.0.load(Ordering::SeqCst), 0);
    gate.notify_one();
    served.await.unwrap().unwrap();
    assert_eq!(counted.0.load(Ordering::SeqCst), 1);
}

//! Runs the sidecar as a process with 64 MiB, and measures its peak of memory.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use outrigger_policy::Document;
use tokio::process::{Child, Command};

use crate::free_addresses::free;

/// The default memory limit of the container in a pod.
pub const LIMIT: usize = 64 << 20;

#[derive(Debug)]
pub struct Process {
    pub clients: String,
    admin: String,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Process {
    pub async fn start(document: &Document) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("policy.v1.json"), serde_json::to_string(document).unwrap()).unwrap();
        for credential in document.providers.iter().flat_map(|provider| &provider.credentials) {
            let at = &credential.secret;
            std::fs::write(dir.path().join(format!("{}_{}_{}", at.namespace(), at.name(), at.key())), "sk-1").unwrap();
        }
        let (clients, admin) = (free(), free());
        let mut command = Command::new(env!("CARGO_BIN_EXE_outrigger-sidecar"));
        command.args(["--listen", &clients, "--admin", &admin, "--memory", "64", "--policy"]).arg(dir.path());
        command.env("OUTRIGGER_LOG", "error");
        // As in the image.
        for (name, value) in image_environment() {
            command.env(name, value);
        }
        command.stdout(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        let process = Process { clients, admin, child: command.spawn().unwrap(), _dir: dir };
        let ready = async {
            while !reqwest::get(process.url("readyz")).await.is_ok_and(|answer| answer.status().is_success()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ready).await.expect("it serves");
        process
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.admin)
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("it was not killed")
    }

    /// Resets the peak.
    pub fn reset(&self) {
        std::fs::write(Path::new("/proc").join(self.pid().to_string()).join("clear_refs"), "5").unwrap();
    }

    /// The peak of memory since the reset, in bytes. Mapped pages of the program's file do not count, because the
    /// kernel can reclaim them, and a debug build is many times as large.
    pub fn peak(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
        };
        field("VmHWM") - field("RssFile")
    }
}

/// The variables that the image sets.
fn image_environment() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Containerfile")).unwrap();
    let variables = text.lines().filter_map(|line| line.strip_prefix("ENV "));
    variables
        .flat_map(str::split_whitespace)
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

//! A real PostgreSQL in a folder of its own, from Debian's package (`scripts/postgres.sh` installs it).
//!
//! It listens on a socket in its folder, so it needs no free port. It refuses to run as root; a test that runs as root
//! starts it as the user that the package creates.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;

const READY: &str = "database system is ready to accept connections";

pub struct PostgresServer {
    folder: TempDir,
    settings: Vec<String>,
    running: Option<Child>,
    tiny: Mutex<Option<PathBuf>>,
    secrets: Mutex<Vec<TempDir>>,
}

impl PostgresServer {
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        own(folder.path());
        let made = run("initdb", folder.path())
            .args(["--no-sync", "--auth=scram-sha-256", "--username=ledger", "--encoding=UTF8", "--locale=C"])
            .arg("--pwfile")
            .arg(file(folder.path(), "password", "s3cret-pass\n"))
            .arg("--pgdata")
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = PostgresServer {
            folder,
            settings: Vec::new(),
            running: None,
            tiny: Mutex::default(),
            secrets: Mutex::default(),
        };
        server.resume();
        server
    }

    /// The connection string of this server, with more appended.
    pub fn url(&self, more: &str) -> String {
        format!("host={} user=ledger password=s3cret-pass dbname=postgres {more}", self.folder.path().display())
    }

    /// A new folder with that connection string.
    pub fn secret(&self, more: &str) -> PathBuf {
        let mut secrets = self.secrets.lock().unwrap();
        secrets.push(TempDir::new().unwrap());
        let folder = secrets.last().unwrap().path();
        std::fs::write(folder.join("url"), format!("{}\n", self.url(more))).unwrap();
        folder.to_owned()
    }

    /// A file in the server's folder, owned by the server's user.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        file(self.folder.path(), name, text)
    }

    /// An empty disk of one megabyte for a table space; `None` unless root.
    pub fn tiny_disk(&self) -> Option<PathBuf> {
        let folder = self.folder.path().join("tiny");
        std::fs::create_dir(&folder).unwrap();
        let (user, group) = user()?;
        let options = format!("size=1m,mode=0700,uid={user},gid={group}");
        let made = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder).status().ok()?;
        made.success().then(|| self.tiny.lock().unwrap().insert(folder).clone())
    }

    /// There is space again.
    pub fn grow_tiny_disk(&self) {
        let tiny = self.tiny.lock().unwrap().clone().unwrap();
        assert!(Command::new("mount").args(["-o", "remount,size=8m"]).arg(tiny).status().unwrap().success());
    }

    /// Ends it like a power failure, as far as a process can notice.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill().unwrap();
            running.wait().unwrap();
        }
    }

    /// Ends it, and starts it with additional settings (`synchronous_commit=off`).
    pub fn restart_with(&mut self, settings: &[&str]) {
        self.kill();
        self.settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        self.resume();
    }

    /// Starts it after a kill. Its former processes may still be ending, so it is started repeatedly until that
    /// succeeds.
    pub fn resume(&mut self) {
        let mut last = String::new();
        for _ in 0..1_000 {
            let mut server = run("postgres", self.folder.path());
            server.arg("-D").arg(self.folder.path().join("data"));
            server.arg("-k").arg(self.folder.path());
            if !self.settings.iter().any(|setting| setting.starts_with("listen_addresses")) {
                server.args(["-c", "listen_addresses="]);
            }
            for setting in &self.settings {
                server.args(["-c", setting]);
            }
            let mut running = server.stderr(Stdio::piped()).spawn().unwrap();
            match ready(running.stderr.take().unwrap()) {
                Ok(()) => {
                    self.running = Some(running);
                    return;
                }
                Err(output) => last = output,
            }
            running.wait().unwrap();
        }
        panic!("PostgreSQL does not start: {last}");
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.kill();
        if let Some(tiny) = self.tiny.lock().unwrap().take() {
            let _ = Command::new("umount").arg(tiny).status();
        }
    }
}

/// Waits until it serves, and then reads its output while it runs.
fn ready(stderr: ChildStderr) -> Result<(), String> {
    let mut lines = BufReader::new(stderr).lines();
    let mut output = String::new();
    loop {
        match lines.next() {
            Some(Ok(line)) if line.contains(READY) => break,
            Some(Ok(line)) => output.push_str(&format!("{line}\n")),
            _ => return Err(output),
        }
    }
    std::thread::spawn(move || lines.for_each(drop));
    Ok(())
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    own(&file);
    file
}

/// The package's user and its group, if the test runs as root.
fn user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let fields = users.lines().find_map(|line| line.strip_prefix("postgres:")).expect("a user postgres").split(':');
    let ids: Vec<u32> = fields.skip(1).take(2).map(|id| id.parse().unwrap()).collect();
    Some((ids[0], ids[1]))
}

fn own(path: &Path) {
    if let Some((user, group)) = user() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

fn run(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(programs().join(program));
    command.current_dir(folder).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    if let Some((user, group)) = user() {
        command.uid(user).gid(group);
    }
    command
}

/// Debian keeps each version in a folder of its own, out of PATH.
fn programs() -> PathBuf {
    let folders =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|each| each.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = folders.chain(std::env::split_paths(&path)).find(|folder| folder.join("initdb").exists());
    found.expect("PostgreSQL (Debian's package postgresql; `scripts/postgres.sh` installs it)")
}

//! The program itself: what it serves, follows and starts, and its exit statuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic, outside its own function as well"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

const OBJECTS: &str = "\
apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {name: mock}
spec:
  type: Mock
  withoutKey: Allow
  mock: {reply: one}
";

fn outrigger() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outrigger"));
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.stdin(Stdio::null());
    command
}

fn objects(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("objects.yaml"), text).unwrap();
    folder
}

fn run(folder: &Path, more: &[&str]) -> Command {
    let mut command = outrigger();
    command.arg("run").arg(folder).args(["--listen", "0", "--admin", "0"]).args(more);
    command
}

/// A gateway whose stderr is read line by line. It ends when it is dropped.
struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    client: String,
    admin: String,
    /// The line that reports that it serves.
    served: String,
}

impl Running {
    /// Starts it, without waiting for output.
    fn begin(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running { child, stderr, client: String::new(), admin: String::new(), served: String::new() }
    }

    fn start(command: Command) -> Self {
        let mut running = Self::begin(command);
        let line = running.line("serves ");
        let after = |mark: &str| line.split_once(mark).unwrap().1.split([' ', ')']).next().unwrap().to_owned();
        (running.client, running.admin) = (after("on http://"), after("admin http://"));
        running.served = line;
        running
    }

    /// Waits for a line with this text.
    fn line(&mut self, text: &str) -> String {
        let mut all = String::new();
        loop {
            let from = all.len();
            assert!(self.stderr.read_line(&mut all).unwrap() > 0, "it ended with this output:\n{all}");
            if all[from..].contains(text) {
                return all[from..].to_owned();
            }
        }
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The head and body of a response.
fn http(address: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn chat(running: &Running) -> String {
    let body = r#"{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}"#;
    http(&running.client, "POST", "/v1/chat/completions", body)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Replaces the content in one step, so that no reader sees a part of it. The new text is not shorter.
fn write_over(file: &Path, text: &str) {
    assert!(fs::metadata(file).unwrap().len() <= text.len() as u64);
    fs::OpenOptions::new().write(true).open(file).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn it_serves_follows_keeps_the_last_good_policy_and_drains() {
    let folder = objects(OBJECTS);
    let file = folder.path().join("objects.yaml");
    let mut running = Running::start(run(folder.path(), &[]));
    let answer = chat(&running);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"one\""), "{answer}");

    write_over(&file, &OBJECTS.replace("reply: one", "reply: two"));
    running.line("serves revision 2-");
    assert!(chat(&running).contains("\"two\""));

    write_over(&file, &OBJECTS.replace("reply: one", "repl: three"));
    let found = running.line("unknown field");
    assert!(found.contains("objects.yaml:7: LLMProvider default/mock: spec.mock.repl: "), "{found}");
    running.line("the previous policy stays in force");
    assert!(chat(&running).contains("\"two\""));
    let ready = http(&running.admin, "GET", "/readyz", "");
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains("spec.mock.repl"), "{ready}");

    // Editors write another file and rename it.
    let aside = folder.path().join(".objects.yaml.swp");
    fs::write(&aside, OBJECTS.replace("reply: one", "reply: four")).unwrap();
    fs::rename(&aside, &file).unwrap();
    running.line("serves revision 3-");
    assert!(chat(&running).contains("\"four\""));

    running.signal("-TERM");
    assert!(running.child.wait().unwrap().success());
    let mut lines = String::new();
    running.child.stdout.take().unwrap().read_to_string(&mut lines).unwrap();
    assert_eq!(lines.lines().count(), 4, "{lines}");
    for line in lines.lines() {
        assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap()["provider"], "mock");
    }

    // Its records can be replayed.
    let records = folder.path().join("records.jsonl");
    fs::write(&records, lines).unwrap();
    let other = objects(&OBJECTS.replace("withoutKey: Allow", "withoutKey: Allow\n  suspended: true"));
    for (new, status, expected) in [
        (folder.path(), 0, "0 of 4 recorded requests would be decided differently\n"),
        (other.path(), 1, "4 of 4 recorded requests would be decided differently\n"),
    ] {
        let output =
            outrigger().arg("diff").arg(folder.path()).arg(new).arg("--replay").arg(&records).output().unwrap();
        assert!(
            output.status.code() == Some(status) && text(&output.stdout).ends_with(expected),
            "{}",
            text(&output.stdout)
        );
    }
}

#[test]
fn an_application_uses_the_gateway_and_gets_no_key() {
    let script =
        "echo $OPENAI_BASE_URL $ANTHROPIC_BASE_URL $OPENAI_API_KEY $ANTHROPIC_API_KEY $GROQ_API_KEY $OTHER; exit 7";
    let folder = objects(OBJECTS);
    let mut command = run(folder.path(), &["--", "sh", "-c", script]);
    command.envs([("GROQ_API_KEY", "gsk-real"), ("OPENAI_API_KEY", "sk-real"), ("OTHER", "kept")]);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    assert_eq!(status.code(), Some(7), "{stderr}");
    let words: Vec<&str> = stdout.split_whitespace().collect();
    let [openai, anthropic, rest @ ..] = words.as_slice() else { panic!("{stdout}") };
    assert!(openai.starts_with("http://127.0.0.1:") && *openai == format!("{anthropic}/v1"), "{stdout}");
    assert_eq!(rest, ["outrigger", "outrigger", "outrigger", "kept"]);
    assert!(stderr.contains("a placeholder instead of GROQ_API_KEY, OPENAI_API_KEY"), "{stderr}");
    assert!(!stderr.contains("real"), "{stderr}");
}

#[test]
fn it_exits_with_the_applications_status() {
    let folder = objects(OBJECTS);
    for (script, expected) in [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let output = run(folder.path(), &["--", "sh", "-c", script]).output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{script}: {}", text(&output.stderr));
    }
    let output = run(folder.path(), &["--", "/no/such/program"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127));
    assert!(text(&output.stderr).contains("can't start `/no/such/program`"));
}

#[test]
fn signals_reach_the_application() {
    let folder = objects(OBJECTS);
    // A shell runs its trap after its foreground command, and `wait` ends at once.
    let trapping = "trap 'kill $!; exit 9' TERM; tail -f /dev/null & echo ready >&2; wait";
    for (script, expected) in [("echo ready >&2; exec tail -f /dev/null", 143), (trapping, 9)] {
        let mut running = Running::start(run(folder.path(), &["--", "sh", "-c", script]));
        running.line("ready");
        running.signal("-TERM");
        assert_eq!(running.child.wait().unwrap().code(), Some(expected), "{script}");
    }
}

#[test]
fn a_folder_without_a_provider_is_an_error() {
    for objects_there in ["\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"] {
        let folder = objects(objects_there);
        let output = run(folder.path(), &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        assert!(error.starts_with(&format!("outrigger: no LLMProvider in {}", folder.path().display())), "{error}");
    }
}

#[test]
fn a_folder_that_is_emptied_changes_nothing() {
    let folder = objects(OBJECTS);
    let mut running = Running::start(run(folder.path(), &[]));
    fs::remove_file(folder.path().join("objects.yaml")).unwrap();
    running.line("no .yaml, .yml or .json file in");
    running.line("the previous policy stays in force");
    assert!(chat(&running).contains("\"one\""));
}

/// A file is empty for a moment while it is written, and a folder without a provider can serve nothing.
#[test]
fn a_change_that_could_serve_nothing_is_ignored() {
    let folder = objects(OBJECTS);
    let file = folder.path().join("objects.yaml");
    let key = "apiVersion: outrigger.dev/v1alpha1\nkind: VirtualKey\nmetadata: {name: k}\nspec: {providers: []}\n";
    let mut running = Running::start(run(folder.path(), &[]));
    for (text, expected) in [("", "is empty, and had objects before"), ("# to be written\n", "no LLMProvider in")] {
        fs::write(&file, text).unwrap();
        running.line(expected);
        running.line("the previous policy stays in force");
        assert!(chat(&running).contains("\"one\""), "{text}");
        // With other files in the folder, an empty file would remove their limits.
        fs::write(folder.path().join("more.yaml"), key).unwrap();
        running.line("the previous policy stays in force");
        fs::remove_file(folder.path().join("more.yaml")).unwrap();
        running.line("the previous policy stays in force");
    }
    write_over(&file, &OBJECTS.replace("reply: one", "reply: two"));
    running.line("serves revision 2-");
    assert!(chat(&running).contains("\"two\""));
}

#[test]
fn without_a_folder_it_serves_the_environments_providers() {
    let mut command = outrigger();
    command.args(["run", "--listen", "0", "--admin", "0"]);
    let mut running = Running::start(command);
    let line = running.line("a mock answers");
    assert!(line.contains("OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY"), "{line}");
    assert!(chat(&running).starts_with("HTTP/1.1 200"));
}

#[test]
fn it_does_not_start_if_no_provider_can_answer() {
    for (objects_text, expected) in [
        (
            "apiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\nmetadata: {name: a}\nspec: {type: Mock}\n",
            "objects.yaml:4: ",
        ),
        (
            "apiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\nmetadata: {name: a}\nspec:\n  type: OpenAI\n  \
             withoutKey: Allow\n  credentials: [{name: a, secretRef: {name: openai}}]\n",
            "no variable OPENAI_API_KEY",
        ),
        (&OBJECTS.replace("Allow", "Refuse"), "say so here, or add a VirtualKey"),
    ] {
        let folder = objects(objects_text);
        let output = run(folder.path(), &[]).output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(expected) && stderr.contains("no provider can serve a request"), "{stderr}");
    }
    let folder = objects(&format!(
        "{OBJECTS}---\napiVersion: outrigger.dev/v1alpha1\nkind: VirtualKey\nmetadata: {{name: search}}\nspec: {{}}\n"
    ));
    let output = run(folder.path(), &["--key", "serach"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("--key: there is no VirtualKey `serach`, did you mean `search`?\n"));
    let output = run(Path::new("/no/such/folder"), &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("outrigger: can't read /no/such/folder: "));
}

#[test]
fn it_starts_with_an_invalid_budget_or_rule_only_with_keep_going() {
    let of = |kind: &str, spec: &str| {
        format!(
            "{OBJECTS}---\napiVersion: outrigger.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: broken}}\nspec: {spec}\n"
        )
    };
    for (what, text, starts) in [
        ("a budget", of("Budget", "{amount: \"1.00\", window: Month, timeZone: Nowhere, appliesTo: {}}"), false),
        ("a rule", of("RoutingRule", "{when: 'headers[', action: Reject, message: no}"), false),
        ("a document", format!("{OBJECTS}---\n\ta: b\n"), false),
        ("a provider, which serves no request", of("LLMProvider", "{type: OpenAI, nothing: 1}"), true),
    ] {
        let folder = objects(&text);
        if !starts {
            let done = run(folder.path(), &[]).output().unwrap();
            let output = text_of(&done);
            assert!(!done.status.success() && output.contains("--keep-going"), "{what}: {output}");
        }
        let running = Running::start(run(folder.path(), if starts { &[] } else { &["--keep-going"] }));
        assert!(chat(&running).contains("200 OK"), "{what}");
        let ready = http(&running.admin, "GET", "/readyz", "");
        assert!(ready.contains("\"rejected\":{"), "{what} is reported on /readyz: {ready}");
    }
}

/// A key with a dollar a month.
const LIMITED: &str = "\
apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {name: mock}
spec:
  type: Mock
  withoutKey: Allow
  mock: {reply: one}
  defaultPrice: {inputPerMillion: '1', outputPerMillion: '1'}
  limits: {budgets: [{name: month, amount: '1', window: Month}]}
";

#[test]
fn the_folder_of_accounts_is_reported_and_its_absence_too() {
    let folder = objects(LIMITED);
    let home = tempfile::tempdir().unwrap();
    let named = home.path().join("named");
    let served = |variables: &[(&str, &Path)], more: &[&str]| {
        let mut command = run(folder.path(), more);
        command.envs(variables.iter().copied());
        let running = Running::start(command);
        assert!(chat(&running).contains("one"));
        running.served.clone()
    };
    let line = served(&[("HOME", home.path())], &[]);
    let state = home.path().join(".local/state/outrigger");
    assert!(line.contains(&format!(", accounts in {}/", state.display())), "{line}");
    let line = served(&[("HOME", home.path()), ("XDG_STATE_HOME", &named)], &[]);
    assert!(line.contains(&format!(", accounts in {}/outrigger/", named.display())), "{line}");
    let line = served(&[], &["--state", named.to_str().unwrap()]);
    assert!(line.contains(&format!(", accounts in {};", named.display())), "{line}");
    for variables in [&[][..], &[("HOME", Path::new(""))]] {
        let line = served(variables, &[]);
        assert!(line.contains(", accounts in memory: every limit starts again with each process"), "{line}");
        assert!(line.contains("--state DIR keeps them"), "{line}");
    }
    // Without limits there are no accounts to report.
    let unlimited = objects(OBJECTS);
    assert!(!Running::start(run(unlimited.path(), &[])).served.contains("accounts"));
}

#[test]
fn an_unusable_folder_for_accounts_is_reported_before_serving() {
    let folder = objects(LIMITED);
    // A file and /proc cannot contain the folder, not even for root.
    let file = folder.path().join("objects.yaml");
    for state in [file.as_path(), &file.join("below"), Path::new("/proc/outrigger")] {
        let by_argument = run(folder.path(), &["--state", state.to_str().unwrap()]).output().unwrap();
        let by_variable = run(folder.path(), &[]).env("XDG_STATE_HOME", state).output().unwrap();
        for done in [by_argument, by_variable] {
            let line = text_of(&done);
            assert_eq!(done.status.code(), Some(1), "{}: {line}", state.display());
            assert!(line.contains(&format!("the accounts in {}", state.display())), "{line}");
            assert!(line.contains("--state names another folder"), "{line}");
        }
    }
    // Nothing is limited yet, so it serves, and reports what it could not serve.
    let unlimited = objects(OBJECTS);
    let mut running = Running::begin(run(unlimited.path(), &["--state", file.to_str().unwrap()]));
    let line = running.line("the folder for accounts can't be used");
    assert!(line.contains("no policy with limits can be served") && line.contains("--state DIR"), "{line}");
}

fn text_of(done: &Output) -> String {
    format!("{}{}", text(&done.stdout), text(&done.stderr))
}

#[test]
fn a_port_in_use_is_named() {
    let folder = objects(OBJECTS);
    let running = Running::start(run(folder.path(), &[]));
    let mut command = outrigger();
    command.arg("run").arg(folder.path()).args(["--admin", "0", "--listen", &running.client]);
    let output = command.output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr.contains(&format!("cannot listen on {}", running.client)) && stderr.contains("--listen"),
        "{stderr}"
    );
}

#[test]
fn check_of_an_empty_folder_fails() {
    let folder = objects("# to come\n");
    let done = outrigger().arg("check").arg(folder.path()).output().unwrap();
    assert!(!done.status.success());
    assert!(text(&done.stdout).contains("no objects found"), "{}", text(&done.stdout));
}

#[test]
fn check_reports_lines_and_fails() {
    let folder = objects(&OBJECTS.replace("withoutKey: Allow", "withoutKy: Allow"));
    let report = folder.path().join("report.xml");
    let output = outrigger().arg("check").arg(folder.path()).arg("--junit").arg(&report).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let file = folder.path().join("objects.yaml").display().to_string();
    assert_eq!(
        text(&output.stdout),
        format!(
            "{file}:6: LLMProvider default/mock: spec.withoutKy: unknown field `withoutKy`, did you mean `withoutKey`?\n1 object, 1 error\n"
        )
    );
    assert!(fs::read_to_string(&report).unwrap().contains("tests=\"1\" skipped=\"0\" failures=\"1\""));
}

#[test]
fn crds_are_six_documents() {
    let output = outrigger().arg("crds").output().unwrap();
    let text = text(&output.stdout);
    assert_eq!(text.matches("\nkind: CustomResourceDefinition\n").count(), 6);
    assert_eq!(text.lines().filter(|line| *line == "---").count(), 6);
}

#[test]
fn under_kubectls_name_it_is_a_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-outrigger");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_outrigger"), &plugin).unwrap();
    let output = Command::new(plugin).arg("check").arg("--help").output().unwrap();
    assert!(text(&output.stdout).contains("kubectl outrigger check"), "{}", text(&output.stdout));
}

/// Another process of the same user can read neither the memory nor the environment of the process with the keys.
#[test]
fn the_application_cannot_read_the_gateways_memory() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let folder = objects(OBJECTS);
    let root = rustix::process::getuid().is_root();
    let program = folder.path().join("outrigger");
    // In a separate process: a process that another test starts at this moment would inherit the open file, which then
    // can't be executed.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_outrigger")).arg(&program).status().unwrap();
    assert!(copied.success());
    for path in [folder.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = "for file in environ maps mem; do cat /proc/$PPID/$file >/dev/null 2>&1 && echo read $file; done; \
                  cat /proc/self/environ >/dev/null && echo own; stat -c %U /proc/$PPID/environ";
    let mut command = Command::new(&program);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).stdin(Stdio::null());
    command.arg("run").arg(folder.path().join("objects.yaml")).args(["--listen", "0", "--admin", "0"]);
    command.arg("--state").arg("/dev/null/none").args(["--", "sh", "-c", script]);
    command.env("OPENAI_API_KEY", "sk-real");
    // Root may trace every process, so the test uses another user.
    if root {
        command.uid(65_534).gid(65_534);
    }
    let Output { stdout, stderr, .. } = command.output().unwrap();
    assert_eq!(text(&stdout), "own\nroot\n", "{}", text(&stderr));
}

/// A deleted folder is reported once, whatever is written beside it, and served again when it is back.
#[test]
fn a_deleted_folder_is_reported_once_and_followed_when_it_is_back() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("objects");
    let make = |reply: &str| {
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("objects.yaml"), OBJECTS.replace("reply: one", reply)).unwrap();
    };
    make("reply: one");
    let mut running = Running::start(run(&dir, &[]));
    for (round, reply) in ["reply: two", "reply: six"].into_iter().enumerate() {
        fs::remove_dir_all(&dir).unwrap();
        running.line("the previous policy stays in force");
        for number in 0..200 {
            fs::write(above.path().join(format!("beside-{number}")), "x").unwrap();
        }
        assert!(chat(&running).starts_with("HTTP/1.1 200"), "the last good policy still serves");
        make(reply);
        // There must be no line in between: a second report would be here.
        let mut line = String::new();
        running.stderr.read_line(&mut line).unwrap();
        // The new folder may be seen before its file exists.
        if line.contains("no .yaml") || line.contains("is empty") {
            running.line("the previous policy stays in force");
            line.clear();
            running.stderr.read_line(&mut line).unwrap();
        }
        assert!(line.contains(&format!("serves revision {}-", round + 2)), "{line}");
        assert!(chat(&running).contains(reply.trim_start_matches("reply: ")));
    }
}

/// If `run` refuses to start, `check` reports it: as an error, or as a warning that says so. And `run` gives the
/// reason.
#[test]
fn check_and_run_agree_on_what_can_be_served() {
    let head = "apiVersion: outrigger.dev/v1alpha1\n";
    let object = |kind: &str, name: &str, spec: &str| {
        format!("{head}kind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n---\n")
    };
    let secret = |value: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: openai}}\nstringData: {{apiKey: {value}}}\n---\n")
    };
    let keyed = "type: OpenAI, withoutKey: Allow, credentials: [{name: a, secretRef: {name: openai}";
    let provider = |end: &str| object("LLMProvider", "openai", &format!("{keyed}{end}"));
    let budget = object("Budget", "team", "amount: '5', window: Month");
    for (what, objects_text, starts, expected) in [
        ("served", secret("x") + &provider("}]"), true, ""),
        ("no provider", budget, false, "no LLMProvider"),
        (
            "its credential is suspended",
            secret("x") + &provider(", suspended: true}]"),
            false,
            "every credential is suspended",
        ),
        ("it is suspended", secret("x") + &provider("}], suspended: true"), false, "can't answer"),
        ("no value", provider("}]"), false, "no variable OPENAI_API_KEY"),
        ("a value that no header carries", secret("\"a\\nb\"") + &provider("}]"), false, "no header can carry"),
        (
            "nobody may call",
            secret("x") + &provider("}]").replace("withoutKey: Allow, ", ""),
            false,
            "say so here, or add a VirtualKey",
        ),
        (
            "every key is suspended",
            secret("x") + &provider("}]") + &object("VirtualKey", "app", "suspended: true"),
            false,
            "every VirtualKey is suspended",
        ),
        (
            "a key whose only provider is off",
            secret("x")
                + &provider(", suspended: true}]")
                + &object("VirtualKey", "app", "providers: [{name: openai}]"),
            false,
            "openai has every credential suspended",
        ),
        (
            "a rule that can't be evaluated",
            secret("x")
                + &provider("}]")
                + &object("RoutingRule", "r", "when: 'model =', targets: [{provider: openai}]"),
            false,
            "is not CEL",
        ),
    ] {
        let folder = objects(&objects_text);
        let checked = outrigger().arg("check").arg(folder.path()).output().unwrap();
        let output = text(&checked.stdout);
        let warned = !checked.status.success() || output.contains("`outrigger run` will not start");
        assert_eq!(warned, !starts, "{what}: {output}");
        if starts {
            drop(Running::start(run(folder.path(), &[])));
            continue;
        }
        let started = run(folder.path(), &[]).output().unwrap();
        assert_eq!(started.status.code(), Some(1), "{what}: {}", text(&started.stderr));
        assert!(output.contains(expected), "{what}: check says {output}");
        assert!(text(&started.stderr).contains(expected), "{what}: run says {}", text(&started.stderr));
    }
}

/// A separate process compiles, so that its memory is released. Measured without the program's file, which is several
/// times as large in a debug build; `bench/resident.sh` measures release builds.
#[test]
#[cfg(target_os = "linux")]
fn memory_for_compiling_is_released() {
    let quickstart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/quickstart");
    let running = Running::start(run(&quickstart, &[]));
    let status = fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kilobytes: u32 = own.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < KEPT_KILOBYTES, "{own}");
}

/// A third of it is data that the loader relocates. With the compile in the same process, it was over 7,000.
#[cfg(target_os = "linux")]
const KEPT_KILOBYTES: u32 = 4_500;

#[test]
fn what_a_folder_has_spent_is_shown_while_it_runs_and_after() {
    let key = "---
apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {name: default}
spec: {limits: {requests: [{name: day, max: 4, window: Day}]}}
";
    let folder = objects(&format!("{OBJECTS}{key}"));
    let state = tempfile::tempdir().unwrap();
    let state = state.path().to_str().unwrap();
    let budget = |more: &[&str]| {
        let output = outrigger().arg("budget").args(more).arg("--folder").arg(folder.path()).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let show = ["--state", state];
    let (code, shown, _) = budget(&show);
    assert!(code == Some(0) && shown.contains("not known yet") && shown.contains("has not run"), "{shown}");

    let running = Running::start(run(folder.path(), &show));
    assert!(chat(&running).starts_with("HTTP/1.1 200"));
    let (_, while_running, _) = budget(&show);
    drop(running);
    let (_, after, _) = budget(&show);
    for shown in [while_running, after] {
        let row = shown.lines().find(|line| line.contains("requests[day]")).unwrap();
        assert!(row.contains("[#####...............]  25%") && row.contains("4 requests"), "{shown}");
    }
    let (code, _, error) = budget(&["reset", "default", "--reason", "a test"]);
    assert!(code == Some(2) && error.contains("stop `outrigger run` and move its state folder away"), "{error}");
}

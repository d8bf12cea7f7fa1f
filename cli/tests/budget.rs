//! `outrigger budget` and `outrigger ledger` as programs: what they show of folders, and what they say about wrong
//! arguments. A script answers for kubectl.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, outside its own function as well")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

/// What a program wrote.
#[derive(Debug)]
struct Written {
    status: i32,
    stdout: String,
    stderr: String,
}

/// The program with an environment of its own.
struct Tool {
    home: TempDir,
}

impl Tool {
    /// With a kubectl that runs these lines of a shell.
    fn new(kubectl: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("script"), kubectl).unwrap();
        fs::write(home.path().join("calls"), "").unwrap();
        Tool { home }
    }

    fn run(&self, args: &[&str]) -> Written {
        let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/budget/bin");
        let done = Command::new(env!("CARGO_BIN_EXE_outrigger"))
            .args(args)
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("HOME", self.home.path())
            .env("SCRIPT", self.home.path().join("script"))
            .env("CALLS", self.home.path().join("calls"))
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Written { status: done.status.code().unwrap(), stdout: text(done.stdout), stderr: text(done.stderr) }
    }

    /// It fails with 2 and writes only what is wrong.
    fn fails(&self, args: &[&str]) -> String {
        let written = self.run(args);
        assert_eq!((written.status, written.stdout.as_str()), (2, ""), "{args:?}: {}", written.stderr);
        written.stderr
    }

    /// How kubectl was called.
    fn calls(&self) -> String {
        fs::read_to_string(self.home.path().join("calls")).unwrap()
    }

    fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

/// The rows of a table that begin with a label.
fn row<'a>(text: &'a str, label: &str) -> &'a str {
    text.lines().find(|line| line.trim_start().starts_with(label)).unwrap_or_else(|| panic!("{label}: {text}"))
}

const PROVIDER: &str = "
apiVersion: outrigger.dev/v1alpha1
kind: LLMProvider
metadata: {name: mock}
spec: {type: Mock, mock: {reply: one}, models: [{name: m}], limits: {concurrentRequests: 5}}
---
";
const TEAM: &str = "
apiVersion: outrigger.dev/v1alpha1
kind: Budget
metadata: {name: team}
spec: {amount: '10', window: Month}
---
";
const KEYS: &str = "
apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {name: agent}
spec: {providers: [{name: mock}], unpriced: Allow, limits: {session: {requests: [{name: run, max: 12}]}}}
---
apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {name: both}
spec:
  providers: [{name: mock, limits: {concurrentRequests: 3}}]
  unpriced: Allow
  limits: {requests: [{name: day, max: 100, window: Day}], session: {repeats: 3}}
---
apiVersion: outrigger.dev/v1alpha1
kind: VirtualKey
metadata: {name: free}
spec: {providers: [{name: mock}], unpriced: Allow}
";

#[test]
fn limits_that_are_not_shown_are_named() {
    let tool = Tool::new("exit 9");
    tool.write("objects/all.yaml", &format!("{PROVIDER}{TEAM}{KEYS}"));
    let shown = tool.run(&["budget", "--folder", "objects"]);
    assert_eq!((shown.status, shown.stderr.as_str()), (0, ""), "{}", shown.stdout);
    let text = &shown.stdout;
    assert!(row(text, "VirtualKey default/agent").contains("see below"), "{text}");
    assert!(row(text, "LLMProvider default/mock").contains("see below"), "{text}");
    assert!(row(text, "VirtualKey default/free").contains("no limits"), "{text}");
    for note in [
        "VirtualKey default/agent: limits on runs (spec.limits.session) are not shown\n",
        "VirtualKey default/both: limits on runs (spec.limits.session) and on concurrent requests \
         (spec.providers[mock].limits.concurrentRequests) are not shown\n",
        "LLMProvider default/mock: limits on concurrent requests (spec.limits.concurrentRequests) are not shown\n",
    ] {
        assert!(text.contains(note), "{note}{text}");
    }
    let json = tool.run(&["budget", "--folder", "objects", "vkey/agent", "-o", "json"]).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["objects"][0]["limits"], json!([]));
    assert_eq!(json["objects"][0]["limitsNotShown"], json!(["spec.limits.session"]));
}

#[test]
fn files_that_cannot_be_read_are_named_and_the_rest_is_shown() {
    let tool = Tool::new("exit 9");
    tool.write("objects/a.yaml", TEAM);
    tool.write("objects/broken.yaml", "kind: [Budget\n");
    tool.write("objects/kind.yaml", &TEAM.replace("Budget", "Bugdet"));
    let shown = tool.run(&["budget", "--folder", "objects"]);
    assert_eq!(shown.status, 2, "{shown:?}");
    assert!(shown.stdout.contains("Budget default/team"), "{shown:?}");
    let checked = tool.run(&["check", "objects"]).stdout;
    for file in ["objects/broken.yaml:", "objects/kind.yaml:"] {
        let line = row(&shown.stderr, file);
        assert_eq!(line, row(&checked, file));
    }
    assert!(
        shown.stderr.ends_with("outrigger: the files have these errors, so limits may be missing here: repair them\n")
    );
}

#[test]
fn the_state_folder_is_described_as_it_is() {
    let tool = Tool::new("exit 9");
    tool.write("objects/a.yaml", TEAM);
    let of = ["budget", "--folder", "objects", "--state", "state"];
    let shown = tool.run(&of[..3]).stdout;
    assert!(shown.contains("`outrigger run` has not run with this state folder\n"), "{shown}");
    let error = tool.fails(&of);
    assert!(error.contains("the state folder state (--state) does not exist"), "{error}");
    fs::create_dir(tool.home.path().join("state")).unwrap();
    let shown = tool.run(&of).stdout;
    assert!(shown.ends_with("no accounts in state: `outrigger run` has not run with this state folder\n"), "{shown}");
    // As `outrigger run` leaves it before anything is limited.
    tool.write("state/lock", "");
    let shown = tool.run(&of);
    assert_eq!(shown.status, 0, "{shown:?}");
    assert!(shown.stdout.ends_with("\nnothing is stored yet in state\n"), "{shown:?}");
    let accounts = tool.home.path().join("state/accounts");
    for bytes in ["", "no accounts"] {
        fs::write(&accounts, bytes).unwrap();
        let error = tool.fails(&of);
        assert!(error.starts_with("outrigger: state/accounts can't be used: it is "), "{error}");
        assert!(error.contains("To begin with nothing spent, stop `outrigger run` and move the file away"), "{error}");
    }
    fs::remove_file(&accounts).unwrap();
    symlink("/nowhere/accounts", &accounts).unwrap();
    let error = tool.fails(&of);
    assert!(error.contains("state/accounts is a link to a file that is not there"), "{error}");
    assert!(error.contains("`outrigger run` refuses it, too"), "{error}");
}

/// A cluster in which each namespace has a Budget `team`, which the operator changes at once.
fn cluster() -> Tool {
    let budget = |namespace: &str, actions: Value| {
        json!({
            "kind": "Budget", "metadata": {"namespace": namespace, "name": "team", "resourceVersion": "7"},
            "spec": {"amount": "10", "window": "Month"}, "status": {"actions": actions},
        })
    };
    let (default, prod) = (budget("default", json!([])), budget("prod", json!([])));
    Tool::new(&format!(
        "case \"$*\" in *--namespace=prod*) one='{prod}';; *) one='{default}';; esac\ncase \"$*\" in *annotate*) echo '{{}}';; \
         *budgets.outrigger.dev,*) echo '{{\"items\":['\"$one\"']}}';; *) echo \"$one\";; esac\n"
    ))
}

#[test]
fn verbs_find_the_object_in_the_namespace_that_is_named() {
    for words in [
        &["budget", "reset", "prod/team"][..],
        &["budget", "reset", "budget/prod/team", "-n", "prod"][..],
        &["budget", "-n", "prod", "reset", "team"][..],
        &["budget", "reset", "team", "--namespace", "prod"][..],
    ] {
        let tool = cluster();
        let error = tool.fails(&[words, &["--reason", "x", "--timeout", "1"]].concat());
        // No operator is there: the action is asked for, and that is all.
        assert!(error.contains("has not executed action"), "{words:?}: {error}");
        let calls = tool.calls();
        let call = calls.lines().find(|call| call.contains("annotate")).unwrap();
        assert!(call.contains("annotate budgets.outrigger.dev/team --namespace=prod "), "{call}");
        assert!(!calls.lines().any(|call| call.contains("annotate") && !call.contains("=prod ")), "{calls}");
    }
    let tool = cluster();
    let error = tool.fails(&["budget", "reset", "prod/taem", "--reason", "x"]);
    assert!(error.contains("`prod/taem` in namespace prod; did you mean Budget prod/team?"), "{error}");
    let error = tool.fails(&["budget", "-n", "default", "reset", "prod/team", "--reason", "x"]);
    assert!(error.contains("is in namespace prod, and --namespace names default"), "{error}");
    for name in ["/team", "prod/", "vkey/", "a/b/c"] {
        let error = tool.fails(&["budget", "reset", name, "--reason", "x"]);
        assert!(error.contains("must be NAME, KIND/NAME, NAMESPACE/NAME"), "{error}");
    }
    assert!(!tool.calls().contains("annotate"), "{}", tool.calls());
    // The view looks there as well.
    let shown = tool.run(&["budget", "prod/team"]);
    assert!(shown.status == 0 && shown.stdout.contains("Budget prod/team"), "{shown:?}");
}

#[test]
fn an_object_of_another_namespace_is_not_suggested() {
    // This kubectl shows one namespace, whatever is asked for.
    let team = json!({"kind": "Budget", "metadata": {"namespace": "default", "name": "team"}, "spec": {"amount": "1", "window": "Day"}});
    let tool = Tool::new(&format!("echo '{{\"items\":[{team}]}}'"));
    for words in [&["budget", "reset", "prod/team", "--reason", "x"][..], &["budget", "prod/team"][..]] {
        let error = tool.fails(words);
        assert!(error.ends_with("`prod/team` in namespace prod\n"), "{error}");
    }
}

#[test]
fn wrong_verbs_and_options_are_explained() {
    let tool = cluster();
    for words in [&["resett", "team"][..], &["-n", "prod", "resett", "team", "--reason", "x"]] {
        let error = tool.fails(&[&["budget"], words].concat());
        assert_eq!(error, "error: there is no `outrigger budget resett`; did you mean `outrigger budget reset`?\n");
    }
    for (words, why) in [
        (&["team", "reset", "other"][..], "write the object after it, as in `outrigger budget reset team`"),
        (&["-A", "reset", "team"], "name its namespace with -n"),
        (&["--folder", "x", "reset", "team"], "reset works in a cluster"),
        (&["reset", "team", "--folder", "x"], "reset works in a cluster"),
    ] {
        let error = tool.fails(&[&["budget"], words, &["--reason", "x"]].concat());
        assert!(error.contains(why), "{words:?}: {error}");
    }
    let long = "x".repeat(5_000);
    let error = tool.fails(&["budget", "reset", "team", "--reason", &long]);
    assert!(error.contains("--reason has 5000 characters") && error.len() < 200, "{error}");
    let error = tool.fails(&["budget", "reset", "team", "--reason", " "]);
    assert!(error.contains("--reason is empty"), "{error}");
    assert_eq!(tool.calls(), "");
    let helps = ["forgive", "reset", "raise"].map(|verb| tool.run(&["budget", verb, "--help"]).stdout);
    for help in helps {
        assert!(help.contains("Not for forgive, reset and raise"), "{help}");
    }
}

#[test]
fn a_raise_is_checked_before_anything_is_written() {
    let tool = cluster();
    let raise = |amount: &str, until: &str, more: &[&str]| {
        let words = ["budget", "raise", "team", "--reason", "x", "--amount", amount, "--until", until];
        tool.fails(&[&words, more].concat())
    };
    for amount in ["abc", "0", "$", "€50", "1,000", "50 USD", "", "-5"] {
        let error = raise(amount, "4h", &[]);
        assert!(error.contains("must be above zero: dollars such as $50"), "{amount}: {error}");
    }
    for (until, why) in [("400d", "at most 366 days"), ("-4h", "has passed"), ("soon", "must be a time")] {
        let error = raise("$5", until, &[]);
        assert!(error.contains(why) && !error.contains("use '--"), "{until}: {error}");
    }
    for timeout in ["-1", "0", "abc"] {
        let error = raise("$5", "4h", &["--timeout", timeout]);
        assert!(error.contains("must be a number of seconds from 1 to 3600"), "{timeout}: {error}");
    }
    assert_eq!(tool.calls(), "");
    // What kind of amount it must be is known when the limit is.
    let error = raise("12345678901", "4h", &[]);
    assert!(error.contains("is no amount of spec.amount, which counts dollars: write such as $50"), "{error}");
    assert!(!tool.calls().contains("annotate"), "{}", tool.calls());
}

#[test]
fn without_a_cluster_the_errors_say_how_to_name_one() {
    let said = "The connection to the server localhost:8080 was refused - did you specify the right host or port?";
    let tool = Tool::new(&format!("echo '{said}' >&2; exit 1"));
    for words in [&["budget"][..], &["budget", "reset", "team", "--reason", "x"]] {
        let error = tool.fails(words);
        assert!(error.contains("cannot be read from a cluster: The connection"), "{error}");
        assert!(["--context", "--kubeconfig", "--folder"].iter().all(|option| error.contains(option)), "{error}");
    }
    let error = tool.fails(&["ledger", "migrate", "--to", "PostgreSQL"]);
    assert!(
        error.starts_with(
            "outrigger: the operator (deployment/outrigger in namespace outrigger-system) can't be read: The connection"
        ),
        "{error}"
    );
    assert!(error.ends_with("Name the cluster with --context or --kubeconfig\n"), "{error}");
    let error = tool.fails(&["ledger", "report"]);
    assert!(error.starts_with("outrigger: the operator gives no report: The connection"), "{error}");
}

#[test]
fn a_report_is_checked_before_the_operator_is_asked() {
    let tool = Tool::new("exit 9");
    for (words, why) in [
        (&["--from", "yesterday"][..], "must be a day such as 2026-11-01"),
        (&["--from", "-5"], "must be a day such as 2026-11-01"),
        (&["--from", "2026-12-01", "--to", "2026-11-01"], "--to 2026-11-01 is not after --from 2026-12-01"),
        (&["--by", "key,,team"], "must not have an empty part"),
        (&["--by", "key,key"], "must have key once"),
        (&["--by", "modle"], "did you mean model?"),
    ] {
        let error = tool.fails(&[&["ledger", "report"], words].concat());
        assert!(error.contains(why), "{words:?}: {error}");
    }
    assert_eq!(tool.calls(), "");
    let help = tool.run(&["ledger", "--help"]).stdout;
    assert!(help.lines().next().unwrap().contains("move the ledger's records to another store"), "{help}");
}

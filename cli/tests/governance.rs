//! The commands that evaluate policies: the output of `check`, `explain` and `diff`, and their exit statuses.
//!
//! Output for people is compared with committed texts, which `UPDATE=1` writes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, outside its own function as well")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

struct ProgramOutput {
    status: i32,
    stdout: String,
    stderr: String,
}

/// Runs the program in a folder, with an environment without our variables.
fn outrigger(dir: &Path, args: &[&str], stdin: &str) -> ProgramOutput {
    let mut child = Command::new(env!("CARGO_BIN_EXE_outrigger"))
        .current_dir(dir)
        .args(args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends without reading its input has closed the pipe.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    ProgramOutput { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Compares with a committed text.
fn golden(name: &str, text: &str) {
    let path = fixture(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, committed, "{name}: UPDATE=1 writes it");
}

const NOON: [&str; 2] = ["--time", "2026-11-25T12:00:00Z"];

#[test]
fn explain_shows_where_a_request_goes_and_why() {
    for (name, args, status) in [
        ("by_weight", &["--request", "request.json"][..], 0),
        ("by_rule", &["--request", "request.json", "--header", "X-Tier: premium"][..], 0),
        ("by_rule_down", &["--model", "gpt-4o", "--header", "x-tier: premium", "--unhealthy", "claude"][..], 0),
        ("pinned", &["--model", "claude/claude-haiku-4-5", "--path", "/v1/messages", "--stream"][..], 0),
        ("shadow", &["--request", "request.json", "--label", "tier=free"][..], 0),
        ("downgraded", &["--request", "request.json", "--spent", "team=$95.00"][..], 0),
        ("one_limit", &["--request", "request.json", "--spent", "providers[local].limits.requests[hour]=1000"][..], 0),
        ("spent", &["--request", "request.json", "--spent", "search/team=100%"][..], 3),
        ("no_room", &["--request", "request.json", "--spent", "team=$99.9999"][..], 0),
        ("rejected", &["--model", "gpt-4o", "--time", "2026-11-25T03:00:00Z"][..], 3),
        ("suspended", &["--model", "gpt-4o", "--key", "batch"][..], 3),
        ("nobody", &["--model", "gpt-5o"][..], 3),
    ] {
        let mut all = vec!["explain", "objects.yaml"];
        if !args.contains(&"--key") {
            all.extend(["--key", "search"]);
        }
        if !args.contains(&"--time") {
            all.extend(NOON);
        }
        all.extend(args);
        let output = outrigger(&fixture("explain"), &all, "");
        assert_eq!((output.status, output.stderr.as_str()), (status, ""), "{name}: {}", output.stdout);
        assert!(!output.stdout.contains("sk-not-told"), "{name}");
        golden(&format!("explain/{name}.txt"), &output.stdout);
    }
}

#[test]
fn explain_shows_a_second_decision_for_a_short_limit() {
    for (name, most, status) in [("short", 20_000, 0), ("short_for_all", 20_000_000, 3)] {
        let body = format!(
            r#"{{"model": "large", "max_tokens": {most}, "messages": [{{"role": "user", "content": "Hello"}}]}}"#
        );
        let args = ["explain", "short.yaml", "--request", "-", "--spent", "limits.budgets[month]=$98.98"];
        let output = outrigger(&fixture("explain"), &[&args[..], &NOON].concat(), &body);
        assert_eq!((output.status, output.stderr.as_str()), (status, ""), "{name}: {}", output.stdout);
        golden(&format!("explain/{name}.txt"), &output.stdout);
    }
}

#[test]
fn explain_as_json() {
    let body = fs::read_to_string(fixture("explain/request.json")).unwrap();
    let args = ["explain", "objects.yaml", "--key", "search", "--request", "-", "--json"];
    let output = outrigger(&fixture("explain"), &[&args[..], &NOON].concat(), &body);
    assert_eq!(output.status, 0, "{}", output.stderr);
    golden("explain/by_weight.json", &output.stdout);
}

#[test]
fn a_key_is_identified_by_an_sdks_headers() {
    for (header, expected) in [
        ("authorization: Bearer vk-search", "VirtualKey search/search, named by authorization"),
        ("x-api-key: search", "VirtualKey search/search, named by x-api-key"),
    ] {
        let args = ["explain", "objects.yaml", "--model", "gpt-4o", "--header", header];
        let output = outrigger(&fixture("explain"), &[&args[..], &NOON].concat(), "");
        assert!(output.stdout.contains(expected), "{}", output.stdout);
    }
    let output = outrigger(&fixture("explain"), &["explain", "objects.yaml", "--model", "gpt-4o"], "");
    assert!(output.status == 3 && output.stdout.contains("401 virtual_key_required"), "{}", output.stdout);
}

#[test]
fn impossible_arguments_are_errors() {
    let objects = ["explain", "objects.yaml", "--key", "search"];
    for (args, status, expected) in [
        (&[][..], 2, "name the model with --model, or give a whole request with --request"),
        (&["--model", "m", "--spent", "tema=5"][..], 2, "--spent tema: there is no Budget `tema`"),
        (
            &["--model", "m", "--spent", "tema=5"][..],
            2,
            "use one of search/team, providers[local].limits.requests[hour]",
        ),
        (&["--model", "m", "--spent", "team=much"][..], 2, "Budget search/team counts money, so say how many dollars"),
        (&["--model", "m", "--spent", "team"][..], 2, "must be a limit and an amount, such as team-search=95%"),
        (&["--model", "m", "--unhealthy", "opnai"][..], 2, "did you mean `openai`?; use one of openai, local, claude"),
        (&["--model", "m", "--path", "/v1/nothing"][..], 2, "no path is served at /v1/nothing"),
        (&["--model", "m", "--header", "a b: c"][..], 2, "`a b` is not a valid header for a request"),
        (&["--model", "m", "--time", "noon"][..], 2, "must be a time such as 2026-12-01T09:00:00Z"),
        (&["--request", "none.json"][..], 2, "can't read none.json"),
        (&["--request", "-", "--path", "/v1/audio/transcriptions"][..], 2, "the body of transcription is a form"),
    ] {
        let output = outrigger(&fixture("explain"), &[&objects[..], args].concat(), "");
        assert_eq!(output.status, status, "{args:?}: {}{}", output.stdout, output.stderr);
        assert!(output.stderr.contains(expected), "{args:?}: {}", output.stderr);
    }
    assert_eq!(outrigger(&fixture("explain"), &["explain", "nowhere", "--model", "m"], "").status, 1);
    for (body, expected) in [
        ("{", "400 invalid_request: the body is not JSON"),
        ("{}", "400 invalid_request: `model` is missing"),
        (r#"{"model": "claude/claude-haiku-4-5", "messages": 1}"#, "400 invalid_request: messages: "),
    ] {
        let output = outrigger(&fixture("explain"), &[&objects[..], &NOON, &["--request", "-"]].concat(), body);
        assert!(output.status == 3 && output.stdout.contains(expected), "{body}: {}{}", output.stdout, output.stderr);
    }
}

#[test]
fn diff_shows_objects_and_decisions() {
    let at = fixture("diff");
    let output = outrigger(&at, &["diff", "old", "new", "--replay", "records.jsonl"], "");
    assert_eq!((output.status, output.stderr.as_str()), (1, ""));
    golden("diff/replayed.txt", &output.stdout);

    // The same records from /decisions.
    let lines = fs::read_to_string(at.join("records.jsonl")).unwrap();
    let array = format!("[{}]", lines.lines().collect::<Vec<_>>().join(","));
    assert_eq!(outrigger(&at, &["diff", "old", "new", "--replay", "-"], &array).stdout, output.stdout);

    let output = outrigger(&at, &["diff", "old", "old"], "");
    assert_eq!((output.status, output.stdout.as_str()), (0, "no object is different\n"));
}

#[test]
fn diff_fails_with_two() {
    let at = fixture("diff");
    let broken = tempfile::tempdir().unwrap();
    fs::write(broken.path().join("a.yaml"), "apiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\n").unwrap();
    let broken = broken.path().to_str().unwrap();
    for (args, expected) in [
        (&["old", "nowhere"][..], "can't read nowhere"),
        (&["old", "new", "--replay", "nothing"][..], "can't read nothing"),
        (&["old", "new", "--replay", "-"][..], "line 2 is not a decision record"),
        (&["old", broken, "--replay", "records.jsonl"][..], "has errors, so its decisions are unknown"),
    ] {
        let record = r#"{"decision":"d","dialect":"openai","operation":"chat"}"#;
        let output = outrigger(&at, &[&["diff"], args].concat(), &format!("{record}\nnothing\n"));
        assert!(
            output.status == 2 && output.stderr.contains(expected),
            "{args:?}: {} {}",
            output.status,
            output.stderr
        );
    }
}

/// A copy of the folder, with a text in a file replaced.
fn changed(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let objects = folder.path().join("objects");
    fs::create_dir(&objects).unwrap();
    for entry in fs::read_dir(fixture("../../examples/policy-repository/objects")).unwrap() {
        let path = entry.unwrap().path();
        let mut text = fs::read_to_string(&path).unwrap();
        if path.file_name().unwrap() == file {
            assert!(text.contains(from), "{file} has no {from}");
            text = text.replacen(from, to, 1);
        }
        fs::write(objects.join(path.file_name().unwrap()), text).unwrap();
    }
    folder
}

#[test]
fn the_policy_repository_is_valid_and_matches_its_page() {
    let repository = fixture("../../examples/policy-repository");
    let page = fs::read_to_string(repository.join("README.md")).unwrap();
    let output = outrigger(&repository, &["check", "objects", "--no-secrets"], "");
    assert_eq!((output.status, output.stdout.as_str()), (0, "5 objects, 5 tests, 0 errors\n"));
    assert!(page.contains(&output.stdout));
    for (file, command) in [
        (".github/workflows/policy.yaml", "outrigger check objects --no-secrets --junit policy.xml"),
        (".github/workflows/policy.yaml", "outrigger diff"),
        (".pre-commit-config.yaml", "outrigger check objects --no-secrets"),
    ] {
        assert!(fs::read_to_string(repository.join(file)).unwrap().contains(command), "{file}: {command}");
        assert!(page.contains(command), "README.md: {command}");
    }
    // Every `explain` command of the page works.
    for line in page.lines().filter_map(|line| line.strip_prefix("$ outrigger explain ")) {
        let args: Vec<&str> = line.split(" --").collect();
        let mut all = vec!["explain".to_owned(), args[0].to_owned()];
        for part in &args[1..] {
            let (name, value) = part.split_once(' ').unwrap();
            all.extend([format!("--{name}"), value.trim_matches('\'').to_owned()]);
        }
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(outrigger(&repository, &all, "").status, 0, "{line}");
    }
}

#[test]
fn a_rule_with_failing_tests_is_an_error() {
    let page = fs::read_to_string(fixture("../../examples/policy-repository/README.md")).unwrap();
    let folder = changed("rules.yaml", r#"== "premium""#, r#"== "gold""#);
    let output = outrigger(folder.path(), &["check", "objects", "--no-secrets", "--junit", "report.xml"], "");
    assert_eq!(output.status, 1);
    assert!(output.stdout.lines().count() == 3 && page.contains(&output.stdout), "{}", output.stdout);

    let report = fs::read_to_string(folder.path().join("report.xml")).unwrap();
    assert!(report.contains(r#"tests="10" skipped="0" failures="2""#), "{report}");
    let case = r#"<testcase name="premium goes to Claude" classname="RoutingRule search/premium" time="0."#;
    let (_, rest) = report.split_once(case).unwrap_or_else(|| panic!("{report}"));
    assert!(rest.lines().next().unwrap().ends_with(r#" file="objects/rules.yaml" line="13">"#), "{rest}");
    assert!(rest.lines().nth(1).unwrap().contains("<failure message=\"the test `premium goes to Claude` fails: "));
    // The rule itself is valid.
    let rule =
        r#"name="RoutingRule search/premium" classname="objects/rules.yaml" file="objects/rules.yaml" line="2"/>"#;
    assert!(report.contains(rule), "{report}");
}

#[test]
fn tests_run_beside_errors_and_secrets_may_be_elsewhere() {
    // Another object is broken. The rule's tests still run.
    let odd = "{apiVersion: outrigger.dev/v1alpha1, kind: LLMProvider, metadata: {name: odd, namespace: odd}, spec: {odd: 1}}";
    let folder = changed("rules.yaml", "premium", "premium");
    fs::write(folder.path().join("objects/odd.yaml"), odd).unwrap();
    let output = outrigger(folder.path(), &["check", "objects", "--no-secrets"], "");
    assert!(output.status == 1 && output.stdout.contains("spec.odd"), "{}", output.stdout);
    assert!(output.stdout.contains(" 5 tests, "), "{}", output.stdout);

    // A dependency of the rule's key is broken. The tests could only fail because of that, so only the error is
    // reported.
    let folder = changed("budgets.yaml", "percent: 80", "percent: 800");
    let output = outrigger(folder.path(), &["check", "objects", "--no-secrets"], "");
    assert!(output.status == 1 && output.stdout.contains("spec.thresholds[0].percent"), "{}", output.stdout);
    assert!(!output.stdout.contains("fails"), "{}", output.stdout);

    // Failures name the reasons why candidates were skipped.
    let folder = changed("rules.yaml", "given: {unhealthy: [anthropic]}", "given: {unhealthy: [anthropic, openai]}");
    let output = outrigger(folder.path(), &["check", "objects", "--no-secrets"], "");
    let expected = "passed over: anthropic/claude-sonnet-4-5 (unhealthy), openai/gpt-4o (unhealthy)";
    assert!(output.status == 1 && output.stdout.contains(expected), "{}", output.stdout);

    let repository = fixture("../../examples/policy-repository");
    let output = outrigger(&repository, &["check", "objects"], "");
    assert!(output.status == 1 && output.stdout.contains("there is no Secret search/openai here"), "{}", output.stdout);
}

#[test]
fn help_names_every_command() {
    let output = outrigger(&fixture("."), &["--help"], "");
    for command in ["run", "check", "explain", "diff", "import", "crds"] {
        assert!(
            output.stdout.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))),
            "{}",
            output.stdout
        );
    }
    assert_eq!(output.status, 0);
}

//! The commands that judge policies: what `check`, `explain` and `diff` say, and what they exit with.
//!
//! What a person reads is compared with committed texts; `UPDATE=1` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic, outside its own function as well")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

struct Said {
    status: i32,
    stdout: String,
    stderr: String,
}

/// What the program says in a folder, with an environment that has nothing of ours.
fn outrigger(dir: &Path, args: &[&str], stdin: &str) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_outrigger"))
        .current_dir(dir)
        .args(args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that ends without reading it has closed it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Compares with a committed text.
fn golden(name: &str, text: &str) {
    let path = here(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, committed, "{name}: UPDATE=1 writes it anew");
}

const NOON: [&str; 2] = ["--time", "2026-11-25T12:00:00Z"];

#[test]
fn explain_tells_where_a_request_goes_and_why() {
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
        let said = outrigger(&here("explain"), &all, "");
        assert_eq!((said.status, said.stderr.as_str()), (status, ""), "{name}: {}", said.stdout);
        assert!(!said.stdout.contains("sk-not-told"), "{name}");
        golden(&format!("explain/{name}.txt"), &said.stdout);
    }
}

#[test]
fn explain_tells_what_is_decided_again_for_want_of_money() {
    for (name, most, status) in [("short", 20_000, 0), ("short_for_all", 20_000_000, 3)] {
        let body = format!(
            r#"{{"model": "large", "max_tokens": {most}, "messages": [{{"role": "user", "content": "Hello"}}]}}"#
        );
        let args = ["explain", "short.yaml", "--request", "-", "--spent", "limits.budgets[month]=$98.98"];
        let said = outrigger(&here("explain"), &[&args[..], &NOON].concat(), &body);
        assert_eq!((said.status, said.stderr.as_str()), (status, ""), "{name}: {}", said.stdout);
        golden(&format!("explain/{name}.txt"), &said.stdout);
    }
}

#[test]
fn explain_tells_programs_the_same() {
    let body = fs::read_to_string(here("explain/request.json")).unwrap();
    let args = ["explain", "objects.yaml", "--key", "search", "--request", "-", "--json"];
    let said = outrigger(&here("explain"), &[&args[..], &NOON].concat(), &body);
    assert_eq!(said.status, 0, "{}", said.stderr);
    golden("explain/by_weight.json", &said.stdout);
}

#[test]
fn a_key_is_known_by_what_an_sdk_sends() {
    for (header, told) in [
        ("authorization: Bearer vk-search", "VirtualKey search/search, named by authorization"),
        ("x-api-key: search", "VirtualKey search/search, named by x-api-key"),
    ] {
        let args = ["explain", "objects.yaml", "--model", "gpt-4o", "--header", header];
        let said = outrigger(&here("explain"), &[&args[..], &NOON].concat(), "");
        assert!(said.stdout.contains(told), "{}", said.stdout);
    }
    let said = outrigger(&here("explain"), &["explain", "objects.yaml", "--model", "gpt-4o"], "");
    assert!(said.status == 3 && said.stdout.contains("401 virtual_key_required"), "{}", said.stdout);
}

#[test]
fn what_can_not_be_asked_is_told() {
    let objects = ["explain", "objects.yaml", "--key", "search"];
    for (args, status, told) in [
        (&[][..], 2, "say what is asked for, with --model or with a whole request in --request"),
        (&["--model", "m", "--spent", "tema=5"][..], 2, "--spent tema: there is no Budget `tema`"),
        (
            &["--model", "m", "--spent", "tema=5"][..],
            2,
            "there are search/team, providers[local].limits.requests[hour]",
        ),
        (&["--model", "m", "--spent", "team=much"][..], 2, "Budget search/team counts money, so say how many dollars"),
        (&["--model", "m", "--spent", "team"][..], 2, "must be a limit and an amount, such as team-search=95%"),
        (&["--model", "m", "--unhealthy", "opnai"][..], 2, "did you mean `openai`?; there are openai, local, claude"),
        (&["--model", "m", "--path", "/v1/nothing"][..], 2, "no path is served at /v1/nothing"),
        (&["--model", "m", "--header", "a b: c"][..], 2, "`a b` is not a valid header for a request"),
        (&["--model", "m", "--time", "noon"][..], 2, "must be a time such as 2026-12-01T09:00:00Z"),
        (&["--request", "none.json"][..], 2, "can't read none.json"),
        (&["--request", "-", "--path", "/v1/audio/transcriptions"][..], 2, "the body of transcription is a form"),
    ] {
        let said = outrigger(&here("explain"), &[&objects[..], args].concat(), "");
        assert_eq!(said.status, status, "{args:?}: {}{}", said.stdout, said.stderr);
        assert!(said.stderr.contains(told), "{args:?}: {}", said.stderr);
    }
    assert_eq!(outrigger(&here("explain"), &["explain", "nowhere", "--model", "m"], "").status, 1);
    for (body, told) in [
        ("{", "400 invalid_request: the body is not JSON"),
        ("{}", "400 invalid_request: `model` is missing"),
        (r#"{"model": "claude/claude-haiku-4-5", "messages": 1}"#, "400 invalid_request: messages: "),
    ] {
        let said = outrigger(&here("explain"), &[&objects[..], &NOON, &["--request", "-"]].concat(), body);
        assert!(said.status == 3 && said.stdout.contains(told), "{body}: {}{}", said.stdout, said.stderr);
    }
}

#[test]
fn diff_tells_objects_and_decisions() {
    let at = here("diff");
    let said = outrigger(&at, &["diff", "old", "new", "--replay", "records.jsonl"], "");
    assert_eq!((said.status, said.stderr.as_str()), (1, ""));
    golden("diff/replayed.txt", &said.stdout);

    // The same from /decisions.
    let lines = fs::read_to_string(at.join("records.jsonl")).unwrap();
    let array = format!("[{}]", lines.lines().collect::<Vec<_>>().join(","));
    assert_eq!(outrigger(&at, &["diff", "old", "new", "--replay", "-"], &array).stdout, said.stdout);

    let said = outrigger(&at, &["diff", "old", "old"], "");
    assert_eq!((said.status, said.stdout.as_str()), (0, "no object is different\n"));
}

#[test]
fn diff_fails_with_two() {
    let at = here("diff");
    let broken = tempfile::tempdir().unwrap();
    fs::write(broken.path().join("a.yaml"), "apiVersion: outrigger.dev/v1alpha1\nkind: LLMProvider\n").unwrap();
    let broken = broken.path().to_str().unwrap();
    for (args, told) in [
        (&["old", "nowhere"][..], "can't read nowhere"),
        (&["old", "new", "--replay", "nothing"][..], "can't read nothing"),
        (&["old", "new", "--replay", "-"][..], "line 2 is not a decision record"),
        (&["old", broken, "--replay", "records.jsonl"][..], "has errors, so its decisions are unknown"),
    ] {
        let record = r#"{"decision":"d","dialect":"openai","operation":"chat"}"#;
        let said = outrigger(&at, &[&["diff"], args].concat(), &format!("{record}\nnothing\n"));
        assert!(said.status == 2 && said.stderr.contains(told), "{args:?}: {} {}", said.status, said.stderr);
    }
}

/// A folder like the one to copy, with a text in a file replaced.
fn changed(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let objects = folder.path().join("objects");
    fs::create_dir(&objects).unwrap();
    for entry in fs::read_dir(here("../../examples/policy-repository/objects")).unwrap() {
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
fn the_policy_repository_is_sound_and_does_what_its_page_says() {
    let repository = here("../../examples/policy-repository");
    let page = fs::read_to_string(repository.join("README.md")).unwrap();
    let said = outrigger(&repository, &["check", "objects", "--no-secrets"], "");
    assert_eq!((said.status, said.stdout.as_str()), (0, "5 objects, 5 tests, 0 errors\n"));
    assert!(page.contains(&said.stdout));
    for (file, command) in [
        (".github/workflows/policy.yaml", "outrigger check objects --no-secrets --junit policy.xml"),
        (".github/workflows/policy.yaml", "outrigger diff"),
        (".pre-commit-config.yaml", "outrigger check objects --no-secrets"),
    ] {
        assert!(fs::read_to_string(repository.join(file)).unwrap().contains(command), "{file}: {command}");
        assert!(page.contains(command), "README.md: {command}");
    }
    // Every line of the page that explains is one that works.
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
fn a_rule_that_does_not_do_what_its_tests_say_is_an_error_there() {
    let page = fs::read_to_string(here("../../examples/policy-repository/README.md")).unwrap();
    let folder = changed("rules.yaml", r#"== "premium""#, r#"== "gold""#);
    let said = outrigger(folder.path(), &["check", "objects", "--no-secrets", "--junit", "report.xml"], "");
    assert_eq!(said.status, 1);
    assert!(said.stdout.lines().count() == 3 && page.contains(&said.stdout), "{}", said.stdout);

    let report = fs::read_to_string(folder.path().join("report.xml")).unwrap();
    assert!(report.contains(r#"tests="10" skipped="0" failures="2""#), "{report}");
    let case = r#"<testcase name="premium goes to Claude" classname="RoutingRule search/premium" time="0."#;
    let (_, rest) = report.split_once(case).unwrap_or_else(|| panic!("{report}"));
    assert!(rest.lines().next().unwrap().ends_with(r#" file="objects/rules.yaml" line="13">"#), "{rest}");
    assert!(rest.lines().nth(1).unwrap().contains("<failure message=\"the test `premium goes to Claude` fails: "));
    // The rule itself is sound.
    let rule =
        r#"name="RoutingRule search/premium" classname="objects/rules.yaml" file="objects/rules.yaml" line="2"/>"#;
    assert!(report.contains(rule), "{report}");
}

#[test]
fn tests_run_beside_errors_and_secrets_may_be_elsewhere() {
    // Another object is broken: the rule's tests are run all the same.
    let odd = "{apiVersion: outrigger.dev/v1alpha1, kind: LLMProvider, metadata: {name: odd, namespace: odd}, spec: {odd: 1}}";
    let folder = changed("rules.yaml", "premium", "premium");
    fs::write(folder.path().join("objects/odd.yaml"), odd).unwrap();
    let said = outrigger(folder.path(), &["check", "objects", "--no-secrets"], "");
    assert!(said.status == 1 && said.stdout.contains("spec.odd"), "{}", said.stdout);
    assert!(said.stdout.contains(" 5 tests, "), "{}", said.stdout);

    // What the rule's key rests on is broken: the tests could only say so, and the error does.
    let folder = changed("budgets.yaml", "percent: 80", "percent: 800");
    let said = outrigger(folder.path(), &["check", "objects", "--no-secrets"], "");
    assert!(said.status == 1 && said.stdout.contains("spec.thresholds[0].percent"), "{}", said.stdout);
    assert!(!said.stdout.contains("fails"), "{}", said.stdout);

    // Skip reasons are told with the candidates.
    let folder = changed("rules.yaml", "given: {unhealthy: [anthropic]}", "given: {unhealthy: [anthropic, openai]}");
    let said = outrigger(folder.path(), &["check", "objects", "--no-secrets"], "");
    let told = "passed over: anthropic/claude-sonnet-4-5 (unhealthy), openai/gpt-4o (unhealthy)";
    assert!(said.status == 1 && said.stdout.contains(told), "{}", said.stdout);

    let repository = here("../../examples/policy-repository");
    let said = outrigger(&repository, &["check", "objects"], "");
    assert!(said.status == 1 && said.stdout.contains("there is no Secret search/openai here"), "{}", said.stdout);
}

#[test]
fn help_names_every_command() {
    let said = outrigger(&here("."), &["--help"], "");
    for command in ["run", "check", "explain", "diff", "import", "crds"] {
        assert!(
            said.stdout.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))),
            "{}",
            said.stdout
        );
    }
    assert_eq!(said.status, 0);
}

//! The workflows in `.github/` are YAML, call only existing targets of the Makefile, and together run all of `make
//! test`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, outside its own function as well")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_yaml::Value;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Every YAML file in a folder, by name.
fn documents(folder: &str) -> BTreeMap<String, Value> {
    let files = fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap().path());
    let read = |file: PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        (name, serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
    };
    files.filter(|file| file.extension().is_some_and(|ending| ending == "yml")).map(read).collect()
}

/// The targets of the Makefile, each with its dependencies.
fn targets() -> BTreeMap<String, Vec<String>> {
    let makefile = fs::read_to_string(repository("Makefile")).unwrap();
    let rule = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let is_name = |name: &str| name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
        // Not `NAME := value`, and not a recipe.
        if rest.starts_with('=') || name.is_empty() || !is_name(name) {
            return None;
        }
        let needs = rest.split('#').next().unwrap_or_default();
        Some((name.to_owned(), needs.split_whitespace().map(str::to_owned).collect()))
    };
    makefile.lines().filter_map(rule).collect()
}

/// The commands of a job, with each value of its matrix for `${{ matrix.NAME }}`.
fn commands(job: &Value) -> Vec<String> {
    let steps = job["steps"].as_sequence().expect("a job has steps");
    let mut commands: Vec<String> =
        steps.iter().filter_map(|step| step["run"].as_str()).flat_map(str::lines).map(str::to_owned).collect();
    let matrix = job["strategy"]["matrix"].as_mapping().cloned().unwrap_or_default();
    for (name, values) in &matrix {
        let place = format!("${{{{ matrix.{} }}}}", name.as_str().unwrap());
        let values = values.as_sequence().unwrap();
        let each = |command: String| {
            let with = |value: &Value| command.replace(&place, value.as_str().unwrap());
            if command.contains(&place) { values.iter().map(with).collect() } else { vec![command] }
        };
        commands = commands.into_iter().flat_map(each).collect();
    }
    commands
}

/// The targets of `make` in a command.
fn make_targets(command: &str) -> Vec<String> {
    let calls = command.match_indices("make ").filter(|(at, _)| {
        // Not a part of another word.
        command[..*at].chars().next_back().is_none_or(|before| !before.is_alphanumeric())
    });
    let words = |(at, call): (usize, &'_ str)| {
        let words = command[at + call.len()..].split(' ');
        words
            .map(|word| (word, word.trim_end_matches([')', '"', ';'])))
            .scan(true, |more, (word, name)| {
                let now = std::mem::replace(more, word == name);
                now.then(|| name.to_owned())
            })
            .take_while(|name| !matches!(&**name, "&&" | "||" | "|" | "=" | ""))
            .collect::<Vec<_>>()
    };
    calls.flat_map(words).collect()
}

#[test]
fn the_targets_of_a_command_follow_make() {
    for (command, expected) in [
        ("make check", &["check"][..]),
        ("make control-plane build-cluster", &["control-plane", "build-cluster"]),
        (r#"sudo --preserve-env env "PATH=$PATH" make test-cluster"#, &["test-cluster"]),
        (r#"test "v$(make version)" = "$NAME""#, &["version"]),
        ("gh release --notes-file <(make changes) release/*", &["changes"]),
        ("make a && make b", &["a", "b"]),
        ("cmake x", &[]),
    ] {
        assert_eq!(make_targets(command), expected, "{command}");
    }
}

#[test]
fn workflows_call_only_existing_targets() {
    let targets = targets();
    for (file, workflow) in documents(".github/workflows") {
        for (name, job) in workflow["jobs"].as_mapping().expect("a workflow has jobs") {
            let called: Vec<_> = commands(job).iter().flat_map(|command| make_targets(command)).collect();
            assert!(!called.is_empty(), "{file}: {name:?} calls no target");
            for target in called {
                assert!(targets.contains_key(&target), "{file}: {name:?} calls `make {target}`, which is not there");
            }
        }
    }
}

#[test]
fn workflows_run_all_of_make_test() {
    let called: BTreeSet<String> = documents(".github/workflows")
        .values()
        .flat_map(|workflow| workflow["jobs"].as_mapping().cloned().unwrap_or_default())
        .flat_map(|(_, job)| commands(&job))
        .flat_map(|command| make_targets(&command))
        .collect();
    let targets = targets();
    let needed = &targets["test"];
    assert!(needed.len() > 5, "{needed:?}");
    // It checks the free disk space, which a runner has.
    for target in needed.iter().filter(|target| *target != "room") {
        assert!(called.contains(target), "no workflow calls `make {target}`");
    }
}

#[test]
fn templates_of_issues_are_yaml_with_a_name() {
    for (file, template) in documents(".github/ISSUE_TEMPLATE") {
        let named = template["name"].is_string() && template["body"].is_sequence();
        assert!(named || file == "config.yml", "{file}");
    }
}

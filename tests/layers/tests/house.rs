//! The layers of this workspace: between crates as `docs/architecture.md` lists them, and inside each crate.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, outside its own function as well")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use outrigger_layers::Graph;
use serde_json::Value;

/// Two files may need each other: a type, and a file with operations on it.
const MOST: usize = 2;

/// From this number of rooms on, the table must list their order.
const ORDERED: usize = 7;

struct Package {
    /// Without `outrigger-`.
    name: String,
    folder: PathBuf,
    dependencies: Vec<Value>,
}

fn packages() -> Vec<Package> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter().map(|package| Package {
        name: package["name"].as_str().unwrap().trim_start_matches("outrigger-").to_owned(),
        folder: Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned(),
        dependencies: package["dependencies"].as_array().unwrap().clone(),
    });
    packages.collect()
}

#[test]
fn no_more_than_two_files_need_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    for package in packages() {
        let src = package.folder.join("src");
        let graph = Graph::of(&src).unwrap_or_else(|error| panic!("{error}"));
        for cycle in graph.cycles(MOST) {
            wrong.push(format!("{}: {} files in a circle", package.name, cycle.len()));
            wrong.extend(graph.among(&cycle).into_iter().map(|arrow| format!("  {arrow}")));
        }
    }
    assert!(wrong.is_empty(), "take an arrow out of each:\n{}", wrong.join("\n"));
}

/// The table of `docs/architecture.md`: each crate, with the crates that it needs from the second column.
fn listed() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/architecture.md")).unwrap();
    let start = text.find("| crate | needs |").expect("docs/architecture.md has the table of crates");
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = text[start..].lines().skip(2).take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<&str> = line.split('|').collect();
        (names(cells[1]).remove(0), names(cells[2]).into_iter().collect())
    });
    rows.collect()
}

/// The table of `docs/architecture.md`: each crate, with its rooms in layers from the top down.
fn layers() -> BTreeMap<String, Vec<Vec<String>>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/architecture.md")).unwrap();
    let start = text.find("| crate | layers |").expect("docs/architecture.md has the table of layers");
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = text[start..].lines().skip(2).take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<&str> = line.split('|').collect();
        (names(cells[1]).remove(0), cells[2].split('→').map(names).collect())
    });
    rows.collect()
}

#[test]
fn arrows_between_the_rooms_of_a_crate_go_down() {
    let listed = layers();
    let mut wrong = Vec::new();
    for package in packages() {
        let graph = Graph::of(&package.folder.join("src")).unwrap_or_else(|error| panic!("{error}"));
        let rooms = graph.rooms();
        // A crate of a few files needs no order.
        let Some(layers) = listed.get(&package.name) else {
            assert!(rooms.len() < ORDERED, "docs/architecture.md orders the rooms of {}", package.name);
            continue;
        };
        let known: BTreeSet<&str> = layers.iter().flatten().map(String::as_str).collect();
        assert_eq!(rooms, known, "{}: left: the rooms, right: docs/architecture.md", package.name);
        wrong.extend(graph.rising(layers).into_iter().map(|arrow| format!("  {}: {arrow}", package.name)));
    }
    assert!(wrong.is_empty(), "these arrows go up:\n{}", wrong.join("\n"));
}

#[test]
fn crates_need_those_that_the_architecture_lists_and_no_others() {
    let found: BTreeMap<String, BTreeSet<String>> = packages()
        .into_iter()
        .map(|package| {
            let ours = package.dependencies.iter().filter(|dependency| dependency["kind"].is_null());
            let names = ours.filter_map(|dependency| dependency["name"].as_str()?.strip_prefix("outrigger-"));
            (package.name, names.map(str::to_owned).collect())
        })
        .collect();
    assert_eq!(found, listed(), "left: the manifests, right: docs/architecture.md");
}

#[test]
fn every_dependency_is_used() {
    let mut wrong = Vec::new();
    for package in packages() {
        let text = sources(&package.folder);
        for dependency in &package.dependencies {
            let name = dependency["rename"].as_str().or(dependency["name"].as_str()).unwrap();
            let word = name.replace('-', "_");
            let used = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|known| known == word);
            if !used {
                wrong.push(format!("{}: {name}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "in a manifest and in no file: {wrong:?}");
}

/// All Rust files of a package.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(&path).unwrap();
        }
    }
    text
}

/// Names that may be defined more than once, and why.
const ALLOWED: [(&str, &str); 7] = [
    ("Error", "a module's error"),
    ("State", "a module's state"),
    ("Args", "the command line of a subcommand"),
    ("Arguments", "the command line of a program"),
    ("Decoder", "each format's, by the same name for `registry.rs`"),
    ("Encoder", "each format's, by the same name for `registry.rs`"),
    ("Watcher", "each format's, by the same name for `registry.rs`"),
];

#[test]
fn no_type_name_stands_for_two_things() {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        let types = outrigger_layers::types(&package.folder.join("src")).unwrap_or_else(|error| panic!("{error}"));
        for (name, modules) in types {
            let files = modules.iter().map(|module| format!("{}:{}", package.name, module.join("/")));
            all.entry(name).or_default().extend(files);
        }
    }
    all.retain(|name, files| files.len() > 1 && !ALLOWED.iter().any(|(allowed, _)| allowed == name));
    let lines: Vec<String> = all.iter().map(|(name, files)| format!("{name}: {}", files.join(", "))).collect();
    assert!(lines.is_empty(), "give each a name of its own:\n{}", lines.join("\n"));
}

//! Invalid policies, one a file. The comment at the end of each file lists the expected findings.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::{fs, path::Path};

use outrigger_compile::{Inputs, OPERATOR_NAMESPACE, Severity, compile, read};
use outrigger_policy::Policy;

const MARK: &str = "# outrigger check says:\n";

/// The findings of a file, one a line, and whether all of them are warnings.
fn found(text: &str) -> (String, bool) {
    let source = read("", text);
    let inputs = Inputs {
        objects: &source.objects,
        unread: source.has_unread(),
        environment: &|name| (name == "OPENAI_API_KEY").then(|| "sk-from-the-environment".to_owned()),
        keys: &[],
        without_value: Severity::Error,
        sequence: 1,
        operator_namespace: OPERATOR_NAMESPACE,
    };
    let compiled = compile(&inputs);
    let findings: Vec<_> = source.findings.iter().chain(&compiled.findings).collect();
    let sound = findings.iter().all(|finding| finding.severity == Severity::Warning);
    // Whatever is wrong, the rest must be a valid policy.
    Policy::build(compiled.document).unwrap();
    // `:12: …`, without the name of the file.
    (findings.iter().map(|finding| format!("#  {}\n", finding.to_string().trim_start_matches(':'))).collect(), sound)
}

#[test]
fn reports_the_location_and_the_remedy_of_every_problem() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 25, "the folder is found");
    let mut stale = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let objects = text.split(MARK).next().unwrap();
        let (findings, sound) = found(objects);
        assert!(!findings.is_empty(), "{} is not broken", file.display());
        // Models without a price are the only problem here that is just a warning.
        let unpriced = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("no-price"));
        assert_eq!(sound, unpriced, "{}: {findings}", file.display());
        let current = format!("{objects}{MARK}{findings}");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &current).unwrap();
        } else if text != current {
            stale.push(format!("{}:\n{findings}", file.display()));
        }
    }
    assert!(stale.is_empty(), "run `UPDATE=1 cargo test -p outrigger-compile` and look:\n{}", stale.join("\n"));
}

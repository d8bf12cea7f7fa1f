//! Everything that is written passes `outrigger check`: rules that would not are written as comments, and other faults
//! are reported.

use outrigger_compile::{Finding, Severity};

use super::ImportError;
use super::objects::{File, ImportedKind, ImportedObject, files};
use super::report::Fate;
use super::scrub::Scrub;
use super::source::ImportSource;
use crate::check;
use crate::folder::{self, SourceText};

/// Validates the objects as `check` does when all keys are known, and removes the rules that it refuses.
pub(crate) fn settle(
    objects: &mut [ImportedObject],
    namespace: Option<&str>,
    source: &ImportSource,
    scrub: &Scrub,
) -> Result<Vec<File>, ImportError> {
    let of = namespace.unwrap_or(outrigger_compile::DEFAULT_NAMESPACE);
    loop {
        let files = scrub.files(files(objects, namespace)?);
        let findings = check_files(&files);
        let mut changed = false;
        for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
            let refused = objects.iter_mut().find(|object| {
                object.kind == ImportedKind::Rule && object.off.is_none() && object.label(of) == finding.object
            });
            if let Some(rule) = refused {
                let why = describe(finding);
                rule.off = Some(format!("Left out, because `outrigger check` refuses it: {why}"));
                source.take_back(&rule.from);
                source.report(
                    Fate::Lost,
                    &rule.from,
                    format!(
                        "the rule can't be imported as it is, so it became a comment: {why}. Correct it in rules.yaml"
                    ),
                );
                changed = true;
            }
        }
        if changed {
            continue;
        }
        for finding in findings {
            let from = objects.iter().find(|object| object.label(of) == finding.object);
            let (fate, path) = match finding.severity {
                Severity::Error => (Fate::Lost, from.map(|object| object.from.as_str())),
                Severity::Warning => (Fate::Doubtful, from.map(|object| object.from.as_str())),
            };
            let message = format!("`outrigger check` says of {}: {}", finding.object, describe(&finding));
            source.report(fate, path.unwrap_or_default(), message);
        }
        return Ok(files);
    }
}

fn check_files(files: &[File]) -> Vec<Finding> {
    let texts: Vec<SourceText> =
        files.iter().map(|file| SourceText { file: file.name.to_owned(), text: file.text.clone() }).collect();
    // The machine that serves knows whether the keys exist.
    check::check(&folder::objects(&texts), &|_| Some("x".to_owned())).findings
}

fn describe(finding: &Finding) -> String {
    match finding.path.is_empty() {
        true => finding.message.clone(),
        false => format!("{}: {}", finding.path, finding.message),
    }
}

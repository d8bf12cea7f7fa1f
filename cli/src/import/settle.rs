//! What is written passes `outrigger check`: a rule that would not is written as a comment, and whatever else would not
//! is told.

use outrigger_compile::{Finding, Severity};

use super::ImportError;
use super::objects::{File, ImportedKind, ImportedObject, files};
use super::report::Fate;
use super::scrub::Scrub;
use super::source::ImportSource;
use crate::check;
use crate::folder::{self, SourceText};

/// Judges the objects as `check` would with all keys at hand, and takes out the rules that it refuses.
pub(crate) fn settle(
    objects: &mut [ImportedObject],
    namespace: Option<&str>,
    source: &ImportSource,
    scrub: &Scrub,
) -> Result<Vec<File>, ImportError> {
    let of = namespace.unwrap_or(outrigger_compile::DEFAULT_NAMESPACE);
    loop {
        let files = scrub.files(files(objects, namespace)?);
        let findings = judge(&files);
        let mut changed = false;
        for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
            let refused = objects.iter_mut().find(|object| {
                object.kind == ImportedKind::Rule && object.off.is_none() && object.label(of) == finding.object
            });
            if let Some(rule) = refused {
                let why = words(finding);
                rule.off = Some(format!("Left out, because `outrigger check` says: {why}"));
                source.take_back(&rule.from);
                source.tell(
                    Fate::Lost,
                    &rule.from,
                    format!(
                        "the rule can't be had as it is, and was written as a comment: {why}. Mend it in rules.yaml"
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
            let message = format!("`outrigger check` says of {}: {}", finding.object, words(&finding));
            source.tell(fate, path.unwrap_or_default(), message);
        }
        return Ok(files);
    }
}

fn judge(files: &[File]) -> Vec<Finding> {
    let texts: Vec<SourceText> =
        files.iter().map(|file| SourceText { file: file.name.to_owned(), text: file.text.clone() }).collect();
    // Whether the keys are there is for the machine that serves.
    check::judge(&folder::objects(&texts), &|_| Some("x".to_owned())).findings
}

fn words(finding: &Finding) -> String {
    match finding.path.is_empty() {
        true => finding.message.clone(),
        false => format!("{}: {}", finding.path, finding.message),
    }
}

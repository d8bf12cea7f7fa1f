//! `outrigger check`: what is wrong with the objects of a folder.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use outrigger_compile::{Finding, Inputs, OPERATOR_NAMESPACE, Severity, Source, compile};

use crate::style::{self, Style};
use crate::{folder, junit};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder (its .yaml, .yml and .json files, not those of folders in it), or one file.
    dir: PathBuf,
    /// Write the findings as JUnit XML as well, a test case for each object.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub(crate) fn main(args: &Args) -> ExitCode {
    let texts = match folder::texts(&args.dir) {
        Ok(texts) => texts,
        Err(error) => return style::fail(&error),
    };
    let source = folder::objects(&texts);
    let findings = judge(&source, &|name| std::env::var(name).ok());
    if let Some(path) = &args.junit
        && let Err(error) = fs::write(path, junit::report(&source.objects, &findings))
    {
        style::say(format_args!("can't write {}: {error}", path.display()));
        return ExitCode::FAILURE;
    }
    let stdout = io::stdout().lock();
    let style = Style::of(&stdout);
    match tell(stdout, style, &source, &findings) {
        Ok(()) if findings.iter().any(|finding| finding.severity == Severity::Error) => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => style::fail(&error),
    }
}

/// Everything that is wrong, by file and line.
pub(crate) fn judge(source: &Source, environment: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
    let inputs = Inputs {
        objects: &source.objects,
        environment,
        keys: &[],
        without_value: Severity::Error,
        sequence: 1,
        operator_namespace: OPERATOR_NAMESPACE,
    };
    let mut findings = compile(&inputs).findings;
    findings.extend(source.findings.iter().cloned());
    findings.sort_by(|a, b| a.place.cmp(&b.place));
    findings
}

fn tell(mut out: impl Write, style: Style, source: &Source, findings: &[Finding]) -> io::Result<()> {
    for finding in findings {
        writeln!(out, "{}", style.finding(finding))?;
    }
    let (objects, ignored) = (source.objects.len(), source.ignored.len());
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let warnings = findings.len() - errors;
    let mut summary = format!("{}, {}", counted(objects, "object"), counted(errors, "error"));
    if warnings > 0 {
        summary.push_str(&format!(", {}", counted(warnings, "warning")));
    }
    if ignored > 0 {
        summary.push_str(&format!(", {} of other kinds", counted(ignored, "object")));
    }
    writeln!(out, "{}", style.bold(summary))
}

/// `1 error`, `2 errors`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

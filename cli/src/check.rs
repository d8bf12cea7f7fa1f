//! `outrigger check`: reports faults in a folder's objects, and runs the tests of its rules.

mod junit;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use outrigger_compile::{
    Cause, Compiled, Finding, Inputs, OPERATOR_NAMESPACE, Severity, Source, SourceLocation, compile,
};
use outrigger_sidecar::telemetry::records::Lines;
use outrigger_sidecar::{Gateway, Settings};

use crate::rule_tests::{self, RuleTest};
use crate::style::{self, Style};
use crate::{folder, idle, serve};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder (its .yaml, .yml and .json files, not those of folders in it), or one file.
    dir: PathBuf,
    /// Write the findings as JUnit XML as well: a test case for each object and for each test of a rule.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Assume that every credential has a value: for folders without Secrets, such as those in Git.
    #[arg(long)]
    no_secrets: bool,
}

/// The result of a check.
#[derive(Debug)]
pub(crate) struct CheckOutcome {
    /// Ordered by file and line, including failed tests.
    pub findings: Vec<Finding>,
    pub tests: Vec<RuleTest>,
}

pub(crate) fn main(args: &Args) -> ExitCode {
    let texts = match folder::texts(&args.dir) {
        Ok(texts) => texts,
        Err(error) => return style::fail(&error),
    };
    let mut source = folder::objects(&texts);
    if source.objects.is_empty() && source.findings.is_empty() {
        source.findings.push(Finding {
            severity: Severity::Error,
            cause: Cause::Schema,
            location: SourceLocation { file: args.dir.display().to_string(), line: 0 },
            object: String::new(),
            path: String::new(),
            message: "no objects found: an empty folder is probably a mistake".to_owned(),
        });
    }
    let outcome = match args.no_secrets {
        true => check(&source, &any_value),
        false => check(&source, &|name| std::env::var(name).ok()),
    };
    if let Some(path) = &args.junit {
        let report = junit::report(&source.objects, &outcome).map_err(io::Error::other);
        if let Err(error) = report.and_then(|report| fs::write(path, report)) {
            style::print_line(format_args!("can't write {}: {error}", path.display()));
            return ExitCode::FAILURE;
        }
    }
    let stdout = io::stdout().lock();
    let style = Style::of(&stdout);
    match print(stdout, style, &source, &outcome) {
        Ok(()) if outcome.findings.iter().any(|finding| finding.severity == Severity::Error) => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => style::fail(&error),
    }
}

/// An environment that has a value for every variable, for checks in which the value does not matter.
pub(crate) fn any_value(_: &str) -> Option<String> {
    Some("unknown".to_owned())
}

/// All faults, by file and line.
pub(crate) fn check(source: &Source, environment: &dyn Fn(&str) -> Option<String>) -> CheckOutcome {
    let inputs = Inputs {
        objects: &source.objects,
        unread: source.has_unread(),
        environment,
        keys: &[],
        without_value: Severity::Error,
        sequence: 1,
        operator_namespace: OPERATOR_NAMESPACE,
    };
    let mut compiled = compile(&inputs);
    let idle = idle::findings(source, &compiled);
    let mut findings = std::mem::take(&mut compiled.findings);
    findings.extend(source.findings.iter().cloned());
    findings.extend(idle);
    let tests = rule_tests::run(&compiled).unwrap_or_else(|error| {
        let message = format!("the tests of rules can't be run: {error}");
        findings.push(Finding {
            severity: Severity::Error,
            cause: Cause::Invalid,
            location: SourceLocation {
                file: source.objects.first().map_or_else(String::new, |object| object.location.file.clone()),
                line: 0,
            },
            object: String::new(),
            path: String::new(),
            message,
        });
        Vec::new()
    });
    findings.extend(tests.iter().filter_map(|test| test.failure.clone()));
    if findings.iter().all(|finding| finding.severity != Severity::Error) {
        findings.extend(unservable(source, compiled));
    }
    findings.sort_by(|a, b| a.location.cmp(&b.location));
    CheckOutcome { findings, tests }
}

/// Why a gateway could not be built from objects that have no other errors.
fn unservable(source: &Source, compiled: Compiled) -> Option<Finding> {
    // Nothing is sent or served, but some parts need a runtime when they are built.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let _within = runtime.enter();
    let gateway = Gateway::new(Settings { lines: Lines::Off, ..Settings::default() }).ok()?;
    let error = serve::install(&gateway, compiled.document, &compiled.secrets, &compiled.from_environment).err()?;
    let of = |object: &&outrigger_compile::Object| error.to_string().contains(&object.label());
    let object = source.objects.iter().find(of).or_else(|| source.objects.first())?;
    let message = format!("{error}. `outrigger run` will not start with it");
    Some(Finding { object: String::new(), ..object.finding(Severity::Error, "", message) })
}

fn print(mut out: impl Write, style: Style, source: &Source, outcome: &CheckOutcome) -> io::Result<()> {
    for finding in &outcome.findings {
        writeln!(out, "{}", style.finding(finding))?;
    }
    let (objects, tests, ignored) = (source.objects.len(), outcome.tests.len(), source.ignored.len());
    let errors = outcome.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let warnings = outcome.findings.len() - errors;
    let mut summary = vec![counted(objects, "object")];
    if tests > 0 {
        summary.push(counted(tests, "test"));
    }
    summary.push(counted(errors, "error"));
    if warnings > 0 {
        summary.push(counted(warnings, "warning"));
    }
    if ignored > 0 {
        summary.push(format!("{} of other kinds", counted(ignored, "object")));
    }
    writeln!(out, "{}", style.bold(summary.join(", ")))
}

/// `1 error`, `2 errors`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

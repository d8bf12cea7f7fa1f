//! `outrigger check`: what is wrong with the objects of a folder, and whether its rules do what their tests say.

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

/// What came of checking.
#[derive(Debug)]
pub(crate) struct Judged {
    /// By file and line; those of failed tests among them.
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
            message: "there is no object here: an empty folder is probably a mistake".to_owned(),
        });
    }
    let judged = match args.no_secrets {
        true => judge(&source, &anything),
        false => judge(&source, &|name| std::env::var(name).ok()),
    };
    if let Some(path) = &args.junit {
        let report = junit::report(&source.objects, &judged).map_err(io::Error::other);
        if let Err(error) = report.and_then(|report| fs::write(path, report)) {
            style::say(format_args!("can't write {}: {error}", path.display()));
            return ExitCode::FAILURE;
        }
    }
    let stdout = io::stdout().lock();
    let style = Style::of(&stdout);
    match tell(stdout, style, &source, &judged) {
        Ok(()) if judged.findings.iter().any(|finding| finding.severity == Severity::Error) => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => style::fail(&error),
    }
}

/// An environment that has a value for whatever is looked for: where it does not matter which.
pub(crate) fn anything(_: &str) -> Option<String> {
    Some("unknown".to_owned())
}

/// Everything that is wrong, by file and line.
pub(crate) fn judge(source: &Source, environment: &dyn Fn(&str) -> Option<String>) -> Judged {
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
    Judged { findings, tests }
}

/// Why a gateway could not be built of objects that nothing else is wrong with.
fn unservable(source: &Source, compiled: Compiled) -> Option<Finding> {
    // Nothing is sent or served; what is built belongs to a runtime all the same.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let _within = runtime.enter();
    let gateway = Gateway::new(Settings { lines: Lines::Off, ..Settings::default() }).ok()?;
    let error = serve::install(&gateway, compiled.document, &compiled.secrets, &compiled.from_environment).err()?;
    let of = |object: &&outrigger_compile::Object| error.to_string().contains(&object.label());
    let object = source.objects.iter().find(of).or_else(|| source.objects.first())?;
    let message = format!("{error}. `outrigger run` will not start with it");
    Some(Finding { object: String::new(), ..object.finding(Severity::Error, "", message) })
}

fn tell(mut out: impl Write, style: Style, source: &Source, judged: &Judged) -> io::Result<()> {
    for finding in &judged.findings {
        writeln!(out, "{}", style.finding(finding))?;
    }
    let (objects, tests, ignored) = (source.objects.len(), judged.tests.len(), source.ignored.len());
    let errors = judged.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let warnings = judged.findings.len() - errors;
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

//! `outrigger doctor`: reports problems of Outrigger in a cluster, with what to do.
//!
//! Reads the cluster with kubectl, so it works with every authentication that kubectl supports. The checks are pure
//! functions of kubectl's output.

mod checks;
mod cluster;
mod line;
mod objects;
mod operator;
mod pods;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use outrigger_policy::Printable;

use crate::kubectl::Kubectl;
use crate::style::{self, Style};
use checks::check;
use cluster::ClusterState;
use line::{LineLevel, ReportLine};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Check the objects and pods of one namespace only. [default: all]
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// As for kubectl.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// As for kubectl.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

pub(crate) fn main(args: &Args) -> ExitCode {
    let kubectl = Kubectl::new(args.kubeconfig.as_deref(), args.context.as_deref());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return style::fail(&error),
    };
    let state = match runtime.block_on(ClusterState::read(&kubectl, args.namespace.as_deref())) {
        Ok(state) => state,
        Err(error) => {
            style::fail(&error);
            return ExitCode::from(2);
        }
    };
    let lines = check(&state, Timestamp::now());
    let mut stdout = io::stdout().lock();
    let text = style::screen(&report(&lines, Style::of(&stdout)));
    match stdout.write_all(text.as_bytes()) {
        Ok(()) if lines.iter().any(|line| line.level == LineLevel::Wrong) => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => style::fail(&error),
    }
}

fn report(lines: &[ReportLine], style: Style) -> String {
    let mut text = String::new();
    for ReportLine { level, text: message, hint } in lines {
        let mark = match level {
            LineLevel::Well => style.dim("ok   "),
            LineLevel::Note => style.yellow("note "),
            LineLevel::Wrong => style.red("wrong"),
        };
        let _ = writeln!(text, "{mark}  {}", Printable(message));
        for hint in hint.iter().flat_map(|hint| hint.lines()) {
            let _ = writeln!(text, "       {}", style.cyan(Printable(hint)));
        }
    }
    let wrong = lines.iter().filter(|line| line.level == LineLevel::Wrong).count();
    let end = match wrong {
        0 => "nothing is wrong".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        many => format!("{many} things are wrong"),
    };
    let _ = writeln!(text, "{}", style.bold(end));
    text
}

#[cfg(test)]
mod tests;

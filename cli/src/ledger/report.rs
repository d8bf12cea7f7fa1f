//! `outrigger ledger report`: who spent what, from the operator's usage history.
//!
//! kubectl runs the query in the operator's pod, which has the database's connection string. So it needs no other way to the
//! database, and the person needs the right to `pods/exec` in the operator's namespace.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use super::operator_at::{OperatorAt, ProgramError, kubectl};
use super::question::{self, ReportTime, SpanError};
use crate::style::{self, Style};
use crate::table::table;

const GROUPS_MAX: usize = question::GROUPS.len();
const SUMS: [(&str, &str); 6] = [
    ("requests", "REQUESTS"),
    ("errors", "ERRORS"),
    ("inputTokens", "INPUT"),
    ("cachedTokens", "CACHED"),
    ("outputTokens", "OUTPUT"),
    ("costUsd", "COST"),
];

#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// The first day or hour: 2026-11-01, or 2026-11-01T06:00:00Z. Absent: this month.
    #[arg(long, value_name = "TIME", value_parser = question::time, allow_hyphen_values = true)]
    from: Option<ReportTime>,
    /// The first day or hour that is not in it. Absent: now.
    #[arg(long, value_name = "TIME", value_parser = question::time, allow_hyphen_values = true)]
    to: Option<ReportTime>,
    /// What to group by: month, day, hour, namespace, key, team, customer, workload, provider, model.
    #[arg(long, value_name = "LIST", default_value = "key", value_parser = question::groups)]
    by: String,
    /// How to write it.
    #[arg(long, short, value_enum, default_value_t = ReportOutput::Table)]
    output: ReportOutput,
    #[command(flatten)]
    at: OperatorAt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ReportOutput {
    Table,
    Json,
    Csv,
}

/// Why there is no report.
#[derive(Debug, Error)]
enum ReportError {
    #[error(transparent)]
    Span(#[from] SpanError),
    #[error("the operator gives no report: {0}")]
    Program(#[from] ProgramError),
    #[error("the operator's report is not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

pub(super) fn main(args: &ReportArgs) -> ExitCode {
    match report(args) {
        Ok(text) => match io::stdout().lock().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => style::fail(&error),
        },
        Err(error) => {
            style::fail(&error);
            ExitCode::from(2)
        }
    }
}

fn report(args: &ReportArgs) -> Result<String, ReportError> {
    question::check(args.from.as_ref(), args.to.as_ref(), Timestamp::now())?;
    let answer = kubectl(&args.at.exec(query(args)))?;
    match args.output {
        ReportOutput::Table => tabulated(&answer),
        ReportOutput::Json | ReportOutput::Csv => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// What the operator is asked.
fn query(args: &ReportArgs) -> Vec<OsString> {
    let format = if args.output == ReportOutput::Csv { "csv" } else { "json" };
    let mut words: Vec<OsString> =
        vec!["usage".into(), format!("--format={format}").into(), format!("--by={}", args.by).into()];
    words.extend(args.from.iter().map(|from| format!("--from={}", from.text).into()));
    words.extend(args.to.iter().map(|to| format!("--to={}", to.text).into()));
    words
}

fn tabulated(json: &[u8]) -> Result<String, ReportError> {
    let rows: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(json)?;
    let is_sum = |name: &str| SUMS.iter().any(|(sum, _)| *sum == name);
    let groups: Vec<String> = rows
        .first()
        .into_iter()
        .flat_map(|row| row.keys())
        .filter(|name| !is_sum(name))
        .take(GROUPS_MAX)
        .cloned()
        .collect();
    let cell = |row: &serde_json::Map<String, Value>, name: &str| match row.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if name == "costUsd" => format!("${text}"),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let cells = rows.iter().map(|row| {
        let names = groups.iter().map(String::as_str).chain(std::iter::repeat_n("", GROUPS_MAX - groups.len()));
        let mut cells = names.chain(SUMS.iter().map(|(name, _)| *name)).map(|name| cell(row, name));
        std::array::from_fn::<String, { GROUPS_MAX + SUMS.len() }, _>(|_| cells.next().unwrap_or_default())
    });
    let cells: Vec<[String; GROUPS_MAX + SUMS.len()]> = cells.collect();
    let heads: Vec<String> = groups.iter().map(|group| group.to_uppercase()).collect();
    let mut heads = heads
        .iter()
        .map(String::as_str)
        .chain(std::iter::repeat_n("", GROUPS_MAX - groups.len()))
        .chain(SUMS.iter().map(|(_, head)| *head));
    let head = std::array::from_fn(|_| heads.next().unwrap_or_default());
    let mut text = String::new();
    match cells.is_empty() {
        true => text.push_str("no requests in this time\n"),
        false => table(&mut text, Style::of(&io::stdout()), head, &cells),
    }
    // A person reads it: nothing in it may be an order to the terminal.
    let mut shown = String::new();
    let _ = write!(shown, "{}", style::screen(&text));
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: ReportArgs,
    }

    fn parsed(words: &[&str]) -> ReportArgs {
        Cli::try_parse_from(["report"].iter().chain(words)).unwrap().args
    }

    #[test]
    fn kubectl_runs_the_query_in_the_operator_s_pod() {
        let args = parsed(&["--by", "team,model", "--from=2026-11-01", "--context", "prod", "-o", "csv"]);
        let words: Vec<String> =
            args.at.exec(query(&args)).into_iter().map(|word| word.into_string().unwrap()).collect();
        assert_eq!(
            words.join(" "),
            "--request-timeout=60s --context prod exec --namespace outrigger-system deployment/outrigger \
             --container=operator -- /outrigger-operator usage --format=csv --by=team,model --from=2026-11-01"
        );
    }

    #[test]
    fn a_table_has_what_was_asked_for() {
        let json = r#"[
            {"team":"search","model":"small","requests":12,"errors":1,"inputTokens":100,"cachedTokens":0,"outputTokens":7,"costUsd":"1.25"},
            {"team":null,"model":"\u001b]52;x","requests":1,"errors":0,"inputTokens":1,"cachedTokens":0,"outputTokens":1,"costUsd":"0"}
        ]"#;
        let text = tabulated(json.as_bytes()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0]
                .split_whitespace()
                .eq(["TEAM", "MODEL", "REQUESTS", "ERRORS", "INPUT", "CACHED", "OUTPUT", "COST"]),
            "{text}"
        );
        assert!(lines[1].split_whitespace().eq(["search", "small", "12", "1", "100", "0", "7", "$1.25"]), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert_eq!(tabulated(b"[]").unwrap(), "no requests in this time\n");
    }
}

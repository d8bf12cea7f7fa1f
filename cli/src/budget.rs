//! `outrigger budget`: shows how far limits are used, and asks the operator to forgive, reset or raise one.
//!
//! Reads a cluster with kubectl, or a folder of objects and the accounts that `outrigger run` keeps for it.

mod action;
mod cluster;
mod find;
mod folder_accounts;
mod objects;
mod text;
mod tree;
mod width;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use jiff::{Span, Timestamp, tz::TimeZone};
use thiserror::Error;

use self::action::{ActionError, ActionRequest};
use self::cluster::{ListObjectsError, Place};
use self::find::{FindError, ObjectName};
use self::folder_accounts::AccountsError;
use self::objects::ObjectWithLimits;
use crate::kubectl::Kubectl;
use crate::style::{self, Style};

/// Of a reason so many characters are kept.
const REASON_MAX: usize = 256;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Show one object, what counts against it, and what it counts against: NAME, KIND/NAME, or NAMESPACE/NAME.
    name: Option<String>,
    #[command(flatten)]
    target: BudgetTarget,
    /// Show the objects of all namespaces.
    #[arg(long, short = 'A', conflicts_with_all = ["namespace", "folder"])]
    all_namespaces: bool,
    /// The format.
    #[arg(long, short, value_enum, default_value_t = BudgetOutput::Text)]
    output: BudgetOutput,
    /// The folder that stores spending, as for run. [default: one for each DIR in $XDG_STATE_HOME/outrigger]
    #[arg(long, value_name = "DIR", requires = "folder")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<BudgetVerb>,
}

/// Where the objects are.
#[derive(Debug, clap::Args)]
struct BudgetTarget {
    /// The namespace. [default: that of the kubeconfig's context]
    #[arg(long, short, value_name = "NAME", conflicts_with = "folder")]
    namespace: Option<String>,
    /// As for kubectl.
    #[arg(long, value_name = "FILE", conflicts_with = "folder")]
    kubeconfig: Option<PathBuf>,
    /// As for kubectl.
    #[arg(long, value_name = "NAME", conflicts_with = "folder")]
    context: Option<String>,
    /// Show the objects of this folder and what `outrigger run` keeps of them, not a cluster.
    #[arg(long, short, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BudgetOutput {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum BudgetVerb {
    /// Count as unspent what gateways held that ended without a last report.
    Forgive(ActionArgs),
    /// Count what was spent in this period no more.
    Reset(ActionArgs),
    /// Raise a limit for a time. Its object stays as it is.
    Raise(RaiseArgs),
}

#[derive(Debug, clap::Args)]
struct ActionArgs {
    /// The object: NAME, or KIND/NAME such as vkey/search.
    name: String,
    /// The limit: its field (spec.limits.budgets[month]) or its name (month). Absent: the only one.
    #[arg(long)]
    limit: Option<String>,
    /// Why. The object's status keeps it.
    #[arg(long, value_parser = reason)]
    reason: String,
    /// Wait at most this many seconds for the operator.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,
    /// The format.
    #[arg(long, short, value_enum, default_value_t = BudgetOutput::Text)]
    output: BudgetOutput,
    #[command(flatten)]
    target: BudgetTarget,
}

#[derive(Debug, clap::Args)]
struct RaiseArgs {
    #[command(flatten)]
    action: ActionArgs,
    /// By how much: $50, or a number of tokens or requests.
    #[arg(long)]
    amount: String,
    /// When the raise ends: 2026-12-01T00:00:00Z, or from now, such as 4h or 3d.
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Timestamp,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("must say why, for whoever reads the status later".to_owned()),
        1..=REASON_MAX => Ok(text.to_owned()),
        _ => Err(format!("must have at most {REASON_MAX} characters")),
    }
}

fn until(text: &str) -> Result<Timestamp, String> {
    end_of_raise(text, Timestamp::now())
}

/// A time, or a span from now. To the second.
fn end_of_raise(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || "must be a time such as 2026-12-01T00:00:00Z, or a span such as 4h or 3d".to_owned();
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        Err(_) => {
            let span: Span = text.parse().map_err(|_| wrong())?;
            now.to_zoned_datetime(TimeZone::UTC).checked_add(span).map_err(|_| wrong())?.timestamp()
        }
    };
    match time > now {
        true => Timestamp::from_second(time.as_second()).map_err(|_| wrong()),
        false => Err(format!("{text} has passed: give a later time")),
    }
}

#[derive(Debug, Error)]
enum BudgetError {
    #[error(transparent)]
    Read(#[from] ListObjectsError),
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Action(#[from] ActionError),
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error(
        "{verb} works in a cluster, where an operator keeps the accounts. For a folder: to raise a limit, change it in its file \
         (`outrigger run` follows the change, and what was spent stays). To begin with nothing spent, stop `outrigger run` \
         and move its state folder away, which resets every limit. There is nothing to forgive"
    )]
    NotInFolder { verb: &'static str },
    #[error("the output can't be written")]
    Output(#[from] io::Error),
}

pub(crate) fn main(args: &Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return style::fail(&error),
    };
    let outcome = runtime.block_on(async {
        match &args.verb {
            None => show(args).await,
            Some(BudgetVerb::Forgive(action)) => act("forgive", action, None).await,
            Some(BudgetVerb::Reset(action)) => act("reset", action, None).await,
            Some(BudgetVerb::Raise(raise)) => act("raise", &raise.action, Some((&raise.amount, raise.until))).await,
        }
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            style::fail(&error);
            ExitCode::from(2)
        }
    }
}

fn kubectl(target: &BudgetTarget) -> Kubectl {
    Kubectl::new(target.kubeconfig.as_deref(), target.context.as_deref())
}

fn place(target: &BudgetTarget) -> Place {
    target.namespace.clone().map_or(Place::Current, Place::Namespace)
}

async fn show(args: &Args) -> Result<ExitCode, BudgetError> {
    let (place, objects, note) = match &args.target.folder {
        Some(folder) => {
            let (objects, note) = folder_accounts::read(folder, args.state.as_deref(), Timestamp::now())?;
            (Place::Folder(folder.clone()), objects, Some(note))
        }
        None => {
            let place = if args.all_namespaces { Place::All } else { place(&args.target) };
            let objects = cluster::read(&kubectl(&args.target), &place).await?;
            (place, objects, None)
        }
    };
    let shown: Vec<usize> = match &args.name {
        None => (0..objects.len()).collect(),
        Some(name) => find::family(&objects, &ObjectName::parse(name), &place)?,
    };
    let mut stdout = io::stdout().lock();
    let text = match args.output {
        BudgetOutput::Json => objects::json(&objects, &shown)?,
        BudgetOutput::Text => {
            let width = stdout.is_terminal().then(width::of_terminal).flatten();
            let mut text = report(&objects, &shown, &place, Style::of(&stdout), width);
            text.extend(note.map(|note| format!("\n{note}\n")));
            style::screen(&text)
        }
    };
    stdout.write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn report(objects: &[ObjectWithLimits], shown: &[usize], place: &Place, style: Style, width: Option<usize>) -> String {
    let rows = tree::rows(objects, shown);
    match rows.is_empty() {
        true => format!("no Budget, VirtualKey or LLMProvider with limits {place}\n"),
        false => text::text(objects, &rows, style, width),
    }
}

async fn act(verb: &'static str, args: &ActionArgs, raise: Option<(&str, Timestamp)>) -> Result<ExitCode, BudgetError> {
    if args.target.folder.is_some() {
        return Err(BudgetError::NotInFolder { verb });
    }
    let request = ActionRequest {
        verb,
        object: ObjectName::parse(&args.name),
        limit: args.limit.clone(),
        amount: raise.map(|(amount, _)| amount.to_owned()),
        until: raise.map(|(_, until)| until),
        reason: args.reason.clone(),
    };
    let id = action::new_id(Timestamp::now());
    let done = action::act(&kubectl(&args.target), &place(&args.target), &request, &id, args.timeout).await?;
    let text = match args.output {
        BudgetOutput::Json => serde_json::to_string_pretty(&done.entry).map_err(io::Error::from)? + "\n",
        BudgetOutput::Text => style::screen(&done.text()),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if done.is_refused() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests;

//! `outrigger budget`: shows how far limits are used, and asks the operator to forgive, reset or raise one.
//!
//! Reads a cluster with kubectl, or a folder of objects and the accounts that `outrigger run` keeps for it.

mod action;
mod cluster;
mod find;
mod folder_accounts;
mod input;
mod objects;
mod text;
mod tree;
mod width;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use thiserror::Error;

use self::action::{ActionError, ActionRequest};
use self::cluster::{ListObjectsError, Place};
use self::find::{FindError, ObjectName};
use self::folder_accounts::AccountsError;
pub(crate) use self::input::misspelt_verb;
use self::input::{InputError, reason};
use self::objects::ObjectWithLimits;
use crate::kubectl::Kubectl;
use crate::style::{self, Style};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show one object, what counts against it, and what it counts against: NAME, KIND/NAME, or NAMESPACE/NAME.
    #[arg(value_parser = ObjectName::parse)]
    name: Option<ObjectName>,
    #[command(flatten)]
    target: BudgetTarget,
    /// Show the objects of all namespaces.
    #[arg(long, short = 'A', conflicts_with_all = ["namespace", "folder"])]
    all_namespaces: bool,
    /// The format.
    #[arg(long, short, value_enum, default_value_t = BudgetOutput::Text, global = true)]
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
    #[arg(long, short, value_name = "NAME", conflicts_with = "folder", global = true)]
    namespace: Option<String>,
    /// As for kubectl.
    #[arg(long, value_name = "FILE", conflicts_with = "folder", global = true)]
    kubeconfig: Option<PathBuf>,
    /// As for kubectl.
    #[arg(long, value_name = "NAME", conflicts_with = "folder", global = true)]
    context: Option<String>,
    /// Show the objects of this folder and what `outrigger run` keeps of them, not a cluster. Not for forgive, reset and raise.
    #[arg(long, short, value_name = "DIR", global = true)]
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
    /// The object: NAME, KIND/NAME such as vkey/search, or NAMESPACE/NAME.
    #[arg(value_parser = ObjectName::parse)]
    name: ObjectName,
    /// The limit: its field (spec.limits.budgets[month]) or its name (month). Absent: the only one.
    #[arg(long)]
    limit: Option<String>,
    /// Why. The object's status keeps it.
    #[arg(long)]
    reason: String,
    /// Wait at most this many seconds for the operator.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = input::timeout, allow_hyphen_values = true)]
    timeout: u64,
}

#[derive(Debug, clap::Args)]
struct RaiseArgs {
    #[command(flatten)]
    action: ActionArgs,
    /// By how much: $50, or a number of tokens or requests.
    #[arg(long, value_parser = input::amount, allow_hyphen_values = true)]
    amount: String,
    /// When the raise ends: 2026-12-01T00:00:00Z, or from now, such as 4h or 3d.
    #[arg(long, value_name = "TIME", value_parser = input::until, allow_hyphen_values = true)]
    until: Timestamp,
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
    #[error(transparent)]
    Input(#[from] InputError),
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
            Some(BudgetVerb::Forgive(action)) => act("forgive", args, action, None).await,
            Some(BudgetVerb::Reset(action)) => act("reset", args, action, None).await,
            Some(BudgetVerb::Raise(raise)) => {
                act("raise", args, &raise.action, Some((&raise.amount, raise.until))).await
            }
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
    let mut place = match &args.target.folder {
        Some(folder) => Place::Folder(folder.clone()),
        None if args.all_namespaces => Place::All,
        None => place(&args.target),
    };
    let (mut note, mut unread) = (None, Vec::new());
    let mut objects = match &args.target.folder {
        Some(folder) => {
            let found = folder_accounts::read(folder, args.state.as_deref(), Timestamp::now())?;
            (note, unread) = (Some(found.note), found.unread);
            found.objects
        }
        None => cluster::read(&kubectl(&args.target), &place).await?,
    };
    // They come first: what follows may be wrong because of them.
    style::print_findings(&unread);
    // An object of another namespace, to which nothing of this one refers.
    let other = args.name.as_ref().and_then(|name| name.elsewhere(&objects, &place));
    if let Some(other) = other {
        objects = cluster::read(&kubectl(&args.target), &other).await?;
        place = other;
    }
    let shown: Vec<usize> = match &args.name {
        None => (0..objects.len()).collect(),
        Some(name) => find::family(&objects, name, &place)?,
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
    if unread.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    style::print_line("the files have these errors, so limits may be missing here: repair them");
    Ok(ExitCode::from(2))
}

fn report(objects: &[ObjectWithLimits], shown: &[usize], place: &Place, style: Style, width: Option<usize>) -> String {
    let rows = tree::rows(objects, shown);
    match rows.is_empty() {
        true => format!("no Budget, VirtualKey or LLMProvider with limits {place}\n"),
        false => text::text(objects, &rows, style, width),
    }
}

async fn act(
    verb: &'static str,
    args: &Args,
    action: &ActionArgs,
    raise: Option<(&str, Timestamp)>,
) -> Result<ExitCode, BudgetError> {
    if args.target.folder.is_some() {
        return Err(BudgetError::NotInFolder { verb });
    }
    if let Some(name) = &args.name {
        return Err(InputError::NameBeforeVerb { name: name.to_string(), verb }.into());
    }
    if args.all_namespaces {
        return Err(InputError::AllNamespaces { verb }.into());
    }
    let place = action.name.place(args.target.namespace.as_deref())?;
    let request = ActionRequest {
        verb,
        object: action.name.clone(),
        limit: action.limit.clone(),
        amount: raise.map(|(amount, _)| amount.to_owned()),
        until: raise.map(|(_, until)| until),
        reason: reason(&action.reason)?,
    };
    let id = action::new_id(Timestamp::now());
    let done = action::act(&kubectl(&args.target), &place, &request, &id, action.timeout).await?;
    let text = match args.output {
        BudgetOutput::Json => serde_json::to_string_pretty(&done.entry).map_err(io::Error::from)? + "\n",
        BudgetOutput::Text => style::screen(&done.text()),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if done.is_refused() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests;

//! `outrigger ledger`: what the operator's ledger knows, and where its records are.

mod deployed;
mod migrate;
mod operator_at;
mod question;
mod report;

use std::fmt;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Debug, clap::Subcommand)]
enum LedgerCommand {
    /// Say who spent what, from the operator's usage history.
    ///
    /// The operator keeps a history if its ledger is in PostgreSQL. Asks through kubectl, which needs the right to pods/exec
    /// in the operator's namespace. Exits with 0, and with 2 if there is no answer.
    Report(report::ReportArgs),
    /// Move the ledger's records to the other store, while gateways go on.
    ///
    /// The operator moves them itself, once the chart's values say so. With --chart this command sets the values with helm;
    /// without it, it says which ones to set. Then it follows the move until every replica uses the new store. It may be
    /// interrupted and run again at any time. Exits with 0 if the records are there, with 1 if they are not, and with 2 if
    /// the cluster can't be asked.
    Migrate(migrate::MigrateArgs),
}

/// Where the ledger's records are, as `ledger.store` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum RecordStore {
    #[value(name = "Kubernetes", alias = "kubernetes")]
    Kubernetes,
    #[value(name = "PostgreSQL", aliases = ["postgresql", "postgres"])]
    Postgres,
}

impl RecordStore {
    /// As the operator reads it.
    fn of(word: &str) -> Option<RecordStore> {
        [RecordStore::Kubernetes, RecordStore::Postgres]
            .into_iter()
            .find(|store| store.to_string().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for RecordStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordStore::Kubernetes => "Kubernetes",
            RecordStore::Postgres => "PostgreSQL",
        })
    }
}

pub(crate) fn main(args: &Args) -> ExitCode {
    match &args.command {
        LedgerCommand::Report(args) => report::main(args),
        LedgerCommand::Migrate(args) => migrate::main(args),
    }
}

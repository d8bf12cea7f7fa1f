//! `outrigger`: the gateway on a laptop, and tools for its objects. One file for each command.
#![allow(rustdoc::broken_intra_doc_links, reason = "clap prints doc comments as help, brackets included")]

mod banner;
mod budget;
mod check;
mod child;
mod compiler;
mod crds;
mod diff;
mod doctor;
mod environment;
mod explain;
mod folder;
mod idle;
mod import;
mod kubectl;
mod ledger;
mod look;
mod rule_tests;
mod run;
mod serve;
mod state;
mod style;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use outrigger_policy::Printable;

/// An LLM gateway beside your application, from the same objects as in the cluster.
#[derive(Debug, Parser)]
#[command(name = "outrigger", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the objects of a folder and follow its changes.
    ///
    /// Without DIR, providers come from the variables that hold their keys, such as OPENAI_API_KEY. A Secret that is
    /// not in DIR is read from the environment: key apiKey of Secret openai from OPENAI_API_KEY.
    Run(run::Args),
    /// Check the objects of a folder and run the tests of its rules.
    ///
    /// Finds what the API server or the operator would refuse. Exits with 1 if there is an error, and with 0 otherwise;
    /// a warning is no error.
    Check(check::Args),
    /// Show where a request would go, and why: rules, candidates, limits, and how much would be reserved.
    ///
    /// Nothing is sent. Every provider is up and nothing is spent, unless --unhealthy and --spent say otherwise. Exits with
    /// 0 if the request would be served, with 3 if it would be refused, and with 2 on errors.
    Explain(explain::Args),
    /// Show the differences between two folders of objects, and which recorded requests would be decided differently.
    ///
    /// Records hold no headers, no body and no spend. So each request is decided as if it named no provider and no
    /// fallbacks, every provider were up and nothing were spent, and with the input tokens that the provider counted.
    /// If the outcome depends on something that a record does not hold, the request is not compared. Exits with 0 if
    /// nothing is different, with 1 if something is, and with 2 on errors.
    Diff(diff::Args),
    /// Turn another gateway's configuration into objects, and report what could not be translated.
    Import(import::Args),
    /// Show what is wrong in a cluster, and which commands fix it.
    ///
    /// Reads the cluster with kubectl and its access. Exits with 0 if nothing is wrong, with 1 if something is, and
    /// with 2 if the cluster does not answer.
    Doctor(doctor::Args),
    /// Say who spent what, from the operator's ledger, or move the ledger's records to another store.
    Ledger(ledger::Args),
    /// Show how far limits are used, and ask the operator to forgive, reset or raise one.
    ///
    /// Reads the cluster with kubectl and its access. Exits with 0 if it is done, with 1 if the operator refuses it, and
    /// with 2 on errors.
    Budget(budget::Args),
    /// Print the definitions of the objects, to be applied to a cluster.
    Crds,
    /// Compile what `run` writes to standard input.
    #[command(name = compiler::COMMAND, hide = true)]
    CompileForRun,
}

fn main() -> ExitCode {
    let mut command = Cli::command();
    if called_by_kubectl() {
        command = command.bin_name("kubectl outrigger");
    }
    let cli = match command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Clap treats help and version as errors too. They go to stdout.
            if !error.use_stderr() {
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
            let misspelt =
                (error.kind() == ErrorKind::UnknownArgument).then(|| budget::misspelt_verb(&words)).flatten();
            let message = misspelt.unwrap_or_else(|| error.render().to_string());
            let _ = std::io::stderr().write_all(shown(&message).as_bytes());
            return ExitCode::from(2);
        }
    };
    match cli.command {
        Command::Run(args) => run::main(args),
        Command::Check(args) => check::main(&args),
        Command::Explain(args) => explain::main(&args),
        Command::Diff(args) => diff::main(&args),
        Command::Import(args) => import::main(&args),
        Command::Doctor(args) => doctor::main(&args),
        Command::Budget(args) => budget::main(&args),
        Command::Ledger(args) => ledger::main(&args),
        Command::Crds => crds::main(),
        Command::CompileForRun => compiler::main(),
    }
}

/// Clap's message, which repeats the command line verbatim.
fn shown(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", Printable(line))).collect()
}

fn called_by_kubectl() -> bool {
    let name = std::env::args_os().next().map(PathBuf::from);
    name.is_some_and(|path| path.file_stem().is_some_and(|stem| stem == "kubectl-outrigger"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_argument_is_shown_escaped() {
        let error = Cli::try_parse_from(["outrigger", "x\u{1b}]52;c;aGk=\u{7}\u{202e}"]).unwrap_err();
        let message = shown(&error.render().to_string());
        // Clap itself removes terminal control sequences.
        assert!(message.contains("'x\\u{202e}'") && message.contains("Usage"), "{message}");
        assert!(message.chars().all(|letter| letter == '\n' || outrigger_policy::is_printable(letter)), "{message:?}");
    }

    #[test]
    fn the_command_line_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_after_the_dashes_are_the_command() {
        let cli = Cli::try_parse_from(["outrigger", "run", "dir", "--key", "a", "--key", "b", "--", "app", "--listen"]);
        let Command::Run(args) = cli.unwrap().command else { panic!("run") };
        assert_eq!(args.dir, Some(PathBuf::from("dir")));
        assert_eq!(args.keys, ["a", "b"]);
        assert_eq!(args.command, ["app", "--listen"]);
        let cli = Cli::try_parse_from(["outrigger", "run", "--", "app"]);
        let Command::Run(args) = cli.unwrap().command else { panic!("run") };
        assert_eq!((args.dir, args.command), (None, vec!["app".into()]));
    }
}

//! `outrigger ledger migrate`: moves the ledger's records to the other store, and says when they are there.
//!
//! The operator moves them itself, before it leads with the new store. This command sets the two Helm values that make it do
//! so, or says which ones to set, and follows what both stores show until every replica uses the new one.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Deserialize;
use thiserror::Error;

use super::RecordStore;
use super::deployed::{DeployedOperator, DeploymentError};
use super::operator_at::{OperatorAt, ProgramError, helm, kubectl};
use crate::style;

/// The records are waited for at most so many seconds: a day.
const TIMEOUT_MAX: u64 = 86_400;
/// Between two looks at the stores.
const LOOK: Duration = Duration::from_secs(2);
/// The keys of a Secret, without its values.
const KEYS: &str = r#"go-template={{range $key, $value := .data}}{{$key}}{{"\n"}}{{end}}"#;
/// The key of the connection string.
const URL: &str = "url";

#[derive(Debug, clap::Args)]
pub(super) struct MigrateArgs {
    /// The store that is to have the records.
    #[arg(long, value_enum, value_name = "STORE")]
    to: RecordStore,
    /// The Secret with the connection string, in the operator's namespace. Absent: the one that the operator has.
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// Set the values with helm and this chart: a folder, a file, or a reference. Absent: say which values to set, and wait
    /// until somebody has set them.
    #[arg(long, value_name = "CHART")]
    chart: Option<String>,
    /// Say where the records are and what is to be set. Change nothing and wait for nothing.
    #[arg(long)]
    dry_run: bool,
    /// How long to wait until the records are there, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = timeout, allow_hyphen_values = true)]
    timeout: u64,
    #[command(flatten)]
    at: OperatorAt,
}

fn timeout(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=TIMEOUT_MAX).contains(seconds));
    seconds.ok_or_else(|| format!("must be a number of seconds from 1 to {TIMEOUT_MAX}"))
}

/// Why the records are not known to be in the new store.
#[derive(Debug, Error)]
enum MigrateError {
    #[error("{what}: {why}")]
    Program { what: String, why: ProgramError },
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    #[error("the operator's answer about the records is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Output(#[from] io::Error),
    #[error(
        "the operator has no ledger (ledger.store is None), so there are no records to be moved: set ledger.store to {0}"
    )]
    NoLedger(RecordStore),
    #[error("the operator has no database yet: name the Secret with its connection string (--secret)")]
    NoSecret,
    #[error(
        "Secret {name} has no key `{URL}`: the connection string must be there, such as postgresql://user:password@host/database"
    )]
    NoUrl { name: String },
    #[error("the operator moves nothing: {0}")]
    Refused(String),
    #[error("the records are not in {to} after {} s. {last}. {way_back}", .waited.as_secs())]
    Late { to: RecordStore, waited: Duration, last: String, way_back: String },
}

impl MigrateError {
    /// 1: the cluster was asked, and the records are not moved.
    fn code(&self) -> u8 {
        match self {
            MigrateError::Refused(_) | MigrateError::Late { .. } => 1,
            _ => 2,
        }
    }
}

/// Where the records are, in the words of `outrigger-operator records`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct LedgerRecords {
    stores: Vec<StoreRecords>,
    next: Option<String>,
    refused: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct StoreRecords {
    store: String,
    records: String,
    count: usize,
    migration: Option<String>,
    error: Option<String>,
}

impl fmt::Display for StoreRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StoreRecords { store, count, .. } = self;
        match self.records.as_str() {
            "Absent" => write!(f, "{store}: no records")?,
            "InUse" => write!(f, "{store}: {count} records, in use")?,
            "Sealed" => write!(f, "{store}: {count} records, sealed: nobody writes them any more")?,
            "Moved" => write!(f, "{store}: {count} records, moved away")?,
            "Arriving" => write!(f, "{store}: records are being copied to it")?,
            _ => write!(f, "{store}: can't be read")?,
        }
        match (&self.error, &self.migration) {
            (Some(error), _) => write!(f, ": {error}"),
            (None, Some(migration)) => write!(f, " (migration {migration})"),
            (None, None) => Ok(()),
        }
    }
}

impl LedgerRecords {
    /// The store that is set has all of them, and the other one says so.
    fn are_moved(&self) -> bool {
        let target = self.stores.first().is_some_and(|target| matches!(target.records.as_str(), "InUse" | "Absent"));
        let source = self.stores.get(1).is_none_or(|source| source.records != "Sealed" && source.records != "InUse");
        target && source && self.next.as_deref() == Some("Use")
    }

    /// How to give it up.
    fn way_back(&self, release: &str, values: &ChartValues) -> String {
        let untouched = self.stores.get(1).is_some_and(|source| source.records == "InUse");
        match untouched {
            true => format!("Nothing is moved yet: `helm rollback {release}` goes back"),
            false => format!(
                "The records are sealed: correct what is wrong, or set ledger.store={} and ledger.migrateFrom={} to take the move back",
                values.from, values.to
            ),
        }
    }
}

/// What is to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ChartValues {
    to: RecordStore,
    from: RecordStore,
    secret: String,
}

impl ChartValues {
    fn assignments(&self) -> [String; 3] {
        [
            format!("ledger.store={}", self.to),
            format!("ledger.migrateFrom={}", self.from),
            format!("ledger.postgresql.secretName={}", self.secret),
        ]
    }

    /// The same chart as before: a newer one would upgrade the operator, too.
    fn helm(&self, deployed: &DeployedOperator, args: &MigrateArgs, chart: &str) -> Vec<OsString> {
        let release = deployed.release.as_deref().unwrap_or(RELEASE);
        let mut all: Vec<OsString> =
            ["upgrade", release, chart, "--namespace", &args.at.namespace].map(OsString::from).into();
        all.push("--reset-then-reuse-values".into());
        if let Some(version) = &deployed.chart_version {
            all.extend(["--version".into(), version.into()]);
        }
        if let Some(file) = &args.at.kubeconfig {
            all.extend(["--kubeconfig".into(), file.into()]);
        }
        if let Some(context) = &args.at.context {
            all.extend(["--kube-context".into(), context.into()]);
        }
        for assignment in self.assignments() {
            all.extend(["--set-string".into(), assignment.into()]);
        }
        all
    }
}

/// The release's name, if Helm left none.
const RELEASE: &str = "outrigger";

pub(super) fn main(args: &MigrateArgs) -> ExitCode {
    match migrate(args, &Programs, &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            style::fail(&error);
            ExitCode::from(error.code())
        }
    }
}

/// The programs that are run. Tests have their own.
trait LedgerCluster {
    fn kubectl(&self, arguments: &[OsString]) -> Result<Vec<u8>, ProgramError>;
    fn helm(&self, arguments: &[OsString]) -> Result<Vec<u8>, ProgramError>;
    fn pause(&self);
}

struct Programs;

impl LedgerCluster for Programs {
    fn kubectl(&self, arguments: &[OsString]) -> Result<Vec<u8>, ProgramError> {
        kubectl(arguments)
    }

    fn helm(&self, arguments: &[OsString]) -> Result<Vec<u8>, ProgramError> {
        helm(arguments)
    }

    fn pause(&self) {
        std::thread::sleep(LOOK);
    }
}

fn migrate(args: &MigrateArgs, cluster: &impl LedgerCluster, out: &mut impl Write) -> Result<(), MigrateError> {
    let deployed = deployed(args, cluster)?;
    let values = match deployed.store {
        None => return Err(MigrateError::NoLedger(args.to)),
        Some(store) if store == args.to => None,
        Some(from) => Some(values(args, cluster, &deployed, from)?),
    };
    let mut told = ToldLines::default();
    if values.is_some() || args.dry_run {
        for store in &records(args, cluster, &deployed)?.stores {
            told.say(out, &store.to_string())?;
        }
    }
    if let Some(values) = &values {
        match &args.chart {
            Some(chart) if !args.dry_run => {
                say(out, format_args!("helm sets {}", values.assignments().join(", ")))?;
                let set = cluster.helm(&values.helm(&deployed, args, chart));
                set.map_err(failed("the chart's values can't be set".to_owned()))?;
            }
            _ => say(out, format_args!("to be set in the chart's values: {}", values.assignments().join(", ")))?,
        }
    }
    match args.dry_run {
        true => Ok(()),
        false => follow(args, cluster, out, values.as_ref(), told),
    }
}

fn failed(what: String) -> impl FnOnce(ProgramError) -> MigrateError {
    move |why| MigrateError::Program { what, why }
}

fn deployed(args: &MigrateArgs, cluster: &impl LedgerCluster) -> Result<DeployedOperator, MigrateError> {
    let OperatorAt { namespace, operator, .. } = &args.at;
    let what = format!("the operator ({operator} in namespace {namespace}) can't be read");
    let answer = cluster.kubectl(&args.at.get(operator, "json")).map_err(failed(what))?;
    Ok(DeployedOperator::read(&answer)?)
}

/// Checks that the database's Secret is there, before anything is changed.
fn values(
    args: &MigrateArgs,
    cluster: &impl LedgerCluster,
    deployed: &DeployedOperator,
    from: RecordStore,
) -> Result<ChartValues, MigrateError> {
    let secret = args.secret.clone().or_else(|| deployed.secret.clone()).ok_or(MigrateError::NoSecret)?;
    let what = format!("Secret {secret} in namespace {} can't be read", args.at.namespace);
    let keys = cluster.kubectl(&args.at.get(&format!("secret/{secret}"), KEYS)).map_err(failed(what))?;
    if !String::from_utf8_lossy(&keys).lines().any(|key| key == URL) {
        return Err(MigrateError::NoUrl { name: secret });
    }
    Ok(ChartValues { to: args.to, from, secret })
}

fn records(
    args: &MigrateArgs,
    cluster: &impl LedgerCluster,
    deployed: &DeployedOperator,
) -> Result<LedgerRecords, MigrateError> {
    let mut words: Vec<OsString> = vec!["records".into(), format!("--namespace={}", args.at.namespace).into()];
    words.extend(deployed.flags.iter().map(OsString::from));
    let what = "the operator can't be asked where the records are".to_owned();
    let answer = cluster.kubectl(&args.at.exec(words)).map_err(failed(what))?;
    Ok(serde_json::from_slice(&answer)?)
}

/// Says what changes, until the records are where they are to be and every replica uses them.
fn follow(
    args: &MigrateArgs,
    cluster: &impl LedgerCluster,
    out: &mut impl Write,
    values: Option<&ChartValues>,
    mut told: ToldLines,
) -> Result<(), MigrateError> {
    let began = Instant::now();
    let limit = Duration::from_secs(args.timeout);
    let mut known = None;
    let mut release = RELEASE.to_owned();
    loop {
        // Replicas begin and end meanwhile: what fails now may work the next time.
        told.failure = None;
        match look(args, cluster) {
            Ok(MigrationLook::NotSet) => told.say(out, "waiting until the values are set")?,
            Ok(MigrationLook::Set { deployed, records }) => {
                release = deployed.release.clone().unwrap_or(release);
                for store in &records.stores {
                    if let Some(error) = &store.error {
                        told.failure = Some(error.clone());
                    }
                    // A replica of before does not have the database yet.
                    if store.error.is_none() || deployed.rolled_out {
                        told.say(out, &store.to_string())?;
                    }
                }
                if deployed.rolled_out {
                    if let Some(refused) = records.refused {
                        return Err(MigrateError::Refused(refused));
                    }
                    if records.are_moved() {
                        return say(out, format_args!("the records are in {}, and every replica uses it", args.to));
                    }
                }
                known = Some(records);
            }
            Err(error) => told.failure = Some(error.to_string()),
        }
        if began.elapsed() >= limit {
            let way_back = match (known, values) {
                (Some(records), Some(values)) => records.way_back(&release, values),
                _ => "Look at the operator's log".to_owned(),
            };
            return Err(MigrateError::Late { to: args.to, waited: limit, last: told.why(), way_back });
        }
        cluster.pause();
    }
}

enum MigrationLook {
    /// The Deployment still names the other store.
    NotSet,
    Set {
        deployed: DeployedOperator,
        records: LedgerRecords,
    },
}

fn look(args: &MigrateArgs, cluster: &impl LedgerCluster) -> Result<MigrationLook, MigrateError> {
    let deployed = deployed(args, cluster)?;
    if deployed.store != Some(args.to) {
        return Ok(MigrationLook::NotSet);
    }
    let records = records(args, cluster, &deployed)?;
    Ok(MigrationLook::Set { deployed, records })
}

/// What was said, so that each line comes once.
#[derive(Default)]
struct ToldLines {
    lines: Vec<String>,
    failure: Option<String>,
}

impl ToldLines {
    fn say(&mut self, out: &mut impl Write, line: &str) -> Result<(), MigrateError> {
        if self.lines.iter().any(|told| told == line) {
            return Ok(());
        }
        self.lines.push(line.to_owned());
        say(out, line)
    }

    fn why(&self) -> String {
        self.failure.clone().or_else(|| self.lines.last().cloned()).unwrap_or_default()
    }
}

/// One line, without anything that a terminal would take for an order.
fn say(out: &mut impl Write, line: impl fmt::Display) -> Result<(), MigrateError> {
    writeln!(out, "{}", outrigger_policy::Printable(line.to_string()))?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests;

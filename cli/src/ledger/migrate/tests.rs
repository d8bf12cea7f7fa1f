use std::cell::RefCell;
use std::collections::VecDeque;

use clap::Parser;
use serde_json::{Value, json};

use super::super::deployed::tests::deployment;
use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: MigrateArgs,
}

fn parsed(words: &[&str]) -> MigrateArgs {
    Cli::try_parse_from(["migrate"].iter().chain(words)).unwrap().args
}

const BEFORE: &[&str] = &["--ledger=Kubernetes"];
const AFTER: &[&str] = &["--ledger=PostgreSQL", "--ledger-migrate-from=Kubernetes", "--ledger-postgresql=/ledger"];

fn store(store: &str, records: &str, count: usize) -> Value {
    json!({"store": store, "records": records, "count": count})
}

fn state(stores: &[Value], next: &str) -> Value {
    json!({"stores": stores, "next": next})
}

/// What the cluster answers, one after the other; the last answer stays.
struct Script {
    deployments: RefCell<VecDeque<Value>>,
    records: RefCell<VecDeque<Result<Value, &'static str>>>,
    keys: &'static str,
    calls: RefCell<Vec<String>>,
}

impl Script {
    fn new(
        deployments: impl IntoIterator<Item = Value>,
        records: impl IntoIterator<Item = Result<Value, &'static str>>,
    ) -> Self {
        Script {
            deployments: RefCell::new(deployments.into_iter().collect()),
            records: RefCell::new(records.into_iter().collect()),
            keys: "ca.crt\nurl\n",
            calls: RefCell::default(),
        }
    }
}

fn next<T: Clone>(queue: &RefCell<VecDeque<T>>) -> T {
    let mut queue = queue.borrow_mut();
    match queue.len() {
        1 => queue.front().cloned().unwrap(),
        _ => queue.pop_front().unwrap(),
    }
}

fn text(arguments: &[OsString]) -> String {
    arguments.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
}

impl LedgerCluster for Script {
    fn kubectl(&self, arguments: &[OsString]) -> Result<Vec<u8>, ProgramError> {
        let call = text(arguments);
        let answer = match &call {
            call if call.contains(" deployment/outrigger --output json") => next(&self.deployments).to_string(),
            call if call.contains(" secret/") => self.keys.to_owned(),
            call if call.contains(" exec ") => match next(&self.records) {
                Ok(records) => records.to_string(),
                Err(why) => return Err(ProgramError::Refused(why.to_owned())),
            },
            other => panic!("{other}"),
        };
        self.calls.borrow_mut().push(call);
        Ok(answer.into_bytes())
    }

    fn helm(&self, arguments: &[OsString]) -> Result<Vec<u8>, ProgramError> {
        self.calls.borrow_mut().push(format!("helm {}", text(arguments)));
        Ok(Vec::new())
    }

    fn pause(&self) {}
}

fn run(script: &Script, words: &[&str]) -> (Result<(), MigrateError>, String) {
    run_with(script, &parsed(words))
}

fn run_with(script: &Script, args: &MigrateArgs) -> (Result<(), MigrateError>, String) {
    let mut out = Vec::new();
    let result = migrate(args, script, &mut out);
    (result, String::from_utf8(out).unwrap())
}

fn kubernetes() -> Value {
    deployment(BEFORE, None)
}

fn postgres() -> Value {
    deployment(AFTER, Some("ledger-database"))
}

#[test]
fn helm_sets_the_values_and_each_step_is_told_once() {
    let mut rolling = postgres();
    *rolling.pointer_mut("/status/updatedReplicas").unwrap() = json!(1);
    let migration = |mut store: Value| {
        store["migration"] = json!("6f1d-1");
        store
    };
    let sealed = [migration(store("PostgreSQL", "Arriving", 1)), migration(store("Kubernetes", "Sealed", 4))];
    let moved = [migration(store("PostgreSQL", "InUse", 4)), migration(store("Kubernetes", "Moved", 4))];
    let script = Script::new(
        [kubernetes(), rolling.clone(), rolling.clone(), rolling, postgres()],
        [
            Ok(state(&[store("Kubernetes", "InUse", 4)], "Use")),
            Err("container not found"),
            Ok(state(&sealed, "Move")),
            Ok(state(&sealed, "Move")),
            Ok(state(&moved, "Use")),
        ],
    );
    let (result, said) = run(&script, &["--to", "PostgreSQL", "--secret=ledger-database", "--chart", "./chart"]);
    result.unwrap();
    assert_eq!(
        said,
        "Kubernetes: 4 records, in use\n\
         helm sets ledger.store=PostgreSQL, ledger.migrateFrom=Kubernetes, ledger.postgresql.secretName=ledger-database\n\
         PostgreSQL: records are being copied to it (migration 6f1d-1)\n\
         Kubernetes: 4 records, sealed: nobody writes them any more (migration 6f1d-1)\n\
         PostgreSQL: 4 records, in use (migration 6f1d-1)\n\
         Kubernetes: 4 records, moved away (migration 6f1d-1)\n\
         the records are in PostgreSQL, and every replica uses it\n"
    );
    let calls = script.calls.borrow();
    assert_eq!(
        calls.iter().find(|call| call.starts_with("helm")).unwrap(),
        "helm upgrade gateways ./chart --namespace outrigger-system --reset-then-reuse-values --version 0.1.0+b7 \
         --set-string ledger.store=PostgreSQL --set-string ledger.migrateFrom=Kubernetes \
         --set-string ledger.postgresql.secretName=ledger-database"
    );
    assert!(
        calls.iter().any(|call| call.ends_with(
            "-- /outrigger-operator records --namespace=outrigger-system --ledger=PostgreSQL \
             --ledger-migrate-from=Kubernetes --ledger-postgresql=/ledger"
        )),
        "{calls:?}"
    );
}

#[test]
fn without_a_chart_it_says_what_to_set_and_waits_for_somebody_to_set_it() {
    let script = Script::new(
        [kubernetes(), kubernetes(), kubernetes(), postgres()],
        [
            Ok(state(&[store("Kubernetes", "InUse", 4)], "Use")),
            Ok(state(&[store("PostgreSQL", "InUse", 4), store("Kubernetes", "Moved", 4)], "Use")),
        ],
    );
    let (result, said) = run(&script, &["--to=PostgreSQL", "--secret", "ledger-database"]);
    result.unwrap();
    assert!(said.contains("to be set in the chart's values: ledger.store=PostgreSQL, "), "{said}");
    assert_eq!(said.matches("waiting until the values are set\n").count(), 1, "{said}");
    assert!(script.calls.borrow().iter().all(|call| !call.starts_with("helm")));
}

#[test]
fn what_is_there_already_is_said_and_a_dry_run_changes_nothing() {
    let moved = || Ok(state(&[store("PostgreSQL", "InUse", 4), store("Kubernetes", "Moved", 4)], "Use"));
    let (result, said) = run(&Script::new([postgres()], [moved()]), &["--to=PostgreSQL"]);
    result.unwrap();
    assert!(said.ends_with("the records are in PostgreSQL, and every replica uses it\n"), "{said}");
    let script = Script::new([postgres()], [moved()]);
    let (result, said) = run(&script, &["--to=Kubernetes", "--chart=./chart", "--dry-run"]);
    result.unwrap();
    assert!(said.ends_with("ledger.migrateFrom=PostgreSQL, ledger.postgresql.secretName=ledger-database\n"), "{said}");
    assert!(script.calls.borrow().iter().all(|call| !call.starts_with("helm")));
}

#[test]
fn what_is_missing_is_named_before_anything_is_changed() {
    let script = || Script::new([kubernetes()], [Ok(state(&[store("Kubernetes", "InUse", 4)], "Use"))]);
    let (error, _) = run(&script(), &["--to=PostgreSQL", "--chart=./chart"]);
    assert!(matches!(error, Err(MigrateError::NoSecret)));
    let wrong = Script { keys: "password\n", ..script() };
    let (error, said) = run(&wrong, &["--to=PostgreSQL", "--chart=./chart", "--secret=other"]);
    assert!(error.unwrap_err().to_string().starts_with("Secret other has no key `url`"), "{said}");
    assert!(wrong.calls.borrow().iter().all(|call| !call.starts_with("helm")));
    let none = Script::new([deployment(&[], None)], [Err("unused")]);
    let (error, _) = run(&none, &["--to=PostgreSQL"]);
    let error = error.unwrap_err();
    assert!(matches!(error, MigrateError::NoLedger(RecordStore::Postgres)) && error.code() == 2, "{error}");
}

#[test]
fn a_move_that_does_not_end_says_why_and_how_to_go_back() {
    let mut unreachable = store("PostgreSQL", "Unknown", 0);
    unreachable["error"] = json!("connection refused. the store does not answer");
    let waiting = |stores: [Value; 2]| {
        Script::new(
            [kubernetes(), postgres()],
            [Ok(state(&[store("Kubernetes", "InUse", 4)], "Use")), Ok(json!({"stores": stores}))],
        )
    };
    // Only one look.
    let args =
        MigrateArgs { timeout: 0, ..parsed(&["--to=PostgreSQL", "--secret=ledger-database", "--chart=./chart"]) };
    let (error, said) = run_with(&waiting([unreachable.clone(), store("Kubernetes", "InUse", 4)]), &args);
    let error = error.unwrap_err();
    assert!(said.contains("PostgreSQL: can't be read: connection refused. the store does not answer\n"), "{said}");
    assert!(error.to_string().ends_with("Nothing is moved yet: `helm rollback gateways` goes back"), "{error}");
    assert_eq!(error.code(), 1);
    let (error, _) = run_with(&waiting([unreachable, store("Kubernetes", "Sealed", 4)]), &args);
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with("set ledger.store=Kubernetes and ledger.migrateFrom=PostgreSQL to take the move back"),
        "{error}"
    );
}

#[test]
fn what_the_operator_refuses_is_no_reason_to_wait() {
    let both = json!({
        "stores": [store("PostgreSQL", "InUse", 2), store("Kubernetes", "InUse", 4)],
        "refused": "both have records that are in use",
    });
    let (error, _) = run(&Script::new([postgres()], [Ok(both)]), &["--to=PostgreSQL"]);
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "the operator moves nothing: both have records that are in use");
    assert_eq!(error.code(), 1);
}

/// A cluster that is not there.
struct NoCluster;

impl LedgerCluster for NoCluster {
    fn kubectl(&self, _: &[OsString]) -> Result<Vec<u8>, ProgramError> {
        Err(ProgramError::of("The connection to the server localhost:8080 was refused"))
    }

    fn helm(&self, _: &[OsString]) -> Result<Vec<u8>, ProgramError> {
        panic!("nothing is set before the operator is read");
    }

    fn pause(&self) {}
}

#[test]
fn without_a_cluster_it_says_what_failed_and_how_to_name_one() {
    let error = migrate(&parsed(&["--to=PostgreSQL"]), &NoCluster, &mut Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the operator (deployment/outrigger in namespace outrigger-system) can't be read: The connection to the server \
         localhost:8080 was refused. Name the cluster with --context or --kubeconfig"
    );
    assert_eq!(error.code(), 2);
}

#[test]
fn how_long_to_wait_is_a_number_of_seconds() {
    assert_eq!(parsed(&["--to=PostgreSQL", "--timeout=86400"]).timeout, 86_400);
    for wrong in ["0", "abc", "-1", "", "86401"] {
        let error = Cli::try_parse_from(["migrate", "--to=PostgreSQL", "--timeout", wrong]).map(|_| ()).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("must be a number of seconds from 1 to 86400"), "{wrong}: {said}");
    }
}

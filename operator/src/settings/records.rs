//! The command line of `outrigger-operator records`: where the ledger's records are.

use std::path::PathBuf;

use lexopt::prelude::*;

use super::ledger::{LedgerSettings, stores};
use super::{SettingsError, label};

/// What `records --help` says.
pub const RECORDS_HELP: &str = "\
outrigger-operator records: where the ledger's records are, as JSON

  --namespace NAME           the operator's own namespace
  --ledger WORD              Kubernetes or PostgreSQL: the store that is set
  --ledger-migrate-from WORD Kubernetes or PostgreSQL: the store that the records come from
  --ledger-postgresql DIR    the folder with the connection string
";

/// Which stores are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsCommand {
    pub namespace: String,
    pub ledger: LedgerSettings,
    pub migrate_from: LedgerSettings,
}

/// Reads what follows `records`; `None`: help is asked for.
pub(super) fn read(parser: &mut lexopt::Parser) -> Result<Option<RecordsCommand>, SettingsError> {
    let (mut namespace, mut store, mut former_store, mut database) = (None, None, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("namespace") => namespace = Some(label(parser, "namespace")?),
            Long("ledger") => store = Some(parser.value()?.string()?),
            Long("ledger-migrate-from") => former_store = Some(parser.value()?.string()?),
            Long("ledger-postgresql") => database = Some(PathBuf::from(parser.value()?)),
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    let missing = |flag, why| SettingsError::Missing { flag, why };
    let namespace = namespace.ok_or(missing("namespace", "objects of the ledger are there"))?;
    let (ledger, migrate_from) = stores(store, former_store, database.as_ref())?;
    if ledger == LedgerSettings::None {
        return Err(missing("ledger", "it is the store that is looked at"));
    }
    Ok(Some(RecordsCommand { namespace, ledger, migrate_from }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(arguments: &[&str]) -> Result<Option<RecordsCommand>, SettingsError> {
        read(&mut lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn both_stores_are_named_as_for_the_operator() {
        let both =
            ["--namespace=o", "--ledger=PostgreSQL", "--ledger-migrate-from=Kubernetes", "--ledger-postgresql=/db"];
        let found = command(&both).unwrap().unwrap();
        assert_eq!(found.ledger, LedgerSettings::Postgres("/db".into()));
        assert_eq!(found.migrate_from, LedgerSettings::Kubernetes);
        let one = command(&both[..2]).unwrap_err().to_string();
        assert!(one.starts_with("--ledger-postgresql is required"), "{one}");
        assert!(command(&["--namespace=o"]).unwrap_err().to_string().starts_with("--ledger is required"));
        assert!(command(&["--ledger=Kubernetes"]).unwrap_err().to_string().starts_with("--namespace is required"));
        let same = command(&["--namespace=o", "--ledger=Kubernetes", "--ledger-migrate-from=Kubernetes"]);
        assert!(same.unwrap_err().to_string().contains("no other store than --ledger"));
        assert!(command(&["--help"]).unwrap().is_none());
    }
}

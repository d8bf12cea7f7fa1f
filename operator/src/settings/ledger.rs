//! Which stores the ledger has.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::SettingsError;

/// Where the ledger stores the spending of shared limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LedgerSettings {
    /// No ledger: each gateway grants itself every limit in full.
    #[default]
    None,
    /// In objects of the operator's namespace.
    Kubernetes,
    /// In PostgreSQL. The folder has the file `url`, and may have `ca.crt`.
    Postgres(PathBuf),
}

/// The kinds of stores, as `ledger.store` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StoreKind {
    Kubernetes,
    #[serde(rename = "PostgreSQL")]
    Postgres,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreKind::Kubernetes => "Kubernetes",
            StoreKind::Postgres => "PostgreSQL",
        })
    }
}

impl LedgerSettings {
    /// The kind of the store, if there is one.
    #[must_use]
    pub fn kind(&self) -> Option<StoreKind> {
        match self {
            LedgerSettings::None => None,
            LedgerSettings::Kubernetes => Some(StoreKind::Kubernetes),
            LedgerSettings::Postgres(_) => Some(StoreKind::Postgres),
        }
    }
}

/// The store that is set, and the one that records come from.
pub(super) fn stores(
    store: Option<String>,
    former_store: Option<String>,
    database: Option<&PathBuf>,
) -> Result<(LedgerSettings, LedgerSettings), SettingsError> {
    let migrate_from = ledger("ledger-migrate-from", former_store, database)?;
    let ledger = ledger("ledger", store, database)?;
    match migrate_from.kind() {
        Some(from) if ledger.kind().is_none_or(|kind| kind == from) => {
            let what = "no other store than --ledger: records are moved from Kubernetes to PostgreSQL, or back";
            Err(SettingsError::Wrong { flag: "ledger-migrate-from", value: from.to_string(), what })
        }
        _ => Ok((ledger, migrate_from)),
    }
}

fn ledger(
    flag: &'static str,
    store: Option<String>,
    database: Option<&PathBuf>,
) -> Result<LedgerSettings, SettingsError> {
    let Some(value) = store else { return Ok(LedgerSettings::None) };
    match (value.to_ascii_lowercase().as_str(), database) {
        ("none", _) => Ok(LedgerSettings::None),
        ("kubernetes", _) => Ok(LedgerSettings::Kubernetes),
        ("postgresql", Some(folder)) => Ok(LedgerSettings::Postgres(folder.clone())),
        ("postgresql", None) => {
            Err(SettingsError::Missing { flag: "ledger-postgresql", why: "it has the connection string" })
        }
        _ => Err(SettingsError::Wrong { flag, value, what: "none of None, Kubernetes and PostgreSQL" }),
    }
}

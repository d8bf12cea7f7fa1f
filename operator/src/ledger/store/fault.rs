//! Why a store does not work, as a closed set: a metric label, and a remedy for an administrator.

use super::StoreError;
use super::postgres::PostgresError;
use crate::api::CallFailure;

/// The kinds of a store's failures. Grants wait while one lasts; gateways spend what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreFault {
    /// There is no answer, or the server reports that it can't answer now.
    Unreachable,
    /// The operator lacks a permission.
    Forbidden,
    /// The definition or the tables are missing.
    Missing,
    /// There is no space left.
    Full,
    /// The server accepts no writes.
    ReadOnly,
    /// The server may lose what it acknowledges.
    NotDurable,
    /// A newer version has written the tables or the records.
    Newer,
    /// The connection string or its authorities can't be used.
    Misconfigured,
    /// The records were moved to another store.
    Moved,
    /// The records can't be moved from the other store.
    Migration,
    /// A record can't be read.
    Damaged,
    /// Any other refusal.
    Refused,
}

impl StoreFault {
    pub const ALL: [StoreFault; 12] = [
        StoreFault::Unreachable,
        StoreFault::Forbidden,
        StoreFault::Missing,
        StoreFault::Full,
        StoreFault::ReadOnly,
        StoreFault::NotDurable,
        StoreFault::Newer,
        StoreFault::Misconfigured,
        StoreFault::Moved,
        StoreFault::Migration,
        StoreFault::Damaged,
        StoreFault::Refused,
    ];

    /// The label of metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().0
    }

    /// The remedy, for people.
    #[must_use]
    pub fn advice(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            StoreFault::Unreachable => {
                ("unreachable", "the store does not answer: check that it runs, and the network on the way to it")
            }
            StoreFault::Forbidden => (
                "forbidden",
                "the operator lacks a right: restore the chart's Role, or grant the role of PostgreSQL its rights to \
                 the tables `outrigger_*`",
            ),
            StoreFault::Missing => (
                "missing",
                "the definition or the tables are gone: install the definitions (chart outrigger-crds), or restore \
                 the tables from a backup",
            ),
            StoreFault::Full => ("full", "the store has no room left: free or add disk space, or raise the quota"),
            StoreFault::ReadOnly => (
                "read_only",
                "the server takes no writes: name the primary in the connection string, or allow writes again",
            ),
            StoreFault::NotDurable => (
                "not_durable",
                "PostgreSQL may lose what it acknowledges: set `synchronous_commit`, `fsync` and `full_page_writes` \
                 to `on`",
            ),
            StoreFault::Newer => {
                ("newer", "a newer operator has written the store: install that version of the operator again")
            }
            StoreFault::Misconfigured => {
                ("misconfigured", "the Secret of the connection string can't be used: correct its `url` or `ca.crt`")
            }
            StoreFault::Moved => (
                "moved",
                "the records were moved to another store: set `ledger.store` to it, or move them back with \
                 `ledger.migrateFrom`",
            ),
            StoreFault::Migration => (
                "migration",
                "the records can't be moved from the store of `ledger.migrateFrom`: the operator's log says why",
            ),
            StoreFault::Damaged => ("damaged", "a record can't be read: restore the object or the row from a backup"),
            StoreFault::Refused => {
                ("refused", "the store refuses for another reason: the operator's log has its words")
            }
        }
    }
}

impl StoreError {
    /// The kind of the failure.
    #[must_use]
    pub fn fault(&self) -> StoreFault {
        match self {
            StoreError::Api(error) => match error.failure() {
                CallFailure::Forbidden => StoreFault::Forbidden,
                CallFailure::NotFound => StoreFault::Missing,
                CallFailure::Conflict | CallFailure::Refused => StoreFault::Refused,
                CallFailure::Throttled | CallFailure::ServerError | CallFailure::Unreachable => StoreFault::Unreachable,
            },
            StoreError::NoDefinition => StoreFault::Missing,
            StoreError::Unversioned(_) => StoreFault::Damaged,
            StoreError::Postgres(error) => error.fault(),
        }
    }
}

impl PostgresError {
    /// The kind of the failure.
    #[must_use]
    pub fn fault(&self) -> StoreFault {
        match self {
            PostgresError::File { .. }
            | PostgresError::Unreadable { .. }
            | PostgresError::Authorities { .. }
            | PostgresError::Tls(_) => StoreFault::Misconfigured,
            PostgresError::Late(_) => StoreFault::Unreachable,
            PostgresError::NotDurable { .. } => StoreFault::NotDurable,
            PostgresError::Newer { .. } => StoreFault::Newer,
            PostgresError::TableGone(_) => StoreFault::Missing,
            PostgresError::Refused(_) if self.is_read_only() => StoreFault::ReadOnly,
            PostgresError::Refused(refused) => {
                refused.code().map_or(StoreFault::Unreachable, |code| sql_state(code.code()))
            }
        }
    }
}

/// By PostgreSQL's error codes.
fn sql_state(code: &str) -> StoreFault {
    match code {
        "25006" => StoreFault::ReadOnly,
        "42501" => StoreFault::Forbidden,
        "42P01" | "42703" | "3F000" | "3D000" => StoreFault::Missing,
        "53100" | "53400" | "54000" => StoreFault::Full,
        "53300" => StoreFault::Unreachable,
        _ if code.starts_with("28") => StoreFault::Forbidden,
        _ if ["08", "57", "58"].iter().any(|class| code.starts_with(class)) => StoreFault::Unreachable,
        _ => StoreFault::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_a_unique_name_and_a_remedy() {
        let words: std::collections::BTreeSet<_> = StoreFault::ALL.map(StoreFault::word).into();
        assert_eq!(words.len(), StoreFault::ALL.len());
        assert!(StoreFault::ALL.iter().all(|fault| fault.advice().len() > 20));
    }

    #[test]
    fn error_codes_are_classified_by_remedy() {
        for (code, fault) in [
            ("42501", StoreFault::Forbidden),
            ("28P01", StoreFault::Forbidden),
            ("42P01", StoreFault::Missing),
            ("53100", StoreFault::Full),
            ("25006", StoreFault::ReadOnly),
            ("57P03", StoreFault::Unreachable),
            ("XX000", StoreFault::Refused),
        ] {
            assert_eq!(sql_state(code), fault, "{code}");
        }
    }
}

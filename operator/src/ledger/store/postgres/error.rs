//! Errors of PostgreSQL. No error contains a password.

use std::path::PathBuf;

use thiserror::Error;
use tokio_postgres::error::SqlState;

/// Classes of SQLSTATE for statements that were undone or not begun. Any other statement may have been committed: a
/// server that shuts down reports that after the commit too.
const UNDONE: [&str; 13] = ["0A", "21", "22", "23", "25", "28", "3D", "3F", "40", "42", "53", "54", "55"];

/// What is wrong.
#[derive(Debug, Error)]
pub enum PostgresError {
    #[error("{}: {error}", .file.display())]
    File { file: PathBuf, error: std::io::Error },
    #[error(
        "{} is no connection string: write postgresql://user:password@host/database, with what is special in it as %XX; of \
         sslmode there are require and disable",
        .file.display()
    )]
    Unreadable { file: PathBuf },
    #[error("{} has no certificate that can be read: give PEM, or leave it out for the authorities of the web", .file.display())]
    Authorities { file: PathBuf },
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("PostgreSQL did not answer within {0} s")]
    Late(u64),
    #[error(
        "PostgreSQL's {setting} is `{value}`: it would acknowledge what it can lose, and budgets would be spent twice. Set it to on, \
         for this database or role"
    )]
    NotDurable { setting: &'static str, value: String },
    #[error(
        "the ledger's tables are of version {found}, and this operator knows those up to {known}: a newer one has written \
         them. Install that again"
    )]
    Newer { found: i32, known: usize },
    #[error(
        "the table {0} is gone, and the ledger's records with it: restore it from a backup. To begin anew with nothing spent, \
         drop the table outrigger_ledger_migration too"
    )]
    TableGone(&'static str),
    #[error("PostgreSQL: {}", describe(.0))]
    Refused(#[from] tokio_postgres::Error),
}

impl PostgresError {
    /// The server accepts no writes: it reports that on connection or on a write.
    pub(in crate::ledger::store) fn is_read_only(&self) -> bool {
        let PostgresError::Refused(error) = self else { return false };
        let refused = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
        error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
            || refused.is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    }

    /// The failed statement has written nothing.
    pub(super) fn is_rolled_back(&self) -> bool {
        let PostgresError::Refused(error) = self else { return false };
        error.code().is_some_and(|code| {
            *code != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
                && code.code().get(..2).is_some_and(|class| UNDONE.contains(&class))
        })
    }
}

/// The server's own message, or the last cause of a failure on the way.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(refused) => format!("{} ({})", refused.message(), refused.code().code()),
        None => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            text
        }
    }
}

//! Shards as rows of a table, compared and swapped by a version column.
//!
//! One connection does it all: the ledger writes a few times a second. It is opened when it is needed, and again after it broke;
//! each time the server is looked at first, because it may be another one than before.

mod connection;
mod error;
mod migrations;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

pub use self::connection::{AUTHORITIES_FILE, URL_FILE};
pub use self::error::PostgresError;
use super::{LedgerStore, ShardName, ShardVersion, StoreError, StoredShard, WriteOutcome};

/// For an answer. The server is told of no time-out: one that strikes while a commit waits for its standby would end the wait
/// and acknowledge the commit.
const ANSWER: Duration = Duration::from_secs(15);

const LOAD: &str = "SELECT name, version, record FROM outrigger_ledger_shard ORDER BY name";
const READ: &str = "SELECT name, version, record FROM outrigger_ledger_shard WHERE name = $1";
const INSERT: &str =
    "INSERT INTO outrigger_ledger_shard (name, record) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING version";
const UPDATE: &str = "UPDATE outrigger_ledger_shard \
     SET record = $2, version = nextval('outrigger_ledger_version'), written = now() \
     WHERE name = $1 AND version = $3 RETURNING version";
const DELETE: &str = "DELETE FROM outrigger_ledger_shard WHERE name = $1 AND version = $2 RETURNING version";

/// The table of one database.
#[derive(Debug)]
pub struct PostgresStore {
    /// With the connection string, and authorities perhaps.
    folder: PathBuf,
    connected: Mutex<Option<Arc<Client>>>,
}

impl PostgresStore {
    /// A store whose connection string is in the file [`URL_FILE`] of a folder. The folder is read at each connection, so that a
    /// new password is taken without a restart. Connects when it is first used.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        PostgresStore { folder, connected: Mutex::new(None) }
    }

    async fn client(&self) -> Result<Arc<Client>, PostgresError> {
        let mut connected = self.connected.lock().await;
        match &*connected {
            Some(client) if !client.is_closed() => Ok(Arc::clone(client)),
            _ => {
                *connected = None;
                let client = timed(connection::open(&self.folder)).await??;
                Ok(Arc::clone(connected.insert(Arc::new(client))))
            }
        }
    }

    /// A connection on which an answer is overdue is left: another may answer.
    async fn query(
        &self,
        client: &Arc<Client>,
        statement: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, PostgresError> {
        match timed(client.query_typed(statement, values)).await {
            Ok(answer) => Ok(answer?),
            Err(late) => {
                self.connected.lock().await.take_if(|connected| Arc::ptr_eq(connected, client));
                Err(late)
            }
        }
    }

    async fn select(
        &self,
        statement: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<StoredShard>, StoreError> {
        let client = self.client().await?;
        let rows = self.query(&client, statement, values).await?;
        Ok(rows.iter().map(stored).collect::<Result<_, _>>()?)
    }

    /// A statement that gives the version of the one row it changed, or no row.
    async fn change(&self, statement: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> WriteOutcome {
        let client = match self.client().await {
            Ok(client) => client,
            Err(error) => return WriteOutcome::Failed(error.into()),
        };
        // It answers once it has committed: the rows come before, the end of the answer after.
        let changed = self.query(&client, statement, values).await;
        match changed.and_then(|rows| rows.first().map(version).transpose()) {
            Ok(Some(version)) => WriteOutcome::Written(version),
            Ok(None) => WriteOutcome::Conflict,
            Err(error) if error.is_rolled_back() => WriteOutcome::Failed(error.into()),
            Err(error) => WriteOutcome::Unknown(error.into()),
        }
    }
}

impl LedgerStore for PostgresStore {
    fn load(&self) -> BoxFuture<'_, Result<Vec<StoredShard>, StoreError>> {
        Box::pin(self.select(LOAD, &[]))
    }

    fn read<'a>(&'a self, name: &'a ShardName) -> BoxFuture<'a, Result<Option<StoredShard>, StoreError>> {
        Box::pin(async { Ok(self.select(READ, &[(&name.0, Type::TEXT)]).await?.pop()) })
    }

    fn write<'a>(
        &'a self,
        name: &'a ShardName,
        expected: Option<&'a ShardVersion>,
        record: &'a str,
    ) -> BoxFuture<'a, WriteOutcome> {
        Box::pin(async move {
            match expected.map(number) {
                None => self.change(INSERT, &[(&name.0, Type::TEXT), (&record, Type::TEXT)]).await,
                Some(Some(version)) => {
                    let values: [(&(dyn ToSql + Sync), Type); 3] =
                        [(&name.0, Type::TEXT), (&record, Type::TEXT), (&version, Type::INT8)];
                    self.change(UPDATE, &values).await
                }
                Some(None) => WriteOutcome::Conflict,
            }
        })
    }

    fn delete<'a>(&'a self, name: &'a ShardName, expected: &'a ShardVersion) -> BoxFuture<'a, WriteOutcome> {
        Box::pin(async move {
            match number(expected) {
                Some(version) => self.change(DELETE, &[(&name.0, Type::TEXT), (&version, Type::INT8)]).await,
                None => WriteOutcome::Conflict,
            }
        })
    }
}

async fn timed<T>(call: impl Future<Output = T>) -> Result<T, PostgresError> {
    tokio::time::timeout(ANSWER, call).await.map_err(|_| PostgresError::Late(ANSWER.as_secs()))
}

fn stored(row: &Row) -> Result<StoredShard, PostgresError> {
    let version: i64 = row.try_get("version")?;
    Ok(StoredShard {
        name: ShardName(row.try_get("name")?),
        version: ShardVersion(version.to_string()),
        record: row.try_get("record")?,
    })
}

fn version(row: &Row) -> Result<ShardVersion, PostgresError> {
    let version: i64 = row.try_get("version")?;
    Ok(ShardVersion(version.to_string()))
}

/// `None`: no version of this store's, which stands nowhere.
fn number(version: &ShardVersion) -> Option<i64> {
    version.0.parse().ok()
}

//! Shards as rows of a table, compared and swapped by a version column.
//!
//! One connection is enough: the ledger writes a few times a second. It is opened when needed, and again after any
//! error and every few minutes. The server's settings and tables are checked each time, because it may be another
//! server than before. Each write also returns the settings on which its durability depends.

mod connection;
mod error;
mod migrations;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use self::connection::DURABILITY;
pub(in crate::ledger) use self::connection::open;
pub use self::connection::{AUTHORITIES_FILE, URL_FILE};
pub use self::error::PostgresError;
pub(in crate::ledger) use self::migrations::HISTORY;
use super::{LedgerStore, ShardName, ShardVersion, StoreError, StoredShard, WriteOutcome};

/// The time-out for an answer. The server has no time-out of its own: if one expired while a commit waits for its
/// standby, it would end the wait and acknowledge the commit.
const ANSWER: Duration = Duration::from_secs(15);
/// After this time a new connection is opened: `ALTER ROLE` changes the settings of new sessions only.
const RECONNECT: Duration = Duration::from_secs(5 * 60);

const LOAD: &str = "SELECT name, version, record FROM outrigger_ledger_shard ORDER BY name";
const VERSIONS: &str = "SELECT name, version FROM outrigger_ledger_shard";
const READ: &str = "SELECT name, version, record FROM outrigger_ledger_shard WHERE name = $1";
const INSERT: &str = "INSERT INTO outrigger_ledger_shard (name, record) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING version, ";
const UPDATE: &str = "UPDATE outrigger_ledger_shard \
     SET record = $2, version = nextval('outrigger_ledger_version'), written = now() \
     WHERE name = $1 AND version = $3 RETURNING version, ";
const DELETE: &str = "DELETE FROM outrigger_ledger_shard WHERE name = $1 AND version = $2 RETURNING version, ";

/// The table of one database.
#[derive(Debug)]
pub struct PostgresStore {
    /// With the connection string, and possibly authorities.
    folder: PathBuf,
    connected: Mutex<Option<OpenConnection>>,
}

/// An open connection, and when it was opened.
#[derive(Debug)]
struct OpenConnection {
    client: Arc<Client>,
    since: Instant,
}

impl PostgresStore {
    /// A store whose connection string is in the file [`URL_FILE`] of a folder. The folder is read for each connection,
    /// so a new password is used without a restart. Connects on first use.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        PostgresStore { folder, connected: Mutex::new(None) }
    }

    async fn client(&self) -> Result<Arc<Client>, PostgresError> {
        let mut connected = self.connected.lock().await;
        match &*connected {
            Some(OpenConnection { client, since }) if !client.is_closed() && since.elapsed() < RECONNECT => {
                Ok(Arc::clone(client))
            }
            _ => {
                *connected = None;
                let client = Arc::new(timed(open(&self.folder, migrations::LEDGER)).await??);
                *connected = Some(OpenConnection { client: Arc::clone(&client), since: Instant::now() });
                Ok(client)
            }
        }
    }

    /// After an error the next statement opens a new connection, and the server is checked again.
    async fn query(
        &self,
        client: &Arc<Client>,
        statement: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, PostgresError> {
        let answer = match timed(client.query_typed(statement, values)).await {
            Ok(answer) => answer.map_err(PostgresError::from),
            Err(late) => Err(late),
        };
        if answer.is_err() {
            self.disconnect(client).await;
        }
        answer
    }

    async fn disconnect(&self, client: &Arc<Client>) {
        self.connected.lock().await.take_if(|connected| Arc::ptr_eq(&connected.client, client));
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

    /// A statement that returns the version of the one row that it changed, or no row.
    async fn change(&self, statement: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> WriteOutcome {
        let client = match self.client().await {
            Ok(client) => client,
            Err(error) => return WriteOutcome::Failed(error.into()),
        };
        // The answer is complete once it has committed: the rows come before, the end of the answer after.
        let changed = self.query(&client, &format!("{statement}{DURABILITY}"), values).await;
        match changed.and_then(|rows| rows.first().map(durable_version).transpose()) {
            Ok(Some(version)) => WriteOutcome::Written(version),
            Ok(None) => WriteOutcome::Conflict,
            // It is committed, and may be lost.
            Err(error @ PostgresError::NotDurable { .. }) => {
                self.disconnect(&client).await;
                WriteOutcome::Unknown(error.into())
            }
            Err(error) if error.is_rolled_back() => WriteOutcome::Failed(error.into()),
            Err(error) => WriteOutcome::Unknown(error.into()),
        }
    }
}

impl LedgerStore for PostgresStore {
    fn load(&self) -> BoxFuture<'_, Result<Vec<StoredShard>, StoreError>> {
        Box::pin(self.select(LOAD, &[]))
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<(ShardName, ShardVersion)>, StoreError>> {
        Box::pin(async {
            let client = self.client().await?;
            let rows = self.query(&client, VERSIONS, &[]).await?;
            let named = |row| Ok((ShardName(Row::try_get(row, "name")?), version(row)?));
            Ok(rows.iter().map(named).collect::<Result<_, PostgresError>>()?)
        })
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
    Ok(StoredShard { name: ShardName(row.try_get("name")?), version: version(row)?, record: row.try_get("record")? })
}

fn version(row: &Row) -> Result<ShardVersion, PostgresError> {
    let version: i64 = row.try_get("version")?;
    Ok(ShardVersion(version.to_string()))
}

/// The version that a write returns, if the server still does not lose what it acknowledges.
fn durable_version(row: &Row) -> Result<ShardVersion, PostgresError> {
    let [commit, fsync, pages]: [String; 3] = [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?];
    connection::durable(&commit, &fsync, &pages)?;
    version(row)
}

/// `None`: not a version of this store, so no row has it.
fn number(version: &ShardVersion) -> Option<i64> {
    version.0.parse().ok()
}

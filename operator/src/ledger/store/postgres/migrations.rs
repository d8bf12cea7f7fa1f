//! The tables, and how they came to be: one migration after the other, each once.
//!
//! Versions of shards come from a sequence, so that a row that is deleted and made again has no version that it had before.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use super::error::PostgresError;

/// In order; what has shipped is never changed.
const MIGRATIONS: [&str; 1] = ["
    CREATE SEQUENCE outrigger_ledger_version;
    CREATE TABLE outrigger_ledger_shard (
        name text PRIMARY KEY,
        version bigint NOT NULL DEFAULT nextval('outrigger_ledger_version'),
        record text NOT NULL,
        written timestamptz NOT NULL DEFAULT now()
    );
    COMMENT ON TABLE outrigger_ledger_shard IS
        'What was spent and what gateways hold. Written by the operator alone: a row that is changed by hand changes budgets.';
"];
/// So that two replicas that start at once do not both migrate: any number, always the same.
const LOCK: i64 = 0x6f75_7472_6967;

/// Brings the tables up to date, in one transaction.
pub(super) async fn migrate(client: &mut Client) -> Result<(), PostgresError> {
    // Mostly nothing is left to do, and the role need not have the right to do it.
    if found(client).await? == Some(MIGRATIONS.len()) {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.execute_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)]).await?;
    transaction
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS outrigger_ledger_migration (
                 number integer PRIMARY KEY,
                 done timestamptz NOT NULL DEFAULT now()
             )",
        )
        .await?;
    let done = number(&transaction).await?;
    for (number, migration) in (1_i32..).zip(MIGRATIONS).skip(done) {
        transaction.batch_execute(migration).await?;
        let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] = [(&number, Type::INT4)];
        transaction.execute_typed("INSERT INTO outrigger_ledger_migration (number) VALUES ($1)", &values).await?;
        tracing::info!(number, "the ledger's tables in PostgreSQL are made or changed");
    }
    transaction.commit().await?;
    Ok(())
}

/// `None`: there are no tables.
async fn found(client: &Client) -> Result<Option<usize>, PostgresError> {
    let there = client.query_typed_one("SELECT to_regclass('outrigger_ledger_migration') IS NOT NULL", &[]).await?;
    match there.try_get(0)? {
        true => done(client.query_typed_one(DONE, &[]).await?.try_get(0)?).map(Some),
        false => Ok(None),
    }
}

const DONE: &str = "SELECT coalesce(max(number), 0) FROM outrigger_ledger_migration";

async fn number(transaction: &Transaction<'_>) -> Result<usize, PostgresError> {
    done(transaction.query_typed(DONE, &[]).await?.first().map_or(Ok(0), |row| row.try_get(0))?)
}

/// How many migrations are done.
fn done(found: i32) -> Result<usize, PostgresError> {
    let known = MIGRATIONS.len();
    usize::try_from(found).ok().filter(|done| *done <= known).ok_or(PostgresError::Newer { found, known })
}

//! The tables, as a sequence of migrations, each applied once.
//!
//! Versions of shards come from a sequence, so a row that is deleted and created again never repeats a version.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use super::error::PostgresError;

/// In order. A released migration is never changed.
const MIGRATIONS: [&str; 2] = [
    "
    CREATE SEQUENCE outrigger_ledger_version;
    CREATE TABLE outrigger_ledger_shard (
        name text PRIMARY KEY,
        version bigint NOT NULL DEFAULT nextval('outrigger_ledger_version'),
        record text NOT NULL,
        written timestamptz NOT NULL DEFAULT now()
    );
    COMMENT ON TABLE outrigger_ledger_shard IS
        'What was spent and what gateways hold. Written by the operator alone: a row that is changed by hand changes budgets.';
",
    "
    CREATE TABLE outrigger_usage_gateway (
        pod text NOT NULL,
        epoch bigint NOT NULL,
        complete_before bigint NOT NULL,
        folded_before bigint NOT NULL DEFAULT 0,
        ended boolean NOT NULL DEFAULT false,
        seen timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (pod, epoch)
    );
    CREATE TABLE outrigger_usage_recent (
        hour timestamptz NOT NULL,
        pod text NOT NULL,
        epoch bigint NOT NULL,
        namespace text NOT NULL,
        key text NOT NULL,
        provider text NOT NULL,
        model text NOT NULL,
        team text NOT NULL,
        customer text NOT NULL,
        workload text NOT NULL,
        requests bigint NOT NULL,
        errors bigint NOT NULL,
        input_tokens bigint NOT NULL,
        cached_tokens bigint NOT NULL,
        output_tokens bigint NOT NULL,
        cost_nanos bigint NOT NULL,
        PRIMARY KEY (hour, pod, epoch, namespace, key, provider, model)
    );
    CREATE INDEX outrigger_usage_recent_pod ON outrigger_usage_recent (pod, epoch);
    CREATE TABLE outrigger_usage_hour (
        hour timestamptz NOT NULL,
        namespace text NOT NULL,
        key text NOT NULL,
        team text NOT NULL,
        customer text NOT NULL,
        workload text NOT NULL,
        provider text NOT NULL,
        model text NOT NULL,
        requests numeric NOT NULL,
        errors numeric NOT NULL,
        input_tokens numeric NOT NULL,
        cached_tokens numeric NOT NULL,
        output_tokens numeric NOT NULL,
        cost_nanos numeric NOT NULL,
        PRIMARY KEY (hour, namespace, key, team, customer, workload, provider, model)
    );
    CREATE VIEW outrigger_usage AS
    SELECT hour, namespace, key, nullif(team, '') AS team, nullif(customer, '') AS customer, workload,
           nullif(provider, '') AS provider, nullif(model, '') AS model,
           sum(requests) AS requests, sum(errors) AS errors, sum(input_tokens) AS input_tokens,
           sum(cached_tokens) AS cached_tokens, sum(output_tokens) AS output_tokens,
           (sum(cost_nanos) / 1000000000)::numeric(30, 9) AS cost_usd
    FROM (
        SELECT hour, namespace, key, team, customer, workload, provider, model,
               requests, errors, input_tokens, cached_tokens, output_tokens, cost_nanos
        FROM outrigger_usage_recent
        UNION ALL
        SELECT hour, namespace, key, team, customer, workload, provider, model,
               requests, errors, input_tokens, cached_tokens, output_tokens, cost_nanos
        FROM outrigger_usage_hour
    ) AS rows
    GROUP BY hour, namespace, key, team, customer, workload, provider, model;
    COMMENT ON VIEW outrigger_usage IS
        'What requests came to, by the hour. Money is in dollars; cached tokens are input tokens too.';
",
];
/// How many of them the ledger needs, and how many the usage history.
pub(in crate::ledger) const LEDGER: usize = 1;
pub(in crate::ledger) const HISTORY: usize = 2;
/// The tables of the migrations.
const TABLES: [&str; 1] = ["outrigger_ledger_shard"];
/// Prevents two replicas that start together from both migrating: any number, always the same.
const LOCK: i64 = 0x6f75_7472_6967;

/// Brings the tables up to date, in one transaction. A role without the right to do it is enough if those that are needed are
/// there.
pub(super) async fn migrate(client: &mut Client, needed: usize) -> Result<(), PostgresError> {
    let found = found(client).await?;
    if found == Some(MIGRATIONS.len()) {
        return Ok(());
    }
    match make(client).await {
        Err(error) if found >= Some(needed) && !matches!(error, PostgresError::Newer { .. }) => {
            tracing::warn!(%error, "new tables can't be made in PostgreSQL: the ledger goes on without the usage history");
            Ok(())
        }
        made => made,
    }
}

async fn make(client: &mut Client) -> Result<(), PostgresError> {
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

/// Fails if a table of a migration is missing: its content must not be started over without an administrator's
/// decision.
pub(super) async fn tables_exist(client: &Client) -> Result<(), PostgresError> {
    for table in TABLES {
        let found = client.query_typed_one("SELECT to_regclass($1) IS NOT NULL", &[(&table, Type::TEXT)]).await?;
        if !found.try_get::<_, bool>(0)? {
            return Err(PostgresError::TableGone(table));
        }
    }
    Ok(())
}

/// `None` if there are no tables.
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

/// The number of applied migrations.
fn done(found: i32) -> Result<usize, PostgresError> {
    let known = MIGRATIONS.len();
    usize::try_from(found).ok().filter(|done| *done <= known).ok_or(PostgresError::Newer { found, known })
}

//! The tables of the history. `migrations.rs` makes them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use outrigger_sync::UsageSums;
use tokio::sync::Mutex;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::accept::{AcceptedRow, HOURS_BACK};
use crate::ledger::store::postgres::{HISTORY, PostgresError, open};

/// The time limit for each operation.
const ANSWER: Duration = Duration::from_secs(60);
const GATEWAYS: &str = "
    INSERT INTO outrigger_usage_gateway AS known (pod, epoch, complete_before, ended)
    SELECT * FROM unnest($1::text[], $2::int8[], $3::int8[], $4::bool[])
    ON CONFLICT (pod, epoch) DO UPDATE SET
        complete_before = greatest(known.complete_before, excluded.complete_before),
        ended = known.ended OR excluded.ended,
        seen = now()
    RETURNING pod, epoch, folded_before";
const ROWS: &str = "
    INSERT INTO outrigger_usage_recent AS known
        (pod, epoch, hour, namespace, key, provider, model, team, customer, workload,
         requests, errors, input_tokens, cached_tokens, output_tokens, cost_nanos)
    SELECT pod, epoch, to_timestamp(hour * 3600.0), namespace, key, provider, model, team, customer, workload,
           requests, errors, input_tokens, cached_tokens, output_tokens, cost_nanos
    FROM unnest($1::text[], $2::int8[], $3::int8[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::int8[], $12::int8[], $13::int8[], $14::int8[], $15::int8[], $16::int8[])
        AS row (pod, epoch, hour, namespace, key, provider, model, team, customer, workload,
                requests, errors, input_tokens, cached_tokens, output_tokens, cost_nanos)
    ON CONFLICT (hour, pod, epoch, namespace, key, provider, model) DO UPDATE SET
        requests = greatest(known.requests, excluded.requests),
        errors = greatest(known.errors, excluded.errors),
        input_tokens = greatest(known.input_tokens, excluded.input_tokens),
        cached_tokens = greatest(known.cached_tokens, excluded.cached_tokens),
        output_tokens = greatest(known.output_tokens, excluded.output_tokens),
        cost_nanos = greatest(known.cost_nanos, excluded.cost_nanos)";
/// Hours that a gateway no longer reports become sums by workload. A late report is recognized by `folded_before`. A
/// process that ended never reports again. A process that was killed can't announce that, so it is given a week, if the
/// live ones have had the time to report (`$2`).
const FOLD: &str = "
    WITH due AS (
        SELECT gateway.pod, gateway.epoch, until.upto
        FROM outrigger_usage_gateway AS gateway
        CROSS JOIN LATERAL (
            SELECT CASE WHEN gateway.ended THEN 10000000
                        WHEN $2::bool AND gateway.seen < now() - interval '7 days' THEN $1::int8 + 2
                        ELSE least(gateway.complete_before, $1::int8 - 1) END AS upto
        ) AS until
        WHERE gateway.folded_before < until.upto
        ORDER BY gateway.pod, gateway.epoch
        FOR UPDATE OF gateway
    ), moved AS (
        DELETE FROM outrigger_usage_recent AS recent USING due
        WHERE recent.pod = due.pod AND recent.epoch = due.epoch AND recent.hour < to_timestamp(due.upto * 3600.0)
        RETURNING recent.*
    ), summed AS (
        INSERT INTO outrigger_usage_hour AS total
            (hour, namespace, key, team, customer, workload, provider, model,
             requests, errors, input_tokens, cached_tokens, output_tokens, cost_nanos)
        SELECT hour, namespace, key, team, customer, workload, provider, model,
               sum(requests), sum(errors), sum(input_tokens), sum(cached_tokens), sum(output_tokens), sum(cost_nanos)
        FROM moved GROUP BY hour, namespace, key, team, customer, workload, provider, model
        ORDER BY hour, namespace, key, team, customer, workload, provider, model
        ON CONFLICT (hour, namespace, key, team, customer, workload, provider, model) DO UPDATE SET
            requests = total.requests + excluded.requests,
            errors = total.errors + excluded.errors,
            input_tokens = total.input_tokens + excluded.input_tokens,
            cached_tokens = total.cached_tokens + excluded.cached_tokens,
            output_tokens = total.output_tokens + excluded.output_tokens,
            cost_nanos = total.cost_nanos + excluded.cost_nanos
    )
    UPDATE outrigger_usage_gateway AS known SET folded_before = due.upto
    FROM due WHERE known.pod = due.pod AND known.epoch = due.epoch";
const OLD_ROWS: &str =
    "DELETE FROM outrigger_usage_hour WHERE hour < to_timestamp(($1::int8 - $2::int8 * 24) * 3600.0)";
/// After the time in which their reports would be accepted.
const OLD_GATEWAYS: &str = "DELETE FROM outrigger_usage_gateway AS known WHERE seen < to_timestamp(($1::int8 - $2::int8) * 3600.0) \
     AND NOT EXISTS (SELECT FROM outrigger_usage_recent AS recent WHERE recent.pod = known.pod AND recent.epoch = known.epoch)";

/// A row of one process of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RowKey {
    pub pod: String,
    pub epoch: u64,
    pub hour: u64,
    pub namespace: String,
    pub key: String,
    pub provider: String,
    pub model: String,
}

/// The content of one transaction, each row once.
#[derive(Debug, Default)]
pub(super) struct UsageBatch {
    rows: BTreeMap<RowKey, BatchRow>,
    pub gateways: BTreeMap<(String, u64), BatchGateway>,
}

#[derive(Debug)]
struct BatchRow {
    team: String,
    customer: String,
    workload: String,
    sums: UsageSums,
}

/// The progress of a gateway's process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BatchGateway {
    pub complete_before: u64,
    pub ended: bool,
}

impl BatchGateway {
    pub(super) fn merge(&mut self, other: &BatchGateway) {
        self.complete_before = self.complete_before.max(other.complete_before);
        self.ended |= other.ended;
    }
}

impl UsageBatch {
    /// Of two reports of a row, the higher sums count.
    pub(super) fn add(&mut self, key: RowKey, row: AcceptedRow, workload: &str) {
        let AcceptedRow { team, customer, sums, .. } = row;
        let new = BatchRow { team, customer, workload: workload.to_owned(), sums };
        self.rows.entry(key).and_modify(|row| row.sums = higher(&row.sums, &sums)).or_insert(new);
    }
}

fn higher(one: &UsageSums, other: &UsageSums) -> UsageSums {
    UsageSums {
        requests: one.requests.max(other.requests),
        errors: one.errors.max(other.errors),
        input_tokens: one.input_tokens.max(other.input_tokens),
        cached_tokens: one.cached_tokens.max(other.cached_tokens),
        output_tokens: one.output_tokens.max(other.output_tokens),
        cost_nanos: one.cost_nanos.max(other.cost_nanos),
    }
}

/// For one database, with its own connection.
#[derive(Debug)]
pub(super) struct UsageTables {
    folder: PathBuf,
    connected: Mutex<Option<Client>>,
}

impl UsageTables {
    pub(super) fn new(folder: PathBuf) -> Self {
        UsageTables { folder, connected: Mutex::new(None) }
    }

    /// Writes everything or nothing. Then it is durable.
    pub(super) async fn write(&self, batch: &UsageBatch) -> Result<(), PostgresError> {
        self.with(async |client| write(client, batch).await).await
    }

    /// Sums up complete hours, and deletes old rows. `silent`: gateways without a report for this long count as gone.
    pub(super) async fn fold(&self, hour: u64, days: u32, silent: bool) -> Result<(), PostgresError> {
        let (hour, days, back) = (number(hour), i64::from(days), number(HOURS_BACK));
        self.with(async |client| {
            client.execute_typed(FOLD, &[(&hour, Type::INT8), (&silent, Type::BOOL)]).await?;
            client.execute_typed(OLD_ROWS, &[(&hour, Type::INT8), (&days, Type::INT8)]).await?;
            client.execute_typed(OLD_GATEWAYS, &[(&hour, Type::INT8), (&back, Type::INT8)]).await?;
            Ok(())
        })
        .await
    }

    /// After an error the next call opens a new connection.
    async fn with(
        &self,
        work: impl AsyncFnOnce(&mut Client) -> Result<(), PostgresError>,
    ) -> Result<(), PostgresError> {
        let mut connected = self.connected.lock().await;
        let mut client = match connected.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => timed(open(&self.folder, HISTORY)).await?,
        };
        timed(work(&mut client)).await?;
        *connected = Some(client);
        Ok(())
    }
}

async fn timed<T>(work: impl Future<Output = Result<T, PostgresError>>) -> Result<T, PostgresError> {
    match tokio::time::timeout(ANSWER, work).await {
        Ok(done) => done,
        Err(_) => Err(PostgresError::Late(ANSWER.as_secs())),
    }
}

async fn write(client: &mut Client, batch: &UsageBatch) -> Result<(), PostgresError> {
    let transaction = client.transaction().await?;
    let mut gateways = GatewayColumns::default();
    for ((pod, epoch), gateway) in &batch.gateways {
        gateways.pods.push(pod);
        gateways.epochs.push(number(*epoch));
        gateways.complete_before.push(number(gateway.complete_before));
        gateways.ended.push(gateway.ended);
    }
    // They are locked now, so no other transaction sums up their rows.
    let known = transaction.query_typed(GATEWAYS, &gateways.values()).await?;
    let folded: BTreeMap<(String, i64), i64> = known.iter().map(folded).collect::<Result<_, _>>()?;
    let mut rows = RowColumns::default();
    for (key, row) in &batch.rows {
        let folded = folded.get(&(key.pod.clone(), number(key.epoch))).copied().unwrap_or_default();
        if number(key.hour) >= folded {
            rows.push(key, row);
        }
    }
    transaction.query_typed(ROWS, &rows.values()).await?;
    transaction.commit().await?;
    Ok(())
}

fn folded(row: &Row) -> Result<((String, i64), i64), PostgresError> {
    Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?))
}

type ColumnValue<'a> = (&'a (dyn ToSql + Sync), Type);

#[derive(Default)]
struct GatewayColumns<'a> {
    pods: Vec<&'a str>,
    epochs: Vec<i64>,
    complete_before: Vec<i64>,
    ended: Vec<bool>,
}

impl GatewayColumns<'_> {
    fn values(&self) -> [ColumnValue<'_>; 4] {
        [
            (&self.pods, Type::TEXT_ARRAY),
            (&self.epochs, Type::INT8_ARRAY),
            (&self.complete_before, Type::INT8_ARRAY),
            (&self.ended, Type::BOOL_ARRAY),
        ]
    }
}

/// Columns in the order of [`ROWS`].
#[derive(Default)]
struct RowColumns<'a> {
    pods: Vec<&'a str>,
    epochs: Vec<i64>,
    hours: Vec<i64>,
    names: [Vec<&'a str>; 7],
    sums: [Vec<i64>; 6],
}

impl<'a> RowColumns<'a> {
    fn push(&mut self, key: &'a RowKey, row: &'a BatchRow) {
        self.pods.push(&key.pod);
        self.epochs.push(number(key.epoch));
        self.hours.push(number(key.hour));
        let names: [&str; 7] =
            [&key.namespace, &key.key, &key.provider, &key.model, &row.team, &row.customer, &row.workload];
        let sums = &row.sums;
        let sums =
            [sums.requests, sums.errors, sums.input_tokens, sums.cached_tokens, sums.output_tokens, sums.cost_nanos];
        self.names.iter_mut().zip(names).for_each(|(column, name)| column.push(name));
        self.sums.iter_mut().zip(sums).for_each(|(column, sum)| column.push(number(sum)));
    }

    fn values(&self) -> Vec<ColumnValue<'_>> {
        let mut values: Vec<ColumnValue<'_>> =
            vec![(&self.pods, Type::TEXT_ARRAY), (&self.epochs, Type::INT8_ARRAY), (&self.hours, Type::INT8_ARRAY)];
        values.extend(self.names.iter().map(|column| (column as &(dyn ToSql + Sync), Type::TEXT_ARRAY)));
        values.extend(self.sums.iter().map(|column| (column as &(dyn ToSql + Sync), Type::INT8_ARRAY)));
        values
    }
}

/// PostgreSQL has no unsigned numbers. False sums can't overflow: a row is limited to a thousandth of the range.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX).min(i64::MAX / 1_024)
}

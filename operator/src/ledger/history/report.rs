//! Queries the history, for `outrigger-operator usage`.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::ledger::store::postgres::{HISTORY, PostgresError, open};
pub use crate::settings::{ReportFormat, UsageDimension, UsageQuery};

const SUMS: [(&str, &str); 6] = [
    ("requests", "sum(requests)::text"),
    ("errors", "sum(errors)::text"),
    ("inputTokens", "sum(input_tokens)::text"),
    ("cachedTokens", "sum(cached_tokens)::text"),
    ("outputTokens", "sum(output_tokens)::text"),
    ("costUsd", "trim_scale(sum(cost_usd))::text"),
];

/// The report as text, the highest cost first.
///
/// # Errors
/// [`PostgresError`].
pub async fn usage_report(folder: &Path, query: &UsageQuery) -> Result<String, PostgresError> {
    let client = open(folder, HISTORY).await?;
    let (from, to) = (query.from.as_second(), query.to.as_second());
    let rows = client.query_typed(&statement(&query.by), &[(&from, Type::INT8), (&to, Type::INT8)]).await?;
    let names: Vec<&str> = query.by.iter().map(|by| by.word()).chain(SUMS.iter().map(|(name, _)| *name)).collect();
    let rows = rows.iter().map(|row| cells(row, names.len())).collect::<Result<Vec<_>, _>>()?;
    Ok(match query.format {
        ReportFormat::Csv => csv(&names, &rows),
        ReportFormat::Json => json(&names, query.by.len(), &rows),
    })
}

fn sql(dimension: UsageDimension) -> &'static str {
    match dimension {
        UsageDimension::Month => "to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM')",
        UsageDimension::Day => "to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
        UsageDimension::Hour => "to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:00:00\"Z\"')",
        UsageDimension::Key => "namespace || '/' || key",
        other => other.word(),
    }
}

fn statement(by: &[UsageDimension]) -> String {
    let columns = by.iter().map(|by| sql(*by)).chain(SUMS.iter().map(|(_, sql)| *sql));
    let columns: Vec<&str> = columns.collect();
    let groups: Vec<String> = (1..=by.len()).map(|at| at.to_string()).collect();
    let group = if groups.is_empty() { String::new() } else { format!(" GROUP BY {}", groups.join(", ")) };
    // Rows of equal cost are ordered by name, so that the same query gives the same result.
    let order: String = groups.iter().fold(String::new(), |mut order, at| {
        let _ = write!(order, ", {at}");
        order
    });
    format!(
        "SELECT {} FROM outrigger_usage WHERE hour >= to_timestamp($1::int8) AND hour < to_timestamp($2::int8){group} \
         HAVING count(*) > 0 ORDER BY sum(cost_usd) DESC, sum(requests) DESC{order}",
        columns.join(", ")
    )
}

fn cells(row: &Row, columns: usize) -> Result<Vec<String>, PostgresError> {
    (0..columns).map(|at| Ok(row.try_get::<_, Option<String>>(at)?.unwrap_or_default())).collect()
}

/// RFC 4180. A cell that a spreadsheet would interpret as a formula gets an apostrophe, because others choose the
/// names.
fn csv(names: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("{}\r\n", names.join(","));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
        let _ = write!(text, "{}\r\n", cells.join(","));
    }
    text
}

fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    }
}

/// Money is a text, because it is exact. Counts are numbers.
fn json(names: &[&str], texts: usize, rows: &[Vec<String>]) -> String {
    let value = |at: usize, cell: &String| match cell.parse::<u64>() {
        Ok(number) if at >= texts && names.get(at) != Some(&"costUsd") => Value::from(number),
        _ if at < texts && cell.is_empty() => Value::Null,
        _ => Value::from(cell.clone()),
    };
    let rows = rows.iter().map(|row| {
        let members = names.iter().zip(row).enumerate();
        Value::Object(members.map(|(at, (name, cell))| ((*name).to_owned(), value(at, cell))).collect::<Map<_, _>>())
    });
    format!("{}\n", Value::Array(rows.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        let row = ["=1+1", "a,b", "say \"no\"", "plain", ""].map(str::to_owned).to_vec();
        assert_eq!(csv(&["a", "b", "c", "d", "e"], &[row]), "a,b,c,d,e\r\n'=1+1,\"a,b\",\"say \"\"no\"\"\",plain,\r\n");
    }

    #[test]
    fn counts_are_numbers_and_money_is_exact() {
        let rows = [vec![String::new(), "3".to_owned(), "0.000000001".to_owned()]];
        let text = json(&["team", "requests", "costUsd"], 1, &rows);
        assert_eq!(text, "[{\"team\":null,\"requests\":3,\"costUsd\":\"0.000000001\"}]\n");
    }
}

//! Shards as rows of a real PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use outrigger_operator::ledger::store::fault::StoreFault;
use outrigger_operator::ledger::store::postgres::{PostgresError, PostgresStore};
use outrigger_operator::ledger::store::{LedgerStore, StoreError, WriteOutcome};
use rcgen::CertifiedKey;
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::contract::{self, name, written};
use crate::postgres_server::PostgresServer;

/// No wait takes this long; a failing test should end.
const SOON: Duration = Duration::from_secs(60);

fn store(server: &PostgresServer, more: &str) -> PostgresStore {
    PostgresStore::new(server.secret(more))
}

/// A folder like the one that the chart mounts from a Secret.
fn secret(place: &str, authorities: Option<&str>) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("url"), format!("{place} user=ledger password=s3cret-pass dbname=postgres"))
        .unwrap();
    if let Some(authorities) = authorities {
        std::fs::write(folder.path().join("ca.crt"), authorities).unwrap();
    }
    folder
}

async fn sql(server: &PostgresServer, text: &str) {
    let (client, connection) = tokio_postgres::connect(&server.url(""), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(text).await.unwrap();
}

async fn value(server: &PostgresServer, query: &str) -> String {
    let (client, connection) = tokio_postgres::connect(&server.url(""), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query_one(query, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_rows_satisfy_the_contract() {
    let server = PostgresServer::start();
    contract::holds(Arc::new(store(&server, ""))).await;
    // Replicas that start together create the tables once.
    sql(&server, "DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    let replicas = [store(&server, ""), store(&server, ""), store(&server, "")];
    for loaded in futures_util::future::join_all(replicas.iter().map(LedgerStore::load)).await {
        assert_eq!(loaded.unwrap(), []);
    }
}

/// A writer continues through crashes of the server, like the ledger: it reads the row after each write with unknown
/// outcome. No crash reverts an acknowledged write, and nothing is written that was not requested.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    const CRASHES: u64 = 3;
    const BETWEEN: u64 = 40;
    let mut server = PostgresServer::start();
    let store = Arc::new(store(&server, ""));
    written(store.write(&name("count"), None, "0").await);
    let acknowledged = tokio::sync::watch::Sender::new(0_u64);
    let mut seen = acknowledged.subscribe();
    let writer = tokio::spawn(async move {
        let mut next = 1;
        while next <= BETWEEN * (CRASHES + 1) {
            let Ok(stands) = store.read(&name("count")).await else { continue };
            let stands = stands.unwrap();
            let count: u64 = stands.record.parse().unwrap();
            assert!(count + 1 == next || count == next, "{count} stands, and {} was acknowledged", next - 1);
            next = count + 1;
            if let WriteOutcome::Written(_) = store.write(&stands.name, Some(&stands.version), &next.to_string()).await
            {
                acknowledged.send_replace(next);
                next += 1;
            }
        }
        store
    });
    for crash in 1..=CRASHES {
        tokio::time::timeout(SOON, seen.wait_for(|count| *count >= crash * BETWEEN)).await.unwrap().unwrap();
        server.kill();
        server.resume();
    }
    let store = tokio::time::timeout(SOON, writer).await.unwrap().unwrap();
    let stands = store.read(&name("count")).await.unwrap().unwrap();
    assert_eq!(stands.record, (BETWEEN * (CRASHES + 1)).to_string());
}

#[tokio::test]
async fn a_server_that_may_lose_what_it_acknowledges_is_refused() {
    let mut server = PostgresServer::start();
    for (settings, options, expected) in [
        (["synchronous_commit=off"], "", "PostgreSQL's synchronous_commit is `off`"),
        (["fsync=off"], "", "PostgreSQL's fsync is `off`"),
        (["full_page_writes=off"], "", "PostgreSQL's full_page_writes is `off`"),
        (
            ["synchronous_commit=on"],
            "options='-c synchronous_commit=local'",
            "PostgreSQL's synchronous_commit is `local`",
        ),
    ] {
        server.restart_with(&settings);
        let store = store(&server, options);
        let error = store.load().await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        let outcome = store.write(&name("one"), None, "a").await;
        assert!(
            matches!(outcome, WriteOutcome::Failed(StoreError::Postgres(PostgresError::NotDurable { .. }))),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn tables_of_a_newer_operator_are_kept_and_a_role_need_not_create_tables() {
    let server = PostgresServer::start();
    let version = written(store(&server, "").write(&name("one"), None, "a").await);
    sql(
        &server,
        "CREATE ROLE narrow LOGIN PASSWORD 'n'; \
         GRANT SELECT ON outrigger_ledger_migration TO narrow; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON outrigger_ledger_shard TO narrow; \
         GRANT USAGE ON outrigger_ledger_version TO narrow",
    )
    .await;
    let narrow = store(&server, "user=narrow password=n");
    written(narrow.write(&name("one"), Some(&version), "b").await);
    sql(&server, "REVOKE UPDATE ON outrigger_ledger_shard FROM narrow").await;
    let stands = narrow.read(&name("one")).await.unwrap().unwrap();
    let outcome = narrow.write(&name("one"), Some(&stands.version), "c").await;
    assert!(matches!(outcome, WriteOutcome::Failed(_)), "{outcome:?}");
    sql(&server, "INSERT INTO outrigger_ledger_migration (number) VALUES (99)").await;
    let error = store(&server, "").load().await.unwrap_err();
    assert!(matches!(error, StoreError::Postgres(PostgresError::Newer { found: 99, known: 2 })), "{error}");
}

fn fault(outcome: &WriteOutcome) -> StoreFault {
    match outcome {
        WriteOutcome::Failed(error) | WriteOutcome::Unknown(error) => error.fault(),
        other => panic!("{other:?}"),
    }
}

/// Writes over the current version. A shard that can't be read can't be written either.
async fn write(store: &PostgresStore, record: &str) -> WriteOutcome {
    match store.read(&name("one")).await {
        Ok(there) => store.write(&name("one"), there.map(|shard| shard.version).as_ref(), record).await,
        Err(error) => WriteOutcome::Failed(error),
    }
}

/// A connection is not used forever, and each fault ends by itself when its cause does.
#[tokio::test]
async fn each_fault_of_the_server_is_named_and_ends_with_its_cause() {
    const CONTENT: &str = "SELECT record FROM outrigger_ledger_shard";
    let server = PostgresServer::start();
    written(store(&server, "").write(&name("one"), None, "a").await);
    sql(
        &server,
        "CREATE ROLE narrow LOGIN PASSWORD 'n'; \
         GRANT SELECT ON outrigger_ledger_migration TO narrow; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON outrigger_ledger_shard TO narrow; \
         GRANT USAGE ON outrigger_ledger_version TO narrow",
    )
    .await;
    let store = store(&server, "user=narrow password=n");
    written(write(&store, "b").await);
    for (cause, cure, expected) in [
        (
            "REVOKE UPDATE ON outrigger_ledger_shard FROM narrow",
            "GRANT UPDATE ON outrigger_ledger_shard TO narrow",
            StoreFault::Forbidden,
        ),
        (
            "REVOKE SELECT ON outrigger_ledger_shard FROM narrow",
            "GRANT SELECT ON outrigger_ledger_shard TO narrow",
            StoreFault::Forbidden,
        ),
        (
            "ALTER ROLE narrow PASSWORD 'other'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'narrow'",
            "ALTER ROLE narrow PASSWORD 'n'",
            StoreFault::Forbidden,
        ),
        (
            "ALTER TABLE outrigger_ledger_shard RENAME TO gone",
            "ALTER TABLE gone RENAME TO outrigger_ledger_shard",
            StoreFault::Missing,
        ),
        ("ALTER SCHEMA public RENAME TO gone", "ALTER SCHEMA gone RENAME TO public", StoreFault::Missing),
        (
            "ALTER ROLE narrow SET default_transaction_read_only = on; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'narrow'",
            "ALTER ROLE narrow RESET ALL",
            StoreFault::ReadOnly,
        ),
        (
            "ALTER ROLE narrow SET synchronous_commit = off; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'narrow'",
            "ALTER ROLE narrow RESET ALL",
            StoreFault::NotDurable,
        ),
        (
            "ALTER ROLE narrow NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'narrow'",
            "ALTER ROLE narrow LOGIN",
            StoreFault::Forbidden,
        ),
    ] {
        let before = value(&server, CONTENT).await;
        sql(&server, cause).await;
        // A connection that was just ended may report that first.
        let mut outcome = write(&store, "lost").await;
        if fault(&outcome) == StoreFault::Unreachable {
            outcome = write(&store, "lost").await;
        }
        assert_eq!(fault(&outcome), expected, "{cause}: {outcome:?}");
        sql(&server, cure).await;
        assert_eq!(value(&server, CONTENT).await, before, "{cause}");
        written(write(&store, cause).await);
        assert_eq!(value(&server, CONTENT).await, cause);
    }
}

/// No new connection is needed for this: each write returns the settings that it depends on.
#[tokio::test]
async fn a_server_that_begins_to_lose_what_it_acknowledges_is_refused_at_the_next_write() {
    let server = PostgresServer::start();
    let store = store(&server, "");
    written(store.write(&name("one"), None, "a").await);
    for setting in ["synchronous_commit", "fsync", "full_page_writes"] {
        configure(&server, &format!("ALTER SYSTEM SET {setting} = off")).await;
        // The session applies the new configuration at one of its next statements.
        let refused = async {
            loop {
                match write(&store, setting).await {
                    WriteOutcome::Written(_) => {}
                    outcome => return fault(&outcome),
                }
            }
        };
        let refused = tokio::time::timeout(SOON, refused).await.unwrap();
        assert_eq!(refused, StoreFault::NotDurable, "{setting}");
        assert_eq!(fault(&write(&store, "later").await), StoreFault::NotDurable);
        configure(&server, &format!("ALTER SYSTEM RESET {setting}")).await;
        let mended = async { while !matches!(write(&store, "mended").await, WriteOutcome::Written(_)) {} };
        tokio::time::timeout(SOON, mended).await.unwrap();
    }
}

async fn configure(server: &PostgresServer, text: &str) {
    // ALTER SYSTEM runs outside of transactions.
    sql(server, text).await;
    sql(server, "SELECT pg_reload_conf()").await;
}

/// Writes that were certainly not made are distinguished from those that may have been, also if there is no space.
#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_space() {
    let server = PostgresServer::start();
    let Some(tiny) = server.tiny_disk() else {
        // Only root can mount a file system; `fault.rs` has the error code.
        return;
    };
    let store = store(&server, "");
    written(store.write(&name("one"), None, "a").await);
    sql(&server, &format!("CREATE TABLESPACE tiny LOCATION '{}'", tiny.display())).await;
    sql(&server, "ALTER TABLE outrigger_ledger_shard SET TABLESPACE tiny").await;
    let mut fill = 0;
    let full = loop {
        fill += 1;
        // Random, so that it can't be compressed.
        let record: String = (0..50_000).map(|_| fastrand::alphanumeric()).collect();
        match store.write(&name(&format!("fill-{fill}")), None, &record).await {
            WriteOutcome::Written(_) => assert!(fill < 1_000),
            WriteOutcome::Failed(error) => break error.fault(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(full, StoreFault::Full);
    server.grow_tiny_disk();
    written(write(&store, "b").await);
}

/// The tables as the successor of version 0.1.0 first created them: their content stays.
#[tokio::test]
async fn tables_of_the_first_version_get_the_later_ones() {
    const FIRST: &str = "
        CREATE TABLE outrigger_ledger_migration (number integer PRIMARY KEY, done timestamptz NOT NULL DEFAULT now());
        CREATE SEQUENCE outrigger_ledger_version;
        CREATE TABLE outrigger_ledger_shard (
            name text PRIMARY KEY,
            version bigint NOT NULL DEFAULT nextval('outrigger_ledger_version'),
            record text NOT NULL,
            written timestamptz NOT NULL DEFAULT now()
        );
        INSERT INTO outrigger_ledger_migration (number) VALUES (1);
        INSERT INTO outrigger_ledger_shard (name, record) VALUES ('one', 'as it was');
        CREATE ROLE narrow LOGIN PASSWORD 'n';
        GRANT SELECT ON outrigger_ledger_migration TO narrow;
        GRANT SELECT, INSERT, UPDATE, DELETE ON outrigger_ledger_shard TO narrow;
        GRANT USAGE ON outrigger_ledger_version TO narrow";
    let server = PostgresServer::start();
    sql(&server, FIRST).await;
    // A role that can't create tables is sufficient for the ledger.
    let narrow = store(&server, "user=narrow password=n");
    assert_eq!(narrow.read(&name("one")).await.unwrap().unwrap().record, "as it was");
    written(write(&narrow, "as it is").await);
    assert_eq!(value(&server, "SELECT coalesce(to_regclass('outrigger_usage')::text, 'none')").await, "none");
    let owner = store(&server, "");
    assert_eq!(owner.read(&name("one")).await.unwrap().unwrap().record, "as it is");
    assert_eq!(value(&server, "SELECT max(number)::text FROM outrigger_ledger_migration").await, "2");
    assert_eq!(value(&server, "SELECT count(*)::text FROM outrigger_usage").await, "0");
    written(write(&narrow, "still").await);
}

#[tokio::test]
async fn no_error_contains_the_password() {
    let server = PostgresServer::start();
    for more in
        ["password=0ther-pass", "bad pass=word-0f", "dbname=absent", "host=/absent sslmode=verify-full", "port=77"]
    {
        let store = store(&server, more);
        let error = store.load().await.unwrap_err();
        for text in [error.to_string(), format!("{error:?}"), format!("{store:?}")] {
            assert!(["s3cret", "0ther", "word-0f"].iter().all(|secret| !text.contains(secret)), "{text}");
        }
    }
    let absent = PostgresStore::new("/absent".into()).load().await.unwrap_err().to_string();
    assert!(absent.starts_with("/absent/url: "), "{absent}");
}

/// A server on TCP must use TLS, and its certificate is verified.
#[tokio::test]
async fn tls_is_required_and_verified() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let mut server = PostgresServer::start();
    let (certificate, key) =
        (server.file("tls.crt", &cert.pem()), server.file("tls.key", &signing_key.serialize_pem()));
    let settings = [
        "listen_addresses=localhost",
        &format!("port={port}"),
        "ssl=on",
        &format!("ssl_cert_file={}", certificate.display()),
        &format!("ssl_key_file={}", key.display()),
    ];
    server.restart_with(&settings);
    let pem = cert.pem();
    for (authorities, more, works) in [
        (Some(&pem), "", true),
        (Some(&pem), "sslmode=prefer", true),
        (None, "", false),
        (None, "sslmode=require", false),
        (None, "sslmode=disable", true),
    ] {
        let folder = secret(&format!("host=localhost port={port} {more}"), authorities.map(String::as_str));
        let loaded = PostgresStore::new(folder.path().to_owned()).load().await;
        assert_eq!(loaded.is_ok(), works, "{more} {loaded:?}");
    }
    let folder = secret(&format!("host=localhost port={port}"), Some("no certificate"));
    let error = PostgresStore::new(folder.path().to_owned()).load().await.unwrap_err();
    assert!(matches!(error, StoreError::Postgres(PostgresError::Authorities { .. })), "{error}");
}

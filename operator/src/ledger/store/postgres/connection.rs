//! A connection to a server that does not lose what it acknowledges.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::PostgresError;
use super::migrations;

/// The connection string, as libpq reads one: `postgresql://user:password@host/database`.
pub const URL_FILE: &str = "url";
/// The authorities for the server's certificate; without the file, the public ones.
pub const AUTHORITIES_FILE: &str = "ca.crt";
const CONNECT: Duration = Duration::from_secs(5);
/// A connection whose peer is gone is detected within this time.
const SILENCE: Duration = Duration::from_secs(10);
const SETTINGS: &str = "SELECT current_setting('synchronous_commit'), current_setting('fsync'), \
     current_setting('full_page_writes'), current_setting('synchronous_standby_names')";
/// The same settings as columns behind the version that a statement returns. [`check`] pins `synchronous_commit` in the
/// session; `reset_val` is what the server would give a new session now.
pub(super) const DURABILITY: &str = "(SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'), \
     current_setting('fsync'), current_setting('full_page_writes')";

/// Connects, and checks the server: it must not lose what it acknowledges, and must have our tables.
pub(in crate::ledger) async fn open(folder: &Path, needed: usize) -> Result<Client, PostgresError> {
    let (config, tls) = (config(folder).await?, tls(folder).await?);
    let (mut client, connection) = config.connect(tls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(error = %PostgresError::from(error), "the ledger's connection to PostgreSQL is gone");
        }
    });
    check(&client).await?;
    migrations::migrate(&mut client, needed).await?;
    migrations::tables_exist(&client).await?;
    Ok(client)
}

/// TLS, unless the string contains `sslmode=disable` or names a socket of this machine. The modes in between (`prefer`)
/// would let an attacker on the path choose.
async fn config(folder: &Path) -> Result<Config, PostgresError> {
    let file = folder.join(URL_FILE);
    let text = String::from_utf8(read(&file).await?).map_err(|_| PostgresError::Unreadable { file: file.clone() })?;
    // The parser's message may contain a part of the password.
    let mut config: Config = text.trim().parse().map_err(|_| PostgresError::Unreadable { file })?;
    let local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    if config.get_ssl_mode() == SslMode::Prefer {
        config.ssl_mode(if local { SslMode::Disable } else { SslMode::Require });
    }
    config.connect_timeout(CONNECT).tcp_user_timeout(SILENCE).keepalives_idle(SILENCE);
    config.target_session_attrs(TargetSessionAttrs::ReadWrite).application_name("outrigger-operator");
    Ok(config)
}

async fn tls(folder: &Path) -> Result<MakeRustlsConnect, PostgresError> {
    let file = folder.join(AUTHORITIES_FILE);
    let mut roots = RootCertStore::empty();
    match read(&file).await {
        Ok(text) => {
            let authorities = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
            let (added, _) = roots.add_parsable_certificates(authorities.unwrap_or_default());
            if added == 0 {
                return Err(PostgresError::Authorities { file });
            }
        }
        Err(PostgresError::File { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Err(error) => return Err(error),
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

async fn read(file: &Path) -> Result<Vec<u8>, PostgresError> {
    tokio::fs::read(file).await.map_err(|error| PostgresError::File { file: PathBuf::from(file), error })
}

async fn check(client: &Client) -> Result<(), PostgresError> {
    // A role or a database may have its own time-out. A commit that gave up its wait would be acknowledged.
    client.batch_execute("SET statement_timeout = 0; SET lock_timeout = '5s'").await?;
    let row = client.query_typed_one(SETTINGS, &[]).await?;
    let [commit, fsync, pages, standbys]: [String; 4] =
        [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?];
    durable(&commit, &fsync, &pages)?;
    // A later change of the server's configuration does not affect this session's commits; each write reports it.
    client.batch_execute(&format!("SET synchronous_commit = {commit}")).await?;
    if standbys.is_empty() {
        tracing::warn!(
            "PostgreSQL has no synchronous standby (synchronous_standby_names is empty): if its disk is lost, or a standby \
             takes over, budgets forget what was spent last"
        );
    }
    Ok(())
}

/// Fails if a server with these settings may lose what it acknowledges.
pub(super) fn durable(commit: &str, fsync: &str, pages: &str) -> Result<(), PostgresError> {
    let settings = [
        ("synchronous_commit", commit, ["on", "remote_apply"].as_slice()),
        ("fsync", fsync, &["on"]),
        ("full_page_writes", pages, &["on"]),
    ];
    match settings.into_iter().find(|(_, value, safe)| !safe.contains(value)) {
        Some((setting, value, _)) => Err(PostgresError::NotDurable { setting, value: value.to_owned() }),
        None => Ok(()),
    }
}

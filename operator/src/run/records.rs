//! The ledger's stores, and `outrigger-operator records`: what they show, read from within the operator's pod.

use std::sync::Arc;

use kube::Client;
use thiserror::Error;

use crate::api::{ConnectError, connect};
use crate::ledger::migrate::{MigrationSide, MigrationState, migration_state};
use crate::ledger::store::LedgerStore;
use crate::ledger::store::kubernetes::KubernetesStore;
use crate::ledger::store::postgres::PostgresStore;
use crate::metrics::OperatorMetrics;
use crate::settings::{LedgerSettings, RecordsCommand};

/// Why nothing can be read.
#[derive(Debug, Error)]
pub enum RecordsReadError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("metrics can't be set up: {0}")]
    Metrics(#[from] outrigger_metrics::Error),
    #[error("there is no ledger: each gateway grants itself every limit in full")]
    NoLedger,
}

/// Where the records are. A store that can't be read is part of the answer.
///
/// # Errors
/// [`RecordsReadError`].
pub async fn records(command: &RecordsCommand) -> Result<MigrationState, RecordsReadError> {
    let client = connect(Arc::new(OperatorMetrics::new()?)).await?;
    let side = |ledger: &LedgerSettings| ledger.kind().zip(store(&client, &command.namespace, ledger));
    let (kind, target) = side(&command.ledger).ok_or(RecordsReadError::NoLedger)?;
    let source = side(&command.migrate_from);
    let from = source.as_ref().map(|(kind, store)| MigrationSide { kind: *kind, store: &**store });
    Ok(migration_state(MigrationSide { kind, store: &*target }, from).await)
}

/// The store of these settings; `None`: there is no ledger.
pub(super) fn store(client: &Client, namespace: &str, ledger: &LedgerSettings) -> Option<Arc<dyn LedgerStore>> {
    match ledger {
        LedgerSettings::None => None,
        LedgerSettings::Kubernetes => Some(Arc::new(KubernetesStore::new(client.clone(), namespace))),
        LedgerSettings::Postgres(folder) => Some(Arc::new(PostgresStore::new(folder.clone()))),
    }
}

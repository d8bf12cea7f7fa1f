//! Records that come from another store, before this one is led.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ledger::migrate::{MigrationError, MigrationOutcome, MigrationSide, migrate};
use crate::ledger::store::LedgerStore;
use crate::ledger::store::marker::StoreKind;

/// Records that are to be moved here from another store.
#[derive(Debug)]
pub(super) struct RecordMigration {
    kind: StoreKind,
    from: StoreKind,
    source: Arc<dyn LedgerStore>,
    /// Once in a process: if a replica that is set up the other way moves them on, they are not moved back.
    done: AtomicBool,
}

impl RecordMigration {
    pub(super) fn new(kind: StoreKind, from: StoreKind, source: Arc<dyn LedgerStore>) -> Self {
        RecordMigration { kind, from, source, done: AtomicBool::new(false) }
    }

    /// Moves them, if they are not moved yet.
    pub(super) async fn run(&self, store: &dyn LedgerStore) -> Result<(), MigrationError> {
        if self.done.load(Ordering::Relaxed) {
            return Ok(());
        }
        let from = MigrationSide { kind: self.from, store: &*self.source };
        let outcome = migrate(from, MigrationSide { kind: self.kind, store }).await?;
        if matches!(outcome, MigrationOutcome::Moved { .. } | MigrationOutcome::TakenBack { .. }) {
            tracing::info!(from = %self.from, to = %self.kind, ?outcome, "the ledger's records are moved");
        }
        self.done.store(true, Ordering::Relaxed);
        Ok(())
    }
}

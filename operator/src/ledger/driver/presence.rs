//! Checks whether the store still has everything that it acknowledged, including records that were not written for a
//! while.

use std::collections::HashMap;
use std::time::Duration;

use super::acknowledged::AcknowledgedRecords;
use crate::ledger::store::{LedgerStore, ShardName};

/// Waits until a record is gone, or is not as it was written. A store that does not answer says nothing about it.
pub(super) async fn until_changed(
    store: &dyn LedgerStore,
    acknowledged: &AcknowledgedRecords,
    every: Duration,
) -> ShardName {
    loop {
        tokio::time::sleep(every).await;
        let before = acknowledged.settled();
        let Ok(found) = store.versions().await else { continue };
        let found: HashMap<_, _> = found.into_iter().collect();
        // Versions that were written meanwhile differ for a good reason.
        let after = acknowledged.settled();
        let changed = before.into_iter().find(|(name, version)| {
            found.get(name) != Some(version) && after.iter().any(|settled| (&settled.0, &settled.1) == (name, version))
        });
        if let Some((name, _)) = changed {
            return name;
        }
    }
}

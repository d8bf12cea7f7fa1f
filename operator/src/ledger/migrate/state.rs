//! What both stores of a migration show, for `outrigger-operator records`. Reads only.

use serde::Serialize;

use super::plan::{IndexState, MigrationPlan, plan};
use super::{Contents, MigrationError, MigrationSide};
use crate::ledger::store::fault::StoreFault;
use crate::ledger::store::marker::StoreKind;

/// Where the ledger's records are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MigrationState {
    /// The store that is set first, then the one that records are moved from.
    pub stores: Vec<StoreReport>,
    /// What the next leader does; absent: it can do nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<MigrationStep>,
    /// Why the next leader moves nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What a leader does with the records before it grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum MigrationStep {
    /// It uses them.
    Use,
    /// It moves them from the other store.
    Move,
    /// It takes back a migration the other way.
    TakeBack,
}

/// What one store has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreReport {
    pub store: StoreKind,
    pub records: RecordsAre,
    /// How many there are, the index among them.
    pub count: usize,
    /// Which ledger, and how often it was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<String>,
    /// Why it can't be read, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a store's records are there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RecordsAre {
    /// There are none.
    Absent,
    /// A leader uses them, or may.
    InUse,
    /// They are sealed, and not all of them are in the other store yet.
    Sealed,
    /// They are in the other store, which is the one in use.
    Moved,
    /// They are being copied here.
    Arriving,
    /// The store can't be read.
    Unknown,
}

/// Reads the store that is set, and the one that records are moved from.
pub async fn migration_state(to: MigrationSide<'_>, from: Option<MigrationSide<'_>>) -> MigrationState {
    let target = Contents::load(to).await;
    let source = match from {
        Some(from) => Some((from, Contents::load(from).await)),
        None => None,
    };
    let (next, refused) = next(&target, source.as_ref().map(|(_, source)| source));
    let mut stores = vec![report(to.kind, &target)];
    stores.extend(source.iter().map(|(from, source)| report(from.kind, source)));
    MigrationState { stores, next, refused }
}

type ReadStore = Result<Contents, MigrationError>;

fn next(target: &ReadStore, source: Option<&ReadStore>) -> (Option<MigrationStep>, Option<String>) {
    let target = match (target, source) {
        (Err(_), _) => return (None, None),
        (Ok(target), None) => {
            return (
                matches!(target.index(), IndexState::Empty | IndexState::InUse).then_some(MigrationStep::Use),
                None,
            );
        }
        (Ok(target), Some(_)) => target,
    };
    let source = match source {
        Some(Ok(source)) => source,
        // As the leader does: the store that was left need not be there for ever.
        Some(Err(_)) => {
            let came = [StoreKind::Kubernetes, StoreKind::Postgres].into_iter().any(|kind| target.came_from(kind));
            return (came.then_some(MigrationStep::Use), None);
        }
        None => return (None, None),
    };
    match plan(&source.state(), &target.state()) {
        Ok(MigrationPlan::Done { .. } | MigrationPlan::Nothing) => (Some(MigrationStep::Use), None),
        Ok(MigrationPlan::Move(_)) => (Some(MigrationStep::Move), None),
        Ok(MigrationPlan::TakeBack(_)) => (Some(MigrationStep::TakeBack), None),
        Err(refusal) => (None, Some(refusal.to_string())),
    }
}

fn report(store: StoreKind, read: &ReadStore) -> StoreReport {
    let contents = match read {
        Ok(contents) => contents,
        Err(error) => {
            let advice = match error {
                MigrationError::Store { error, .. } => error.fault().advice(),
                _ => StoreFault::Refused.advice(),
            };
            let error = Some(format!("{error}. {advice}"));
            return StoreReport { store, records: RecordsAre::Unknown, count: 0, migration: None, error };
        }
    };
    let index = contents.index();
    let (records, migration) = match index {
        IndexState::Empty => (RecordsAre::Absent, None),
        IndexState::InUse => (RecordsAre::InUse, contents.lineage()),
        IndexState::Moved { migration, complete: true } => (RecordsAre::Moved, Some(migration)),
        IndexState::Moved { migration, complete: false } => (RecordsAre::Sealed, Some(migration)),
        IndexState::Arriving(arriving) => (RecordsAre::Arriving, Some(arriving.migration)),
    };
    let migration = migration.map(|migration| migration.to_string());
    StoreReport { store, records, count: contents.count(), migration, error: None }
}

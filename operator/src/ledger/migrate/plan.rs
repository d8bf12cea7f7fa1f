//! Decides the remaining steps of a migration from the state of two stores. Pure.

use crate::ledger::store::marker::{ArrivingRecords, LedgerLineage, StoreKind};

/// The state in a store's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IndexState {
    /// There are no records.
    Empty,
    /// A leader may use them.
    InUse,
    Moved {
        migration: LedgerLineage,
        complete: bool,
    },
    Arriving(ArrivingRecords),
}

/// The part of a store's state that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoreState {
    pub kind: StoreKind,
    pub index: IndexState,
    pub lineage: Option<LedgerLineage>,
}

/// The steps to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MigrationPlan {
    /// The records are in the right store. `confirm`: the source does not record that yet.
    Done { confirm: bool },
    /// Neither store has records.
    Nothing,
    /// The source's records must be moved: with all steps, or with the remaining ones. Absent: the source has no
    /// lineage yet.
    Move(Option<LedgerLineage>),
    /// A migration in the opposite direction was begun and must be reverted.
    TakeBack(LedgerLineage),
}

/// Why records are not moved. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MigrationRefusal {
    #[error(
        "{from} and {to} both have records that are in use, and they are not of one history: nothing is moved. Decide which \
         counts: to keep those of {to}, remove ledger.migrateFrom; to keep those of {from}, empty {to} first (delete the \
         LedgerShards of the operator's namespace, or drop the tables outrigger_*)"
    )]
    BothInUse { from: StoreKind, to: StoreKind },
    #[error(
        "{to} has records of another ledger, which were moved away from there: nothing is moved. Empty {to} first (delete the \
         LedgerShards of the operator's namespace, or drop the tables outrigger_*)"
    )]
    OtherHistory { to: StoreKind },
    #[error(
        "the records of {from} were moved already (migration {migration}), and not to this {to}: name the database that they \
         were moved to"
    )]
    OtherTarget { from: StoreKind, to: StoreKind, migration: LedgerLineage },
    #[error(
        "{from} has no whole copy of the ledger's records, and {to} has none to go back to: name the stores of the migration \
         that was begun"
    )]
    NotWhole { from: StoreKind, to: StoreKind },
}

/// Decides by the state of both stores.
pub(super) fn plan(from: &StoreState, to: &StoreState) -> Result<MigrationPlan, MigrationRefusal> {
    use IndexState::{Arriving, Empty, InUse, Moved};
    let kinds = (from.kind, to.kind);
    let other_target = |migration: &LedgerLineage| {
        let migration = migration.clone();
        Err(MigrationRefusal::OtherTarget { from: kinds.0, to: kinds.1, migration })
    };
    match (&from.index, &to.index) {
        (InUse, InUse) => Err(MigrationRefusal::BothInUse { from: kinds.0, to: kinds.1 }),
        // Arriving records are never used by a leader.
        (Empty | Arriving(_), InUse) => Ok(MigrationPlan::Done { confirm: false }),
        (Moved { migration, complete }, InUse) => match to.lineage.as_ref() {
            Some(lineage) if lineage == migration => Ok(MigrationPlan::Done { confirm: !complete }),
            _ => other_target(migration),
        },
        (InUse, Empty | Arriving(_)) => Ok(MigrationPlan::Move(from.lineage.as_ref().map(LedgerLineage::next))),
        // The target is the copy from which the source's records came.
        (InUse, Moved { migration, .. }) => match &from.lineage {
            Some(lineage) if lineage == migration => Ok(MigrationPlan::Move(Some(lineage.next()))),
            _ => Err(MigrationRefusal::OtherHistory { to: kinds.1 }),
        },
        (Moved { migration, .. }, Arriving(arriving)) if arriving.migration == *migration => {
            Ok(MigrationPlan::Move(Some(migration.clone())))
        }
        (Moved { migration, .. }, _) => other_target(migration),
        (Arriving(arriving), Moved { migration, .. }) if arriving.migration == *migration => {
            Ok(MigrationPlan::TakeBack(migration.clone()))
        }
        (Empty, Empty) => Ok(MigrationPlan::Nothing),
        (Arriving(_) | Empty, _) => Err(MigrationRefusal::NotWhole { from: kinds.0, to: kinds.1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(ledger: &str, number: u64) -> LedgerLineage {
        LedgerLineage { ledger: ledger.to_owned(), number }
    }

    fn store(kind: StoreKind, index: IndexState, of: Option<LedgerLineage>) -> StoreState {
        StoreState { kind, index, lineage: of }
    }

    fn moved(migration: LedgerLineage) -> IndexState {
        IndexState::Moved { migration, complete: true }
    }

    fn arriving(from: StoreKind, migration: LedgerLineage) -> IndexState {
        IndexState::Arriving(ArrivingRecords { from, migration, abandoned: false })
    }

    /// From Kubernetes to PostgreSQL.
    fn planned(
        from: (IndexState, Option<LedgerLineage>),
        to: (IndexState, Option<LedgerLineage>),
    ) -> Result<MigrationPlan, MigrationRefusal> {
        plan(&store(StoreKind::Kubernetes, from.0, from.1), &store(StoreKind::Postgres, to.0, to.1))
    }

    #[test]
    fn an_installation_is_moved_and_can_resume_at_each_step() {
        use IndexState::{Empty, InUse};
        let (old, new) = (lineage("a", 0), lineage("a", 1));
        assert_eq!(planned((Empty, None), (Empty, None)), Ok(MigrationPlan::Nothing));
        assert_eq!(planned((InUse, None), (Empty, None)), Ok(MigrationPlan::Move(None)));
        let begun = || arriving(StoreKind::Kubernetes, new.clone());
        for source in [InUse, moved(new.clone())] {
            let found = planned((source, Some(old.clone())), (begun(), None));
            assert_eq!(found, Ok(MigrationPlan::Move(Some(new.clone()))));
        }
        let committed = |complete| {
            let source = IndexState::Moved { migration: new.clone(), complete };
            planned((source, Some(old.clone())), (InUse, Some(new.clone())))
        };
        assert_eq!(committed(false), Ok(MigrationPlan::Done { confirm: true }));
        assert_eq!(committed(true), Ok(MigrationPlan::Done { confirm: false }));
        assert_eq!(planned((Empty, None), (InUse, None)), Ok(MigrationPlan::Done { confirm: false }));
    }

    #[test]
    fn a_move_back_overwrites_only_its_own_copy() {
        let back = |copy| planned((IndexState::InUse, Some(lineage("a", 1))), (moved(copy), Some(lineage("a", 0))));
        assert_eq!(back(lineage("a", 1)), Ok(MigrationPlan::Move(Some(lineage("a", 2)))));
        for other in [lineage("b", 1), lineage("a", 3)] {
            assert_eq!(back(other), Err(MigrationRefusal::OtherHistory { to: StoreKind::Postgres }));
        }
    }

    #[test]
    fn an_unfinished_migration_is_reverted() {
        let migration = lineage("a", 1);
        let found = planned((arriving(StoreKind::Postgres, migration.clone()), None), (moved(migration.clone()), None));
        assert_eq!(found, Ok(MigrationPlan::TakeBack(migration)));
    }

    #[test]
    fn histories_are_not_mixed() {
        use IndexState::{Empty, InUse};
        let refused = |from, to| planned(from, to).unwrap_err();
        let (from, to) = (StoreKind::Kubernetes, StoreKind::Postgres);
        assert_eq!(refused((InUse, None), (InUse, None)), MigrationRefusal::BothInUse { from, to });
        let other = || MigrationRefusal::OtherTarget { from, to, migration: lineage("a", 1) };
        assert_eq!(refused((moved(lineage("a", 1)), None), (Empty, None)), other());
        assert_eq!(refused((moved(lineage("a", 1)), None), (InUse, Some(lineage("b", 1)))), other());
        assert_eq!(refused((moved(lineage("a", 1)), None), (arriving(from, lineage("a", 2)), None)), other());
        assert_eq!(refused((Empty, None), (moved(lineage("a", 1)), None)), MigrationRefusal::NotWhole { from, to });
    }
}

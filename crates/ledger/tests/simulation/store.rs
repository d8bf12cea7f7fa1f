//! A store with compare and swap, which sometimes fails: it reports a conflict, or times out before or after it has
//! written.

use std::collections::BTreeMap;

use outrigger_ledger::protocol::Term;
use outrigger_ledger::shared::leader::Input;
use outrigger_ledger::shared::record::{StoreObject, StoreRecord, StoreVersion, Stored};

#[derive(Debug, Default)]
pub struct Store {
    objects: BTreeMap<StoreObject, (u64, StoreRecord)>,
    writes: u64,
    pub longest: usize,
}

/// The faults of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It fails with an error.
    Fails,
    /// The outcome is unknown; it was not written.
    LostBefore,
    /// The outcome is unknown; it was written.
    LostAfter,
    /// It reports a conflict without one.
    Conflict,
}

impl Store {
    pub fn load(&self) -> Vec<Stored> {
        let stored = |(object, (version, record)): (&StoreObject, &(u64, StoreRecord))| Stored {
            object: *object,
            version: StoreVersion(version.to_string()),
            record: record.clone(),
        };
        self.objects.iter().map(stored).collect()
    }

    pub fn read(&self, object: StoreObject) -> Input {
        let stored =
            self.objects.get(&object).map(|(version, record)| (StoreVersion(version.to_string()), record.clone()));
        Input::Reloaded { object, stored }
    }

    pub fn write(
        &mut self,
        object: StoreObject,
        expected: Option<&StoreVersion>,
        record: &StoreRecord,
        fault: Fault,
    ) -> Input {
        match fault {
            Fault::Fails => return Input::WriteFailed { object },
            Fault::LostBefore => return Input::WriteUnknown { object },
            Fault::Conflict => return Input::Conflict { object },
            Fault::None | Fault::LostAfter => {}
        }
        let now = self.objects.get(&object).map(|(version, _)| StoreVersion(version.to_string()));
        if now.as_ref() != expected {
            return Input::Conflict { object };
        }
        self.writes += 1;
        self.longest = self.longest.max(record.encode().len());
        self.objects.insert(object, (self.writes, record.clone()));
        match fault {
            Fault::LostAfter => Input::WriteUnknown { object },
            _ => Input::Written { object, version: StoreVersion(self.writes.to_string()) },
        }
    }

    pub fn writes(&self) -> u64 {
        self.writes
    }

    pub fn term(&self) -> Term {
        match self.objects.get(&StoreObject::Index) {
            Some((_, StoreRecord::Index(index))) => index.term,
            _ => Term(0),
        }
    }
}

//! The closed vocabularies of labels, which `docs/operator-metrics.md` is written from. Those of reviews are
//! [`Webhook`](crate::admission::Webhook) and [`Effect`](crate::admission::Effect), those of writes that failed
//! [`CallFailure`](crate::api::CallFailure).

/// A piece of work of the leader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    Plan,
    Write,
    Status,
}

impl Work {
    pub const ALL: [Work; 3] = [Work::Plan, Work::Write, Work::Status];

    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().0
    }

    /// For the page.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            Work::Plan => ("plan", "a namespace's objects to policies"),
            Work::Write => ("write", "a policy to the cluster"),
            Work::Status => ("status", "an object's status"),
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkResult {
    Ok,
    Error,
    Late,
}

impl WorkResult {
    pub const ALL: [WorkResult; 3] = [WorkResult::Ok, WorkResult::Error, WorkResult::Late];

    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().0
    }

    /// For the page; empty where the word says it.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            WorkResult::Ok => ("ok", ""),
            WorkResult::Error => ("error", ""),
            WorkResult::Late => (
                "late",
                "a namespace that takes long pauses twice as long as it took, and others have their turn; what failed is \
                 tried again, later and later",
            ),
        }
    }
}

//! The closed vocabularies of labels. `docs/operator-metrics.md` is generated from them, from
//! [`Webhook`](crate::admission::Webhook), [`Effect`](crate::admission::Effect) and
//! [`CallFailure`](crate::api::CallFailure).

/// A kind of work that the leader does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaderWork {
    Plan,
    Write,
    Status,
}

impl LeaderWork {
    pub const ALL: [LeaderWork; 3] = [LeaderWork::Plan, LeaderWork::Write, LeaderWork::Status];

    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().0
    }

    /// The meaning, for the generated page.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            LeaderWork::Plan => ("plan", "a namespace's objects to policies"),
            LeaderWork::Write => ("write", "a policy to the cluster"),
            LeaderWork::Status => ("status", "an object's status"),
        }
    }
}

/// The result of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaderWorkResult {
    Ok,
    Error,
    Late,
}

impl LeaderWorkResult {
    pub const ALL: [LeaderWorkResult; 3] = [LeaderWorkResult::Ok, LeaderWorkResult::Error, LeaderWorkResult::Late];

    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().0
    }

    /// The meaning, for the generated page; empty if the word is enough.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            LeaderWorkResult::Ok => ("ok", ""),
            LeaderWorkResult::Error => ("error", ""),
            LeaderWorkResult::Late => (
                "late",
                "a namespace whose plan takes long pauses twice as long, so that others are planned; failed work is \
                 retried with growing delays",
            ),
        }
    }
}

/// The result of one of the ledger's writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LedgerWrite {
    Ok,
    Conflict,
    Unknown,
    Failed,
}

impl LedgerWrite {
    pub const ALL: [LedgerWrite; 4] =
        [LedgerWrite::Ok, LedgerWrite::Conflict, LedgerWrite::Unknown, LedgerWrite::Failed];

    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().0
    }

    /// The meaning, for the generated page; empty if the word is enough.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            LedgerWrite::Ok => ("ok", ""),
            LedgerWrite::Conflict => ("conflict", "another writer came first"),
            LedgerWrite::Unknown => ("unknown", "no response, so the record is read again"),
            LedgerWrite::Failed => ("failed", "not written, and retried"),
        }
    }
}

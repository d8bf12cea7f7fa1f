//! How many requests of a key, of a provider, or of a key at a provider may run at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use outrigger_core::RefusalKind;
use outrigger_ledger::permits::{PermitNo, PermitShort};
use tokio::time::Instant;

use crate::runtime::permits::{Permits, SharedPermit};

/// After how many seconds a request that the operator did not answer should be repeated.
pub const LEDGER_BACK: u64 = 5;

/// A concurrency limit. Its count belongs to the object, its size to the policy: a new size keeps the count of requests
/// in progress.
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit {
    /// `LLMProvider platform/openai`.
    whose: Arc<str>,
    most: u32,
    taken: Arc<AtomicU32>,
    /// For a shared limit: the counter that gateways share.
    shared: Option<(Arc<Permits>, PermitNo)>,
}

/// A request's place among the concurrent ones; returned when dropped.
#[derive(Debug)]
pub enum ConcurrencyPermit {
    Own(OwnPermit),
    Shared(SharedPermit),
}

/// Why a request has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// The maximum number of requests is running.
    Reached,
    /// More may run, but the operator, which grants the places, does not answer.
    Unanswered,
}

impl NoPlace {
    #[must_use]
    pub fn kind(self) -> RefusalKind {
        match self {
            NoPlace::Reached => RefusalKind::ConcurrencyLimited,
            NoPlace::Unanswered => RefusalKind::BudgetUnavailable,
        }
    }

    /// After how many seconds the caller should try again.
    #[must_use]
    pub fn retry_after(self) -> u64 {
        match self {
            NoPlace::Reached => 1,
            NoPlace::Unanswered => LEDGER_BACK,
        }
    }
}

/// A limit that this gateway counts by itself.
#[derive(Debug)]
pub struct OwnPermit(Arc<AtomicU32>);

/// The state of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencyState {
    /// Requests that run in this gateway.
    pub running: u64,
    /// Of a shared limit: how many may run in this gateway without a request to the operator, and how many run at all
    /// gateways.
    pub shared: Option<(u64, u64)>,
}

impl ConcurrencyLimit {
    pub fn most(&self) -> u32 {
        self.most
    }

    pub fn whose(&self) -> &str {
        &self.whose
    }

    /// Takes a place if one is free. If other gateways may have idle places of a shared limit, waits for one until
    /// then.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub async fn take(&self, until: impl FnOnce() -> Instant) -> Result<ConcurrencyPermit, NoPlace> {
        match &self.shared {
            None => self.take_own().ok_or(NoPlace::Reached),
            // Separate, so that requests without such a limit need no space for it.
            Some((permits, limit)) => match Box::pin(permits.take(*limit, until())).await {
                Ok(permit) => Ok(ConcurrencyPermit::Shared(permit)),
                Err(PermitShort::Unanswered) => Err(NoPlace::Unanswered),
                Err(PermitShort::Reached | PermitShort::Coming) => Err(NoPlace::Reached),
            },
        }
    }

    fn take_own(&self) -> Option<ConcurrencyPermit> {
        let more = |taken: u32| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(ConcurrencyPermit::Own(OwnPermit(Arc::clone(&self.taken))))
    }

    /// Why a request is refused. `field` is the path of the limit.
    pub fn describe(&self, field: &str, why: NoPlace) -> String {
        let (whose, most) = (&self.whose, self.most);
        match (why, &self.shared) {
            (NoPlace::Unanswered, Some((permits, limit))) => format!(
                "{whose}: the operator, which shares {field} among gateways, does not answer at this time, and without it \
                 this gateway may have {} requests under way",
                permits.view(*limit).held
            ),
            (_, Some(_)) => {
                format!("{whose} has {most} requests under way at all gateways together, as many as {field} allows")
            }
            (_, None) => format!("{whose} has {most} requests under way, as many as {field} allows"),
        }
    }

    pub fn state(&self) -> ConcurrencyState {
        match &self.shared {
            None => ConcurrencyState { running: self.taken.load(Ordering::Acquire).into(), shared: None },
            Some((permits, limit)) => {
                let view = permits.view(*limit);
                ConcurrencyState { running: view.used, shared: Some((view.held, view.running)) }
            }
        }
    }
}

impl Drop for OwnPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The limits of a policy that is being built. Counts of requests in progress are found again by the object's name.
#[derive(Debug)]
pub struct ConcurrencyLimits<'k> {
    kept: &'k HashMap<String, ConcurrencyLimit>,
    /// For shared limits.
    permits: Option<Arc<Permits>>,
    found: HashMap<String, ConcurrencyLimit>,
}

impl<'k> ConcurrencyLimits<'k> {
    pub fn new(kept: &'k HashMap<String, ConcurrencyLimit>, permits: Option<Arc<Permits>>) -> Self {
        ConcurrencyLimits { kept, permits, found: HashMap::new() }
    }

    /// The limit of an object, if it has one.
    pub fn of(&mut self, whose: String, most: Option<u32>) -> Option<ConcurrencyLimit> {
        let most = most?;
        let taken = self.kept.get(&whose).map(|limit| Arc::clone(&limit.taken)).unwrap_or_default();
        let shared = self.permits.as_ref().map(|permits| (Arc::clone(permits), permits.number_of(&whose)));
        let limit = ConcurrencyLimit { whose: Arc::from(whose.as_str()), most, taken, shared };
        self.found.insert(whose, limit.clone());
        Some(limit)
    }

    /// All limits that were requested, to be kept for the next policy.
    pub fn into_kept(self) -> HashMap<String, ConcurrencyLimit> {
        self.found
    }
}

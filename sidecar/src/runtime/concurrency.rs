//! How many requests of a key, of a provider, or of a key at a provider may run at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A concurrency limit. Its account is the object's, its size the policy's: another size keeps
/// count of those that are under way.
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit {
    /// `LLMProvider platform/openai`.
    whose: Arc<str>,
    most: u32,
    taken: Arc<AtomicU32>,
}

/// A request's place among those that may run at once; given back when dropped.
#[derive(Debug)]
pub struct ConcurrencyPermit(Arc<AtomicU32>);

impl ConcurrencyLimit {
    pub fn most(&self) -> u32 {
        self.most
    }

    pub fn whose(&self) -> &str {
        &self.whose
    }

    /// Takes a place if one is free.
    pub fn take(&self) -> Option<ConcurrencyPermit> {
        let more = |taken: u32| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(ConcurrencyPermit(Arc::clone(&self.taken)))
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The limits of a policy that is being built. Counts of requests under way are found again by the object's name.
#[derive(Debug)]
pub struct ConcurrencyLimits<'k> {
    kept: &'k HashMap<String, ConcurrencyLimit>,
    found: HashMap<String, ConcurrencyLimit>,
}

impl<'k> ConcurrencyLimits<'k> {
    pub fn new(kept: &'k HashMap<String, ConcurrencyLimit>) -> Self {
        ConcurrencyLimits { kept, found: HashMap::new() }
    }

    /// The limit of an object, if it has one.
    pub fn of(&mut self, whose: String, most: Option<u32>) -> Option<ConcurrencyLimit> {
        let taken = self.kept.get(&whose).map(|limit| Arc::clone(&limit.taken)).unwrap_or_default();
        let limit = ConcurrencyLimit { whose: Arc::from(whose.as_str()), most: most?, taken };
        self.found.insert(whose, limit.clone());
        Some(limit)
    }

    /// All that were asked for, to be kept for the next policy.
    pub fn into_kept(self) -> HashMap<String, ConcurrencyLimit> {
        self.found
    }
}

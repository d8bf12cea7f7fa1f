//! Remembers the provider and credential of conversations, so that a later turn can use them again.

use std::num::NonZeroUsize;

use lru::LruCache;
use outrigger_policy::Stay;
use parking_lot::Mutex;

/// How many conversations are remembered. The least recently used one is dropped first.
const CONVERSATIONS: NonZeroUsize = match NonZeroUsize::new(4_096) {
    Some(most) => most,
    None => NonZeroUsize::MIN,
};

/// The routes of recent conversations, and of ids that only one account knows.
#[derive(Debug)]
pub struct Affinity(Mutex<LruCache<u64, Stay>>);

impl Default for Affinity {
    fn default() -> Self {
        Affinity(Mutex::new(LruCache::new(CONVERSATIONS)))
    }
}

impl Affinity {
    pub fn recall(&self, conversation: u64) -> Option<Stay> {
        self.0.lock().get(&conversation).copied()
    }

    pub fn remember(&self, conversation: u64, stay: Stay) {
        self.0.lock().put(conversation, stay);
    }
}

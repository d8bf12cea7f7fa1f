//! Accounts for the memory that requests and answers take.
//!
//! Everything that grows with foreign input reserves memory here first: bodies, parsed and translated forms of them,
//! answers, decompressed data, and incomplete events. What does not fit is refused with an error. Half of the memory
//! that the process may use is for this. The other half is for the process itself, for connections, and for memory that
//! the allocator cannot return.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// The longest body: 32 MiB.
pub const LONGEST_BODY: usize = 32 << 20;
/// The longest whole answer that is buffered: 64 MiB.
pub const LONGEST_ANSWER: usize = 64 << 20;
/// What each request takes in addition to its body: head, record, two connections and their tasks.
pub const REQUEST: usize = 48 << 10;
/// And what a stream takes in addition: read, translated and unsent data.
pub const STREAM: usize = 80 << 10;
/// The part of a head that is included in [`REQUEST`], and the overhead of each header.
const HEAD: usize = 8 << 10;
const HEADER: usize = 256;
/// The buffered events of an answer that are included in [`REQUEST`].
pub const EVENTS: usize = 16 << 10;
/// Work on a shorter text does not block other requests noticeably.
pub const LONG_WORK: usize = 256 << 10;
/// The memory of a process without a control group limit.
const DEFAULT_LIMIT: usize = 1 << 30;
/// A reservation of more than total / `LARGE` must leave total / `RESERVED_FOR_SMALL` for smaller ones.
const LARGE: usize = 32;
const RESERVED_FOR_SMALL: usize = 16;
/// How long to wait for memory that others will soon release.
const WAIT_TIME: Duration = Duration::from_secs(5);
/// How many long tasks may run at once.
const WORKERS: usize = 2;

/// What a request with this head takes in addition to its body. A long head exists twice: in the read buffer, and in
/// the form that rules see.
#[must_use]
pub fn request_size(headers: &HeaderMap, stream: bool) -> usize {
    let bytes: usize = headers.iter().map(|(name, value)| 2 * (name.as_str().len() + value.len()) + HEADER).sum();
    REQUEST + bytes.saturating_sub(HEAD) + if stream { STREAM } else { 0 }
}

/// The account, shared by all requests.
#[derive(Clone, Debug)]
pub struct Memory {
    account: Arc<MemoryAccount>,
    work: Arc<Semaphore>,
}

#[derive(Debug)]
struct MemoryAccount {
    total: usize,
    used: AtomicUsize,
    /// How many tasks wait for memory.
    waiting: AtomicUsize,
    freed: Notify,
}

/// Reserved bytes. Dropping it releases them.
#[derive(Debug, Default)]
pub struct MemoryLease {
    account: Option<Arc<MemoryAccount>>,
    bytes: usize,
}

/// Why there is not enough memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// Other requests use it now.
    Now,
    /// It is more than the total.
    TooLarge { wanted: usize, total: usize },
}

/// A limit in KiB or MiB, as messages show it.
#[must_use]
pub fn size_text(bytes: usize) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}

impl Memory {
    /// An account of this many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let account = MemoryAccount {
            total: bytes,
            used: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            freed: Notify::new(),
        };
        Memory { account: Arc::new(account), work: Arc::new(Semaphore::new(WORKERS)) }
    }

    /// Half of the memory that this process may use: half of `limit`, or of the limit of its control group.
    #[must_use]
    pub fn for_this_process(limit: Option<usize>) -> Self {
        Memory::new(limit.or_else(cgroup::limit).unwrap_or(DEFAULT_LIMIT) / 2)
    }

    /// The longest body that can be buffered, in bytes.
    #[must_use]
    pub fn longest_body(&self) -> usize {
        (self.account.total / 2).min(LONGEST_BODY)
    }

    /// The longest whole answer, in bytes.
    #[must_use]
    pub fn longest_answer(&self) -> usize {
        (self.account.total / 2).min(LONGEST_ANSWER)
    }

    /// Reserves memory.
    ///
    /// # Errors
    /// [`NoRoom`]. It does not wait.
    pub fn hold(&self, bytes: usize) -> Result<MemoryLease, NoRoom> {
        let account = &self.account;
        let limit = account.limit(bytes);
        if bytes > limit {
            return Err(NoRoom::TooLarge { wanted: bytes, total: limit });
        }
        let fits = |used: usize| used.checked_add(bytes).filter(|used| *used <= limit);
        match account.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits) {
            Ok(_) => Ok(MemoryLease { account: Some(Arc::clone(account)), bytes }),
            Err(_) => Err(NoRoom::Now),
        }
    }

    /// The same, but waits a moment until others release memory. `has`: bytes that the caller already holds.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub async fn wait(&self, bytes: usize, has: usize) -> Result<MemoryLease, NoRoom> {
        let limit = self.account.limit(bytes);
        if bytes.saturating_add(has) > limit {
            return Err(NoRoom::TooLarge { wanted: bytes, total: limit.saturating_sub(has) });
        }
        match self.hold(bytes) {
            Err(NoRoom::Now) => {}
            outcome => return outcome,
        }
        let until = Instant::now() + WAIT_TIME;
        let _waiting = QueuedLease::new(&self.account.waiting);
        loop {
            let freed = self.account.freed.notified();
            tokio::pin!(freed);
            // Register before the check: memory may be released in between.
            freed.as_mut().enable();
            match self.hold(bytes) {
                Err(NoRoom::Now) => {}
                outcome => return outcome,
            }
            if tokio::time::timeout_at(until, freed).await.is_err() {
                return self.hold(bytes);
            }
        }
    }

    /// Runs CPU work on `bytes` of input. Long work does not block the worker threads that serve others, and runs at
    /// most two at a time.
    pub async fn work<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> T {
        use tokio::runtime::{Handle, RuntimeFlavor};
        let threads = Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        if bytes < LONG_WORK || !threads {
            return work();
        }
        // Those ahead take milliseconds each, and the memory bounds their number.
        let _turn = tokio::time::timeout(WAIT_TIME, self.work.acquire()).await;
        tokio::task::block_in_place(work)
    }
}

impl MemoryAccount {
    /// How much may be in use in all, including a new reservation of `bytes`.
    fn limit(&self, bytes: usize) -> usize {
        if bytes > self.total / LARGE { self.total - self.total / RESERVED_FOR_SMALL } else { self.total }
    }
}

impl MemoryLease {
    /// Grows the reservation to this many bytes in all.
    ///
    /// # Errors
    /// [`NoRoom`]; then it is unchanged.
    pub fn grow_to(&mut self, bytes: usize, memory: &Memory) -> Result<(), NoRoom> {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else { return Ok(()) };
        let limit = memory.account.limit(more);
        if bytes > limit {
            return Err(NoRoom::TooLarge { wanted: bytes, total: limit });
        }
        let mut more = memory.hold(more)?;
        self.bytes += std::mem::take(&mut more.bytes);
        self.account = more.account.take();
        Ok(())
    }

    /// Releases what exceeds this many bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        let rest = self.bytes.saturating_sub(bytes);
        self.bytes -= rest;
        if let Some(account) = &self.account {
            account.release(rest);
        }
    }

    /// Splits off this many bytes, or as many as there are.
    #[must_use]
    pub fn part(&mut self, bytes: usize) -> MemoryLease {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        MemoryLease { account: self.account.clone(), bytes }
    }

    /// The reserved bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl MemoryAccount {
    fn release(&self, bytes: usize) {
        if bytes > 0 {
            self.used.fetch_sub(bytes, Ordering::AcqRel);
            if self.waiting.load(Ordering::Acquire) > 0 {
                self.freed.notify_waiters();
            }
        }
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        if let Some(account) = &self.account {
            account.release(self.bytes);
        }
    }
}

/// Counts a waiting task.
struct QueuedLease<'a>(&'a AtomicUsize);

impl<'a> QueuedLease<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::AcqRel);
        QueuedLease(waiting)
    }
}

impl Drop for QueuedLease<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[path = "../../crates/llm/tests/shapes/mod.rs"]
mod shapes;

/// The limits of the kernel.
mod cgroup {
    use std::fs;
    use std::path::{Path, PathBuf};

    /// The memory limit of this process's control group, in bytes: the lowest of its own and its ancestors'. `None`
    /// without a limit.
    pub fn limit() -> Option<usize> {
        of(&fs::read_to_string("/proc/self/cgroup").unwrap_or_default(), Path::new("/sys/fs/cgroup"))
    }

    /// In a container, the group usually is the root. Otherwise the path in `/proc/self/cgroup` says where it is.
    pub(super) fn of(own: &str, root: &Path) -> Option<usize> {
        let mut least = None;
        for line in own.lines().chain(["0::/", "0:memory:/"]) {
            let Some((controllers, path)) = line.split_once(':').and_then(|(_, rest)| rest.split_once(':')) else {
                continue;
            };
            let (mount, file) = match controllers {
                "" => (root.to_owned(), "memory.max"),
                one if one.split(',').any(|name| name == "memory") => (root.join("memory"), "memory.limit_in_bytes"),
                _ => continue,
            };
            let mut group: PathBuf = mount.join(path.trim_start_matches('/'));
            while group.starts_with(&mount) {
                let limit =
                    fs::read_to_string(group.join(file)).ok().and_then(|text| text.trim().parse::<usize>().ok());
                // Version 1 writes "no limit" as a number near 2^63.
                least = limit.filter(|limit| *limit < 1 << 50).into_iter().chain(least).min();
                if !group.pop() {
                    break;
                }
            }
        }
        least
    }
}

#[cfg(test)]
mod tests;

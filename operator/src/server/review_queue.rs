//! The queue of objects to validate. A validation takes a thread for as long as a plan does. So only a few run at the
//! same time, and those of one namespace one by one: a user who writes a thousand objects delays only that namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many objects are validated at the same time.
const RUNNING_MAX: usize = 4;
/// The memory that queued and running reviews of one namespace may use, in KiB: a quarter of the memory for all.
const QUEUE_KIB: u32 = 16 << 10;

#[derive(Debug)]
pub(super) struct ReviewQueue {
    all: Arc<Semaphore>,
    queues: Arc<NamespaceQueues>,
}

type NamespaceQueues = Mutex<BTreeMap<String, NamespaceQueue>>;

/// The reviews of a namespace. Removed with the last one.
#[derive(Debug)]
struct NamespaceQueue {
    turn: Arc<Semaphore>,
    reviews: usize,
    kib: u32,
}

/// A review in its namespace's queue.
#[derive(Debug)]
pub(super) struct QueuedReview {
    queues: Arc<NamespaceQueues>,
    all: Arc<Semaphore>,
    namespace: String,
    turn: Arc<Semaphore>,
    kib: u32,
}

/// A review's turn, until it is dropped. The fields' order matters: the permits are free before the queue's place is.
#[derive(Debug)]
pub(super) struct ReviewPermit {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
    _queued: QueuedReview,
}

impl ReviewQueue {
    pub(super) fn new() -> Self {
        ReviewQueue { all: Arc::new(Semaphore::new(RUNNING_MAX)), queues: Arc::default() }
    }

    /// Queues a review of `kib` KiB. `None` if its namespace has too many already.
    pub(super) fn place(&self, namespace: &str, kib: u32) -> Option<QueuedReview> {
        let mut queues = lock(&self.queues);
        let queue = queues.entry(namespace.to_owned()).or_insert_with(|| NamespaceQueue {
            turn: Arc::new(Semaphore::new(1)),
            reviews: 0,
            kib: 0,
        });
        let total = queue.kib.saturating_add(kib);
        // The first review may have any size, so that large objects can be reviewed.
        if queue.reviews > 0 && total > QUEUE_KIB {
            return None;
        }
        queue.reviews += 1;
        queue.kib = total;
        let (queues, all, turn) = (Arc::clone(&self.queues), Arc::clone(&self.all), Arc::clone(&queue.turn));
        Some(QueuedReview { queues, all, namespace: namespace.to_owned(), turn, kib })
    }
}

impl QueuedReview {
    /// Waits for its turn: first in its namespace, then among all. `None` if the queue is gone.
    pub(super) async fn turn(self) -> Option<ReviewPermit> {
        let own = Arc::clone(&self.turn).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(ReviewPermit { _all: all, _own: own, _queued: self })
    }
}

impl Drop for QueuedReview {
    fn drop(&mut self) {
        let mut queues = lock(&self.queues);
        if let Some(queue) = queues.get_mut(&self.namespace) {
            queue.reviews -= 1;
            queue.kib = queue.kib.saturating_sub(self.kib);
            if queue.reviews == 0 {
                queues.remove(&self.namespace);
            }
        }
    }
}

fn lock(queues: &NamespaceQueues) -> MutexGuard<'_, BTreeMap<String, NamespaceQueue>> {
    queues.lock()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn turn(reviews: &ReviewQueue, namespace: &str) -> Option<ReviewPermit> {
        reviews.place(namespace, 1).unwrap().turn().now_or_never().flatten()
    }

    #[tokio::test]
    async fn reviews_of_a_namespace_run_one_by_one_and_others_are_independent() {
        let reviews = ReviewQueue::new();
        let first = turn(&reviews, "mallory").unwrap();
        let waiting: Vec<QueuedReview> = (0..100).map(|_| reviews.place("mallory", 1).unwrap()).collect();
        let mut waiting: Vec<_> = waiting.into_iter().map(|place| Box::pin(place.turn())).collect();
        assert!(waiting.iter_mut().all(|turn| turn.now_or_never().is_none()));
        let shop = turn(&reviews, "shop");
        assert!(shop.is_some(), "other namespaces do not wait");
        drop(first);
        let next: Vec<ReviewPermit> = waiting.iter_mut().filter_map(|turn| turn.now_or_never().flatten()).collect();
        assert_eq!(next.len(), 1);
    }

    #[tokio::test]
    async fn the_total_of_running_reviews_is_limited() {
        let reviews = ReviewQueue::new();
        let names = ["a", "b", "c", "d", "e"];
        let held: Vec<ReviewPermit> = names.iter().filter_map(|name| turn(&reviews, name)).collect();
        assert_eq!(held.len(), RUNNING_MAX);
    }

    #[test]
    fn a_namespaces_queue_is_bounded_and_removed_when_empty() {
        let reviews = ReviewQueue::new();
        let half = QUEUE_KIB / 2;
        let held = [reviews.place("mallory", half).unwrap(), reviews.place("mallory", half).unwrap()];
        assert!(reviews.place("mallory", 1).is_none());
        assert!(reviews.place("shop", 2 * QUEUE_KIB).is_some(), "the first may be of any size");
        drop(held);
        assert!(reviews.place("mallory", 1).is_some());
        assert!(lock(&reviews.queues).is_empty());
    }
}

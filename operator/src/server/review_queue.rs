//! Whose turn it is to have an object judged. Each takes a thread for as long as a plan does, so a few are judged at a time,
//! and of a namespace one after the other: whoever writes a thousand objects there waits behind himself alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Objects that are judged at the same time.
const JUDGING: usize = 4;
/// What reviews of one namespace that wait or are judged may hold of memory, in KiB: a quarter of what there is for all.
const LANE_KIB: u32 = 16 << 10;

#[derive(Debug)]
pub(super) struct ReviewQueue {
    all: Arc<Semaphore>,
    lanes: Arc<NamespaceQueues>,
}

type NamespaceQueues = Mutex<BTreeMap<String, NamespaceQueue>>;

/// The reviews of a namespace. It is there as long as there are some.
#[derive(Debug)]
struct NamespaceQueue {
    turn: Arc<Semaphore>,
    reviews: usize,
    kib: u32,
}

/// A review in its namespace's lane.
#[derive(Debug)]
pub(super) struct QueuedReview {
    lanes: Arc<NamespaceQueues>,
    all: Arc<Semaphore>,
    namespace: String,
    turn: Arc<Semaphore>,
    kib: u32,
}

/// Its turn, until it is dropped. In this order: whoever comes next finds the place free.
#[derive(Debug)]
pub(super) struct ReviewPermit {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
    _place: QueuedReview,
}

impl ReviewQueue {
    pub(super) fn new() -> Self {
        ReviewQueue { all: Arc::new(Semaphore::new(JUDGING)), lanes: Arc::default() }
    }

    /// A place for a review of so many KiB; `None` if its namespace has too many already.
    pub(super) fn place(&self, namespace: &str, kib: u32) -> Option<QueuedReview> {
        let mut lanes = lock(&self.lanes);
        let lane = lanes.entry(namespace.to_owned()).or_insert_with(|| NamespaceQueue {
            turn: Arc::new(Semaphore::new(1)),
            reviews: 0,
            kib: 0,
        });
        let held = lane.kib.saturating_add(kib);
        // The first may be of any size: there is room for one.
        if lane.reviews > 0 && held > LANE_KIB {
            return None;
        }
        lane.reviews += 1;
        lane.kib = held;
        let (lanes, all, turn) = (Arc::clone(&self.lanes), Arc::clone(&self.all), Arc::clone(&lane.turn));
        Some(QueuedReview { lanes, all, namespace: namespace.to_owned(), turn, kib })
    }
}

impl QueuedReview {
    /// Waits for its turn: first in its namespace, then among all. `None`: there are no turns any more.
    pub(super) async fn turn(self) -> Option<ReviewPermit> {
        let own = Arc::clone(&self.turn).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(ReviewPermit { _all: all, _own: own, _place: self })
    }
}

impl Drop for QueuedReview {
    fn drop(&mut self) {
        let mut lanes = lock(&self.lanes);
        if let Some(lane) = lanes.get_mut(&self.namespace) {
            lane.reviews -= 1;
            lane.kib = lane.kib.saturating_sub(self.kib);
            if lane.reviews == 0 {
                lanes.remove(&self.namespace);
            }
        }
    }
}

fn lock(lanes: &NamespaceQueues) -> MutexGuard<'_, BTreeMap<String, NamespaceQueue>> {
    lanes.lock()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn turn(turns: &ReviewQueue, namespace: &str) -> Option<ReviewPermit> {
        turns.place(namespace, 1).unwrap().turn().now_or_never().flatten()
    }

    #[tokio::test]
    async fn a_namespace_has_one_turn_and_others_have_theirs() {
        let turns = ReviewQueue::new();
        let first = turn(&turns, "mallory").unwrap();
        let waiting: Vec<QueuedReview> = (0..100).map(|_| turns.place("mallory", 1).unwrap()).collect();
        let mut waiting: Vec<_> = waiting.into_iter().map(|place| Box::pin(place.turn())).collect();
        assert!(waiting.iter_mut().all(|turn| turn.now_or_never().is_none()));
        let shop = turn(&turns, "shop");
        assert!(shop.is_some(), "whatever waits elsewhere");
        drop(first);
        let next: Vec<ReviewPermit> = waiting.iter_mut().filter_map(|turn| turn.now_or_never().flatten()).collect();
        assert_eq!(next.len(), 1);
    }

    #[tokio::test]
    async fn all_together_have_a_few() {
        let turns = ReviewQueue::new();
        let names = ["a", "b", "c", "d", "e"];
        let held: Vec<ReviewPermit> = names.iter().filter_map(|name| turn(&turns, name)).collect();
        assert_eq!(held.len(), JUDGING);
    }

    #[test]
    fn what_waits_in_a_namespace_is_bounded_and_leaves_nothing_behind() {
        let turns = ReviewQueue::new();
        let half = LANE_KIB / 2;
        let held = [turns.place("mallory", half).unwrap(), turns.place("mallory", half).unwrap()];
        assert!(turns.place("mallory", 1).is_none());
        assert!(turns.place("shop", 2 * LANE_KIB).is_some(), "the first may be of any size");
        drop(held);
        assert!(turns.place("mallory", 1).is_some());
        assert!(lock(&turns.lanes).is_empty());
    }
}

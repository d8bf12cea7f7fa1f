//! The open connections, and which one is closed if there are too many: somebody who only holds a connection open must not keep
//! out the API server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::AbortHandle;

/// A connection: held by its task, by its service, and by each of its requests.
#[derive(Debug, Default)]
pub(super) struct ConnectionSlot {
    served: AtomicBool,
}

/// The holders of a slot without a request: the list of connections, the connection, and its service.
const HOLDERS: usize = 3;

impl ConnectionSlot {
    /// A request has come; it is under way until what is returned is dropped.
    pub(super) fn begins(self: &Arc<Self>) -> Arc<Self> {
        self.served.store(true, Ordering::Relaxed);
        Arc::clone(self)
    }

    pub(super) fn is_busy(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > HOLDERS
    }
}

/// All connections, in the order in which they came.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    all: Vec<(Arc<ConnectionSlot>, AbortHandle)>,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        Connections { most, all: Vec::new() }
    }

    /// Whether one more may come. Where it is full the oldest goes that asked for nothing yet, or else that asks for
    /// nothing now; there is none if all of them are answered at this moment.
    pub(super) fn has_room(&mut self) -> bool {
        if self.all.len() < self.most {
            return true;
        }
        self.all.retain(|(_, task)| !task.is_finished());
        if self.all.len() < self.most {
            return true;
        }
        let waiting = self.all.iter().enumerate().filter(|(_, (slot, _))| !slot.is_busy());
        let Some((place, _)) = waiting.min_by_key(|(at, (slot, _))| (slot.served.load(Ordering::Relaxed), *at)) else {
            return false;
        };
        self.all.remove(place).1.abort();
        true
    }

    pub(super) fn add(&mut self, slot: Arc<ConnectionSlot>, task: AbortHandle) {
        self.all.push((slot, task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_for_nothing_goes_first_and_who_is_answered_never() {
        let mut connections = Connections::new(3);
        let mut held = Vec::new();
        let mut enter = |connections: &mut Connections| {
            let slot = Arc::new(ConnectionSlot::default());
            let task = tokio::spawn(std::future::pending::<()>());
            connections.add(Arc::clone(&slot), task.abort_handle());
            // As the connection and its service hold it.
            held.push((Arc::clone(&slot), Arc::clone(&slot)));
            (slot, task)
        };
        let (kept, kept_task) = enter(&mut connections);
        drop(kept.begins());
        drop(kept);
        let (busy, busy_task) = enter(&mut connections);
        let request = busy.begins();
        drop(busy);
        let (silent, silent_task) = enter(&mut connections);
        drop(silent);
        assert!(connections.has_room());
        assert!(silent_task.await.unwrap_err().is_cancelled());
        enter(&mut connections).0.begins();
        assert!(connections.has_room());
        assert!(kept_task.await.unwrap_err().is_cancelled(), "the older one of two that were served");
        let (last, _last_task) = enter(&mut connections);
        let _one = last.begins();
        drop(last);
        assert!(connections.has_room(), "one of them waits yet");
        let (other, _other_task) = enter(&mut connections);
        let _other = other.begins();
        drop(other);
        assert!(!connections.has_room(), "all are busy");
        assert!(!busy_task.is_finished());
        drop(request);
        assert!(connections.has_room());
    }
}

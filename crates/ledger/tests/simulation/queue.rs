//! What will happen, in order of time; of one millisecond, in the order in which it was planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use outrigger_core::Millis;

/// Most events are planned for sooner than this.
const NEAR: usize = 1 << 13;

/// A wheel with a place for each of the next milliseconds, and a heap for the time after them.
pub struct Queue<E> {
    wheel: Vec<Vec<E>>,
    /// The events of this millisecond, the last one first.
    current: Vec<E>,
    now: Millis,
    near: usize,
    far: BinaryHeap<Far<E>>,
    planned: u64,
}

struct Far<E>(Reverse<(Millis, u64)>, E);

impl<E> PartialEq for Far<E> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<E> Eq for Far<E> {}
impl<E> PartialOrd for Far<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for Far<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

fn place(at: Millis) -> usize {
    usize::try_from(at.rem_euclid(NEAR as Millis)).unwrap()
}

impl<E> Queue<E> {
    pub fn new(now: Millis) -> Queue<E> {
        let wheel = std::iter::repeat_with(Vec::new).take(NEAR).collect();
        Queue { wheel, current: Vec::new(), now, near: 0, far: BinaryHeap::new(), planned: 0 }
    }

    /// Plans an event; nothing is planned for the past.
    pub fn push(&mut self, at: Millis, event: E) {
        if at - self.now < NEAR as Millis {
            self.wheel[place(at.max(self.now))].push(event);
            self.near += 1;
        } else {
            self.planned += 1;
            self.far.push(Far(Reverse((at, self.planned)), event));
        }
    }

    /// The next event, and its time.
    pub fn pop(&mut self) -> Option<(Millis, E)> {
        loop {
            if let Some(event) = self.current.pop() {
                return Some((self.now, event));
            }
            let here = &mut self.wheel[place(self.now)];
            if !here.is_empty() {
                self.near -= here.len();
                std::mem::swap(here, &mut self.current);
                self.current.reverse();
                continue;
            }
            self.now = match (self.near, self.far.peek()) {
                (0, None) => return None,
                (0, Some(Far(Reverse((at, _)), _))) => *at,
                _ => self.now + 1,
            };
            // Before anything else can be planned for that time.
            while let Some(Far(Reverse((at, _)), _)) = self.far.peek()
                && *at - self.now < NEAR as Millis
            {
                let at = *at;
                if let Some(Far(_, event)) = self.far.pop() {
                    self.wheel[place(at)].push(event);
                    self.near += 1;
                }
            }
        }
    }
}

//! What happens next: events by time, and by the order in which they were planned among equals.

use std::{cmp::Ordering, collections::BinaryHeap};

/// Events to come. A flat heap; time and order of planning are one number.
#[derive(Debug)]
pub struct Calendar<E> {
    heap: BinaryHeap<Entry<E>>,
    planned: u64,
}

#[derive(Debug)]
struct Entry<E> {
    key: u64,
    event: E,
}

/// Bits of the key that hold the order of planning.
const ORDER_BITS: u32 = 38;
/// The last moment: over eighteen hours.
const LAST_MS: u64 = (1 << (64 - ORDER_BITS)) - 1;

impl<E> Default for Calendar<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::with_capacity(256), planned: 0 }
    }
}

impl<E> Calendar<E> {
    /// Plans an event; what is beyond the last moment happens then.
    pub fn plan(&mut self, at_ms: u64, event: E) {
        self.planned += 1;
        let key = at_ms.min(LAST_MS) << ORDER_BITS | self.planned;
        self.heap.push(Entry { key, event });
    }

    /// The next event and its time.
    pub fn next(&mut self) -> Option<(u64, E)> {
        self.heap.pop().map(|entry| (entry.key >> ORDER_BITS, entry.event))
    }
}

/// The smallest key is the greatest entry: the heap of the standard library gives that first.
impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_first_then_in_the_order_of_planning() {
        let mut calendar = Calendar::default();
        for (at_ms, event) in [(5, "c"), (1, "a"), (5, "d"), (2, "b"), (u64::MAX, "e")] {
            calendar.plan(at_ms, event);
        }
        let events: Vec<_> = std::iter::from_fn(|| calendar.next()).collect();
        assert_eq!(events, [(1, "a"), (2, "b"), (5, "c"), (5, "d"), (LAST_MS, "e")]);
    }
}

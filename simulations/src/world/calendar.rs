//! What happens next: events by time, and by the order in which they were planned among equals.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

/// Events to come.
#[derive(Debug)]
pub struct Calendar<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    planned: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at_ms: u64,
    no: u64,
    event: E,
}

impl<E> Default for Calendar<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), planned: 0 }
    }
}

impl<E> Calendar<E> {
    /// Plans an event.
    pub fn plan(&mut self, at_ms: u64, event: E) {
        self.planned += 1;
        self.heap.push(Reverse(Entry { at_ms, no: self.planned, event }));
    }

    /// The next event and its time.
    pub fn next(&mut self) -> Option<(u64, E)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at_ms, entry.event))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ms, self.no) == (other.at_ms, other.no)
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.no).cmp(&(other.at_ms, other.no))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_first_then_in_the_order_of_planning() {
        let mut calendar = Calendar::default();
        for (at_ms, event) in [(5, "c"), (1, "a"), (5, "d"), (2, "b")] {
            calendar.plan(at_ms, event);
        }
        let events: Vec<_> = std::iter::from_fn(|| calendar.next()).collect();
        assert_eq!(events, [(1, "a"), (2, "b"), (5, "c"), (5, "d")]);
    }
}

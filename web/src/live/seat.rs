//! Seats for watchers: a stream stays open for hours, so only so many may be, and whoever asks for
//! something short is not kept waiting by them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tgs_protocol::code::Code;

use crate::problem::Problem;

/// All seats of a server.
#[derive(Debug)]
pub struct Seats {
    taken: Arc<AtomicUsize>,
    all: usize,
}

/// One seat, free again when this is dropped.
#[derive(Debug)]
pub struct Seat(Arc<AtomicUsize>);

impl Seats {
    /// So many, at least one.
    pub fn new(all: usize) -> Self {
        Self { taken: Arc::default(), all: all.max(1) }
    }

    /// Takes one.
    ///
    /// # Errors
    /// `Busy` when all are taken.
    pub fn take(&self) -> Result<Seat, Problem> {
        let one_more = |taken| (taken < self.all).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        if taken.is_ok() {
            return Ok(Seat(self.taken.clone()));
        }
        let message = format!(
            "cannot follow events: {} watchers do already; ask again later, or raise \
             connections_max",
            self.all
        );
        Err(Problem::new(Code::Busy, message))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_once_its_watcher_is_gone() {
        let seats = Seats::new(2);
        let (first, second) = (seats.take().expect("free"), seats.take().expect("free"));
        assert!(seats.take().is_err(), "both are taken");
        drop(first);
        let third = seats.take().expect("free again");
        assert!(seats.take().is_err());
        drop((second, third));
        assert!(Seats::new(0).take().is_ok(), "there is always one");
    }
}

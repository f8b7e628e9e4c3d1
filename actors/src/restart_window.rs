//! How often an actor may be restarted before its failure is somebody else's problem.

use std::collections::VecDeque;

use tgs_protocol::{
    limits::{RESTART_WINDOW_MS, RESTARTS_MAX},
    unit::Millis,
};

/// Restarts of one actor in the recent past.
#[derive(Debug, Clone, Default)]
pub(crate) struct RestartWindow {
    restarts: VecDeque<Millis>,
}

impl RestartWindow {
    /// Counts a restart at `now`; false if there were too many: then the count begins anew.
    pub(crate) fn permits(&mut self, now: Millis) -> bool {
        let is_old = |at: &Millis| now.get().saturating_sub(at.get()) >= RESTART_WINDOW_MS;
        while self.restarts.front().is_some_and(is_old) {
            self.restarts.pop_front();
        }
        if self.restarts.len() >= RESTARTS_MAX {
            self.restarts.clear();
            return false;
        }
        self.restarts.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_within_a_minute_then_escalate() {
        let mut window = RestartWindow::default();
        let cases =
            [(0, true), (1, true), (2, true), (3, false), (4, true), (5, true), (60_004, true)];
        for (at, permitted) in cases {
            assert_eq!(window.permits(Millis(at)), permitted, "at {at} ms");
        }
    }
}

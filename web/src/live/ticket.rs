//! Passes for sockets: a browser cannot send a header when it opens one, and a token must not stand
//! in an address. So whoever has the token gets a pass that works once and soon.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tgs_protocol::unit::Millis;

/// How long a pass works.
pub const TICKET_LIFE_MS: u64 = 30_000;
/// Passes that are out at one time; the oldest go first.
const TICKETS_MAX: usize = 10_000;

/// Passes that are out, with the time at which each ends.
#[derive(Debug, Default)]
pub struct Tickets(Mutex<BTreeMap<String, Millis>>);

impl Tickets {
    /// Gives one out.
    pub fn give(&self, secret: String, now: Millis) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.retain(|_, end| *end > now);
        while out.len() >= TICKETS_MAX {
            let oldest = out.iter().min_by_key(|(_, end)| **end).map(|(key, _)| key.clone());
            oldest.and_then(|key| out.remove(&key));
        }
        out.insert(secret, Millis(now.get() + TICKET_LIFE_MS));
    }

    /// Takes one back; true if it still works.
    pub fn take(&self, secret: &str, now: Millis) -> bool {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.remove(secret).is_some_and(|end| end > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_works_once_and_soon() {
        let tickets = Tickets::default();
        for secret in ["a", "b"] {
            tickets.give(secret.to_owned(), Millis(0));
        }
        assert!(tickets.take("a", Millis(TICKET_LIFE_MS - 1)));
        assert!(!tickets.take("a", Millis(TICKET_LIFE_MS - 1)), "it was used");
        assert!(!tickets.take("b", Millis(TICKET_LIFE_MS)), "it is too old");
        assert!(!tickets.take("c", Millis(0)), "it was never given");
    }
}

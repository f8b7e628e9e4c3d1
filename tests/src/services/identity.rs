//! One process of this machine, told apart from a later one with the same id by its start.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::{Value, json};

/// A process: its id, and when it started, in ticks since the machine did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub id: u32,
    started: u64,
}

impl Identity {
    /// The process that has this id now; none if there is none.
    pub fn of(id: u32) -> Option<Self> {
        stat(id).map(|(_, started)| Self { id, started })
    }

    /// Its state as the kernel calls it: `S`, `R`, `T` when stopped; none once it has ended. What
    /// has ended and was not yet reaped has ended.
    pub fn state(&self) -> Option<char> {
        let (state, started) = stat(self.id)?;
        (started == self.started && !matches!(state, 'Z' | 'X')).then_some(state)
    }

    /// Whether it runs or is stopped.
    pub fn is_alive(&self) -> bool {
        self.state().is_some()
    }

    /// Sends it a signal; nothing if it has ended. Another process that has its id by now gets
    /// none.
    pub fn signal(&self, signal: Signal) {
        let Some(pid) = i32::try_from(self.id).ok().and_then(Pid::from_raw) else { return };
        // Looked at after it was opened: what is open is the one that was looked at.
        if let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
            && self.is_alive()
        {
            let _ = pidfd_send_signal(process, signal);
        }
    }

    /// Waits until it has ended; false if it did not in time.
    pub fn wait_for_end(&self, limit: Duration) -> bool {
        let began = Instant::now();
        while self.is_alive() {
            if began.elapsed() > limit {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        json!({"id": self.id, "started": self.started})
    }

    /// From JSON; none if it is no identity.
    pub fn from_json(value: &Value) -> Option<Self> {
        let id = value["id"].as_u64()?.try_into().ok()?;
        Some(Self { id, started: value["started"].as_u64()? })
    }
}

/// State and start of a process.
fn stat(id: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is a name in parentheses that may hold anything, parentheses too.
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[test]
fn a_process_is_not_mistaken_for_a_later_one() {
    let own = Identity::of(std::process::id()).expect("this one runs");
    assert!(own.is_alive());
    let earlier = Identity { started: own.started - 1, ..own };
    assert!(!earlier.is_alive());
    earlier.signal(Signal::KILL);
    assert_eq!(Identity::from_json(&own.to_json()), Some(own));
}

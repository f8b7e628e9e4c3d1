//! The real clock and real names: the only place of this crate that asks the machine for time or
//! chance.

use std::{
    env, fs,
    io::Read,
    sync::{Mutex, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use tgs_protocol::{
    clock::{Clock, IdSource},
    id::{Incarnation, JobId},
    unit::{Millis, Timestamp},
};
use ulid::{Generator, Ulid};

/// Wall time of this machine, and time since this value was made.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    began: Instant,
}

impl SystemClock {
    /// Begins to count.
    #[allow(clippy::new_without_default, reason = "two of them do not count from the same moment")]
    pub fn new() -> Self {
        Self { began: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Millis {
        Millis(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// Names from time and chance (ULID): unique everywhere, and in order within this process.
#[derive(Default)]
pub struct SystemIds {
    generator: Mutex<Generator>,
}

impl SystemIds {
    /// A source of names.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of one boot of this node: host name and a ULID. Call it once per boot.
    pub fn incarnation(&self) -> Incarnation {
        Incarnation::new(format!("{}-{}", host_name(), self.ulid()))
    }

    fn ulid(&self) -> Ulid {
        let mut generator = self.generator.lock().unwrap_or_else(PoisonError::into_inner);
        // Generation fails only when the random part would overflow within one millisecond.
        generator.generate().unwrap_or_else(|_| Ulid::new())
    }
}

impl IdSource for SystemIds {
    fn job(&self) -> JobId {
        JobId::new(self.ulid().to_string())
    }

    fn name(&self) -> String {
        self.ulid().to_string().to_lowercase()
    }

    fn secret(&self) -> String {
        let mut bytes = [0_u8; 32];
        let mut source = fs::File::open("/dev/urandom").expect("every Unix has this source");
        source.read_exact(&mut bytes).expect("it never ends");
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The host's name in letters, digits and dashes; `host` if it does not tell.
pub fn host_name() -> String {
    let from_file = ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok());
    let name = from_file.or_else(|| env::var("HOSTNAME").ok()).unwrap_or_default();
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
    let name: String = name.trim().chars().filter(is_plain).take(63).collect();
    if name.is_empty() { "host".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_new_and_in_order() {
        let ids = SystemIds::new();
        let names: Vec<_> = (0..1_000).map(|_| ids.job()).collect();
        assert!(names.is_sorted());
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(names.iter().all(|name| crate::fence::check_name(name).is_ok()));
        assert_ne!(ids.incarnation(), ids.incarnation());
        assert_ne!(ids.name(), ids.name());
        let secret = ids.secret();
        assert!(secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(secret, ids.secret());
    }

    #[test]
    fn clocks_run_forward() {
        let clock = SystemClock::new();
        let (wall, since) = (clock.now(), clock.monotonic());
        std::thread::sleep(std::time::Duration::from_millis(3));
        assert!(clock.now() > wall && clock.monotonic() > since);
        assert!(since < Millis(60_000), "counts from when it was made");
    }
}

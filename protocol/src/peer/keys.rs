//! What nodes show each other so that both ends of a link are of one cluster, and how it is renewed
//! while a node runs.
//!
//! Files are written one after the other: what is broken at one look may be whole at the next, so
//! nobody is warned before the second. Whatever lies there, what is in use stays in use until
//! something better is found.
//!
//! Certificates name moments of the wall clock; here alone it is compared, as TLS itself does.

use std::fmt;

use crate::{
    digest::Digest,
    limits::{CERTIFICATE_ENDS_SOON_MS, CERTIFICATE_TOLD_AGAIN_MS},
    unit::Timestamp,
};

/// The files of a node's `links_folder`, as they were read together.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySet {
    /// Certificates of whoever issues to nodes, in PEM: each of them is trusted.
    pub authority: Vec<u8>,
    /// The certificate of this node, in PEM.
    pub certificate: Vec<u8>,
    /// Its key, in PEM.
    pub key: Vec<u8>,
    /// What all nodes of the cluster know.
    pub secret: String,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").finish_non_exhaustive()
    }
}

impl KeySet {
    /// What tells this set from another one.
    pub fn digest(&self) -> Digest {
        let Self { authority, certificate, key, secret } = self;
        let parts = [authority, certificate, key, secret.as_bytes()].map(Digest::of);
        Digest::of(&parts.map(|part| *part.as_bytes()).concat())
    }
}

/// What a folder looked like, without its files being read: another one after every write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(pub String);

/// Where the files lie. Looking may wait for a disk, not for a network.
pub trait KeyFolder: fmt::Debug + Send + Sync {
    /// Its name, for messages.
    fn place(&self) -> String;
    /// What it looks like now.
    fn mark(&self) -> Mark;
    /// Reads it.
    ///
    /// # Errors
    /// In words, where a file is missing or cannot be read.
    fn read(&self) -> Result<KeySet, String>;
}

/// From when to when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dates {
    /// The first moment.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
}

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is good later on, or the clock of this machine is behind.
    Early,
    /// It is good.
    Good,
    /// It is, and runs out soon.
    EndsSoon,
    /// It has run out.
    Ended,
}

impl Dates {
    /// How it stands now. Soon is two weeks before it runs out, or a third of its life where that
    /// is shorter: one that is made for a few days is not told of all the time.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let Self { from: Timestamp(from), until: Timestamp(until) } = *self;
        let soon = CERTIFICATE_ENDS_SOON_MS.min(until.saturating_sub(from) / 3);
        match now.get() {
            now if now < from => Standing::Early,
            now if now > until => Standing::Ended,
            now if now > until - soon => Standing::EndsSoon,
            _ => Standing::Good,
        }
    }
}

/// What a look at the folder finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// What is in use.
    InUse,
    /// Another set, whole, for this node, with a certificate of these dates.
    Fit(Dates),
    /// Something that cannot be used, and why.
    Unfit(String),
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyAction {
    /// New handshakes are made with what was found.
    Use,
    /// Tell operators: what lies there cannot be used, and why.
    TellUnfit(String),
    /// Tell operators: the certificate in use is not simply good.
    TellStanding(Standing),
}

/// What is in use, and what was told of it.
#[derive(Debug, Clone)]
pub struct Renewal {
    dates: Dates,
    /// What lay there at the last look could not be used.
    is_doubtful: bool,
    unfit_told: Option<Timestamp>,
    standing_told: Option<(Standing, Timestamp)>,
}

impl Renewal {
    /// A certificate of these dates is in use.
    pub const fn of(dates: Dates) -> Self {
        Self { dates, is_doubtful: false, unfit_told: None, standing_told: None }
    }

    /// What to do after a look.
    pub fn step(&mut self, now: Timestamp, found: Found) -> Vec<KeyAction> {
        let mut actions = Vec::new();
        let why = match found {
            Found::InUse => None,
            Found::Unfit(why) => Some(why),
            Found::Fit(dates) => match dates.standing(now) {
                Standing::Good | Standing::EndsSoon => {
                    (self.dates, self.standing_told) = (dates, None);
                    actions.push(KeyAction::Use);
                    None
                }
                Standing::Early => {
                    Some(format!("its certificate is good from {} on", dates.from.rfc3339()))
                }
                Standing::Ended => {
                    Some(format!("its certificate ran out at {}", dates.until.rfc3339()))
                }
            },
        };
        match why {
            None => (self.is_doubtful, self.unfit_told) = (false, None),
            Some(why) => {
                let is_still_so = std::mem::replace(&mut self.is_doubtful, true);
                if is_still_so && is_due(self.unfit_told, now) {
                    self.unfit_told = Some(now);
                    actions.push(KeyAction::TellUnfit(why));
                }
            }
        }
        let standing = self.dates.standing(now);
        let told = self.standing_told.filter(|(told, _)| *told == standing).map(|(_, at)| at);
        if standing != Standing::Good && is_due(told, now) {
            self.standing_told = Some((standing, now));
            actions.push(KeyAction::TellStanding(standing));
        }
        actions
    }
}

/// Whether it is to be told: for the first time, or again after a day.
fn is_due(told: Option<Timestamp>, now: Timestamp) -> bool {
    told.is_none_or(|at| now.get().abs_diff(at.get()) >= CERTIFICATE_TOLD_AGAIN_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    fn days(from: u64, until: u64) -> Dates {
        Dates { from: Timestamp(from * DAY), until: Timestamp(until * DAY) }
    }

    #[test]
    fn what_runs_out_is_told_of_in_time() {
        use Standing::{Early, Ended, EndsSoon, Good};
        for (dates, at, standing) in [
            (days(10, 835), 9, Early),
            (days(10, 835), 10, Good),
            (days(10, 835), 821, Good),
            (days(10, 835), 822, EndsSoon),
            (days(10, 835), 835, EndsSoon),
            (days(10, 835), 836, Ended),
            // A third of thirty days is less than two weeks.
            (days(0, 30), 20, Good),
            (days(0, 30), 21, EndsSoon),
            (days(0, 3), 2, Good),
            (days(0, 0), 0, Good),
        ] {
            assert_eq!(dates.standing(Timestamp(at * DAY)), standing, "{dates:?} on day {at}");
        }
    }

    /// Each row is a look: the day, what is found, what is done.
    fn check(mut renewal: Renewal, looks: &[(u64, Found, Vec<KeyAction>)]) {
        for (no, (day, found, actions)) in looks.iter().enumerate() {
            let done = renewal.step(Timestamp(day * DAY), found.clone());
            assert_eq!(done, *actions, "look {no}: {found:?} on day {day}");
        }
    }

    #[test]
    fn what_is_broken_is_told_of_at_the_second_look_and_once_a_day() {
        let unfit = |why: &str| Found::Unfit(why.to_owned());
        let told = |why: &str| vec![KeyAction::TellUnfit(why.to_owned())];
        check(
            Renewal::of(days(0, 825)),
            &[
                (1, Found::InUse, vec![]),
                // Half written, then whole.
                (1, unfit("half"), vec![]),
                (1, Found::Fit(days(1, 826)), vec![KeyAction::Use]),
                // Broken, and it stays so.
                (2, unfit("no key"), vec![]),
                (2, unfit("another key"), told("another key")),
                (2, unfit("another key"), vec![]),
                (3, unfit("another key"), told("another key")),
                // What is in use lies there again: the next trouble is a new one.
                (3, Found::InUse, vec![]),
                (3, unfit("no key"), vec![]),
                (3, unfit("no key"), told("no key")),
                (3, Found::Fit(days(2, 827)), vec![KeyAction::Use]),
                (3, Found::InUse, vec![]),
            ],
        );
    }

    #[test]
    fn what_is_not_good_now_is_not_taken() {
        let told = |why: &str| vec![KeyAction::TellUnfit(why.to_owned())];
        let (early, ended) = (Found::Fit(days(9, 900)), Found::Fit(days(0, 4)));
        check(
            Renewal::of(days(0, 825)),
            &[
                (5, early.clone(), vec![]),
                (5, early, told("its certificate is good from 1970-01-10T00:00:00.000Z on")),
                (5, Found::InUse, vec![]),
                (5, ended.clone(), vec![]),
                (5, ended, told("its certificate ran out at 1970-01-05T00:00:00.000Z")),
            ],
        );
    }

    #[test]
    fn whatever_is_in_use_is_told_of_when_it_runs_out() {
        let told = |standing| vec![KeyAction::TellStanding(standing)];
        check(
            Renewal::of(days(0, 30)),
            &[
                (19, Found::InUse, vec![]),
                (25, Found::InUse, told(Standing::EndsSoon)),
                (25, Found::InUse, vec![]),
                (26, Found::InUse, told(Standing::EndsSoon)),
                (31, Found::InUse, told(Standing::Ended)),
                (31, Found::InUse, vec![]),
                // Renewed, if late; soon again it is told of that one.
                (31, Found::Fit(days(31, 61)), vec![KeyAction::Use]),
                (31, Found::InUse, vec![]),
                (55, Found::InUse, told(Standing::EndsSoon)),
            ],
        );
    }

    #[test]
    fn every_file_of_a_set_counts() {
        let set = |parts: [&str; 4]| KeySet {
            authority: parts[0].into(),
            certificate: parts[1].into(),
            key: parts[2].into(),
            secret: parts[3].to_owned(),
        };
        let digest = set(["a", "b", "c", "d"]).digest();
        assert_eq!(digest, set(["a", "b", "c", "d"]).digest());
        for other in [["", "b", "c", "d"], ["ab", "", "c", "d"], ["a", "b", "cd", ""]] {
            assert_ne!(digest, set(other).digest(), "{other:?}");
        }
        let shown = format!("{:?}", set(["a", "b", "c", "d"]));
        assert_eq!(shown, "KeySet { .. }", "keys stand in no log");
    }
}

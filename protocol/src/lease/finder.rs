//! Which jobs nobody works at: what a node of a cluster sees of jobs that have not ended.
//!
//! Every node looks at all of them, again and again, and takes up those whose holder is gone: one
//! that gave its lease back, or that did not renew it for a whole TTL. Several nodes may take up
//! the same one; the store lets one of them claim. A job that comes back unfinished again and again
//! is taken up ever more seldom; one that was suspended waits for a person, or for a while. One
//! that began in another numerics class than a node computes in is left to nodes of that class,
//! also for a while.

use crate::{
    id::JobId,
    lease::{LeaseCell, recall::Recall, rule::Sighting},
    limits::{
        CLASS_WAIT_MAX_MS, FIND_FREE_MS, FIND_RESTED, FIND_TIRED_MAX, LEASE_TTL_MS,
        SUSPENDED_LOOK_MS,
    },
    unit::{Epoch, Millis},
};

/// A job that has not ended, as a look found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub job: JobId,
    /// It waits until something is mended.
    pub is_suspended: bool,
    /// It waits or runs on this node.
    pub is_here: bool,
    /// This node could take it up now.
    pub has_room: bool,
    /// Whoever holds it is known to be gone.
    pub is_orphan: bool,
    /// A leader assigned it to this node.
    pub is_assigned: bool,
    /// The leader saw this very lease, and that nobody need wait for it any more.
    pub is_vouched: bool,
    /// It would compute in another numerics class here than it began in, and a node of that class
    /// is there.
    pub leaves_class: bool,
    /// Its lease.
    pub cell: LeaseCell,
}

/// What one node saw.
#[derive(Debug, Clone, Default)]
pub struct Finder {
    /// Those of the last look, in its order.
    jobs: Vec<JobId>,
    /// What was seen of each.
    seen: Vec<Seen>,
}

#[derive(Debug, Clone)]
struct Seen {
    sighting: Sighting,
    /// How often it was taken up here.
    taken: u32,
}

impl Finder {
    /// Takes in one look at all jobs that have not ended; gives those to take up, with what was
    /// seen of their leases. `now` is read after the last answer came.
    pub fn look(&mut self, now: Millis, found: Vec<Found>) -> Vec<(JobId, Sighting)> {
        let jobs = std::mem::take(&mut self.jobs);
        let mut earlier = Recall::of(&jobs, std::mem::take(&mut self.seen));
        let mut free = Vec::new();
        self.jobs.reserve(found.len());
        self.seen.reserve(found.len());
        for it in found {
            let Found { job, is_suspended, is_here, has_room, cell, .. } = it;
            let is_gone = it.is_orphan || it.is_vouched;
            let mut seen = match earlier.take(&job) {
                Some(Seen { sighting, taken }) => {
                    Seen { sighting: sighting.look(cell, now), taken }
                }
                None => Seen { sighting: Sighting::first(cell, now), taken: 0 },
            };
            if seen.sighting.cell.owner.is_some() && seen.sighting.cell.renewals >= FIND_RESTED {
                seen.taken = 0; // Somebody got on with it.
            }
            let age = now.get().saturating_sub(seen.sighting.since.get());
            let is_left = it.leaves_class && !it.is_assigned;
            let left_for = if is_left { CLASS_WAIT_MAX_MS } else { 0 };
            let wait = left_for + seen.wait(is_suspended, is_gone, it.is_assigned);
            if is_here {
                // It is in good hands; its age counts anew once it leaves them.
                seen.sighting.since = now;
            } else if has_room && age >= wait {
                let mut sighting = seen.sighting.clone();
                if it.is_vouched {
                    sighting.since = Millis(now.get().saturating_sub(LEASE_TTL_MS));
                }
                free.push((job.clone(), sighting));
                seen.taken = seen.taken.saturating_add(1);
                seen.sighting.since = now;
            }
            self.jobs.push(job);
            self.seen.push(seen);
        }
        free
    }
}

impl Seen {
    /// How long the cell must have stood as it is.
    fn wait(&self, is_suspended: bool, is_gone: bool, is_assigned: bool) -> u64 {
        match (&self.sighting.cell.owner, is_suspended) {
            (Some(_), _) if is_gone && self.taken == 0 => 0,
            (Some(_), _) => LEASE_TTL_MS,
            // Its leader has waited long enough.
            (None, _) if is_assigned && self.taken == 0 => 0,
            (None, true) => SUSPENDED_LOOK_MS,
            // It was handed over: whoever had it does not want it.
            (None, false) if self.sighting.cell.epoch > Epoch(0) && self.taken == 0 => 0,
            (None, false) => FIND_FREE_MS << self.taken.min(FIND_TIRED_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;

    fn cell(owner: Option<&str>, epoch: u64, renewals: u64) -> LeaseCell {
        LeaseCell { owner: owner.map(Incarnation::new), epoch: Epoch(epoch), renewals }
    }

    fn found(cell: LeaseCell) -> Found {
        let (job, has_room) = (JobId::new("a"), true);
        Found {
            job,
            is_suspended: false,
            is_here: false,
            has_room,
            is_orphan: false,
            is_assigned: false,
            is_vouched: false,
            leaves_class: false,
            cell,
        }
    }

    /// The first moment, in seconds, at which a job that is looked at each second is taken up.
    fn taken_at(finder: &mut Finder, from_s: u64, look: impl Fn(u64) -> Found) -> Option<u64> {
        (from_s..from_s + 1_000)
            .find(|second| !finder.look(Millis(second * 1_000), vec![look(*second)]).is_empty())
    }

    #[test]
    fn a_holder_that_renews_keeps_its_job_and_one_that_does_not_loses_it_after_a_ttl() {
        let mut finder = Finder::default();
        let renewed = |second| found(cell(Some("b"), 1, second / 5));
        assert_eq!(taken_at(&mut finder, 0, renewed), None);
        let silent = |_| found(cell(Some("b"), 1, 999));
        assert_eq!(taken_at(&mut finder, 1_000, silent), Some(1_000 + LEASE_TTL_MS / 1_000));
    }

    /// At once, and should that be in vain, after a TTL like any other.
    #[test]
    fn whose_holder_is_known_to_be_gone_waits_for_nobody() {
        let mut finder = Finder::default();
        let orphan = |_| Found { is_orphan: true, ..found(cell(Some("b"), 1, 3)) };
        assert_eq!(taken_at(&mut finder, 7, orphan), Some(7));
        assert_eq!(taken_at(&mut finder, 8, orphan), Some(7 + LEASE_TTL_MS / 1_000));
    }

    #[test]
    fn what_was_seen_goes_along_so_that_nobody_waits_twice() {
        let mut finder = Finder::default();
        let silent = || vec![found(cell(Some("b"), 1, 3))];
        assert!(finder.look(Millis(0), silent()).is_empty());
        let [(_, sighting)] = &finder.look(Millis(LEASE_TTL_MS), silent())[..] else {
            panic!("it is taken up")
        };
        assert!(sighting.may_claim(Millis(LEASE_TTL_MS), false));
    }

    #[test]
    fn a_free_job_is_taken_up_soon_and_ever_more_seldom() {
        let mut finder = Finder::default();
        let free = |_| found(cell(None, 1, 0));
        let (mut at, mut waits) = (0, Vec::new());
        for _ in 0..10 {
            let next = taken_at(&mut finder, at + 1, free).expect("it is taken up");
            waits.push(next - at);
            at = next;
        }
        assert!(waits[0] <= 2 && waits.is_sorted(), "{waits:?}");
        assert_eq!(waits[8], waits[9]);
        assert!(waits[9] <= 64, "{waits:?}");
    }

    #[test]
    fn who_took_an_order_comes_first_and_what_was_handed_over_waits_for_nobody() {
        let new = |_| found(cell(None, 0, 0));
        assert_eq!(taken_at(&mut Finder::default(), 0, new), Some(FIND_FREE_MS / 1_000));
        let handed_over = |_| found(cell(None, 3, 7));
        assert_eq!(taken_at(&mut Finder::default(), 5, handed_over), Some(5));
    }

    /// A long job that is handed over again and again is not left to stand for it.
    #[test]
    fn who_got_on_with_a_job_makes_it_be_taken_up_soon_again() {
        let (mut finder, mut at) = (Finder::default(), 0);
        for epoch in 1..10 {
            let held = finder.look(Millis(at), vec![found(cell(Some("b"), epoch, FIND_RESTED))]);
            assert!(held.is_empty());
            let free = |_| found(cell(None, epoch, FIND_RESTED));
            let next = taken_at(&mut finder, at / 1_000 + 1, free).expect("it is taken up");
            assert!(next * 1_000 <= at + 3_000, "{at} {next}");
            at = next * 1_000 + 1_000;
        }
    }

    /// And one that its leader saw stand still is claimed at once as well.
    #[test]
    fn what_a_leader_assigns_is_taken_up_at_once() {
        let assigned = |cell| Found { is_assigned: true, ..found(cell) };
        let free = |_| assigned(cell(None, 0, 0));
        assert_eq!(taken_at(&mut Finder::default(), 40, free), Some(40));
        let held = |_| assigned(cell(Some("b"), 1, 3));
        let by_itself = Some(40 + LEASE_TTL_MS / 1_000);
        assert_eq!(taken_at(&mut Finder::default(), 40, held), by_itself);
        let vouched = Found { is_vouched: true, ..held(0) };
        let taken = Finder::default().look(Millis(40_000), vec![vouched]);
        assert!(taken[0].1.may_claim(Millis(40_000), false), "{taken:?}");
    }

    /// Whoever computes as it began comes first; a leader has waited for such a node already.
    #[test]
    fn what_would_leave_its_numerics_class_is_left_to_others_for_a_while() {
        let limit = CLASS_WAIT_MAX_MS / 1_000;
        let leaves = |cell| Found { leaves_class: true, ..found(cell) };
        let free = |_| leaves(cell(None, 1, 0));
        assert_eq!(taken_at(&mut Finder::default(), 5, free), Some(5 + limit));
        let silent = |_| leaves(cell(Some("b"), 1, 3));
        let after = Some(5 + limit + LEASE_TTL_MS / 1_000);
        assert_eq!(taken_at(&mut Finder::default(), 5, silent), after);
        // The last node of that class goes.
        let alone = |second| Found { leaves_class: second < 9, ..free(second) };
        assert_eq!(taken_at(&mut Finder::default(), 5, alone), Some(9));
        let assigned = |_| Found { is_assigned: true, ..leaves(cell(None, 1, 0)) };
        assert_eq!(taken_at(&mut Finder::default(), 5, assigned), Some(5));
    }

    /// A node without room keeps counting: the job is due as soon as there is room.
    #[test]
    fn a_job_ages_also_where_there_is_no_room() {
        let mut finder = Finder::default();
        let silent = |has_room| vec![Found { has_room, ..found(cell(Some("b"), 1, 3)) }];
        for second in 0..60 {
            assert!(finder.look(Millis(second * 1_000), silent(false)).is_empty());
        }
        assert_eq!(finder.look(Millis(60_000), silent(true)).len(), 1);
    }

    #[test]
    fn what_was_suspended_waits_for_a_person() {
        let mut finder = Finder::default();
        let suspended = |_| Found { is_suspended: true, ..found(cell(None, 1, 0)) };
        assert_eq!(taken_at(&mut finder, 0, suspended), Some(SUSPENDED_LOOK_MS / 1_000));
    }

    #[test]
    fn a_job_that_is_here_is_left_alone_and_counts_from_when_it_left() {
        let mut finder = Finder::default();
        let here = |_| Found { is_here: true, ..found(cell(Some("me"), 1, 1)) };
        assert_eq!(taken_at(&mut finder, 0, here), None);
        let left = |_| found(cell(Some("me"), 1, 1));
        let at = taken_at(&mut finder, 1_000, left).expect("it is taken up");
        assert!(at >= 999 + LEASE_TTL_MS / 1_000, "{at}");
    }

    #[test]
    fn jobs_that_ended_are_forgotten() {
        let mut finder = Finder::default();
        finder.look(Millis(0), vec![found(cell(None, 1, 0))]);
        finder.look(Millis(1), Vec::new());
        assert!(finder.seen.is_empty());
    }
}

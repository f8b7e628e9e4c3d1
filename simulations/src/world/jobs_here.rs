//! The jobs in a node's hands: as `actors/src/node_supervisor/jobs_here.rs` has them.

use tgs_protocol::{
    invariant::Invariant,
    lease::rule::Sighting,
    queue::{Start, Turn},
    unit::Timestamp,
};

use super::{World, event::Letter, flaw::Flaw, store::JobNo, watchman};

impl World<'_> {
    /// A job comes in at a node, and waits in the store where it may not be there or a leader is
    /// heard: tenants share such worlds.
    pub(super) fn come_in(&mut self, node: u32, job: JobNo) {
        if self.may_be_at(job, node) && !self.nodes[node as usize].finding.is_led() {
            self.start_job(node, job);
        }
    }

    /// A job comes into a node's line, unless the node takes up none or has it.
    pub(super) fn start_job(&mut self, node: u32, job: JobNo) {
        let it = &mut self.nodes[node as usize];
        if it.is_closed() || it.has(job) {
            return;
        }
        it.waiting.push(job);
        let turn = self.turns[job.at()];
        self.watchman.lines[node as usize].joined(job, turn);
        let turn = match self.flaw {
            Some(Flaw::NewestFirst) => {
                Turn { accepted_at: Timestamp(u64::MAX / 2 - turn.accepted_at.get()), ..turn }
            }
            _ => turn,
        };
        let id = self.store.jobs[job.at()].row.id.clone();
        let starts = self.watchman.watching(|| it.queue.join(id, turn));
        self.begin_all(node, starts);
    }

    /// A job that nobody works at waits for its turn here, or is ended at once.
    pub(super) fn take_up(&mut self, node: u32, job: JobNo, sighting: Sighting, is_to_end: bool) {
        let it = &mut self.nodes[node as usize];
        if it.is_draining || it.has(job) {
            return;
        }
        self.chronicle.say(true, || format!("node {node} takes up a job that nobody works at"));
        it.sightings.retain(|(of, _)| *of != job);
        it.sightings.push((job, sighting));
        if is_to_end {
            return self.end(node, job);
        }
        self.start_job(node, job);
        let it = &mut self.nodes[node as usize];
        if !it.has(job) {
            it.sightings.retain(|(of, _)| *of != job);
        }
    }

    /// Another node works at a job that waits here.
    pub(super) fn gone_elsewhere(&mut self, node: u32, job: JobNo) {
        let it = &self.nodes[node as usize];
        if it.waiting.contains(&job) && it.shell_of(job).is_none() {
            self.out_of_hand(node, job);
        }
    }

    /// Another node was asked to end a job that runs or waits here.
    pub(super) fn end_here(&mut self, node: u32, job: JobNo) {
        let it = &self.nodes[node as usize];
        let shell = it.shell_of(job).and_then(|no| self.shells[no.at()].as_deref());
        if it.has(job) && shell.is_none_or(|shell| !shell.is_to_cancel) {
            self.end(node, job);
        }
    }

    /// Somebody at the desk of this node ends a job; an order is left if that does not end it.
    pub(super) fn cancel_here(&mut self, node: u32, job: JobNo) {
        self.end(node, job);
        let shell = self.nodes[node as usize].shell_of(job);
        if let Some(shell) = shell.and_then(|no| self.shells[no.at()].as_deref_mut()) {
            shell.is_awaited = true;
        }
    }

    fn end(&mut self, node: u32, job: JobNo) {
        let Some(no) = self.nodes[node as usize].shell_of(job) else {
            // Ending it needs no device; whoever stands behind it moves up.
            let seen = &mut self.nodes[node as usize].sightings;
            let seen = seen.iter().position(|(of, _)| *of == job).map(|at| seen.swap_remove(at));
            self.out_of_hand(node, job);
            self.nodes[node as usize].sightings.extend(seen);
            return self.supervise(node, job, None, true);
        };
        if let Some(shell) = self.shells[no.at()].as_deref_mut() {
            shell.is_to_cancel = true;
        }
        self.post(0, no, Letter::Cancel);
        if self.flaw == Some(Flaw::GivesSeatsEarly) {
            self.out_of_line(node, job);
        }
    }

    /// Those who wait stay in the store, for the next node.
    pub(super) fn send_waiting_away(&mut self, node: u32) {
        for job in self.nodes[node as usize].waiting.clone() {
            self.out_of_hand(node, job);
        }
    }

    /// A job is this node's no more; whoever moves up begins.
    pub(super) fn out_of_hand(&mut self, node: u32, job: JobNo) {
        let it = &mut self.nodes[node as usize];
        it.waiting.retain(|of| *of != job);
        it.sightings.retain(|(of, _)| *of != job);
        self.watchman.lines[node as usize].left(job);
        if self.flaw != Some(Flaw::KeepsSeats) {
            self.out_of_line(node, job);
        }
    }

    /// A job goes out of a node's line; whoever moves up begins.
    fn out_of_line(&mut self, node: u32, job: JobNo) {
        let id = &self.store.jobs[job.at()].row.id;
        let it = &mut self.nodes[node as usize];
        let starts = self.watchman.watching(|| it.queue.leave(id));
        self.begin_all(node, starts);
    }

    /// Begins with jobs whose turn has come, but with none on a node that takes up none.
    pub(super) fn begin_all(&mut self, node: u32, starts: Vec<Start>) {
        if self.nodes[node as usize].is_closed() {
            return;
        }
        for Start { job, seats } in starts {
            let Some(job) = self.store.ever_named(&job) else { continue };
            let seat = seats.first().copied();
            if let Err(wrong) = self.watchman.lines[node as usize].begins(job, seats) {
                let (invariant, facts) = match wrong {
                    watchman::Wrong::Twice(facts) => (Invariant::Queue1, facts),
                    watchman::Wrong::Passed(facts) => (Invariant::Queue2, facts),
                    watchman::Wrong::Aside(facts) => (Invariant::Queue3, facts),
                };
                self.watchman.broken(invariant, format!("node {node}: {facts}"));
            }
            if !self.may_be_at(job, node) {
                let facts = format!("node {node} begins with {job:?}, which may not be there");
                self.watchman.broken(Invariant::Place1, facts);
            }
            self.nodes[node as usize].waiting.retain(|of| *of != job);
            self.supervise(node, job, seat, false);
        }
    }
}

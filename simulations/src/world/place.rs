//! What goes on in a node beside its jobs: whose turn it is, who supervises what, who renews.

use tgs_protocol::{
    invariant::Invariant,
    lease::rule::Duty,
    limits::LEASE_TICK_MS,
    queue::{Seat, Start, Turn},
    unit::Timestamp,
};

use super::{
    World, bytes,
    event::{Asker, Event, Letter, LetterNo, ShellNo},
    fault::{Kind, Site},
    flaw::Flaw,
    shell::Shell,
    store::{JobNo, Op},
    watchman,
};

/// How long a node leaves a job alone that it could not keep: until somebody resumes it.
const REST_MS: u64 = 5_000;

impl World<'_> {
    /// A node looks for jobs that nobody has here, and keeps its leases.
    pub(super) fn tick(&mut self, node: u32, boot: u32) {
        let at = node as usize;
        self.plan(self.nodes[at].lasts_ms(LEASE_TICK_MS), Event::Tick { node, boot });
        self.schedule();
        // A supervisor may leave while the leases are looked at.
        for no in (0..self.nodes[at].shells.len()).rev() {
            if let Some((_, shell)) = self.nodes[at].shells.get(no).copied() {
                self.keep_lease(shell);
            }
        }
        if self.nodes[at].is_draining {
            return;
        }
        for no in 0..self.store.open.len() {
            let job = self.store.open[no];
            if self.nodes[at].may_take(job, self.now_ms) {
                self.join(node, job);
            }
        }
        let moment = self.faults.moment(node, Kind::LIST);
        if let Some(mut dice) = self.faults.strikes(Site::StaleList, moment)
            && !self.store.jobs.is_empty()
        {
            let job = JobNo(dice.below(self.store.jobs.len() as u64) as u32);
            if self.nodes[at].may_take(job, self.now_ms) {
                self.say(true, |_| "reads an old list".to_owned());
                self.join(node, job);
            }
        }
    }

    fn keep_lease(&mut self, no: ShellNo) {
        let Some(shell) = self.shells[no.at()].as_deref_mut() else { return };
        let (Some(holding), Some(lease)) = (shell.holding, &shell.lease) else { return };
        let (node, sent) = (shell.node, self.nodes[shell.node as usize].clock(self.now_ms));
        match holding.duty(sent) {
            Duty::WaitUntil(_) => {}
            Duty::Renew if shell.is_renewing => {}
            Duty::Renew => {
                shell.is_renewing = true;
                let (job, order, op) = (shell.job, shell.order, Op::Renew(lease.clone()));
                self.call(node, Some(job), order, op, Asker::Keeper { shell: no, sent });
            }
            Duty::StandDown => self.with(no, |_, it| it.stand_down()),
        }
    }

    /// A job comes into a node's line.
    pub(super) fn join(&mut self, node: u32, job: JobNo) {
        let row = &self.store.jobs[job.at()].row;
        let (_, demand) = bytes::needs(self.seed, self.orders[job.at()]);
        let (priority, accepted_at) = (row.priority, row.accepted_at);
        let turn = Turn { priority, accepted_at, demand, left: None };
        self.watchman.lines[node as usize].joined(job, turn);
        let turn = match self.flaw {
            Some(Flaw::NewestFirst) => {
                Turn { accepted_at: Timestamp(u64::MAX / 2 - accepted_at.get()), ..turn }
            }
            _ => turn,
        };
        let it = &mut self.nodes[node as usize];
        it.has(job);
        let starts = self.watchman.watching(|| it.queue.join(row.id.clone(), turn));
        self.begin_all(node, starts);
    }

    /// A job goes out of a node's line; whoever moves up begins.
    pub(super) fn out_of_line(&mut self, node: u32, job: JobNo) {
        let id = &self.store.jobs[job.at()].row.id;
        let it = &mut self.nodes[node as usize];
        let starts = self.watchman.watching(|| it.queue.leave(id));
        if !it.is_draining {
            self.begin_all(node, starts);
        }
    }

    pub(super) fn begin_all(&mut self, node: u32, starts: Vec<Start>) {
        for Start { job, seat } in starts {
            let Some(job) = self.store.ever_named(&job) else { continue };
            if let Err(wrong) = self.watchman.lines[node as usize].begins(job, seat) {
                let (invariant, facts) = match wrong {
                    watchman::Wrong::Twice(facts) => (Invariant::Queue1, facts),
                    watchman::Wrong::Passed(facts) => (Invariant::Queue2, facts),
                    watchman::Wrong::Aside(facts) => (Invariant::Queue3, facts),
                };
                self.watchman.broken(invariant, format!("node {node}: {facts}"));
            }
            self.supervise(node, job, Some(seat), false);
        }
    }

    /// A supervisor for a job whose turn has come, or that is only to be ended.
    pub(super) fn supervise(
        &mut self,
        node: u32,
        job: JobNo,
        seat: Option<Seat>,
        is_to_cancel: bool,
    ) {
        let no = ShellNo(self.shells.len() as u32);
        let it = &mut self.nodes[node as usize];
        it.has(job);
        it.shells.push((job, no));
        let mut shell = Shell::new(no, job, self.orders[job.at()], (node, it.boot));
        (shell.seat, shell.is_to_cancel) = (seat, is_to_cancel);
        self.say(true, |it| format!("node {node} takes {}", it.name(job)));
        self.shells.push(Some(Box::new(shell)));
        self.shells_alive += 1;
        self.post(0, no, Letter::Claim);
    }

    /// A letter on its way to a supervisor.
    pub(super) fn post(&mut self, after_ms: u64, to: ShellNo, letter: Letter) {
        let letter = LetterNo(self.letters.put(letter));
        self.plan(after_ms, Event::Letter(to, letter));
    }

    /// Lets a supervisor do something, and go on until it waits.
    pub(super) fn with(&mut self, shell: ShellNo, act: impl FnOnce(&mut Self, &mut Shell)) {
        let Some(mut it) = self.shells[shell.at()].take() else { return };
        act(self, &mut it);
        self.pump(&mut it);
        if it.is_dead {
            return self.replace(&it);
        }
        if !it.has_left {
            self.shells[shell.at()] = Some(it);
            return;
        }
        self.left(&it);
    }

    /// A supervisor has left.
    fn left(&mut self, shell: &Shell) {
        let (node, job) = (shell.node, shell.job);
        self.say(true, |it| format!("node {node} leaves {}", it.name(job)));
        self.shells_alive -= 1;
        let it = &mut self.nodes[node as usize];
        it.shells.retain(|(_, no)| *no != shell.no);
        let is_moving = it.moving.contains(&job) && !it.is_draining && !shell.is_to_cancel;
        it.moving.retain(|it| *it != job);
        if is_moving && !self.store.jobs[job.at()].row.state.is_final() {
            return self.waits_again(node, job);
        }
        it.trust.left(&self.store.jobs[job.at()].row.id);
        it.leaves_alone(job, self.now_ms + REST_MS);
        self.watchman.lines[node as usize].left(job);
        if self.flaw != Some(Flaw::KeepsSeats) {
            self.out_of_line(node, job);
        }
        self.end_if_drained(node);
    }

    /// A supervisor died, its work with it; another one takes its seat.
    fn replace(&mut self, dead: &Shell) {
        self.shells_alive -= 1;
        self.nodes[dead.node as usize].shells.retain(|(_, no)| *no != dead.no);
        self.supervise(dead.node, dead.job, dead.seat, dead.is_to_cancel);
        if self.nodes[dead.node as usize].is_draining {
            let no = ShellNo(self.shells.len() as u32 - 1);
            self.post(1, no, Letter::Drain);
        }
    }

    /// The name of a job.
    pub(super) fn name(&self, job: JobNo) -> String {
        self.store.jobs.get(job.at()).map_or_else(String::new, |it| it.row.id.to_string())
    }
}

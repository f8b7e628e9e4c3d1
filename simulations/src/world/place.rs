//! What goes on in a node beside its jobs: who supervises what, and who renews.

use tgs_protocol::{lease::rule::Duty, limits::LEASE_TICK_MS, queue::Seat};

use super::{
    World,
    event::{Asker, Event, Letter, LetterNo, ShellNo},
    flaw::Flaw,
    shell::Shell,
    store::{JobNo, Op},
};

impl World<'_> {
    /// A node looks at its leases.
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
            Duty::StandDown if self.flaw == Some(Flaw::WorksOn) => {}
            Duty::StandDown => self.with(no, |_, it| it.stand_down()),
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
        it.shells.push((job, no));
        let mut shell = Shell::new(no, job, self.orders[job.at()], (node, it.boot));
        (shell.seat, shell.is_to_cancel) = (seat, is_to_cancel);
        let seen = it.sightings.iter().position(|(of, _)| *of == job);
        shell.sighting = seen.map(|at| it.sightings.swap_remove(at).1);
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

    /// A supervisor has left: the job waits again here if it is to move, or waits in the store.
    fn left(&mut self, shell: &Shell) {
        let (node, job) = (shell.node, shell.job);
        self.say(true, |it| format!("node {node} leaves {}", it.name(job)));
        self.shells_alive -= 1;
        let it = &mut self.nodes[node as usize];
        it.shells.retain(|(_, no)| *no != shell.no);
        let is_moving = it.moving.contains(&job) && !it.is_closed() && !shell.is_to_cancel;
        it.moving.retain(|it| *it != job);
        let has_ended = self.store.jobs[job.at()].row.state.is_final();
        if is_moving && !has_ended {
            return self.waits_again(node, job);
        }
        self.gone(shell);
        if shell.is_awaited && !has_ended {
            self.ask_store(shell, Op::End, Asker::Nobody);
        }
    }

    fn gone(&mut self, shell: &Shell) {
        let (node, job) = (shell.node, shell.job);
        self.nodes[node as usize].trust.left(&self.store.jobs[job.at()].row.id);
        self.out_of_hand(node, job);
        self.end_if_drained(node);
    }

    /// A supervisor died, its work with it; another one takes its seat, unless the node stops: then
    /// whoever finds the job goes on with it.
    fn replace(&mut self, dead: &Shell) {
        let (node, job) = (dead.node, dead.job);
        self.shells_alive -= 1;
        let it = &mut self.nodes[node as usize];
        it.shells.retain(|(_, no)| *no != dead.no);
        if it.is_draining {
            return self.gone(dead);
        }
        let moves = it.moving.contains(&job);
        self.supervise(node, job, dead.seat, dead.is_to_cancel);
        let no = ShellNo(self.shells.len() as u32 - 1);
        if let Some(shell) = self.shells[no.at()].as_deref_mut() {
            shell.is_awaited = dead.is_awaited;
        }
        if moves {
            self.post(1, no, Letter::Move);
        }
    }

    /// The name of a job.
    pub(super) fn name(&self, job: JobNo) -> String {
        self.store.jobs.get(job.at()).map_or_else(String::new, |it| it.row.id.to_string())
    }
}

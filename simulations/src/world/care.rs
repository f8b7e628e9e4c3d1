//! Devices that fail, and jobs that must move: as `actors/src/node_supervisor/care.rs` does, with
//! the very rule of `queue/trust.rs`.

use tgs_protocol::{
    code::Code,
    invariant::Invariant,
    job::{JobEvent, Work},
    queue::{Seat, trust::Judgement},
};

use super::{
    World,
    event::{Labour, Letter},
    flaw::Flaw,
    shell::Shell,
    store::JobNo,
};

impl World<'_> {
    /// Whether the device of this work fails at it: it is broken, or the job breaks every device.
    pub(super) fn device_fails(&self, shell: &Shell) -> bool {
        if self.is_calm() || !is_on_device(shell) {
            return false;
        }
        let broken = self.nodes[shell.node as usize].broken;
        let is_broken = broken
            .is_some_and(|(seat, until_ms)| shell.seat == Some(seat) && until_ms > self.now_ms);
        is_broken || self.people.is_hard_on_devices(shell.order)
    }

    /// The thread of a device says how a piece of work went. A store that failed or a bad table
    /// says nothing of the device.
    pub(super) fn device_reports(&mut self, shell: &Shell, event: &JobEvent) {
        let (node, job) = (shell.node, shell.job);
        let Some(seat) = shell.seat.filter(|_| is_on_device(shell)) else { return };
        match event {
            JobEvent::StageFailed(failure) if failure.code == Code::DeviceFailed => {}
            JobEvent::StageFailed(_) | JobEvent::WorkStopped | JobEvent::CheckpointWritten(_) => {
                return;
            }
            _ => {
                self.watchman.lines[node as usize].worked(seat);
                return self.nodes[node as usize].trust.worked(seat);
            }
        }
        let it = &mut self.nodes[node as usize];
        let others = it.queue.seats().has_others(seat);
        let judgement = it.trust.failed(seat, &self.store.jobs[job.at()].row.id, others);
        self.watchman.lines[node as usize].failed(job, seat);
        match judgement {
            Judgement::GoOn => {}
            Judgement::SetAside => self.set_aside(node, seat, job),
            Judgement::TakeBack(_) if self.flaw == Some(Flaw::KeepsBlamedAside) => {}
            Judgement::TakeBack(first) => {
                if self.flaw == Some(Flaw::ForgetsWhoIsAtFault) {
                    it.trust.left(&self.store.jobs[job.at()].row.id);
                }
                self.take_back(node, first);
            }
        }
        if let Err(facts) = self.watchman.lines[node as usize].blames_justly(job, seat) {
            self.watchman.broken(Invariant::Queue3, format!("node {node}: {facts}"));
        }
    }

    fn set_aside(&mut self, node: u32, seat: Seat, because_of: JobNo) {
        self.say(true, |_| format!("device {} of node {node} is set aside", seat.0));
        if let Err(facts) = self.watchman.lines[node as usize].set_aside(seat, because_of) {
            self.watchman.broken(Invariant::Queue3, format!("node {node}: {facts}"));
        }
        let it = &mut self.nodes[node as usize];
        let on_it = it.queue.who_is_on(seat).cloned();
        let starts = match self.flaw {
            Some(Flaw::UsesSetAside) => Vec::new(),
            _ => self.watchman.watching(|| it.queue.set_aside(seat)),
        };
        if let Some(job) = on_it.and_then(|name| self.store.ever_named(&name)) {
            self.move_away(node, job);
        }
        self.begin_all(node, starts);
    }

    fn take_back(&mut self, node: u32, seat: Seat) {
        self.say(true, |_| format!("device {} of node {node} is taken back", seat.0));
        self.watchman.lines[node as usize].take_back(seat);
        let it = &mut self.nodes[node as usize];
        let starts = self.watchman.watching(|| it.queue.take_back(seat));
        self.begin_all(node, starts);
    }

    /// A job keeps what it has reached, leaves, and waits again in the place that it had.
    pub(super) fn move_away(&mut self, node: u32, job: JobNo) {
        let it = &mut self.nodes[node as usize];
        if let Some(shell) = it.shell_of(job) {
            it.moving.push(job);
            self.post(0, shell, Letter::Move);
        }
    }

    /// The supervisor of a job that moves has left: the job waits again here.
    pub(super) fn waits_again(&mut self, node: u32, job: JobNo) {
        self.watchman.lines[node as usize].gave_back(job);
        let id = &self.store.jobs[job.at()].row.id;
        let it = &mut self.nodes[node as usize];
        let Some(demand) = it.queue.demand(id) else { return };
        it.waiting.push(job);
        let starts = self.watchman.watching(|| it.queue.give_back(id, demand));
        self.begin_all(node, starts);
    }
}

/// Chunks are drawn by a pool, all else by the thread of the device.
fn is_on_device(shell: &Shell) -> bool {
    let labour = shell.labour.as_ref();
    labour.is_some_and(|Labour { work, .. }| !matches!(work, Work::Sample { .. }))
}

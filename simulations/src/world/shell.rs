//! A supervisor in the made-up world: what `actors/src/perform.rs` does, without an actor.
//!
//! It claims the lease first; until then it decides nothing. Actions are performed in order, and
//! nothing after a `Save` happens unless the row was written. While it waits for the store its
//! letters wait as well.

use std::{collections::VecDeque, rc::Rc};

use tgs_protocol::{
    code::{Code, Retry},
    id::JobId,
    job::{Job, JobAction, JobEvent, JobRow, JobState, action::Tidings, outcome::Failure},
    lease::{
        Lease,
        rule::{Holding, Sighting},
    },
    limits::{LEASE_RENEW_MS, RETRY_BACK_OFF_MS},
    stage::Stage,
    unit::{Millis, Timestamp},
};

use super::{
    World,
    event::{Asker, CallNo, Event, Labour, Letter, ShellNo},
    store::{Op, Reply},
};

/// One supervisor.
#[derive(Debug)]
pub struct Shell {
    pub no: ShellNo,
    pub job: JobId,
    pub node: usize,
    pub is_to_cancel: bool,
    pub sighting: Option<Sighting>,
    pub claim_tries: usize,
    pub machine: Option<Job>,
    pub lease: Option<Lease>,
    pub holding: Option<Holding>,
    pub is_renewing: bool,
    pub events: VecDeque<JobEvent>,
    pub actions: VecDeque<JobAction>,
    pub letters: VecDeque<Letter>,
    pub waiting: Option<CallNo>,
    pub is_blocked: bool,
    pub save_tries: usize,
    /// The row as it stands in the store.
    pub saved: Option<Rc<JobRow>>,
    pub labour: Option<Labour>,
    pub works: u64,
    pub has_left: bool,
}

impl Shell {
    pub fn new(no: ShellNo, job: JobId, node: usize, is_to_cancel: bool) -> Self {
        Self {
            no,
            job,
            node,
            is_to_cancel,
            sighting: None,
            claim_tries: 0,
            machine: None,
            lease: None,
            holding: None,
            is_renewing: false,
            events: VecDeque::new(),
            actions: VecDeque::new(),
            letters: VecDeque::new(),
            waiting: None,
            is_blocked: false,
            save_tries: 0,
            saved: None,
            labour: None,
            works: 0,
            has_left: false,
        }
    }

    fn stage(&self) -> Stage {
        match self.machine.as_ref().map(|job| (&job.row().state, job.row().next_stage())) {
            Some((JobState::Running { stage }, _)) => *stage,
            Some((_, Some(next))) => next,
            _ => Stage::Ingest,
        }
    }

    /// The end of this supervisor; its work goes with it.
    fn leave(&mut self) {
        self.has_left = true;
        self.labour = None;
    }

    pub fn failure(&self, code: Code) -> Failure {
        Failure::new(self.stage(), code, "made up")
    }
}

impl World {
    /// Goes on with a supervisor until it waits or has nothing to do.
    pub(super) fn pump(&mut self, shell: &mut Shell) {
        loop {
            if shell.has_left || shell.waiting.is_some() {
                return;
            }
            if !shell.is_blocked
                && let Some(action) = shell.actions.pop_front()
            {
                self.perform(shell, action);
            } else if let Some(event) = shell.events.pop_front() {
                self.step(shell, event);
            } else if let Some(letter) = shell.letters.pop_front() {
                self.hear(shell, letter);
            } else {
                return;
            }
        }
    }

    fn hear(&mut self, shell: &mut Shell, letter: Letter) {
        let is_claimed = shell.machine.is_some();
        match letter {
            Letter::Claim if !is_claimed => self.ask(shell, Op::Look),
            Letter::Claim => {}
            Letter::Cancel if !is_claimed => shell.is_to_cancel = true,
            Letter::Cancel => shell.events.push_back(JobEvent::CancelAsked),
            Letter::Fact { work_no, event } => {
                let stands_in_the_store =
                    matches!(event, JobEvent::ChunkSealed(_) | JobEvent::CheckpointWritten(_));
                let is_present = shell.labour.as_ref().is_some_and(|it| it.no == work_no);
                if is_present && !stands_in_the_store {
                    shell.labour = None;
                }
                if is_present || stands_in_the_store {
                    shell.events.push_back(event);
                }
            }
            Letter::RetryDue => shell.events.push_back(JobEvent::RetryDue),
            Letter::SaveAgain => shell.is_blocked = false,
            Letter::StandDown => shell.events.push_back(JobEvent::Overtaken),
        }
    }

    fn step(&mut self, shell: &mut Shell, event: JobEvent) {
        if event == JobEvent::Overtaken {
            shell.actions.clear();
            shell.is_blocked = false;
        }
        let now = Timestamp(self.now_ms);
        let Some(machine) = &mut shell.machine else { return };
        for action in machine.step(now, event) {
            match action {
                JobAction::StopWork => stop_work(shell),
                action => shell.actions.push_back(action),
            }
        }
    }

    fn perform(&mut self, shell: &mut Shell, action: JobAction) {
        let Some(lease) = shell.lease.clone() else {
            if action == JobAction::Leave {
                shell.leave();
            }
            return;
        };
        match action {
            JobAction::Save(row) => self.ask(shell, Op::Save(lease, Rc::from(row))),
            JobAction::TakeBack => self.ask(shell, Op::TakeBack(lease)),
            JobAction::Release => self.ask(shell, Op::Release(lease)),
            JobAction::Sweep => self.ask(shell, Op::Sweep),
            JobAction::Begin(work) => self.begin(shell, work),
            JobAction::RetryAfter(after) => {
                self.plan(after.get(), Event::Letter(shell.no, Letter::RetryDue));
            }
            JobAction::Tell(Tidings::Ended(outcome)) => {
                self.watchman.told(self.now_ms, &shell.job, &outcome, &self.store);
            }
            JobAction::StopWork | JobAction::Tell(_) => {}
            JobAction::Leave => shell.leave(),
        }
    }

    /// The supervisor's own call: it waits for the answer.
    pub(super) fn ask(&mut self, shell: &mut Shell, op: Op) {
        let sent = self.nodes[shell.node].clock(self.now_ms);
        let call = self.call(shell, op, Asker::Shell { sent });
        shell.waiting = Some(call);
    }

    /// The answer to the supervisor's own call.
    pub(super) fn answered(&mut self, shell: &mut Shell, op: &Op, reply: Reply, sent: Millis) {
        shell.waiting = None;
        match (op, reply) {
            (Op::Look, Reply::Cell(cell)) => self.looked(shell, cell),
            (Op::Claim(..), Reply::Claimed(Some(lease))) => {
                shell.lease = Some(lease);
                shell.holding = Some(Holding { sent });
                self.ask(shell, Op::Read);
            }
            (Op::Claim(..), Reply::Claimed(None)) => self.ask(shell, Op::Look),
            (Op::Read, Reply::Row(row, sealed)) => {
                let Some(lease) = &shell.lease else { return };
                let epoch = lease.epoch;
                shell.saved = Some(row.clone());
                shell.machine = Some(Job::new((*row).clone()));
                if shell.is_to_cancel {
                    shell.events.push_back(JobEvent::CancelAsked);
                }
                shell.events.push_back(JobEvent::Claimed { epoch, sealed });
            }
            (Op::Save(_, row), Reply::Done) => {
                shell.save_tries = 0;
                shell.saved = Some(row.clone());
            }
            (Op::Save(..), Reply::Overtaken) => {
                shell.actions.clear();
                shell.events.push_front(JobEvent::Overtaken);
            }
            (Op::Save(_, row), Reply::Failed(code)) => self.save_failed(shell, row.clone(), code),
            (Op::Release(_), _) => {
                shell.lease = None;
                shell.holding = None;
            }
            (Op::Look | Op::Claim(..) | Op::Read, _) => self.claim_failed(shell),
            _ => {}
        }
    }

    fn looked(&mut self, shell: &mut Shell, cell: tgs_protocol::lease::LeaseCell) {
        let now = self.nodes[shell.node].clock(self.now_ms);
        let before = shell.sighting.take();
        let is_alive =
            before.as_ref().is_some_and(|seen| seen.cell != cell && cell.owner.is_some());
        let sighting = match before {
            Some(sighting) => sighting.look(cell.clone(), now),
            None => Sighting::first(cell.clone(), now),
        };
        let may_claim = sighting.may_claim(now, false) || self.flaws.claims_at_once;
        shell.sighting = Some(sighting);
        if may_claim {
            let owner = self.nodes[shell.node].incarnation();
            self.ask(shell, Op::Claim(owner, cell));
        } else if is_alive {
            // Somebody works at it.
            shell.leave();
        } else {
            self.plan(LEASE_RENEW_MS / 2, Event::Letter(shell.no, Letter::Claim));
        }
    }

    fn claim_failed(&mut self, shell: &mut Shell) {
        let back_off = RETRY_BACK_OFF_MS.get(shell.claim_tries).copied();
        shell.claim_tries += 1;
        match back_off {
            // A claim whose outcome is unknown is looked at like anybody's.
            Some(after) if shell.machine.is_none() => {
                shell.lease = None;
                shell.holding = None;
                self.plan(after, Event::Letter(shell.no, Letter::Claim));
            }
            _ => shell.leave(),
        }
    }

    fn save_failed(&mut self, shell: &mut Shell, row: Rc<JobRow>, code: Code) {
        let back_off = RETRY_BACK_OFF_MS.get(shell.save_tries).copied();
        shell.save_tries += 1;
        match (code.retry(), back_off) {
            (Retry::Later, Some(after)) => {
                shell.actions.push_front(JobAction::Save(Box::new((*row).clone())));
                shell.is_blocked = true;
                self.plan(after, Event::Letter(shell.no, Letter::SaveAgain));
            }
            _ => {
                shell.actions.clear();
                let failure = shell.failure(code);
                shell.events.push_front(JobEvent::SaveFailed(failure));
            }
        }
    }
}

fn stop_work(shell: &mut Shell) {
    shell.actions.retain(|action| !matches!(action, JobAction::Begin(_)));
    match &mut shell.labour {
        Some(labour) => labour.is_stopping = true,
        None => shell.events.push_back(JobEvent::WorkStopped),
    }
}

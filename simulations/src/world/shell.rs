//! A supervisor in the made-up world: what `actors/src/perform.rs` does, without an actor.
//!
//! It claims the lease first; until then it decides nothing. Actions are performed in order, and
//! nothing after a `Save` happens unless the row was written. While it waits for the store its
//! letters wait as well.

use std::{collections::VecDeque, rc::Rc};

use tgs_protocol::{
    checkpoint::CheckpointFacts,
    code::{Code, Retry},
    invariant::Invariant,
    job::{Job, JobAction, JobEvent, JobRow, action::Tidings, outcome::Failure},
    lease::{
        Lease,
        rule::{Holding, Sighting},
    },
    limits::RETRY_BACK_OFF_MS,
    queue::Seat,
    stage::Stage,
    unit::{Millis, Steps},
};

use super::{
    World,
    claim::moving,
    event::{Asker, CallNo, Labour, Letter, ShellNo},
    flaw::Flaw,
    store::{JobNo, Op, Reply, phase},
};

/// One supervisor.
#[derive(Debug)]
pub struct Shell {
    pub no: ShellNo,
    pub job: JobNo,
    pub order: u32,
    pub node: u32,
    pub boot: u32,
    pub seat: Option<Seat>,
    pub is_to_cancel: bool,
    /// Somebody at the desk waits for the end of the job.
    pub is_awaited: bool,
    /// It is to leave as soon as it is claimed or cannot be.
    pub moves: bool,
    pub sighting: Option<Sighting>,
    pub claim_tries: usize,
    /// When it knew that its claim took place.
    pub claimed_ms: u64,
    pub machine: Option<Job>,
    pub lease: Option<Rc<Lease>>,
    pub holding: Option<Holding>,
    pub is_renewing: bool,
    pub events: VecDeque<JobEvent>,
    pub actions: VecDeque<JobAction>,
    pub letters: VecDeque<Letter>,
    pub waiting: Option<CallNo>,
    pub is_blocked: bool,
    pub head_tries: usize,
    /// The row as it stands in the store.
    pub saved: Option<Rc<JobRow>>,
    pub labour: Option<Labour>,
    pub works: u32,
    /// What must be durable before stopped work counts as stopped.
    pub last_snapshot: Option<(u32, Steps)>,
    pub writing: Writing,
    /// In which stage and when the present back-off began.
    pub failed_at: Option<(Stage, u64, Millis)>,
    pub has_left: bool,
    pub is_dead: bool,
}

/// What is written of checkpoints: as `actors/src/checkpoint_writer.rs` has it.
#[derive(Debug, Default)]
pub struct Writing {
    pub is_busy: bool,
    /// Of those that wait only the newest.
    pub waiting: Option<(u32, Op)>,
    pub to_prune: Option<(Rc<Lease>, CheckpointFacts, Option<CheckpointFacts>)>,
    /// Their pointers may be on their way.
    pub written: Vec<CheckpointFacts>,
}

impl Shell {
    pub fn new(no: ShellNo, job: JobNo, order: u32, (node, boot): (u32, u32)) -> Self {
        Self {
            no,
            job,
            order,
            node,
            boot,
            seat: None,
            is_to_cancel: false,
            is_awaited: false,
            moves: false,
            sighting: None,
            claim_tries: 0,
            claimed_ms: 0,
            machine: None,
            lease: None,
            holding: None,
            is_renewing: false,
            events: VecDeque::new(),
            actions: VecDeque::new(),
            letters: VecDeque::new(),
            waiting: None,
            is_blocked: false,
            head_tries: 0,
            saved: None,
            labour: None,
            works: 0,
            last_snapshot: None,
            writing: Writing::default(),
            failed_at: None,
            has_left: false,
            is_dead: false,
        }
    }

    /// The present stage; the first one before any began.
    pub fn stage(&self) -> Stage {
        self.machine.as_ref().map_or(Stage::Ingest, |job| job.row().stage())
    }

    /// A number for the state of the job as it knows it.
    pub fn phase(&self) -> u8 {
        self.machine.as_ref().map_or(0, |job| phase(&job.row().state))
    }

    /// The end of this supervisor; its work goes with it.
    pub fn leave(&mut self) {
        self.has_left = true;
        self.labour = None;
    }

    pub fn failure(&self, code: Code) -> Failure {
        Failure::new(self.stage(), code, "made up")
    }

    /// What is told by work that is not the present one is dropped, but for what stands in the
    /// store, and for the end of a last snapshot.
    fn hear_of_work(&mut self, work_no: u32, event: JobEvent) {
        let is_present = self.labour.as_ref().is_some_and(|it| it.no == work_no);
        let last = self.last_snapshot.filter(|(no, _)| *no == work_no);
        match &event {
            JobEvent::ChunkSealed(_) => self.events.push_back(event),
            JobEvent::CheckpointWritten(facts) => {
                let step = facts.step;
                self.events.push_back(event);
                if last.is_some_and(|(_, last)| last == step) {
                    self.last_snapshot = None;
                    self.events.push_back(JobEvent::WorkStopped);
                }
            }
            _ if is_present => {
                self.labour = None;
                self.events.push_back(event);
            }
            JobEvent::StageFailed(_) | JobEvent::Overtaken if last.is_some() => {
                self.last_snapshot = None;
                self.events.push_back(event);
            }
            _ => {}
        }
    }

    /// A renewal was answered.
    pub fn renewed(&mut self, reply: &Reply, sent: Millis) {
        self.is_renewing = false;
        match (reply, &mut self.holding) {
            (Reply::Done, Some(holding)) => holding.sent = holding.sent.max(sent),
            (Reply::Overtaken, Some(_)) => self.stand_down(),
            _ => {}
        }
    }

    /// The lease may be lost.
    pub fn stand_down(&mut self) {
        self.holding = None;
        self.letters.push_back(Letter::StandDown);
    }
}

impl World<'_> {
    /// Goes on with a supervisor until it waits or has nothing to do.
    pub(super) fn pump(&mut self, shell: &mut Shell) {
        while !shell.has_left && !shell.is_dead && shell.waiting.is_none() {
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
            Letter::Cancel => {
                shell.is_to_cancel = true;
                if is_claimed {
                    shell.events.push_back(JobEvent::CancelAsked);
                }
            }
            Letter::Move if is_claimed => shell.events.extend(moving()),
            // Claimed first if it can be: the lease may be this node's from an earlier supervisor.
            Letter::Move if shell.lease.is_none() => shell.moves = true,
            Letter::Drain if is_claimed => shell.events.push_back(JobEvent::DrainAsked),
            Letter::Drain | Letter::Move => self.leave_before_work(shell),
            Letter::Fact { work_no, event } => shell.hear_of_work(work_no, event),
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
        let is_to_keep = event == JobEvent::DrainAsked;
        let now = self.nodes[shell.node as usize].wall(self.now_ms);
        let Some(machine) = &mut shell.machine else { return };
        for action in self.watchman.watching(|| machine.step(now, event)) {
            match action {
                JobAction::StopWork => stop_work(shell, is_to_keep),
                JobAction::Tell(Tidings::Ended(outcome))
                    if self.flaw == Some(Flaw::TellsTooSoon) =>
                {
                    self.watchman.told(&outcome, &self.store.jobs[shell.job.at()]);
                }
                action => shell.actions.push_back(action),
            }
        }
    }

    fn perform(&mut self, shell: &mut Shell, action: JobAction) {
        match (action, shell.lease.clone()) {
            (JobAction::Leave, _) => shell.leave(),
            (JobAction::Tell(Tidings::Ended(outcome)), _) => {
                self.watchman.told(&outcome, &self.store.jobs[shell.job.at()]);
            }
            (JobAction::Sweep, _) => self.ask(shell, Op::Sweep),
            (JobAction::RetryAfter(after), _) => {
                let node = &self.nodes[shell.node as usize];
                let saved = shell.saved.as_ref().map(|row| (row.stage(), row.failed_tries));
                let (stage, tries) = saved.unwrap_or((Stage::Ingest, 0));
                shell.failed_at = Some((stage, self.now_ms, after));
                self.watchman.retries_after(shell.job, tries, after);
                let is_flawed = self.flaw == Some(Flaw::RetriesAtOnce);
                let after_ms = if is_flawed { 0 } else { node.lasts_ms(after.get()) };
                self.post(after_ms, shell.no, Letter::RetryDue);
            }
            (JobAction::StopWork | JobAction::Tell(_), _) | (_, None) => {}
            (JobAction::Save(row), Some(lease)) => self.ask(shell, Op::Save(lease, Rc::from(row))),
            (JobAction::TakeBack, Some(lease)) => self.ask(shell, Op::TakeBack(lease)),
            (JobAction::Release, Some(lease)) => {
                self.see_hand_over(shell);
                (shell.lease, shell.holding) = (None, None);
                self.ask(shell, Op::Release(lease));
            }
            (JobAction::Begin(work), Some(_)) => self.begin(shell, work),
        }
    }

    /// What work had reached when it was told to stop stands in the store before others may claim.
    fn see_hand_over(&mut self, shell: &Shell) {
        if let Some((_, step)) = shell.last_snapshot {
            let facts = format!("{:?} is given back before step {step} is written", shell.job);
            self.watchman.broken(Invariant::Ckpt1, facts);
        }
    }

    /// The supervisor's own call: it waits for the answer.
    pub(super) fn ask(&mut self, shell: &mut Shell, op: Op) {
        let sent = self.nodes[shell.node as usize].clock(self.now_ms);
        let call = self.ask_store(shell, op, Asker::Shell { shell: shell.no, sent });
        shell.waiting = Some(call);
    }

    /// The answer to the supervisor's own call.
    pub(super) fn answered(&mut self, shell: &mut Shell, op: &Op, reply: Reply, sent: Millis) {
        shell.waiting = None;
        match (op, reply) {
            (Op::Look | Op::Claim(..) | Op::Read, reply) => {
                self.claim_answered(shell, op, reply, sent);
            }
            (Op::Save(_, row), Reply::Done) => {
                shell.head_tries = 0;
                self.prune_behind(shell, row);
                shell.saved = Some(row.clone());
            }
            (Op::Save(..), Reply::Overtaken) => {
                shell.actions.clear();
                shell.events.push_front(JobEvent::Overtaken);
            }
            (Op::Save(_, row), Reply::Failed(code)) => {
                let action = JobAction::Save(Box::new((**row).clone()));
                if !self.will_try_again(shell, action, code) {
                    shell.actions.clear();
                    let failure = shell.failure(code);
                    shell.events.push_front(JobEvent::SaveFailed(failure));
                }
            }
            (Op::TakeBack(_), Reply::Failed(code)) if self.flaw != Some(Flaw::TakesBackOnce) => {
                let is_given_up = !self.will_try_again(shell, JobAction::TakeBack, code);
                self.watchman.left_behind(shell.job, is_given_up);
            }
            (Op::TakeBack(_), _) => shell.head_tries = 0,
            _ => {}
        }
    }

    /// Puts an action that failed back to its place, for another try after a while; false if that
    /// would not help, or was done often enough.
    fn will_try_again(&mut self, shell: &mut Shell, action: JobAction, code: Code) -> bool {
        let back_off = RETRY_BACK_OFF_MS.get(shell.head_tries).copied();
        let Some(after) = back_off.filter(|_| code.retry() == Retry::Later) else {
            shell.head_tries = 0;
            return false;
        };
        shell.head_tries += 1;
        shell.actions.push_front(action);
        shell.is_blocked = true;
        let after_ms = self.nodes[shell.node as usize].lasts_ms(after);
        self.post(after_ms, shell.no, Letter::SaveAgain);
        true
    }
}

fn stop_work(shell: &mut Shell, is_to_keep: bool) {
    shell.actions.retain(|action| !matches!(action, JobAction::Begin(_)));
    match &mut shell.labour {
        Some(labour) if !labour.has_begun_all() => {
            (labour.is_stopping, labour.is_to_keep) = (true, is_to_keep);
        }
        None if shell.last_snapshot.is_some() => {}
        _ => {
            shell.labour = None;
            shell.events.push_back(JobEvent::WorkStopped);
        }
    }
}

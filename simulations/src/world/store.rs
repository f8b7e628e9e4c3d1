//! The made-up truth: rows, events, leases, manifests, checkpoints, deliveries; each call one act.
//!
//! Who may write is decided by the very functions that real stores call (`lease/fence.rs`), what is
//! told of a row by the very one that they call (`event::events`). What a rule-breaking store would
//! do is a [`Flaw`]: tests switch one on and see it caught.

use std::{collections::BTreeMap, rc::Rc};

use tgs_protocol::{
    checkpoint::CheckpointFacts,
    chunk::{ChunkNo, SealedChunk},
    code::Code,
    digest::Digest,
    event::{self, Event},
    id::{Incarnation, JobId},
    job::{JobRow, JobState, Outcome},
    lease::{
        Lease, LeaseCell,
        fence::{Fenced, admit, claim, release, renew, unclaimed},
    },
    notification::subscription::Subscription,
    submission::Inserted,
    unit::{Epoch, EventNo},
};

use super::{board::Board, bytes, flaw::Flaw, notifications::Notifications};
pub use super::{
    event::JobNo,
    op::{Artifact, Bytes, Op, Reply},
};

/// What a call changed, for the watchman.
#[derive(Debug)]
pub enum Trace {
    /// Nothing that he must look at.
    Nothing,
    /// A job came in.
    Inserted(JobNo),
    /// A row was replaced, and this was told of it.
    Saved(Rc<JobRow>, Vec<Rc<Event>>),
    /// A chunk stands there now, this one stood there before.
    Sealed(Option<SealedChunk>),
    /// A subscription came in.
    Subscribed,
    /// A subscription or its deliveries changed; it stood so before.
    Noticed(Rc<Subscription>),
}

/// An event with the job that it is of.
#[derive(Debug)]
pub struct Told {
    /// Which job.
    pub job: JobNo,
    /// What.
    pub event: Rc<Event>,
    /// It went with its job.
    pub is_forgotten: bool,
}

/// A number for each state of a job, below 8.
pub fn phase(state: &JobState) -> u8 {
    match state {
        JobState::Accepted => 0,
        // The run of a program counts as reading: both begin a job.
        JobState::Running { stage } => (*stage as u8).max(1),
        JobState::Ended(_) => 7,
    }
}

/// One job as it stands.
#[derive(Debug)]
pub struct Standing {
    /// Its row.
    pub row: Rc<JobRow>,
    /// The row before that.
    pub before: Rc<JobRow>,
    /// Its lease.
    pub cell: LeaseCell,
    /// Its manifest.
    pub chunks: BTreeMap<ChunkNo, SealedChunk>,
    /// Its checkpoints.
    pub checkpoints: Vec<(CheckpointFacts, Bytes)>,
    /// What its stages left.
    pub artifacts: Vec<(Artifact, Digest)>,
    /// What stands where it was asked for.
    pub delivered: Option<Digest>,
    /// It was ordered to end; never taken back.
    pub is_to_end: bool,
    /// Its newest event.
    pub newest: EventNo,
    /// Some of it was removed, as a person asked.
    pub is_going: bool,
    /// It was removed. Its number and its row stay with the watchman.
    pub is_forgotten: bool,
}

/// Everything durable.
#[derive(Debug)]
pub struct Store {
    /// In the order in which they came.
    pub jobs: Vec<Standing>,
    /// Those that have not ended.
    pub open: Vec<JobNo>,
    /// Every event; the first one has number 1.
    pub log: Vec<Told>,
    /// Subscriptions and their deliveries.
    pub notices: Notifications,
    /// Who leads, and what is told.
    pub board: Board,
    flaw: Option<Flaw>,
    saves: u64,
}

impl Store {
    /// An empty store, with a rule that it breaks, if any.
    pub fn new(flaw: Option<Flaw>) -> Self {
        let (jobs, open, log) = (Vec::new(), Vec::new(), Vec::new());
        let (notices, board) = Default::default();
        Self { jobs, open, log, notices, board, flaw, saves: 0 }
    }

    /// The job of this name.
    pub fn named(&self, name: &JobId) -> Option<JobNo> {
        let is_it = |it: &Standing| it.row.id == *name && !it.is_forgotten;
        let at = self.jobs.iter().position(is_it)?;
        Some(JobNo(at as u32))
    }

    /// The job that has this name, or had it before it was forgotten: whoever waits with it does
    /// not know yet.
    pub fn ever_named(&self, name: &JobId) -> Option<JobNo> {
        let at = self.jobs.iter().position(|it| it.row.id == *name)?;
        Some(JobNo(at as u32))
    }

    /// The newest event.
    pub fn newest(&self) -> EventNo {
        EventNo(self.log.len() as u64)
    }

    /// The newest event that is not forgotten.
    pub fn newest_kept(&self) -> EventNo {
        let last = self.log.iter().rev().find(|it| !it.is_forgotten);
        last.map_or(EventNo(0), |it| it.event.no)
    }

    /// Carries a call out.
    pub fn perform(&mut self, job: Option<JobNo>, op: &Op) -> (Reply, Trace) {
        let nothing = |reply| (reply, Trace::Nothing);
        let no = match (op, job) {
            (Op::Insert(row), _) => return self.insert(row),
            (Op::Events(after, job, limit), _) => {
                return nothing(Reply::Events(self.events(*after, *job, *limit)));
            }
            (Op::Unfinished | Op::Leases(_) | Op::Orders(_), _) => return nothing(self.survey(op)),
            (Op::Notice(op), _) => {
                let (reply, trace) = self.notices.perform(op, &self.log, self.flaw);
                return (Reply::Notice(reply), trace);
            }
            (_, Some(no)) if self.jobs[no.at()].is_forgotten => {
                return nothing(Reply::Failed(Code::JobNotFound));
            }
            (Op::Forget, Some(no)) => return nothing(self.forget(no)),
            (_, Some(no)) => no,
            (_, None) => return nothing(Reply::Failed(Code::JobNotFound)),
        };
        let flaw = self.flaw;
        let standing = &mut self.jobs[no.at()];
        let is_newest = |lease| admit(&standing.cell, lease) == Fenced::Held(());
        match op {
            Op::Look => nothing(Reply::Cell(standing.cell.clone())),
            Op::Read => {
                let is_stale = flaw == Some(Flaw::ReadsStaleRows);
                let row = if is_stale { &standing.before } else { &standing.row };
                let chunks = standing.chunks.values().copied().collect();
                nothing(Reply::Row(row.clone(), chunks, standing.is_to_end))
            }
            Op::Glance => nothing(Reply::Glanced(standing.row.clone(), standing.is_to_end)),
            Op::End => {
                standing.is_to_end = true;
                nothing(Reply::Done)
            }
            Op::Claim(owner, seen) => nothing(Reply::Claimed(standing.claim(owner, seen, flaw))),
            Op::Renew(lease) | Op::Release(lease) => nothing(standing.keep(op, lease)),
            Op::Sweep => {
                if flaw != Some(Flaw::NeverSweeps) {
                    standing.sweep();
                }
                nothing(Reply::Done)
            }
            Op::Empty => {
                standing.sweep();
                standing.artifacts.clear();
                standing.is_going = true;
                nothing(Reply::Done)
            }
            Op::DropResult => {
                (standing.delivered, standing.is_going) = (None, true);
                nothing(Reply::Done)
            }
            write => {
                let lease = write.lease();
                if flaw != Some(Flaw::ForgetsEpochs) && !lease.is_some_and(is_newest) {
                    return nothing(Reply::Overtaken);
                }
                match write {
                    Op::Save(_, row) => self.save(no, row),
                    write => (Reply::Done, standing.write(write, flaw)),
                }
            }
        }
    }

    fn insert(&mut self, row: &Rc<JobRow>) -> (Reply, Trace) {
        let kept = self.jobs.iter().filter(|it| !it.is_forgotten);
        let known = |known: &&Standing| match (&known.row.submission, &row.submission) {
            (Some(known), Some(sent)) => known.key == sent.key,
            _ => false,
        };
        let mut kept = kept;
        let known = kept.find(known).filter(|_| self.flaw != Some(Flaw::ForgetsKeys));
        if let (Some(known), Some(sent)) = (known, &row.submission) {
            let again = Inserted::again(&known.row.id, known.row.submission.as_ref(), sent);
            return (Reply::Inserted(again), Trace::Nothing);
        }
        if self.named(&row.id).is_some() {
            return (Reply::Inserted(Inserted::NameTaken), Trace::Nothing);
        }
        let no = JobNo(self.jobs.len() as u32);
        self.tell(no, event::events(None, row, self.newest()));
        self.jobs.push(Standing {
            row: row.clone(),
            before: row.clone(),
            cell: unclaimed(),
            chunks: BTreeMap::new(),
            checkpoints: Vec::new(),
            artifacts: Vec::new(),
            delivered: None,
            is_to_end: false,
            newest: self.newest(),
            is_going: false,
            is_forgotten: false,
        });
        self.open.push(no);
        (Reply::Inserted(Inserted::New), Trace::Inserted(no))
    }

    fn save(&mut self, no: JobNo, row: &Rc<JobRow>) -> (Reply, Trace) {
        let is_late = !row.may_replace(&self.jobs[no.at()].row);
        if is_late && self.flaw != Some(Flaw::TakesLateWrites) {
            return (Reply::Overtaken, Trace::Nothing);
        }
        self.saves += 1;
        if self.flaw == Some(Flaw::LosesRows) && self.saves.is_multiple_of(7) {
            return (Reply::Done, Trace::Nothing);
        }
        let newest = self.newest();
        let standing = &mut self.jobs[no.at()];
        let former = std::mem::replace(&mut standing.row, row.clone());
        let earlier = std::mem::replace(&mut standing.before, former.clone());
        let told = match self.flaw {
            Some(Flaw::AppendsApart) if self.saves.is_multiple_of(5) => Vec::new(),
            Some(Flaw::AppendsBlindly) if *former == **row => {
                event::events(Some(&earlier), row, newest)
            }
            _ => event::events(Some(&former), row, newest),
        };
        if let Some(last) = told.last() {
            standing.newest = last.no;
        }
        let told = self.tell(no, told);
        if row.state.is_final() && !former.state.is_final() {
            self.open.retain(|open| *open != no);
        }
        (Reply::Done, Trace::Saved(former, told))
    }

    /// Adds to the log.
    fn tell(&mut self, job: JobNo, told: Vec<Event>) -> Vec<Rc<Event>> {
        let told: Vec<_> = told.into_iter().map(Rc::new).collect();
        let before = self.log.len();
        self.log.extend(told.iter().map(|event| Told {
            job,
            event: event.clone(),
            is_forgotten: false,
        }));
        self.notices.all.iter_mut().for_each(|it| it.see(&self.log[before..]));
        told
    }

    /// Removes what stands in the store of a job that ended: its row, events and key.
    fn forget(&mut self, no: JobNo) -> Reply {
        let standing = &mut self.jobs[no.at()];
        if !standing.row.state.is_final() && self.flaw != Some(Flaw::ForgetsRunning) {
            return Reply::Failed(Code::BadRequest);
        }
        standing.is_forgotten = true;
        self.open.retain(|open| *open != no);
        if self.flaw != Some(Flaw::LeavesEvents) {
            let its = self.log.iter_mut().filter(|told| told.job == no);
            its.for_each(|told| told.is_forgotten = true);
        }
        self.notices.all.iter_mut().for_each(|it| it.see_again(&self.log));
        Reply::Done
    }

    fn events(&self, after: EventNo, job: Option<JobNo>, limit: usize) -> Vec<EventNo> {
        let is_flawed = self.flaw == Some(Flaw::ReadsFromBefore);
        let after = after.get().saturating_sub(u64::from(is_flawed));
        let numbers = (after + 1..).zip(self.log.iter().skip(after as usize));
        let kept = numbers.filter(|(_, of)| !of.is_forgotten);
        let wanted = kept.filter(|(_, of)| job.is_none_or(|job| job == of.job));
        wanted.map(|(no, _)| EventNo(no)).take(limit).collect()
    }
}

impl Standing {
    /// Somebody began to remove it, and nobody has done so to the end.
    pub fn is_half_removed(&self) -> bool {
        self.is_going && !self.is_forgotten
    }

    fn claim(
        &mut self,
        owner: &Incarnation,
        seen: &LeaseCell,
        flaw: Option<Flaw>,
    ) -> Option<Lease> {
        let mut cell = claim(&self.cell, seen, owner)?;
        if flaw == Some(Flaw::KeepsEpoch) {
            cell.epoch = self.cell.epoch.max(Epoch(1));
        }
        let (job, epoch) = (self.row.id.clone(), cell.epoch);
        self.cell = cell;
        Some(Lease { job, owner: owner.clone(), epoch })
    }

    /// The holder says that it lives, or gives the lease back.
    fn keep(&mut self, op: &Op, lease: &Lease) -> Reply {
        let kept = match (op, admit(&self.cell, lease)) {
            (Op::Renew(_), Fenced::Held(())) => Fenced::Held(renew(self.cell.clone())),
            (Op::Renew(_), Fenced::Overtaken(by)) => Fenced::Overtaken(by),
            _ => release(&self.cell, lease),
        };
        let Fenced::Held(cell) = kept else { return Reply::Overtaken };
        self.cell = cell;
        Reply::Done
    }

    /// What is released: the table of all chunks, or what a program left.
    pub fn to_deliver(&self) -> Digest {
        let files = self.artifacts.iter().find(|(artifact, _)| *artifact == Artifact::Files);
        files.map_or_else(|| bytes::table(self.chunks.values().copied()), |(_, digest)| *digest)
    }

    /// What is kept after the end: as `ArtifactName::kept_after` has it.
    pub fn is_kept(&self, artifact: Artifact) -> bool {
        let is_cancelled = self.row.state == JobState::Ended(Outcome::Cancelled);
        !is_cancelled && matches!(artifact, Artifact::Model | Artifact::Report)
    }

    fn sweep(&mut self) {
        self.chunks.clear();
        self.checkpoints.clear();
        let is_kept = |artifact| self.is_kept(artifact);
        let kept = self.artifacts.iter().copied().filter(|(artifact, _)| is_kept(*artifact));
        self.artifacts = kept.collect();
    }

    fn write(&mut self, op: &Op, flaw: Option<Flaw>) -> Trace {
        match op {
            Op::Seal(_, artifact, digest) => {
                self.artifacts.retain(|(known, _)| known != artifact);
                self.artifacts.push((*artifact, *digest));
            }
            Op::Put(_, facts, bytes) => {
                self.checkpoints.retain(|(known, _)| known != facts);
                self.checkpoints.push((*facts, *bytes));
            }
            Op::Prune(_, keep) => {
                let keep = if flaw == Some(Flaw::PrunesCommitted) { &keep[1..] } else { &keep[..] };
                self.checkpoints.retain(|(known, _)| keep.contains(known));
            }
            Op::SealChunk(_, chunk) => {
                let before = self.chunks.get(&chunk.chunk).copied();
                let known = self.chunks.entry(chunk.chunk).or_insert(*chunk);
                if flaw == Some(Flaw::SealsChunksAgain) {
                    let torn = Digest::of(&chunk.digest.as_bytes()[..]);
                    *known = SealedChunk { digest: torn, ..*chunk };
                }
                return Trace::Sealed(before);
            }
            Op::Deliver(_, digest) => self.delivered = Some(*digest),
            Op::TakeBack(_) if flaw != Some(Flaw::LeavesDeliveries) => self.delivered = None,
            _ => {}
        }
        Trace::Nothing
    }
}

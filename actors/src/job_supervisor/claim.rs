//! How a supervisor comes to hold its job's lease, and what it does first.

use std::time::Duration;

use tgs_protocol::{
    chunk::SealedChunk,
    code::Code,
    figure::span,
    id::Incarnation,
    job::{Claimant, Job, JobAction, JobEvent, JobRow, action::Tidings, outcome::Failure},
    lease::{Lease, rule::Sighting},
    limits::{LEASE_TICK_MS, RETRY_BACK_OFF_MS},
    metric_definitions::LEASES_CLAIMED,
    stage::Stage,
    store::Written,
    unit::{Epoch, Millis},
};

use super::{message::JobSupervisorMessage, shell::Shell};
use crate::{
    checkpoint_writer::message::CheckpointWriterMessage, failure::Fault,
    lease_keeper::message::LeaseKeeperMessage, store_call::answer,
};

/// What the supervisor is there for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Intent {
    /// Go on with the job.
    Run,
    /// End it: a person asked while nobody worked at it.
    Cancel,
    /// End it: its supervisor failed again and again.
    Condemn(String),
}

/// How a lease came to be free.
enum FreeBy {
    /// Nobody had it before.
    Birth,
    /// Its holder gave it back.
    Gift,
    /// This node had it.
    Own,
    /// Its holder is known to be gone.
    End(Incarnation),
    /// Nothing was heard of its holder for too long.
    Silence(Incarnation),
}

impl FreeBy {
    /// In one word, for measures.
    const fn label(&self) -> &'static str {
        match self {
            Self::Birth => "new",
            Self::Gift => "given_back",
            Self::Own => "own",
            Self::End(_) => "gone",
            Self::Silence(_) => "silent",
        }
    }
}

impl Shell {
    /// One look at the lease; then it is claimed, looked at again later, or left to its holder.
    pub(crate) async fn claim(&mut self) {
        if self.is_claimed() {
            return;
        }
        match self.try_claim().await {
            Ok(Claim::Held { lease, sent }) => {
                match (self.begin_with(lease, sent).await, self.moves.take()) {
                    (Ok(()), None) => {}
                    (Ok(()), Some(why)) => {
                        self.happen(JobEvent::Noticed(why)).await;
                        self.happen(JobEvent::DrainAsked).await;
                    }
                    (Err(_), Some(_)) => self.leave_before_work().await,
                    (Err(fault), None) => self.claim_failed(fault).await,
                }
            }
            Ok(Claim::NotYet) if self.moves.is_some() => self.leave_before_work().await,
            Ok(Claim::NotYet) => self.claim_after(LEASE_TICK_MS),
            Ok(Claim::Lost) => {
                self.tell(Tidings::Notice("another owner works at this job".to_owned()));
                self.leave_unclaimed();
            }
            Err(fault) => self.claim_failed(fault).await,
        }
    }

    /// Leaves before anything was begun; others need not wait for the lease.
    pub(crate) async fn leave_before_work(&mut self) {
        self.give_lease_back().await;
        self.leave_unclaimed();
    }

    async fn try_claim(&mut self) -> Result<Claim, Fault> {
        let (leases, me) = (self.ports.leases.clone(), &self.config.incarnation);
        let cell = answer("look at lease", leases.look(&self.id)).await?;
        let now = self.ports.clock.monotonic();
        let earlier = self.sighting.take();
        let earlier = earlier.unwrap_or_else(|| Sighting::first(cell.clone(), now));
        let is_ours = cell.owner.as_ref() == Some(me);
        let is_orphan = self.ports.links.is_orphan(&cell, now);
        let is_gone = self.config.holder_is_gone || is_orphan;
        if earlier.cell != cell && cell.owner.is_some() && !is_ours && !is_gone {
            return Ok(Claim::Lost); // It was renewed or claimed while we looked: its holder lives.
        }
        let sighting = earlier.look(cell, now);
        // The node starts one supervisor per job: an earlier one of this very boot is dead.
        let may_claim = sighting.may_claim(now, is_gone || is_ours);
        let cell = sighting.cell.clone();
        self.sighting = Some(sighting);
        if !may_claim {
            return Ok(Claim::NotYet);
        }
        let claimed = answer("claim lease", leases.claim(&self.id, me, &cell)).await?;
        // A holder that is known to be gone may have renewed with its last breath.
        let refused = if is_gone { Claim::NotYet } else { Claim::Lost };
        Ok(claimed.map_or(refused, |lease| Claim::Held { lease, sent: now }))
    }

    /// Reads what stands in the store, now that nobody else may change it, and goes on from there.
    async fn begin_with(&mut self, lease: Lease, sent: Millis) -> Result<(), Fault> {
        let epoch = lease.epoch;
        self.lease = Some(lease.clone());
        self.have_kept(lease, sent);
        if self.intent == Intent::Run && self.ports.is_end_ordered(&self.id).await? {
            self.intent = Intent::Cancel;
        }
        let read = answer("read job", self.ports.jobs.read(&self.id)).await?;
        let row = read.ok_or_else(|| Fault::new(Code::JobNotFound, "no such job"))?;
        if self.intent == Intent::Run {
            // Others look before they claim; whoever comes here nevertheless reads nothing of it.
            row.regions.check(&self.config.about.region, "go on with the job")?;
        }
        let sealed = answer("read manifest", self.ports.chunks.sealed(&self.id)).await?;
        row.done.checkpoint.iter().for_each(|facts| self.saving.committed(facts.step));
        self.saved = Some(row.clone().into());
        let from = self.free_by(epoch);
        metrics::counter!(LEASES_CLAIMED, "why" => from.label()).increment(1);
        let claimant = self.claimant(&row, &from);
        self.job = Some(Job::new(row).claimed_by(claimant));
        match self.intent.clone() {
            Intent::Run => {}
            Intent::Cancel => self.happen(JobEvent::CancelAsked).await,
            Intent::Condemn(why) => return self.condemn(epoch, sealed, why).await,
        }
        self.happen(JobEvent::Claimed { epoch, sealed }).await;
        Ok(())
    }

    /// How the lease that was claimed came to be free.
    fn free_by(&self, epoch: Epoch) -> FreeBy {
        let cell = self.sighting.as_ref().map(|sighting| &sighting.cell);
        let now = self.ports.clock.monotonic();
        match cell.and_then(|cell| cell.owner.clone()) {
            _ if epoch.0 <= 1 => FreeBy::Birth,
            None => FreeBy::Gift,
            Some(holder) if holder == self.config.incarnation => FreeBy::Own,
            Some(holder) if cell.is_some_and(|cell| self.ports.links.is_orphan(cell, now)) => {
                FreeBy::End(holder)
            }
            Some(holder) => FreeBy::Silence(holder),
        }
    }

    /// Who claims it, from whom, and how long nothing was heard of it.
    fn claimant(&self, row: &JobRow, from: &FreeBy) -> Claimant {
        let silence = self.ports.clock.now().get().saturating_sub(row.changed_at.get());
        let is_loss = matches!(from, FreeBy::End(_) | FreeBy::Silence(_));
        if self.ports.board.is_none() {
            // A process that was killed; whoever goes on with it may do so days later.
            return Claimant { words: String::new(), after: is_loss.then_some(Millis(0)) };
        }
        let node = &self.config.about.node;
        let why = match from {
            FreeBy::Birth => return Claimant { words: format!(" by node {node}"), after: None },
            FreeBy::Gift => "it was given back".to_owned(),
            FreeBy::Own => "begun with again".to_owned(),
            FreeBy::End(holder) => format!("{holder} was killed"),
            FreeBy::Silence(holder) => {
                format!("{holder} was killed, stood still or was cut off")
            }
        };
        let after = is_loss.then_some(Millis(silence));
        let silence = span(Duration::from_millis(silence));
        Claimant {
            words: format!(" by node {node}, {silence} after its last change: {why}"),
            after,
        }
    }

    /// Claims, and fails what the claim would begin without beginning it.
    async fn condemn(
        &mut self,
        epoch: Epoch,
        sealed: Vec<SealedChunk>,
        message: String,
    ) -> Result<(), Fault> {
        self.step(JobEvent::Claimed { epoch, sealed });
        self.actions.retain(|action| !matches!(action, JobAction::Begin(_)));
        let (stage, code) = (self.stage(), Code::Internal);
        self.happen(JobEvent::StageFailed(Failure::new(stage, code, message))).await;
        Ok(())
    }

    async fn claim_failed(&mut self, fault: Fault) {
        let back_off = RETRY_BACK_OFF_MS.get(self.claim_tries);
        self.claim_tries += 1;
        match back_off {
            Some(after) if fault.code.retry() == tgs_protocol::code::Retry::Later => {
                let (message, after) = (fault.message, Millis(*after));
                self.tell(Tidings::TryingAgain { message, after });
                self.claim_after_back_off(after);
            }
            _ => {
                self.tell(Tidings::Suspended(fault.at(Stage::Ingest)));
                self.give_lease_back().await;
                self.leave_unclaimed();
            }
        }
    }

    fn claim_after(&self, millis: u64) {
        let after = Duration::from_millis(millis);
        self.myself.send_after(after, || JobSupervisorMessage::Claim);
    }

    fn claim_after_back_off(&self, after: Millis) {
        self.myself.send_after(self.config.back_off(after), || JobSupervisorMessage::Claim);
    }

    /// Renews at once and hands the lease to a new keeper: nobody knows when the last one renewed.
    pub(crate) async fn renew_with_new_keeper(&mut self) {
        let Some(lease) = self.lease.clone() else { return };
        let sent = self.ports.clock.monotonic();
        match answer("renew lease", self.ports.leases.renew(&lease)).await {
            Ok(Written::Done) => self.have_kept(lease, sent),
            Ok(Written::Overtaken { .. }) | Err(_) => self.happen(JobEvent::Overtaken).await,
        }
    }

    fn have_kept(&self, lease: Lease, sent: Millis) {
        let holder = self.myself.clone();
        let _ = self.crew.lease_keeper.cast(LeaseKeeperMessage::Hold { lease, sent, holder });
    }

    /// The present stage; the first one before any began.
    pub(crate) fn stage(&self) -> Stage {
        self.row().map_or(Stage::Ingest, JobRow::stage)
    }

    /// Gives the lease back, if it can be; else it runs out by itself.
    pub(crate) async fn give_lease_back(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let job = self.id.clone();
        let _ = self.crew.checkpoint_writer.cast(CheckpointWriterMessage::Forget { job });
        let let_go = LeaseKeeperMessage::LetGo { lease: lease.clone() };
        let _ = self.crew.lease_keeper.cast(let_go);
        if let Err(error) = answer("release lease", self.ports.leases.release(&lease)).await {
            tracing::warn!(job = %self.id, %error, "lease not given back, it runs out by itself");
        }
    }
}

/// What came of one look at a lease.
enum Claim {
    Held { lease: Lease, sent: Millis },
    NotYet,
    Lost,
}

//! Renews every lease this node holds, and tells holders to stand down before a lease can be lost.
//!
//! Invariant kept here: LEASE-2. `lease/rule.rs` says what is due; a renewal runs beside the
//! mailbox, so that a silent store never keeps the keeper from telling somebody to stand down.

pub(crate) mod message;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tgs_protocol::{
    clock::Clock,
    code::Code,
    id::JobId,
    job::JobEvent,
    lease::{
        Lease,
        rule::{Duty, Holding},
    },
    limits::{LEASE_RENEW_ANSWER_MS, LEASE_TICK_MS},
    metric_definitions::LEASES_LOST,
    store::{LeaseStore, StoreError, Written},
    unit::Millis,
};

use self::message::LeaseKeeperMessage;
use crate::{job_supervisor::message::JobSupervisorMessage, ports::Ports, store_call::within};

/// The actor.
pub(crate) struct LeaseKeeper;

/// Leases held, and the ports to renew them.
pub(crate) struct Keeping {
    leases: Arc<dyn LeaseStore>,
    clock: Arc<dyn Clock>,
    /// Nobody else can claim here: what is overdue (the process was frozen for a while) is renewed
    /// after all.
    is_alone: bool,
    held: BTreeMap<JobId, Held>,
}

/// What a keeper needs to begin.
pub(crate) struct KeeperSeat {
    pub(crate) ports: Ports,
    pub(crate) is_alone: bool,
}

struct Held {
    lease: Lease,
    holding: Holding,
    is_renewing: bool,
    holder: ActorRef<JobSupervisorMessage>,
}

impl Actor for LeaseKeeper {
    type Msg = LeaseKeeperMessage;
    type State = Keeping;
    type Arguments = KeeperSeat;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        seat: KeeperSeat,
    ) -> Result<Keeping, ActorProcessingErr> {
        let tick = Duration::from_millis(LEASE_TICK_MS);
        let _ends_with_the_actor = myself.send_interval(tick, || LeaseKeeperMessage::LookAround);
        let KeeperSeat { ports, is_alone } = seat;
        Ok(Keeping { leases: ports.leases, clock: ports.clock, is_alone, held: BTreeMap::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        keeping: &mut Keeping,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            LeaseKeeperMessage::Hold { lease, sent, holder } => {
                let holding = Holding { sent };
                let held = Held { lease, holding, is_renewing: false, holder };
                keeping.held.insert(held.lease.job.clone(), held);
            }
            LeaseKeeperMessage::LetGo { lease } => {
                if keeping.held.get(&lease.job).is_some_and(|held| held.lease == lease) {
                    keeping.held.remove(&lease.job);
                }
            }
            LeaseKeeperMessage::LookAround => keeping.look_around(&myself),
            LeaseKeeperMessage::Renewed { lease, sent } => {
                if let Some(held) = keeping.held_as(&lease) {
                    held.is_renewing = false;
                    held.holding = Holding { sent };
                }
            }
            LeaseKeeperMessage::NotRenewed { lease } => {
                if let Some(held) = keeping.held_as(&lease) {
                    held.is_renewing = false;
                }
            }
            LeaseKeeperMessage::Refused { lease } => keeping.stand_down(&lease),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _keeping: &mut Keeping,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}

impl Keeping {
    fn look_around(&mut self, myself: &ActorRef<LeaseKeeperMessage>) {
        let now = self.clock.monotonic();
        let mut lost = Vec::new();
        for held in self.held.values_mut() {
            match held.holding.duty(now) {
                Duty::WaitUntil(_) => {}
                Duty::StandDown if !self.is_alone => lost.push(held.lease.clone()),
                Duty::Renew | Duty::StandDown if held.is_renewing => {}
                Duty::Renew | Duty::StandDown => {
                    held.is_renewing = true;
                    renew(self.leases.clone(), held.lease.clone(), now, myself.clone());
                }
            }
        }
        lost.iter().for_each(|lease| self.stand_down(lease));
    }

    fn stand_down(&mut self, lease: &Lease) {
        if self.held_as(lease).is_none() {
            return;
        }
        if let Some(held) = self.held.remove(&lease.job) {
            tracing::warn!(job = %lease.job, epoch = %lease.epoch, "lease lost: standing down");
            metrics::counter!(LEASES_LOST).increment(1);
            let _ = held.holder.cast(JobSupervisorMessage::Occurred(JobEvent::Overtaken));
        }
    }

    fn held_as(&mut self, lease: &Lease) -> Option<&mut Held> {
        self.held.get_mut(&lease.job).filter(|held| held.lease == *lease)
    }
}

/// Renews beside the mailbox; the answer comes back as a fact, dated from before the send.
fn renew(
    leases: Arc<dyn LeaseStore>,
    lease: Lease,
    sent: Millis,
    keeper: ActorRef<LeaseKeeperMessage>,
) {
    tokio::spawn(async move {
        let fence = lease.clone();
        // A task of its own: a panic inside the store is a renewal that failed.
        let renewal = tokio::spawn(async move {
            within(LEASE_RENEW_ANSWER_MS, "renew lease", leases.renew(&fence)).await
        });
        let answer = renewal.await.unwrap_or_else(|panic| {
            Err(StoreError::because(Code::DeviceFailed, "renew lease", panic))
        });
        let fact = match answer {
            Ok(Written::Done) => LeaseKeeperMessage::Renewed { lease, sent },
            Ok(Written::Overtaken { .. }) => LeaseKeeperMessage::Refused { lease },
            Err(error) => {
                tracing::warn!(job = %lease.job, %error, "lease not renewed, will try again");
                LeaseKeeperMessage::NotRenewed { lease }
            }
        };
        let _ = keeper.cast(fact);
    });
}

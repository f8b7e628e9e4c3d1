//! What the lease keeper is told.

use ractor::ActorRef;
use tgs_protocol::{lease::Lease, unit::Millis};

use crate::job_supervisor::message::JobSupervisorMessage;

/// Mailbox of the lease keeper.
#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum LeaseKeeperMessage {
    /// Order: keep this lease alive; it was last confirmed by a call sent at `sent`.
    Hold { lease: Lease, sent: Millis, holder: ActorRef<JobSupervisorMessage> },
    /// Order: the holder is done with it.
    LetGo { lease: Lease },
    /// Order: renew what is due, stand down where it is too late.
    LookAround,
    /// Fact: a renewal sent at `sent` took place.
    Renewed { lease: Lease, sent: Millis },
    /// Fact: a renewal failed for a passing reason or is unknown.
    NotRenewed { lease: Lease },
    /// Fact: a later epoch exists.
    Refused { lease: Lease },
}

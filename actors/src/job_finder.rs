//! Looks for jobs that nobody works at, on a node of a cluster: shell of
//! `protocol/src/lease/finder.rs`.
//!
//! It only brings them to the node's supervisor. Whether the job is this node's then is decided by
//! a claim.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent, rpc::CallResult};
use tgs_protocol::{
    id::{Incarnation, JobId},
    job::{
        JobRow,
        listing::{Listing, StateClass},
    },
    lease::finder::{Finder, Found},
    limits::{FIND_PERIOD_MS, ORDER_TAKEN_MS},
    queue::Turn,
    store::StoreError,
};

use crate::{
    node_supervisor::message::{Hands, NodeSupervisorMessage},
    ports::Ports,
    store_call::answer,
};

/// Leases that one look at waiting jobs reads for each device that is free.
const CANDIDATES: usize = 4;

/// The actor.
pub(crate) struct JobFinder;

/// Mailbox of a finder.
pub(crate) enum JobFinderMessage {
    /// Order: look for jobs.
    Look,
}

/// What a finder is started with.
pub(crate) struct Search {
    pub(crate) ports: Ports,
    pub(crate) own: Incarnation,
    pub(crate) node: ActorRef<NodeSupervisorMessage>,
}

/// A finder's state.
pub(crate) struct Looking {
    search: Search,
    finder: Finder,
}

impl Actor for JobFinder {
    type Msg = JobFinderMessage;
    type State = Looking;
    type Arguments = Search;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        search: Search,
    ) -> Result<Looking, ActorProcessingErr> {
        myself.cast(JobFinderMessage::Look)?;
        Ok(Looking { search, finder: Finder::default() })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        JobFinderMessage::Look: Self::Msg,
        looking: &mut Looking,
    ) -> Result<(), ActorProcessingErr> {
        if let Err(error) = looking.look().await {
            tracing::warn!(%error, "jobs that nobody works at are not looked for just now");
        }
        // From the end of this look: a slow store is not asked ever more often.
        myself.send_after(Duration::from_millis(FIND_PERIOD_MS), || JobFinderMessage::Look);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _looking: &mut Looking,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}

impl Looking {
    async fn look(&mut self) -> Result<(), StoreError> {
        let limit = Some(Duration::from_millis(ORDER_TAKEN_MS));
        let question = |reply| NodeSupervisorMessage::Hands { reply };
        let Ok(CallResult::Success(hands)) = self.search.node.call(question, limit).await else {
            return Ok(()); // The node has no time for more jobs either.
        };
        let mut rows = self.unfinished(StateClass::Running).await?;
        let runs_elsewhere: BTreeSet<JobId> = rows.iter().map(|row| row.id.clone()).collect();
        if hands.free > 0 {
            let mut waiting = self.unfinished(StateClass::Waiting).await?;
            waiting.retain(|row| !hands.holds(&row.id));
            waiting.sort_by_key(|row| (Turn::of(row).rank_ms(), row.id.clone()));
            waiting.truncate(hands.free.saturating_mul(CANDIDATES));
            rows.extend(waiting);
        }
        self.heed_orders(&hands).await?;
        let mut found = Vec::new();
        let mut turns = BTreeMap::new();
        for row in rows {
            let cell = answer("look at lease", self.search.ports.leases.look(&row.id)).await?;
            let is_others = cell.owner.as_ref().is_some_and(|owner| *owner != self.search.own);
            if is_others && hands.waiting.contains(&row.id) && runs_elsewhere.contains(&row.id) {
                let left = NodeSupervisorMessage::GoneElsewhere { job: row.id.clone() };
                let _ = self.search.node.cast(left);
            }
            let is_here = hands.holds(&row.id);
            turns.insert(row.id.clone(), Turn::of(&row));
            found.push(Found { job: row.id, is_suspended: row.suspended, is_here, cell });
        }
        let now = self.search.ports.clock.monotonic();
        for (job, sighting) in self.finder.look(now, found) {
            let Some(turn) = turns.remove(&job) else { continue };
            tracing::info!(%job, "a job that nobody works at is taken up");
            let order = NodeSupervisorMessage::TakeUp { job, turn, sighting };
            let _ = self.search.node.cast(order);
        }
        Ok(())
    }

    /// Ends what runs here and was ordered to end on another node.
    async fn heed_orders(&self, hands: &Hands) -> Result<(), StoreError> {
        let Some(orders) = &self.search.ports.end_orders else { return Ok(()) };
        for job in &hands.running {
            if answer("look for an order to end", orders.is_end_ordered(job)).await? {
                let order = NodeSupervisorMessage::EndHere { job: job.clone() };
                let _ = self.search.node.cast(order);
            }
        }
        Ok(())
    }

    async fn unfinished(&self, class: StateClass) -> Result<Vec<JobRow>, StoreError> {
        let mut listing = Listing::all(Some(class));
        let mut rows = Vec::new();
        loop {
            let page = answer("list jobs", self.search.ports.jobs.list(&listing)).await?;
            rows.extend(page.rows);
            let Some(next) = page.next else { return Ok(rows) };
            listing.after = Some(next);
        }
    }
}

impl Hands {
    fn holds(&self, job: &JobId) -> bool {
        self.waiting.contains(job) || self.running.contains(job)
    }
}

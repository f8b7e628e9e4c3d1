//! Looks for jobs that nobody works at, on a node of a cluster: shell of
//! `protocol/src/lease/finder.rs`.
//!
//! It only brings them to the node's supervisor. Whether the job is this node's then is decided by
//! a claim.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ractor::ActorRef;
use tgs_protocol::{
    id::{Incarnation, JobId},
    job::{JobRow, JobState, listing::StateClass},
    lease::{
        LeaseCell,
        finder::{Finder, Found},
    },
    limits::{FIND_PERIOD_MS, PRESENCE_PERIOD_MS},
    placement::board::{Assigned, Assignments, Hearing},
    presence::{Presence, Standing},
    queue::{Demand, DeviceClass, Turn},
    residency::Ground,
    store::StoreError,
    unit::Millis,
};

use crate::{
    looker::{Looks, Trouble},
    mesh::Bell,
    node_supervisor::message::{Hands, Led, NodeSupervisorMessage},
    numerics::Classes,
    peer_keeper::Card,
    ports::Ports,
    store_call::{answer, unless_newer},
};

/// Leases that one look at waiting jobs reads for each device that is free, and at least.
const CANDIDATES: usize = 4;

/// One node's finder.
pub(crate) struct JobFinder {
    ports: Ports,
    own: Incarnation,
    /// What this node stands on.
    ground: Ground,
    node: ActorRef<NodeSupervisorMessage>,
    /// In which classes it computes.
    numerics: Classes,
    /// Who was there lately, and when that was read.
    present: (Vec<Presence>, Option<Millis>),
    finder: Finder,
    /// Leases of jobs that wait here, as they were when the jobs were taken up.
    taken: BTreeMap<JobId, LeaseCell>,
    /// What is heard of a leader.
    hearing: Hearing,
    /// Tenants share the cluster: nothing begins but what a leader assigns.
    is_shared: bool,
    trouble: Trouble,
}

impl Looks for JobFinder {
    async fn look(&mut self) -> Option<Duration> {
        match self.find().await {
            Ok(()) => self.trouble.is_over(),
            Err(error) => self.trouble.is_there(&error),
        }
        Some(Duration::from_millis(FIND_PERIOD_MS))
    }

    fn bell(&self) -> Option<Bell> {
        Some(self.ports.links.bell_of_work())
    }
}

impl JobFinder {
    pub(crate) fn new(ports: Ports, card: &Card) -> Self {
        let Card { config, node, numerics, .. } = card.clone();
        let trouble = Trouble::of("jobs that nobody works at are not looked for");
        let (finder, taken, hearing, present) = Default::default();
        let (own, ground) = (config.incarnation.clone(), config.about.ground());
        let is_shared = !config.shares.is_empty();
        Self {
            ports,
            own,
            ground,
            node,
            numerics,
            present,
            finder,
            taken,
            hearing,
            is_shared,
            trouble,
        }
    }

    async fn find(&mut self) -> Result<(), StoreError> {
        // Without an answer the node has no time for more jobs either.
        let Some(hands) = Hands::of(&self.node).await else { return Ok(()) };
        self.taken.retain(|job, _| hands.waiting.contains(job));
        self.heed_orders(&hands).await?;
        if hands.standing != Standing::Working {
            return Ok(()); // Others take them up.
        }
        let told = self.hear().await?;
        let candidates = self.candidates(&hands, told.as_ref()).await?;
        let (mut found, mut turns) = (Vec::new(), BTreeMap::new());
        for candidate in &candidates {
            let row = &candidate.row;
            let cell = match answer("look at lease", self.ports.leases.look(&row.id)).await {
                Ok(cell) => cell,
                Err(error) => {
                    tracing::warn!(job = %row.id, %error, "who works at it is unknown");
                    continue;
                }
            };
            found.push(self.found(&hands, candidate, cell).await);
            let is_outside = !row.may_be_on(&self.ground);
            turns.insert(row.id.clone(), (Turn::of(row), row.suspended, is_outside));
        }
        let now = self.ports.clock.monotonic();
        for (job, sighting) in self.finder.look(now, found) {
            let Some((turn, was_suspended, is_outside)) = turns.remove(&job) else { continue };
            // Rows are read before leases: who has just ended or was suspended has none either.
            let read = unless_newer(answer("read job", self.ports.jobs.read(&job)).await)?;
            let is_as_it_was =
                |row: JobRow| !row.state.is_final() && row.suspended == was_suspended;
            if !read.is_some_and(is_as_it_was) {
                continue;
            }
            let is_to_end = self.ports.is_end_ordered(&job).await?;
            if is_outside && !is_to_end {
                continue; // To end it nothing of it is read.
            }
            tracing::info!(%job, "a job that nobody works at is taken up");
            self.taken.insert(job.clone(), sighting.cell.clone());
            let order = NodeSupervisorMessage::TakeUp { job, turn, sighting, is_to_end };
            let _ = self.node.cast(order);
        }
        Ok(())
    }

    /// A job as this look finds it.
    async fn found(
        &mut self,
        hands: &Hands,
        Candidate { row, has_room, assigned }: &Candidate,
        cell: LeaseCell,
    ) -> Found {
        self.leave_to_others(hands, row, &cell);
        let seen = assigned.as_ref().and_then(|it| it.seen.as_ref());
        Found {
            job: row.id.clone(),
            is_suspended: row.suspended,
            is_here: hands.holds(&row.id),
            has_room: *has_room,
            is_orphan: self.ports.links.is_orphan(&cell, self.ports.clock.monotonic()),
            is_assigned: assigned.is_some(),
            is_vouched: seen == Some(&cell),
            leaves_class: self.leaves_class(hands, row, &cell).await,
            cell,
        }
    }

    /// Whether a job would compute in another class here than it is in, and a node of that class is
    /// there. In which one this node computes is measured while others work at the job: so it is
    /// known once somebody has to take it over.
    async fn leaves_class(&mut self, hands: &Hands, row: &JobRow, cell: &LeaseCell) -> bool {
        let Some((class, kind, threads)) = row.stays_in() else { return false };
        let serving = if hands.classes.contains(&kind) { kind } else { kind.other() };
        if self.numerics.of(serving, threads).as_ref() == Some(class) {
            return false;
        }
        let others = self.others().await.filter(|it| Some(&it.incarnation) != cell.owner.as_ref());
        let mut of_class = others.filter(|it| it.computes_in(kind, class));
        of_class.any(|it| {
            it.standing == Standing::Working && !it.is_full && row.may_be_on(&it.ground())
        })
    }

    /// Other nodes that are there, as they were a moment ago, or when they could last be read.
    async fn others(&mut self) -> impl Iterator<Item = &Presence> {
        let (own, (present, read_at)) = (&self.own, &mut self.present);
        let now = self.ports.clock.monotonic();
        let is_fresh = |at: &Millis| now.get().saturating_sub(at.get()) < PRESENCE_PERIOD_MS;
        if let Some(board) = &self.ports.board
            && !read_at.as_ref().is_some_and(is_fresh)
        {
            *read_at = Some(now);
            match answer("look who else is there", board.all()).await {
                Ok(all) => *present = all,
                Err(error) => tracing::debug!(%error, "who else is there is not known"),
            }
        }
        present.iter().filter(move |it| it.incarnation != *own)
    }

    /// What a leader says that is to be taken up here; none if none is heard.
    async fn hear(&mut self) -> Result<Option<Assignments>, StoreError> {
        let Some(board) = &self.ports.assignments else { return Ok(None) };
        let read = answer("look what is to run here", board.assigned(&self.own)).await?;
        let told = self.hearing.hear(read, self.ports.clock.monotonic());
        let is = match &told {
            None => Led::ByNobody,
            Some(told) if self.is_shared || told.is_kept || !told.jobs.is_empty() => Led::Strictly,
            Some(_) => Led::Loosely,
        };
        let _ = self.node.cast(NodeSupervisorMessage::Led { is });
        Ok(told)
    }

    /// All that run, and those that wait and may be here, in order of their turns; of the latter no
    /// more have room than could begin here. Where a leader is heard, those that it assigned.
    async fn candidates(
        &self,
        hands: &Hands,
        told: Option<&Assignments>,
    ) -> Result<Vec<Candidate>, StoreError> {
        let running = self.in_line(StateClass::Running, None, &BTreeSet::new(), usize::MAX).await?;
        let said = |job: &JobId| told.and_then(|it| it.jobs.iter().find(|it| it.job == *job));
        let running = running.into_iter().map(|row| {
            let assigned = said(&row.id).cloned();
            Candidate { row, has_room: true, assigned }
        });
        let mut candidates: Vec<_> = running.collect();
        let mut room = hands.free.clone();
        if let Some(told) = told {
            self.leave_to_leader(hands, told, &candidates);
            candidates.extend(self.assigned(hands, told).await?);
            return Ok(candidates);
        }
        let seats: usize = room.values().sum();
        let here: BTreeSet<JobId> = hands.waiting.iter().chain(&hands.running).cloned().collect();
        let most = CANDIDATES.max(seats.saturating_mul(CANDIDATES));
        let waiting = self.in_line(StateClass::Waiting, Some(&self.ground), &here, most);
        for row in waiting.await? {
            let has_room = take_seats(&mut room, Demand::of(&row), &hands.classes);
            candidates.push(Candidate { row, has_room, assigned: None });
        }
        Ok(candidates)
    }

    /// Waiting jobs that a leader assigned and that are not here yet; and those that it leaves to
    /// whoever understands them.
    async fn assigned(
        &self,
        hands: &Hands,
        told: &Assignments,
    ) -> Result<Vec<Candidate>, StoreError> {
        let mut room = hands.free.clone();
        let mut candidates = Vec::new();
        for assigned in told.jobs.iter().filter(|it| !hands.holds(&it.job)) {
            let Some(row) = self.waiting(&assigned.job).await? else { continue };
            let has_room = take_seats(&mut room, Demand::of(&row), &hands.classes);
            candidates.push(Candidate { row, has_room, assigned: Some(assigned.clone()) });
        }
        for job in told.left.iter().filter(|job| !hands.holds(job)) {
            let Some(row) = self.waiting(job).await? else { continue };
            if row.may_be_on(&self.ground) {
                let has_room = take_seats(&mut room, Demand::of(&row), &hands.classes);
                candidates.push(Candidate { row, has_room, assigned: None });
            }
        }
        Ok(candidates)
    }

    /// The row of a job that waits, if this version understands it.
    async fn waiting(&self, job: &JobId) -> Result<Option<JobRow>, StoreError> {
        let read = unless_newer(answer("read job", self.ports.jobs.read(job)).await)?;
        Ok(read.filter(|row| StateClass::of(&row.state) == StateClass::Waiting))
    }

    /// What waits here, and was not begun anywhere nor assigned to this node, waits in the store.
    fn leave_to_leader(&self, hands: &Hands, told: &Assignments, running: &[Candidate]) {
        let is_ours = |job: &JobId| {
            let is_named = told.jobs.iter().any(|it| it.job == *job) || told.left.contains(job);
            is_named || running.iter().any(|it| it.row.id == *job)
        };
        for job in hands.waiting.iter().filter(|job| !is_ours(job)) {
            let left = NodeSupervisorMessage::GoneElsewhere { job: job.clone() };
            let _ = self.node.cast(left);
        }
    }

    /// A job that waits here and that another node works at need not wait here. One whose holder is
    /// gone is taken up with the lease as it is: it stays until that changes.
    fn leave_to_others(&self, hands: &Hands, row: &JobRow, cell: &LeaseCell) {
        let is_others = cell.owner.as_ref().is_some_and(|owner| *owner != self.own);
        let runs = matches!(row.state, JobState::Running { .. });
        let is_alive = self.taken.get(&row.id) != Some(cell);
        if is_others && runs && is_alive && hands.waiting.contains(&row.id) {
            let left = NodeSupervisorMessage::GoneElsewhere { job: row.id.clone() };
            let _ = self.node.cast(left);
        }
    }

    /// Ends what is here and was ordered to end on another node. Of jobs that wait those are looked
    /// at that nobody can end but whoever takes them over.
    async fn heed_orders(&self, hands: &Hands) -> Result<(), StoreError> {
        let orphans = hands.waiting.iter().filter(|job| self.taken.contains_key(*job));
        for job in hands.running.iter().chain(orphans) {
            if self.ports.is_end_ordered(job).await? {
                let order = NodeSupervisorMessage::EndHere { job: job.clone() };
                let _ = self.node.cast(order);
            }
        }
        Ok(())
    }

    async fn in_line(
        &self,
        class: StateClass,
        ground: Option<&Ground>,
        but: &BTreeSet<JobId>,
        most: usize,
    ) -> Result<Vec<JobRow>, StoreError> {
        let looking = self.ports.jobs.first_in_line(class, ground, but, most);
        answer("look who is first in line", looking).await
    }
}

/// A job that has not ended.
struct Candidate {
    row: JobRow,
    /// This node could begin with it, or have it wait.
    has_room: bool,
    /// What the leader says of it, if it assigned it to this node.
    assigned: Option<Assigned>,
}

/// Takes seats of this class, or of any where the node has none of it; false if none is free. Those
/// that are free already are kept there for a job that needs more.
fn take_seats(
    room: &mut BTreeMap<DeviceClass, usize>,
    Demand { class, devices, .. }: Demand,
    classes: &BTreeSet<DeviceClass>,
) -> bool {
    let serves = |it: &DeviceClass| *it == class || !classes.contains(&class);
    let Some((_, free)) = room.iter_mut().find(|(it, free)| serves(it) && **free > 0) else {
        return false;
    };
    *free = free.saturating_sub(usize::try_from(devices).unwrap_or(usize::MAX));
    true
}

impl Hands {
    fn holds(&self, job: &JobId) -> bool {
        self.waiting.contains(job) || self.running.contains(job)
    }
}

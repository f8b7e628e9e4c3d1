//! Places the waiting jobs of a cluster, on the node that leads: shell of
//! `protocol/src/placement/leader.rs`. On all others it looks whether somebody leads.
//!
//! It only tells nodes what to take up. Whether a job is theirs then is decided by a claim.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ractor::ActorRef;
use tgs_protocol::{
    id::{Incarnation, JobId, TenantId},
    job::listing::StateClass,
    lease::{Lease, LeaseCell},
    limits::{FIND_PERIOD_MS, LEADER_JOBS_MAX, LEADER_LOOK_MS, LEADER_SAY_MS, LEFT_TOLD_MAX},
    metric_definitions::{JOBS_WAITING, PLACEMENTS},
    peer::{PeerLink, PeerRequest},
    placement::{
        Share,
        board::{AssignmentBoard, Assignments},
        leader::{InLine, Leader, Said, Seen},
        leadership::{Leadership, Office, office},
    },
    presence::{Presence, PresenceBoard, Standing},
    queue::{Demand, Waiting},
    store::{StoreError, Written},
    unit::Millis,
};
use tokio::task::JoinSet;

use crate::{
    looker::{Looks, Trouble},
    mesh::Bell,
    node_supervisor::message::{Hands, NodeSupervisorMessage},
    ports::Ports,
    store_call::{answer, unless_newer},
};

/// Calls to stores that are under way at the same time.
const AT_ONCE: usize = 32;

/// What it stands on.
#[derive(Clone)]
pub(crate) struct Council {
    pub(crate) ports: Ports,
    pub(crate) assignments: Arc<dyn AssignmentBoard>,
    pub(crate) presence: Arc<dyn PresenceBoard>,
    pub(crate) own: Incarnation,
    pub(crate) node: ActorRef<NodeSupervisorMessage>,
    /// What tenants are entitled to.
    pub(crate) shares: BTreeMap<TenantId, Share>,
}

/// One node's scheduler.
pub(crate) struct Scheduler {
    council: Council,
    leadership: Leadership,
    /// What it knows while it leads.
    reign: Reign,
    trouble: Trouble,
}

/// What is known in one time of leading.
#[derive(Default)]
struct Reign {
    leader: Leader,
    /// Jobs in line that were read.
    known: BTreeMap<JobId, InLine>,
    /// Whose jobs are that run, and how many devices each has.
    owners: BTreeMap<JobId, (TenantId, u32)>,
    /// What earlier leaders said was taken over.
    has_begun: bool,
    /// Jobs in line that only a newer version understands: the first.
    left: Vec<JobId>,
    /// Why jobs wait, as all were told, and when.
    posted: Option<(Vec<(JobId, Waiting)>, Millis)>,
    /// Tenants whose number of waiting jobs is measured.
    measured: BTreeSet<TenantId>,
}

impl Looks for Scheduler {
    async fn look(&mut self) -> Option<Duration> {
        match self.look_after_office().await {
            Ok(()) => self.trouble.is_over(),
            Err(error) => self.trouble.is_there(&error),
        }
        let rest = if self.leadership.leads() { LEADER_LOOK_MS } else { FIND_PERIOD_MS };
        Some(Duration::from_millis(rest))
    }

    fn bell(&self) -> Option<Bell> {
        Some(self.council.ports.links.bell_of_work())
    }
}

impl Scheduler {
    pub(crate) fn new(council: Council) -> Self {
        let trouble = Trouble::of("jobs are not placed by this node");
        Self { council, leadership: Leadership::default(), reign: Reign::default(), trouble }
    }

    async fn look_after_office(&mut self) -> Result<(), StoreError> {
        // Without an answer the node has no time to lead either.
        let Some(hands) = Hands::of(&self.council.node).await else { return Ok(()) };
        let Council { ports, own, .. } = &self.council;
        let (leases, clock) = (ports.leases.clone(), ports.clock.clone());
        if hands.standing != Standing::Working {
            if let Some(lease) = self.leadership.is_lost() {
                self.reign.end();
                let _ = answer("give the lead back", leases.release(&lease)).await?;
                ports.links.tell_all(PeerRequest::Look);
            }
            return Ok(());
        }
        let sent = clock.monotonic();
        let lease = match self.leadership.duty(sent) {
            Office::Lead(lease) => lease,
            Office::Renew(lease) => {
                match answer("renew the lead", leases.renew(&lease)).await? {
                    Written::Done => self.leadership.is_held(lease.clone(), sent),
                    Written::Overtaken { by } => {
                        tracing::warn!(%by, "another node places jobs now");
                        self.leadership.is_lost();
                        self.reign.end();
                        return Ok(());
                    }
                }
                lease
            }
            Office::Look => {
                self.reign.end();
                let cell = answer("look who leads", leases.look(&office())).await?;
                let now = clock.monotonic();
                let is_gone = ports.links.is_orphan(&cell, now) || cell.owner.as_ref() == Some(own);
                let Some(seen) = self.leadership.looked(cell, now, is_gone) else {
                    return Ok(());
                };
                let sent = clock.monotonic();
                let office = office();
                let claim = leases.claim(&office, own, &seen);
                let Some(lease) = answer("claim the lead", claim).await? else { return Ok(()) };
                tracing::info!(epoch = %lease.epoch, "this node places the jobs of the cluster");
                self.leadership.is_held(lease.clone(), sent);
                lease
            }
        };
        let said = self.reign.place(&self.council, &lease).await?;
        self.reign.tell(&self.council, said).await
    }
}

impl Reign {
    /// It leads no more.
    fn end(&mut self) {
        for tenant in std::mem::take(&mut self.measured) {
            metrics::gauge!(JOBS_WAITING, "tenant" => tenant.as_str().to_owned()).set(0.0);
        }
        *self = Self::default();
    }

    async fn place(&mut self, council: &Council, lease: &Lease) -> Result<Said, StoreError> {
        let Council { ports, presence, shares, .. } = council;
        let nodes = answer("look who is there", presence.all()).await?;
        let asks = self.leader.asks(ports.clock.monotonic());
        self.read_line(ports, &asks).await?;
        let running = self.running(ports, &nodes).await?;
        let cells = self.cells(ports, asks).await;
        let now = ports.clock.monotonic();
        let line: Vec<_> = self.known.values().collect();
        if !std::mem::replace(&mut self.has_begun, true) {
            for node in &nodes {
                let told = council.assignments.assigned(&node.incarnation);
                if let Some(told) = answer("read what was said before", told).await? {
                    self.leader.adopt(&node.incarnation, &told, &line, now);
                }
            }
        }
        let nodes: Vec<_> = nodes.iter().collect();
        let seen = Seen { now, nodes: &nodes, line: &line, cells, running, shares };
        Ok(self.leader.look(seen, lease))
    }

    /// Reads who is in line and who has begun, with rows of those that are new or may have changed.
    async fn read_line(&mut self, ports: &Ports, asks: &BTreeSet<JobId>) -> Result<(), StoreError> {
        let mut before = std::mem::take(&mut self.known);
        before.retain(|job, _| !asks.contains(job));
        // Whoever begins meanwhile is in both, and counts as one that has begun.
        for class in [StateClass::Waiting, StateClass::Running] {
            let has_begun = class == StateClass::Running;
            let known = before.iter().filter(|(_, it)| it.has_begun == has_begun);
            let known: BTreeSet<_> = known.map(|(job, _)| job.clone()).collect();
            let line = ports.jobs.line(class, &known, LEADER_JOBS_MAX);
            let (names, rows) = answer("look who waits", line).await?;
            if !has_begun {
                let read: BTreeSet<_> = rows.iter().map(|row| &row.id).collect();
                let is_unread = |job: &&JobId| !known.contains(*job) && !read.contains(job);
                let unread = names.iter().filter(is_unread).take(LEFT_TOLD_MAX);
                self.left = unread.cloned().collect();
            }
            let same = names.iter().filter(|job| known.contains(*job));
            let same = same.filter_map(|job| before.remove_entry(job));
            self.known.extend(same);
            self.known.extend(rows.iter().map(|row| (row.id.clone(), InLine::of(row))));
        }
        Ok(())
    }

    /// How many devices tenants have.
    async fn running(
        &mut self,
        ports: &Ports,
        nodes: &[Presence],
    ) -> Result<BTreeMap<TenantId, u32>, StoreError> {
        let mut owners = BTreeMap::new();
        let mut running = BTreeMap::new();
        for job in nodes.iter().flat_map(|node| &node.running) {
            let known = self.owners.remove(job);
            let in_line = |it: &InLine| (it.tenant.clone(), it.turn.demand.devices);
            let known = known.or_else(|| self.known.get(job).map(in_line));
            let (tenant, devices) = match known {
                Some(known) => known,
                None => match unless_newer(answer("read job", ports.jobs.read(job)).await)? {
                    Some(row) => (row.tenant(), Demand::of(&row).devices),
                    None => continue,
                },
            };
            *running.entry(tenant.clone()).or_default() += devices;
            owners.insert(job.clone(), (tenant, devices));
        }
        self.owners = owners;
        Ok(running)
    }

    /// Leases of jobs in line that nobody took up; what cannot be read is looked at again.
    async fn cells(&self, ports: &Ports, asks: BTreeSet<JobId>) -> Vec<(JobId, LeaseCell, bool)> {
        let mut calls = JoinSet::new();
        let mut cells = Vec::new();
        let mut asks = asks.into_iter().filter(|job| self.known.contains_key(job));
        loop {
            while calls.len() < AT_ONCE
                && let Some(job) = asks.next()
            {
                let leases = ports.leases.clone();
                calls.spawn(async move {
                    let cell = answer("look at lease", leases.look(&job)).await;
                    (job, cell)
                });
            }
            match calls.join_next().await {
                Some(Ok((job, Ok(cell)))) => {
                    let is_orphan = ports.links.is_orphan(&cell, ports.clock.monotonic());
                    cells.push((job, cell, is_orphan));
                }
                Some(_) => {}
                None => return cells,
            }
        }
    }

    async fn tell(&mut self, council: &Council, said: Said) -> Result<(), StoreError> {
        let Council { ports, assignments, .. } = council;
        let Said { rows, new, notice, waiting } = said;
        let mut calls = JoinSet::new();
        let (mut rows, mut first) = (rows.into_iter(), Ok(()));
        loop {
            while calls.len() < AT_ONCE
                && let Some((node, told)) = rows.next()
            {
                let told = Assignments { left: self.left.clone(), ..told };
                calls.spawn(assign(assignments.clone(), node, told));
            }
            match calls.join_next().await {
                Some(Ok((_, Ok(())))) => {}
                Some(Ok((node, Err(error)))) => {
                    self.leader.was_not_told(&node);
                    first = first.and(Err(error));
                }
                Some(Err(_)) => {}
                None => break,
            }
        }
        if new > 0 {
            metrics::counter!(PLACEMENTS).increment(new);
            ports.links.all_look();
        }
        for tenant in self.measured.iter().filter(|it| !waiting.contains_key(*it)) {
            metrics::gauge!(JOBS_WAITING, "tenant" => tenant.as_str().to_owned()).set(0.0);
        }
        for (tenant, jobs) in waiting {
            let label = tenant.as_str().to_owned();
            metrics::gauge!(JOBS_WAITING, "tenant" => label).set(jobs as f64);
            self.measured.insert(tenant);
        }
        let now = ports.clock.monotonic();
        let is_fresh = |at: Millis| now.get().saturating_sub(at.get()) < LEADER_SAY_MS;
        let stands = self.posted.as_ref();
        if !stands.is_some_and(|(waits, at)| *waits == notice.waits && is_fresh(*at)) {
            answer("say why jobs wait", assignments.post(&notice)).await?;
            self.posted = Some((notice.waits, now));
        }
        first
    }
}

async fn assign(
    board: Arc<dyn AssignmentBoard>,
    node: Incarnation,
    told: Assignments,
) -> (Incarnation, Result<(), StoreError>) {
    let assigned = answer("tell a node what to take up", board.assign(&node, &told)).await;
    (node, assigned)
}

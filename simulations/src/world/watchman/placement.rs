//! Holds PLACE-1, PLACE-2 and PLACE-3 against one placement from outside: from what was asked and
//! what was answered. How the answer came about is not asked.

use std::collections::BTreeMap;

use tgs_protocol::{
    id::{Incarnation, TenantId},
    invariant::Invariant,
    placement::{Assignment, ClusterNode, ClusterView, Placement, WaitingJob},
    presence::Standing,
    queue::DeviceClass,
};

/// What is given of one cluster.
#[derive(Debug, Default)]
struct Given<'a> {
    devices: BTreeMap<(&'a Incarnation, DeviceClass), u32>,
    memory: BTreeMap<&'a Incarnation, u64>,
    tenants: BTreeMap<&'a TenantId, u32>,
}

/// Which promise a placement of this cluster breaks, and how.
pub fn wrong(view: &ClusterView, placement: &Placement<'_>) -> Option<(Invariant, String)> {
    let mut given = Given::default();
    placement.assignments.iter().find_map(|Assignment { job, node, .. }| {
        let job = view.jobs.iter().find(|it| it.job == **job);
        let there = view.nodes.iter().find(|it| it.incarnation == **node);
        let Some((job, there)) = job.zip(there) else {
            return Some((Invariant::Place1, format!("nobody knows {node}")));
        };
        let (invariant, facts) = given.wrong(view, job, there)?;
        Some((invariant, format!("{} is placed on {node}: {facts}", job.job)))
    })
}

impl<'a> Given<'a> {
    /// Gives a job what it needs of a node; says what is wrong with it.
    fn wrong(
        &mut self,
        view: &'a ClusterView,
        job: &'a WaitingJob,
        node: &'a ClusterNode,
    ) -> Option<(Invariant, String)> {
        let regions = &job.residency.0;
        if !regions.is_empty() && !regions.contains(&node.region) {
            return Some((Invariant::Place1, format!("region {}", node.region)));
        }
        if node.standing != Standing::Working || (node.is_spot && !job.may_use_spot) {
            return Some((Invariant::Place1, format!("{:?}", node.standing)));
        }
        let (cpus, gpus) = (&node.cpus, &node.gpus);
        let (class, there) = match job.turn.demand.class {
            DeviceClass::Cpu if cpus.usable == 0 => (DeviceClass::Gpu, gpus),
            DeviceClass::Gpu if gpus.usable == 0 => (DeviceClass::Cpu, cpus),
            DeviceClass::Cpu => (DeviceClass::Cpu, cpus),
            DeviceClass::Gpu => (DeviceClass::Gpu, gpus),
        };
        let devices = self.devices.entry((&node.incarnation, class)).or_default();
        *devices += job.gang.get();
        let memory = self.memory.entry(&node.incarnation).or_default();
        *memory += job.turn.demand.memory.get().min(node.memory.get());
        if job.gang.get() > there.usable {
            return Some((Invariant::Place3, format!("{} of {}", job.gang, there.usable)));
        }
        if *devices > there.free || *memory > node.free_memory.get() {
            return Some((Invariant::Place2, format!("{devices} devices, memory {memory}")));
        }
        let share = view.tenants.get(&job.tenant).copied().unwrap_or_default();
        let used = self.tenants.entry(&job.tenant).or_insert(share.used);
        *used += job.gang.get();
        let is_over = share.quota.is_some_and(|quota| *used > quota);
        is_over.then(|| (Invariant::Place3, format!("{used} devices of {:?}", share.quota)))
    }
}

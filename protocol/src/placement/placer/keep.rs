//! Nodes that are kept for one job, so that nobody starves.
//!
//! A job that needs several devices, or much memory, would wait for ever where smaller ones take
//! every bit that becomes free. So the first one of its kind in line that finds no room, where
//! somebody else could find some, has one node kept for it: the one that lacks least. Nobody whose
//! turn is later comes there, nor anybody of another tenant, until what runs there has ended.
//! What is kept counts as used, or its tenant could have it beyond its quota.
//!
//! It is kept from one placement to the next. Else the next one, in which other tenants have less
//! than their shares, would give the room away, and the job could wait for ever after all.

use super::{Job, Need, Placer, WaitingJob};

impl<'a> Placer<'a> {
    /// Keeps nodes for those for whom the last placement did, one for each kind.
    pub(in crate::placement) fn keep_kept(&mut self) {
        for (job, node) in self.said_last(WaitingJob::kept_at) {
            let Job { kind, tenant, memory, is_resting, .. } = self.jobs[job];
            let kind = &self.kinds.all[kind];
            let Ok(need) = kind.need(memory) else { continue };
            let may = !is_resting
                && kind.keeper.is_none()
                && kind.may_use(self.room.nodes[node].pool)
                && !self.room.is_closed(node)
                && self.room.holds_when_empty(node, need)
                && self.tenants[tenant].may_have(need.devices);
            if may {
                self.set_kept(job, node, need);
            }
        }
    }

    /// The node that is kept for this job, from now on if none was. One that is kept for a later
    /// job of the same tenant is taken over.
    pub(super) fn keep(&mut self, job: usize, need: Need) -> Option<usize> {
        let Job { tenant, kind, kept, .. } = self.jobs[job];
        if let Some(node) = kept {
            if self.room.lacks(node, need).is_some() {
                return kept;
            }
            self.give_up_kept(job);
            self.released.push(node);
        }
        let keeper = self.kinds.all[kind].keeper;
        let later = self.tenants[tenant].keeping.iter().copied().filter(|it| *it > job);
        let later = later.filter(|it| keeper.is_none_or(|keeper| keeper == *it));
        let kept_later = later.filter_map(|it| Some((self.jobs[it].kept?, it)));
        let may_use = |node: usize| self.kinds.all[kind].may_use(self.room.nodes[node].pool);
        let taken_over = kept_later
            .filter(|(node, _)| may_use(*node))
            .filter_map(|(node, later)| Some((self.room.lacks(node, need)?, Some(later))))
            .min();
        let open = keeper.is_none().then(|| self.soonest_open(kind, need)).flatten();
        let open = open.map(|lacks| (lacks, None));
        let ((.., node), later) = [open, taken_over].into_iter().flatten().min()?;
        if let Some(later) = later {
            self.give_up_kept(later);
            self.has_passed_on = true;
        }
        self.set_kept(job, node, need);
        Some(node)
    }

    fn soonest_open(&mut self, kind: usize, need: Need) -> Option<(u32, u64, usize)> {
        let kind = &mut self.kinds.all[kind];
        if need.memory >= kind.unkept {
            return None;
        }
        let soonest = kind.soonest(need, &self.room);
        if soonest.is_none() {
            kind.unkept = need.memory;
        }
        soonest
    }

    fn set_kept(&mut self, job: usize, node: usize, need: Need) {
        self.room.close(node);
        let Job { tenant, kind, kept, .. } = &mut self.jobs[job];
        *kept = Some(node);
        self.kinds.all[*kind].keeper = Some(job);
        let tenant = &mut self.tenants[*tenant];
        tenant.used += u64::from(need.devices);
        tenant.keeping.push(job);
    }

    /// A job no longer has the node that was kept for it, if one was; it stays closed.
    pub(super) fn give_up_kept(&mut self, job: usize) -> Option<usize> {
        let Job { it, tenant, kind, kept, .. } = &mut self.jobs[job];
        let node = kept.take()?;
        self.kinds.all[*kind].keeper = None;
        let tenant = &mut self.tenants[*tenant];
        tenant.used = tenant.used.saturating_sub(u64::from(it.gang.get()));
        tenant.keeping.retain(|other| *other != job);
        Some(node)
    }
}

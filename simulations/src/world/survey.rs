//! What a look at all jobs reads: which have not ended, their leases, and orders to end them.

use super::store::{JobNo, Op, Reply, Store};

impl Store {
    /// What a look at all jobs reads.
    pub(super) fn survey(&self, op: &Op) -> Reply {
        let row = |no: &JobNo| (*no, self.jobs[no.at()].row.clone());
        let standing = |no: &JobNo| Some(&self.jobs[no.at()]).filter(|it| !it.is_forgotten);
        match op {
            Op::Leases(jobs) => {
                let cell = |no| standing(no).map(|it| it.cell.clone());
                Reply::Cells(jobs.iter().map(cell).collect())
            }
            Op::Orders(jobs) => {
                let is_to_end = |no: &&JobNo| standing(no).is_some_and(|it| it.is_to_end);
                Reply::Ordered(jobs.iter().filter(is_to_end).copied().collect())
            }
            _ => Reply::Unfinished(self.open.iter().map(row).collect()),
        }
    }
}

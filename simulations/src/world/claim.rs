//! How a supervisor of the made-up world comes to hold its job's lease: as
//! `actors/src/job_supervisor/claim.rs` does.

use std::rc::Rc;

use tgs_protocol::{
    code::{Code, Retry},
    job::{Job, JobEvent},
    lease::{
        LeaseCell,
        rule::{Holding, Sighting},
    },
    limits::{LEASE_TICK_MS, RETRY_BACK_OFF_MS},
    unit::Millis,
};

use super::{
    World,
    event::Letter,
    flaw::Flaw,
    shell::Shell,
    store::{Op, Reply},
};

impl World<'_> {
    /// The answer to a look, a claim, or the first reading of the row.
    pub(super) fn claim_answered(
        &mut self,
        shell: &mut Shell,
        op: &Op,
        reply: Reply,
        sent: Millis,
    ) {
        match (op, reply) {
            (Op::Look, Reply::Cell(cell)) => self.looked(shell, cell),
            (Op::Claim(..), Reply::Claimed(Some(lease))) => {
                shell.lease = Some(Rc::new(lease));
                shell.holding = Some(Holding { sent });
                self.ask(shell, Op::Read);
            }
            // Somebody else was faster, and works at it.
            (Op::Claim(..), Reply::Claimed(None)) => shell.leave(),
            (Op::Read, Reply::Row(row, sealed)) => {
                let Some(lease) = &shell.lease else { return };
                let epoch = lease.epoch;
                shell.machine = Some(Job::new((*row).clone()));
                shell.saved = Some(row);
                if shell.is_to_cancel {
                    shell.events.push_back(JobEvent::CancelAsked);
                }
                shell.events.push_back(JobEvent::Claimed { epoch, sealed });
            }
            (_, Reply::Failed(code)) => self.claim_failed(shell, code),
            _ => shell.leave(),
        }
    }

    fn looked(&mut self, shell: &mut Shell, cell: LeaseCell) {
        let node = &self.nodes[shell.node as usize];
        let now = node.clock(self.now_ms);
        let is_ours = cell.owner.as_ref() == Some(&*node.incarnation);
        let earlier = shell.sighting.take();
        let earlier = earlier.unwrap_or_else(|| Sighting::first(cell.clone(), now));
        if earlier.cell != cell && cell.owner.is_some() && !is_ours {
            return shell.leave(); // It was renewed or claimed while we looked: its holder lives.
        }
        let sighting = earlier.look(cell.clone(), now);
        // The node starts one supervisor per job: an earlier one of this very boot is dead.
        let is_known = is_ours || self.flaw == Some(Flaw::ClaimsAtOnce);
        let may_claim = sighting.may_claim(now, is_known);
        shell.sighting = Some(sighting);
        if may_claim {
            let owner = node.incarnation.clone();
            self.ask(shell, Op::Claim(owner, cell));
        } else {
            let after_ms = node.lasts_ms(LEASE_TICK_MS);
            self.post(after_ms, shell.no, Letter::Claim);
        }
    }

    /// A claim whose outcome is unknown is looked at like anybody's.
    fn claim_failed(&mut self, shell: &mut Shell, code: Code) {
        let back_off = RETRY_BACK_OFF_MS.get(shell.claim_tries).copied();
        shell.claim_tries += 1;
        match (back_off, shell.lease.take()) {
            (Some(after), lease) if code.retry() == Retry::Later => {
                shell.lease = lease;
                let after_ms = self.nodes[shell.node as usize].lasts_ms(after);
                self.post(after_ms, shell.no, Letter::Claim);
            }
            (_, Some(lease)) => {
                shell.holding = None;
                self.ask_store(shell, Op::Release(lease), super::event::Asker::Nobody);
                shell.leave();
            }
            (_, None) => shell.leave(),
        }
    }
}

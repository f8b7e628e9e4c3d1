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
    event::{Asker, Letter},
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
                shell.claimed_ms = self.now_ms;
                self.ask(shell, Op::Read);
            }
            // Somebody else was faster, and works at it.
            (Op::Claim(..), Reply::Claimed(None)) => shell.leave(),
            (Op::Read, Reply::Row(row, sealed, is_to_end)) => {
                let Some(lease) = &shell.lease else { return };
                let epoch = lease.epoch;
                shell.machine = Some(Job::new((*row).clone()));
                shell.saved = Some(row);
                shell.is_to_cancel |= is_to_end && self.flaw != Some(Flaw::ClaimsBlindly);
                if shell.is_to_cancel {
                    shell.events.push_back(JobEvent::CancelAsked);
                }
                shell.events.push_back(JobEvent::Claimed { epoch, sealed });
                if shell.moves {
                    shell.events.extend(moving());
                }
            }
            (_, Reply::Failed(code)) => self.claim_failed(shell, code),
            _ => shell.leave(),
        }
    }

    fn looked(&mut self, shell: &mut Shell, cell: LeaseCell) {
        let now = self.clock_of_claims(shell.node);
        let node = &self.nodes[shell.node as usize];
        let is_ours = cell.owner.as_ref() == Some(&*node.incarnation);
        let earlier = shell.sighting.take();
        let earlier = earlier.unwrap_or_else(|| Sighting::first(cell.clone(), now));
        if earlier.cell != cell && cell.owner.is_some() && !is_ours {
            return shell.leave(); // It was renewed or claimed while we looked: its holder lives.
        }
        let sighting = earlier.look(cell.clone(), now);
        // The node starts one supervisor per job: an earlier one of this very boot is dead.
        let is_flawed = self.flaw == Some(Flaw::ClaimsAtOnce);
        let is_known = is_ours || self.is_orphan(&cell) || is_flawed;
        let may_claim = sighting.may_claim(now, is_known);
        shell.sighting = Some(sighting);
        if may_claim {
            let owner = node.incarnation.clone();
            self.ask(shell, Op::Claim(owner, cell));
        } else if shell.moves {
            self.leave_before_work(shell);
        } else {
            let after_ms = node.lasts_ms(LEASE_TICK_MS);
            self.post(after_ms, shell.no, Letter::Claim);
        }
    }

    /// A claim whose outcome is unknown is looked at like anybody's.
    fn claim_failed(&mut self, shell: &mut Shell, code: Code) {
        let back_off = RETRY_BACK_OFF_MS.get(shell.claim_tries).copied();
        shell.claim_tries += 1;
        let is_given_up = shell.moves && shell.lease.is_some();
        match back_off.filter(|_| code.retry() == Retry::Later && !is_given_up) {
            Some(after) => {
                let after_ms = self.nodes[shell.node as usize].lasts_ms(after);
                self.post(after_ms, shell.no, Letter::Claim);
            }
            None => self.leave_before_work(shell),
        }
    }

    /// Leaves before anything was begun; others need not wait for the lease.
    pub(super) fn leave_before_work(&mut self, shell: &mut Shell) {
        shell.holding = None;
        if let Some(lease) = shell.lease.take() {
            self.ask_store(shell, Op::Release(lease), Asker::Nobody);
        }
        shell.leave();
    }
}

/// What a supervisor does whose job moves.
pub(super) fn moving() -> [JobEvent; 2] {
    [JobEvent::Noticed("it goes on elsewhere".to_owned()), JobEvent::DrainAsked]
}

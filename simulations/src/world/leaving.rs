//! How nodes stop taking up jobs, and how they leave: at an order of their operators, at a notice
//! of the machine's owner, for a newer program, or with their whole region.

use tgs_protocol::{
    limits::{PRESENCE_PERIOD_MS, SPOT_LOOK_MS, STANDSTILL_MS},
    presence::NodeOrder,
};

use super::{
    World,
    event::{Event, Letter},
    fault::{Kind, Site},
};
use crate::dice::Dice;

impl World<'_> {
    /// Operators want something of a node, for a while.
    pub(super) fn order_node(&mut self, no: u32, wanted: NodeOrder, ms: u64) {
        let node = &mut self.nodes[no as usize];
        (node.wanted, node.wanted_until_ms) = (wanted, self.now_ms + ms);
        let boot = node.boot;
        self.plan(ms % PRESENCE_PERIOD_MS, Event::Heed { node: no, boot });
    }

    /// A node reads what its operators want of it, and does it; it looks again while that may
    /// change.
    pub(super) fn heed(&mut self, no: u32) {
        let node = &mut self.nodes[no as usize];
        if node.wanted_until_ms <= self.now_ms {
            node.wanted = NodeOrder::Work;
        }
        let (boot, wanted) = (node.boot, node.wanted);
        let is_cut = node.cut_out_until_ms.max(node.cut_in_until_ms) > self.now_ms;
        if is_cut || wanted != NodeOrder::Work {
            self.plan(PRESENCE_PERIOD_MS, Event::Heed { node: no, boot });
        }
        let node = &mut self.nodes[no as usize];
        if is_cut {
            return;
        }
        if node.ordered.replace(wanted) == Some(wanted) {
            return;
        }
        self.say(wanted != NodeOrder::Work, |_| format!("node {no} is to {wanted:?}"));
        match wanted {
            NodeOrder::Work => {}
            NodeOrder::Cordon => self.send_waiting_away(no),
            NodeOrder::Drain => self.hand_over(no),
        }
    }

    /// A machine will be taken away soon; its node hears of it, unless it is gone before. Some
    /// machines stay after all.
    pub(super) fn give_notice(&mut self, no: u32, dice: &mut Dice) {
        let boot = self.nodes[no as usize].boot;
        let notice_ms = *dice.pick(&[0, 30_000, 120_000]).unwrap_or(&0);
        let heard_ms = dice.within(1, SPOT_LOOK_MS);
        self.plan(heard_ms, Event::Interrupt { node: no, boot, stays: false });
        let moment = self.faults.moment(no, Kind::OTHER);
        match self.faults.strikes(Site::Stays, moment) {
            Some(mut dice) => {
                let after_ms = heard_ms + dice.within(1, notice_ms.max(1));
                self.plan(after_ms, Event::Interrupt { node: no, boot, stays: true });
            }
            None => self.plan(notice_ms, Event::Kill { node: no, boot }),
        }
    }

    /// A node hears that its machine will be taken away, or stays after all.
    pub(super) fn interrupt(&mut self, no: u32, stays: bool) {
        let node = &mut self.nodes[no as usize];
        let was_interrupted = std::mem::replace(&mut node.is_interrupted, !stays);
        if !stays && !was_interrupted {
            self.hand_over(no);
        }
    }

    /// What is here goes on elsewhere.
    fn hand_over(&mut self, no: u32) {
        self.send_waiting_away(no);
        for (job, _) in self.nodes[no as usize].shells.clone() {
            self.move_away(no, job);
        }
    }

    /// Newer processes take the places of all, one after the other.
    pub(super) fn upgrade_all(&mut self, ms: u64) {
        let nodes = self.nodes.len() as u64;
        for no in 0..nodes {
            self.plan(no * ms / nodes, Event::Upgrade(no as u32));
        }
    }

    /// One of them.
    pub(super) fn upgrade(&mut self, no: u32) {
        if self.nodes[no as usize].is_awake(self.now_ms) {
            self.drain(no);
        }
    }

    /// All nodes of a region die, or hear and are heard no more.
    pub(super) fn lose_region(&mut self, region: u32, ms: u64, mut dice: Dice) {
        let (dies, until_ms) = (dice.below(2) == 0, self.now_ms + ms);
        for no in 0..self.nodes.len() as u32 {
            let node = &mut self.nodes[no as usize];
            if node.region != region || !node.is_up {
                continue;
            }
            if !dies {
                (node.cut_out_until_ms, node.cut_in_until_ms) = (until_ms, until_ms);
                continue;
            }
            self.crash(no);
            let after_ms = ms / 2 + self.nodes[no as usize].dice.below(5_000);
            self.plan(after_ms, Event::Boot(no));
        }
    }

    /// A process is asked to leave. What does not come to a standstill is left as it is.
    pub(super) fn drain(&mut self, no: u32) {
        let node = &mut self.nodes[no as usize];
        node.is_draining = true;
        let (boot, shells) = (node.boot, node.shells.clone());
        self.send_waiting_away(no);
        for (_, shell) in &shells {
            self.post(0, *shell, Letter::Drain);
        }
        self.plan(STANDSTILL_MS, Event::Kill { node: no, boot });
        self.end_if_drained(no);
    }

    /// A process that was asked to leave ends when nothing is in its hands any more.
    pub(super) fn end_if_drained(&mut self, no: u32) {
        let node = &mut self.nodes[no as usize];
        if node.is_up && node.is_draining && node.shells.is_empty() {
            node.die();
            let after_ms = node.dice.within(1_000, 10_000);
            self.watchman.lines[no as usize].clear();
            self.plan(after_ms, Event::Boot(no));
            self.say(true, |_| format!("node {no} ends"));
        }
    }
}

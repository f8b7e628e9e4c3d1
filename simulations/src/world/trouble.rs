//! Processes that begin and end, and what goes wrong with them.

use tgs_protocol::presence::NodeOrder;

use super::{
    World,
    event::{Asker, Event},
    fault::{Fault, Site},
    node::REGIONS_MAX,
    store::{Bytes, JobNo, Op},
    things::SUBSCRIBERS_FROM,
};

/// Troubles of nodes, each planned on its own.
const OF_NODES: [Site; 11] = [
    Site::Crash,
    Site::Freeze,
    Site::Suspend,
    Site::ClockJump,
    Site::Drain,
    Site::Notice,
    Site::CutOut,
    Site::CutIn,
    Site::DeviceBreaks,
    Site::Cordoned,
    Site::Emptied,
];
/// Troubles that all have in common.
const OF_ALL: [Site; 2] = [Site::DiskFull, Site::Upgrade];

impl World<'_> {
    pub(super) fn plan_troubles(&mut self) {
        let end_ms = self.weather.calm_at_ms;
        let present: Vec<u32> =
            self.nodes.iter().filter(|node| node.is_present).map(|node| node.no).collect();
        for node in present {
            for site in OF_NODES {
                for (at_ms, fault) in self.faults.troubles(site, node, end_ms) {
                    self.plan(at_ms, Event::Trouble(fault));
                }
            }
        }
        let of_all = OF_ALL.into_iter().map(|site| (site, 0));
        let of_regions = (0..REGIONS_MAX).map(|region| (Site::RegionLost, region));
        for (site, of) in of_all.chain(of_regions) {
            for (at_ms, fault) in self.faults.troubles(site, of, end_ms) {
                self.plan(at_ms, Event::Trouble(fault));
            }
        }
    }

    pub(super) fn trouble(&mut self, fault: Fault) {
        let (no, now_ms) = (fault.of, self.now_ms);
        let mut dice = self.faults.comes(fault);
        if no >= SUBSCRIBERS_FROM {
            return self.trouble_of_subscriber(fault, dice);
        }
        let ms = match fault.site {
            Site::DiskFull => dice.within(1_000, 120_000),
            _ => dice.within(1, 60_000),
        };
        self.say(true, |_| format!("for {ms} ms"));
        match fault.site {
            Site::DiskFull => return self.full_until_ms = now_ms + ms,
            Site::RegionLost => return self.lose_region(no, ms, dice),
            Site::Upgrade => return self.upgrade_all(ms),
            _ => {}
        }
        let node = &mut self.nodes[no as usize];
        let is_up = node.is_up;
        match fault.site {
            Site::CutOut => node.cut_out_until_ms = now_ms + ms,
            Site::DeviceBreaks => node.break_device(now_ms + 5 * ms, &mut dice),
            Site::CutIn => node.cut_in_until_ms = now_ms + ms,
            Site::ClockJump => node.jump(&mut dice),
            Site::Cordoned => self.order_node(no, NodeOrder::Cordon, ms),
            Site::Emptied => self.order_node(no, NodeOrder::Drain, ms),
            Site::Crash if is_up => {
                self.crash(no);
                self.plan(ms / 2, Event::Boot(no));
            }
            // One that stands still cannot be asked, nor made to stand still once more.
            _ if !node.is_awake(now_ms) => {}
            Site::Freeze => node.still_until_ms = now_ms + ms,
            Site::Suspend => node.suspend(now_ms, ms),
            Site::Drain => self.drain(no),
            Site::Notice => self.give_notice(no, &mut dice),
            _ => {}
        }
    }

    /// A process begins. Whoever opens the data folder removes what ended jobs have left.
    pub(super) fn boot(&mut self, no: u32) {
        let node = &mut self.nodes[no as usize];
        if node.is_up {
            return;
        }
        node.start(self.now_ms);
        let boot = node.boot;
        self.say(true, |_| format!("it is boot {boot}"));
        self.plan(0, Event::Tick { node: no, boot });
        self.plan(0, Event::Heed { node: no, boot });
        self.plan(0, Event::Find { node: no, boot });
        if self.is_led() {
            self.plan(0, Event::Say { node: no, boot });
            self.plan(0, Event::Lead { node: no, boot });
        }
        self.wake_dispatcher(no);
        for at in 0..self.store.jobs.len() {
            let it = &self.store.jobs[at];
            let has_left = !it.checkpoints.is_empty() || !it.chunks.is_empty();
            if it.row.state.is_final() && has_left {
                let (job, order) = (JobNo(at as u32), self.orders[at]);
                self.call(no, Some(job), order, Op::Sweep, Asker::Nobody);
            }
        }
    }

    /// The machine is taken away, unless the process has left and was started anew.
    pub(super) fn kill(&mut self, no: u32, boot: u32) {
        let node = &self.nodes[no as usize];
        if node.is_up && node.boot == boot {
            self.crash(no);
            let after_ms = self.nodes[no as usize].dice.within(1_000, 30_000);
            self.plan(after_ms, Event::Boot(no));
        }
    }

    pub(super) fn crash(&mut self, no: u32) {
        self.say(true, |_| format!("node {no} dies"));
        let boot = self.nodes[no as usize].boot;
        for (_, shell) in self.nodes[no as usize].die() {
            self.shells[shell.at()] = None;
            self.shells_alive -= 1;
        }
        self.watchman.lines[no as usize].clear();
        // What it was writing is there in part.
        for call in self.calls.iter_mut().filter(|call| call.from == (no, boot)) {
            if let Op::Put(_, _, bytes) = &mut call.op {
                *bytes = Bytes::Torn;
            }
        }
    }
}

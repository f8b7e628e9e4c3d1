//! Processes that begin and end, and what goes wrong with them.

use super::{
    World,
    event::Asker,
    event::{Event, Letter},
    fault::{Fault, SUBSCRIBERS_FROM, Site},
    store::{Bytes, JobNo, Op},
};

/// Troubles of nodes, each planned on its own.
const OF_NODES: [Site; 9] = [
    Site::Crash,
    Site::Freeze,
    Site::Suspend,
    Site::ClockJump,
    Site::Drain,
    Site::Notice,
    Site::CutOut,
    Site::CutIn,
    Site::DeviceBreaks,
];

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
        for (at_ms, fault) in self.faults.troubles(Site::DiskFull, 0, end_ms) {
            self.plan(at_ms, Event::Trouble(fault));
        }
    }

    pub(super) fn trouble(&mut self, fault: Fault) {
        let (no, now_ms) = (fault.of, self.now_ms);
        let mut dice = self.faults.comes(fault);
        if no >= SUBSCRIBERS_FROM {
            return self.trouble_of_subscriber(fault, dice);
        }
        let node = &mut self.nodes[no as usize];
        let is_up = node.is_up;
        let ms = match fault.site {
            Site::DiskFull => dice.within(1_000, 120_000),
            _ => dice.within(1, 60_000),
        };
        match fault.site {
            Site::DiskFull => self.full_until_ms = now_ms + ms,
            Site::CutOut => node.cut_out_until_ms = now_ms + ms,
            Site::DeviceBreaks => node.break_device(now_ms + 5 * ms, &mut dice),
            Site::CutIn => node.cut_in_until_ms = now_ms + ms,
            Site::ClockJump => node.jump(&mut dice),
            Site::Crash if is_up => {
                self.crash(no);
                self.plan(ms / 2, Event::Boot(no));
            }
            // One that stands still cannot be asked, nor made to stand still once more.
            _ if !node.is_awake(now_ms) => {}
            Site::Freeze => node.still_until_ms = now_ms + ms,
            Site::Suspend => node.suspend(now_ms, ms),
            Site::Drain => self.drain(no),
            Site::Notice => {
                let boot = node.boot;
                let notice_ms = *dice.pick(&[0, 30_000, 120_000]).unwrap_or(&0);
                self.plan(notice_ms, Event::Kill { node: no, boot });
                self.drain(no);
            }
            _ => {}
        }
        self.say(true, |_| format!("for {ms} ms"));
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

    fn crash(&mut self, no: u32) {
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

    /// A process is asked to leave.
    fn drain(&mut self, no: u32) {
        let node = &mut self.nodes[no as usize];
        node.is_draining = true;
        let shells = node.shells.clone();
        for (_, shell) in &shells {
            self.post(0, *shell, Letter::Drain);
        }
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

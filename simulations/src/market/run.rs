//! One job on one market under one policy: what it cost, and whether it was done in time.

use tgs_protocol::spot::{Machine, NOTHING_S, Policy, Task, Tenure, View};

use super::Market;

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Run {
    /// Dollars in all.
    pub dollars: f64,
    /// Of these, for on-demand machines.
    pub on_demand_dollars: f64,
    /// Of these, for egress.
    pub egress_dollars: f64,
    /// All work was done by the deadline.
    pub is_met: bool,
    /// Machines begun on.
    pub launches: u32,
    /// Spot machines lost.
    pub losses: u32,
    /// Checkpoints moved to another zone.
    pub moves: u32,
    /// Seconds of work done.
    pub done_s: f64,
    /// Seconds of work lost with spot machines.
    pub lost_s: f64,
    /// Ticks lived through.
    pub ticks: u32,
}

/// What survives the loss of a machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Saved {
    /// All that was done: the assumption of the published simulators.
    All,
    /// What was done at the last multiple of so many seconds of work.
    Every(f64),
}

/// Runs a task to its end or its deadline.
///
/// # Panics
/// When the policy wants a spot machine where there is none.
pub fn run<P: Policy + ?Sized>(market: &Market, task: &Task, saved: Saved, policy: &mut P) -> Run {
    let ticks = (task.deadline_s / market.zones.tick_s + 1e-9).floor() as usize;
    let mut world = World { market, task, saved, run: Run::default(), ..World::of(market, task) };
    for tick in 0..ticks.min(market.ticks()) {
        let ran = world.running.map(|machine| machine.tenure);
        world.lose(tick);
        if world.is_done() {
            break;
        }
        let wanted = policy.decide(&world.view(tick, ran));
        world.obey(tick, wanted);
        world.run.ticks += 1;
    }
    world.run.is_met = world.is_done();
    world.run
}

/// One job under way.
struct World<'a> {
    market: &'a Market,
    task: &'a Task,
    saved: Saved,
    running: Option<Machine>,
    checkpoint: Option<usize>,
    overhead_s: f64,
    /// Seconds of work that a loss leaves.
    safe_s: f64,
    run: Run,
}

impl<'a> World<'a> {
    fn of(market: &'a Market, task: &'a Task) -> Self {
        Self {
            market,
            task,
            saved: Saved::All,
            running: None,
            checkpoint: None,
            overhead_s: 0.0,
            safe_s: 0.0,
            run: Run::default(),
        }
    }

    fn is_done(&self) -> bool {
        self.task.work_s - self.run.done_s <= NOTHING_S
    }

    fn view(&self, tick: usize, ran: Option<Tenure>) -> View<'a> {
        View {
            task: self.task,
            zones: &self.market.zones,
            up: self.market.up[tick],
            spot: self.market.prices(tick),
            tick,
            done_s: self.run.done_s,
            overhead_s: self.overhead_s,
            running: self.running,
            ran,
            checkpoint: self.checkpoint,
        }
    }

    fn lose(&mut self, tick: usize) {
        let Some(Machine { tenure: Tenure::Spot, zone }) = self.running else { return };
        if self.market.up[tick] >> zone & 1 == 1 {
            return;
        }
        self.run.losses += 1;
        self.running = None;
        if self.saved != Saved::All {
            self.run.lost_s += self.run.done_s - self.safe_s;
            self.run.done_s = self.safe_s;
        }
    }

    fn obey(&mut self, tick: usize, wanted: Option<Machine>) {
        let Some(machine) = wanted else {
            self.running = None;
            self.safe_s = self.run.done_s;
            return;
        };
        let is_up = self.market.up[tick] >> machine.zone & 1 == 1;
        assert!(machine.tenure == Tenure::OnDemand || is_up, "no spot machine in tick {tick}");
        if self.running != Some(machine) {
            self.launch(machine);
        }
        self.checkpoint = Some(machine.zone);
        self.bill(tick, machine);
        self.work();
    }

    fn launch(&mut self, machine: Machine) {
        self.run.launches += 1;
        self.overhead_s = self.task.changeover_s;
        self.safe_s = self.run.done_s;
        if let Some(from) = self.checkpoint.filter(|from| *from != machine.zone) {
            let zones = &self.market.zones;
            let dollars = zones.egress(from, machine.zone, self.task.checkpoint_gb);
            self.run.egress_dollars += dollars;
            self.run.dollars += dollars;
            self.run.moves += 1;
        }
        self.running = Some(machine);
    }

    fn bill(&mut self, tick: usize, machine: Machine) {
        let hourly = match machine.tenure {
            Tenure::Spot => self.market.prices(tick)[machine.zone],
            Tenure::OnDemand => self.market.zones.on_demand[machine.zone],
        };
        let dollars = hourly * self.market.zones.tick_s / 3600.0;
        self.run.dollars += dollars;
        if machine.tenure == Tenure::OnDemand {
            self.run.on_demand_dollars += dollars;
        }
    }

    fn work(&mut self) {
        let tick_s = self.market.zones.tick_s;
        let gained = (tick_s - self.overhead_s).max(0.0);
        self.overhead_s = (self.overhead_s - tick_s).max(0.0);
        self.run.done_s += gained.min(self.task.work_s - self.run.done_s);
        if let Saved::Every(period_s) = self.saved {
            let cut = (self.run.done_s / period_s + 1e-9).floor() * period_s;
            self.safe_s = self.safe_s.max(cut);
        }
    }
}

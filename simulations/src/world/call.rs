//! Calls to the store: when they take effect, when they are answered, and what goes wrong between.
//!
//! A call is two events, one when it takes effect and one when its answer comes or its sender gives
//! it up, so anything may happen in between; a call that was given up may still take effect later.

use tgs_protocol::{
    code::Code,
    invariant::Invariant,
    lease::Lease,
    limits::{
        LEASE_RENEW_ANSWER_MS, LEASE_STAND_DOWN_MS, LEASE_TICK_MS, STORE_ANSWER_MS,
        STORE_TRANSFER_MS,
    },
    queue::Turn,
};

use super::{
    World,
    board::BoardOp,
    bytes,
    event::{Asker, Call, CallNo, Event, ShellNo},
    fault::Site,
    notifications::NoticeOp,
    scheduler::quota_of,
    shell::Shell,
    store::{JobNo, Op, Reply, Trace, phase},
    things::SUBSCRIBERS_FROM,
    watchman::Hand,
    words::{op_words, reply_words},
};

impl World<'_> {
    /// A call of a supervisor, or of what works for it.
    pub(super) fn ask_store(&mut self, shell: &Shell, op: Op, asker: Asker) -> CallNo {
        self.call(shell.node, Some(shell.job), shell.order, op, asker)
    }

    /// A call on its way to the store.
    pub(super) fn call(
        &mut self,
        from: u32,
        job: Option<JobNo>,
        of: u32,
        op: Op,
        asker: Asker,
    ) -> CallNo {
        let patience_ms = patience_ms(&op, asker) + op.takes_ms();
        let is_short = patience_ms < STORE_TRANSFER_MS;
        let node = &self.nodes[from as usize];
        let pace = self.paces.of(of);
        let (mut there, back) = (pace.within(0, 5) + op.takes_ms(), pace.within(0, 5));
        let (cut_out, cut_in) = (node.cut_out_until_ms, node.cut_in_until_ms);
        let boot = node.boot;
        let state = job.map_or(0, |job| phase(&self.store.jobs[job.at()].row.state));
        let moment = self.faults.moment(of, op.kind(state));
        let mut again = None;
        if let Some(mut dice) = self.faults.strikes(Site::CallSlow, moment) {
            there += dice.within(1, 9_000);
        }
        if is_short
            && op.may_repeat()
            && let Some(mut dice) = self.faults.strikes(Site::CallLate, moment)
        {
            there += patience_ms + dice.below(60_000);
        }
        if op.may_repeat()
            && let Some(mut dice) = self.faults.strikes(Site::CallTwice, moment)
        {
            again = Some(there + dice.within(1, 60_000));
        }
        let lost = self.faults.strikes(Site::CallLost, moment);
        let deaf = self.faults.strikes(Site::AnswerLost, moment);
        let is_lost = lost.is_some() || cut_out > self.now_ms;
        let is_deaf = deaf.is_some() || cut_in > self.now_ms + there + back;
        // A broken connection is known at once, or not at all.
        let is_silent = lost.or(deaf).is_none_or(|mut dice| dice.below(2) == 0);
        let answered = match (is_lost || is_deaf) && is_silent {
            true => patience_ms,
            false => (there + back).min(patience_ms),
        };
        let reply = (is_lost || is_deaf).then_some(Reply::Failed(Code::StoreSilent));
        let reaches = if is_lost { 0 } else { 1 + u8::from(again.is_some()) };
        let call = Call { op, job, of, from: (from, boot), asker, reply, left: reaches + 1 };
        let no = CallNo(self.calls.put(call));
        if is_lost || is_deaf {
            let what = if is_lost { "the call is lost" } else { "its answer will be lost" };
            self.say(true, |it| {
                let asks = it.calls.get(no.0).map(|call| op_words(&call.op));
                format!("{what}: {}", asks.unwrap_or_default())
            });
        }
        if !is_lost {
            self.plan(there, Event::Reach(no));
            if let Some(again) = again {
                self.plan(again, Event::Reach(no));
            }
        }
        if let Some(mut dice) = self.faults.strikes(Site::DiesCalling, moment) {
            let at_ms = if dice.below(2) == 0 { there } else { dice.below(there + 1) };
            self.plan(at_ms, Event::Kill { node: from, boot });
        }
        self.plan(answered, Event::Answer(no));
        no
    }

    /// A call takes effect.
    pub(super) fn reach(&mut self, no: CallNo) {
        let is_full = self.full_until_ms > self.now_ms;
        let Self { calls, store, .. } = self;
        let Some(call) = calls.get_mut(no.0) else { return };
        call.left -= 1;
        let (reply, trace) = match is_full && call.op.is_write() {
            true => (Reply::Failed(Code::DiskFull), Trace::Nothing),
            false => match &call.op {
                Op::Board(op) => {
                    (Reply::Board(store.council(op, self.now_ms, self.flaw)), Trace::Nothing)
                }
                op => store.perform(call.job, op),
            },
        };
        let is_over = call.left == 0;
        if matches!(trace, Trace::Inserted(_) | Trace::Saved(..)) {
            self.wake_dispatchers();
        }
        self.see(no, &reply, trace);
        let matters = matches!(reply, Reply::Overtaken | Reply::Failed(_) | Reply::Claimed(_));
        self.chronicle.say(matters, || reply_words(&reply));
        if is_over {
            self.calls.take(no.0);
        } else if let Some(call) = self.calls.get_mut(no.0)
            && call.reply.is_none()
        {
            call.reply = Some(reply);
        }
    }

    /// Shows the watchman what a call did.
    fn see(&mut self, no: CallNo, reply: &Reply, trace: Trace) {
        self.see_what_came_in(no, &trace);
        let Self { calls, store, watchman, chronicle, .. } = self;
        let Some(Call { op, job, asker, from, .. }) = calls.get(no.0) else { return };
        match (op, reply, job) {
            (Op::Insert(row), Reply::Inserted(inserted), _) => {
                watchman.answered(row.submission.as_ref(), inserted, store);
            }
            (Op::Claim(..), Reply::Claimed(Some(lease)), Some(job)) => {
                let by = match asker {
                    Asker::Shell { shell, .. } => Some(*shell),
                    _ => None,
                };
                let (job, lease) = (*job, lease.clone());
                self.see_claim(job, &lease, by);
            }
            (Op::Notice(NoticeOp::Change(of, change)), ..) => {
                if let Trace::Noticed(before) = &trace {
                    let wish = match asker {
                        Asker::Subscriber { wish, .. } => Some(*wish),
                        _ => None,
                    };
                    let hand = Hand { by: *from, wish };
                    watchman.notices_changed(*of, before, change, hand, store);
                }
            }
            (Op::Board(BoardOp::Assign(rows)), Reply::Board(_), _) => {
                watchman.assigned(rows.iter().map(|(node, _)| node), store);
            }
            (Op::Release(_), Reply::Done, Some(job)) => watchman.released(*job),
            (Op::End, Reply::Done, Some(job)) => watchman.end_ordered(*job),
            (Op::Empty | Op::DropResult, Reply::Done, Some(job)) => watchman.emptied(*job, store),
            (Op::Forget, Reply::Done, Some(job)) => watchman.forgot(*job, store),
            (Op::Sweep, Reply::Done, Some(job)) => watchman.swept(&store.jobs[job.at()]),
            (op, Reply::Done, Some(job)) => {
                let after = &store.jobs[job.at()];
                if let (Op::Save(..), Trace::Saved(before, _)) = (op, &trace)
                    && before.state != after.row.state
                {
                    chronicle.say(true, || format!("{} is in {}", after.row.id, after.row.state));
                }
                if matches!(op, Op::Deliver(..) | Op::TakeBack(_)) {
                    chronicle.say(true, || op_words(op));
                }
                watchman.wrote(*job, op, trace, after);
            }
            _ => {}
        }
    }

    /// Whose a job or a subscription is that is new.
    fn see_what_came_in(&mut self, no: CallNo, trace: &Trace) {
        if let Trace::Inserted(job) = trace {
            let of = self.calls.get(no.0).map_or(0, |call| call.of);
            self.orders.push(of);
            self.came_at_ms.push(self.now_ms);
            let row = &self.store.jobs[job.at()].row;
            let (priority, accepted_at) = (row.priority, row.accepted_at);
            let (_, mut demand) = bytes::needs(self.seed, of);
            if self.is_led() {
                // An order for more is refused.
                demand.devices = demand.devices.min(quota_of(self.seed, of, self.weather.times()));
            }
            self.turns.push(Turn { priority, accepted_at, demand, left: None });
            self.watchman.inserted(*job, &self.store);
        }
        if matches!(trace, Trace::Subscribed) {
            let of = self.calls.get(no.0).map_or(0, |call| call.of - SUBSCRIBERS_FROM);
            self.people.subscriptions.push(of);
            self.watchman.subscribed();
        }
    }

    /// LEASE-3: a lease passes on only after its holder had to stand down, by the holder's own
    /// clock; unless that clock stood still.
    fn see_claim(&mut self, job: JobNo, lease: &Lease, by: Option<ShellNo>) {
        let holder = self.watchman.holder(job).and_then(|no| self.shells[no.at()].as_deref());
        if let Some(holder) = holder
            && let (Some(held), Some(holding)) = (&holder.lease, holder.holding)
            && held.owner != lease.owner
        {
            let node = &self.nodes[holder.node as usize];
            let age_ms = node.clock(self.now_ms).get().saturating_sub(holding.sent.get());
            let stood_still = node.suspended_at.is_some_and(|at| at >= holding.sent);
            if age_ms < LEASE_STAND_DOWN_MS && !stood_still {
                let facts = format!("{} claims what {} held {age_ms} ms", lease.owner, held.owner);
                self.watchman.broken(Invariant::Lease3, facts);
            }
            // Whoever was awake had time to look at its leases since.
            let is_awake = node.still_until_ms + 2 * LEASE_TICK_MS < self.now_ms;
            if age_ms > LEASE_STAND_DOWN_MS + 2 * LEASE_TICK_MS && is_awake {
                let facts = format!("{} works on {age_ms} ms after its last word", held.owner);
                self.watchman.broken(Invariant::Lease3, facts);
            }
        }
        self.chronicle.say(true, || format!("{} claims in epoch {}", lease.owner, lease.epoch));
        self.watchman.claimed(job, lease.epoch, by);
    }

    /// The answer of a call comes, or its sender gives it up.
    pub(super) fn answer(&mut self, no: CallNo) {
        let Some(call) = self.calls.get_mut(no.0) else { return };
        call.left -= 1;
        let reply = call.reply.take().unwrap_or(Reply::Failed(Code::StoreSilent));
        let (asker, (node, _), of, job) = (call.asker, call.from, call.of, call.job);
        let op = match call.left {
            0 => self.calls.take(no.0).map(|call| call.op),
            _ => Some(call.op.clone()),
        };
        let Some(op) = op else { return };
        match asker {
            Asker::Shell { shell, sent } => self.with(shell, |world, it| {
                if it.waiting == Some(no) {
                    world.answered(it, &op, reply, sent);
                }
            }),
            Asker::Work { shell, work_no } => {
                self.with(shell, |world, it| world.work_answered(it, work_no, &op, reply));
            }
            Asker::Writer { shell, work_no } => {
                self.with(shell, |world, it| world.writer_answered(it, work_no, &op, reply));
            }
            Asker::Keeper { shell, sent } => {
                self.with(shell, |_, it| it.renewed(&reply, sent));
            }
            Asker::Front { sender } => self.order_answered(node, sender, &op, reply),
            Asker::Watcher { watcher, connection } => {
                self.events_came(watcher, connection, &op, reply);
            }
            Asker::Dispatcher => self.dispatcher_answered(node, no, reply),
            Asker::Subscriber { subscriber, wish } => {
                self.wish_answered(node, subscriber, wish, &reply);
            }
            Asker::Starter => self.found_known(node, job, &reply),
            Asker::Ender => self.found_holder(node, job, of, &reply),
            Asker::Finder => self.finder_answered(node, no, reply),
            Asker::Leader => self.leader_answered(node, no, reply),
            Asker::Remover => self.go_on_removing(node, job, of, &op, &reply),
            Asker::Nobody => {}
        }
    }

    fn writer_answered(&mut self, shell: &mut Shell, work_no: u32, op: &Op, reply: Reply) {
        shell.writing.is_busy = false;
        if let (Op::Put(_, facts, _), Reply::Done) = (op, &reply) {
            shell.writing.written.push(*facts);
        }
        self.work_answered(shell, work_no, op, reply);
        self.write_next(shell);
    }

    /// Nobody waits for the answer any more.
    pub(super) fn forget(&mut self, no: CallNo) {
        let Some(call) = self.calls.get_mut(no.0) else { return };
        call.left -= 1;
        if call.left == 0 {
            self.calls.take(no.0);
        }
    }
}

/// How long a sender waits for an answer: as the actors do.
fn patience_ms(op: &Op, asker: Asker) -> u64 {
    match (op, asker) {
        (_, Asker::Keeper { .. }) => LEASE_RENEW_ANSWER_MS,
        (Op::Sweep | Op::TakeBack(_) | Op::Empty | Op::DropResult, _) => STORE_TRANSFER_MS,
        (_, Asker::Work { .. } | Asker::Writer { .. } | Asker::Nobody) => STORE_TRANSFER_MS,
        _ => STORE_ANSWER_MS,
    }
}

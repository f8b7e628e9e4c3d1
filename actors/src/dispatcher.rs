//! Sends notices: a shell around a courier per subscription (`notification/step.rs` of protocol).
//!
//! It wakes when an event was written, when somebody changed a subscription, and when an attempt is
//! due; each of these only makes it look. What it finds stands in the store. Attempts run beside
//! the mailbox, a few for each target, so a slow one holds up nobody else. They end with the actor.

mod attempt;
mod round;
mod waker;

pub(crate) mod message;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tgs_protocol::{
    id::{Incarnation, SubscriptionId},
    limits::{
        DELIVERIES_KEPT, DELIVERIES_KEPT_MS, LEASE_RENEW_MS, LOOK_PERIOD_MS, PRUNE_PERIOD_MS,
    },
    notification::{patience::Patience, subscription::Subscription},
    store::StoreError,
    unit::{Millis, Timestamp},
};
use tokio::{
    sync::Notify,
    task::{AbortHandle, JoinSet},
};

pub(crate) use self::attempt::send;
use self::{
    attempt::Attempts,
    message::DispatcherMessage,
    round::{Round, Worked},
    waker::Waker,
};
use crate::{
    duty::Duty,
    ports::{NoticePorts, Ports},
    store_call::answer,
};

/// The lease of whoever sends notices.
const DUTY: &str = "duty-notices";

/// The actor.
pub(crate) struct Dispatcher;

/// What it is started with.
#[derive(Clone)]
pub(crate) struct Office {
    pub(crate) ports: Ports,
    pub(crate) notices: NoticePorts,
    /// Rung by whoever changed a subscription or a delivery.
    pub(crate) bell: Arc<Notify>,
    pub(crate) patience: Patience,
    /// On a node of a cluster: who it is. One of all nodes sends.
    pub(crate) of_many: Option<Incarnation>,
    /// How long what failed is left alone.
    pub(crate) rest: Duration,
    /// It failed again and again: it rests before it begins.
    pub(crate) is_tired: bool,
}

/// The couriers and what they need.
pub(crate) struct Rounds {
    office: Office,
    myself: ActorRef<DispatcherMessage>,
    /// None where no other node sends.
    duty: Option<Duty>,
    rounds: BTreeMap<SubscriptionId, Round>,
    attempts: JoinSet<()>,
    /// The next look that is due.
    alarm: Option<AbortHandle>,
    pruned_at: Option<Millis>,
    waker: Waker,
}

impl Actor for Dispatcher {
    type Msg = DispatcherMessage;
    type State = Rounds;
    type Arguments = Office;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        office: Office,
    ) -> Result<Rounds, ActorProcessingErr> {
        let waker = Waker::start(&office, myself.clone());
        let (rounds, attempts) = (BTreeMap::new(), JoinSet::new());
        let (alarm, pruned_at) = (None, None);
        let own = office.of_many.clone();
        let duty = own.map(|own| Duty::new(DUTY, &office.ports, own));
        Ok(Rounds { office, myself, duty, rounds, attempts, alarm, pruned_at, waker })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        rounds: &mut Rounds,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            DispatcherMessage::Look => rounds.look().await,
            DispatcherMessage::Answered { subscription, event, what } => {
                // A subscription that was removed waits for nothing.
                if let Some(round) = rounds.rounds.get_mut(&subscription) {
                    round.hear(event, what);
                    rounds.work_at(&subscription).await;
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _rounds: &mut Rounds,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        self.alarm.take().iter().for_each(AbortHandle::abort);
    }
}

impl Rounds {
    async fn look(&mut self) {
        while self.attempts.try_join_next().is_some() {} // They have told their end themselves.
        if self.waker.is_gone() {
            self.waker = Waker::start(&self.office, self.myself.clone());
        }
        if let Some(duty) = &mut self.duty
            && !duty.is_ours().await
        {
            // Another node sends; what it did meanwhile is read when it is this one's turn again.
            self.rounds.clear();
            return self.look_in(Duration::from_millis(LEASE_RENEW_MS));
        }
        if let Err(error) = self.take_in().await {
            tracing::warn!(%error, "subscriptions cannot be read; looking again later");
            self.look_in(self.office.rest);
            return;
        }
        let all: Vec<_> = self.rounds.keys().cloned().collect();
        for subscription in &all {
            self.work(subscription).await;
        }
        self.prune(&all).await;
        self.set_alarm();
    }

    async fn work_at(&mut self, subscription: &SubscriptionId) {
        self.work(subscription).await;
        self.set_alarm();
    }

    /// The rounds are those of the subscriptions that the store holds, as it holds them.
    async fn take_in(&mut self) -> Result<(), StoreError> {
        let store = &self.office.notices.notifications;
        let rows = answer("list subscriptions", store.subscriptions()).await?;
        let is_there = |id: &SubscriptionId| rows.iter().any(|row| row.id == *id);
        self.rounds.retain(|id, _| is_there(id));
        for row in rows {
            self.take_in_one(row);
        }
        Ok(())
    }

    fn take_in_one(&mut self, row: Subscription) {
        match self.rounds.get_mut(&row.id) {
            Some(round) => round.saw(row.version),
            None => {
                self.rounds.insert(row.id.clone(), Round::new(row.id));
            }
        }
    }

    async fn work(&mut self, subscription: &SubscriptionId) {
        let Some(round) = self.rounds.get_mut(subscription) else { return };
        let (office, myself) = (&self.office, &self.myself);
        let mut attempts = Attempts { office, myself, tasks: &mut self.attempts };
        match round.work(office, &mut attempts).await {
            Worked::Done => {}
            Worked::HasMore => {
                let _ = self.myself.cast(DispatcherMessage::Look);
            }
            Worked::Gone => {
                self.rounds.remove(subscription);
            }
        }
    }

    /// History is bounded: what is over goes after a while. Errors wait for the next time.
    async fn prune(&mut self, all: &[SubscriptionId]) {
        let now = self.office.ports.clock.monotonic();
        let is_due = |at: Millis| now.get() - at.get() >= PRUNE_PERIOD_MS;
        if !self.pruned_at.is_none_or(is_due) {
            return;
        }
        self.pruned_at = Some(now);
        let today = self.office.ports.clock.now().get();
        let before = Timestamp(today.saturating_sub(DELIVERIES_KEPT_MS));
        for id in all {
            let store = &self.office.notices.notifications;
            let pruning = store.prune_deliveries(id, before, DELIVERIES_KEPT);
            if let Err(error) = answer("prune deliveries", pruning).await {
                tracing::warn!(subscription = %id, %error, "old deliveries are kept for now");
            }
        }
    }

    fn set_alarm(&mut self) {
        let now = self.office.ports.clock.now();
        let waits = self.rounds.values().filter_map(|round| round.wait(now));
        let wait = waits.min().map_or(LOOK_PERIOD_MS, Millis::get);
        self.look_in(Duration::from_millis(wait));
    }

    fn look_in(&mut self, wait: Duration) {
        self.alarm.take().iter().for_each(AbortHandle::abort);
        // At least a moment, so that nothing makes it spin. At most a minute: whatever wakes it
        // otherwise makes it look sooner, and nothing hangs on it.
        let longest = match self.duty {
            Some(_) => LEASE_RENEW_MS, // The duty must be asked for.
            None => LOOK_PERIOD_MS,
        };
        let longest = Duration::from_millis(longest);
        let wait = wait.clamp(Duration::from_millis(1), longest);
        let alarm = self.myself.send_after(wait, || DispatcherMessage::Look);
        self.alarm = Some(alarm.abort_handle());
    }
}

//! An actor that looks, does what it finds, rests, and looks again.
//!
//! Its mailbox holds nothing else: a look may take long, and nobody waits for it.

use std::{fmt, marker::PhantomData, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tgs_protocol::limits::{LOOK_LEAST_MS, LOOK_PERIOD_MS};
use tokio::time::sleep;

use crate::mesh::Bell;

/// What looks; made anew whenever its actor failed.
pub(crate) trait Looks: Send + 'static {
    /// Does what is to be done; gives how long to rest before the next look, none for the last.
    fn look(&mut self) -> impl Future<Output = Option<Duration>> + Send;
    /// What is rung to have it look before it has rested; nothing, if it does not say.
    fn bell(&self) -> Option<Bell> {
        None
    }
}

/// The actor around it.
pub(crate) struct Looker<L>(PhantomData<fn() -> L>);

/// Order: look.
#[derive(ractor_cluster::RactorMessage)]
pub(crate) struct LookAgain;

impl<L> Looker<L> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<L: Looks> Actor for Looker<L> {
    type Msg = LookAgain;
    type State = L;
    /// Whether it failed again and again, and rests before it begins.
    type Arguments = (L, bool);

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        (looks, is_tired): Self::Arguments,
    ) -> Result<L, ActorProcessingErr> {
        let rest = if is_tired { LOOK_PERIOD_MS } else { 0 };
        myself.send_after(Duration::from_millis(rest), || LookAgain);
        Ok(looks)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        LookAgain: Self::Msg,
        looks: &mut L,
    ) -> Result<(), ActorProcessingErr> {
        // Before the look: what happens meanwhile may come too late for it.
        let bell = looks.bell();
        // From the end of this look: what is slow is not asked ever more often.
        let Some(rest) = looks.look().await else { return Ok(()) };
        let Some(mut bell) = bell else {
            myself.send_after(rest, || LookAgain);
            return Ok(());
        };
        tokio::spawn(async move {
            // However often it is told.
            let least = rest.min(Duration::from_millis(LOOK_LEAST_MS));
            sleep(least).await;
            let rest = rest - least;
            tokio::select! {
                () = sleep(rest) => {}
                () = bell.rung() => {}
            }
            let _ = myself.cast(LookAgain);
        });
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _looks: &mut L,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}

/// A trouble: said when it begins and when it is over, not at each look.
pub(crate) struct Trouble {
    what: &'static str,
    is_on: bool,
}

impl Trouble {
    /// What does not happen while it lasts.
    pub(crate) const fn of(what: &'static str) -> Self {
        Self { what, is_on: false }
    }

    pub(crate) fn is_there(&mut self, error: &dyn fmt::Display) {
        if !std::mem::replace(&mut self.is_on, true) {
            tracing::warn!(%error, "{}; jobs go on, and it is tried again", self.what);
        }
    }

    pub(crate) fn is_over(&mut self) {
        if std::mem::replace(&mut self.is_on, false) {
            tracing::warn!("{}: that is over", self.what);
        }
    }
}

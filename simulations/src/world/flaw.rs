//! Rules that are broken on purpose, each to see it caught by the promise that it breaks.

use std::{fmt, str::FromStr};

use tgs_protocol::invariant::Invariant;

macro_rules! flaws {
    ($($name:ident = $id:literal breaks $invariant:ident: $what:literal;)*) => {
        /// One broken rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Flaw {
            $(#[doc = $what] $name,)*
        }

        impl Flaw {
            /// Every flaw.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// `forgets_epochs`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }
            /// What is done wrong, in words.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
            /// The promise that it breaks.
            pub const fn breaks(self) -> Invariant {
                match self { $(Self::$name => Invariant::$invariant,)* }
            }
        }
    };
}

flaws! {
    SkipsChunks = "skips_chunks" breaks Job1: "work says that a chunk is sealed which is not";
    LosesRows = "loses_rows" breaks Job2: "every seventh row that the store acknowledges is lost";
    TakesLateWrites = "takes_late_writes" breaks Job2: "earlier writes of a holder are taken";
    TellsTooSoon = "tells_too_soon" breaks Job3: "the end is told before it stands in the store";
    ReadsStaleRows = "reads_stale_rows" breaks Job4: "a claimant reads the row before the last one";
    LeavesDeliveries = "leaves_deliveries" breaks Job5: "what was delivered is not taken back";
    TakesBackOnce = "takes_back_once" breaks Job5: "taking back is not tried again";
    IgnoresOrders = "ignores_orders" breaks Job5: "no holder looks for an order to end its job";
    ClaimsBlindly = "claims_blindly" breaks Job5: "whoever takes a job over looks for no order";
    SamplesByNode = "samples_by_node" breaks Same1: "what is drawn depends on the node";
    SealsChunksAgain = "seals_chunks_again" breaks Chunk1: "a sealed chunk is replaced";
    TrustsTorn = "trusts_torn" breaks Ckpt1: "a checkpoint is not held against its digest";
    HandsOverFirst = "hands_over_first" breaks Ckpt1:
        "a job is handed over before its last checkpoint is written";
    KeepsEpoch = "keeps_epoch" breaks Lease1: "a claim does not grow the epoch";
    ForgetsEpochs = "forgets_epochs" breaks Lease2: "the store lets writes of any epoch through";
    TakesStaleWords = "takes_stale_words" breaks Lease2:
        "what a leader says who was overtaken is taken";
    ClaimsAtOnce = "claims_at_once" breaks Lease3: "a lease is claimed without a wait";
    ClaimsEarly = "claims_early" breaks Lease3: "a lease is claimed after half of its time";
    VouchesEarly = "vouches_early" breaks Lease3:
        "a leader takes whoever holds a waiting job to be gone";
    WorksOn = "works_on" breaks Lease3: "a holder that had to stand down works on";
    GivesSeatsEarly = "gives_seats_early" breaks Queue1: "a cancel frees a seat that is in use";
    NewestFirst = "newest_first" breaks Queue2: "who came last is first in line";
    UsesSetAside = "uses_set_aside" breaks Queue3: "a device that was set aside is given away";
    KeepsBlamedAside = "keeps_blamed_aside" breaks Queue3:
        "a device stays set aside for a job that fails everywhere";
    ForgetsWhoIsAtFault = "forgets_who_is_at_fault" breaks Queue3:
        "a job that failed everywhere is trusted again";
    PlacesAnywhere = "places_anywhere" breaks Place1: "a job is placed in any region";
    RunsAnywhere = "runs_anywhere" breaks Place1: "a node takes up what may not be in its region";
    PromisesTwice = "promises_twice" breaks Place2: "what jobs have is promised to others";
    ForgetsQuotas = "forgets_quotas" breaks Place3: "tenants are given more than they may have";
    WritesNoticesApart = "writes_notices_apart" breaks Note1:
        "deliveries are written apart from the cursor, and some are lost";
    NamesAttempts = "names_attempts" breaks Note1: "each attempt at a notice has its own name";
    TakesSilence = "takes_silence" breaks Note1: "a notice that nobody answered is taken as done";
    GivesReceiversUp = "gives_receivers_up" breaks Note1:
        "a subscription is turned off at any failure";
    GivesUpEarly = "gives_up_early" breaks Note1: "five attempts are called ten";
    TakesFirstArrivals = "takes_first_arrivals" breaks Note1:
        "a notice that is asked for again is taken as done if nobody answers";
    ForgetsArrivals = "forgets_arrivals" breaks Note2: "a failed write makes a receipt forgotten";
    ChangesBlindly = "changes_blindly" breaks Note2: "a change is taken whatever it had seen";
    ReleasesBlocked = "releases_blocked" breaks Gate1: "a blocked table is delivered";
    RetriesAtOnce = "retries_at_once" breaks Retry1: "the next try does not wait";
    ForgetsKeys = "forgets_keys" breaks Effect1: "the store does not look at keys of orders";
    LeavesEvents = "leaves_events" breaks Forget1: "events of a forgotten job stay in the log";
    ForgetsRunning = "forgets_running" breaks Forget1: "a job is forgotten that has not ended";
    RemovesRowsFirst = "removes_rows_first" breaks Forget1:
        "the row of a forgotten job goes before its files";
    AppendsBlindly = "appends_blindly" breaks Event1: "a repeated write appends its events again";
    AppendsApart = "appends_apart" breaks Event1: "events are appended apart, and some are lost";
    ReadsFromBefore = "reads_from_before" breaks Event2: "a watcher gets its last event again";
    PrunesCommitted = "prunes_committed" breaks Gc1: "the committed checkpoint is removed as well";
    PrunesBeyond = "prunes_beyond" breaks Gc1: "only the last uncommitted one is spared";
    NeverSweeps = "never_sweeps" breaks Gc1: "nothing is removed after the end";
    FindsNothing = "finds_nothing" breaks Live1: "nobody looks for jobs whose holder is gone";
    CountsAside = "counts_aside" breaks Live1:
        "a class counts as there whose devices are all set aside";
    AssignsForEver = "assigns_for_ever" breaks Live1:
        "a leader never gives up what it assigned, nor a node that it saw";
    SetsNoAlarm = "sets_no_alarm" breaks Live1: "nobody looks when an attempt is due";
    KeepsSeats = "keeps_seats" breaks Live1: "a device stays taken when its job has left";
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no flaw.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no flaw is called {0:?}: one of {known}", known = names())]
pub struct NoFlaw(String);

impl FromStr for Flaw {
    type Err = NoFlaw;

    fn from_str(text: &str) -> Result<Self, NoFlaw> {
        let named = Self::ALL.iter().copied().find(|flaw| flaw.name() == text);
        named.ok_or_else(|| NoFlaw(text.to_owned()))
    }
}

fn names() -> String {
    Flaw::ALL.iter().map(|flaw| flaw.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_promise_has_a_flaw_that_breaks_it() {
        let names: BTreeSet<_> = Flaw::ALL.iter().map(|flaw| flaw.name()).collect();
        assert_eq!(names.len(), Flaw::ALL.len());
        assert!(Flaw::ALL.iter().all(|flaw| flaw.name().parse() == Ok(*flaw)));
        let broken: BTreeSet<_> = Flaw::ALL.iter().map(|flaw| flaw.breaks()).collect();
        assert_eq!(broken, Invariant::ALL.iter().copied().collect());
    }
}

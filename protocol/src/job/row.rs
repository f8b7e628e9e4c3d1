//! The durable row of a job: what was asked, and what is done.

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::{CheckpointFacts, cadence::Losses},
    digest::Digest,
    engine::{DatasetFacts, NumericsClass, ReportFacts},
    id::{JobId, TenantId},
    job::{format, origin::Origin, state::JobState},
    limits::{THREADS_MAX, TIMELINE_ENTRIES_MAX},
    model::TrainPlan,
    program::RunFacts,
    queue::{Demand, DeviceClass, Priority, estimate::Estimate},
    request::{Goal, JobRequest},
    residency::{Ground, Residency},
    stage::Stage,
    submission::Submission,
    unit::{Millis, Rows, Steps, Timestamp},
};

/// One job as it stands in the store. A stage's result appears in one guarded write, or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    /// Its name.
    pub id: JobId,
    /// The format that whoever touches it must know ([`ROW_FORMAT`](super::format::ROW_FORMAT)).
    #[serde(default = "format::first", skip_serializing_if = "format::is_first")]
    pub format: u32,
    /// What was asked for.
    pub request: JobRequest,
    /// Where it is.
    pub state: JobState,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it was last written.
    #[serde(default)]
    pub changed_at: Timestamp,
    /// How urgent it is; decides when it begins, never what comes out.
    #[serde(default)]
    pub priority: Priority,
    /// Regions that it may not leave, with all that it makes.
    #[serde(default, skip_serializing_if = "Residency::is_anywhere")]
    pub regions: Residency,
    /// Whose it is, where several tenants share a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// It runs on no machine that may be taken away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays_off_spot: bool,
    /// The order that it came with, if it may be sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission: Option<Submission>,
    /// What it was made from.
    #[serde(default, skip_serializing_if = "Origin::is_empty")]
    pub origin: Origin,
    /// How long it was thought to take when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// How long it was in the hands of nodes, as of the last write; what a killed one did after its
    /// last write is not counted.
    #[serde(default)]
    pub ran: Millis,
    /// What it lost with those who held it.
    #[serde(default, skip_serializing_if = "Losses::is_none")]
    pub losses: Losses,
    /// How often it was written. An earlier write of the same holder that comes late has fewer.
    #[serde(default)]
    pub writes: u64,
    /// Tries of the present stage that failed for a passing reason, since it last went on.
    pub failed_tries: u32,
    /// How often training ran out of memory and went on with half the threads: fewer parts of a
    /// step are computed at once, and added up in the same order.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub narrowed: u32,
    /// How often its program was begun.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub runs: u32,
    /// The memory of a graphics processor was too small for one thread as well: it trains on cores.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub off_gpu: bool,
    /// It waits until something is mended, and for whoever resumes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// What is done.
    pub done: Done,
    /// What happened, oldest first; for people.
    pub timeline: Vec<TimelineEntry>,
    /// Entries that a long timeline has lost.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeline_dropped: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
pub(crate) fn is_none_yet(number: &u32) -> bool {
    *number == 0
}

/// The tenant of jobs that name none.
pub const TENANT_OF_ALL: &str = "default";

/// Results of finished stages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Ingest: the dataset.
    pub dataset: Option<DatasetFacts>,
    /// Profile: its digest.
    pub profile: Option<Digest>,
    /// Train: the committed plan.
    pub plan: Option<TrainPlan>,
    /// Train: the class of bits it started in.
    pub numerics_class: Option<NumericsClass>,
    /// Train and sample: the classes that it went on in, where they were others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub went_on_in: Vec<NumericsClass>,
    /// Train: the newest checkpoint.
    pub checkpoint: Option<CheckpointFacts>,
    /// Train: steps that were made; fewer than planned where the rest would only be copying.
    #[serde(default)]
    pub trained_steps: Option<Steps>,
    /// Train: the model's digest.
    pub model: Option<Digest>,
    /// Train: rows of a table that is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
    /// Sample: all chunks are sealed.
    pub sampled: bool,
    /// Evaluate: what the report says.
    pub report: Option<ReportFacts>,
    /// Run: what came of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunFacts>,
}

impl Done {
    /// The class of bits that the job is in; none where its model was brought along.
    pub fn class(&self) -> Option<&NumericsClass> {
        self.went_on_in.last().or(self.numerics_class.as_ref())
    }

    /// Takes in that the job goes on in this class; says what that means, where it is another one.
    pub(super) fn goes_on_in(&mut self, class: NumericsClass) -> Option<String> {
        let last = self.class().filter(|last| **last != class)?;
        let said = format!("numerics class {class} instead of {last}: the bytes may be others now");
        self.went_on_in.push(class);
        Some(said)
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TimelineEntry {
    /// When, by the clock of whoever wrote it.
    pub at: Timestamp,
    /// What, in words.
    pub what: String,
}

impl JobRow {
    /// A job that was just accepted.
    pub fn accepted(id: JobId, request: JobRequest, now: Timestamp) -> Self {
        Self {
            id,
            format: format::FIRST,
            request,
            state: JobState::Accepted,
            accepted_at: now,
            changed_at: now,
            priority: Priority::default(),
            regions: Residency::default(),
            tenant: None,
            stays_off_spot: false,
            submission: None,
            origin: Origin::default(),
            estimate: None,
            ran: Millis(0),
            losses: Losses::default(),
            writes: 0,
            failed_tries: 0,
            narrowed: 0,
            runs: 0,
            off_gpu: false,
            suspended: false,
            done: Done::default(),
            timeline: vec![TimelineEntry { at: now, what: "accepted".to_owned() }],
            timeline_dropped: 0,
        }
    }

    /// Whether it may take the place of what stands in a store. A lease does not tell: a write
    /// that its holder gave up may still arrive, after later ones of the same holder. The same
    /// write once more may.
    pub fn may_replace(&self, stored: &Self) -> bool {
        self.writes >= stored.writes
    }

    /// Whose it is: everybody's, where nobody says.
    pub fn tenant(&self) -> TenantId {
        self.tenant.clone().unwrap_or_else(|| TenantId::new(TENANT_OF_ALL))
    }

    /// Whether it may run on a node that stands on this.
    pub fn may_be_on(&self, ground: &Ground) -> bool {
        self.regions.allows(&ground.region) && !(self.stays_off_spot && ground.is_spot)
    }

    /// The stages this goal needs, in order.
    pub fn stages(&self) -> &'static [Stage] {
        use Stage::{Evaluate, Ingest, Profile, Publish, Run, Sample, Train};
        match self.request.goal {
            Goal::Synthesize { .. } => &[Ingest, Profile, Train, Sample, Evaluate, Publish],
            Goal::Train { .. } => &[Ingest, Profile, Train, Publish],
            Goal::Generate { .. } => &[Train, Sample, Publish],
            Goal::Evaluate { .. } => &[Evaluate, Publish],
            Goal::External { .. } => &[Run, Publish],
        }
    }

    /// Threads that train it on so many devices: as asked, or fewer where memory was too small for
    /// so many.
    pub fn train_threads(&self, devices: u32) -> u32 {
        let all = self.request.threads.saturating_mul(devices).min(THREADS_MAX);
        all.checked_shr(self.narrowed).unwrap_or(0).max(1)
    }

    /// The numerics class that it is to stay in, and on what it computes in it: the kind of device
    /// that it would have, and how many threads. None while no bit depends on it.
    pub fn stays_in(&self) -> Option<(&NumericsClass, DeviceClass, u32)> {
        let class = self.done.class()?;
        match self.next_stage()? {
            Stage::Train => {
                let Demand { class: device, devices, .. } = Demand::of(self);
                Some((class, device, self.train_threads(devices)))
            }
            // Rows are drawn on cores, whatever they were learned on.
            Stage::Sample if class.is_of_cores() => {
                Some((class, DeviceClass::Cpu, self.request.threads))
            }
            _ => None,
        }
    }

    /// Whether this stage's result is in the row.
    pub fn has_done(&self, stage: Stage) -> bool {
        match stage {
            Stage::Run => self.done.run.is_some(),
            Stage::Ingest => self.done.dataset.is_some(),
            Stage::Profile => self.done.profile.is_some(),
            Stage::Train => self.done.model.is_some(),
            Stage::Sample => self.done.sampled,
            Stage::Evaluate => self.done.report.is_some(),
            Stage::Publish => self.state.is_final(),
        }
    }

    /// Adds to the timeline. Of a very long one the beginning and the newest entries are kept.
    pub fn log(&mut self, at: Timestamp, what: impl Into<String>) {
        if self.timeline.len() >= TIMELINE_ENTRIES_MAX {
            self.timeline.remove(1);
            self.timeline_dropped += 1;
        }
        self.timeline.push(TimelineEntry { at, what: what.into() });
    }

    /// The first stage without a result.
    pub fn next_stage(&self) -> Option<Stage> {
        self.stages().iter().copied().find(|stage| !self.has_done(*stage))
    }

    /// The stage that it is in, or that comes next.
    pub fn stage(&self) -> Stage {
        match self.state {
            JobState::Running { stage } => stage,
            _ => self.next_stage().unwrap_or(Stage::Publish),
        }
    }

    /// Rows to release: as asked, or as many as the table has. A share of it that was kept aside
    /// counts, a holdout file does not.
    pub fn rows(&self) -> Option<Rows> {
        let output = self.request.output()?;
        let has_own_holdout = self.request.source().is_some_and(|source| source.holdout.is_some());
        let of_table = || {
            let facts = self.done.dataset.as_ref()?;
            let aside = if has_own_holdout { 0 } else { facts.holdout_rows.0 };
            Some(Rows(facts.train_rows.0 + aside))
        };
        output.rows.or(self.done.rows).or_else(of_table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::step::samples::{self, row},
        request::Source,
    };

    #[test]
    fn it_runs_where_it_may_be_and_on_machines_that_it_may_use() {
        let mut row = row(samples::train());
        let may_be = |row: &JobRow| {
            let grounds = [("eu", false), ("eu", true), ("us", false), ("us", true)];
            grounds.map(|(region, is_spot)| {
                row.may_be_on(&Ground { region: region.to_owned(), is_spot })
            })
        };
        assert_eq!(may_be(&row), [true; 4]);
        row.stays_off_spot = true;
        assert_eq!(may_be(&row), [true, false, true, false]);
        row.regions = "eu".parse().expect("a region");
        assert_eq!(may_be(&row), [true, false, false, false]);
        let written = serde_json::json!(row);
        assert_eq!(serde_json::from_value::<JobRow>(written).expect("is read back"), row);
    }

    /// Rows of earlier versions say nothing of it.
    #[test]
    fn a_row_may_use_spot_machines_where_nothing_else_is_said() {
        let written = serde_json::json!(row(samples::train()));
        assert_eq!(written.get("stays_off_spot"), None);
        let read: JobRow = serde_json::from_value(written).expect("is read back");
        assert!(!read.stays_off_spot);
    }

    #[test]
    fn it_stays_in_its_numerics_class_as_long_as_a_bit_depends_on_it() {
        let class = |name: &str| NumericsClass(name.to_owned());
        let mut row = row(samples::synthesize(10));
        row.done.dataset = Some(samples::dataset(10));
        row.done.profile = Some(Digest::of(b"profile"));
        assert_eq!(row.stays_in(), None, "it has not begun to train");
        row.done.numerics_class = Some(class("gpu-x"));
        assert_eq!(row.stays_in(), Some((&class("gpu-x"), DeviceClass::Gpu, 2)));
        (row.request.devices, row.off_gpu) = (3, true);
        row.done.went_on_in.push(class("cpu-y"));
        assert_eq!(row.stays_in(), Some((&class("cpu-y"), DeviceClass::Cpu, 6)));
        row.done.model = Some(Digest::of(b"model"));
        assert_eq!(row.stays_in(), Some((&class("cpu-y"), DeviceClass::Cpu, 2)), "it is sampled");
        row.done.went_on_in.clear();
        assert_eq!(row.stays_in(), None, "cores draw what a graphics processor learned");
        row.done.went_on_in.push(class("cpu-y"));
        row.done.sampled = true;
        assert_eq!(row.stays_in(), None);
    }

    #[test]
    fn a_holdout_file_does_not_count_as_rows_of_the_table() {
        let request = |holdout: &str| -> JobRequest {
            let source = serde_json::json!({"table": "/t.csv", "holdout": holdout});
            let mut source: Source = serde_json::from_value(source).expect("a source");
            source.holdout = source.holdout.filter(|file| file.as_os_str() != "");
            let output = serde_json::json!({
                "table": "/o.csv", "format": {"rows": "csv", "compression": "none"},
                "report": "/o.report",
            });
            let output = serde_json::from_value(output).expect("an output");
            let goal = Goal::Synthesize { source, output };
            let request = serde_json::json!({
                "goal": goal, "model": "seqtree", "length": {"by": "default"}, "seed": 1,
                "threads": 1,
            });
            serde_json::from_value(request).expect("a request")
        };
        for (holdout, rows) in [("", 1_000), ("/holdout.csv", 800)] {
            let mut row = JobRow::accepted(JobId::new("j"), request(holdout), Timestamp(0));
            assert_eq!(row.rows(), None, "the table was not read yet");
            row.done.dataset = Some(DatasetFacts {
                digest: Digest::of(b"t"),
                train_rows: Rows(800),
                holdout_rows: Rows(200),
                columns: 3,
                notices: Vec::new(),
            });
            assert_eq!(row.rows(), Some(Rows(rows)), "holdout: {holdout:?}");
        }
    }
}

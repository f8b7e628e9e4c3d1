//! Hands chunks to the samplers, a few at a time, and counts rows.
//!
//! The window per sampler keeps every sampler busy and mailboxes short; jobs that sample at the
//! same time take turns by it. Which sampler takes which chunk changes no byte.

use std::collections::{BTreeSet, VecDeque};

use tgs_protocol::{
    chunk::{ChunkNo, SealedChunk},
    code::Code,
    engine::{Device, NumericsClass},
    id::Incarnation,
    limits::{
        CHUNK_ELSEWHERE_MS, CHUNKS_OFFERED_PER_PEER, CHUNKS_OFFERED_PER_SAMPLER, PEER_REST_MS,
    },
    metric_definitions::CHUNKS_LENT,
    peer::{ChunkTask, PeerAnswer, PeerLink, PeerRequest},
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
    unit::{Millis, Rows},
    watchdog::{Pace, Signs, Silence, Watchdog},
};

use tokio::task::spawn_blocking;

use crate::{
    chunk_sampler::message::{ChunkEnd, ChunkOrder, Whose},
    failure::Fault,
    job_supervisor::{Shell, WorkBy, message::JobSupervisorMessage},
    ports::Ports,
};

/// The sampling of one job.
pub(crate) struct Sampling {
    waiting: VecDeque<(ChunkNo, Rows)>,
    /// Chunks in the hands of each sampler, and then of each node that helps.
    out: Vec<usize>,
    helpers: Vec<Helper>,
    is_stopping: bool,
    rows_before: Rows,
    rows_sealed: Rows,
    rows_total: Rows,
    begun: Millis,
    /// Samplers that had chunks of this job and gave no sign of life.
    silent: BTreeSet<usize>,
    /// Chunks that came back.
    heard: u64,
    watchdog: Watchdog,
}

/// A node that is asked for help.
struct Helper {
    peer: Incarnation,
    is_reached: bool,
    /// Since when it rests.
    rests: Option<Millis>,
}

impl Helper {
    fn is_ready(&self, now: Millis) -> bool {
        let rested = |since: Millis| now.get().saturating_sub(since.get()) >= PEER_REST_MS;
        self.is_reached && self.rests.is_none_or(rested)
    }
}

impl Sampling {
    /// These nodes can be asked for help now, also those that came while it went on.
    fn meet(&mut self, reached: Vec<Incarnation>) {
        for helper in &mut self.helpers {
            helper.is_reached = reached.contains(&helper.peer);
        }
        for peer in reached {
            if self.helpers.iter().all(|helper| helper.peer != peer) {
                self.helpers.push(Helper { peer, is_reached: true, rests: None });
                self.out.push(0);
            }
        }
    }

    /// Whether samplers have chunks and give no sign of life.
    fn hangs(&mut self, now: Millis, allowed: Silence) -> bool {
        let signs = Signs { pace: Pace::Free, count: self.heard, longest: Millis(0) };
        self.watchdog.look(signs, now, allowed)
    }

    /// Nothing more is offered; true if nothing is out either.
    pub(crate) fn stop(&mut self) -> bool {
        self.waiting.clear();
        self.is_stopping = true;
        self.stands_still()
    }

    /// Whether this sampler has chunks of this job.
    pub(crate) fn is_out_at(&self, sampler: usize) -> bool {
        self.out.get(sampler).is_some_and(|out| *out > 0)
    }

    /// Nodes that help are not waited for: what they seal under a lease that is given back is
    /// refused.
    fn stands_still(&self) -> bool {
        self.is_stopping && self.out[..self.samplers()].iter().all(|out| *out == 0)
    }

    /// How many samplers there are; behind them are the nodes that help.
    fn samplers(&self) -> usize {
        self.out.len() - self.helpers.len()
    }

    /// The next chunk and the sampler with the most room.
    fn next_offer(&mut self, now: Millis) -> Option<(usize, ChunkNo, Rows)> {
        let samplers = self.samplers();
        let all_are_silent = self.silent.len() >= samplers;
        let helpers = &self.helpers;
        let has_room = |(at, out): &(usize, usize)| match at.checked_sub(samplers) {
            None if !all_are_silent && self.silent.contains(at) => false,
            None => *out < CHUNKS_OFFERED_PER_SAMPLER,
            Some(helper) => *out < CHUNKS_OFFERED_PER_PEER && helpers[helper].is_ready(now),
        };
        let out = self.out.iter().copied().enumerate().filter(has_room);
        let (sampler, _) = out.min_by_key(|(at, out)| (*out, *at))?;
        let (chunk, rows) = self.waiting.pop_front()?;
        self.out[sampler] += 1;
        Some((sampler, chunk, rows))
    }

    fn progress(&self, now: Millis) -> Progress {
        let seconds = now.get().saturating_sub(self.begun.get()) as f64 / 1_000.0;
        let rate = (seconds > 0.0).then(|| self.rows_sealed.get() as f64 / seconds);
        let done = self.rows_before.get() + self.rows_sealed.get();
        let total = Some(self.rows_total.get());
        Progress {
            rows_per_second: rate,
            ..Progress::of(Stage::Sample, done, total, ProgressUnit::Rows)
        }
    }
}

/// Asks another node for a chunk; none if it does not do it, whatever went wrong there.
async fn elsewhere(
    ports: &Ports,
    peer: &Incarnation,
    threads: u32,
    task: impl FnOnce(NumericsClass) -> ChunkTask,
) -> Option<SealedChunk> {
    let engine = ports.engine.clone();
    // Of this very node, whatever the job was in before: help is not to change any bit.
    let class = move || engine.numerics_class(Device::Cpu, threads);
    let task = task(spawn_blocking(class).await.ok()?.ok()?);
    let (job, chunk, rows) = (task.lease.job.clone(), task.chunk, task.rows);
    let within = Millis(CHUNK_ELSEWHERE_MS);
    match ports.links.ask(peer, PeerRequest::Sample(task), within).await {
        Ok(PeerAnswer::Sealed(sealed)) if sealed.chunk == chunk && sealed.rows == rows => {
            Some(sealed)
        }
        Ok(PeerAnswer::NotDone { why }) => {
            tracing::info!(%job, %chunk, %peer, why, "another node did not sample a chunk");
            None
        }
        Ok(PeerAnswer::Sealed(_) | PeerAnswer::Heard | PeerAnswer::Unknown) | Err(_) => None,
    }
}

impl Shell {
    pub(crate) fn sampling_of(&self, chunks: Vec<(ChunkNo, Rows)>) -> Sampling {
        let rows_total = self.row().and_then(|row| row.rows()).unwrap_or_default();
        let missing: u64 = chunks.iter().map(|(_, rows)| rows.get()).sum();
        Sampling {
            waiting: chunks.into(),
            out: vec![0; self.crew.samplers.len()],
            helpers: Vec::new(),
            is_stopping: false,
            rows_before: Rows(rows_total.get().saturating_sub(missing)),
            rows_sealed: Rows(0),
            rows_total,
            begun: self.ports.clock.monotonic(),
            silent: self.silent_samplers.clone(),
            heard: 0,
            watchdog: Watchdog::default(),
        }
    }

    /// Fills the windows of the samplers.
    pub(crate) fn offer_chunks(&mut self) {
        let (Some(lease), Some(row)) = (&self.lease, &self.saved) else { return };
        let Some(model) = row.done.model else { return };
        let now = self.ports.clock.monotonic();
        let Some(work) = &mut self.work else { return };
        let WorkBy::Samplers(sampling) = &mut work.by else { return };
        sampling.meet(self.ports.links.reached());
        while let Some((sampler, chunk, rows)) = sampling.next_offer(now) {
            let (threads, seed) = (row.request.threads, row.request.seed);
            let lease = lease.clone();
            let (work_no, report_to) = (work.no, self.myself.clone());
            let Some(at_hand) = self.crew.samplers.get(sampler) else {
                let peer = sampling.helpers[sampler - sampling.samplers()].peer.clone();
                let (version, regions) = (self.config.about.version.clone(), row.regions.clone());
                let stays_off_spot = row.stays_off_spot;
                let task = move |class| ChunkTask {
                    lease,
                    model,
                    threads,
                    class,
                    seed,
                    chunk,
                    rows,
                    version,
                    regions,
                    stays_off_spot,
                };
                let ports = self.ports.clone();
                tokio::spawn(async move {
                    let sealed = elsewhere(&ports, &peer, threads, task).await;
                    let outcome = if sealed.is_some() { "sealed" } else { "returned" };
                    metrics::counter!(CHUNKS_LENT, "outcome" => outcome).increment(1);
                    // What comes back is done here, and what is then said of it is said of the job.
                    let end = sealed.map_or(ChunkEnd::Returned(chunk, rows), ChunkEnd::Sealed);
                    let ended = JobSupervisorMessage::ChunkEnded { work_no, sampler, end };
                    let _ = report_to.cast(ended);
                });
                continue;
            };
            let class = row.done.class().filter(|class| class.is_of_cores()).cloned();
            let watch = work.watch.0.clone();
            let whose = Whose::Ours { work_no, sampler, class, watch, report_to };
            let order = ChunkOrder { lease, model, threads, seed, chunk, rows, whose };
            let _ = at_hand.cast(order);
        }
    }

    /// Takes the chunks from samplers that give no sign of life: others are asked for them.
    pub(crate) async fn look_at_samplers(&mut self) {
        let now = self.ports.clock.monotonic();
        let Some(work) = &mut self.work else { return };
        let WorkBy::Samplers(sampling) = &mut work.by else { return };
        if sampling.hangs(now, self.config.silence) {
            let held = (0..self.crew.samplers.len()).filter(|at| sampling.is_out_at(*at));
            self.silent_samplers.extend(held);
            let said = "sample: no chunk came for too long; others are asked for them";
            self.fail_work(Fault::new(Code::DeviceFailed, said)).await;
        }
    }

    pub(crate) fn sampler_freed(&mut self, sampler: usize, end: &ChunkEnd) {
        let now = self.ports.clock.monotonic();
        let Some(work) = &mut self.work else { return };
        let WorkBy::Samplers(sampling) = &mut work.by else { return };
        sampling.heard += 1;
        if let Some(out) = sampling.out.get_mut(sampler) {
            *out = out.saturating_sub(1);
        }
        match end {
            ChunkEnd::Sealed(SealedChunk { rows, .. }) => {
                sampling.rows_sealed = Rows(sampling.rows_sealed.get() + rows.get());
                work.watch.0.tell(sampling.progress(now));
            }
            ChunkEnd::Returned(chunk, rows) => {
                if !sampling.is_stopping {
                    sampling.waiting.push_front((*chunk, *rows));
                }
                let helper = sampler.checked_sub(sampling.samplers());
                if let Some(helper) = helper.and_then(|at| sampling.helpers.get_mut(at)) {
                    helper.rests = Some(now);
                }
            }
            ChunkEnd::Dropped | ChunkEnd::Overtaken | ChunkEnd::Failed(_) => {}
        }
    }

    /// Whether sampling was told to stop and every sampler has answered.
    pub(crate) fn sampling_stands_still(&self) -> bool {
        match self.work.as_ref().map(|work| &work.by) {
            Some(WorkBy::Samplers(sampling)) => sampling.stands_still(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_come_meanwhile_help_and_those_that_went_are_not_asked() {
        let chunks = (0..9).map(|no| (ChunkNo(no), Rows(1)));
        let mut sampling = Sampling {
            waiting: chunks.collect(),
            out: vec![0],
            helpers: Vec::new(),
            is_stopping: false,
            rows_before: Rows(0),
            rows_sealed: Rows(0),
            rows_total: Rows(9),
            begun: Millis(0),
            silent: BTreeSet::new(),
            heard: 0,
            watchdog: Watchdog::default(),
        };
        let offered = |sampling: &mut Sampling, reached: &[&str]| {
            sampling.meet(reached.iter().map(|name| Incarnation::new(*name)).collect());
            let offers = std::iter::from_fn(|| sampling.next_offer(Millis(0)));
            offers.map(|(sampler, ..)| sampler).collect::<Vec<_>>()
        };
        assert_eq!(offered(&mut sampling, &[]), [0; CHUNKS_OFFERED_PER_SAMPLER]);
        assert_eq!(offered(&mut sampling, &["a"]), [1; CHUNKS_OFFERED_PER_PEER]);
        sampling.out[1] = 0;
        assert_eq!(
            offered(&mut sampling, &["b"]),
            [2; CHUNKS_OFFERED_PER_PEER],
            "the first one is gone"
        );
        assert_eq!(offered(&mut sampling, &["a", "b"]), [1; CHUNKS_OFFERED_PER_PEER], "it is back");
    }
}

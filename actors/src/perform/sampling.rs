//! Hands chunks to the samplers, a few at a time, and counts rows.
//!
//! The window per sampler keeps every sampler busy and mailboxes short; jobs that sample at the
//! same time take turns by it. Which sampler takes which chunk changes no byte.

use std::collections::{BTreeSet, VecDeque};

use tgs_protocol::{
    chunk::{ChunkNo, SealedChunk},
    code::Code,
    limits::CHUNKS_OFFERED_PER_SAMPLER,
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
    unit::{Millis, Rows},
    watchdog::{Pace, Signs, Silence, Watchdog},
};

use crate::{
    chunk_sampler::message::{ChunkEnd, ChunkOrder},
    failure::Fault,
    job_supervisor::{Shell, WorkBy},
};

/// The sampling of one job.
pub(crate) struct Sampling {
    waiting: VecDeque<(ChunkNo, Rows)>,
    /// Chunks in the hands of each sampler.
    out: Vec<usize>,
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

impl Sampling {
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

    fn stands_still(&self) -> bool {
        self.is_stopping && self.out.iter().all(|out| *out == 0)
    }

    /// The next chunk and the sampler with the most room.
    fn next_offer(&mut self) -> Option<(usize, ChunkNo, Rows)> {
        let all_are_silent = self.silent.len() >= self.out.len();
        let out = self.out.iter().copied().enumerate();
        let out = out.filter(|(at, _)| all_are_silent || !self.silent.contains(at));
        let (sampler, out) = out.min_by_key(|(at, out)| (*out, *at))?;
        if out >= CHUNKS_OFFERED_PER_SAMPLER {
            return None;
        }
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

impl Shell {
    pub(crate) fn sampling_of(&self, chunks: Vec<(ChunkNo, Rows)>) -> Sampling {
        let rows_total = self.row().and_then(|row| row.rows()).unwrap_or_default();
        let missing: u64 = chunks.iter().map(|(_, rows)| rows.get()).sum();
        let now = self.ports.clock.monotonic();
        Sampling {
            waiting: chunks.into(),
            out: vec![0; self.crew.samplers.len()],
            is_stopping: false,
            rows_before: Rows(rows_total.get().saturating_sub(missing)),
            rows_sealed: Rows(0),
            rows_total,
            begun: now,
            silent: self.silent_samplers.clone(),
            heard: 0,
            watchdog: Watchdog::default(),
        }
    }

    /// Fills the windows of the samplers.
    pub(crate) fn offer_chunks(&mut self) {
        let (Some(lease), Some(row)) = (&self.lease, &self.saved) else { return };
        let Some(model) = row.done.model else { return };
        let Some(work) = &mut self.work else { return };
        let WorkBy::Samplers(sampling) = &mut work.by else { return };
        while let Some((sampler, chunk, rows)) = sampling.next_offer() {
            let order = ChunkOrder {
                work_no: work.no,
                sampler,
                lease: lease.clone(),
                model,
                threads: row.request.threads,
                class: row.done.class().filter(|class| class.is_of_cores()).cloned(),
                seed: row.request.seed,
                chunk,
                rows,
                watch: work.watch.0.clone(),
                report_to: self.myself.clone(),
            };
            let _ = self.crew.samplers[sampler].cast(order);
        }
    }

    /// Takes the chunks from samplers that give no sign of life: others are asked for them.
    pub(crate) async fn look_at_samplers(&mut self) {
        let now = self.ports.clock.monotonic();
        let Some(work) = &mut self.work else { return };
        let WorkBy::Samplers(sampling) = &mut work.by else { return };
        if sampling.hangs(now, self.config.silence) {
            let held = (0..sampling.out.len()).filter(|at| sampling.is_out_at(*at));
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
        if let ChunkEnd::Sealed(SealedChunk { rows, .. }) = end {
            sampling.rows_sealed = Rows(sampling.rows_sealed.get() + rows.get());
            work.watch.0.tell(sampling.progress(now));
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

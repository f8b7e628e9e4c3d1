//! Noise to rows: a solver of few evaluations, high last noise level; then numbers by rank and
//! levels by calibrated shares.
//!
//! A chunk of fewer rows is not the beginning of a longer one: ranks and shares are brought to
//! those of the training table among the very rows that are asked for, or small tables would
//! differ from it by chance alone. Of a handful of rows that would make averages, not rows, so they
//! are drawn one by one. Sub-batches are of fixed size, so the bytes do not depend on the thread.

mod levels;
mod solver;

use tch::Tensor;
use tgs_protocol::{chunk::ChunkNo, engine::EngineError};

pub(super) use self::levels::mean_probabilities;
pub(crate) use self::levels::{as_told, is_calibrated, told};
pub(super) use self::solver::{Ready, noise_levels};
use super::{
    config::TabgraphConfig,
    denoiser::Denoiser,
    redraw::{Redraw, Rows},
    tokenizer::Tokenizer,
};
use crate::{
    learn::{
        flat::Leaves,
        torch::{Torch, failed, matrix, use_threads, values},
    },
    model::Generator,
    random::{Purpose, Stream},
    table::{Cells, Table},
};

/// Rows that go through the net together: activations of a block stay in the second-level cache.
const SUB_BATCH_ROWS: usize = 500;
/// Numbers in the answers of these rows, at most: a table of very many levels goes in fewer rows.
const ANSWERS_MAX: usize = 4 << 20;
/// Rows of a chunk, at most, that go through the net one by one, without libtorch: its operators
/// cost more than the numbers of so few.
const SINGLE_ROWS_MAX: usize = 4;

/// A trained model in memory.
#[derive(Debug, Clone)]
pub(super) struct TabgraphSampler {
    /// Constants.
    pub config: TabgraphConfig,
    /// Cells to tokens and back.
    pub tokenizer: Tokenizer,
    /// The net.
    pub denoiser: Denoiser,
    /// Its parameters.
    pub weights: Vec<f32>,
    /// Noise levels of the evaluations, descending.
    pub noise_levels: Vec<f64>,
    /// What calibration adds to the logits of all levels.
    pub offsets: Vec<f32>,
    /// Columns that are drawn once more.
    pub redraw: Redraw,
}

/// What the net answered at the last noise level.
#[derive(Debug)]
struct Answer {
    /// Per token, one number per row.
    numbers: Vec<Vec<f32>>,
    /// One per head.
    heads: Vec<HeadAnswer>,
}

/// What it answered for one head.
#[derive(Debug)]
enum HeadAnswer {
    /// Rows × levels of the head.
    Logits(Vec<f32>),
    /// One level per row. Heads of very many levels are not calibrated, and drawn at once: their
    /// logits would fill the memory.
    Drawn(Vec<u32>),
}

impl Answer {
    /// Takes rows in: their clean tokens and their last answers, row by row.
    fn take(&mut self, net: &Denoiser, (clean, last): (&[f32], &[f32]), draws: &mut Stream) {
        for row in clean.chunks_exact(net.tokens()) {
            row.iter().zip(&mut self.numbers).for_each(|(cell, column)| column.push(*cell));
        }
        let width = net.numbers + net.heads.iter().sum::<usize>();
        let mut begins = net.numbers;
        for (head, levels) in self.heads.iter_mut().zip(&net.heads) {
            let logits = last.chunks_exact(width).flat_map(|row| &row[begins..begins + levels]);
            match head {
                HeadAnswer::Drawn(drawn) => {
                    drawn.extend(as_told(logits.copied().collect(), *levels, draws));
                }
                HeadAnswer::Logits(all) => all.extend(logits),
            }
            begins += levels;
        }
    }
}

impl Generator for TabgraphSampler {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        use_threads(1);
        self.drawn(&self.ready()?, (seed, chunk), rows)
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.tokenizer.generated(seed, chunk, rows)
    }
}

impl TabgraphSampler {
    /// What every chunk needs: it depends on the model alone.
    pub(super) fn ready(&self) -> Result<Ready, EngineError> {
        let _guard = tch::no_grad_guard();
        self.solver(&self.noise_levels).map_err(failed("make a model ready"))
    }

    /// A solver of other noise levels.
    pub(super) fn solver(&self, noise_levels: &[f64]) -> Torch<Ready> {
        Ready::of(self, noise_levels)
    }

    /// The rows of a chunk, on this thread.
    pub(super) fn drawn(
        &self,
        ready: &Ready,
        (seed, chunk): (u64, ChunkNo),
        rows: usize,
    ) -> Result<Table, EngineError> {
        let index = u64::from(chunk.0);
        let mut latents = Stream::new(seed, Purpose::SampleLatent, index);
        let mut draws = Stream::new(seed, Purpose::SampleLevel, index);
        let mut tokens = self.tokens(ready, rows, &mut latents, &mut draws)?;
        self.redraw.apply(&self.tokenizer, &mut tokens, rows, (seed, chunk));
        let mut members = Stream::new(seed, Purpose::SampleNumber, index);
        let tokens = (&*tokens.numbers, &*tokens.levels);
        let rank_map = self.config.rank_map;
        Ok(self.tokenizer.decode(rows, tokens, rank_map, &mut members, (seed, chunk)))
    }

    /// Rows that are nobody's chunk, before anything is drawn once more.
    ///
    /// # Errors
    /// `DeviceFailed`.
    pub(super) fn tokens_of_nobody(&self, rows: usize) -> Result<Rows, EngineError> {
        // Seed 0 of a purpose of its own, beyond the batches that shares are calibrated on.
        let stream = |index| Stream::new(0, Purpose::Calibration, u64::from(u32::MAX) + index);
        self.tokens(&self.ready()?, rows, &mut stream(1), &mut stream(2))
    }

    fn tokens(
        &self,
        ready: &Ready,
        rows: usize,
        latents: &mut Stream,
        draws: &mut Stream,
    ) -> Result<Rows, EngineError> {
        let answer = self.solve(ready, rows, latents, draws)?;
        let shares = self.tokenizer.heads.iter().map(|head| head.shares());
        let level = |(answer, shares): (HeadAnswer, Vec<f64>)| match answer {
            HeadAnswer::Drawn(levels) => levels,
            HeadAnswer::Logits(logits) => told(logits, &shares, draws),
        };
        let levels = answer.heads.into_iter().zip(shares).map(level).collect();
        Ok(Rows { numbers: answer.numbers, levels })
    }

    /// Rows that go through the net together: a function of the model.
    pub(super) fn rows_together(&self) -> usize {
        let numbers = self.denoiser.numbers + self.denoiser.heads.iter().sum::<usize>();
        (ANSWERS_MAX / numbers.max(1)).clamp(1, SUB_BATCH_ROWS)
    }

    /// The last answer for so many rows of noise of the stream: number outputs, then the logits of
    /// each head.
    pub(super) fn last_pieces(&self, rows: usize, latents: &mut Stream) -> Torch<Vec<Tensor>> {
        let noise = matrix(&self.noise(rows, latents), self.denoiser.tokens())?;
        let (_, last) = self.solver(&self.noise_levels)?.solve(self, &noise)?;
        self.denoiser.pieces(&last)
    }

    fn noise(&self, rows: usize, latents: &mut Stream) -> Vec<f32> {
        let mut noise = vec![0.0_f32; rows * self.denoiser.tokens()];
        latents.fill_normal(&mut noise);
        noise
    }

    /// Solves `rows` rows from noise of the stream. Heads of very many levels are drawn on the way.
    ///
    /// # Errors
    /// `DeviceFailed`.
    fn solve(
        &self,
        ready: &Ready,
        rows: usize,
        latents: &mut Stream,
        draws: &mut Stream,
    ) -> Result<Answer, EngineError> {
        let _guard = tch::no_grad_guard();
        let head = |levels: &usize| match is_calibrated(*levels) {
            false => HeadAnswer::Drawn(Vec::with_capacity(rows)),
            true => HeadAnswer::Logits(Vec::with_capacity(rows * levels)),
        };
        let mut answer = Answer {
            numbers: vec![Vec::with_capacity(rows); self.denoiser.numbers],
            heads: self.denoiser.heads.iter().map(head).collect(),
        };
        if self.denoiser.tokens() == 0 {
            return Ok(answer);
        }
        if rows <= SINGLE_ROWS_MAX {
            for _ in 0..rows {
                let (clean, last) = ready.solve_row(self, &self.noise(1, latents));
                answer.take(&self.denoiser, (&clean, &last), draws);
            }
            return Ok(answer);
        }
        let failed = failed("turn noise into rows");
        let mut done = 0;
        while done < rows {
            let count = self.rows_together().min(rows - done);
            let noise = self.noise(count, latents);
            let solved = matrix(&noise, self.denoiser.tokens())
                .and_then(|noise| ready.solve(self, &noise))
                .and_then(|(clean, last)| Ok((values(&clean)?, values(&last)?)));
            let (clean, last) = solved.map_err(&failed)?;
            answer.take(&self.denoiser, (&clean, &last), draws);
            done += count;
        }
        Ok(answer)
    }

    /// The parameters as views, with the offsets of calibration in the last bias.
    fn leaves(&self) -> Torch<Leaves> {
        let mut weights = self.weights.clone();
        let last = weights.len() - self.offsets.len();
        weights[last..].iter_mut().zip(&self.offsets).for_each(|(bias, offset)| *bias += offset);
        let flat = Tensor::f_from_slice(&weights)?;
        self.denoiser.layout.split(&flat, &(0..weights.len()))
    }
}

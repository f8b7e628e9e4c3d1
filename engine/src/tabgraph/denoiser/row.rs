//! The same net on one row of plain numbers: a handful of rows is not worth a tensor.

use super::{Denoiser, Trunk};
use crate::learn::plain::{Parameters, softmax};

impl Denoiser {
    /// The answer for the noisy tokens of one row over √(1 + σ²). `last`: its last answer as
    /// tokens, for self-conditioning; `offsets`: what is added to the logits of all levels.
    pub(in crate::tabgraph) fn answer_of_row(
        &self,
        parameters: &Parameters<'_>,
        (tokens, last): (&[f32], Option<&[f32]>),
        time: &[f32],
        offsets: &[f32],
    ) -> Vec<f32> {
        let mut h = self.input.of_row(parameters, &self.features_of_row(tokens, last));
        h.iter_mut().zip(time).for_each(|(h, time)| *h += time);
        let mut answer = self.output.of_row(parameters, &self.trunk.of_row(parameters, h));
        let logits = &mut answer[self.numbers..];
        logits.iter_mut().zip(offsets).for_each(|(logit, offset)| *logit += offset);
        answer
    }

    /// The clean tokens that an answer means; `shrink`, `grow` as in [`Self::clean`], `table` as
    /// [`Self::table`] has it.
    pub(in crate::tabgraph) fn clean_of_row(
        &self,
        answer: &[f32],
        tokens: &[f32],
        (shrink, grow): (f32, f32),
        table: &[f32],
    ) -> Vec<f32> {
        let (numbers, mut logits) = answer.split_at(self.numbers);
        let mut clean = Vec::with_capacity(self.tokens());
        clean.extend(tokens.iter().zip(numbers).map(|(token, out)| token * shrink + out * grow));
        let mut vectors = table.chunks_exact(self.embedding);
        for levels in &self.heads {
            let (of_head, others) = logits.split_at(*levels);
            let mut odds = of_head.to_vec();
            softmax(&mut odds);
            let from = clean.len();
            clean.resize(from + self.embedding, 0.0);
            for (odds, vector) in odds.iter().zip(vectors.by_ref()) {
                clean[from..].iter_mut().zip(vector).for_each(|(sum, cell)| *sum += odds * cell);
            }
            logits = others;
        }
        clean
    }

    fn features_of_row(&self, tokens: &[f32], last: Option<&[f32]>) -> Vec<f32> {
        let mut features = tokens.to_vec();
        for octave in 0..self.octaves {
            let turns = Self::turns(octave);
            #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
            let angles = tokens[..self.numbers].iter().map(|number| number * turns as f32);
            features.extend(angles.clone().map(libm::sinf));
            features.extend(angles.map(libm::cosf));
        }
        if self.self_conditioning {
            let from = features.len();
            features.resize(from + self.tokens(), 0.0);
            if let Some(last) = last {
                features[from..].copy_from_slice(last);
            }
        }
        features
    }
}

impl Trunk {
    fn of_row(&self, parameters: &Parameters<'_>, mut h: Vec<f32>) -> Vec<f32> {
        match self {
            Self::Mlp(blocks) => {
                for block in blocks {
                    h = block.of_row(parameters, &h);
                }
            }
            Self::Unet { down, middle, up } => {
                let mut skips = Vec::with_capacity(down.len());
                for (block, narrow) in down {
                    let wide = block.of_row(parameters, &h);
                    h = narrow.of_row(parameters, &wide);
                    skips.push(wide);
                }
                h = middle.of_row(parameters, &h);
                for (widen, join, block) in up {
                    h = widen.of_row(parameters, &h);
                    if let Some(skip) = skips.pop() {
                        h = join.of_row(parameters, &[&*h, &*skip].concat());
                        h.iter_mut().zip(&skip).for_each(|(h, skip)| *h += skip);
                    }
                    h = block.of_row(parameters, &h);
                }
            }
        }
        h
    }
}

//! Rows of an opened model: of each column the net says the odds given those before, and one is
//! drawn.

use std::sync::Arc;

use tch::Tensor;
use tgs_protocol::{chunk::ChunkNo, engine::EngineError};

use super::{
    chain::Link,
    completing::Completing,
    config::AutoregressiveConfig,
    drawing::Drawing,
    net::{Column, Net},
    scale::Scale,
    within::Within,
};
use crate::{
    given::{Fitting, Incomplete, Limits},
    learn::{
        flat::Leaves,
        kept::{Kept, Shared},
        torch::{Torch, failed, use_threads},
    },
    model::Generator,
    random::{Purpose, Stream},
    tabgraph::tokenizer::Tokenizer,
    table::{Cells, Table},
};

/// A trained model in memory.
#[derive(Debug, Clone)]
pub(super) struct AutoregressiveSampler {
    /// Constants.
    pub config: AutoregressiveConfig,
    /// Cells to levels and ranks and back.
    pub tokenizer: Tokenizer,
    /// Columns in the order in which they are drawn.
    pub links: Vec<Link>,
    /// The net.
    pub net: Net,
    /// Its parameters.
    pub weights: Vec<f32>,
}

/// What every chunk needs: it depends on the model alone.
pub(super) struct Ready {
    /// The parameters.
    pub leaves: Leaves,
    /// Where bins lie.
    pub scale: Scale,
    /// The context of rows of which nothing is known; `1 × width`.
    pub nothing: Tensor,
    /// What each value of a column's inputs adds to the context.
    pub added: Vec<[Option<Tensor>; 3]>,
}

impl Ready {
    fn of(model: &AutoregressiveSampler) -> Torch<Self> {
        let _guard = tch::no_grad_guard();
        let flat = Tensor::f_from_slice(&model.weights)?;
        let leaves = model.net.layout.split(&flat, &(0..model.weights.len()))?;
        let scale = model.net.numbers.scale()?;
        let of_column = |column: &Column| -> Torch<[Option<Tensor>; 3]> {
            let mut added = [None, None, None];
            for (added, input) in added.iter_mut().zip(&column.inputs) {
                *added = input.as_ref().map(|input| input.added(&leaves, &scale)).transpose()?;
            }
            Ok(added)
        };
        let added = model.net.columns.iter().map(of_column).collect::<Torch<_>>()?;
        Ok(Self { nothing: model.net.nothing(&leaves)?, added, scale, leaves })
    }
}

impl Shared for Ready {
    fn shared(&self) -> Self {
        let shared = |added: &[Option<Tensor>; 3]| {
            added.each_ref().map(|it| it.as_ref().map(Tensor::shallow_clone))
        };
        Self {
            leaves: self.leaves.shared(),
            scale: self.scale.shared(),
            nothing: self.nothing.shallow_clone(),
            added: self.added.iter().map(shared).collect(),
        }
    }
}

impl AutoregressiveSampler {
    /// The rows of a chunk, on this thread.
    fn drawn(
        &self,
        ready: &Ready,
        (seed, chunk): (u64, ChunkNo),
        rows: usize,
    ) -> Result<Table, EngineError> {
        let index = u64::from(chunk.0);
        let mut draws = Stream::new(seed, Purpose::SampleLevel, index);
        let mut all = || -> Torch<Drawing> {
            let _guard = tch::no_grad_guard();
            let mut drawing = Drawing::new(self, ready, rows)?;
            for at in 0..self.links.len() {
                drawing.column(at, &mut draws)?;
            }
            Ok(drawing)
        };
        let drawing = all().map_err(failed("draw rows"))?;
        let mut members = Stream::new(seed, Purpose::SampleNumber, index);
        let rank_map = self.config.rank_map;
        let tokens = (&*drawing.numbers, &*drawing.levels);
        Ok(self.tokenizer.decode(rows, tokens, rank_map, &mut members, (seed, chunk)))
    }
}

/// A model that was opened for sampling: what every chunk would compute first is computed once.
#[derive(Clone)]
pub(super) struct Opened {
    sampler: Arc<AutoregressiveSampler>,
    ready: Arc<Kept<Ready>>,
}

impl Opened {
    pub(super) fn new(sampler: AutoregressiveSampler) -> Self {
        Self { sampler: Arc::new(sampler), ready: Arc::default() }
    }

    /// The model.
    pub(super) fn model(&self) -> &AutoregressiveSampler {
        &self.sampler
    }

    /// The model, and what is ready of it for this thread.
    pub(super) fn ready(&self) -> Result<(&AutoregressiveSampler, Ready), EngineError> {
        use_threads(1);
        let make = || Ready::of(&self.sampler).map_err(failed("make a model ready"));
        Ok((&self.sampler, self.ready.or_make(make)?))
    }
}

impl Generator for Opened {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        let (sampler, ready) = self.ready()?;
        sampler.drawn(&ready, (seed, chunk), rows)
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.sampler.tokenizer.generated(seed, chunk, rows)
    }

    fn within(&self, limits: &Limits, tries: u32) -> Result<Option<Fitting>, EngineError> {
        let within = Within::new(self.clone(), limits, tries)?;
        let share = within.share()?;
        Ok(Some(Fitting { rows: Arc::new(within), share: Some(share) }))
    }

    fn completing(&self, rows: Incomplete) -> Option<Arc<dyn Generator>> {
        Some(Arc::new(Completing::new(self.clone(), rows)))
    }
}

//! All parameters of a model as one flat tensor; each parameter is a view into it.
//!
//! One tensor makes the optimiser a handful of passes and a snapshot a handful of tensors. A
//! gradient with respect to the flat leaf arrives already gathered: the backward pass of
//! `split_with_sizes` is one concatenation.

use std::ops::Range;

use tch::Tensor;

use super::torch::Torch;
use crate::random::{Purpose, Stream};

/// Names, shapes and first values of parameters, in the order in which they lie.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    entries: Vec<Entry>,
    len: usize,
}

/// Which parameter of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(usize);

/// How a parameter begins.
#[derive(Debug, Clone)]
pub(crate) enum Begin {
    Zeros,
    Ones,
    /// Uniform within ± this.
    Uniform(f64),
    /// Standard normal.
    Normal,
    /// These values.
    Values(Vec<f32>),
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    shape: Vec<i64>,
    begins: usize,
    count: usize,
    begin: Begin,
}

/// The parameters as tensors of their shapes, over shared storage.
#[derive(Debug)]
pub(crate) struct Leaves {
    views: Vec<Tensor>,
    first: usize,
}

impl Layout {
    /// Adds one parameter at the end.
    pub(crate) fn add(&mut self, name: impl Into<String>, shape: &[usize], begin: Begin) -> Slot {
        let count = shape.iter().product();
        let shape = shape.iter().map(|size| *size as i64).collect();
        self.entries.push(Entry { name: name.into(), shape, begins: self.len, count, begin });
        self.len += count;
        Slot(self.entries.len() - 1)
    }
    /// Numbers in all parameters together.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
    /// Name, shape and place of each parameter.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&str, Vec<usize>, Range<usize>)> {
        self.entries.iter().map(|entry| {
            let shape = entry.shape.iter().map(|size| usize::try_from(*size).unwrap_or(0));
            (entry.name.as_str(), shape.collect(), entry.begins..entry.begins + entry.count)
        })
    }
    /// Where the parameters with such names lie, neighbours as one.
    pub(crate) fn places(&self, is_meant: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
        let mut places: Vec<Range<usize>> = vec![];
        for entry in self.entries.iter().filter(|entry| is_meant(&entry.name)) {
            let end = entry.begins + entry.count;
            match places.last_mut() {
                Some(last) if last.end == entry.begins => last.end = end,
                _ => places.push(entry.begins..end),
            }
        }
        places
    }
    /// The first values of all parameters, a function of the seed.
    pub(crate) fn first_values(&self, seed: u64) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.len);
        for (index, entry) in self.entries.iter().enumerate() {
            let mut stream = Stream::new(seed, Purpose::Init, index as u64);
            let from = out.len();
            out.resize(from + entry.count, 0.0);
            entry.begin.fill(&mut out[from..], &mut stream);
        }
        out
    }
    /// Where the numbers of a parameter lie.
    pub(crate) fn place(&self, slot: Slot) -> Range<usize> {
        let entry = &self.entries[slot.0];
        entry.begins..entry.begins + entry.count
    }
    /// Views of the parameters whose numbers lie in `active`, of which `leaf` holds the values.
    /// `active` begins and ends between parameters.
    pub(crate) fn split(&self, leaf: &Tensor, active: &Range<usize>) -> Torch<Leaves> {
        let inside = |entry: &&Entry| {
            entry.begins >= active.start && entry.begins + entry.count <= active.end
        };
        let first = self.entries.iter().take_while(|entry| !inside(entry)).count();
        let picked: Vec<&Entry> = self.entries.iter().filter(inside).collect();
        let sizes: Vec<i64> = picked.iter().map(|entry| entry.count as i64).collect();
        let pieces = leaf.f_split_with_sizes(sizes, 0)?;
        let shaped = pieces.iter().zip(picked).map(|(piece, entry)| piece.f_view(&*entry.shape));
        Ok(Leaves { views: shaped.collect::<Torch<_>>()?, first })
    }
    /// Views of all parameters: of those in `active` `leaf` holds the values, of the others `flat`.
    pub(crate) fn split_around(
        &self,
        flat: &Tensor,
        leaf: &Tensor,
        active: &Range<usize>,
    ) -> Torch<Leaves> {
        let learning = self.split(leaf, active)?;
        if learning.views.len() == self.entries.len() {
            return Ok(learning);
        }
        let mut all = self.split(flat, &(0..self.len))?;
        let place = learning.first..learning.first + learning.views.len();
        all.views.splice(place, learning.views);
        Ok(all)
    }
}

impl Leaves {
    /// The same storage once more: another thread may read it at the same time.
    pub(crate) fn shared(&self) -> Self {
        let views = self.views.iter().map(Tensor::shallow_clone).collect();
        Self { views, first: self.first }
    }
    /// One parameter.
    pub(crate) fn get(&self, slot: Slot) -> &Tensor {
        &self.views[slot.0 - self.first]
    }
}

impl Begin {
    /// What a linear layer with so many inputs begins with (He et al., 2015, as PyTorch does).
    pub(crate) fn linear(inputs: usize) -> Self {
        Self::Uniform(1.0 / (inputs.max(1) as f64).sqrt())
    }
    fn fill(&self, into: &mut [f32], stream: &mut Stream) {
        match self {
            Self::Zeros => into.fill(0.0),
            Self::Ones => into.fill(1.0),
            Self::Normal => stream.fill_normal(into),
            Self::Values(values) => into.copy_from_slice(values),
            Self::Uniform(bound) => {
                stream.fill_uniform(into);
                #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
                into.iter_mut().for_each(|cell| *cell = (2.0 * *cell - 1.0) * *bound as f32);
            }
        }
    }
}

//! The net: what is known of rows in, odds of the levels and bins of one column out.
//!
//! Shapes: context `rows × width`, hidden `rows × column width`, logits `rows × levels` or `rows ×
//! bins`. The context is the sum of what every known column adds to a layer that all share.

use std::{ops::Range, sync::Arc};

use tch::Tensor;

use super::{
    chain::{Bins, Link, UNTOLD},
    config::AutoregressiveConfig,
    scale::{FEATURES, Mixture, Numbers, Scale, wave},
};
use crate::{
    learn::{
        flat::{Begin, Layout, Leaves, Slot},
        layers::Linear,
        torch::Torch,
    },
    random::inverse_normal,
    tabgraph::tokenizer::Tokenizer,
};

/// All parameters.
#[derive(Debug, Clone)]
pub(super) struct Net {
    /// Where they lie.
    pub layout: Layout,
    /// Width of the shared layer.
    pub width: usize,
    /// In the order of the links.
    pub columns: Vec<Column>,
    /// What bins mean.
    pub numbers: Arc<Numbers>,
    shift: Slot,
}

/// Those of one column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// What its level, its coarse bin and its place among all fine bins add to the context.
    pub inputs: [Option<Input>; 3],
    asked: Slot,
    first: Linear,
    second: Linear,
    /// The odds of its levels.
    pub levels: Option<Linear>,
    /// The odds of its bins.
    pub bins: Option<Ranked>,
}

/// What a value adds to the context: its embedding, times a matrix.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// Values, and one more that says "told by a level", where that may be.
    pub values: usize,
    /// None where it is the features of the scale.
    table: Option<Slot>,
    into: Linear,
}

/// The odds of bins: a fine bin depends on the coarse one.
#[derive(Debug, Clone)]
pub(super) struct Ranked {
    mixture: Linear,
    coarse: Linear,
    beside: Slot,
    narrow: Linear,
    fine: Linear,
}

/// Values of an embedding, before the layout is made.
struct Shape {
    values: usize,
    spare: usize,
    numbers: usize,
    kind: Values,
}

/// What is embedded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    Levels,
    /// Neighbours begin alike: with the cosine basis of their ranks.
    Coarse,
    /// Places among all fine bins, told by fixed features.
    Places,
}

impl Shape {
    fn new(values: usize, spare: usize, kind: Values, config: &AutoregressiveConfig) -> Self {
        if kind == Values::Places {
            return Self { values, spare, numbers: FEATURES, kind };
        }
        let wanted = config.embedding_factor * libm::pow(values as f64, 0.25);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, ≥ 0")]
        let wanted = (wanted.ceil() as usize).max(config.embedding_min);
        Self { values, spare, numbers: wanted.min(values + spare).max(1), kind }
    }

    fn begin(&self) -> Begin {
        if self.kind == Values::Levels {
            return Begin::Normal;
        }
        let rank = |value: usize| (value as f64 + 0.5) / self.values as f64;
        let waves = |value| (0..self.numbers).map(move |at| wave(rank(value), at));
        let mut cells: Vec<f32> = (0..self.values).flat_map(waves).collect();
        cells.resize((self.values + self.spare) * self.numbers, 0.0);
        Begin::Values(cells)
    }
}

impl Net {
    /// A net for these columns; levels begin with the shares of the training table.
    pub(super) fn new(
        tokenizer: &Tokenizer,
        links: &[Link],
        config: &AutoregressiveConfig,
    ) -> Self {
        let bins = Bins::of(config);
        let shapes = |link: &Link| {
            let level = link.head.map(|head| tokenizer.heads[head].meanings.len());
            let spare = usize::from(link.head.is_some());
            let bin = |bins, kind| link.number.map(|_| Shape::new(bins, spare, kind, config));
            let level = level.map(|it| Shape::new(it, 0, Values::Levels, config));
            let places = bin(bins.coarse * bins.fine, Values::Places);
            [level, bin(bins.coarse, Values::Coarse), places]
        };
        let shapes: Vec<_> = links.iter().map(shapes).collect();
        // One layer over all embeddings, of which each column has its part.
        let inputs: usize = shapes.iter().flatten().flatten().map(|shape| shape.numbers).sum();
        let mut layout = Layout::default();
        let width = config.width;
        let shift = layout.add("shift", &[width], Begin::linear(inputs));
        let columns = links.iter().zip(shapes).enumerate().map(|(at, (link, shapes))| {
            let names = ["level", "coarse", "place"];
            let mut shapes = names.iter().zip(shapes);
            let inputs = std::array::from_fn(|_| {
                let (name, shape) = shapes.next()?;
                Some(Input::new(&mut layout, &format!("{at}.{name}"), &shape?, (inputs, width)))
            });
            let shares = link.head.map(|head| tokenizer.heads[head].shares());
            let bins = link.number.map(|_| bins);
            Column::new(&mut layout, at, inputs, (shares, bins), config)
        });
        let columns = columns.collect();
        Self { layout, width, columns, numbers: Arc::new(Numbers::new(bins)), shift }
    }

    /// Parameters that do not decay: biases, which hold shares, and embeddings. A rare value is
    /// learned from few rows; if it decayed in all steps it would become like one that is unknown.
    pub(super) fn spared(&self) -> Vec<Range<usize>> {
        let ends = [".bias", ".table", ".beside", ".asked"];
        let is_spared = |name: &str| name == "shift" || ends.iter().any(|it| name.ends_with(it));
        self.layout.places(is_spared)
    }

    /// What is known of rows of which nothing is known; `1 × width`.
    pub(super) fn nothing(&self, leaves: &Leaves) -> Torch<Tensor> {
        leaves.get(self.shift).f_view([1, self.width as i64])
    }
}

impl Input {
    fn new(
        layout: &mut Layout,
        name: &str,
        shape: &Shape,
        (inputs, width): (usize, usize),
    ) -> Self {
        let values = shape.values + shape.spare;
        let table = (shape.kind != Values::Places)
            .then(|| layout.add(format!("{name}.table"), &[values, shape.numbers], shape.begin()));
        let begin = Begin::linear(inputs);
        let weight =
            layout.add(format!("{name}.into.weight"), &[width, shape.numbers], begin.clone());
        let bias = layout.add(format!("{name}.into.bias"), &[width], begin);
        Self { values, table, into: Linear { weight, bias } }
    }

    /// What each value adds; `values × width`.
    pub(super) fn added(&self, leaves: &Leaves, scale: &Scale) -> Torch<Tensor> {
        self.into.forward(leaves, self.table(leaves, scale))
    }

    fn table<'a>(&self, leaves: &'a Leaves, scale: &'a Scale) -> &'a Tensor {
        self.table.map_or(&scale.features, |table| leaves.get(table))
    }

    /// What the values of rows add. An untold bin is the last value.
    fn forward(&self, leaves: &Leaves, scale: &Scale, values: &[i64]) -> Torch<Tensor> {
        let places = self.places(values)?;
        let embedded = self.table(leaves, scale).f_index_select(0, &places)?;
        self.into.forward(leaves, &embedded)
    }

    /// Where the values of rows stand among those of [`Self::added`].
    fn places(&self, values: &[i64]) -> Torch<Tensor> {
        let last = self.values as i64 - 1;
        let place = |value: &i64| if *value == UNTOLD { last } else { *value };
        Tensor::f_from_slice(&values.iter().map(place).collect::<Vec<i64>>())
    }
}

impl Column {
    fn new(
        layout: &mut Layout,
        at: usize,
        inputs: [Option<Input>; 3],
        (shares, bins): (Option<Vec<f64>>, Option<Bins>),
        config: &AutoregressiveConfig,
    ) -> Self {
        let (width, own) = (config.width, config.column_width);
        let asked = layout.add(format!("{at}.asked"), &[width], Begin::Zeros);
        let mut linear =
            |name: &str, from, to| Linear::new(layout, &format!("{at}.{name}"), from, to);
        let (first, second) = (linear("first", width, own), linear("second", own, own));
        let levels = shares.map(|shares| {
            #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
            let logit = |share: &f64| libm::log(share.max(1e-6)) as f32;
            let weight =
                layout.add(format!("{at}.levels.weight"), &[shares.len(), own], Begin::linear(own));
            let begin = Begin::Values(shares.iter().map(logit).collect());
            Linear { weight, bias: layout.add(format!("{at}.levels.bias"), &[shares.len()], begin) }
        });
        let bins = bins.map(|bins| {
            let half = own.div_ceil(2);
            let beside = layout.add(format!("{at}.beside"), &[bins.coarse, half], Begin::Zeros);
            let mut linear =
                |name: &str, from, to| Linear::new(layout, &format!("{at}.{name}"), from, to);
            let narrow = linear("narrow", own, half);
            let mixture = Linear {
                weight: layout.add(
                    format!("{at}.mixture.weight"),
                    &[3 * config.components, own],
                    Begin::linear(own),
                ),
                bias: layout.add(
                    format!("{at}.mixture.bias"),
                    &[3 * config.components],
                    Begin::Values(mixture(config.components)),
                ),
            };
            let mut none = |name: &str, from, to| Linear {
                weight: layout.add(format!("{at}.{name}.weight"), &[to, from], Begin::Zeros),
                bias: layout.add(format!("{at}.{name}.bias"), &[to], Begin::Zeros),
            };
            let (coarse, fine) = (none("coarse", own, bins.coarse), none("fine", half, bins.fine));
            Ranked { mixture, coarse, beside, narrow, fine }
        });
        Self { inputs, asked, first, second, levels, bins }
    }

    /// What this column adds to the context of rows in which it is known. `told`: values of
    /// [`Self::inputs`], empty where there is none.
    pub(super) fn known(
        &self,
        leaves: &Leaves,
        scale: &Scale,
        told: [&[i64]; 3],
    ) -> Torch<Option<Tensor>> {
        let mut sum: Option<Tensor> = None;
        for (input, values) in self.inputs.iter().zip(told) {
            let Some(input) = input else { continue };
            let added = input.forward(leaves, scale, values)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&added)?,
                None => added,
            });
        }
        Ok(sum)
    }

    /// Adds what the cells of a part of the rows say to its context. `added`: what each value of
    /// [`Self::inputs`] adds; `told`: the values of all rows.
    pub(super) fn add(
        &self,
        added: &[Option<Tensor>; 3],
        told: [&[i64]; 3],
        part: &Range<usize>,
        context: &mut Tensor,
    ) -> Torch<()> {
        for ((input, added), told) in self.inputs.iter().zip(added).zip(told) {
            let (Some(input), Some(added)) = (input, added) else { continue };
            let places = input.places(&told[part.clone()])?;
            let _ = context.f_add_(&added.f_index_select(0, &places)?)?;
        }
        Ok(())
    }

    /// What the column's own layers make of a context. `mask`: dropout of the shared layer.
    pub(super) fn hidden(
        &self,
        leaves: &Leaves,
        context: &Tensor,
        mask: Option<&Tensor>,
    ) -> Torch<Tensor> {
        let mut shared = context.f_add(leaves.get(self.asked))?.f_silu()?;
        if let Some(mask) = mask {
            shared = shared.f_mul(mask)?;
        }
        let first = self.first.forward(leaves, &shared)?.f_silu()?;
        self.second.forward(leaves, &first)?.f_silu()
    }
}

impl Ranked {
    /// The density of a number.
    pub(super) fn mixture(&self, leaves: &Leaves, hidden: &Tensor) -> Torch<Mixture> {
        Mixture::of(&self.mixture.forward(leaves, hidden)?)
    }

    /// Logits of the coarse bins.
    pub(super) fn coarse(
        &self,
        leaves: &Leaves,
        scale: &Scale,
        (hidden, mixture): (&Tensor, &Mixture),
    ) -> Torch<Tensor> {
        scale.coarse_logits(mixture)?.f_add(&self.coarse.forward(leaves, hidden)?)
    }

    /// Logits of the fine bins within these coarse ones.
    pub(super) fn fine(
        &self,
        leaves: &Leaves,
        scale: &Scale,
        (hidden, mixture): (&Tensor, &Mixture),
        coarse: &Tensor,
    ) -> Torch<Tensor> {
        let beside = leaves.get(self.beside).f_index_select(0, coarse)?;
        let narrow = self.narrow.forward(leaves, hidden)?.f_add(&beside)?.f_silu()?;
        scale.fine_logits(mixture, coarse)?.f_add(&self.fine.forward(leaves, &narrow)?)
    }
}

/// What a mixture begins with: components side by side, which together are nearly normal.
fn mixture(components: usize) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "single precision is used")]
    let mean = |at: usize| inverse_normal((at as f64 + 0.5) / components as f64) as f32;
    let (weights, means) = (vec![0.0; components], (0..components).map(mean).collect());
    [weights, means, vec![-1.2; components]].concat()
}

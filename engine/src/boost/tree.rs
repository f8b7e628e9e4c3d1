//! One regression tree, grown depth first from histograms of gradients.

use super::{BINS_MAX, BoostConfig, Feature};
use crate::random::Stream;

/// A grown tree; node 0 is the root.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub nodes: Vec<Node>,
}

/// Of a tree; the first child of a split is the next node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    /// What a row that ends here adds to its score.
    Leaf(f64),
    /// A question, and where the second child stands.
    Split(Split, usize),
}

/// Rows whose bin is in `left` go to the first child.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    pub feature: usize,
    pub left: [u64; BINS_MAX / 64],
}

/// Summed gradient and curvature.
pub(super) type Sums = [f64; 2];

/// Grows the trees of one forest; keeps its buffers between trees.
#[derive(Debug)]
pub(super) struct Grower<'a> {
    features: &'a [Feature],
    config: &'a BoostConfig,
    /// Rows of the tree, grouped by node.
    rows: Vec<u32>,
    /// Rows that a split sends right, before they are copied back.
    aside: Vec<u32>,
    /// Gradients of the rows of one node, in their order.
    gathered: Vec<Sums>,
    /// Histograms that are free to be used again.
    pool: Vec<Vec<Sums>>,
    /// Columns this tree looks at, and where their bins begin in a histogram.
    columns: Vec<(usize, usize)>,
    width: usize,
}

impl Tree {
    /// Whether what came from a file ends in a leaf whatever is asked of so many features.
    pub(super) fn is_whole(&self, width: usize) -> bool {
        let count = self.nodes.len();
        let fits = |(at, node): (usize, &Node)| match node {
            Node::Leaf(_) => true,
            Node::Split(split, second) => {
                split.feature < width && at + 1 < *second && *second < count
            }
        };
        count > 0 && self.nodes.iter().enumerate().all(fits)
    }

    /// Value of the leaf that a row falls into.
    pub fn value(&self, features: &[Feature], row: usize) -> f64 {
        let mut at = 0;
        loop {
            match &self.nodes[at] {
                Node::Leaf(value) => return *value,
                Node::Split(split, second) => {
                    let bin = features[split.feature].bins[row];
                    at = if split.sends_left(bin) { at + 1 } else { *second };
                }
            }
        }
    }
}

impl Split {
    fn sends_left(&self, bin: u8) -> bool {
        self.left[usize::from(bin >> 6)] >> (bin & 63) & 1 == 1
    }
}

impl<'a> Grower<'a> {
    /// A grower over binned columns.
    pub fn new(features: &'a [Feature], config: &'a BoostConfig) -> Self {
        Self {
            features,
            config,
            rows: Vec::new(),
            aside: Vec::new(),
            gathered: Vec::new(),
            pool: Vec::new(),
            columns: Vec::new(),
            width: 0,
        }
    }

    /// Grows one tree on the gradients and adds its leaf values to the scores of all rows.
    pub fn grow(&mut self, gradients: &[Sums], scores: &mut [f64], dice: &mut Stream) -> Tree {
        self.draw_columns(dice);
        let left_out = self.draw_rows(gradients.len(), dice);
        let mut tree = Tree { nodes: Vec::new() };
        let mut histogram = self.take_histogram();
        self.fill(&mut histogram, gradients, 0, self.rows.len());
        let all = self.rows.iter().fold([0.0; 2], |sum, row| add(sum, gradients[*row as usize]));
        let whole = Branch { from: 0, to: self.rows.len(), sums: all, depth: 0 };
        self.branch(&mut tree, whole, Some(histogram), gradients, scores);
        for row in left_out {
            scores[row as usize] += tree.value(self.features, row as usize);
        }
        tree
    }

    fn draw_columns(&mut self, dice: &mut Stream) {
        let count = self.features.len();
        let take = ((count as f64 * self.config.column_share) as usize).clamp(1, count.max(1));
        self.width = 0;
        self.columns.clear();
        for column in dice.subsample(count, take) {
            self.columns.push((column, self.width));
            self.width += self.features[column].count;
        }
        self.pool.clear();
    }

    /// Draws the rows of a tree and returns the others.
    fn draw_rows(&mut self, count: usize, dice: &mut Stream) -> Vec<u32> {
        let limit = (self.config.row_share * 4_294_967_296.0) as u64;
        self.rows.clear();
        let mut left_out = Vec::with_capacity(count / 4);
        #[expect(clippy::cast_possible_truncation, reason = "samples hold far fewer rows")]
        for row in 0..count as u32 {
            let taken = u64::from(dice.bits()) < limit;
            if taken { self.rows.push(row) } else { left_out.push(row) }
        }
        if self.rows.is_empty() {
            std::mem::swap(&mut self.rows, &mut left_out);
        }
        self.aside.resize(self.rows.len(), 0);
        left_out
    }

    fn take_histogram(&mut self) -> Vec<Sums> {
        let mut histogram = self.pool.pop().unwrap_or_default();
        histogram.clear();
        histogram.resize(self.width, [0.0; 2]);
        histogram
    }

    fn fill(&mut self, histogram: &mut [Sums], gradients: &[Sums], from: usize, to: usize) {
        let rows = &self.rows[from..to];
        self.gathered.clear();
        self.gathered.extend(rows.iter().map(|row| gradients[*row as usize]));
        for &(column, offset) in &self.columns {
            let feature = &self.features[column];
            let cells = &mut histogram[offset..offset + feature.count];
            for (row, sums) in rows.iter().zip(&self.gathered) {
                let cell = &mut cells[usize::from(feature.bins[*row as usize])];
                *cell = add(*cell, *sums);
            }
        }
    }

    /// Grows the subtree of one branch and returns its node.
    fn branch(
        &mut self,
        tree: &mut Tree,
        at: Branch,
        histogram: Option<Vec<Sums>>,
        gradients: &[Sums],
        scores: &mut [f64],
    ) -> usize {
        let node = tree.nodes.len();
        let best = histogram.as_ref().and_then(|histogram| self.best_split(histogram, at.sums));
        let Some(found) = best else {
            let value = -at.sums[0] / (at.sums[1] + self.config.lambda) * self.config.rate;
            self.rows[at.from..at.to].iter().for_each(|row| scores[*row as usize] += value);
            tree.nodes.push(Node::Leaf(value));
            self.pool.extend(histogram);
            return node;
        };
        tree.nodes.push(Node::Split(found.split, 0));
        let middle = self.partition(&found.split, at.from, at.to);
        let depth = at.depth + 1;
        let left = Branch { to: middle, sums: found.left, depth, ..at };
        let right = Branch { from: middle, sums: subtract(at.sums, found.left), depth, ..at };
        let [of_left, of_right] = self.child_histograms(histogram, gradients, [left, right]);
        self.branch(tree, left, of_left, gradients, scores);
        let second = self.branch(tree, right, of_right, gradients, scores);
        tree.nodes[node] = Node::Split(found.split, second);
        node
    }

    /// Histograms of two children: the smaller is counted, the other is what is left.
    fn child_histograms(
        &mut self,
        parent: Option<Vec<Sums>>,
        gradients: &[Sums],
        [left, right]: [Branch; 2],
    ) -> [Option<Vec<Sums>>; 2] {
        let Some(mut rest) = parent else { return [None, None] };
        if left.depth >= self.config.depth {
            self.pool.push(rest);
            return [None, None];
        }
        let left_is_smaller = left.to - left.from <= right.to - right.from;
        let small = if left_is_smaller { left } else { right };
        let mut counted = self.take_histogram();
        self.fill(&mut counted, gradients, small.from, small.to);
        rest.iter_mut().zip(&counted).for_each(|(all, part)| *all = subtract(*all, *part));
        if left_is_smaller { [Some(counted), Some(rest)] } else { [Some(rest), Some(counted)] }
    }

    /// Brings the rows that go left to the front, order kept; returns where the others begin.
    fn partition(&mut self, split: &Split, from: usize, to: usize) -> usize {
        let bins = &self.features[split.feature].bins;
        let (mut left, mut right) = (from, 0);
        for at in from..to {
            let row = self.rows[at];
            if split.sends_left(bins[row as usize]) {
                self.rows[left] = row;
                left += 1;
            } else {
                self.aside[right] = row;
                right += 1;
            }
        }
        self.rows[left..to].copy_from_slice(&self.aside[..right]);
        left
    }

    fn best_split(&self, histogram: &[Sums], all: Sums) -> Option<Found> {
        let mut best = Best { config: self.config, all, gain: GAIN_MIN, found: None };
        for &(column, offset) in &self.columns {
            let feature = &self.features[column];
            let cells = &histogram[offset..offset + feature.count];
            if feature.ordered {
                best.try_number(column, cells);
            } else {
                best.try_levels(column, cells);
            }
        }
        best.found
    }
}

/// A node before it is split: its rows, their sums, its depth.
#[derive(Debug, Clone, Copy)]
struct Branch {
    from: usize,
    to: usize,
    sums: Sums,
    depth: usize,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    split: Split,
    left: Sums,
}

/// A split must lower the loss by more than rounding does.
const GAIN_MIN: f64 = 1e-6;
/// Most levels on the listed side of a split, as in XGBoost.
const LEVELS_PER_SIDE_MAX: usize = 64;

struct Best<'a> {
    config: &'a BoostConfig,
    all: Sums,
    gain: f64,
    found: Option<Found>,
}

impl Best<'_> {
    /// Thresholds in ascending order, missing cells tried on both sides.
    fn try_number(&mut self, feature: usize, cells: &[Sums]) {
        let missing = cells[0];
        let sides = if missing[1] > 0.0 { 2 } else { 1 };
        let mut below = [0.0; 2];
        for (bin, cell) in cells.iter().enumerate().take(cells.len() - 1).skip(1) {
            below = add(below, *cell);
            if cell[1] <= 0.0 {
                continue;
            }
            for side in 0..sides {
                let left = if side == 0 { below } else { add(below, missing) };
                if self.is_better(left) {
                    let mut bits = bits_up_to(bin);
                    // Bit 0 is the bin of missing cells.
                    bits[0] = bits[0] & !1 | side;
                    self.keep(feature, bits, left);
                }
            }
        }
        if sides == 2 && self.is_better(missing) {
            self.keep(feature, [1, 0, 0, 0], missing);
        }
    }

    /// Levels in the order of gradient over curvature: the best subset is a prefix of it.
    fn try_levels(&mut self, feature: usize, cells: &[Sums]) {
        let ratio = |bin: &usize| cells[*bin][0] / (cells[*bin][1] + self.config.lambda);
        let mut order: Vec<usize> = (0..cells.len()).filter(|bin| cells[*bin][1] > 0.0).collect();
        order.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        for backward in [false, true] {
            let mut left = [0.0; 2];
            let mut bits = [0_u64; BINS_MAX / 64];
            for place in 0..order.len().saturating_sub(1).min(LEVELS_PER_SIDE_MAX) {
                let bin = order[if backward { order.len() - 1 - place } else { place }];
                left = add(left, cells[bin]);
                bits[bin >> 6] |= 1 << (bin & 63);
                if self.is_better(left) {
                    self.keep(feature, bits, left);
                }
            }
            if order.len() <= LEVELS_PER_SIDE_MAX {
                break;
            }
        }
    }

    fn is_better(&self, left: Sums) -> bool {
        let right = subtract(self.all, left);
        let least = self.config.child_weight_min;
        left[1] >= least && right[1] >= least && self.gain_of(left, right) > self.gain
    }

    fn gain_of(&self, left: Sums, right: Sums) -> f64 {
        let score = |[g, h]: Sums| g * g / (h + self.config.lambda);
        score(left) + score(right) - score(self.all)
    }

    fn keep(&mut self, feature: usize, bits: [u64; BINS_MAX / 64], left: Sums) {
        self.gain = self.gain_of(left, subtract(self.all, left));
        self.found = Some(Found { split: Split { feature, left: bits }, left });
    }
}

fn bits_up_to(bin: usize) -> [u64; BINS_MAX / 64] {
    std::array::from_fn(|word| {
        let first = word * 64;
        match bin {
            bin if bin >= first + 63 => u64::MAX,
            bin if bin >= first => u64::MAX >> (63 - (bin - first)),
            _ => 0,
        }
    })
}

fn add([a, b]: Sums, [c, d]: Sums) -> Sums {
    [a + c, b + d]
}

fn subtract([a, b]: Sums, [c, d]: Sums) -> Sums {
    [a - c, b - d]
}

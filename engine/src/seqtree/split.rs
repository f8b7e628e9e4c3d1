//! The best question to ask at a node: one column, its bins parted in two.
//!
//! Both criteria have one form: a part of n rows is worth Σ/n, where Σ is the squared sum of ranks
//! (variance of rank) or the sum of squared class counts (Gini). Bins of levels are first brought
//! into the order of their mean, which makes the best of all 2^k partitions a cut in that order
//! (Fisher, 1958; Breiman et al., 1984, theorem 4.5); for more than two classes the means of the
//! three most frequent classes at the node are tried, a heuristic. All sums are whole numbers: bits
//! do not depend on the order of work.

use std::thread;

/// What a tree predicts, per training row, and how it is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Criterion {
    /// Whole-number ranks; also for two classes, 0 and 1, where it is Gini.
    Variance,
    /// So many classes.
    Gini(u32),
}

/// A row of the node: where it stands in the table, what it holds.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub row: u32,
    pub target: u32,
}

/// A column that may be asked.
#[derive(Clone, Copy)]
pub(super) struct Predictor<'a> {
    pub bins: &'a [u8],
    /// Bins are levels, without an order.
    pub levels: bool,
}

/// The best question.
#[derive(Clone, Copy)]
pub(super) struct Split {
    /// Σl/nl + Σr/nr.
    pub worth: f64,
    pub column: u16,
    /// Bins that go right.
    pub right: [u64; 4],
}

/// Looks through all predictors; `threads` share them, which does not change the answer.
pub(super) fn best(
    node: &[Entry],
    predictors: &[Predictor],
    criterion: Criterion,
    min_leaf: usize,
    scratch: &mut [Scratch],
) -> Option<Split> {
    /// Below so many (row, column) pairs a thread costs more than it helps.
    const SHARED_WORK_MIN: usize = 400_000;
    let threads = if node.len() * predictors.len() < SHARED_WORK_MIN { 1 } else { scratch.len() };
    let order = orders(node, criterion, &mut scratch[0]);
    let search = |scratch: &mut Scratch, first: usize| {
        let mut found: Option<Split> = None;
        for column in (first..predictors.len()).step_by(threads) {
            let split = scratch.search(node, predictors[column], criterion, &order, min_leaf);
            let better = |(worth, _): &(f64, _)| found.is_none_or(|found| *worth > found.worth);
            if let Some((worth, right)) = split.filter(better) {
                found = Some(Split { worth, column: column as u16, right });
            }
        }
        found
    };
    if threads == 1 {
        return search(&mut scratch[0], 0);
    }
    let found = thread::scope(|scope| {
        let search = &search;
        let workers: Vec<_> = scratch
            .iter_mut()
            .enumerate()
            .map(|(first, scratch)| scope.spawn(move || search(scratch, first)))
            .collect();
        let joined = workers.into_iter().map(|worker| worker.join().expect("a search cannot fail"));
        joined.flatten().collect::<Vec<Split>>()
    });
    // Equal worth: the first column, whichever thread found it.
    found
        .into_iter()
        .max_by(|one, other| one.worth.total_cmp(&other.worth).then(other.column.cmp(&one.column)))
}

/// Buffers of one thread.
pub(super) struct Scratch {
    counts: [u32; 256],
    sums: [u64; 256],
    begins: [u32; 257],
    sorted: Vec<u32>,
    left: Vec<u32>,
    right: Vec<u32>,
}

impl Scratch {
    pub(super) fn new(criterion: Criterion) -> Self {
        let classes = match criterion {
            Criterion::Variance => 0,
            Criterion::Gini(classes) => classes as usize,
        };
        Self {
            counts: [0; 256],
            sums: [0; 256],
            begins: [0; 257],
            sorted: Vec::new(),
            left: vec![0; classes],
            right: vec![0; classes],
        }
    }

    /// Sum of the squared class counts of the rows.
    pub(super) fn squared_counts(&mut self, node: &[Entry]) -> u64 {
        let mut sum = 0;
        for entry in node {
            let count = &mut self.left[entry.target as usize];
            sum += 2 * u64::from(*count) + 1;
            *count += 1;
        }
        node.iter().for_each(|entry| self.left[entry.target as usize] = 0);
        sum
    }

    fn search(
        &mut self,
        node: &[Entry],
        predictor: Predictor,
        criterion: Criterion,
        classes: &[u32],
        min_leaf: usize,
    ) -> Option<(f64, [u64; 4])> {
        self.counts.fill(0);
        match criterion {
            Criterion::Variance => {
                self.sums.fill(0);
                for entry in node {
                    let bin = predictor.bins[entry.row as usize] as usize;
                    self.counts[bin] += 1;
                    self.sums[bin] += u64::from(entry.target);
                }
                let mut present = self.present(predictor.levels);
                if predictor.levels {
                    present.sort(|bin| self.sums[bin] as f64 / f64::from(self.counts[bin]));
                }
                self.sweep_sums(node.len(), &present, min_leaf)
            }
            Criterion::Gini(_) => {
                self.sort_by_bin(node, predictor.bins);
                let mut present = self.present(predictor.levels);
                if !predictor.levels || present.count <= 2 {
                    return self.sweep_classes(&present, min_leaf);
                }
                let mut found: Option<(f64, [u64; 4])> = None;
                for class in classes {
                    present.sort(|bin| self.share(bin, *class));
                    let split = self.sweep_classes(&present, min_leaf);
                    let better = |split: &(f64, _)| found.is_none_or(|found| split.0 > found.0);
                    found = split.filter(better).or(found);
                }
                found
            }
        }
    }

    fn present(&self, levels: bool) -> Present {
        let mut present = Present { bins: [0; 256], count: 0, levels };
        for (bin, count) in self.counts.iter().enumerate() {
            if *count > 0 {
                present.bins[present.count] = bin as u8;
                present.count += 1;
            }
        }
        present
    }

    fn sweep_sums(
        &self,
        rows: usize,
        present: &Present,
        min_leaf: usize,
    ) -> Option<(f64, [u64; 4])> {
        let total: u64 = present.bins().iter().map(|bin| self.sums[*bin as usize]).sum();
        let (mut left_rows, mut left_sum) = (0, 0);
        let mut found: Option<(f64, usize, bool)> = None;
        for (at, bin) in present.bins().iter().enumerate() {
            left_rows += self.counts[*bin as usize] as usize;
            left_sum += self.sums[*bin as usize];
            if rows - left_rows < min_leaf.max(1) {
                break;
            }
            if left_rows < min_leaf {
                continue;
            }
            let (l, r) = (left_sum as f64, (total - left_sum) as f64);
            let worth = l * l / left_rows as f64 + r * r / (rows - left_rows) as f64;
            if found.is_none_or(|found| worth > found.0) {
                found = Some((worth, at, 2 * left_rows < rows));
            }
        }
        found.map(|(worth, at, right_is_larger)| (worth, present.cut(at, right_is_larger)))
    }

    fn sweep_classes(&mut self, present: &Present, min_leaf: usize) -> Option<(f64, [u64; 4])> {
        let rows = self.sorted.len();
        let (mut left_rows, mut left_sum, mut right_sum) = (0, 0_u64, 0_u64);
        // 1 + 3 + 5 + … adds up to the squared count.
        for class in &self.sorted {
            let count = &mut self.right[*class as usize];
            right_sum += 2 * u64::from(*count) + 1;
            *count += 1;
        }
        let mut found: Option<(f64, usize, bool)> = None;
        for (at, bin) in present.bins().iter().enumerate() {
            let begin = self.begins[*bin as usize] as usize;
            let end = begin + self.counts[*bin as usize] as usize;
            for class in &self.sorted[begin..end] {
                let (left, right) =
                    (&mut self.left[*class as usize], &mut self.right[*class as usize]);
                left_sum += 2 * u64::from(*left) + 1;
                right_sum -= 2 * u64::from(*right) - 1;
                *left += 1;
                *right -= 1;
            }
            left_rows += end - begin;
            if left_rows < min_leaf || rows - left_rows < min_leaf.max(1) {
                continue;
            }
            let worth =
                left_sum as f64 / left_rows as f64 + right_sum as f64 / (rows - left_rows) as f64;
            if found.is_none_or(|found| worth > found.0) {
                found = Some((worth, at, 2 * left_rows < rows));
            }
        }
        // All rows went left: nothing is counted right any more.
        self.sorted.iter().for_each(|class| self.left[*class as usize] = 0);
        found.map(|(worth, at, right_is_larger)| (worth, present.cut(at, right_is_larger)))
    }

    /// Classes of the node's rows, bin by bin.
    fn sort_by_bin(&mut self, node: &[Entry], bins: &[u8]) {
        for entry in node {
            self.counts[bins[entry.row as usize] as usize] += 1;
        }
        let mut next = [0_u32; 256];
        let mut begin = 0;
        for (bin, count) in self.counts.iter().enumerate() {
            self.begins[bin] = begin;
            next[bin] = begin;
            begin += count;
        }
        self.begins[256] = begin;
        self.sorted.resize(node.len(), 0);
        for entry in node {
            let at = &mut next[bins[entry.row as usize] as usize];
            self.sorted[*at as usize] = entry.target;
            *at += 1;
        }
    }

    /// Share of a class among the rows of a bin.
    fn share(&self, bin: usize, class: u32) -> f64 {
        let begin = self.begins[bin] as usize;
        let held = &self.sorted[begin..begin + self.counts[bin] as usize];
        held.iter().filter(|held| **held == class).count() as f64 / held.len() as f64
    }
}

/// Bins that hold rows of the node.
struct Present {
    bins: [u8; 256],
    count: usize,
    /// Bins are levels, without an order.
    levels: bool,
}

impl Present {
    fn bins(&self) -> &[u8] {
        &self.bins[..self.count]
    }
    fn sort(&mut self, by: impl Fn(usize) -> f64) {
        let mut keyed: Vec<(f64, u8)> =
            self.bins().iter().map(|bin| (by(*bin as usize), *bin)).collect();
        keyed.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        keyed.iter().enumerate().for_each(|(at, (_, bin))| self.bins[at] = *bin);
    }
    /// The first bins up to `last` go left, the other present ones right. Absent levels go with the
    /// larger part; between two numbers the cut is half-way.
    fn cut(&self, last: usize, right_is_larger: bool) -> [u64; 4] {
        let mut right = [0; 4];
        if !self.levels {
            let (below, above) = (u16::from(self.bins[last]), u16::from(self.bins[last + 1]));
            (below.midpoint(above) + 1..256).for_each(|bin| set(&mut right, bin as u8, true));
            return right;
        }
        right.fill(if right_is_larger { u64::MAX } else { 0 });
        for (at, bin) in self.bins().iter().enumerate() {
            set(&mut right, *bin, at > last);
        }
        right
    }
}

fn set(bits: &mut [u64; 4], bin: u8, on: bool) {
    let (word, bit) = ((bin >> 6) as usize, 1 << (bin & 63));
    if on {
        bits[word] |= bit;
    } else {
        bits[word] &= !bit;
    }
}

/// The classes by whose share bins of levels are ordered: the three most frequent of the node.
fn orders(node: &[Entry], criterion: Criterion, scratch: &mut Scratch) -> Vec<u32> {
    if criterion == Criterion::Variance {
        return Vec::new();
    }
    let mut met: Vec<u32> = Vec::new();
    for entry in node {
        let count = &mut scratch.left[entry.target as usize];
        if *count == 0 {
            met.push(entry.target);
        }
        *count += 1;
    }
    met.sort_unstable_by_key(|class| (std::cmp::Reverse(scratch.left[*class as usize]), *class));
    met.iter().for_each(|class| scratch.left[*class as usize] = 0);
    met.truncate(3);
    met
}

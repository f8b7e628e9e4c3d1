//! One tree, grown: rows are parted by the best question until leaves would get too small.

use tgs_protocol::progress::Watch;

use super::{
    config::Config,
    encode::{Coded, DrawnAs},
    split::{self, Criterion, Entry, Predictor, Scratch, Split},
    tree::{LEAF, Node, Tree},
};

/// Rows on which columns are compared before a tree with too many of them is grown.
const SCREENED_ROWS: usize = 2_000;
/// Ranks are whole numbers up to here, so that sums are exact.
const RANK_MAX: u64 = u16::MAX as u64;
/// Cells looked at between two looks at the watch: some milliseconds.
const WATCHED_CELLS: usize = 2_000_000;
/// A gain below this share of the worth is rounding.
const ROUNDING: f64 = 1e-9;

/// A tree and how much of the column it leaves unexplained (1: all).
pub(super) struct Grown {
    pub tree: Tree,
    pub unexplained: f64,
}

/// Grows the tree of `target` on the columns before it; none when `watch` says stop. The number of
/// threads changes no bit.
pub(super) fn grow(
    target: &Coded,
    before: &[Coded],
    config: &Config,
    threads: usize,
    watch: &dyn Watch,
) -> Option<Grown> {
    let (criterion, targets) = criterion(target);
    let rows = targets.iter().enumerate();
    let mut entries: Vec<Entry> =
        rows.map(|(row, target)| Entry { row: row as u32, target: *target }).collect();
    let mut scratch: Vec<Scratch> = (0..threads.max(1)).map(|_| Scratch::new(criterion)).collect();
    let all: Vec<Predictor> = before
        .iter()
        .map(|coded| Predictor { bins: &coded.bins, levels: coded.numbers.is_none() })
        .collect();
    let asked = screen(&entries, &all, criterion, config, &mut scratch);
    let predictors: Vec<Predictor> = asked.iter().map(|column| all[*column]).collect();
    let mut growth =
        Growth { predictors, criterion, config, scratch, aside: Vec::new(), branches: Vec::new() };
    growth.run(&mut entries, watch)?;
    growth.prune();
    let whole = growth.branches[0].impurity * entries.len() as f64;
    let (tree, left_over) = growth.tree(&entries, &asked, target);
    let unexplained = if whole > 0.0 { left_over / whole } else { 0.0 };
    Some(Grown { tree, unexplained })
}

struct Growth<'a> {
    predictors: Vec<Predictor<'a>>,
    criterion: Criterion,
    config: &'a Config,
    scratch: Vec<Scratch>,
    aside: Vec<Entry>,
    /// A parent stands before its children.
    branches: Vec<Branch>,
}

/// A node while the tree grows; its rows stand together from `begin` to `end`.
struct Branch {
    begin: usize,
    end: usize,
    depth: u32,
    impurity: f64,
    question: Option<Question>,
}

struct Question {
    split: Split,
    /// The left child; the right one is the next.
    child: usize,
    /// What it explains, in what a split at random explains on average.
    gain: f64,
}

impl Growth<'_> {
    /// Parts rows until leaves would get too small; none when stopped.
    fn run(&mut self, entries: &mut [Entry], watch: &dyn Watch) -> Option<()> {
        let mut unwatched = 0;
        self.begin(entries, 0, entries.len(), 0);
        let mut open = vec![0];
        while let Some(at) = open.pop() {
            let Branch { begin, end, depth, impurity, .. } = self.branches[at];
            let held = &mut entries[begin..end];
            unwatched += held.len() * (1 + self.predictors.len());
            if unwatched >= WATCHED_CELLS {
                unwatched = 0;
                if watch.stopped() {
                    return None;
                }
            }
            let Some((split, gain)) = self.ask(held, depth, impurity) else { continue };
            let predictor = self.predictors[split.column as usize];
            let middle = begin + part(held, predictor.bins, &split.right, &mut self.aside);
            let child = self.branches.len();
            self.branches[at].question = Some(Question { split, child, gain });
            self.begin(entries, begin, middle, depth + 1);
            self.begin(entries, middle, end, depth + 1);
            open.extend([child + 1, child]);
        }
        Some(())
    }

    fn begin(&mut self, entries: &[Entry], begin: usize, end: usize, depth: u32) {
        let impurity = Worth::of(&entries[begin..end], self.criterion, &mut self.scratch).impurity;
        self.branches.push(Branch { begin, end, depth, impurity, question: None });
    }

    /// The best question of a node and its gain; none makes it a leaf.
    fn ask(&mut self, held: &[Entry], depth: u32, impurity: f64) -> Option<(Split, f64)> {
        let min_leaf = self.config.min_leaf.max(1) as usize;
        let may = held.len() >= 2 * min_leaf && depth < self.config.depth_max && impurity > 0.0;
        let split = may.then(|| {
            split::best(held, &self.predictors, self.criterion, min_leaf, &mut self.scratch)
        });
        let split = split.flatten()?;
        let whole = Worth::of(held, self.criterion, &mut self.scratch).worth;
        let gain = split.worth - whole;
        (gain > whole * ROUNDING).then_some((split, gain / impurity))
    }

    /// Takes back, from the leaves up, what explains too little. A weak question stays when a
    /// strong one follows from it: two columns may tell only together.
    fn prune(&mut self) {
        for at in (0..self.branches.len()).rev() {
            let weak = self.branches[at].question.as_ref().is_some_and(|question| {
                let children = &self.branches[question.child..question.child + 2];
                question.gain <= self.config.gain_min
                    && children.iter().all(|child| child.question.is_none())
            });
            if weak {
                self.branches[at].question = None;
            }
        }
    }

    /// The tree in flat arrays, and the impurity that is left in its leaves.
    fn tree(&self, entries: &[Entry], asked: &[usize], target: &Coded) -> (Tree, f64) {
        let leaf = Node { column: LEAF, child: 0, right: [0; 4] };
        let mut tree = Tree { nodes: vec![leaf], ..Tree::default() };
        let mut left_over = 0.0;
        let mut open = vec![(0, 0)];
        while let Some((at, node)) = open.pop() {
            let branch = &self.branches[at];
            let Some(Question { split, child, .. }) = &branch.question else {
                tree.nodes[node].child = (tree.leaves.len() / 2) as u32;
                close(&mut tree, &entries[branch.begin..branch.end], target);
                left_over += branch.impurity * (branch.end - branch.begin) as f64;
                continue;
            };
            let next = tree.nodes.len();
            let column = asked[split.column as usize] as u16;
            tree.nodes[node] = Node { column, child: next as u32, right: split.right };
            tree.nodes.extend([leaf; 2]);
            open.extend([(child + 1, next + 1), (*child, next)]);
        }
        tree.leaves.push(tree.codes.len() as u32);
        (tree, left_over)
    }
}

/// Makes a leaf: what is drawn exactly first, then the movable numbers, ascending.
fn close(tree: &mut Tree, held: &[Entry], target: &Coded) {
    let begin = tree.codes.len();
    let mut codes: Vec<u32> = held.iter().map(|e| target.codes[e.row as usize]).collect();
    codes.sort_unstable();
    let (mut exact, mut movable): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
    for alike in codes.chunk_by(|one, other| one == other) {
        match target.drawn.get(alike[0] as usize) {
            Some(DrawnAs::Own) => movable.extend(alike),
            Some(DrawnAs::Shared) if alike.len() == 1 => movable.extend(alike),
            _ => exact.extend(alike),
        }
    }
    tree.leaves.extend([begin as u32, (begin + exact.len()) as u32]);
    tree.codes.extend(exact);
    tree.codes.extend(movable);
}

/// What a node is worth unparted, and its impurity per row: variance, or Gini's.
struct Worth {
    worth: f64,
    impurity: f64,
}

impl Worth {
    fn of(held: &[Entry], criterion: Criterion, scratch: &mut [Scratch]) -> Self {
        let rows = held.len() as f64;
        let (squares, of_sum) = match criterion {
            Criterion::Variance => {
                let sum: u64 = held.iter().map(|entry| u64::from(entry.target)).sum();
                let squares: u64 = held.iter().map(|entry| u64::from(entry.target).pow(2)).sum();
                (squares as f64, sum as f64 * sum as f64)
            }
            Criterion::Gini(_) => (rows, scratch[0].squared_counts(held) as f64),
        };
        Self { worth: of_sum / rows, impurity: ((squares - of_sum / rows) / rows).max(0.0) }
    }
}

/// Brings the rows that go left to the front, keeping order; returns how many.
fn part(held: &mut [Entry], bins: &[u8], right: &[u64; 4], aside: &mut Vec<Entry>) -> usize {
    aside.clear();
    let mut left = 0;
    for at in 0..held.len() {
        let entry = held[at];
        let bin = bins[entry.row as usize];
        if right[(bin >> 6) as usize] >> (bin & 63) & 1 == 1 {
            aside.push(entry);
        } else {
            held[left] = entry;
            left += 1;
        }
    }
    held[left..].copy_from_slice(aside);
    left
}

/// How a column is judged, and its target per row.
fn criterion(target: &Coded) -> (Criterion, Vec<u32>) {
    if target.numbers.is_some() {
        let ranks = ranks(target);
        return (
            Criterion::Variance,
            target.codes.iter().map(|code| ranks[*code as usize]).collect(),
        );
    }
    if target.cardinality <= 2 {
        // Gini of two classes is twice the variance of a 0 or 1.
        let first = target.codes.first();
        let other = target.codes.iter().map(|code| u32::from(Some(code) != first));
        return (Criterion::Variance, other.collect());
    }
    (Criterion::Gini(target.missing + 1), target.codes.clone())
}

/// The middle rank of each code among the rows, as a share of [`RANK_MAX`]; missing ranks lowest.
fn ranks(target: &Coded) -> Vec<u32> {
    let mut counts = vec![0_u64; target.missing as usize + 1];
    target.codes.iter().for_each(|code| counts[*code as usize] += 1);
    let rows = target.codes.len().max(1) as u64;
    let mut below = counts[target.missing as usize];
    let mut ranks: Vec<u32> = counts[..target.missing as usize]
        .iter()
        .map(|count| {
            let rank = (2 * below + count) * RANK_MAX / (2 * rows);
            below += count;
            rank as u32
        })
        .collect();
    ranks.push((counts[target.missing as usize] * RANK_MAX / (2 * rows)) as u32);
    ranks
}

/// The columns a tree may ask: all, or those that part a sample of the rows best at its root.
fn screen(
    entries: &[Entry],
    all: &[Predictor],
    criterion: Criterion,
    config: &Config,
    scratch: &mut [Scratch],
) -> Vec<usize> {
    let most = config.predictors_max as usize;
    if all.len() <= most {
        return (0..all.len()).collect();
    }
    let step = entries.len().div_ceil(SCREENED_ROWS).max(1);
    let sample: Vec<Entry> = entries.iter().step_by(step).copied().collect();
    let min_leaf = (sample.len() / 50).max(1);
    let worth = |column: &usize| {
        let split = split::best(&sample, &all[*column..=*column], criterion, min_leaf, scratch);
        (split.map_or(0.0, |split| split.worth), *column)
    };
    let mut ranked: Vec<(f64, usize)> =
        (0..all.len()).collect::<Vec<_>>().iter().map(worth).collect();
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    let mut kept: Vec<usize> = ranked.into_iter().take(most).map(|(_, column)| column).collect();
    kept.sort_unstable();
    kept
}

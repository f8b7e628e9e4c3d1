//! Rows of one kind, training or drawn, and what a forest may be asked of them.

use super::{Rows, Which, seen::Seen};
use crate::{
    boost::{Feature, Target},
    random::{Stream, inverse_normal},
    tabgraph::tokenizer::{Encoded, Tokenizer},
};

/// Answers that a forest is fitted on, at least.
const ROWS_MIN: usize = 50;

/// Rows, and what trees see of them.
pub(super) struct Kind {
    pub rows: Rows,
    pub count: usize,
    seen: Seen,
    /// Per number token, one per row: the normal quantile of a number's rank among those that are
    /// told by rank. Of other cells it says nothing.
    free: Vec<Vec<f64>>,
}

/// Features, and an answer per row.
pub(super) struct Task {
    pub features: Vec<Feature>,
    pub target: Target,
}

/// What is asked of one column.
pub(super) struct Tasks {
    /// The level of its head, of every row.
    pub levels: Option<Task>,
    /// Its number, of these rows.
    pub by_rank: Option<(Vec<usize>, Task)>,
}

impl Kind {
    /// These rows of the training table.
    pub(super) fn trained(
        tokenizer: &Tokenizer,
        data: &Encoded,
        picked: &[usize],
        dice: &mut Stream,
    ) -> Self {
        let (tokens, heads) = (tokenizer.scales.len(), tokenizer.heads.len());
        let empty = || Vec::with_capacity(picked.len());
        let mut rows = Rows {
            numbers: (0..tokens).map(|_| empty()).collect(),
            levels: vec![Vec::with_capacity(picked.len()); heads],
        };
        let mut free = vec![Vec::with_capacity(picked.len()); tokens];
        for row in picked {
            let groups = &data.groups[row * tokens..(row + 1) * tokens];
            for (token, (scale, group)) in tokenizer.scales.iter().zip(groups).enumerate() {
                let place = dice.uniform();
                #[expect(clippy::cast_possible_truncation, reason = "a token is single")]
                let cell = scale.token(*group, place) as f32;
                rows.numbers[token].push(cell);
                free[token].push(scale.free_token(*group, place));
            }
            let levels = &data.levels[row * heads..(row + 1) * heads];
            levels.iter().zip(&mut rows.levels).for_each(|(level, column)| column.push(*level));
        }
        let seen = Seen::of(tokenizer, &rows);
        Self { rows, count: picked.len(), seen, free }
    }

    /// Rows that were drawn.
    pub(super) fn drawn(tokenizer: &Tokenizer, rows: Rows, count: usize) -> Self {
        let seen = Seen::of(tokenizer, &rows);
        let free = (0..rows.numbers.len()).map(|token| free(tokenizer, &rows, token, count));
        Self { free: free.collect(), rows, count, seen }
    }

    /// Whether any cell of a column is told by rank.
    pub(super) fn is_by_rank(&self, tokenizer: &Tokenizer, which: Which) -> bool {
        match which {
            Which::Category(_) => false,
            Which::Number(token) => !self.rows.by_rank(tokenizer, token).is_empty(),
        }
    }

    /// What is asked of a column; nothing where too few rows have an answer.
    pub(super) fn tasks(&self, tokenizer: &Tokenizer, which: Which) -> Tasks {
        let features = self.seen.without(tokenizer, which);
        let by_rank = match which {
            Which::Category(_) => None,
            Which::Number(token) => {
                let picked = self.rows.by_rank(tokenizer, token);
                let target = picked.iter().map(|row| self.free[token][*row]).collect();
                let features = features.iter().map(|feature| feature.pick(&picked)).collect();
                let task = Task { features, target: Target::Numbers(target) };
                (picked.len() >= ROWS_MIN).then_some((picked, task))
            }
        };
        let levels = which.head(tokenizer).filter(|_| self.count >= ROWS_MIN).and_then(|head| {
            let count = tokenizer.heads[head].meanings.len();
            let target = Target::Classes { of: self.rows.levels[head].clone(), count };
            (count > 1).then_some(Task { features, target })
        });
        Tasks { levels, by_rank }
    }
}

impl Task {
    /// Of these rows alone.
    pub(super) fn pick(&self, rows: &[usize]) -> Self {
        let features = self.features.iter().map(|feature| feature.pick(rows)).collect();
        let target = match &self.target {
            Target::Classes { of, count } => {
                let of = rows.iter().map(|row| of[*row]).collect();
                Target::Classes { of, count: *count }
            }
            Target::Numbers(numbers) => {
                Target::Numbers(rows.iter().map(|row| numbers[*row]).collect())
            }
        };
        Self { features, target }
    }
}

/// The normal quantiles of the ranks of a column's tokens, among those that are told by rank.
fn free(tokenizer: &Tokenizer, rows: &Rows, token: usize, count: usize) -> Vec<f64> {
    let tokens = &rows.numbers[token];
    let mut order = rows.by_rank(tokenizer, token);
    order.sort_by(|a, b| tokens[*a].total_cmp(&tokens[*b]).then(a.cmp(b)));
    let mut free = vec![0.0; count];
    for (rank, row) in order.iter().enumerate() {
        free[*row] = inverse_normal((rank as f64 + 0.5) / order.len() as f64);
    }
    free
}

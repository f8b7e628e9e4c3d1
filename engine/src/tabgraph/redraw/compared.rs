//! What trees gain of a column beside the net, and the forests that it is drawn from.

use tgs_protocol::{engine::EngineError, limits::SHARED_ROWS_MIN};

use super::{
    Member, Which,
    kind::{Kind, Task, Tasks},
    residuals::Residuals,
    seen::width,
};
use crate::{
    boost::{BoostConfig, Forest, Target},
    learn::validation::Parts,
    random::{Purpose, Stream},
    tabgraph::{
        sampler::TabgraphSampler,
        tokenizer::{Encoded, Tokenizer},
    },
};

/// Rows of each kind that columns are compared on.
const COMPARED_ROWS: usize = 8_000;
/// Rows that a forest is fitted on.
const FITTED_ROWS: usize = 60_000;
/// Parts of the rows that columns are compared on.
const FOLDS: usize = 3;
/// What is gained must be so many times its standard error.
const SURE: f64 = 1.0;
/// Heads of more levels are left as the net drew them.
const LEVELS_MAX: usize = 24;
/// Columns that a tree looks at, of very many.
const LOOKED_AT: f64 = 40.0;
/// To compare: quick.
const COMPARING: BoostConfig = BoostConfig {
    rounds: 60,
    depth: 4,
    rate: 0.2,
    row_share: 0.8,
    column_share: 0.8,
    lambda: 1.0,
    child_weight_min: 3.0,
};
/// To draw from.
const DRAWING: BoostConfig = BoostConfig { rounds: 400, depth: 6, rate: 0.08, ..COMPARING };
/// Trees of one forest to draw from, over all levels.
const TREES_MAX: usize = 600;
/// Rounds without a gain on validation rows before a forest is done.
const PATIENCE: usize = 20;
/// What trees leave open of a number is never less than this part of its variance.
const OPEN_MIN: f64 = 1e-3;

/// Everything that is compared.
pub(super) struct Compared {
    tokenizer: Tokenizer,
    /// Training rows that teach.
    learned: Kind,
    /// As many of them as were drawn.
    some: Kind,
    drawn: Kind,
    validation: Kind,
    seed: u64,
}

/// Which forest of a column.
#[derive(Debug, Clone, Copy)]
enum Use {
    Learned,
    Drawn,
    Final,
}

/// Loss of each training row under trees that learned from training rows, and under trees that
/// learned from drawn ones.
struct Losses {
    real: Vec<f64>,
    made: Vec<f64>,
}

impl Compared {
    /// # Errors
    /// `DeviceFailed`.
    pub(super) fn new(
        sampler: &TabgraphSampler,
        train: &Encoded,
        parts: &Parts,
        seed: u64,
    ) -> Result<Self, EngineError> {
        let tokenizer = sampler.tokenizer.clone();
        let some = |rows: &[usize], most: usize, index: u64| {
            let mut dice = Stream::new(seed, Purpose::RedrawRows, index);
            let picked = dice.subsample(rows.len(), most.min(rows.len()));
            let picked: Vec<usize> = picked.into_iter().map(|at| rows[at]).collect();
            Kind::trained(&tokenizer, train, &picked, &mut dice)
        };
        let learned = some(&parts.learned, FITTED_ROWS, 0);
        let few = some(&parts.learned, COMPARED_ROWS, 1);
        let validation = some(&parts.validation, usize::MAX, 2);
        let drawn = Kind::drawn(&tokenizer, sampler.tokens_of_nobody(few.count)?, few.count);
        Ok(Self { tokenizer, learned, some: few, drawn, validation, seed })
    }

    /// The columns that may be drawn once more.
    pub(super) fn candidates(&self) -> Vec<Which> {
        let heads = &self.tokenizer.heads;
        let is_few = |which: &Which| {
            let head = which.head(&self.tokenizer);
            head.is_none_or(|head| heads[head].meanings.len() <= LEVELS_MAX)
        };
        let numbers = (0..self.tokenizer.scales.len()).map(Which::Number);
        let of_numbers: Vec<_> =
            numbers.clone().filter_map(|number| number.head(&self.tokenizer)).collect();
        let categories = (0..heads.len()).filter(|head| !of_numbers.contains(head));
        categories.map(Which::Category).chain(numbers).filter(is_few).collect()
    }

    /// By how much of all that there is to know of a column a forest that learned from training
    /// rows knows more than one that learned from as many drawn rows, on training rows that neither
    /// learned from; none where that may be chance.
    pub(super) fn gain(&self, which: Which) -> Option<f64> {
        let rows = self.some.count;
        let (real, made) =
            (self.some.tasks(&self.tokenizer, which), self.drawn.tasks(&self.tokenizer, which));
        let (mut more, mut all) = (vec![0.0; rows], 0.0);
        if let (Some(real), Some(made)) = (&real.levels, &made.levels) {
            let losses = self.losses(real, made, which)?;
            all += real.target.loss_of_the_ignorant();
            let pairs = losses.made.iter().zip(&losses.real);
            more.iter_mut().zip(pairs).for_each(|(more, (made, real))| *more += made - real);
        }
        if let (Some((picked, real)), Some((_, made))) = (&real.by_rank, &made.by_rank) {
            let losses = self.losses(real, made, which)?;
            // As the loss of a normal number whose variance is what the better trees leave open.
            let open = losses.real.iter().sum::<f64>() / picked.len() as f64;
            let unit = 0.5 / open.max(OPEN_MIN);
            let share = picked.len() as f64 / rows as f64;
            all += share * unit * real.target.loss_of_the_ignorant();
            let pairs = losses.made.iter().zip(&losses.real);
            for (row, (made, real)) in picked.iter().zip(pairs) {
                more[*row] += unit * (made - real);
            }
        }
        let mean = more.iter().sum::<f64>() / rows as f64;
        let spread = more.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / rows as f64;
        (mean > SURE * (spread / rows as f64).sqrt() && all > 0.0).then(|| mean / all)
    }

    /// Of each training row, under trees that did not learn from it.
    fn losses(&self, real: &Task, made: &Task, which: Which) -> Option<Losses> {
        let (real_rows, made_rows) = (real.target.rows(), made.target.rows());
        let config = self.fitting(COMPARING, &real.target);
        let fitted = |task: &Task, of: Use| {
            let dice = |round| self.dice(which, of, round);
            Forest::fit(&task.features, &task.target, &config, &dice, &|| false)
        };
        let as_many: Vec<usize> = (0..made_rows).filter(|row| row % FOLDS > 0).collect();
        let of_made = fitted(&made.pick(&as_many), Use::Drawn)?;
        let mut losses = Losses { real: vec![0.0; real_rows], made: vec![0.0; real_rows] };
        for fold in 0..FOLDS {
            let (judge, learn): (Vec<usize>, Vec<usize>) =
                (0..real_rows).partition(|row| row % FOLDS == fold);
            let judged = real.pick(&judge);
            let of_real = fitted(&real.pick(&learn), Use::Learned)?;
            for (forest, lost) in [(&of_real, &mut losses.real), (&of_made, &mut losses.made)] {
                let scores = forest.scores(&judged.features, judge.len());
                let of_fold = judged.target.losses(&scores);
                judge.iter().zip(of_fold).for_each(|(row, loss)| lost[*row] = loss);
            }
        }
        Some(losses)
    }

    /// How a column is drawn; none where nothing can be learned of it.
    pub(super) fn member(&self, which: Which) -> Option<Member> {
        let learned = self.learned.tasks(&self.tokenizer, which);
        let Tasks { levels, by_rank } = self.validation.tasks(&self.tokenizer, which);
        let levels = match (&learned.levels, &levels) {
            (Some(task), Some(judge)) => Some(self.forest(task, judge, which)?),
            (None, _) => None,
            (Some(_), None) => return None,
        };
        let by_rank = match (&learned.by_rank, &by_rank) {
            (Some((_, task)), Some((_, judge))) => {
                let forest = self.forest(task, judge, which)?;
                let said = forest.scores(&judge.features, judge.target.rows()).swap_remove(0);
                let Target::Numbers(so) = &judge.target else { return None };
                let residuals = Residuals::new(&said, so);
                Some((forest, residuals))
            }
            // A row that a level newly tells by rank would keep the rank of another number.
            _ if self.learned.is_by_rank(&self.tokenizer, which) => return None,
            _ => None,
        };
        Some(Member { which, levels, by_rank })
    }

    fn forest(&self, task: &Task, judge: &Task, which: Which) -> Option<Forest> {
        let rounds = DRAWING.rounds.min(TREES_MAX / task.target.outputs());
        let config = BoostConfig { rounds, ..self.fitting(DRAWING, &task.target) };
        let dice = |round| self.dice(which, Use::Final, round);
        let judged = (&*judge.features, &judge.target, PATIENCE);
        Forest::fit_until(&task.features, &task.target, judged, &config, &dice, &|| false)
    }

    fn fitting(&self, config: BoostConfig, target: &Target) -> BoostConfig {
        let few = LOOKED_AT / width(&self.tokenizer) as f64;
        // The curvature of a number is 1, that of a class a quarter at most.
        let child_weight_min = match target {
            Target::Numbers(_) => SHARED_ROWS_MIN as f64,
            Target::Classes { .. } => config.child_weight_min,
        };
        BoostConfig { column_share: config.column_share.min(few), child_weight_min, ..config }
    }

    fn dice(&self, which: Which, of: Use, round: u64) -> Stream {
        let place = match which {
            Which::Category(head) => 2 * head,
            Which::Number(token) => 2 * token + 1,
        };
        let index = ((place as u64) << 2 | of as u64) << 20 | round;
        Stream::new(self.seed, Purpose::RedrawTree, index)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Float64Array;
    use tgs_protocol::{
        column::{ColumnKind, ValueFormat},
        progress::Unwatched,
    };

    use super::*;
    use crate::{
        tabgraph::config::TabgraphConfig,
        table::{Cells, Column, Table},
        testing::spec,
    };

    fn numbers(name: &str, values: impl Iterator<Item = f64>) -> Column {
        let spec = spec(name, ColumnKind::Real, ValueFormat::Shortest);
        Column { spec, cells: Cells::Number(values.map(Some).collect::<Float64Array>()) }
    }

    /// A number and one that follows it: 0 or 1, but for `rare` rows, which are told by rank.
    fn compared(rare: usize) -> Compared {
        let mut dice = Stream::new(1, Purpose::Test, 0);
        let cause: Vec<f64> = (0..1_200).map(|_| dice.normal()).collect();
        let follows = |(row, cause): (usize, &f64)| match row < rare {
            true => 5.0 + row as f64 / 7.0,
            false => f64::from(u8::from(*cause > 0.0)),
        };
        let follows: Vec<f64> = cause.iter().enumerate().map(follows).collect();
        let table = Table::new(vec![
            numbers("cause", cause.into_iter()),
            numbers("follows", follows.into_iter()),
        ]);
        let config = TabgraphConfig { category_values_max: 1, ..TabgraphConfig::default() };
        let tokenizer = Tokenizer::fit(&table, &config, &Unwatched).expect("fits");
        let data = tokenizer.encode(&table, &Unwatched).expect("encodes");
        let mut kind = |step: usize| {
            let picked: Vec<usize> = (0..table.rows()).step_by(step).collect();
            Kind::trained(&tokenizer, &data, &picked, &mut dice)
        };
        let (learned, some, drawn, validation) = (kind(1), kind(1), kind(1), kind(2));
        Compared { learned, some, drawn, validation, seed: 1, tokenizer }
    }

    #[test]
    fn a_number_is_drawn_whole_or_not_at_all() {
        let member = |rare| compared(rare).member(Which::Number(1));
        let whole = member(400).expect("can be learned");
        assert!(whole.levels.is_some() && whole.by_rank.is_some());
        // Too few to learn their ranks from, among those that teach or those that judge.
        for rare in [30, 80] {
            assert!(member(rare).is_none(), "{rare} rows told by rank");
        }
    }
}

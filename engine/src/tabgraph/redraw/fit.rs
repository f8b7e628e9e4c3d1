//! Which columns are drawn once more, and the forests that say how.

use std::sync::Arc;

use tgs_protocol::{engine::EngineError, limits::SHARED_ROWS_MIN};

use super::{
    Drawn, Member, Redraw, Rows, Which,
    residuals::Residuals,
    seen::{Seen, head_of, token_of, width},
};
use crate::{
    boost::{BoostConfig, Feature, Forest, Target},
    learn::{crew::Crew, learner::Pause, validation::Parts},
    random::{Purpose, Stream, inverse_normal},
    tabgraph::{
        sampler::TabgraphSampler,
        tokenizer::{Encoded, Tokenizer, head::Meaning},
    },
};

/// Rows of each kind that columns are compared on.
const COMPARED_ROWS: usize = 8_000;
/// Rows that a forest is fitted on.
const FITTED_ROWS: usize = 60_000;
/// Fewer validation rows choose nothing.
const VALIDATION_ROWS_MIN: usize = 100;
/// Heads of more levels are left as the net drew them.
const LEVELS_MAX: usize = 24;
/// Columns that a tree looks at, of very many.
const LOOKED_AT: f64 = 40.0;
/// Parts of the rows that columns are compared on.
const FOLDS: usize = 3;
/// What is gained must be so many times its standard error.
const SURE: f64 = 1.0;
/// Numbers of a column that are not frequent ones, at least: of fewer the ranks tell little.
const BY_RANK_MIN: f64 = 0.9;
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

/// Rows of one kind, and what is seen of them.
struct Kind {
    rows: Rows,
    count: usize,
    seen: Seen,
}

/// Everything that is compared.
struct Compared {
    tokenizer: Tokenizer,
    /// Training rows that teach.
    learned: Kind,
    /// As many of them as were drawn.
    some: Kind,
    drawn: Kind,
    validation: Kind,
    seed: u64,
}

/// Fits what a trained sampler redraws: nothing where `redraw_gain_min` asks for more than there
/// is to gain.
///
/// # Errors
/// `Stopped` when `pause` says so; `DeviceFailed`.
pub(in crate::tabgraph) fn fit(
    sampler: &TabgraphSampler,
    (train, parts): (&Encoded, &Parts),
    seed: u64,
    crew: &Crew,
    pause: Pause<'_>,
) -> Result<Redraw, EngineError> {
    let config = &sampler.config;
    let is_off = config.redraw_gain_min >= 1.0 || config.redraw_trees_max == 0;
    if is_off || parts.validation.len() < VALIDATION_ROWS_MIN || width(&sampler.tokenizer) < 2 {
        return Ok(Redraw::default());
    }
    pause("drawing rows to compare with")?;
    let compared = Arc::new(Compared::new(sampler, train, parts, seed)?);
    let mut gains = Vec::new();
    let candidates = compared.candidates();
    for (wave, some) in candidates.chunks(crew.threads()).enumerate() {
        let done = wave * crew.threads();
        pause(&format!("comparing columns, {done} of {}", candidates.len()))?;
        let work = some.iter().map(|drawn| {
            let (compared, drawn) = (Arc::clone(&compared), *drawn);
            move || compared.gain(drawn)
        });
        gains.extend(crew.run(work.collect::<Vec<_>>())?.into_iter().zip(some));
    }
    let mut worth: Vec<(f64, Which)> = gains
        .into_iter()
        .filter_map(|(gain, which)| Some((gain?, *which)))
        .filter(|(gain, _)| *gain >= config.redraw_gain_min)
        .collect();
    worth.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let (mut members, mut trees) = (Vec::new(), 0);
    for (wave, some) in worth.chunks(crew.threads()).enumerate() {
        let done = wave * crew.threads();
        pause(&format!("learning columns to draw once more, {done} of {}", worth.len()))?;
        let work = some.iter().map(|(_, which)| {
            let (compared, which) = (Arc::clone(&compared), *which);
            move || compared.member(which)
        });
        for member in crew.run(work.collect::<Vec<_>>())?.into_iter().flatten() {
            let more = trees + member.forest.trees();
            if more <= config.redraw_trees_max {
                trees = more;
                members.push(member);
            }
        }
    }
    // What gains most comes last: nothing is drawn after it that it was not drawn on.
    members.reverse();
    Ok(Redraw { members })
}

/// Which forest of a candidate.
#[derive(Debug, Clone, Copy)]
enum Use {
    Learned,
    Drawn,
    Final,
}

impl Compared {
    fn new(
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

    fn candidates(&self) -> Vec<Which> {
        let heads = self.tokenizer.heads.iter().enumerate();
        let is_few = |levels: usize| (2..=LEVELS_MAX).contains(&levels);
        // A number's level and its token are one answer of the net, and must stay so.
        let heads = heads.filter(|(at, head)| {
            is_few(head.meanings.len()) && token_of(&self.tokenizer, *at).is_none()
        });
        let is_by_rank = |token: &usize| {
            head_of(&self.tokenizer, *token).is_none_or(|head| {
                let head = &self.tokenizer.heads[head];
                let shares = head.meanings.iter().zip(head.shares());
                let by_rank = shares.filter(|(meaning, _)| **meaning == Meaning::ByRank);
                by_rank.map(|(_, share)| share).sum::<f64>() >= BY_RANK_MIN
            })
        };
        let numbers = (0..self.tokenizer.scales.len()).filter(is_by_rank).map(Which::Number);
        heads.map(|(head, _)| Which::Head(head)).chain(numbers).collect()
    }

    /// By how much of all that there is to know of a column a forest that learned from training
    /// rows knows more than one that learned from as many drawn rows, on training rows that neither
    /// learned from; none where that may be chance.
    fn gain(&self, which: Which) -> Option<f64> {
        let (real, made) = (self.task(&self.some, which)?, self.task(&self.drawn, which)?);
        let (real_rows, made_rows) = (real.target.rows(), made.target.rows());
        let config = self.fitting(COMPARING, &real.target);
        let fitted = |task: &Task, of: Use| {
            let dice = |round| self.dice(which, of, round);
            Forest::fit(&task.features, &task.target, &config, &dice, &|| false)
        };
        let of_made = made.pick(&(0..made_rows).filter(|row| row % FOLDS > 0).collect::<Vec<_>>());
        let of_made = fitted(&of_made, Use::Drawn)?;
        let mut more = Vec::with_capacity(real_rows);
        for fold in 0..FOLDS {
            let (judge, learn): (Vec<usize>, Vec<usize>) =
                (0..real_rows).partition(|row| row % FOLDS == fold);
            let (judge, learn) = (real.pick(&judge), real.pick(&learn));
            let of_real = fitted(&learn, Use::Learned)?;
            let [real, made] = [of_real, of_made.clone()].map(|forest| {
                judge.target.losses(&forest.scores(&judge.features, judge.target.rows()))
            });
            more.extend(made.iter().zip(&real).map(|(made, real)| made - real));
        }
        let rows = more.len() as f64;
        let mean = more.iter().sum::<f64>() / rows;
        let spread = more.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / rows;
        let all = real.target.loss_of_the_ignorant();
        (mean > SURE * (spread / rows).sqrt() && all > 0.0).then(|| mean / all)
    }

    /// The forest to draw from.
    fn member(&self, which: Which) -> Option<Member> {
        let (task, judge) = (self.task(&self.learned, which)?, self.task(&self.validation, which)?);
        let rounds = DRAWING.rounds.min(TREES_MAX / task.target.outputs());
        let config = BoostConfig { rounds, ..self.fitting(DRAWING, &task.target) };
        let dice = |round| self.dice(which, Use::Final, round);
        let judged = (&*judge.features, &judge.target, PATIENCE);
        let forest =
            Forest::fit_until(&task.features, &task.target, judged, &config, &dice, &|| false)?;
        let drawn = match (which, &judge.target) {
            (Which::Number(token), Target::Numbers(so)) => {
                let said = forest.scores(&judge.features, so.len()).swap_remove(0);
                Drawn::Number(token, Residuals::new(&said, so))
            }
            (Which::Head(head), _) => Drawn::Head(head),
            (Which::Number(_), Target::Classes { .. }) => return None,
        };
        Some(Member { forest, drawn })
    }

    fn task(&self, kind: &Kind, which: Which) -> Option<Task> {
        kind.task(&self.tokenizer, which)
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
            Which::Head(head) => 2 * head,
            Which::Number(token) => 2 * token + 1,
        };
        let index = ((place as u64) << 2 | of as u64) << 20 | round;
        Stream::new(self.seed, Purpose::RedrawTree, index)
    }
}

/// What a forest is fitted on.
struct Task {
    features: Vec<Feature>,
    target: Target,
}

impl Task {
    /// Of these rows alone.
    fn pick(&self, rows: &[usize]) -> Self {
        let features = self.features.iter().map(|feature| feature.pick(rows)).collect();
        let target = match &self.target {
            Target::Classes { of, count } => {
                Target::Classes { of: rows.iter().map(|row| of[*row]).collect(), count: *count }
            }
            Target::Numbers(values) => {
                Target::Numbers(rows.iter().map(|row| values[*row]).collect())
            }
        };
        Self { features, target }
    }
}

impl Kind {
    fn trained(tokenizer: &Tokenizer, data: &Encoded, picked: &[usize], dice: &mut Stream) -> Self {
        let (tokens, heads) = (tokenizer.scales.len(), tokenizer.heads.len());
        let mut rows = Rows {
            numbers: vec![Vec::with_capacity(picked.len()); tokens],
            levels: vec![Vec::with_capacity(picked.len()); heads],
        };
        for row in picked {
            let groups = &data.groups[row * tokens..(row + 1) * tokens];
            let cells = tokenizer.scales.iter().zip(groups).zip(&mut rows.numbers);
            for ((scale, group), column) in cells {
                #[expect(clippy::cast_possible_truncation, reason = "a token is single")]
                let token = scale.token(*group, dice.uniform()) as f32;
                column.push(token);
            }
            let levels = &data.levels[row * heads..(row + 1) * heads];
            levels.iter().zip(&mut rows.levels).for_each(|(level, column)| column.push(*level));
        }
        let seen = Seen::of(tokenizer, &rows);
        Self { rows, count: picked.len(), seen }
    }

    fn drawn(tokenizer: &Tokenizer, mut rows: Rows, count: usize) -> Self {
        let seen = Seen::of(tokenizer, &rows);
        rows.numbers.iter_mut().for_each(|tokens| to_normal(tokens));
        Self { rows, count, seen }
    }

    /// None where too few rows have an answer.
    fn task(&self, tokenizer: &Tokenizer, which: Which) -> Option<Task> {
        const ROWS_MIN: usize = 50;
        match which {
            Which::Head(head) => {
                let features = self.seen.without(which);
                let (of, count) = (self.rows.levels[head].clone(), levels(tokenizer, head));
                let task = Task { features, target: Target::Classes { of, count } };
                (self.count >= ROWS_MIN).then_some(task)
            }
            Which::Number(token) => {
                let head = head_of(tokenizer, token);
                let by_rank = |row: &usize| match head {
                    None => true,
                    Some(head) => {
                        let level = self.rows.levels[head][*row] as usize;
                        tokenizer.heads[head].meanings.get(level) == Some(&Meaning::ByRank)
                    }
                };
                let picked: Vec<usize> = (0..self.count).filter(by_rank).collect();
                if picked.len() < ROWS_MIN {
                    return None;
                }
                let features = self.seen.without(which);
                let features = features.iter().map(|feature| feature.pick(&picked)).collect();
                let cell = |row: &usize| f64::from(self.rows.numbers[token][*row]);
                Some(Task { features, target: Target::Numbers(picked.iter().map(cell).collect()) })
            }
        }
    }
}

fn levels(tokenizer: &Tokenizer, head: usize) -> usize {
    tokenizer.heads[head].meanings.len()
}

/// Brings tokens to the normal quantiles of their ranks.
fn to_normal(tokens: &mut [f32]) {
    let mut order: Vec<usize> = (0..tokens.len()).collect();
    order.sort_by(|a, b| tokens[*a].total_cmp(&tokens[*b]).then(a.cmp(b)));
    for (rank, row) in order.iter().enumerate() {
        #[expect(clippy::cast_possible_truncation, reason = "a token is single")]
        let token = inverse_normal((rank as f64 + 0.5) / order.len() as f64) as f32;
        tokens[*row] = token;
    }
}

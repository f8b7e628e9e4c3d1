//! Columns drawn once more, each on all the others, by boosted trees.
//!
//! Whoever learns a column from synthetic rows learns what the net knows of it. Trees know more of
//! a category, and of a number that hangs on many columns together. So a column that is learned
//! from drawn rows worse than from training rows is drawn anew on its full conditional, one column
//! after the other: a step of Gibbs sampling (Geman and Geman, 1984; sequential regression,
//! Raghunathan et al., 2001) from where the net ended. Rows keep whatever else they hold, and every
//! column its marginal.
//!
//! All this is done in tokens: a file tells nothing more of numbers than the net's tokens do.
//!
//! | to find | open |
//! |---|---|
//! | tokens as trees see them | `seen` |
//! | which columns | `fit` |
//! | what trees gain of one, and its forests | `compared` |
//! | rows to learn from, and answers | `kind` |
//! | what a forest leaves open of a number | `residuals` |
//! | to and from a file | `record` |

mod compared;
mod fit;
mod kind;
mod record;
mod residuals;
mod seen;

use serde::{Deserialize, Serialize};
use tgs_protocol::chunk::ChunkNo;

pub(super) use self::{fit::fit, record::RedrawRecord};
use self::{
    residuals::Residuals,
    seen::{Seen, head_of},
};
use super::{
    sampler::told,
    tokenizer::{Tokenizer, head::Meaning},
};
use crate::{
    boost::{Feature, Forest},
    random::{Purpose, Stream},
};

/// What is drawn once more, in this order.
#[derive(Debug, Clone, Default)]
pub(super) struct Redraw {
    members: Vec<Member>,
}

/// A column that may be drawn once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Which {
    /// The category of this head.
    Category(usize),
    /// The number of this token, and the head of its frequent values.
    Number(usize),
}

/// One column and how it is drawn.
#[derive(Debug, Clone)]
struct Member {
    which: Which,
    /// Odds of the levels of its head, if it has one.
    levels: Option<Forest>,
    /// Of a number, where that is told by rank.
    by_rank: Option<(Forest, Residuals)>,
}

/// Tokens of rows, column by column.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    /// Per number token, one per row.
    pub numbers: Vec<Vec<f32>>,
    /// Per head, one per row.
    pub levels: Vec<Vec<u32>>,
}

impl Which {
    fn head(self, tokenizer: &Tokenizer) -> Option<usize> {
        match self {
            Self::Category(head) => Some(head),
            Self::Number(token) => head_of(tokenizer, token),
        }
    }
}

impl Rows {
    /// The rows of a column that are told by rank.
    fn by_rank(&self, tokenizer: &Tokenizer, token: usize) -> Vec<usize> {
        let Some(head) = head_of(tokenizer, token) else {
            return (0..self.numbers[token].len()).collect();
        };
        let meanings = &tokenizer.heads[head].meanings;
        let is = |level: u32| meanings.get(level as usize) == Some(&Meaning::ByRank);
        let levels = self.levels[head].iter().enumerate();
        levels.filter(|(_, level)| is(**level)).map(|(row, _)| row).collect()
    }
}

impl Redraw {
    /// Draws the members of these rows anew.
    pub(super) fn apply(
        &self,
        tokenizer: &Tokenizer,
        rows: &mut Rows,
        count: usize,
        (seed, chunk): (u64, ChunkNo),
    ) {
        if self.members.is_empty() {
            return;
        }
        let mut seen = Seen::of(tokenizer, rows);
        for (at, member) in self.members.iter().enumerate() {
            let index = (at as u64) << u32::BITS | u64::from(chunk.0);
            let mut dice = Stream::new(seed, Purpose::Redraw, index);
            member.draw(tokenizer, rows, (seen.features(), count), &mut dice);
            seen.see(tokenizer, member.which, rows);
        }
    }
}

impl Member {
    fn trees(&self) -> usize {
        let of_numbers = self.by_rank.as_ref().map(|(forest, _)| forest);
        self.levels.iter().chain(of_numbers).map(Forest::trees).sum()
    }

    /// `features` of all columns: no tree asks the column itself, which it was not shown.
    fn draw(
        &self,
        tokenizer: &Tokenizer,
        rows: &mut Rows,
        (features, count): (&[Feature], usize),
        dice: &mut Stream,
    ) {
        if let (Some(forest), Some(head)) = (&self.levels, self.which.head(tokenizer)) {
            let logits = logits(&forest.scores(features, count), count);
            rows.levels[head] = told(logits, &tokenizer.heads[head].shares(), dice);
        }
        if let (Some((forest, residuals)), Which::Number(token)) = (&self.by_rank, self.which) {
            let said = forest.scores(features, count).swap_remove(0);
            for row in rows.by_rank(tokenizer, token) {
                let number = tokenizer.scales[token].of_free(residuals.around(said[row], dice));
                #[expect(clippy::cast_possible_truncation, reason = "a token is single")]
                let number = number as f32;
                rows.numbers[token][row] = number;
            }
        }
    }
}

/// Rows × levels, from raw scores per output. One output is the odds of the second level.
fn logits(scores: &[Vec<f64>], rows: usize) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "logits are single")]
    let single = |score: f64| score as f32;
    match scores {
        [second] => second.iter().flat_map(|score| [0.0, single(*score)]).collect(),
        all => (0..rows).flat_map(|row| all.iter().map(move |of| single(of[row]))).collect(),
    }
}

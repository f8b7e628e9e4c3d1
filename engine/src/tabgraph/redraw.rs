//! Columns drawn once more, each on all the others, by boosted trees.
//!
//! Whoever learns a column from synthetic rows learns what the net knows of it. Trees know more of
//! a category, and of a number that hangs on many columns together. So a column that is learned
//! from drawn rows worse than from training rows, as validation rows tell, is drawn anew on its
//! full conditional, one column after the other: a step of Gibbs sampling (Geman and Geman, 1984;
//! sequential regression, Raghunathan et al., 2001) from where the net ended. Rows keep whatever
//! else they hold, and every column its marginal.
//!
//! All this is done in tokens: a file tells nothing more of numbers than the net's tokens do.
//!
//! | to find | open |
//! |---|---|
//! | tokens as trees see them | `seen` |
//! | which columns, fitted | `fit` |
//! | what a forest leaves open of a number | `residuals` |
//! | to and from a file | `record` |

mod fit;
mod record;
mod residuals;
mod seen;

use serde::{Deserialize, Serialize};
use tgs_protocol::chunk::ChunkNo;

pub(super) use self::{fit::fit, record::RedrawRecord};
use self::{residuals::Residuals, seen::Seen};
use super::{sampler::told, tokenizer::Tokenizer};
use crate::{
    boost::Forest,
    random::{Purpose, Stream},
};

/// What is drawn once more, in this order.
#[derive(Debug, Clone, Default)]
pub(super) struct Redraw {
    members: Vec<Member>,
}

/// One head or number token.
#[derive(Debug, Clone)]
struct Member {
    forest: Forest,
    drawn: Drawn,
}

/// Which token is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Which {
    /// The level of this head.
    Head(usize),
    /// This number token.
    Number(usize),
}

#[derive(Debug, Clone)]
enum Drawn {
    /// The level of this head.
    Head(usize),
    /// This number token: what the forest says and what it leaves open.
    Number(usize, Residuals),
}

impl Drawn {
    fn which(&self) -> Which {
        match self {
            Self::Head(head) => Which::Head(*head),
            Self::Number(token, _) => Which::Number(*token),
        }
    }
}

/// Tokens of rows, column by column.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    /// Per number token, one per row.
    pub numbers: Vec<Vec<f32>>,
    /// Per head, one per row.
    pub levels: Vec<Vec<u32>>,
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
            let features = seen.without(member.drawn.which());
            let scores = member.forest.scores(&features, count);
            match &member.drawn {
                Drawn::Head(head) => {
                    let logits = logits(&scores, count);
                    let shares = tokenizer.heads[*head].shares();
                    rows.levels[*head] = told(logits, &shares, &mut dice);
                }
                Drawn::Number(token, residuals) => {
                    for (cell, mean) in rows.numbers[*token].iter_mut().zip(&scores[0]) {
                        let number = residuals.around(*mean, &mut dice);
                        #[expect(clippy::cast_possible_truncation, reason = "a token is single")]
                        let number = number as f32;
                        *cell = number;
                    }
                }
            }
            seen.see(tokenizer, member.drawn.which(), rows);
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

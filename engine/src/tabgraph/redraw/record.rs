//! What is drawn once more, in a model file.

use serde::{Deserialize, Serialize};
use tgs_protocol::engine::EngineError;

use super::{Member, Redraw, Which, residuals::Residuals, seen::width};
use crate::{
    boost::{Forest, outputs},
    container::{Array, Container},
    tabgraph::tokenizer::Tokenizer,
};

/// What the record of a model file says of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::tabgraph) struct RedrawRecord(Vec<MemberRecord>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct MemberRecord {
    which: Which,
    levels: bool,
    by_rank: bool,
}

impl Redraw {
    /// The record, and the arrays that belong to it.
    pub(in crate::tabgraph) fn record(&self, arrays: &mut Vec<(String, Array)>) -> RedrawRecord {
        let member = |(at, member): (usize, &Member)| {
            if let Some(forest) = &member.levels {
                forest.put(&format!("redraw.{at}.levels"), arrays);
            }
            if let Some((forest, Residuals { middles, knots })) = &member.by_rank {
                forest.put(&format!("redraw.{at}.number"), arrays);
                arrays.push((format!("redraw.{at}.middles"), Array::list(middles)));
                arrays.push((format!("redraw.{at}.knots"), Array::list(knots)));
            }
            let (levels, by_rank) = (member.levels.is_some(), member.by_rank.is_some());
            MemberRecord { which: member.which, levels, by_rank }
        };
        RedrawRecord(self.members.iter().enumerate().map(member).collect())
    }
}

impl RedrawRecord {
    /// What [`Redraw::record`] gave.
    ///
    /// # Errors
    /// `ModelUnreadable` when it could not be drawn from.
    pub(in crate::tabgraph) fn open<R>(
        self,
        tokenizer: &Tokenizer,
        file: &mut Container<R>,
    ) -> Result<Redraw, EngineError> {
        let mut members = Vec::with_capacity(self.0.len());
        let width = width(tokenizer);
        for (at, MemberRecord { which, levels, by_rank }) in self.0.into_iter().enumerate() {
            let is_there = match which {
                Which::Category(head) => head < tokenizer.heads.len() && !by_rank,
                Which::Number(token) => token < tokenizer.scales.len(),
            };
            let head = which.head(tokenizer).filter(|_| is_there && levels);
            if !is_there || (levels && head.is_none()) {
                return Err(file.refuse("a column that is drawn once more is missing"));
            }
            let of_levels =
                |head: usize| (outputs(tokenizer.heads[head].meanings.len()), width, true);
            let name = format!("redraw.{at}.levels");
            let levels = head.map(|head| Forest::take(&name, file, of_levels(head))).transpose()?;
            let by_rank = by_rank.then(|| open_number(at, file, width)).transpose()?;
            members.push(Member { which, levels, by_rank });
        }
        Ok(Redraw { members })
    }
}

fn open_number<R>(
    at: usize,
    file: &mut Container<R>,
    width: usize,
) -> Result<(Forest, Residuals), EngineError> {
    let forest = Forest::take(&format!("redraw.{at}.number"), file, (1, width, false))?;
    let middles = file.take(&format!("redraw.{at}.middles"))?;
    let knots = file.take(&format!("redraw.{at}.knots"))?;
    let residuals = Residuals { middles, knots };
    if !residuals.is_whole() {
        return Err(file.refuse("what is open of a column is not whole"));
    }
    Ok((forest, residuals))
}

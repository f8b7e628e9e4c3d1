//! What is drawn once more, in a model file.

use serde::{Deserialize, Serialize};
use tgs_protocol::engine::EngineError;

use super::{Drawn, Member, Redraw, Which, residuals::Residuals, seen::width};
use crate::{
    boost::Forest,
    container::{Array, Container},
    tabgraph::tokenizer::Tokenizer,
};

/// What the record of a model file says of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::tabgraph) struct RedrawRecord(Vec<Which>);

impl Redraw {
    /// The record, and the arrays that belong to it.
    pub(in crate::tabgraph) fn record(&self, arrays: &mut Vec<(String, Array)>) -> RedrawRecord {
        for (at, Member { forest, drawn }) in self.members.iter().enumerate() {
            forest.put(&format!("redraw.{at}"), arrays);
            if let Drawn::Number(_, Residuals { middles, knots }) = drawn {
                arrays.push((format!("redraw.{at}.middles"), Array::list(middles)));
                arrays.push((format!("redraw.{at}.knots"), Array::list(knots)));
            }
        }
        RedrawRecord(self.members.iter().map(|member| member.drawn.which()).collect())
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
        for (at, which) in self.0.into_iter().enumerate() {
            let outputs = match which {
                Which::Head(head) => tokenizer.heads.get(head).map(|it| it.meanings.len()),
                Which::Number(token) => tokenizer.scales.get(token).map(|_| 1),
            };
            let outputs = outputs.ok_or_else(|| file.refuse("a redrawn column is missing"))?;
            // Of two levels the odds of one tell both.
            let outputs = if outputs == 2 { 1 } else { outputs };
            let logistic = matches!(which, Which::Head(_));
            let shape = (outputs, width(tokenizer), logistic);
            let forest = Forest::take(&format!("redraw.{at}"), file, shape)?;
            let drawn = match which {
                Which::Head(head) => Drawn::Head(head),
                Which::Number(token) => {
                    let middles = file.take(&format!("redraw.{at}.middles"))?;
                    let knots = file.take(&format!("redraw.{at}.knots"))?;
                    let residuals = Residuals { middles, knots };
                    if !residuals.is_whole() {
                        return Err(file.refuse("the residuals of a column are not whole"));
                    }
                    Drawn::Number(token, residuals)
                }
            };
            members.push(Member { forest, drawn });
        }
        Ok(Redraw { members })
    }
}

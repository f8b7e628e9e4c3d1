//! Rows under conditions that many rows meet: as good as any rows of the model.
//!
//! A model that draws under conditions draws the columns of which something is said first, and
//! knows less of what follows them than of its own order. Where a good part of all rows fits
//! anyway, those are the better ones, at the price of the others.

use std::sync::Arc;

use tgs_protocol::{chunk::ChunkNo, code::Code, engine::EngineError};

use super::{Fitting, Limits, rejecting::Rejecting};
use crate::{
    model::Generator,
    table::{Cells, Table},
};

/// The share of all rows from which on others are thrown away.
const SHARE_MIN: f64 = 1.0 / 32.0;
/// So many times the rows that should be enough are drawn before the other way is gone.
const PATIENCE: f64 = 4.0;

/// Throws away what does not fit; goes the other way where too little does.
struct Often {
    any: Rejecting,
    under_conditions: Arc<dyn Generator>,
}

/// The better way of drawing rows within limits, of a model that can draw them as such.
pub(super) fn better(
    any: &Arc<dyn Generator>,
    limits: &Limits,
    tries: u32,
    fitting: Fitting,
) -> Fitting {
    let Some(share) = fitting.share.filter(|share| *share >= SHARE_MIN) else { return fitting };
    let enough = (PATIENCE / share).ceil();
    if enough > f64::from(tries) {
        return fitting;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "4 to 128")]
    let any = Rejecting::new(any, limits, enough as u32);
    Fitting { rows: Arc::new(Often { any, under_conditions: fitting.rows }), ..fitting }
}

impl Generator for Often {
    fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Result<Table, EngineError> {
        match self.any.chunk(seed, chunk, rows) {
            // The share was a guess of the model.
            Err(error) if error.code() == Some(Code::NoSuchRows) => {
                self.under_conditions.chunk(seed, chunk, rows)
            }
            drawn => drawn,
        }
    }

    fn generated(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Vec<(usize, Cells)> {
        self.under_conditions.generated(seed, chunk, rows)
    }
}

//! Which leaves a table bears: the first of a few settings under which rows are not copied.
//!
//! Trees are grown without the validation rows, which are training rows chosen by the seed, and
//! what they draw is judged beside these: at most `dcr_share_max` of the drawn rows may lie nearer
//! to the rows that trees were grown on, and rare ones may not be copied beyond chance, by the very
//! count of the report's gate `rare_copies`. If rows are copied under all settings, the one that
//! copies least is taken.

use std::fmt;

use tgs_protocol::{
    chunk::ChunkNo,
    engine::EngineError,
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
    unit::Steps,
};

use super::{
    Trainer,
    config::{Config, tried, unjudged},
    encoded::{Encoded, sample},
    nearness::{JUDGED_ROWS, train_share},
    sampler::Sampler,
    training::Training,
};
use crate::{
    measure::{copies, frame::Frame},
    model::Generator,
    table::Table,
};

/// Rows of the tables on which leaf sizes are compared.
const COMPARED_ROWS: usize = 50_000;
/// A table of few rows is split anew until so many validation rows were looked at …
const LOOKED_AT_ROWS: usize = 2_000;
/// … but not more often than this.
const SPLITS_MAX: usize = 8;

/// Rows that teach and validation rows.
type Split = (Table, Table);

/// How much was copied under one setting, on average over the splits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// Share of drawn rows that are nearer to learned than to validation rows (.5 is ideal); none
    /// without validation rows.
    nearer: Option<f64>,
    /// Copies of rare rows beyond chance.
    rare: f64,
}

impl Found {
    fn is_safe(&self, share_max: f64) -> bool {
        self.rare < 1.0 && self.nearer.is_some_and(|nearer| nearer <= share_max)
    }

    fn copies_less(&self, than: &Self) -> bool {
        let nearer = |found: &Self| found.nearer.unwrap_or(1.0);
        self.rare.total_cmp(&than.rare).then(nearer(self).total_cmp(&nearer(than))).is_le()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        match self.nearer {
            None => write!(to, "no validation rows to compare with")?,
            Some(nearer) => {
                write!(to, "{nearer:.3} of drawn rows nearer to learned than to validation rows")?;
            }
        }
        if self.rare >= 1.0 {
            write!(to, ", {:.0} copies of rare rows beyond chance", self.rare)?;
        }
        Ok(())
    }
}

/// The constants with `min_leaf`, and unless it is to be kept `gain_min`, chosen.
///
/// # Errors
/// [`EngineError::Stopped`].
pub(super) fn choose(
    train: &Table,
    config: &Config,
    keep_gain: bool,
    (seed, threads): (u64, u32),
    watch: &dyn Watch,
) -> Result<(Config, Found), EngineError> {
    let splits = splits(train, config, seed)?;
    let none_spared = splits.is_empty();
    let rows = train.rows();
    let tried = if none_spared { unjudged(rows).into_iter().collect() } else { tried(rows) };
    let mut least: Option<(Config, Found)> = None;
    for (at, (min_leaf, gain_min)) in tried.iter().enumerate() {
        tell(watch, at, tried.len());
        let gain_min = if keep_gain { config.gain_min } else { *gain_min };
        let config = Config { min_leaf: *min_leaf, gain_min, ..config.clone() };
        let found = judged(&splits, &config, (seed, threads), watch)?;
        if found.is_safe(config.dcr_share_max) {
            return Ok((config, found));
        }
        if least.as_ref().is_none_or(|(_, least)| found.copies_less(least)) {
            least = Some((config, found));
        }
    }
    Ok(least.expect("something is tried"))
}

/// One split of a large table, several of a small one; none when no row can be spared.
fn splits(train: &Table, config: &Config, seed: u64) -> Result<Vec<Split>, EngineError> {
    let validation = config.validation();
    let spared = validation.rows(train.rows());
    if spared == 0 {
        return Ok(Vec::new());
    }
    let count = (LOOKED_AT_ROWS / spared).clamp(1, SPLITS_MAX) as u64;
    let split = |at: u64| {
        let parts = validation.parts(train.rows(), seed.wrapping_add(at));
        let (learned, spared) = (train.picked(&parts.learned), train.picked(&parts.validation));
        Ok((sample(&learned, COMPARED_ROWS, seed, 4)?, spared))
    };
    (0..count).map(split).collect()
}

fn judged(
    splits: &[Split],
    config: &Config,
    (seed, threads): (u64, u32),
    watch: &dyn Watch,
) -> Result<Found, EngineError> {
    let (mut nearer, mut rare) = (Vec::new(), 0.0);
    for (train, validation) in splits {
        let encoded = Encoded::new(train, config, (seed, threads), watch)?;
        let mut training = Training::new(encoded, config.clone(), threads);
        training.segment(Steps(u64::MAX), watch)?;
        if !training.is_done() || watch.stopped() {
            return Err(EngineError::Stopped);
        }
        let sampler = Sampler::new(training.chain());
        let drawn = sampler.chunk(seed, ChunkNo(0), JUDGED_ROWS)?;
        nearer.extend(train_share(train, validation, &drawn, seed, threads as usize)?);
        // As many as there are: more rows say more about few copies.
        let drawn = sampler.chunk(seed, ChunkNo(1), JUDGED_ROWS.max(train.rows()))?;
        rare += copies::measure(&Frame::new(train, validation, &drawn)?).beyond_chance();
    }
    let mean = |sum: f64| sum / splits.len().max(1) as f64;
    let nearer = (!nearer.is_empty()).then(|| mean(nearer.iter().sum()));
    Ok(Found { nearer, rare: mean(rare) })
}

fn tell(watch: &dyn Watch, done: usize, total: usize) {
    let so_far = Progress::of(Stage::Train, done as u64, Some(total as u64), ProgressUnit::Parts);
    watch.tell(Progress { note: Some("comparing leaf sizes".to_owned()), ..so_far });
}

#[cfg(test)]
mod tests {
    use super::Found;

    #[test]
    fn of_settings_that_copy_the_least_copying_is_taken() {
        let found = |nearer: f64, rare: f64| Found { nearer: Some(nearer), rare };
        assert!(found(0.53, 0.9).is_safe(0.535));
        assert!(!found(0.53, 1.0).is_safe(0.535), "a rare row is copied");
        assert!(!found(0.54, 0.0).is_safe(0.535), "rows lie too near");
        assert!(!Found { nearer: None, rare: 0.0 }.is_safe(0.535), "nothing is known");
        assert!(found(0.60, 2.0).copies_less(&found(0.54, 3.0)));
        assert!(!found(0.54, 3.0).copies_less(&found(0.60, 2.0)));
        assert!(found(0.54, 0.0).copies_less(&found(0.55, 0.0)));
        assert!(found(0.54, 0.0).copies_less(&found(0.54, 0.0)), "the later of equals");
    }
}

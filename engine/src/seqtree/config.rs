//! The constants of `seqtree`, what a user may set, and how a wrong one is refused.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tgs_protocol::{code::Code, engine::EngineError};

/// (`min_leaf`, `gain_min`) that are tried in turn when the user set no `min_leaf`. On census, web
/// shop and weather tables taking back weak questions lowers the nearness to training rows more
/// than larger leaves do, and costs less likeness.
///
/// A table of fewer rows than [`SMALL_TABLE_ROWS`] starts at the third: too few of its rows are
/// kept aside to show a small leaf's copies, and many rows drawn from it give the leaves away.
pub(super) const TRIED: [(u32, f64); 4] = [(20, 0.0), (20, 4.0), (50, 4.0), (100, 4.0)];

/// See [`TRIED`].
pub(super) const SMALL_TABLE_ROWS: usize = 5_000;

/// Every constant of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Fewest training rows in a leaf; 0 before the plan has chosen.
    pub min_leaf: u32,
    /// A leaf size is small enough to copy rows when a larger share of synthetic rows than this is
    /// nearer to a training row than to a row kept aside (.5 is ideal).
    pub dcr_share_max: f64,
    /// A number that more than this share of the rows holds is kept exact.
    pub atom_share: f64,
    /// Bins that a split can tell apart in one column, the one for missing included.
    pub bins: u32,
    /// A last split must explain this many times what a split at random explains on average; chosen
    /// with `min_leaf` unless set.
    pub gain_min: f64,
    /// How far a drawn number may move towards its neighbours in the leaf, in gaps.
    pub jitter: f64,
    /// Deepest leaf.
    pub depth_max: u32,
    /// Columns that a tree may ask; of more, those that part a sample of the rows best.
    pub predictors_max: u32,
    /// Rows that trees are grown on; a larger table is sampled.
    pub rows_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_leaf: 0,
            dcr_share_max: 0.54,
            atom_share: 0.005,
            bins: 256,
            gain_min: 0.0,
            jitter: 0.5,
            depth_max: 48,
            predictors_max: 128,
            rows_max: 2_000_000,
        }
    }
}

impl Config {
    /// The defaults with the user's constants put in.
    ///
    /// # Errors
    /// [`Code::UnknownConstant`] for a key that does not exist and for a value of the wrong type or
    /// outside its range.
    pub fn with(overrides: &Map<String, Value>) -> Result<Self, EngineError> {
        let Ok(Value::Object(mut all)) = serde_json::to_value(Self::default()) else {
            unreachable!("a struct of numbers is an object")
        };
        for (key, value) in overrides {
            if !all.contains_key(key) {
                let known: Vec<&str> = all.keys().map(String::as_str).collect();
                let known = known.join(", ");
                return Err(refuse(format!(
                    "set `{key}`: seqtree has no such constant; it has {known}"
                )));
            }
            all.insert(key.clone(), value.clone());
            if let Err(why) = serde_json::from_value::<Self>(Value::Object(all.clone())) {
                return Err(refuse(format!("set `{key}` to {value}: {why}")));
            }
        }
        Self::read(&Value::Object(all))
    }

    /// Reads a resolved configuration.
    ///
    /// # Errors
    /// [`Code::UnknownConstant`], as [`Config::with`].
    pub fn read(value: &Value) -> Result<Self, EngineError> {
        let config: Self = serde_json::from_value(value.clone())
            .map_err(|why| refuse(format!("read the constants of seqtree: {why}")))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), EngineError> {
        for (key, value, least, most) in [
            ("min_leaf", f64::from(self.min_leaf), 0.0, 1e6),
            ("dcr_share_max", self.dcr_share_max, 0.5, 1.0),
            ("atom_share", self.atom_share, 0.0, 1.0),
            ("bins", f64::from(self.bins), 4.0, 256.0),
            ("gain_min", self.gain_min, 0.0, 1e6),
            ("jitter", self.jitter, 0.0, 1.0),
            ("depth_max", f64::from(self.depth_max), 0.0, 255.0),
            ("predictors_max", f64::from(self.predictors_max), 0.0, 4096.0),
            ("rows_max", self.rows_max as f64, 8.0, 1e8),
        ] {
            if !(least..=most).contains(&value) {
                let range = format!("choose between {least} and {most}");
                return Err(refuse(format!("set `{key}` to {value}: out of range; {range}")));
            }
        }
        Ok(())
    }
}

fn refuse(message: String) -> EngineError {
    EngineError::new(Code::UnknownConstant, message)
}

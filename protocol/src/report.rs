//! The report: what was measured and whether the table may be shared. `report.json` is this, as
//! JSON.
//!
//! A report says nothing of clocks, machines or paths: the same tables give the same bytes.

mod tally;

use serde::{Deserialize, Serialize};

use crate::{
    column::ColumnKind,
    gate::{GateLevel, Gates},
};

pub use self::tally::Tally;

/// May the table be shared?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Verdict {
    /// Every gate passes.
    Pass,
    /// A warning gate failed.
    Warn,
    /// A blocking gate failed.
    Block,
}

impl Verdict {
    /// The verdict over all gates: that of the worst one that failed. A gate that could not be
    /// measured does not fail; but a table whose *privacy* was not measured is not called safe,
    /// whatever the level of the gate: it gets a warning.
    pub fn over(gates: &[GateOutcome]) -> Self {
        let said = gates.iter().map(|gate| match (gate.level, gate.passes) {
            (GateLevel::Block, false) => Self::Block,
            (GateLevel::Warn, false) => Self::Warn,
            (GateLevel::Block | GateLevel::Warn, true)
                if gate.is_open() && Gates::is_privacy(&gate.gate) =>
            {
                Self::Warn
            }
            (GateLevel::Off, _) | (_, true) => Self::Pass,
        });
        said.max().unwrap_or(Self::Pass)
    }
}

/// Everything measured of one synthetic table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Shape of this document; grows when a field changes its meaning.
    pub version: u32,
    /// The verdict over all gates.
    pub verdict: Verdict,
    /// One per gate, worst first.
    pub gates: Vec<GateOutcome>,
    /// What was compared.
    pub tables: TablesCompared,
    /// Headline numbers, in reading order, each with its sentence.
    pub metrics: Vec<Metric>,
    /// One per column, worst first.
    pub columns: Vec<ColumnReport>,
    /// One per pair of columns, in column order.
    pub pairs: Vec<PairReport>,
    /// One per pair of moments of which one follows the other; left out where none does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<OrderReport>,
    /// Associations of real and synthetic rows; both `columns` × `columns`, row-major.
    pub correlations: CorrelationMatrices,
    /// Real and synthetic rows in the plane.
    pub embedding: Embedding,
    /// Nearest-record distances: synthetic → train, synthetic → holdout, holdout → train.
    pub distances: DistanceCurves,
    /// Losses by training step; empty without a model.
    pub curves: Vec<Curve>,
    /// Things the reader should know (rows subsampled, measures that could not be taken and why).
    pub notices: Vec<String>,
}

/// What one gate said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateOutcome {
    /// Field name in [`crate::gate::Gates`].
    pub gate: String,
    /// Measured value; none if it could not be measured (then `meaning` says why, and it passes).
    pub value: Option<f64>,
    /// The threshold.
    pub threshold: f64,
    /// What a failure does.
    pub level: GateLevel,
    /// Whether it holds.
    pub passes: bool,
    /// One sentence for people.
    pub meaning: String,
}

impl GateOutcome {
    /// Whether it is looked at and could not be measured.
    pub fn is_open(&self) -> bool {
        self.level != GateLevel::Off && self.value.is_none()
    }
}

/// Sizes of what was compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TablesCompared {
    /// Rows that trained.
    pub train_rows: u64,
    /// Rows kept aside.
    pub holdout_rows: u64,
    /// Synthetic rows.
    pub synthetic_rows: u64,
    /// Columns compared.
    pub columns: u64,
    /// Columns left out of measures (ids, texts), and why.
    pub left_out: Vec<(String, String)>,
    /// Model name and its main constants, for the reader.
    pub model: Option<String>,
}

/// Which part of the report a metric belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Looks like the real table.
    Fidelity,
    /// Works like the real table.
    Utility,
    /// Gives nobody away.
    Privacy,
    /// Is a valid table at all.
    Validity,
}

/// How a value should be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// Nearest to `ideal` is best.
    Ideal,
}

/// One number with its meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Stable key (`column_shapes`, `c2st_auc_train`, `dcr_share`).
    pub key: String,
    /// Name for people, in the field's standard term.
    pub name: String,
    /// Part of the report.
    pub aspect: Aspect,
    /// The value; none if it could not be taken.
    pub value: Option<f64>,
    /// Half-width of a 95 % interval, where one is known.
    pub interval: Option<f64>,
    /// How to read it.
    pub better: Better,
    /// The best possible value.
    pub ideal: f64,
    /// What the same measure says of real holdout rows: what as many other real rows reach.
    pub real_rows: Option<f64>,
    /// One sentence for people.
    pub meaning: String,
}

/// One column, real beside synthetic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnReport {
    /// Header text.
    pub name: String,
    /// Kind.
    pub kind: ColumnKind,
    /// SDMetrics column shape: 1 − KS or 1 − TV.
    pub shape: Option<f64>,
    /// SDMetrics boundary or category adherence.
    pub adherence: Option<f64>,
    /// SDMetrics range or category coverage.
    pub coverage: Option<f64>,
    /// Share of missing cells, real and synthetic.
    pub missing: (f64, f64),
    /// Wasserstein-1 distance over the real standard deviation; numeric only.
    pub wasserstein: Option<f64>,
    /// Jaccard index of the sets of values; categorical only.
    pub jaccard: Option<f64>,
    /// What to draw.
    pub picture: ColumnPicture,
}

/// Overlaid distributions. Shares sum to one each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum ColumnPicture {
    /// Histogram over common edges (`edges` is one longer than the shares).
    Numbers {
        /// Bin edges; moments as seconds since 1970.
        edges: Vec<f64>,
        /// Share of real rows per bin.
        real: Vec<f64>,
        /// Share of synthetic rows per bin.
        synthetic: Vec<f64>,
    },
    /// Most frequent values first, the rest as one.
    Levels {
        /// Values as written.
        names: Vec<String>,
        /// Share of real rows per value.
        real: Vec<f64>,
        /// Share of synthetic rows per value.
        synthetic: Vec<f64>,
    },
}

/// One pair of columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairReport {
    /// One column.
    pub a: String,
    /// The other.
    pub b: String,
    /// SDMetrics pair trend; none where it is not defined (constant column).
    pub trend: Option<f64>,
    /// The same with both tables binned by the real edges.
    pub trend_real_edges: Option<f64>,
}

/// Two columns of moments, of which one hardly ever lies before the other in training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderReport {
    /// The column that comes first.
    pub earlier: String,
    /// The other.
    pub later: String,
    /// Share of training rows with both in which the order is kept.
    pub real: f64,
    /// The same of synthetic rows; 0 where none has both: an order that is lost is not kept.
    pub synthetic: f64,
    /// The same of holdout rows, for comparison.
    pub holdout: Option<f64>,
}

/// Association matrices: Pearson, Cramér's V or correlation ratio by the kinds of the pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorrelationMatrices {
    /// Column names, in order.
    pub columns: Vec<String>,
    /// Real rows; row-major.
    pub real: Vec<Option<f64>>,
    /// Synthetic rows; row-major.
    pub synthetic: Vec<Option<f64>>,
}

/// Rows in the plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// `PCA` or `UMAP`.
    pub method: String,
    /// Real rows, x and y.
    pub real: Vec<(f32, f32)>,
    /// Synthetic rows, x and y.
    pub synthetic: Vec<(f32, f32)>,
}

/// Sorted distances to the nearest record, at 101 evenly spaced quantiles each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DistanceCurves {
    /// Synthetic rows to training rows.
    pub synthetic_to_train: Vec<f64>,
    /// Synthetic rows to holdout rows.
    pub synthetic_to_holdout: Vec<f64>,
    /// Holdout rows to training rows: what strangers look like.
    pub holdout_to_train: Vec<f64>,
}

/// One measure by training step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// `training loss`, `validation loss`, …
    pub name: String,
    /// (step, value), ascending.
    pub points: Vec<(u64, f64)>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use GateLevel::{Block, Off, Warn};

    fn gate(gate: &str, level: GateLevel, value: Option<f64>, passes: bool) -> GateOutcome {
        let (gate, meaning) = (gate.to_owned(), String::new());
        GateOutcome { gate, value, threshold: 0.1, level, passes, meaning }
    }

    #[test]
    fn the_verdict_is_that_of_the_worst_gate() {
        let (ks, utility) = ("ks_mean", "utility_ratio");
        let (copies, member) = ("rare_copies", "membership_advantage");
        let one = Some(1.0);
        let cases: [(&[GateOutcome], Verdict); 12] = [
            (&[], Verdict::Pass),
            (&[gate(ks, Block, one, true)], Verdict::Pass),
            (&[gate(ks, Block, one, false)], Verdict::Block),
            (&[gate(ks, Warn, one, false)], Verdict::Warn),
            (&[gate(ks, Off, one, false)], Verdict::Pass),
            (&[gate(ks, Block, one, false), gate(utility, Warn, one, false)], Verdict::Block),
            (&[gate(utility, Warn, one, false), gate(ks, Block, one, true)], Verdict::Warn),
            (&[gate(ks, Block, None, true)], Verdict::Pass),
            (&[gate(copies, Block, None, true)], Verdict::Warn),
            (&[gate(member, Block, None, true)], Verdict::Warn),
            (&[gate(member, Warn, None, true)], Verdict::Warn),
            (&[gate(member, Off, None, true)], Verdict::Pass),
        ];
        for (at, (gates, verdict)) in cases.iter().enumerate() {
            assert_eq!(Verdict::over(gates), *verdict, "case {at}");
        }
    }

    proptest! {
        /// Order does not matter, and a further gate never makes a verdict better.
        #[test]
        fn gates_only_add_to_the_verdict(
            gates in prop::collection::vec(
                (0..5_usize, 0..3_usize, any::<bool>(), any::<bool>()),
                0..6,
            )
        ) {
            let names = Gates::default().each().map(|(name, _)| name);
            let gates: Vec<_> = gates.into_iter().map(|(name, level, is_measured, passes)| {
                let value = (is_measured || !passes).then_some(1.0);
                gate(names[name], [Off, Warn, Block][level], value, passes)
            }).collect();
            let turned: Vec<_> = gates.iter().rev().cloned().collect();
            prop_assert_eq!(Verdict::over(&gates), Verdict::over(&turned));
            for some in 0..gates.len() {
                prop_assert!(Verdict::over(&gates[..some]) <= Verdict::over(&gates));
            }
        }
    }
}

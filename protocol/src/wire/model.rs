//! Models as they are shown, and rows that are asked for at once.

use serde::{Deserialize, Serialize};

use super::order::one;
#[cfg(feature = "schema")]
use crate::limits::SAMPLE_ROWS_MAX;
use crate::{
    digest::Digest,
    engine::{NumericsClass, RowFormat},
    id::JobId,
    job::{JobRow, origin::DatasetAt},
    model::{ModelName, has_model, may_be_sampled},
    report::Verdict,
    unit::{Rows, Steps, Timestamp},
};

/// What a job trained, with where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ModelView {
    /// Its name: that of the job that trained it.
    pub id: JobId,
    /// SHA-256 of its file.
    pub digest: Digest,
    /// Which generator.
    pub generator: ModelName,
    /// Seed that it was trained with.
    pub seed: u64,
    /// When it was done, in milliseconds since 1970.
    pub trained_at: Timestamp,
    /// Steps that were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
    /// The dataset that it learned from; none where it was named by a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetAt>,
    /// The dataset that was kept aside, if one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<DatasetAt>,
    /// Digest of the rows as they were read: the same rows, however the file was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
    /// Columns of its tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<u32>,
    /// Rows that it learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_rows: Option<Rows>,
    /// Rows that were kept aside for the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout_rows: Option<Rows>,
    /// Which bits it was trained in; the last one, if it went on in others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numerics_class: Option<NumericsClass>,
    /// What the report of its job says; none if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why that is not better.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Whether rows may be drawn from it: not if its report blocked.
    pub may_be_sampled: bool,
}

impl ModelView {
    /// Of the job that trained it; none if it left no model.
    pub fn of(row: &JobRow) -> Option<Self> {
        let (done, report) = (&row.done, row.done.report.as_ref());
        let dataset = done.dataset.as_ref();
        Some(Self {
            id: row.id.clone(),
            digest: done.model.filter(|_| has_model(row))?,
            generator: row.request.model,
            seed: row.request.seed,
            trained_at: row.changed_at.max(row.accepted_at),
            steps: done.trained_steps.or_else(|| Some(done.plan.as_ref()?.steps)),
            dataset: row.origin.dataset.clone(),
            holdout: row.origin.holdout.clone(),
            content: dataset.map(|facts| facts.digest),
            columns: dataset.map(|facts| facts.columns),
            train_rows: dataset.map(|facts| facts.train_rows),
            holdout_rows: dataset.map(|facts| facts.holdout_rows),
            numerics_class: done.class().cloned(),
            verdict: report.map(|report| report.verdict),
            reasons: report.map_or_else(Vec::new, |report| report.reasons.clone()),
            may_be_sampled: may_be_sampled(row).is_ok(),
        })
    }
}

/// Rows of a model, at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SampleOrder {
    /// How many.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = SAMPLE_ROWS_MAX)))]
    pub rows: u64,
    /// Another seed gives other rows.
    #[serde(default = "one")]
    pub seed: u64,
    /// How they are written.
    #[serde(default)]
    pub format: SampleFormat,
}

/// How rows are written that are answered at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SampleFormat {
    /// One array of objects.
    #[default]
    Json,
    /// Comma-separated values with a line of names.
    Csv,
    /// One object per line.
    Jsonl,
}

impl SampleFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Jsonl];

    /// How the engine writes the rows.
    pub const fn rows(self) -> RowFormat {
        match self {
            Self::Json | Self::Jsonl => RowFormat::JsonLines,
            Self::Csv => RowFormat::Csv,
        }
    }

    /// Its content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/x-ndjson",
        }
    }

    /// The answer, of the rows as the engine wrote them.
    pub fn dressed(self, rows: Vec<u8>) -> Vec<u8> {
        if self != Self::Json {
            return rows;
        }
        // A line break within a text is escaped, so each one ends a row.
        let lines = rows.strip_suffix(b"\n").unwrap_or(&rows);
        let between = lines.iter().map(|byte| if *byte == b'\n' { b',' } else { *byte });
        [b'['].into_iter().chain(between).chain(*b"]\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::job::{
        JobState, Outcome,
        step::samples::{row, synthesize},
    };

    #[test]
    fn lines_become_an_array() {
        let read = |bytes: &[u8]| -> Value {
            let array = SampleFormat::Json.dressed(bytes.to_vec());
            serde_json::from_slice(&array).expect("an array")
        };
        assert_eq!(read(b"{\"a\":1}\n{\"a\":\"x\\ny\"}\n"), json!([{"a": 1}, {"a": "x\ny"}]));
        assert_eq!(read(b""), json!([]));
        assert_eq!(SampleFormat::Csv.dressed(b"a\n1\n".to_vec()), b"a\n1\n");
    }

    #[test]
    fn a_model_is_shown_once_its_job_has_ended() {
        let mut row = row(synthesize(10));
        row.done.model = Some(Digest::of(b"model"));
        assert_eq!(ModelView::of(&row), None);
        row.state = JobState::Ended(Outcome::Withheld { reasons: Vec::new() });
        let view = ModelView::of(&row).expect("it has ended");
        assert!(!view.may_be_sampled);
        row.state = JobState::Ended(Outcome::Published { verdict: None });
        assert!(ModelView::of(&row).expect("it has ended").may_be_sampled);
    }
}

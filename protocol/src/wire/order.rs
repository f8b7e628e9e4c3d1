//! What may be ordered of a server: jobs over datasets that were handed in, never over paths.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[cfg(feature = "schema")]
use crate::limits::{
    DEVICES_PER_JOB_MAX, EPOCHS_MAX, ROWS_PER_REQUEST_MAX, STEPS_MAX, THREADS_MAX,
};
use crate::{
    code::Code,
    gate::Gates,
    given::Given,
    id::{JobId, TenantId},
    metadata::Metadata,
    model::{ModelName, TrainingLength},
    queue::Priority,
    refusal::Refusal,
    request::parse_budget,
    residency::Residency,
    wire::{DatasetRef, TableFormat},
};

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum JobOrder {
    /// All stages: a dataset in, a synthetic table and its report out.
    Synthesize(SynthesizeOrder),
    /// Up to the model.
    Train(TrainOrder),
    /// From the model of an earlier job to a table, without a report.
    Generate(GenerateOrder),
    /// Two datasets in, a report out.
    Evaluate(EvaluateOrder),
    /// A program of the user's, if the server lists it.
    External(ExternalOrder),
}

/// A dataset in, a synthetic table and its report out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SynthesizeOrder {
    /// What to learn from.
    pub dataset: DatasetRef,
    /// Rows kept aside; else a share of the dataset is kept aside.
    #[serde(default)]
    pub holdout: Option<DatasetRef>,
    /// Rows to make; as many as the dataset has, if not said.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = ROWS_PER_REQUEST_MAX)))]
    #[serde(default)]
    pub rows: Option<u64>,
    /// What the table's file is to be.
    #[serde(default)]
    pub format: TableFormat,
    /// Thresholds of the report.
    #[serde(default)]
    pub gates: Gates,
    /// How to learn.
    #[serde(default)]
    pub learn: LearnOrder,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// Regions that it may not leave; never more than those of what it reads.
    #[serde(default, skip_serializing_if = "Residency::is_anywhere")]
    pub regions: Residency,
    /// Whose it is, where several tenants share a cluster; everybody's, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// It may run on machines that may be taken away.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub spot: bool,
}

/// A dataset in, a model out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrainOrder {
    /// What to learn from.
    pub dataset: DatasetRef,
    /// Rows kept aside; else a share of the dataset is kept aside.
    #[serde(default)]
    pub holdout: Option<DatasetRef>,
    /// How to learn.
    #[serde(default)]
    pub learn: LearnOrder,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// Regions that it may not leave; never more than those of what it reads.
    #[serde(default, skip_serializing_if = "Residency::is_anywhere")]
    pub regions: Residency,
    /// Whose it is, where several tenants share a cluster; everybody's, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// It may run on machines that may be taken away.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub spot: bool,
}

/// A model in, a table out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GenerateOrder {
    /// The job that trained the model.
    pub model: JobId,
    /// Rows to make; not said where a dataset is completed.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = ROWS_PER_REQUEST_MAX)))]
    #[serde(default)]
    pub rows: Option<u64>,
    /// A dataset whose rows are completed: what they lack is drawn given what they have. It has
    /// some of the columns of the model's table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<DatasetRef>,
    /// What its rows must be like.
    #[serde(default, skip_serializing_if = "Given::is_nothing")]
    pub given: Given,
    /// Another seed gives other rows of the same model.
    #[serde(default = "one")]
    pub seed: u64,
    /// What the table's file is to be.
    #[serde(default)]
    pub format: TableFormat,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// Regions that it may not leave; never more than those of what it reads.
    #[serde(default, skip_serializing_if = "Residency::is_anywhere")]
    pub regions: Residency,
    /// Whose it is, where several tenants share a cluster; everybody's, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// It may run on machines that may be taken away.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub spot: bool,
}

/// Two datasets in, a report out: what `tgs report` does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EvaluateOrder {
    /// The real rows that the other dataset was made from.
    pub dataset: DatasetRef,
    /// The dataset to judge, whoever made it.
    pub synthetic: DatasetRef,
    /// Real rows that its maker never saw; without them privacy is judged less sharply.
    #[serde(default)]
    pub holdout: Option<DatasetRef>,
    /// Thresholds of the report.
    #[serde(default)]
    pub gates: Gates,
    /// Seed of every subsample and fold.
    #[serde(default = "one")]
    pub seed: u64,
    /// Compute threads; the node's own number if not said.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = THREADS_MAX)))]
    #[serde(default)]
    pub threads: Option<u32>,
    /// Corrections of inferred kinds.
    #[serde(default)]
    pub metadata: Option<Metadata>,
    /// Column to predict in the utility measure.
    #[serde(default)]
    pub target: Option<String>,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// Regions that it may not leave; never more than those of what it reads.
    #[serde(default, skip_serializing_if = "Residency::is_anywhere")]
    pub regions: Residency,
    /// Whose it is, where several tenants share a cluster; everybody's, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// It may run on machines that may be taken away.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub spot: bool,
}

/// A program of the user's: what it leaves in the folder `TGS_OUT` is delivered, with its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExternalOrder {
    /// Its absolute path, as the server lists it.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub program: PathBuf,
    /// Its arguments; no shell reads them.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Datasets that it reads: the file of `trial` is named by `TGS_DATASET_TRIAL`.
    #[serde(default)]
    pub datasets: Vec<DatasetRef>,
    /// How progress is read from its lines: a regular expression with the groups `done` and
    /// `total`, or `percent`.
    #[serde(default)]
    pub progress: Option<String>,
    /// How long it may take: `90s`, `5m`, `1h30m`.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = super::schema::BUDGET_PATTERN)))]
    #[serde(default = "an_hour")]
    pub time_limit: String,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// Regions that it may not leave; never more than those of what it reads.
    #[serde(default, skip_serializing_if = "Residency::is_anywhere")]
    pub regions: Residency,
    /// Whose it is, where several tenants share a cluster; everybody's, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// It may run on machines that may be taken away.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub spot: bool,
}

/// How to learn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LearnOrder {
    /// Generator.
    pub model: ModelName,
    /// Same seed, same bytes.
    pub seed: u64,
    /// Train about this long: `90s`, `5m`, `1h30m`. At most one of budget, epochs and steps.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = super::schema::BUDGET_PATTERN)))]
    pub budget: Option<String>,
    /// Passes over the training rows.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = EPOCHS_MAX)))]
    pub epochs: Option<u64>,
    /// Optimiser steps.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = STEPS_MAX)))]
    pub steps: Option<u64>,
    /// Compute threads; the node's own number if not said. Bytes depend on it.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = THREADS_MAX)))]
    pub threads: Option<u32>,
    /// Devices of one node that share the training, each with so many threads; one if not said, and
    /// fewer where a node has no more. Bytes do not depend on it.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = DEVICES_PER_JOB_MAX)))]
    pub devices: Option<u32>,
    /// Model constants, over their defaults.
    pub constants: Map<String, Value>,
    /// Corrections of inferred kinds.
    pub metadata: Option<Metadata>,
    /// Column to predict in the utility measure.
    pub target: Option<String>,
}

impl Default for LearnOrder {
    fn default() -> Self {
        Self {
            model: ModelName::Tabgraph,
            seed: one(),
            budget: None,
            epochs: None,
            steps: None,
            threads: None,
            devices: None,
            constants: Map::new(),
            metadata: None,
            target: None,
        }
    }
}

impl LearnOrder {
    /// How long to train.
    ///
    /// # Errors
    /// If it is said twice, or a budget is no length of time.
    pub fn length(&self) -> Result<TrainingLength, Refusal> {
        match (&self.budget, self.epochs, self.steps) {
            (None, None, None) => Ok(TrainingLength::Default),
            (Some(text), None, None) => Ok(TrainingLength::BudgetSeconds(parse_budget(text)?)),
            (None, Some(epochs), None) => Ok(TrainingLength::Epochs(epochs)),
            (None, None, Some(steps)) => Ok(TrainingLength::Steps(steps)),
            _ => {
                let message = "cannot tell how long to train: say one of budget, epochs and steps";
                Err(Refusal::new(Code::BadRequest, message))
            }
        }
    }
}

impl JobOrder {
    /// How urgent it is.
    pub const fn priority(&self) -> Priority {
        match self {
            Self::Synthesize(order) => order.priority,
            Self::Train(order) => order.priority,
            Self::Generate(order) => order.priority,
            Self::Evaluate(order) => order.priority,
            Self::External(order) => order.priority,
        }
    }

    /// Regions that it is not to leave.
    pub const fn regions(&self) -> &Residency {
        match self {
            Self::Synthesize(order) => &order.regions,
            Self::Train(order) => &order.regions,
            Self::Generate(order) => &order.regions,
            Self::Evaluate(order) => &order.regions,
            Self::External(order) => &order.regions,
        }
    }

    /// Whose it is.
    pub const fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Synthesize(order) => order.tenant.as_ref(),
            Self::Train(order) => order.tenant.as_ref(),
            Self::Generate(order) => order.tenant.as_ref(),
            Self::Evaluate(order) => order.tenant.as_ref(),
            Self::External(order) => order.tenant.as_ref(),
        }
    }

    /// It may run on machines that may be taken away.
    pub const fn spot(&self) -> bool {
        match self {
            Self::Synthesize(order) => order.spot,
            Self::Train(order) => order.spot,
            Self::Generate(order) => order.spot,
            Self::Evaluate(order) => order.spot,
            Self::External(order) => order.spot,
        }
    }
}

fn an_hour() -> String {
    "1h".to_owned()
}

pub(super) const fn one() -> u64 {
    1
}

pub(super) const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
pub(super) const fn is_yes(answer: &bool) -> bool {
    *answer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(order: Value) -> Result<JobOrder, String> {
        serde_json::from_value(order).map_err(|error| error.to_string())
    }

    #[test]
    fn the_shortest_order_is_whole() {
        let order = read(json!({"kind": "synthesize", "dataset": "trial"})).expect("an order");
        let JobOrder::Synthesize(order) = order else { panic!("{order:?}") };
        assert_eq!((order.dataset.to_string().as_str(), order.rows), ("trial", None));
        assert_eq!(order.learn, LearnOrder::default());
        assert_eq!(order.learn.length(), Ok(TrainingLength::Default));
        assert_eq!(order.format, TableFormat::Csv);
    }

    #[test]
    fn slips_are_refused_by_name() {
        for (order, said) in [
            (json!({"dataset": "trial"}), "missing field `kind`"),
            (json!({"kind": "paint"}), "unknown variant `paint`"),
            (json!({"kind": "synthesize"}), "missing field `dataset`"),
            (json!({"kind": "synthesize", "dataset": "a/b"}), "cannot call a dataset"),
            (json!({"kind": "synthesize", "dataset": "a@x"}), "a version is a number"),
            (json!({"kind": "synthesize", "dataset": "a", "row": 1}), "unknown field `row`"),
            (
                json!({"kind": "train", "dataset": "a", "learn": {"step": 1}}),
                "unknown field `step`",
            ),
            (json!({"kind": "train", "dataset": "a", "priority": 11}), "a priority is 0 to 10"),
            (json!({"kind": "generate", "rows": 3}), "missing field `model`"),
            (json!({"kind": "train", "dataset": "a", "spot": "no"}), "expected a boolean"),
        ] {
            let error = read(order.clone()).expect_err(&order.to_string());
            assert!(error.contains(said), "{order}: {error}");
        }
    }

    /// And an order that says nothing of it is written as before there was anything to say.
    #[test]
    fn it_may_run_on_spot_machines_unless_that_is_said() {
        for order in [
            json!({"kind": "synthesize", "dataset": "a"}),
            json!({"kind": "train", "dataset": "a"}),
            json!({"kind": "generate", "model": "m", "rows": 9}),
            json!({"kind": "evaluate", "dataset": "a", "synthetic": "b"}),
            json!({"kind": "external", "program": "/bin/true"}),
        ] {
            let plain = read(order.clone()).expect("an order");
            assert!(plain.spot() && json!(plain).get("spot").is_none(), "{order}");
            let mut bound = order;
            bound["spot"] = json!(false);
            let read_back = read(json!(read(bound.clone()).expect("an order")));
            assert_eq!(read_back.map(|order| order.spot()), Ok(false), "{bound}");
        }
    }

    #[test]
    fn one_length_is_said_at_most() {
        let learn = |value: Value| serde_json::from_value::<LearnOrder>(value).expect("shape");
        assert_eq!(learn(json!({"budget": "2m"})).length(), Ok(TrainingLength::BudgetSeconds(120)));
        assert_eq!(learn(json!({"steps": 7})).length(), Ok(TrainingLength::Steps(7)));
        for twice in [json!({"steps": 7, "epochs": 1}), json!({"budget": "soon"})] {
            assert!(learn(twice.clone()).length().is_err(), "{twice}");
        }
    }
}

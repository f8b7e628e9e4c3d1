//! Utility: a model trained on synthetic rows (TSTR) beside one trained on real rows (TRTR), both
//! tested on holdout rows that neither has seen (Esteban et al., 2017).

use tgs_protocol::engine::EngineError;

use crate::{
    boost::{BoostConfig, Feature, Forest, Target},
    ingest::name_hint::words,
    measure::{
        bins::Binning,
        crew::Crew,
        frame::{Field, Frame, MISSING, Side, Values},
        sample::Draw,
        score::{Z_95, auc, auc_interval, regression},
    },
    random::{Purpose, Stream},
};

/// Rows one model learns from.
const ROWS_MAX: usize = 50_000;
/// Trees of one model, over all classes.
const TREES_MAX: usize = 900;
const ROUNDS: usize = 300;
/// Real rows must explain at least this share of the variance of a numeric target.
const R2_MIN: f64 = 0.05;
/// AUC of a guess.
const AUC_OF_CHANCE: f64 = 0.5;
/// Real rows must rank classes at least so much better than a guess.
const AUC_LIFT_MIN: f64 = 0.05;
/// Most levels of a column that is taken for the target unasked.
const CLASSES_MAX: usize = 20;
/// Amounts that people predict; last words of a name, so that `sales_id` is none.
const AMOUNT_NAMES: [&str; 7] = ["price", "charges", "cost", "amount", "salary", "sales", "income"];
/// Column names that people give to what they want to predict.
const TARGET_NAMES: [&str; 12] = [
    "target",
    "label",
    "class",
    "y",
    "outcome",
    "income",
    "default",
    "churn",
    "placed",
    "response",
    "diagnosis",
    "status",
];

/// What the two models say.
#[derive(Debug, Clone)]
pub struct Utility {
    /// Column predicted.
    pub target: String,
    /// `AUC` or `R²`.
    pub score: &'static str,
    /// Score of the model trained on synthetic rows.
    pub synthetic: f64,
    /// Half-width of its 95 % interval, where known.
    pub interval: Option<f64>,
    /// Score of the model trained on real rows.
    pub real: f64,
    /// Root mean square errors, synthetic and real, of a numeric target.
    pub rmse: Option<(f64, f64)>,
    /// Synthetic score over real score; none where real rows predict nothing beyond doubt.
    pub ratio: Option<f64>,
}

/// Measures utility. `Err` in the inner result says in a sentence why it could not be measured.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn measure(
    frame: &Frame,
    target: Option<&str>,
    seed: u64,
    crew: Crew,
) -> Result<Result<Utility, String>, EngineError> {
    let columns = match candidates(frame, target) {
        Ok(columns) => columns,
        Err(why) => return Ok(Err(why)),
    };
    let (mut tasks, mut refused) = (Vec::new(), String::new());
    for column in columns {
        match Task::new(frame, column) {
            Ok(task) => tasks.push(task),
            Err(why) => refused = why,
        }
    }
    if tasks.is_empty() {
        return Ok(Err(refused));
    }
    let sides = [&frame.synthetic, &frame.train];
    let train = |task: &Task, which: usize| {
        task.train_and_test(frame, sides[which], which as u64, seed, crew)
    };
    // Which is predicted best is asked of real rows alone, so that no copy chooses its judge.
    let [task] = &tasks[..] else {
        let real = crew.map(tasks.len(), |at| train(&tasks[at], 1))?;
        let skill = |at: &usize| tasks[*at].skill(&real[*at]);
        let best = (0..tasks.len()).max_by(|a, b| skill(a).total_cmp(&skill(b))).unwrap_or(0);
        let made = train(&tasks[best], 0)?;
        return Ok(tasks[best].judge(frame, [&made, &real[best]]));
    };
    let outcomes = crew.map(sides.len(), |which| train(task, which))?;
    let [made, real] = &outcomes[..] else { return Ok(Err("no model was trained".to_owned())) };
    Ok(task.judge(frame, [made, real]))
}

/// The columns that may be predicted: the one asked for; else the last one with a usual name; else
/// the last category with 2 … 20 levels and the last number.
pub fn candidates(frame: &Frame, target: Option<&str>) -> Result<Vec<usize>, String> {
    if let Some(name) = target {
        let asked = frame.field(name).map(|column| vec![column]);
        return asked
            .ok_or_else(|| format!("the target column {name} is not among the compared columns"));
    }
    let classes = |field: &Field| (2..=CLASSES_MAX).contains(&field.levels.len());
    let named = |field: &Field| {
        let name = field.spec.name.to_lowercase();
        TARGET_NAMES.iter().any(|usual| name == *usual) && (classes(field) || field.is_number())
    };
    let amount = |field: &Field| {
        let words = words(&field.spec.name);
        let last = words.last().map(String::as_str);
        last.is_some_and(|last| AMOUNT_NAMES.contains(&last)) && field.is_number()
    };
    let number = |field: &Field| field.is_number() && !field.spec.kind.is_moment();
    let last = |wanted: &dyn Fn(&Field) -> bool| frame.fields.iter().rposition(wanted);
    if let Some(column) = last(&named).or_else(|| last(&amount)) {
        return Ok(vec![column]);
    }
    let unnamed: Vec<usize> = last(&classes).into_iter().chain(last(&number)).collect();
    if unnamed.is_empty() {
        return Err("no column looks like a target; name one to measure utility".to_owned());
    }
    Ok(unnamed)
}

/// A column to predict and the rows to test on.
struct Task {
    column: usize,
    /// Level codes of the classes, ascending; empty for a numeric target.
    classes: Vec<u32>,
    test: Side,
}

/// Scores of one trained model on the test rows.
struct Outcome {
    predictions: Vec<Vec<f64>>,
}

impl Task {
    fn new(frame: &Frame, column: usize) -> Result<Self, String> {
        const TEST_ROWS_MIN: usize = 20;
        let name = &frame.fields[column].spec.name;
        if frame.fields.len() < 2 {
            return Err("there is no other column to predict from".to_owned());
        }
        let mut classes = Vec::new();
        if let Some(codes) = frame.train.columns[column].levels() {
            classes = codes.iter().copied().filter(|code| *code != MISSING).collect();
            classes.sort_unstable();
            classes.dedup();
            if classes.len() < 2 {
                return Err(format!("the target {name} has a single class in the training rows"));
            }
        }
        let mut task = Self { column, classes, test: frame.holdout.pick(&[]) };
        let rows: Vec<usize> =
            (0..frame.holdout.rows).filter(|&row| task.knows(&frame.holdout, row)).collect();
        if rows.len() < TEST_ROWS_MIN {
            return Err(format!(
                "there are {} holdout rows to test on; at least {TEST_ROWS_MIN} are needed",
                rows.len()
            ));
        }
        task.test = frame.holdout.pick(&rows);
        Ok(task)
    }

    /// Whether a row has a target that the training rows know.
    fn knows(&self, side: &Side, row: usize) -> bool {
        match &side.columns[self.column] {
            Values::Number(values) => !values[row].is_nan(),
            Values::Level(codes) => self.classes.binary_search(&codes[row]).is_ok(),
        }
    }

    fn target(&self, side: &Side) -> Target {
        match &side.columns[self.column] {
            Values::Number(values) => Target::Numbers(values.to_vec()),
            Values::Level(codes) => {
                let class = |code: &u32| self.classes.partition_point(|known| known < code) as u32;
                Target::Classes { of: codes.iter().map(class).collect(), count: self.classes.len() }
            }
        }
    }

    fn train_and_test(
        &self,
        frame: &Frame,
        side: &Side,
        which: u64,
        seed: u64,
        crew: Crew,
    ) -> Result<Outcome, EngineError> {
        let known: Vec<usize> = (0..side.rows).filter(|&row| self.knows(side, row)).collect();
        let rows: Vec<usize> = Draw::Utility
            .rows(seed, which, known.len(), ROWS_MAX)
            .into_iter()
            .map(|at| known[at])
            .collect();
        let side = side.pick(&rows);
        if rows.is_empty() {
            // Nothing to learn from: every test row gets the same answer.
            let outputs = self.classes.len().max(1);
            return Ok(Outcome { predictions: vec![vec![0.0; self.test.rows]; outputs] });
        }
        let (learn, ask) = self.features(frame, &side);
        let outputs = if self.classes.len() > 2 { self.classes.len() } else { 1 };
        let rounds = ROUNDS.min((TREES_MAX / outputs).max(30));
        let config = BoostConfig { rounds, ..BoostConfig::default() };
        let stopped = || crew.watch.stopped();
        let dice = |round| Stream::new(seed, Purpose::Tree, (100 + which) << 20 | round);
        let forest = Forest::fit(&learn, &self.target(&side), &config, &dice, &stopped)
            .ok_or(EngineError::Stopped)?;
        Ok(Outcome { predictions: forest.predictions(&ask, self.test.rows) })
    }

    /// Binned columns to learn from and to ask with, the target left out.
    fn features(&self, frame: &Frame, side: &Side) -> (Vec<Feature>, Vec<Feature>) {
        (0..frame.fields.len())
            .filter(|column| *column != self.column)
            .map(|column| {
                let values = &side.columns[column];
                let binning = Binning::fit(values, frame.fields[column].levels.len());
                (binning.apply(values), binning.apply(&self.test.columns[column]))
            })
            .unzip()
    }

    /// How much better than guessing a model is on the test rows: 0 is a guess, 1 is perfect.
    fn skill(&self, outcome: &Outcome) -> f64 {
        let found = match self.target(&self.test) {
            Target::Numbers(truth) => {
                regression(&outcome.predictions[0], &truth).and_then(|(_, r2)| r2)
            }
            Target::Classes { of, .. } => {
                mean_auc(&outcome.predictions, &of).map(|area| 2.0 * (area.mean - AUC_OF_CHANCE))
            }
        };
        found.unwrap_or(f64::NEG_INFINITY)
    }

    fn judge(&self, frame: &Frame, [made, real]: [&Outcome; 2]) -> Result<Utility, String> {
        let target = frame.fields[self.column].spec.name.clone();
        if let Values::Number(truth) = &self.test.columns[self.column] {
            let score = |outcome: &Outcome| regression(&outcome.predictions[0], truth);
            let (Some((made_rmse, Some(made))), Some((real_rmse, Some(real)))) =
                (score(made), score(real))
            else {
                return Err(format!("the target {target} does not vary in the holdout rows"));
            };
            let least = R2_MIN.max(r2_interval(real, truth.len()));
            let ratio = (real >= least).then(|| made.max(0.0) / real);
            let rmse = Some((made_rmse, real_rmse));
            return Ok(Utility {
                target,
                score: "R²",
                synthetic: made,
                interval: None,
                real,
                rmse,
                ratio,
            });
        }
        let Target::Classes { of, .. } = self.target(&self.test) else {
            return Err("the target is of no known kind".to_owned());
        };
        let (Some(made), Some(real)) =
            (mean_auc(&made.predictions, &of), mean_auc(&real.predictions, &of))
        else {
            return Err(format!("the holdout rows hold a single class of {target}"));
        };
        let [made_lift, real_lift] =
            [made.mean, real.mean].map(|area| (area - AUC_OF_CHANCE).max(0.0));
        let least = AUC_LIFT_MIN.max(real.error);
        let ratio = (real_lift >= least).then(|| made_lift / real_lift);
        let (synthetic, real, interval) = (made.mean, real.mean, made.interval);
        Ok(Utility { target, score: "AUC", synthetic, interval, real, rmse: None, ratio })
    }
}

/// AUC over the classes.
struct Areas {
    mean: f64,
    /// Half-width of the 95 % interval of two classes.
    interval: Option<f64>,
    /// The same, taken as the mean over the classes where there are more: no class errs alone.
    error: f64,
}

/// AUC of two classes; of more, the mean over classes of each against the rest, over the classes
/// that the test rows hold.
fn mean_auc(predictions: &[Vec<f64>], truth: &[u32]) -> Option<Areas> {
    let of_class = |class: usize| {
        let is: Vec<bool> = truth.iter().map(|of| *of as usize == class).collect();
        let yes = is.iter().filter(|is| **is).count();
        let area = auc(&predictions[class], &is)?;
        Some((area, auc_interval(area, yes, is.len() - yes)))
    };
    if predictions.len() == 2 {
        let (mean, interval) = of_class(1)?;
        return Some(Areas { mean, interval, error: interval.unwrap_or(0.0) });
    }
    let areas: Vec<(f64, Option<f64>)> = (0..predictions.len()).filter_map(of_class).collect();
    let over =
        |of: fn(&(f64, Option<f64>)) -> f64| areas.iter().map(of).sum::<f64>() / areas.len() as f64;
    let error = over(|(_, half)| half.unwrap_or(0.0));
    (!areas.is_empty()).then(|| Areas { mean: over(|(area, _)| *area), interval: None, error })
}

/// Half-width of the 95 % interval of R² in large samples.
fn r2_interval(r2: f64, rows: usize) -> f64 {
    let share = r2.clamp(0.0, 1.0);
    Z_95 * 2.0 * share.sqrt() * (1.0 - share) / (rows.max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests;

//! How many steps fit in a wall-clock budget: the one place of the engine that reads the clock.

use std::time::Instant;

use serde::Serialize;
use serde_json::Value;
use tgs_protocol::{
    code::Code,
    engine::{EngineError, Trainer},
    model::{TrainPlan, TrainingLength},
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
    unit::Steps,
};

use super::{learner::Learner, run::Run, stopping::Stopping};

/// Share of a time that steps may take; the rest is for looks, snapshots and calibration.
const STEPS_SHARE: f64 = 0.93;

/// Steps that fit in so many seconds.
fn steps_within(seconds: f64, speed: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≥ 0")]
    let steps = (speed * seconds * STEPS_SHARE) as u64;
    steps
}

/// What a model says of the length of its runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// Steps of a pass over the rows.
    pub per_epoch: u64,
    /// Passes over the rows that neither a budget nor a default exceeds.
    pub epochs_max: u64,
    /// Steps of a run that nobody gave a length …
    pub default_steps: u64,
    /// … and the seconds that it takes at most.
    pub default_seconds_max: u64,
}

impl Wish {
    /// Passes over the rows between two looks, of so many looks in a run; at most `most` passes.
    pub(crate) fn between_looks(&self, steps: u64, looks: u64, most: u64) -> f64 {
        let every = steps.div_ceil(looks).min(self.per_epoch.saturating_mul(most));
        every as f64 / self.per_epoch as f64
    }
}

/// The plan of so many steps of so many rows, with these constants.
///
/// # Errors
/// `Internal` when the constants cannot be written.
pub(crate) fn planned<C: Serialize>(
    config: &C,
    rows: usize,
    (steps, how): (u64, String),
) -> Result<TrainPlan, EngineError> {
    let because = format!("{steps} steps of {rows} rows: {how}");
    let config = serde_json::to_value(config)
        .map_err(|error| EngineError::because(Code::Internal, "write the plan", error))?;
    Ok(TrainPlan { config, steps: Steps(steps), because })
}

/// Steps that a run of which only the speed is measured never reaches.
pub(crate) const MANY: Steps = Steps(1_000_000);

/// Speed of a learner of [`MANY`] steps, in steps per second.
///
/// # Errors
/// As steps have; `Stopped` once `watch` says so.
pub(crate) fn speed_of<L: Learner>(
    learner: L,
    (seed, threads): (u64, u32),
    watch: &dyn Watch,
) -> Result<f64, EngineError> {
    let plan = TrainPlan { config: Value::Null, steps: MANY, because: String::new() };
    let mut run = Run::new(learner, &plan, Stopping::NEVER, (seed, threads), None)?;
    steps_per_second(&mut run, watch)
}

/// The steps of a run, at least one, and why they are so many. `speed` measures steps per second
/// and is asked only where it matters.
///
/// # Errors
/// `BadRequest` when it is asked for no steps; what `speed` gives.
pub(crate) fn steps_of(
    length: TrainingLength,
    wish: &Wish,
    speed: impl Fn() -> Result<f64, EngineError>,
) -> Result<(u64, String), EngineError> {
    let cap = wish.epochs_max.saturating_mul(wish.per_epoch);
    let capped = format!("{} passes over the rows are enough (`epochs_max`)", wish.epochs_max);
    let (steps, how) = match length {
        TrainingLength::Steps(steps) => (steps, "as asked".to_owned()),
        TrainingLength::Epochs(epochs) => {
            (epochs.saturating_mul(wish.per_epoch), format!("{epochs} passes over the rows"))
        }
        TrainingLength::Default => {
            let wanted = match wish.default_steps > cap {
                true => (cap, capped),
                false => (wish.default_steps, "the default of the model".to_owned()),
            };
            default_steps(wanted, wish.default_seconds_max, speed()?)
        }
        TrainingLength::BudgetSeconds(seconds) => {
            let speed = speed()?;
            let steps = steps_within(seconds as f64, speed);
            let how = format!("{seconds} s at {speed:.1} steps/s");
            match steps > cap {
                true => (cap, format!("{how} would be more; {capped}")),
                false => (steps, how),
            }
        }
    };
    if steps == 0 && matches!(length, TrainingLength::Steps(_) | TrainingLength::Epochs(_)) {
        let message = "plan the training: its length is zero; ask for at least one step";
        return Err(EngineError::new(Code::BadRequest, message));
    }
    Ok((steps.max(1), how))
}

/// The steps of a run that nobody gave a length: those of the model, but no more than so many
/// seconds hold at this speed. And why they are so many.
fn default_steps(wanted: (u64, String), seconds: u64, speed: f64) -> (u64, String) {
    let most = steps_within(seconds as f64, speed);
    if wanted.0 <= most {
        return wanted;
    }
    let why = "a default run takes no longer (`default_seconds_max`)";
    (most, format!("{seconds} s at {speed:.1} steps/s; {why}"))
}

/// Speed measured on a throwaway run, in steps per second.
///
/// The first steps are not counted: they touch memory for the first time.
fn steps_per_second<L: Learner>(run: &mut Run<L>, watch: &dyn Watch) -> Result<f64, EngineError> {
    const WARM_STEPS: u64 = 3;
    const SECONDS: f64 = 2.0;
    const STEPS_MAX: u64 = 400;
    const NOTE: &str = "measuring speed, about two seconds";
    let mut begun = Instant::now();
    let mut counted = 0;
    while !run.is_done() {
        watch.go_on()?;
        let so_far = Progress::of(Stage::Train, 0, None, ProgressUnit::Parts);
        watch.tell(Progress { note: Some(NOTE.to_owned()), ..so_far });
        run.step(watch)?;
        if run.at().get() == WARM_STEPS {
            begun = Instant::now();
        }
        counted = run.at().get().saturating_sub(WARM_STEPS);
        if counted >= STEPS_MAX || counted > 2 && begun.elapsed().as_secs_f64() > SECONDS {
            break;
        }
    }
    let seconds = begun.elapsed().as_secs_f64().max(1e-6);
    Ok((counted.max(1) as f64 / seconds).max(1e-3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_run_is_shortened_only_where_the_machine_is_slow() {
        let of = |speed| default_steps((10_000, "the default of the model".to_owned()), 600, speed);
        assert_eq!(of(20.0), (10_000, "the default of the model".to_owned()));
        let (steps, why) = of(2.0);
        assert_eq!(steps, 1_116);
        assert!(why.contains("600 s at 2.0 steps/s") && why.contains("default_seconds_max"));
    }
}

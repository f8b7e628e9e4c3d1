//! How many steps fit in a wall-clock budget: the one place of the engine that reads the clock.

use std::time::Instant;

use tgs_protocol::{
    engine::{EngineError, Trainer},
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
};

use super::{learner::Learner, run::Run};

/// Speed measured on a throwaway run, in steps per second.
///
/// The first steps are not counted: they touch memory for the first time.
pub(crate) fn steps_per_second<L: Learner>(
    run: &mut Run<L>,
    watch: &dyn Watch,
) -> Result<f64, EngineError> {
    const WARM_STEPS: u64 = 3;
    const SECONDS: f64 = 2.0;
    const STEPS_MAX: u64 = 400;
    let mut begun = Instant::now();
    let mut counted = 0;
    while !run.is_done() {
        watch.go_on()?;
        watch.tell(Progress {
            stage: Stage::Train,
            done: 0,
            total: None,
            unit: ProgressUnit::Parts,
            epoch: None,
            loss: None,
            rows_per_second: None,
            note: Some("measuring speed".to_owned()),
        });
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

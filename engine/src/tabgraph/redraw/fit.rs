//! Which columns are drawn once more.

use std::sync::Arc;

use tgs_protocol::engine::EngineError;

use super::{Redraw, Which, compared::Compared, seen::width};
use crate::{
    learn::{crew::Crew, learner::Pause, validation::Parts},
    tabgraph::{sampler::TabgraphSampler, tokenizer::Encoded},
};

/// Fewer validation rows end no forest.
const VALIDATION_ROWS_MIN: usize = 100;

/// Fits what a trained sampler redraws: nothing where `redraw_gain_min` asks for more than there
/// is to gain.
///
/// # Errors
/// `Stopped` when `pause` says so; `DeviceFailed`.
pub(in crate::tabgraph) fn fit(
    sampler: &TabgraphSampler,
    (train, parts): (&Encoded, &Parts),
    seed: u64,
    crew: &Crew,
    pause: Pause<'_>,
) -> Result<Redraw, EngineError> {
    let config = &sampler.config;
    let is_off = config.redraw_gain_min >= 1.0 || config.redraw_trees_max == 0;
    if is_off || parts.validation.len() < VALIDATION_ROWS_MIN || width(&sampler.tokenizer) < 2 {
        return Ok(Redraw::default());
    }
    pause("drawing rows to compare with")?;
    let compared = Arc::new(Compared::new(sampler, train, parts, seed)?);
    let candidates = compared.candidates();
    let gains = each(&candidates, ("comparing columns", crew, pause), &compared, Compared::gain)?;
    let gains = candidates.into_iter().zip(gains);
    let worth = gains.filter_map(|(which, gain)| Some((gain?, which)));
    let mut worth: Vec<_> = worth.filter(|(gain, _)| *gain >= config.redraw_gain_min).collect();
    worth.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let worth: Vec<Which> = worth.into_iter().map(|(_, which)| which).collect();
    let what = ("learning columns to draw once more", crew, pause);
    let (mut members, mut trees) = (Vec::new(), 0);
    for member in each(&worth, what, &compared, Compared::member)?.into_iter().flatten() {
        let more = trees + member.trees();
        if more <= config.redraw_trees_max {
            trees = more;
            members.push(member);
        }
    }
    // What gains most comes last: nothing is drawn after it that it was not drawn on.
    members.reverse();
    Ok(Redraw { members })
}

/// What comes of each column, in order; the threads share them.
fn each<R: Send + 'static>(
    columns: &[Which],
    (note, crew, pause): (&str, &Crew, Pause<'_>),
    compared: &Arc<Compared>,
    work: fn(&Compared, Which) -> R,
) -> Result<Vec<R>, EngineError> {
    let mut done = Vec::with_capacity(columns.len());
    for some in columns.chunks(crew.threads()) {
        pause(&format!("{note}, {} of {}", done.len(), columns.len()))?;
        let jobs = some.iter().map(|which| {
            let (compared, which) = (Arc::clone(compared), *which);
            move || work(&compared, which)
        });
        done.extend(crew.run(jobs.collect::<Vec<_>>())?);
    }
    Ok(done)
}

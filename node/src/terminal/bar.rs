//! The terminal picture: finished stages as lines, the present one as a bar with what matters now.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tgs_protocol::{
    id::JobId,
    job::{Outcome, action::Tidings},
    progress::{Progress, ProgressUnit},
    stage::Stage,
};

use super::Display;
use crate::figures;

/// A bar on stderr.
pub struct BarDisplay {
    bar: ProgressBar,
    present: Option<Present>,
}

/// The stage under way.
struct Present {
    stage: Stage,
    began: Instant,
    /// Where this count of the stage stood when it was first heard of: a resumed one starts ahead.
    first: Option<(Instant, ProgressUnit, u64)>,
    summary: String,
}

impl BarDisplay {
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(spinning());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, present: None }
    }

    /// The present stage becomes a finished line.
    fn close(&mut self, mark: &str) {
        let Some(present) = self.present.take() else { return };
        let stage = present.stage.to_string();
        let took = figures::span(present.began.elapsed());
        let line = format!("  {mark} {stage:<9} {:<58} {took:>8}", present.summary);
        self.bar.println(line);
    }
}

impl Display for BarDisplay {
    fn began(&mut self, job: &JobId) {
        self.bar.println(format!("  job {job}"));
    }

    fn progress(&mut self, progress: &Progress) {
        let Some(present) = &mut self.present else { return };
        let now = Instant::now();
        let unit = progress.unit;
        let of_unit = present.first.filter(|(_, first, _)| *first == unit);
        let (since, _, start) = of_unit.unwrap_or((now, unit, progress.done));
        present.first = Some((since, unit, start));
        let left = progress.total.and_then(|total| {
            let speed = progress.done.saturating_sub(start) as f64 / (now - since).as_secs_f64();
            let seconds = total.saturating_sub(progress.done) as f64 / speed;
            let is_known = speed > 0.0 && seconds.is_finite() && (now - since).as_millis() > 500;
            is_known.then(|| format!(" · {} left", figures::span(Duration::from_secs_f64(seconds))))
        });
        let details = details(progress);
        self.bar.set_message(format!("{details}{}", left.unwrap_or_default()));
        // What is being done now is no news once the stage is over.
        present.summary = self::details(&Progress { note: None, ..progress.clone() });
        match progress.total {
            Some(total) => {
                self.bar.set_style(measured());
                self.bar.set_length(total.max(1));
                self.bar.set_position(progress.done.min(total));
            }
            None => self.bar.set_style(spinning()),
        }
    }

    fn tidings(&mut self, tidings: &Tidings) {
        if let Tidings::StageBegan { stage, .. } = tidings {
            // Planning and training are one stage to a reader, though two pieces of work.
            if self.present.as_ref().is_some_and(|present| present.stage == *stage) {
                return;
            }
            self.close("✓");
            self.bar.set_style(spinning());
            self.bar.set_prefix(stage.to_string());
            self.bar.set_message("");
            let began = Instant::now();
            let summary = String::new();
            self.present = Some(Present { stage: *stage, began, first: None, summary });
        } else if let Some(line) = line_of(tidings) {
            self.bar.println(format!("    {line}"));
        }
    }

    fn stopping(&mut self) {
        self.bar.println("    stopping at the next step; a checkpoint is written (again: at once)");
    }

    fn interrupted(&mut self) {
        self.close("…");
        self.bar.finish_and_clear();
    }

    fn ended(&mut self, outcome: &Outcome) {
        let is_good = matches!(outcome, Outcome::Published { .. } | Outcome::Withheld { .. });
        self.close(if is_good { "✓" } else { "✗" });
        self.bar.finish_and_clear();
    }
}

/// A piece of news as one line; none for news that is shown in another way.
pub fn line_of(tidings: &Tidings) -> Option<String> {
    Some(match tidings {
        Tidings::StageBegan { stage, again: false } => format!("{stage} begins"),
        Tidings::StageBegan { stage, again: true } => format!("{stage} goes on"),
        Tidings::PlanMade(plan) => format!("plan: {plan}"),
        Tidings::Notice(text) => format!("note: {text}"),
        Tidings::TryingAgain { message, after } => {
            let after = figures::span(Duration::from_millis(after.get()));
            format!("{message}; trying again in {after}")
        }
        Tidings::Suspended(_) | Tidings::Ended(_) | Tidings::Interrupted => return None,
    })
}

/// What matters of a progress report, in a few words.
pub fn details(progress: &Progress) -> String {
    let done = progress.done;
    let mut parts = vec![match (progress.unit, progress.total) {
        (ProgressUnit::Bytes, _) => figures::bytes(done),
        (ProgressUnit::Rows, Some(total)) => {
            format!("{}/{} rows", figures::count(done), figures::count(total))
        }
        (ProgressUnit::Rows, None) => format!("{} rows", figures::count(done)),
        (ProgressUnit::Steps, Some(total)) => {
            format!("step {}/{}", figures::count(done), figures::count(total))
        }
        (ProgressUnit::Steps, None) => format!("step {}", figures::count(done)),
        (ProgressUnit::Parts, Some(total)) => format!("{done}/{total}"),
        (ProgressUnit::Parts, None) => String::new(),
    }];
    parts.extend(progress.epoch.map(|epoch| format!("epoch {epoch:.1}")));
    parts.extend(progress.loss.map(|loss| format!("loss {loss:.4}")));
    parts.extend(
        progress.rows_per_second.map(|speed| format!("{} rows/s", figures::count(speed as u64))),
    );
    parts.extend(progress.note.clone());
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

fn measured() -> ProgressStyle {
    template("  {spinner} {prefix:<9} {bar:24.cyan/237} {percent:>3} % {msg}")
}

fn spinning() -> ProgressStyle {
    template("  {spinner} {prefix:<9} {msg}")
}

fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text)
        .expect("the template is a constant of this file")
        .progress_chars("━╸─")
        .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_shows_steps_epoch_loss_and_speed() {
        let progress = Progress {
            stage: Stage::Train,
            done: 1_200,
            total: Some(10_000),
            unit: ProgressUnit::Steps,
            epoch: Some(12.34),
            loss: Some(0.5),
            rows_per_second: Some(21_504.4),
            note: None,
        };
        let shown = details(&progress);
        assert_eq!(shown, "step 1,200/10,000 · epoch 12.3 · loss 0.5000 · 21,504 rows/s");
    }
}

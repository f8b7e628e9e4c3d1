//! The terminal picture: finished stages as lines, the present one as a bar with what matters now.
//! No line is wider than the terminal. A bar is a part of its message, so that both change at once.

use std::time::{Duration, Instant};

use console::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tgs_protocol::{
    figure,
    id::JobId,
    job::{Outcome, action::Tidings},
    progress::{Progress, ProgressUnit},
    stage::Stage,
};

use super::{Display, above::stand_above, narrow::Narrow, words};
use crate::voice::say_aside;

/// Columns before the words of a line: mark and stage.
const HEAD: usize = 14;
/// Columns of the time that a stage took.
const TIME: usize = 9;
/// Widest words of a finished stage: wider ones are hard to read beside the time.
const SUMMARY_MAX: usize = 58;
/// Lengths of the bar, in the order in which they are tried.
const BARS: [usize; 3] = [24, 12, 0];
/// Columns beside the bar that show the share.
const SHARE: usize = 6;
/// Times a second that the picture may change.
const HERTZ: u8 = 10;

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
    last: Option<Progress>,
}

impl BarDisplay {
    /// None for a terminal that cannot show a bar.
    pub fn new() -> Option<Self> {
        if ProgressDrawTarget::stderr().is_hidden() {
            return None;
        }
        let narrow = Box::new(Narrow::stderr());
        let target = ProgressDrawTarget::term_like_with_hz(narrow, HERTZ);
        let bar = ProgressBar::with_draw_target(None, target);
        let picture = ProgressStyle::with_template("  {spinner} {prefix:<9} {msg}");
        let picture = picture.expect("the template is a constant");
        bar.set_style(picture.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
        bar.enable_steady_tick(Duration::from_millis(120));
        stand_above(Some(&bar));
        Some(Self { bar, present: None })
    }

    /// The present stage becomes a finished line.
    fn close(&mut self, mark: &str, parts: impl Fn(&Progress) -> Vec<String>) {
        let Some(present) = self.present.take() else { return };
        let parts = present.last.as_ref().map(parts).unwrap_or_default();
        let took = present.began.elapsed();
        self.say(&finished(mark, present.stage, &parts, took, width()));
    }

    fn print(&self, text: &str) {
        self.say(&words::wrapped(text, width(), "    "));
    }

    /// The bar is taken away.
    fn leave(&self) {
        stand_above(None);
        self.bar.finish_and_clear();
    }

    /// Writes above the bar. The bar's own way of doing that fills lines with blanks and lets the
    /// terminal break them, which a terminal that is wider than it is told does not do.
    fn say(&self, text: &str) {
        self.bar.suspend(|| say_aside!("{text}"));
    }
}

impl Display for BarDisplay {
    fn began(&mut self, job: &JobId) {
        self.say(&format!("  job {job}"));
    }

    fn progress(&mut self, progress: &Progress) {
        let Some(present) = &mut self.present else { return };
        present.last = Some(progress.clone());
        let left = present.left(progress, Instant::now());
        let mut parts = words::parts(progress, left);
        if progress.unit == ProgressUnit::Parts && progress.total.is_none() {
            // Nothing else says that it goes on.
            parts.push(figure::span(present.began.elapsed()));
        }
        let share = progress.total.map(|total| progress.done as f64 / total.max(1) as f64);
        self.bar.set_message(composed(&parts, share, width()));
    }

    fn tidings(&mut self, tidings: &Tidings) {
        if let Tidings::StageBegan { stage, .. } = tidings {
            // Planning and training are one stage to a reader, though two pieces of work.
            if self.present.as_ref().is_some_and(|present| present.stage == *stage) {
                return;
            }
            self.close("✓", words::totals);
            self.bar.set_prefix(stage.to_string());
            self.bar.set_message("");
            self.present =
                Some(Present { stage: *stage, began: Instant::now(), first: None, last: None });
        } else if let Some(line) = words::line_of(tidings) {
            self.print(&line);
        }
    }

    fn stopping(&mut self) {
        let stage = self.present.as_ref().map(|present| present.stage);
        self.print(&format!("{} (again: at once)", words::stopping(stage)));
    }

    fn interrupted(&mut self) {
        self.close("…", heard);
        self.leave();
    }

    fn ended(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Published { .. } | Outcome::Withheld { .. } => self.close("✓", words::totals),
            Outcome::Failed(_) | Outcome::Cancelled => self.close("✗", heard),
        }
        self.leave();
    }
}

impl Present {
    /// How long the rest takes at the speed so far; none once nothing is left.
    fn left(&mut self, progress: &Progress, now: Instant) -> Option<String> {
        let unit = progress.unit;
        let of_unit = self.first.filter(|(_, first, _)| *first == unit);
        let (since, _, start) = of_unit.unwrap_or((now, unit, progress.done));
        self.first = Some((since, unit, start));
        let rest = progress.total?.saturating_sub(progress.done);
        let time = now - since;
        let speed = progress.done.saturating_sub(start) as f64 / time.as_secs_f64();
        let seconds = rest as f64 / speed;
        let is_known = rest > 0 && speed > 0.0 && seconds.is_finite() && time.as_millis() > 500;
        let left = Duration::try_from_secs_f64(seconds).ok().filter(|_| is_known)?;
        Some(format!("{} left", figure::span(left)))
    }
}

/// What was heard last of a stage that did not end well.
fn heard(last: &Progress) -> Vec<String> {
    words::parts(last, None)
}

/// `  ✓ train     step 10,000/10,000 · loss 0.5000          1:23`, within the width. On a terminal
/// that is too narrow for both, what was done counts more than how long it took.
fn finished(mark: &str, stage: Stage, parts: &[String], took: Duration, width: usize) -> String {
    let room = width.saturating_sub(HEAD + TIME).min(SUMMARY_MAX);
    let stage = stage.to_string();
    if parts.first().is_some_and(|first| first.chars().count() > room) {
        let words = words::fitting(parts, width.saturating_sub(HEAD));
        return format!("  {mark} {stage:<9} {words}");
    }
    let words = words::fitting(parts, room);
    format!("  {mark} {stage:<9} {words:<room$} {:>8}", figure::span(took))
}

/// The longest bar that leaves room for every word, the share, and the words; without a bar those
/// that fit.
fn composed(parts: &[String], share: Option<f64>, width: usize) -> String {
    let Some(share) = share else {
        return words::fitting(parts, width.saturating_sub(HEAD));
    };
    let room = width.saturating_sub(HEAD + SHARE);
    let all = parts.join(" · ").chars().count();
    let fits = |bar: &usize| *bar == 0 || all + bar < room;
    let bar = drawn(share, BARS.into_iter().find(fits).unwrap_or(0));
    format!("{bar}{:>3} % {}", (100.0 * share.min(1.0)).floor(), words::fitting(parts, room))
}

/// A bar of so many columns and a blank after it; nothing for none.
fn drawn(share: f64, columns: usize) -> String {
    if columns == 0 {
        return String::new();
    }
    let done = ((share.clamp(0.0, 1.0) * columns as f64) as usize).min(columns);
    let head = if done < columns { "╸" } else { "" };
    let full = style(format!("{}{head}", "━".repeat(done))).cyan().for_stderr();
    let rest = style("─".repeat((columns - done).saturating_sub(1))).dim().for_stderr();
    format!("{full}{rest} ")
}

/// Columns that may be written.
fn width() -> usize {
    Narrow::stderr().columns()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Vec<String> {
        let words =
            ["step 1,200/10,000", "1:23 left", "loss 0.5000", "epoch 12.3", "21,504 rows/s"];
        words.map(str::to_owned).to_vec()
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [20, 40, 80, 100, 120, 200] {
            let took = Duration::from_secs(3_723);
            let line = finished("✓", Stage::Evaluate, &words(), took, width);
            let columns = line.chars().count();
            assert!(columns <= width.max(HEAD + TIME), "{width}: {columns} in `{line}`");
            for share in [Some(0.0), Some(0.999), Some(1.0), None] {
                let message = composed(&words(), share, width);
                let columns = HEAD + console::measure_text_width(&message);
                assert!(columns <= width.max(HEAD + SHARE), "{width}: {columns} in `{message}`");
            }
        }
    }

    #[test]
    fn the_bar_goes_first_then_words_from_the_right() {
        for (width, bar, last) in
            [(140, 24, "rows/s"), (110, 12, "rows/s"), (100, 0, "rows/s"), (80, 0, "12.3")]
        {
            let message = composed(&words(), Some(0.5), width);
            let found = message.chars().filter(|letter| "━╸─".contains(*letter)).count();
            assert_eq!((found, message.ends_with(last)), (bar, true), "{width}: {message}");
        }
    }

    #[test]
    fn nothing_is_left_once_all_is_done() {
        let began = Instant::now();
        let mut present = Present { stage: Stage::Sample, began, first: None, last: None };
        let mut left = |done: u64, after: u64| {
            let progress = Progress::of(Stage::Sample, done, Some(100), ProgressUnit::Rows);
            present.left(&progress, began + Duration::from_secs(after))
        };
        assert_eq!(left(0, 0), None);
        assert_eq!(left(50, 10).as_deref(), Some("10 s left"));
        assert_eq!(left(100, 20), None);
    }
}

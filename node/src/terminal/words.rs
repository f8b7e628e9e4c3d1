//! Progress and news in words, cut to the width of a terminal where there is one.

use std::time::Duration;

use tgs_protocol::{
    figure,
    job::action::Tidings,
    progress::{Progress, ProgressUnit},
    stage::Stage,
};

/// A piece of news as one line; none for news that is shown in another way.
pub fn line_of(tidings: &Tidings) -> Option<String> {
    Some(match tidings {
        Tidings::StageBegan { stage, again: false } => format!("{stage} begins"),
        Tidings::StageBegan { stage, again: true } => format!("{stage} goes on"),
        Tidings::PlanMade(plan) => format!("plan: {plan}"),
        Tidings::Notice(text) => format!("note: {text}"),
        Tidings::TryingAgain { message, after } => {
            let after = figure::span(Duration::from_millis(after.get()));
            format!("{message}; trying again in {after}")
        }
        Tidings::Suspended(_) | Tidings::Ended(_) | Tidings::Interrupted => return None,
    })
}

/// What is said when Ctrl-C was heard, by what is under way.
pub fn stopping(stage: Option<Stage>) -> &'static str {
    match stage {
        Some(Stage::Train) => "stopping at the next step; a checkpoint is written",
        _ => "stopping; resume begins this stage again, what is done before it is kept",
    }
}

/// What matters of a progress report, in a few words, what matters most first. `left`: how long it
/// still takes.
pub fn parts(progress: &Progress, left: Option<String>) -> Vec<String> {
    let (done, total) = (progress.done, progress.total);
    let of = |shown: fn(u64) -> String| match total {
        Some(total) => format!("{}/{}", shown(done), shown(total)),
        None => shown(done),
    };
    let counted = match (progress.unit, total) {
        (ProgressUnit::Bytes, Some(total)) if done >= total => figure::bytes(total),
        (ProgressUnit::Bytes, Some(total)) => {
            format!("{} of {}", figure::bytes(done), figure::bytes(total))
        }
        (ProgressUnit::Bytes, None) => figure::bytes(done),
        (ProgressUnit::Rows, _) => format!("{} rows", of(figure::count)),
        (ProgressUnit::Steps, _) => format!("step {}", of(figure::count)),
        (ProgressUnit::Parts, Some(_)) => of(figure::count),
        (ProgressUnit::Parts, None) => String::new(),
    };
    let mut parts = vec![counted];
    parts.extend(progress.note.clone());
    parts.extend(left);
    parts.extend(progress.loss.map(|loss| format!("loss {loss:.4}")));
    parts.extend(progress.epoch.map(|epoch| format!("epoch {epoch:.1}")));
    parts.extend(
        progress.rows_per_second.map(|speed| format!("{} rows/s", figure::count(speed as u64))),
    );
    parts.retain(|part| !part.is_empty());
    parts
}

/// A stage that is over, by the last report of it: its totals, since the very last report is often
/// not heard. Training may end before its last step; the report with a note is told after it.
pub fn totals(last: &Progress) -> Vec<String> {
    let is_exact = last.unit == ProgressUnit::Steps && last.note.is_some();
    let done = if is_exact { last.done } else { last.total.unwrap_or(last.done) };
    parts(&Progress { done, note: None, ..last.clone() }, None)
}

/// As many parts, from the left, as fit between dots; the first one is cut if it must be.
pub fn fitting(parts: &[String], width: usize) -> String {
    let mut line = String::new();
    for part in parts {
        let more = if line.is_empty() { part.clone() } else { format!("{line} · {part}") };
        if more.chars().count() > width {
            break;
        }
        line = more;
    }
    match (line.is_empty(), parts.first()) {
        // A number that lost its last digits would be another number.
        (true, Some(first)) => {
            let cut = first.chars().take(width.saturating_sub(1));
            cut.chain((width > 0).then_some('…')).collect()
        }
        _ => line,
    }
}

/// Text broken between words into lines of at most so many columns, all but the first set in.
pub fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let mut lines = vec![indent.to_owned()];
    let mut is_fresh = true;
    for word in text.split(' ') {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if !is_fresh && last + 1 + word.chars().count() > width {
            lines.push(format!("{indent}  "));
            is_fresh = true;
        }
        if let Some(line) = lines.last_mut() {
            if !is_fresh {
                line.push(' ');
            }
            line.push_str(word);
        }
        is_fresh = false;
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(done: u64, note: Option<&str>) -> Progress {
        Progress {
            stage: Stage::Train,
            done,
            total: Some(10_000),
            unit: ProgressUnit::Steps,
            epoch: Some(12.34),
            loss: Some(0.5),
            rows_per_second: Some(21_504.4),
            note: note.map(str::to_owned),
        }
    }

    fn counted(unit: ProgressUnit, done: u64, total: Option<u64>) -> Progress {
        let (stage, epoch, loss) = (Stage::Ingest, None, None);
        Progress { stage, done, total, unit, epoch, loss, rows_per_second: None, note: None }
    }

    #[test]
    fn fields_are_dropped_from_the_right() {
        let parts = parts(&training(1_200, None), Some("1:23 left".to_owned()));
        for (width, line) in [
            (80, "step 1,200/10,000 · 1:23 left · loss 0.5000 · epoch 12.3 · 21,504 rows/s"),
            (71, "step 1,200/10,000 · 1:23 left · loss 0.5000 · epoch 12.3"),
            (45, "step 1,200/10,000 · 1:23 left · loss 0.5000"),
            (20, "step 1,200/10,000"),
            (6, "step …"),
        ] {
            assert_eq!(fitting(&parts, width), line);
        }
    }

    #[test]
    fn what_is_over_shows_totals() {
        for (last, line) in [
            (counted(ProgressUnit::Parts, 14, Some(55)), "55/55"),
            (counted(ProgressUnit::Bytes, 4_200_000, Some(5_500_000)), "5.5 MB"),
            (counted(ProgressUnit::Rows, 1_000, Some(2_139)), "2,139/2,139 rows"),
            (counted(ProgressUnit::Rows, 1_000, None), "1,000 rows"),
        ] {
            assert_eq!(totals(&last).join(" · "), line);
        }
        let ends = |last: Progress| totals(&last).swap_remove(0);
        assert_eq!(ends(training(9_960, None)), "step 10,000/10,000");
        assert_eq!(ends(training(4_000, Some("calibrating"))), "step 4,000/10,000");
    }

    #[test]
    fn long_news_is_broken_between_words() {
        let text = "plan: 26 trees, one per column, leaves of 50 rows";
        assert_eq!(wrapped(text, 80, "    "), format!("    {text}"));
        assert_eq!(
            wrapped(text, 31, "    "),
            "    plan: 26 trees, one per\n      column, leaves of 50 rows"
        );
    }

    #[test]
    fn a_checkpoint_is_promised_only_while_training() {
        assert!(stopping(Some(Stage::Train)).contains("checkpoint"));
        for stage in [None, Some(Stage::Ingest), Some(Stage::Evaluate)] {
            assert!(!stopping(stage).contains("checkpoint"));
        }
    }
}

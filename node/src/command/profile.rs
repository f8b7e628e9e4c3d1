//! `tgs profile`: what a table looks like, before anything is learned from it.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets::NOTHING};
use tgs_engine::{port, table::cell::NumberWriter};
use tgs_protocol::{
    figure,
    profile::{ColumnProfile, Profile},
};

use super::learning;
use crate::{
    command_line::{ProfileArguments, Voice},
    failure::Failure,
    leaving::ExitCode,
    terminal::{Shown, event, tell_notices},
    voice::say,
};

/// Letters of a value that are shown.
const VALUE_LETTERS: usize = 24;

pub fn run(asked: &ProfileArguments, voice: Voice) -> Result<ExitCode, Failure> {
    let table = learning::existing(&asked.table)?;
    let metadata = asked.metadata.as_deref().map(learning::metadata).transpose()?;
    let shown = Shown::on(voice);
    let profiled = port::profile_file(&table, metadata.as_ref(), &shown);
    shown.end(profiled.is_ok());
    let (profile, notices) = profiled?;
    tell_notices(&notices, voice);
    match voice {
        Voice::Json => say!("{}", event("profile", &profile)),
        Voice::Words | Voice::Quiet => in_words(&profile),
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(profile: &Profile) {
    let rows = figure::count(profile.rows);
    say!(
        "{rows} rows, {} columns, {} duplicate rows",
        profile.columns.len(),
        figure::count(profile.duplicate_rows)
    );
    let mut table = Table::new();
    table.load_style(NOTHING);
    // A table that is wider than the terminal is folded within its columns.
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["column", "kind", "missing", "distinct", "values", "why, and what to know"]);
    for at in [2, 3] {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for column in &profile.columns {
        table.add_row(row_of(column, profile.rows));
    }
    say!("{table}");
    for pair in profile.correlations.iter().take(10) {
        say!("{:+.3}  {} – {}", pair.strength, pair.a, pair.b);
    }
    for key in profile.key_candidates.iter().take(5) {
        say!("key candidate: {}", key.join(" + "));
    }
}

fn row_of(column: &ColumnProfile, rows: u64) -> [String; 6] {
    let kind = serde_json::to_value(column.spec.kind).ok();
    let missing = match column.missing {
        0 => "–".to_owned(),
        some => format!("{:.1} %", 100.0 * some as f64 / rows.max(1) as f64),
    };
    let values = match &column.numbers {
        Some(numbers) => {
            let [least, .., most] = numbers.quantiles;
            let shown = [least, numbers.quantiles[4], most].map(|value| written(column, value));
            shown.join(" … ")
        }
        None => {
            let top = column.top.iter().take(3).map(|top| shortened(&top.value));
            top.collect::<Vec<_>>().join(", ")
        }
    };
    let hint = column.personal_data_hint.as_deref();
    let why = match hint {
        Some(hint) => format!("{}; personal data? {hint}", column.spec.reason),
        None => column.spec.reason.clone(),
    };
    [
        column.spec.name.clone(),
        kind.and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default(),
        missing,
        figure::count(column.distinct),
        values,
        why,
    ]
}

/// A moment as the table writes it, a number with as many digits as one reads.
fn written(column: &ColumnProfile, value: f64) -> String {
    if !column.spec.kind.is_moment() {
        return figure::plain(value);
    }
    let mut text = Vec::new();
    NumberWriter::new(&column.spec).write(value, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(VALUE_LETTERS) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tgs_protocol::column::{ColumnKind, ColumnSpec, ValueFormat};

    use super::*;

    #[test]
    fn moments_are_written_as_the_table_writes_them() {
        let column = |kind, format| ColumnProfile {
            spec: ColumnSpec {
                name: "n".to_owned(),
                kind,
                reason: String::new(),
                format,
                missing_token: None,
            },
            missing: 0,
            distinct: 1,
            numbers: None,
            top: Vec::new(),
            personal_data_hint: None,
        };
        let moment = |pattern: &str| ValueFormat::Moment { pattern: pattern.to_owned() };
        for (kind, format, value, text) in [
            (ColumnKind::Date, moment("%d.%m.%Y"), 951_782_400.0, "29.02.2000"),
            (ColumnKind::Time, moment("%H:%M"), 45_240.0, "12:34"),
            (ColumnKind::Datetime, moment("%Y-%m-%d %H:%M"), 951_827_640.0, "2000-02-29 12:34"),
            (ColumnKind::Real, ValueFormat::Shortest, 1.234_567_89e-15, "1.23457e−15"),
            (ColumnKind::Integer, ValueFormat::Shortest, 1987.0, "1987"),
        ] {
            assert_eq!(written(&column(kind, format), value), text);
        }
        assert_eq!(shortened(&"ä".repeat(30)), format!("{}…", "ä".repeat(24)));
    }
}

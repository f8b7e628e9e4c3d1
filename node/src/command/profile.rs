//! `tgs profile`: what a table looks like, before anything is learned from it.

use comfy_table::{CellAlignment, Table, presets::NOTHING};
use serde_json::json;
use tgs_engine::port;
use tgs_protocol::{
    profile::{ColumnProfile, Profile},
    progress::Unwatched,
};

use super::learning;
use crate::{
    command_line::{ProfileArguments, Voice},
    failure::Failure,
    figures,
    leaving::ExitCode,
    voice::{say, say_aside},
};

pub fn run(asked: &ProfileArguments, voice: Voice) -> Result<ExitCode, Failure> {
    let table = learning::existing(&asked.table)?;
    let metadata = asked.metadata.as_deref().map(learning::metadata).transpose()?;
    let (profile, notices) = port::profile_file(&table, metadata.as_ref(), &Unwatched)?;
    match voice {
        Voice::Json => {
            for notice in &notices {
                say!("{}", json!({"event": "notice", "message": notice}));
            }
            say!("{}", serde_json::to_string(&profile).unwrap_or_default());
        }
        Voice::Words => {
            notices.iter().for_each(|notice| say_aside!("note: {notice}"));
            in_words(&profile);
        }
        Voice::Quiet => in_words(&profile),
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(profile: &Profile) {
    let rows = figures::count(profile.rows);
    say!(
        "{rows} rows, {} columns, {} duplicate rows",
        profile.columns.len(),
        figures::count(profile.duplicate_rows)
    );
    let mut table = Table::new();
    table.load_style(NOTHING);
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
            format!("{least} … {} … {most}", numbers.quantiles[4])
        }
        None => {
            let top = column.top.iter().take(3).map(|top| top.value.as_str());
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
        figures::count(column.distinct),
        values,
        why,
    ]
}

//! Rows told apart: duplicate rows, and columns that name every row.

use tgs_protocol::{column::ColumnKind, profile::ColumnProfile};

use crate::{
    ingest::dictionary::hash,
    table::{Cells, Table},
};

/// Rows looked at before a pair of columns is looked at in full.
const TRIAL_ROWS: usize = 4_096;
/// Pairs looked at in full.
const PAIRS_MAX: usize = 16;
/// Columns that are paired.
const PAIRED_COLUMNS_MAX: usize = 64;

/// A hash of every row, over all its cells.
pub fn row_hashes(table: &Table) -> Vec<u64> {
    let mut hashes = vec![0; table.rows()];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let span = table.rows().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (number, hashes) in hashes.chunks_mut(span).enumerate() {
            scope.spawn(move || {
                let rows = table.slice(number * span, hashes.len());
                rows.columns().iter().for_each(|column| mix(&column.cells, hashes));
            });
        }
    });
    hashes
}

/// Rows that another row before them repeats, by 64-bit hashes.
pub fn duplicates(mut hashes: Vec<u64>) -> u64 {
    let rows = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    (rows - hashes.len()) as u64
}

/// Columns, or where no column does it pairs of columns, that are never missing and whose values
/// are another in every row.
pub fn candidates(table: &Table, profiles: &[ColumnProfile]) -> Vec<Vec<String>> {
    let rows = table.rows() as u64;
    if rows < 2 {
        return Vec::new();
    }
    let able = |at: &usize| {
        let profile = &profiles[*at];
        profile.missing == 0 && profile.spec.kind != ColumnKind::Real && profile.distinct > 1
    };
    let able: Vec<usize> = (0..profiles.len()).filter(able).collect();
    let name = |at: usize| profiles[at].spec.name.clone();
    let single = able.iter().filter(|at| profiles[**at].distinct == rows);
    let single: Vec<Vec<String>> = single.map(|at| vec![name(*at)]).collect();
    if !single.is_empty() {
        return single;
    }
    let mut found = Vec::new();
    let mut tried = 0;
    let able = &able[..able.len().min(PAIRED_COLUMNS_MAX)];
    for (place, &one) in able.iter().enumerate() {
        for &other in &able[place + 1..] {
            let most = u128::from(profiles[one].distinct) * u128::from(profiles[other].distinct);
            if most < u128::from(rows) || !is_key(table, one, other, TRIAL_ROWS) {
                continue;
            }
            tried += 1;
            if tried > PAIRS_MAX {
                return found;
            }
            if is_key(table, one, other, table.rows()) {
                found.push(vec![name(one), name(other)]);
            }
        }
    }
    found
}

fn is_key(table: &Table, one: usize, other: usize, rows: usize) -> bool {
    let rows = rows.min(table.rows());
    let mut hashes = vec![0; rows];
    let part = table.slice(0, rows);
    for at in [one, other] {
        mix(&part.columns()[at].cells, &mut hashes);
    }
    hashes.sort_unstable();
    hashes.windows(2).all(|pair| pair[0] != pair[1])
}

/// Mixes every cell into the hash of its row.
fn mix(cells: &Cells, hashes: &mut [u64]) {
    const MISSING: u64 = 0x6d69_7373_696e_6721;
    let join = |state: u64, cell: u64| {
        let wide = u128::from(state ^ cell ^ 0xE703_7ED1_A0B4_28DB)
            * u128::from(cell.rotate_left(32) ^ 0x9E37_79B9_7F4A_7C15);
        (wide as u64) ^ ((wide >> 64) as u64) ^ state.rotate_left(23)
    };
    // A full mix of what may be a small number, or near its neighbours (Steele et al., 2014).
    let spread = |value: u64| {
        let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    };
    for (row, state) in hashes.iter_mut().enumerate() {
        let cell = if !cells.is_present(row) {
            MISSING
        } else {
            match cells {
                Cells::Number(values) => spread((values.value(row) + 0.0).to_bits()),
                Cells::Level { codes, .. } => spread(u64::from(codes.value(row)) + 1),
                Cells::Text(texts) => hash(texts.value(row).as_bytes()),
            }
        };
        *state = join(*state, cell);
    }
}

//! Columns as trees see them: a code per row for what is drawn, a bin per row for what is asked.
//!
//! The code of a number is its place among the distinct values of the column, of a level its level;
//! one code above all others means missing. Bins are what splits tell apart: bin 0 is missing, a
//! frequent number (an *atom*) has its own, the others share bins of equal mass; rare levels share.

use arrow::array::{Array, Float64Array, UInt32Array};
use tgs_protocol::column::ColumnSpec;

use super::config::Config;
use crate::{own_numbers::OwnNumbers, table::grid::Grid};

/// One column of the training rows.
pub(super) struct Coded {
    /// Code per row; `missing` where missing.
    pub codes: Vec<u32>,
    /// Bin per row.
    pub bins: Vec<u8>,
    /// The code that means missing: one above all others.
    pub missing: u32,
    /// What the codes of a number column stand for; none for levels.
    pub numbers: Option<Numbers>,
    /// Bin per code, `missing` included.
    pub bin_of_code: Vec<u8>,
    /// How each code of a number column is drawn; empty for levels, which are drawn exactly.
    pub drawn: Vec<DrawnAs>,
    /// Distinct codes met, missing included: what the order of columns looks at.
    pub cardinality: usize,
}

/// How a number is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DrawnAs {
    /// Exactly: it is frequent, and has a bin of its own.
    Atom,
    /// Exactly where a leaf holds it twice, else moved: several rows share it.
    Shared,
    /// Always moved: it is somebody's own (and what is kept of it has moved already).
    Own,
}

/// What a model keeps of a number column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Numbers {
    /// Distinct values, ascending, as they may be kept.
    pub distinct: Vec<f64>,
    /// Upper ends of bins 1, 2, …; the last bin has none.
    pub edges: Vec<f64>,
    /// Numbers are written as multiples of this.
    pub grid: Grid,
}

impl Numbers {
    /// The bin of a value; never that of missing.
    pub(super) fn bin(&self, value: f64) -> u8 {
        1 + self.edges.partition_point(|edge| *edge < value) as u8
    }
}

/// Codes a column of numbers.
pub(super) fn numbers(
    spec: &ColumnSpec,
    values: &Float64Array,
    own: OwnNumbers,
    config: &Config,
) -> Coded {
    let rows = values.len();
    let empty = own.are_too_few(rows - values.null_count());
    let mut order: Vec<(f64, u32)> = (0..rows)
        .filter(|row| values.is_valid(*row) && !empty)
        .map(|row| (values.value(row), row as u32))
        .collect();
    order.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let (mut distinct, mut counts): (Vec<f64>, Vec<u64>) = (Vec::new(), Vec::new());
    let mut codes = vec![u32::MAX; rows];
    for (value, row) in order {
        // Minus zero equals zero here, as in every comparison.
        if distinct.last() != Some(&value) {
            distinct.push(value);
            counts.push(0);
        }
        *counts.last_mut().expect("just pushed") += 1;
        codes[row as usize] = distinct.len() as u32 - 1;
    }
    let missing = distinct.len() as u32;
    codes.iter_mut().filter(|code| **code == u32::MAX).for_each(|code| *code = missing);
    let frequent = |count: u64| count as f64 > config.atom_share * rows as f64;
    let drawn = |count: &u64| match *count {
        count if !own.is_shared(count) => DrawnAs::Own,
        count if frequent(count) => DrawnAs::Atom,
        _ => DrawnAs::Shared,
    };
    let drawn: Vec<DrawnAs> = counts.iter().map(drawn).collect();
    let atoms: Vec<bool> = drawn.iter().map(|drawn| *drawn == DrawnAs::Atom).collect();
    let begins = bin_begins(&counts, &atoms, config.bins as usize - 1);
    let grid = Grid::of(&spec.format, &distinct);
    let distinct = own.moved(&distinct, &counts, grid);
    let edges = begins.iter().skip(1).map(|at| midpoint(distinct[at - 1], distinct[*at])).collect();
    let numbers = Numbers { distinct, edges, grid };
    let mut bin_of_code: Vec<u8> =
        numbers.distinct.iter().map(|value| numbers.bin(*value)).collect();
    bin_of_code.push(0);
    let bins = codes.iter().map(|code| bin_of_code[*code as usize]).collect();
    let cardinality = numbers.distinct.len() + usize::from(empty || values.null_count() > 0);
    Coded { codes, bins, missing, numbers: Some(numbers), bin_of_code, drawn, cardinality }
}

/// Codes a column of `levels` levels.
pub(super) fn levels(codes: &UInt32Array, levels: usize, config: &Config) -> Coded {
    let missing = levels as u32;
    let codes: Vec<u32> =
        codes.iter().map(|code| code.map_or(missing, |code| code.min(missing))).collect();
    let mut counts = vec![0_u64; levels + 1];
    codes.iter().for_each(|code| counts[*code as usize] += 1);
    let bin_of_code = level_bins(&counts, config.bins as usize - 1);
    let bins = codes.iter().map(|code| bin_of_code[*code as usize]).collect();
    let cardinality = counts.iter().filter(|count| **count > 0).count();
    Coded { codes, bins, missing, numbers: None, bin_of_code, drawn: Vec::new(), cardinality }
}

/// Bin per level: its own while bins last, most frequent first; three quarters of the bins are
/// given away like that, in the others levels of about equal frequency share equal masses.
fn level_bins(counts: &[u64], bins: usize) -> Vec<u8> {
    let levels = counts.len() - 1;
    let mut bin_of_code = vec![0; counts.len()];
    if levels <= bins {
        (0..levels).for_each(|level| bin_of_code[level] = level as u8 + 1);
        return bin_of_code;
    }
    let mut order: Vec<usize> = (0..levels).collect();
    order.sort_by_key(|level| (std::cmp::Reverse(counts[*level]), *level));
    let own = bins * 3 / 4;
    let (frequent, rare) = order.split_at(own);
    frequent.iter().enumerate().for_each(|(at, level)| bin_of_code[*level] = at as u8 + 1);
    // A level that never trained weighs something too, or the last bin would hold them all.
    let mass: u64 = rare.iter().map(|level| counts[*level] + 1).sum();
    let mut sum = 0;
    for level in rare {
        bin_of_code[*level] = (own as u64 + 1 + sum * (bins - own) as u64 / mass) as u8;
        sum += counts[*level] + 1;
    }
    bin_of_code
}

/// Where bins begin, as places among the distinct values: an atom has its own, the rest equal mass.
fn bin_begins(counts: &[u64], atoms: &[bool], bins: usize) -> Vec<usize> {
    let atom_count = atoms.iter().filter(|atom| **atom).count();
    let rest: u64 = counts.iter().zip(atoms).filter(|(_, atom)| !**atom).map(|(n, _)| n).sum();
    let mass = rest.div_ceil(bins.saturating_sub(atom_count).max(1) as u64).max(1);
    let mut begun: Vec<(usize, u64)> = Vec::new();
    let mut after_atom = true;
    for (at, (count, atom)) in counts.iter().zip(atoms).enumerate() {
        match begun.last_mut().filter(|(_, held)| !after_atom && !*atom && *held < mass) {
            Some((_, held)) => *held += count,
            None => begun.push((at, *count)),
        }
        after_atom = *atom;
    }
    while begun.len() > bins {
        let lightest = (1..begun.len()).min_by_key(|at| begun[at - 1].1 + begun[*at].1);
        let Some(at) = lightest else { break };
        let (_, held) = begun.remove(at);
        begun[at - 1].1 += held;
    }
    begun.into_iter().map(|(at, _)| at).collect()
}

fn midpoint(below: f64, above: f64) -> f64 {
    let middle = below / 2.0 + above / 2.0;
    if below < middle && middle < above { middle } else { below }
}

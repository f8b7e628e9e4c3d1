//! Looks at a training table and decides how each column is coded.

use std::sync::Arc;

use arrow::array::{Array, Float64Array, UInt32Array};
use tgs_protocol::{engine::EngineError, progress::Watch};

use super::{
    ColumnCode, Tokenizer,
    head::{Head, Meaning},
    present,
    scale::NumberScale,
};
use crate::{
    generated::Generated,
    own_numbers::OwnNumbers,
    tabgraph::config::TabgraphConfig,
    table::{Cells, Column, Table},
};

impl Tokenizer {
    /// Decides how each column of the training table is coded.
    ///
    /// # Errors
    /// `Stopped`, between two columns, once `watch` says so.
    pub(crate) fn fit(
        train: &Table,
        config: &TabgraphConfig,
        watch: &dyn Watch,
    ) -> Result<Self, EngineError> {
        let mut out =
            Self { specs: vec![], levels: vec![], codes: vec![], scales: vec![], heads: vec![] };
        let own = OwnNumbers::of(train, config.shared_rows_min);
        for (at, column) in train.columns().iter().enumerate() {
            watch.go_on()?;
            let own = own.in_column(at);
            let code = match &column.cells {
                Cells::Number(values) => out.fit_numbers(column, values, own, config),
                Cells::Level { codes, levels } => out.fit_levels(codes, levels.len(), config),
                Cells::Text(_) => ColumnCode::Generated(Generated::fit(column)),
            };
            out.specs.push(Arc::clone(&column.spec));
            out.levels.push(match &column.cells {
                Cells::Level { levels, .. } => Some(Arc::clone(levels)),
                Cells::Number(_) | Cells::Text(_) => None,
            });
            out.codes.push(code);
        }
        Ok(out)
    }

    fn fit_numbers(
        &mut self,
        column: &Column,
        values: &Float64Array,
        own: OwnNumbers,
        config: &TabgraphConfig,
    ) -> ColumnCode {
        let mut sorted = present(values);
        if own.are_too_few(sorted.len()) {
            return ColumnCode::Constant(Meaning::Missing);
        }
        sorted.sort_unstable_by(f64::total_cmp);
        let runs: Vec<(f64, u64)> =
            sorted.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)).collect();
        let missing = values.null_count() as u64;
        match (&*runs, missing) {
            ([], _) => return ColumnCode::Constant(Meaning::Missing),
            ([(value, _)], 0) => return ColumnCode::Constant(Meaning::Number(*value)),
            _ => {}
        }
        let shared = |(_, rows): &(f64, u64)| own.is_shared(*rows);
        if runs.len() <= config.category_values_max.max(1) && runs.iter().all(shared) {
            let levels = runs.iter().map(|(value, rows)| (Meaning::Number(*value), *rows));
            return ColumnCode::Head(self.add_head(levels.collect(), missing, vec![]));
        }
        let frequent = |rows: u64| rows as f64 > config.atom_share * values.len() as f64;
        // Levels are kept as they are: of a small table, one row may be frequent.
        let atoms = runs.iter().filter(|run| shared(run) && frequent(run.1));
        let mut atoms: Vec<(f64, u64)> = atoms.copied().collect();
        if atoms.len() > config.atoms_max {
            atoms.clear();
        }
        let head = (!atoms.is_empty() || missing > 0).then(|| {
            let told: u64 = atoms.iter().map(|(_, rows)| rows).sum();
            let rest = sorted.len() as u64 - told;
            let mut levels = vec![(Meaning::ByRank, rest)];
            levels.extend(atoms.iter().map(|(value, rows)| (Meaning::Number(*value), *rows)));
            levels.retain(|(_, rows)| *rows > 0);
            self.add_head(levels, missing, vec![])
        });
        let atoms: Vec<f64> = atoms.into_iter().map(|(value, _)| value).collect();
        self.scales.push(NumberScale::fit(sorted, &atoms, &column.spec.format, own, config));
        ColumnCode::Number { token: self.scales.len() - 1, head }
    }

    fn fit_levels(
        &mut self,
        codes: &UInt32Array,
        levels: usize,
        config: &TabgraphConfig,
    ) -> ColumnCode {
        let mut rows = vec![0_u64; levels];
        for code in codes.iter().flatten() {
            if let Some(count) = rows.get_mut(code as usize) {
                *count += 1;
            }
        }
        let missing = codes.null_count() as u64;
        let code = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let mut seen: Vec<(u32, u64)> = rows
            .iter()
            .enumerate()
            .filter(|(_, rows)| **rows > 0)
            .map(|(at, rows)| (code(at), *rows))
            .collect();
        match (&*seen, missing) {
            ([], _) => return ColumnCode::Constant(Meaning::Missing),
            ([(only, _)], 0) => return ColumnCode::Constant(Meaning::Code(*only)),
            _ => {}
        }
        let mut tail = vec![];
        if seen.len() > config.levels_max {
            seen.sort_by_key(|(code, rows)| (u64::MAX - rows, *code));
            tail = seen.split_off(config.levels_max - 1);
            seen.sort_unstable();
            tail.sort_unstable();
        }
        let mut levels: Vec<(Meaning, u64)> =
            seen.into_iter().map(|(code, rows)| (Meaning::Code(code), rows)).collect();
        if !tail.is_empty() {
            levels.push((Meaning::Tail, tail.iter().map(|(_, rows)| rows).sum()));
        }
        ColumnCode::Head(self.add_head(levels, missing, tail))
    }

    fn add_head(
        &mut self,
        mut levels: Vec<(Meaning, u64)>,
        missing: u64,
        tail: Vec<(u32, u64)>,
    ) -> usize {
        if missing > 0 {
            levels.push((Meaning::Missing, missing));
        }
        let (meanings, rows) = levels.into_iter().unzip();
        self.heads.push(Head { meanings, rows, tail });
        self.heads.len() - 1
    }
}

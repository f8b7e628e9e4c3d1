//! Measures one synthetic file against a real one and prints the report as JSON: the way
//! `tests/peers/sdmetrics_golden.py` holds us against SDMetrics.
//!
//! `measure_json [METADATA.json] REAL SYNTHETIC [HOLDOUT [TARGET]]`; kinds that the metadata does
//! not name are inferred from the real file. `THREADS` sets the number of threads, 2 by default.

use std::{error::Error, path::Path, sync::Arc};

use tgs_engine::{
    ingest::{read_like, read_table},
    measure::{Settings, Tables, measure},
};
use tgs_protocol::{gate::Gates, metadata::Metadata, progress::Unwatched};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (metadata, files) = match arguments.split_first() {
        Some((first, rest)) if first.ends_with(".json") => (Some(read_metadata(first)?), rest),
        _ => (None, &arguments[..]),
    };
    let [real, synthetic, rest @ ..] = files else {
        return Err("usage: measure_json [METADATA.json] REAL SYNTHETIC [HOLDOUT [TARGET]]".into());
    };
    let (train, _) = read_table(Path::new(real), metadata.as_ref(), &Unwatched)?;
    let specs: Vec<_> = train.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
    let missing = metadata.as_ref().map_or(&[][..], |metadata| &metadata.missing);
    let alike = |path: &String| {
        read_like(Path::new(path), &specs, missing, &Unwatched).map(|(table, _)| table)
    };
    let synthetic = alike(synthetic)?;
    let holdout = rest.first().map_or_else(|| Ok(train.slice(0, 0)), alike)?;
    let settings = Settings {
        target: rest
            .get(1)
            .cloned()
            .or_else(|| metadata.as_ref().and_then(|metadata| metadata.target.clone())),
        gates: Gates::default(),
        seed: 0,
        threads: std::env::var("THREADS").map_or(Ok(2), |threads| threads.parse())?,
        model: None,
        curves: Vec::new(),
    };
    let tables = Tables { train: &train, holdout: &holdout, synthetic: &synthetic };
    println!("{}", serde_json::to_string_pretty(&measure(&tables, &settings, &Unwatched)?)?);
    Ok(())
}

fn read_metadata(path: &str) -> Result<Metadata, Box<dyn Error>> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

//! Writers of synthetic tables: CSV, Parquet, JSON lines, plain or compressed, chunk by chunk.
//!
//! Memory is bounded by one chunk (Parquet: by one row group). The same chunks give the same bytes.
//! Cells that begin with `=`, `+`, `-` or `@` are written as they are: a spreadsheet may take such
//! text for a formula, but changing data silently would be worse, and levels are texts of the
//! source.

use std::{path::Path, sync::Arc};

use tgs_protocol::{
    code::Code,
    column::ColumnSpec,
    engine::{AssembleOrder, Compression, EngineError, OutputFacts, OutputFormat, RowFormat},
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
    unit::Rows,
};

use crate::{
    dataset::Dataset,
    table::{Table, ipc::read_ipc},
};

mod boolean;
mod csv;
mod json_lines;
mod numeric;
mod parquet;
mod sink;
#[cfg(test)]
mod tests;

use csv::CsvRows;
use json_lines::JsonRows;
use parquet::ParquetRows;
use sink::{Encoded, Sink};

/// Bytes of rows gathered before they are compressed and written.
const BUFFER_BYTES: usize = 1 << 20;

/// One output file being written.
pub struct Writer {
    body: Body,
    specs: Vec<Arc<ColumnSpec>>,
    rows: u64,
}

enum Body {
    Csv { sink: Encoded, rows: CsvRows, buffer: Vec<u8> },
    Json { sink: Encoded, rows: JsonRows, buffer: Vec<u8> },
    Parquet(Box<ParquetRows>),
}

impl Writer {
    /// Begins a file at `path`; what was there is overwritten.
    ///
    /// # Errors
    /// [`Code::BadOutputName`] for a compressed Parquet file (its pages are compressed already),
    /// [`Code::DiskFull`], [`Code::CannotWrite`].
    pub fn create(
        path: &Path,
        format: OutputFormat,
        specs: &[Arc<ColumnSpec>],
    ) -> Result<Self, EngineError> {
        if format.rows == RowFormat::Parquet && format.compression != Compression::None {
            let remedy = "a Parquet file is compressed inside; end its name in .parquet";
            let message = format!("write {}: {remedy}", path.display());
            return Err(EngineError::new(Code::BadOutputName, message));
        }
        let sink = Sink::create(path)?;
        let body = match format.rows {
            RowFormat::Parquet => Body::Parquet(Box::new(ParquetRows::new(sink, specs))),
            RowFormat::JsonLines => {
                let sink = Encoded::new(sink, format.compression)?;
                Body::Json { sink, rows: JsonRows::new(specs), buffer: Vec::new() }
            }
            RowFormat::Csv => {
                let mut sink = Encoded::new(sink, format.compression)?;
                let mut buffer = Vec::new();
                csv::write_header(specs, &mut buffer);
                sink.write(&buffer)?;
                Body::Csv { sink, rows: CsvRows::new(specs), buffer }
            }
        };
        Ok(Self { body, specs: specs.to_vec(), rows: 0 })
    }

    /// Appends the rows of a table with the columns that the file was begun with.
    ///
    /// # Errors
    /// [`Code::TablesDiffer`] for other columns, [`Code::DiskFull`], [`Code::CannotWrite`].
    pub fn append(&mut self, table: &Table) -> Result<(), EngineError> {
        let names = table.columns().iter().map(|column| &column.spec.name);
        if !names.eq(self.specs.iter().map(|spec| &spec.name)) {
            let message = format!("append rows {} and on: their columns differ", self.rows);
            return Err(EngineError::new(Code::TablesDiffer, message));
        }
        self.rows += table.rows() as u64;
        match &mut self.body {
            Body::Parquet(rows) => rows.append(table),
            Body::Csv { sink, rows, buffer } => {
                let columns = rows.prepare(table);
                in_pieces(table, buffer, sink, |row, buffer| csv::write_row(&columns, row, buffer))
            }
            Body::Json { sink, rows, buffer } => {
                let columns = rows.prepare(table);
                in_pieces(table, buffer, sink, |row, buffer| {
                    json_lines::write_row(&columns, row, buffer);
                })
            }
        }
    }

    /// Ends the file and makes it durable.
    ///
    /// # Errors
    /// [`Code::DiskFull`], [`Code::CannotWrite`].
    pub fn finish(self) -> Result<OutputFacts, EngineError> {
        let digest = match self.body {
            Body::Parquet(rows) => rows.finish()?,
            Body::Csv { sink, .. } | Body::Json { sink, .. } => sink.finish()?,
        };
        Ok(OutputFacts { rows: Rows(self.rows), digest })
    }
}

/// Writes chunk files, in their order, as one file.
///
/// # Errors
/// Those of [`read_ipc`] and [`Writer`]; [`EngineError::Stopped`], which leaves a torn file behind
/// at the staged name.
pub fn assemble(order: &AssembleOrder, watch: &dyn Watch) -> Result<OutputFacts, EngineError> {
    let mut writer: Option<Writer> = None;
    for (at, chunk) in order.chunks.iter().enumerate() {
        watch.go_on()?;
        let table = read_ipc(chunk)?;
        let begun = match writer.take() {
            Some(writer) => writer,
            None => {
                let specs: Vec<_> =
                    table.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
                Writer::create(&order.into, order.format, &specs)?
            }
        };
        let begun = writer.insert(begun);
        begun.append(&table)?;
        watch.tell(progress(at + 1, order.chunks.len()));
    }
    let writer = match writer {
        Some(writer) => writer,
        // Without rows the header still says which columns there would be.
        None => {
            let dataset = Dataset::open(&order.dataset)?;
            Writer::create(&order.into, order.format, dataset.columns())?
        }
    };
    writer.finish()
}

/// The rows of one table as text: what an uncompressed file of this format holds.
///
/// # Errors
/// [`Code::BadOutputName`] for Parquet, which is no text.
pub fn written(table: &Table, format: RowFormat) -> Result<Vec<u8>, EngineError> {
    let specs: Vec<_> = table.columns().iter().map(|column| Arc::clone(&column.spec)).collect();
    let (mut text, all) = (Vec::new(), 0..table.rows());
    match format {
        RowFormat::Csv => {
            csv::write_header(&specs, &mut text);
            let mut rows = CsvRows::new(&specs);
            let columns = rows.prepare(table);
            all.for_each(|row| csv::write_row(&columns, row, &mut text));
        }
        RowFormat::JsonLines => {
            let mut rows = JsonRows::new(&specs);
            let columns = rows.prepare(table);
            all.for_each(|row| json_lines::write_row(&columns, row, &mut text));
        }
        RowFormat::Parquet => {
            let message = "write rows as text: Parquet is no text; ask for csv or jsonl";
            return Err(EngineError::new(Code::BadOutputName, message));
        }
    }
    Ok(text)
}

fn in_pieces(
    table: &Table,
    buffer: &mut Vec<u8>,
    sink: &mut Encoded,
    mut write: impl FnMut(usize, &mut Vec<u8>),
) -> Result<(), EngineError> {
    buffer.clear();
    for row in 0..table.rows() {
        write(row, buffer);
        if buffer.len() >= BUFFER_BYTES {
            sink.write(buffer)?;
            buffer.clear();
        }
    }
    sink.write(buffer)
}

fn progress(done: usize, total: usize) -> Progress {
    Progress::of(Stage::Publish, done as u64, Some(total as u64), ProgressUnit::Parts)
}

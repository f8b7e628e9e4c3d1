//! Reads Apache Parquet: flat columns of every type that has a plain text form.

use std::{fs::File, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type, Int32Type, Int64Type},
    util::display::{ArrayFormatter, FormatOptions},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tgs_protocol::{
    code::Code,
    engine::EngineError,
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
};

use crate::ingest::{
    part::{Part, Style},
    raw::{Raw, check_names},
    source::Source,
};

/// Rows read at a time.
const BATCH_ROWS: usize = 1 << 15;
/// A zone that is understood without a table of zones.
const UTC: &str = "+00:00";

/// Reads a Parquet file.
///
/// # Errors
/// As [`crate::ingest::read_table`]; `DATA-0008` for nested columns.
pub fn read_parquet(
    source: &Source,
    called_missing: &[Vec<u8>],
    watch: &dyn Watch,
) -> Result<Raw, EngineError> {
    let name = source.path.display();
    let damaged = |cause: Box<dyn std::error::Error + Send + Sync>| {
        let message = format!(
            "cannot read {name}: the Parquet file ends early or is damaged ({cause}); fetch or \
             export it again"
        );
        EngineError::because(Code::CorruptSource, message, cause)
    };
    let file = File::open(&source.path).map_err(|cause| source.failed(cause))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|cause| damaged(cause.into()))?;
    let schema = builder.schema().clone();
    let total = u64::try_from(builder.metadata().file_metadata().num_rows()).ok();
    let mut raw = Raw::default();
    for field in schema.fields() {
        check_type(source, field.name(), field.data_type())?;
        raw.names.push(field.name().clone());
        raw.exact.push(match field.data_type() {
            DataType::Decimal128(precision, scale) => {
                u8::try_from(*scale).ok().map(|scale| (*precision, scale))
            }
            _ => None,
        });
        if let DataType::Timestamp(_, Some(zone)) = field.data_type()
            && !matches!(&**zone, "UTC" | "Z" | UTC)
        {
            let column = field.name();
            raw.notices.push(format!(
                "column \"{column}\": moments of the zone {zone} are read and written in UTC"
            ));
        }
    }
    check_names(&raw.names, &format!("the schema of {name}"))?;
    raw.columns = raw.names.iter().map(|_| Vec::new()).collect();
    raw.called_missing = vec![vec![0; called_missing.len()]; raw.names.len()];
    let batches = builder.with_batch_size(BATCH_ROWS).build();
    for batch in batches.map_err(|cause| damaged(cause.into()))? {
        watch.go_on()?;
        let batch = batch.map_err(|cause| damaged(cause.into()))?;
        push_batch(&mut raw, &batch, called_missing).map_err(|cause| damaged(cause.into()))?;
        watch.tell(Progress::of(Stage::Ingest, raw.rows as u64, total, ProgressUnit::Rows));
    }
    if raw.rows == 0 {
        let message = format!(
            "cannot read {name}: it holds columns but no rows; add rows, or check the export"
        );
        return Err(EngineError::new(Code::EmptySource, message));
    }
    Ok(raw)
}

fn check_type(source: &Source, column: &str, data_type: &DataType) -> Result<(), EngineError> {
    let values = match data_type {
        DataType::Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    let is_binary = matches!(
        values,
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
    );
    if !values.is_nested() && !is_binary {
        return Ok(());
    }
    let message = format!(
        "cannot read {}: column \"{column}\" holds {data_type}: only flat columns of numbers, \
         texts and moments are read; leave it out, or give its parts columns of their own",
        source.path.display()
    );
    Err(EngineError::new(Code::BadCell, message))
}

fn push_batch(
    raw: &mut Raw,
    batch: &RecordBatch,
    called_missing: &[Vec<u8>],
) -> Result<(), arrow::error::ArrowError> {
    let mut parts = Vec::with_capacity(batch.num_columns());
    let mut counts = Vec::with_capacity(batch.num_columns());
    for (column, array) in batch.columns().iter().enumerate() {
        let style = raw.columns[column].last().map_or(Style::Whole, Part::style);
        let mut part = Part::new(style);
        part.reserve(array.len());
        let mut count = vec![0; called_missing.len()];
        each_text(array, |text| match called_missing.iter().position(|missing| missing == text) {
            Some(which) => {
                count[which] += 1;
                part.push_empty();
            }
            None => part.push(text),
        })?;
        parts.push(part);
        counts.push(count);
    }
    raw.push_parts(parts, &counts);
    raw.rows += batch.num_rows();
    Ok(())
}

/// Calls `see` with every cell as text, a null as an empty one: numbers in their shortest form,
/// moments in ISO form.
fn each_text(array: &ArrayRef, mut see: impl FnMut(&[u8])) -> Result<(), arrow::error::ArrowError> {
    let mut text = Vec::new();
    let mut whole = itoa::Buffer::new();
    match array.data_type() {
        DataType::Utf8 => {
            array.as_string::<i32>().iter().for_each(|text| see(text.unwrap_or("").as_bytes()));
        }
        DataType::Int64 => array
            .as_primitive::<Int64Type>()
            .iter()
            .for_each(|value| see(value.map_or("", |value| whole.format(value)).as_bytes())),
        DataType::Int32 => array
            .as_primitive::<Int32Type>()
            .iter()
            .for_each(|value| see(value.map_or("", |value| whole.format(value)).as_bytes())),
        DataType::Float64 => {
            let mut shortest = ryu::Buffer::new();
            array.as_primitive::<Float64Type>().iter().for_each(|value| {
                see(value.map_or("", |value| shortest.format(value)).as_bytes());
            });
        }
        _ => {
            let options = FormatOptions::default();
            let array = in_utc(array)?;
            let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
            for row in 0..array.len() {
                text.clear();
                if array.is_valid(row) {
                    let shown = formatter.value(row).try_to_string()?;
                    text.extend_from_slice(shown.as_bytes());
                }
                see(&text);
            }
        }
    }
    Ok(())
}

/// Moments of any zone as those of UTC; other cells as they are.
fn in_utc(array: &ArrayRef) -> Result<ArrayRef, arrow::error::ArrowError> {
    match array.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            cast(array, &DataType::Timestamp(*unit, Some(UTC.into())))
        }
        _ => Ok(Arc::clone(array)),
    }
}

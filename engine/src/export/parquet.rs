//! Apache Parquet with typed columns: whole numbers, doubles, decimals, booleans, days, times,
//! strings.

use std::{
    mem,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{
        ArrayRef, ArrowPrimitiveType, BooleanArray, Decimal128Array, DictionaryArray, Float64Array,
        Int64Array, PrimitiveArray, RecordBatch, StringArray, UInt32Array,
    },
    datatypes::{
        DataType, Date32Type, Field, Int64Type, Schema, SchemaRef, Time64MicrosecondType, TimeUnit,
        TimestampMicrosecondType, UInt32Type,
    },
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use tgs_protocol::{
    code::Code,
    column::{ColumnKind, ColumnSpec, ValueFormat},
    digest::Digest,
    engine::EngineError,
};

use super::{
    boolean,
    numeric::{self, Numbers},
    sink::{Sink, cannot_write},
};
use crate::table::{Cells, Column, Table, cell::whole_of};

/// Rows of a row group: bounds memory.
const GROUP_ROWS: usize = 100_000;
const ZSTD_LEVEL: i32 = 3;
const DAY_S: f64 = 86_400.0;
const MICROS_PER_S: f64 = 1e6;

/// A Parquet file being written.
pub(super) struct ParquetRows {
    state: State,
    specs: Vec<Arc<ColumnSpec>>,
    path: PathBuf,
}

enum State {
    /// Before the first rows, whose levels tell which columns are booleans or numbers.
    Before(Sink),
    Open {
        writer: Box<ArrowWriter<Sink>>,
        schema: SchemaRef,
    },
    /// A write failed: nothing can follow.
    Broken,
}

impl ParquetRows {
    pub(super) fn new(sink: Sink, specs: &[Arc<ColumnSpec>]) -> Self {
        let path = sink.path().to_owned();
        Self { state: State::Before(sink), specs: specs.to_vec(), path }
    }

    pub(super) fn append(&mut self, table: &Table) -> Result<(), EngineError> {
        let type_of = |column: &Column| type_of(&column.spec, Some(&column.cells));
        self.open(|| table.columns().iter().map(type_of).collect())?;
        let State::Open { writer, schema } = &mut self.state else {
            return Err(broken(&self.path));
        };
        let columns = table.columns().iter().zip(schema.fields());
        let arrays = columns.map(|(column, field)| array(column, field.data_type()));
        let written = arrays
            .collect::<Option<Vec<ArrayRef>>>()
            .ok_or("a column changed its type from chunk to chunk".to_owned())
            .and_then(|arrays| {
                RecordBatch::try_new(Arc::clone(schema), arrays).map_err(|why| why.to_string())
            })
            .map_err(|why| {
                let message = format!("write {}: {why}", self.path.display());
                EngineError::new(Code::Internal, message)
            })
            .and_then(|batch| writer.write(&batch).map_err(|why| cannot_write(&self.path, why)));
        if written.is_err() {
            self.state = State::Broken;
        }
        written
    }

    pub(super) fn finish(mut self) -> Result<Digest, EngineError> {
        let specs = self.specs.clone();
        self.open(|| specs.iter().map(|spec| type_of(spec, None)).collect())?;
        let State::Open { writer, .. } = self.state else {
            return Err(broken(&self.path));
        };
        writer.into_inner().map_err(|why| cannot_write(&self.path, why))?.finish()
    }

    /// Writes the head of the file, once.
    fn open(&mut self, types: impl FnOnce() -> Vec<DataType>) -> Result<(), EngineError> {
        let sink = match mem::replace(&mut self.state, State::Broken) {
            State::Before(sink) => sink,
            other => {
                self.state = other;
                return Ok(());
            }
        };
        let fields = self.specs.iter().zip(types());
        let fields: Vec<Field> =
            fields.map(|(spec, of)| Field::new(spec.name.as_str(), of, true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(|why| cannot_write(&self.path, why))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_created_by("tgs".to_owned())
            .build();
        let writer = ArrowWriter::try_new(sink, Arc::clone(&schema), Some(properties))
            .map_err(|why| cannot_write(&self.path, why))?;
        self.state = State::Open { writer: Box::new(writer), schema };
        Ok(())
    }
}

fn type_of(spec: &ColumnSpec, cells: Option<&Cells>) -> DataType {
    let texts = || DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    match (spec.kind, cells) {
        (_, Some(Cells::Text(_))) => DataType::Utf8,
        (ColumnKind::Boolean, Some(Cells::Level { levels, .. })) => {
            if boolean::meanings(levels).is_some() { DataType::Boolean } else { texts() }
        }
        (_, Some(Cells::Level { levels, .. })) => match numeric::numbers(levels) {
            Some(_) if matches!(spec.format, ValueFormat::Exact { .. }) => type_of_numbers(spec),
            Some(Numbers::Whole(_)) => DataType::Int64,
            Some(Numbers::Real(_)) => DataType::Float64,
            None => texts(),
        },
        (ColumnKind::Integer | ColumnKind::Real, _) => type_of_numbers(spec),
        (ColumnKind::Date, _) => DataType::Date32,
        (ColumnKind::Time, _) => DataType::Time64(TimeUnit::Microsecond),
        (ColumnKind::Datetime, _) => {
            let zone = offset_s(&spec.format).map(|_| Arc::from("UTC"));
            DataType::Timestamp(TimeUnit::Microsecond, zone)
        }
        (_, Some(Cells::Number(_))) => DataType::Float64,
        (ColumnKind::Boolean, None) => DataType::Boolean,
        (ColumnKind::Category | ColumnKind::Constant, None) => texts(),
        (ColumnKind::Id | ColumnKind::Text, None) => DataType::Utf8,
    }
}

/// Whole numbers that were written with a point, or an exponent, came from a type with a fraction.
fn type_of_numbers(spec: &ColumnSpec) -> DataType {
    match (&spec.format, spec.format.decimals()) {
        (ValueFormat::Exact { precision, digits }, _) => i8::try_from(*digits)
            .map_or(DataType::Float64, |scale| DataType::Decimal128(*precision, scale)),
        (_, Some((0, _))) if spec.kind == ColumnKind::Integer => DataType::Int64,
        _ => DataType::Float64,
    }
}

/// How far the clock of the moments is ahead of UTC, in seconds; none where they name no zone.
fn offset_s(format: &ValueFormat) -> Option<f64> {
    let ValueFormat::Moment { pattern } = format else { return None };
    if pattern.ends_with('Z') || pattern.ends_with("%z") || pattern.ends_with("%:z") {
        return Some(0.0);
    }
    // A zone that all moments share stands in the pattern as it is: `+02:00`, `-0930`.
    let (_, zone) = pattern.rsplit_once(['S', 'M', 'f'])?;
    let sign = if zone.starts_with('-') { -1.0 } else { 1.0 };
    let digits = zone.strip_prefix(['+', '-'])?.replace(':', "");
    let number: u32 = digits.parse().ok().filter(|_| digits.len() == 4)?;
    Some(sign * f64::from(number / 100 * 3_600 + number % 100 * 60))
}

/// The cells as an array of the type; none when they cannot be.
fn array(column: &Column, of: &DataType) -> Option<ArrayRef> {
    Some(match (&column.cells, of) {
        (Cells::Text(texts), DataType::Utf8) => Arc::new(texts.clone()),
        (Cells::Level { codes, levels }, DataType::Boolean) => {
            let meanings = boolean::meanings(levels)?;
            let meaning = |code: Option<u32>| meanings.get(code? as usize).copied();
            Arc::new(codes.iter().map(meaning).collect::<BooleanArray>())
        }
        (Cells::Level { codes, levels }, DataType::Decimal128(precision, scale)) => {
            let values: Vec<f64> = match numeric::numbers(levels)? {
                Numbers::Whole(values) => values.iter().map(|value| *value as f64).collect(),
                Numbers::Real(values) => values,
            };
            decimals(&looked_up::<_, Float64Array>(codes, &values), *precision, *scale)?
        }
        (Cells::Level { codes, levels }, DataType::Int64 | DataType::Float64) => {
            match numeric::numbers(levels)? {
                Numbers::Whole(values) => Arc::new(looked_up::<_, Int64Array>(codes, &values)),
                Numbers::Real(values) => Arc::new(looked_up::<_, Float64Array>(codes, &values)),
            }
        }
        (Cells::Level { codes, levels }, DataType::Dictionary(..)) => {
            let levels: Arc<StringArray> = Arc::clone(levels);
            Arc::new(DictionaryArray::<UInt32Type>::try_new(codes.clone(), levels).ok()?)
        }
        (Cells::Number(values), DataType::Float64) => Arc::new(values.clone()),
        (Cells::Number(values), DataType::Int64) => {
            let offset = column.spec.format.offset();
            whole::<Int64Type>(values, |value| whole_of(value, offset))
        }
        (Cells::Number(values), DataType::Decimal128(precision, scale)) => {
            decimals(values, *precision, *scale)?
        }
        (Cells::Number(values), DataType::Date32) => {
            whole::<Date32Type>(values, |value| (value / DAY_S).floor() as i32)
        }
        (Cells::Number(values), DataType::Time64(_)) => {
            whole::<Time64MicrosecondType>(values, |value| (value * MICROS_PER_S).round() as i64)
        }
        (Cells::Number(values), DataType::Timestamp(_, zone)) => {
            let ahead = offset_s(&column.spec.format).unwrap_or(0.0);
            let of = |value: f64| ((value - ahead) * MICROS_PER_S).round() as i64;
            let moments: PrimitiveArray<TimestampMicrosecondType> = values.unary(of);
            Arc::new(moments.with_timezone_opt(zone.clone()))
        }
        _ => return None,
    })
}

fn decimals(values: &Float64Array, precision: u8, scale: i8) -> Option<ArrayRef> {
    let most = 10_f64.powi(i32::from(precision)) - 1.0;
    let power = 10_f64.powi(i32::from(scale));
    let of = |value: f64| (value * power).round().clamp(-most, most) as i128;
    let exact: Decimal128Array = values.unary(of);
    Some(Arc::new(exact.with_precision_and_scale(precision, scale).ok()?))
}

fn whole<T: ArrowPrimitiveType>(values: &Float64Array, of: impl Fn(f64) -> T::Native) -> ArrayRef {
    let values: PrimitiveArray<T> = values.unary(of);
    Arc::new(values)
}

fn looked_up<N: Copy, A: FromIterator<Option<N>>>(codes: &UInt32Array, values: &[N]) -> A {
    codes.iter().map(|code| values.get(code? as usize).copied()).collect()
}

fn broken(path: &Path) -> EngineError {
    let message = format!("write {}: an earlier write failed", path.display());
    EngineError::new(Code::CannotWrite, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_of_a_pattern_is_known() {
        for (pattern, ahead) in [
            ("%Y-%m-%dT%H:%M:%SZ", Some(0.0)),
            ("%Y-%m-%d %H:%M%:z", Some(0.0)),
            ("%Y-%m-%dT%H:%M:%S+02:00", Some(7_200.0)),
            ("%Y-%m-%dT%H:%M:%S%.3f-0930", Some(-34_200.0)),
            ("%d.%m.%Y %H:%M", None),
            ("%Y-%m-%d", None),
        ] {
            let format = ValueFormat::Moment { pattern: pattern.to_owned() };
            assert_eq!(offset_s(&format), ahead, "{pattern}");
        }
    }
}

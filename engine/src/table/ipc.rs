//! A table as Arrow IPC file bytes and back, exactly, so that stages hand tables to each other.
//!
//! The kind and format of a column travel as JSON in its field's metadata, levels as a dictionary
//! array. The footer carries the length and SHA-256 of everything before it, which is checked
//! before a byte is interpreted: a cut or damaged file gives an error, never wrong cells.

use std::{
    collections::HashMap,
    fs,
    io::{self, BufWriter, Write},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, DictionaryArray, RecordBatch, RecordBatchOptions},
    buffer::Buffer,
    datatypes::{DataType, Field, Float64Type, Schema, UInt32Type},
    error::ArrowError,
    ipc::{
        reader::{StreamDecoder, read_footer_length},
        root_as_footer,
        writer::FileWriter,
    },
};
use sha2::{Digest as _, Sha256};
use tgs_protocol::{code::Code, column::ColumnSpec, digest::Digest, engine::EngineError};

use crate::table::{Cells, Column, Table};

const SPEC_KEY: &str = "tgs:column";
const SEAL_KEY: &str = "tgs:seal";
/// What helps when a file of the data folder is not what was written.
pub(crate) const RESTORE: &str =
    "restore the data folder from a copy and resume, or cancel the job and submit it again";
/// Magic and padding before the first message.
const HEAD_BYTES: usize = 64;
/// Footer length and magic at the end.
const TAIL_BYTES: usize = 10;

/// The table as Arrow IPC file bytes; equal tables give equal bytes.
///
/// # Errors
/// `TGS-0001` when Arrow refuses to encode it, which is a fault of ours.
pub fn to_ipc(table: &Table) -> Result<Vec<u8>, EngineError> {
    let mut bytes = Vec::new();
    write_to(table, &mut bytes).map_err(|cause| not_encoded(&cause))?;
    Ok(bytes)
}

/// The table that [`to_ipc`] was given. Buffers are shared with `bytes`, not copied.
///
/// # Errors
/// `STORE-0002` when the bytes are cut, damaged, or not written by [`to_ipc`].
pub fn from_ipc(bytes: &[u8]) -> Result<Table, EngineError> {
    from_buffer(Buffer::from(bytes)).map(|(table, _)| table)
}

/// Writes the bytes of [`to_ipc`] to a new file, without holding them all in memory, and gives the
/// digest of its content (all before the footer).
///
/// # Errors
/// `STORE-0003` on a full disk, `STORE-0004` when the file cannot be written.
pub fn write_ipc(table: &Table, path: &Path) -> Result<Digest, EngineError> {
    let failed = |cause: io::Error| {
        let full = cause.kind() == io::ErrorKind::StorageFull;
        let code = if full { Code::DiskFull } else { Code::CannotWrite };
        EngineError::because(code, format!("cannot write table {}", path.display()), cause)
    };
    let file = fs::File::create(path).map_err(failed)?;
    let mut buffered = BufWriter::with_capacity(1 << 20, file);
    let digest = write_to(table, &mut buffered).map_err(|cause| match cause {
        ArrowError::IoError(_, cause) => failed(cause),
        other => not_encoded(&other),
    })?;
    buffered.flush().map_err(failed)?;
    buffered.get_ref().sync_all().map_err(failed)?;
    Ok(digest)
}

/// Reads a file that [`write_ipc`] wrote.
///
/// # Errors
/// `STORE-0002` when it is missing, cut or damaged.
pub fn read_ipc(path: &Path) -> Result<Table, EngineError> {
    read_sealed(path).map(|(table, _)| table)
}

/// As [`read_ipc`], with the digest that [`write_ipc`] gave.
pub(crate) fn read_sealed(path: &Path) -> Result<(Table, Digest), EngineError> {
    let bytes = fs::read(path).map_err(|cause| {
        let message = format!("read table {}: {cause}; {RESTORE}", path.display());
        EngineError::because(Code::StoreCorrupt, message, cause)
    })?;
    from_buffer(Buffer::from_vec(bytes)).map_err(|cause| match cause {
        EngineError::Failed { code, message, cell, source } => EngineError::Failed {
            code,
            message: format!("read {}: {message}", path.display()),
            cell,
            source,
        },
        stopped @ EngineError::Stopped => stopped,
    })
}

fn write_to(table: &Table, into: impl Write) -> Result<Digest, ArrowError> {
    let mut fields = Vec::with_capacity(table.columns().len());
    let mut arrays = Vec::with_capacity(table.columns().len());
    for column in table.columns() {
        let array = to_array(&column.cells)?;
        fields.push(to_field(&column.spec, array.data_type())?);
        arrays.push(array);
    }
    let schema = Arc::new(Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(table.rows()));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)?;
    let mut writer = FileWriter::try_new(Sealing::over(into), &schema)?;
    writer.write(&batch)?;
    let digest = writer.get_ref().digest();
    writer.write_metadata(SEAL_KEY, format!("{} {digest}", writer.get_ref().length_bytes));
    writer.finish()?;
    Ok(digest)
}

fn to_array(cells: &Cells) -> Result<ArrayRef, ArrowError> {
    Ok(match cells {
        Cells::Number(values) => Arc::new(values.clone()),
        Cells::Text(texts) => Arc::new(texts.clone()),
        Cells::Level { codes, levels } => {
            let levels = Arc::new(levels.as_ref().clone());
            Arc::new(DictionaryArray::<UInt32Type>::try_new(codes.clone(), levels)?)
        }
    })
}

fn to_field(spec: &ColumnSpec, data_type: &DataType) -> Result<Field, ArrowError> {
    let json =
        serde_json::to_string(spec).map_err(|cause| ArrowError::ExternalError(Box::new(cause)))?;
    let metadata = HashMap::from([(SPEC_KEY.to_owned(), json)]);
    Ok(Field::new(&spec.name, data_type.clone(), true).with_metadata(metadata))
}

fn from_buffer(bytes: Buffer) -> Result<(Table, Digest), EngineError> {
    let digest = check_seal(&bytes)?;
    let mut decoder = StreamDecoder::new();
    // What follows the head is an IPC stream; a batch without a body is only seen when bytes
    // follow.
    let mut rest = bytes.slice(HEAD_BYTES);
    let batch = decoder
        .decode(&mut rest)
        .map_err(|cause| {
            // What a reader says in further lines are the insides of its format.
            let cause = cause.to_string().lines().next().unwrap_or_default().to_owned();
            corrupt_because("a table's cells cannot be decoded", cause)
        })?
        .ok_or_else(|| corrupt("a table holds no batch of rows"))?;
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(from_array);
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Ok((Table::new(columns), digest))
}

/// Digest of the sealed part, once it was found right.
fn check_seal(bytes: &[u8]) -> Result<Digest, EngineError> {
    let cut = || corrupt("a table is cut short or is no table of ours");
    let (rest, tail) = bytes.split_last_chunk::<TAIL_BYTES>().ok_or_else(cut)?;
    let footer_bytes = read_footer_length(*tail).map_err(|_| cut())?;
    let footer_from = rest.len().checked_sub(footer_bytes).ok_or_else(cut)?;
    let footer = root_as_footer(&rest[footer_from..])
        .map_err(|_| corrupt("the footer of a table is damaged"))?;
    let seal = footer.custom_metadata().and_then(|pairs| {
        pairs.iter().find(|pair| pair.key() == Some(SEAL_KEY)).and_then(|pair| pair.value())
    });
    let (length, digest) = seal.and_then(|seal| seal.split_once(' ')).ok_or_else(cut)?;
    let length: usize = length.parse().map_err(|_| cut())?;
    let sealed = rest.get(..length).filter(|_| length >= HEAD_BYTES).ok_or_else(cut)?;
    let found = Digest::of(sealed);
    if digest != found.to_string() {
        return Err(corrupt("a table does not match its digest"));
    }
    Ok(found)
}

fn from_array((field, array): (&Arc<Field>, &ArrayRef)) -> Result<Column, EngineError> {
    let strange = || corrupt(&format!("column {} of a table has a strange type", field.name()));
    let spec: ColumnSpec = field
        .metadata()
        .get(SPEC_KEY)
        .and_then(|json| serde_json::from_str(json).ok())
        .ok_or_else(|| corrupt(&format!("column {} of a table has no kind", field.name())))?;
    let cells = match array.data_type() {
        DataType::Float64 => Cells::Number(array.as_primitive::<Float64Type>().clone()),
        DataType::Utf8 => Cells::Text(array.as_string::<i32>().clone()),
        _ => {
            let dictionary = array.as_dictionary_opt::<UInt32Type>().ok_or_else(strange)?;
            let levels = dictionary.values().as_string_opt::<i32>().ok_or_else(strange)?;
            Cells::Level { codes: dictionary.keys().clone(), levels: Arc::new(levels.clone()) }
        }
    };
    Ok(Column { spec: Arc::new(spec), cells })
}

fn corrupt(what: &str) -> EngineError {
    EngineError::new(Code::StoreCorrupt, format!("{what}; {RESTORE}"))
}

fn corrupt_because(
    what: &str,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> EngineError {
    let cause = cause.into();
    EngineError::because(Code::StoreCorrupt, format!("{what} ({cause}); {RESTORE}"), cause)
}

fn not_encoded(cause: &ArrowError) -> EngineError {
    EngineError::because(Code::Internal, "cannot encode a table", cause.to_string())
}

/// Counts and digests what goes through.
struct Sealing<W> {
    inner: W,
    hasher: Sha256,
    length_bytes: usize,
}

impl<W> Sealing<W> {
    fn over(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), length_bytes: 0 }
    }
    fn digest(&self) -> Digest {
        Digest::from_bytes(self.hasher.clone().finalize().into())
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.length_bytes += written;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests;

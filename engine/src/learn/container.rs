//! One safetensors file that knows its own digest: snapshots and models.
//!
//! The header record lies as JSON under the single metadata key `tgs` (one key, because the order
//! of several is not fixed). Its first field is the SHA-256 of the whole file, taken with 64 zeros
//! in its place; so any changed byte is noticed, also in names, shapes and padding.

use std::{borrow::Cow, collections::BTreeMap};

use safetensors::{Dtype, SafeTensors, View};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tgs_protocol::{code::Code, digest::Digest, engine::EngineError};

/// Shape of these files; grows when a reader of the old shape would misread the new one.
pub(crate) const FORMAT_VERSION: u32 = 1;

const KEY: &str = "tgs";
const HOLE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Numbers of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Blob {
    /// Single precision, of this shape.
    Single(Vec<f32>, Vec<usize>),
    /// Double precision, of this shape.
    Double(Vec<f64>, Vec<usize>),
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Container<H> {
    /// The record.
    pub header: H,
    tensors: BTreeMap<String, Blob>,
}

#[derive(Serialize, serde::Deserialize)]
struct Sealed<H> {
    digest: String,
    version: u32,
    kind: String,
    header: H,
}

/// Writes record and tensors; the same arguments give the same bytes.
pub(crate) fn write<H: Serialize>(
    kind: &str,
    header: &H,
    tensors: Vec<(String, Blob)>,
) -> Result<Vec<u8>, EngineError> {
    let fault = |error: String| EngineError::new(Code::Internal, format!("write {kind}: {error}"));
    let sealed =
        Sealed { digest: HOLE.to_owned(), version: FORMAT_VERSION, kind: kind.to_owned(), header };
    let text = serde_json::to_string(&sealed).map_err(|error| fault(error.to_string()))?;
    let metadata = Some([(KEY.to_owned(), text)].into());
    let mut bytes = safetensors::serialize(tensors, metadata).map_err(|e| fault(e.to_string()))?;
    let digest = Digest::of(&bytes).to_string();
    let hole = place(&bytes, HOLE).ok_or_else(|| fault("no room for the digest".to_owned()))?;
    bytes[hole..hole + HOLE.len()].copy_from_slice(digest.as_bytes());
    Ok(bytes)
}

/// Reads what [`write`] gave, after checking its digest.
///
/// # Errors
/// `CheckpointCorrupt` when a byte differs, the kind is another, or the version is newer.
pub(crate) fn read<H: DeserializeOwned>(
    kind: &str,
    bytes: &[u8],
) -> Result<Container<H>, EngineError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| corrupt(kind, &e))?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
    let text = text.ok_or_else(|| corrupt(kind, &"it has no record"))?;
    let sealed: Sealed<Value> = serde_json::from_str(text).map_err(|e| corrupt(kind, &e))?;
    verify(kind, bytes, &sealed)?;
    let header = serde_json::from_value(sealed.header).map_err(|e| corrupt(kind, &e))?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| corrupt(kind, &error))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let blob = match view.dtype() {
            Dtype::F32 => Blob::Single(singles(view.data()), view.shape().to_vec()),
            Dtype::F64 => Blob::Double(doubles(view.data()), view.shape().to_vec()),
            other => return Err(corrupt(kind, &format!("tensor `{name}` holds {other:?}"))),
        };
        tensors.insert(name.to_owned(), blob);
    }
    Ok(Container { header, tensors })
}

impl<H> Container<H> {
    /// Takes a tensor of `count` numbers of single precision.
    pub(crate) fn single(&mut self, name: &str, count: usize) -> Result<Vec<f32>, EngineError> {
        match self.tensors.remove(name) {
            Some(Blob::Single(values, _)) if values.len() == count => Ok(values),
            _ => Err(corrupt(name, &"a tensor is missing or of another size")),
        }
    }
    /// Takes a tensor of double precision.
    pub(crate) fn double(&mut self, name: &str) -> Result<Vec<f64>, EngineError> {
        match self.tensors.remove(name) {
            Some(Blob::Double(values, _)) => Ok(values),
            _ => Err(corrupt(name, &"a tensor is missing or of another type")),
        }
    }
}

/// The error of a file that is not what was written.
pub(crate) fn corrupt(what: &str, why: &dyn std::fmt::Display) -> EngineError {
    let message = format!("read {what}: the bytes are damaged ({why}); use an older checkpoint");
    EngineError::new(Code::CheckpointCorrupt, message)
}

fn verify(kind: &str, bytes: &[u8], sealed: &Sealed<Value>) -> Result<(), EngineError> {
    let place = (sealed.digest.len() == HOLE.len()).then(|| place(bytes, &sealed.digest)).flatten();
    let place = place.ok_or_else(|| corrupt(kind, &"it has no digest"))?;
    let mut whole = bytes.to_vec();
    whole[place..place + HOLE.len()].copy_from_slice(HOLE.as_bytes());
    if Digest::of(&whole).to_string() != sealed.digest {
        return Err(corrupt(kind, &"its content does not match its digest"));
    }
    if sealed.version != FORMAT_VERSION || sealed.kind != kind {
        let message = format!(
            "read {kind}: this is a {} of format {}, where format {FORMAT_VERSION} is understood; \
             use the version that wrote it",
            sealed.kind, sealed.version
        );
        return Err(EngineError::new(Code::CheckpointCorrupt, message));
    }
    Ok(())
}

fn place(bytes: &[u8], text: &str) -> Option<usize> {
    memchr::memmem::find(bytes, text.as_bytes())
}

fn singles(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|eight| f64::from_le_bytes(*eight)).collect()
}

impl Blob {
    /// A list of numbers.
    pub(crate) fn list(values: Vec<f64>) -> Self {
        let count = values.len();
        Self::Double(values, vec![count])
    }
}

impl View for Blob {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Single(..) => Dtype::F32,
            Self::Double(..) => Dtype::F64,
        }
    }
    fn shape(&self) -> &[usize] {
        match self {
            Self::Single(_, shape) | Self::Double(_, shape) => shape,
        }
    }
    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Single(values, _) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::Double(values, _) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
    fn data_len(&self) -> usize {
        match self {
            Self::Single(values, _) => 4 * values.len(),
            Self::Double(values, _) => 8 * values.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_is_noticed() {
        let tensors = vec![
            ("weights".to_owned(), Blob::Single(vec![1.5, -2.0, 0.25], vec![3, 1])),
            ("values".to_owned(), Blob::list(vec![0.1, 1e300])),
        ];
        let bytes = write("model", &"é \" record", tensors.clone()).expect("writes");
        assert_eq!(bytes, write("model", &"é \" record", tensors).expect("writes again"));
        let mut whole = read::<String>("model", &bytes).expect("reads");
        assert_eq!(whole.header, "é \" record");
        assert_eq!(whole.single("weights", 3).expect("is there"), [1.5, -2.0, 0.25]);
        assert_eq!(whole.double("values").expect("is there"), [0.1, 1e300]);
        for at in 0..bytes.len() {
            for change in [1_u8, 0x20, 0x80] {
                let mut torn = bytes.clone();
                torn[at] ^= change;
                let error = read::<String>("model", &torn).expect_err("must be refused");
                assert_eq!(error.code(), Some(Code::CheckpointCorrupt), "byte {at}");
            }
            assert!(read::<String>("model", &bytes[..at]).is_err(), "cut at {at}");
        }
        assert!(read::<String>("snapshot", &bytes).is_err());
    }
}

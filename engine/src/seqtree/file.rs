//! The one file form of models and snapshots: safetensors arrays beside one JSON text, under a
//! digest.
//!
//! No code, no pickles: a file can at worst be refused. The digest covers text and arrays.

use std::collections::{BTreeMap, HashMap};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tgs_protocol::{code::Code, digest::Digest, engine::EngineError};

/// Bumped when old files can no longer be read.
const VERSION: u32 = 1;
const META_KEY: &str = "tgs";

/// A text that says what the arrays are, and the arrays.
#[derive(Debug, Default)]
pub(super) struct Archive {
    pub body: String,
    pub arrays: BTreeMap<String, Array>,
}

/// One array.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Array {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F64(Vec<f64>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    version: u32,
    digest: Digest,
    body: String,
}

impl Archive {
    /// The bytes of the file; the same archive gives the same bytes.
    pub(super) fn write(&self) -> Result<Vec<u8>, EngineError> {
        let fault = |why| EngineError::because(Code::Internal, "write a seqtree file", why);
        let raw: Vec<(&str, Dtype, Vec<u8>)> = self
            .arrays
            .iter()
            .map(|(name, array)| (name.as_str(), array.dtype(), array.bytes()))
            .collect();
        let digest = seal(&self.body, raw.iter().map(|(name, _, bytes)| (*name, &bytes[..])));
        let meta = Seal { version: VERSION, digest, body: self.body.clone() };
        let meta = serde_json::to_string(&meta).map_err(|why| fault(why.to_string()))?;
        let views = raw
            .iter()
            .map(|(name, dtype, bytes)| {
                let length = bytes.len() * 8 / dtype.bitsize();
                TensorView::new(*dtype, vec![length], bytes).map(|view| (*name, view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| fault(why.to_string()))?;
        let meta = HashMap::from([(META_KEY.to_owned(), meta)]);
        safetensors::serialize(views, Some(meta)).map_err(|why| fault(why.to_string()))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Code::CheckpointCorrupt`] when it is no such file, damaged, or of another version.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, EngineError> {
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|why| corrupt(&why.to_string()))?;
        let meta = header.metadata().as_ref().and_then(|meta| meta.get(META_KEY));
        let meta = meta.ok_or_else(|| corrupt("it was not written by seqtree"))?;
        let meta: Seal = serde_json::from_str(meta).map_err(|why| corrupt(&why.to_string()))?;
        if meta.version != VERSION {
            return Err(corrupt(&format!("version {} where {VERSION} is read", meta.version)));
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(|why| corrupt(&why.to_string()))?;
        let views: BTreeMap<String, TensorView> = tensors.tensors().into_iter().collect();
        let raw = views.iter().map(|(name, view)| (name.as_str(), view.data()));
        if seal(&meta.body, raw) != meta.digest {
            return Err(corrupt("its bytes do not match its digest"));
        }
        let arrays = views
            .into_iter()
            .map(|(name, view)| Some((name, Array::of(&view)?)))
            .collect::<Option<_>>()
            .ok_or_else(|| corrupt("it holds an array of an unknown type"))?;
        Ok(Self { body: meta.body, arrays })
    }

    /// The text as a value.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, EngineError> {
        serde_json::from_str(&self.body).map_err(|why| corrupt(&why.to_string()))
    }

    /// Takes an array out, which must be there.
    pub(super) fn take(&mut self, name: &str) -> Result<Array, EngineError> {
        self.arrays.remove(name).ok_or_else(|| corrupt(&format!("array `{name}` is missing")))
    }
}

impl Array {
    /// Whole numbers in as few bytes as the largest needs.
    pub(super) fn narrow(values: &[u32]) -> Self {
        match values.iter().max().copied().unwrap_or(0) {
            0..=0xFF => Self::U8(values.iter().map(|value| *value as u8).collect()),
            0x100..=0xFFFF => Self::U16(values.iter().map(|value| *value as u16).collect()),
            _ => Self::U32(values.to_vec()),
        }
    }
    /// Whole numbers of at most 32 bits.
    pub(super) fn whole(self) -> Result<Vec<u32>, EngineError> {
        match self {
            Self::U8(values) => Ok(values.into_iter().map(u32::from).collect()),
            Self::U16(values) => Ok(values.into_iter().map(u32::from).collect()),
            Self::U32(values) => Ok(values),
            Self::U64(_) | Self::F64(_) => Err(corrupt("an array has the wrong type")),
        }
    }
    /// Words of 64 bits.
    pub(super) fn words(self) -> Result<Vec<u64>, EngineError> {
        match self {
            Self::U64(values) => Ok(values),
            _ => Err(corrupt("an array has the wrong type")),
        }
    }
    /// Numbers, none of them NaN.
    pub(super) fn numbers(self) -> Result<Vec<f64>, EngineError> {
        match self {
            Self::F64(values) if !values.iter().any(|value| value.is_nan()) => Ok(values),
            _ => Err(corrupt("an array has the wrong type")),
        }
    }

    fn dtype(&self) -> Dtype {
        match self {
            Self::U8(_) => Dtype::U8,
            Self::U16(_) => Dtype::U16,
            Self::U32(_) => Dtype::U32,
            Self::U64(_) => Dtype::U64,
            Self::F64(_) => Dtype::F64,
        }
    }
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::U8(values) => values.clone(),
            Self::U16(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::U32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::U64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::F64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }
    fn of(view: &TensorView) -> Option<Self> {
        fn cut<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
            bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
        }
        Some(match view.dtype() {
            Dtype::U8 => Self::U8(view.data().to_vec()),
            Dtype::U16 => Self::U16(cut(view.data(), u16::from_le_bytes)),
            Dtype::U32 => Self::U32(cut(view.data(), u32::from_le_bytes)),
            Dtype::U64 => Self::U64(cut(view.data(), u64::from_le_bytes)),
            Dtype::F64 => Self::F64(cut(view.data(), f64::from_le_bytes)),
            _ => return None,
        })
    }
}

/// A file that cannot be used, and why.
pub(super) fn corrupt(why: &str) -> EngineError {
    let message = format!("open a seqtree file: {why}; restore it from a copy or train again");
    EngineError::new(Code::CheckpointCorrupt, message)
}

fn seal<'a>(body: &str, arrays: impl Iterator<Item = (&'a str, &'a [u8])>) -> Digest {
    // One digest per part: lengths are then part of what is digested.
    let mut parts = Digest::of(body.as_bytes()).as_bytes().to_vec();
    for (name, bytes) in arrays {
        parts.extend(Digest::of(name.as_bytes()).as_bytes());
        parts.extend(Digest::of(bytes).as_bytes());
    }
    Digest::of(&parts)
}

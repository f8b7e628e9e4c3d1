//! The one file form of models and snapshots: a safetensors file that knows its own digest.
//!
//! A record lies as JSON under the single metadata key `tgs` (one key, because the order of
//! several is not fixed), beside named arrays of numbers. Its first field is the SHA-256 of the
//! whole file, taken with 64 zeros in its place; so any changed byte is noticed, also in names,
//! shapes and padding. No code, no pickles: a file can at worst be refused.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use safetensors::{Dtype, SafeTensors, View};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use tgs_protocol::{code::Code, digest::Digest, engine::EngineError, model::ModelName};

/// Shape of these files; grows when a reader of the old shape would misread the new one.
const FORMAT_VERSION: u32 = 3;
/// Shape of files with something beside their record, which readers of [`FORMAT_VERSION`] overlook.
const BESIDE_VERSION: u32 = 4;
/// Shape of files that say what rows must be like, which readers of the others overlook.
const GIVEN_VERSION: u32 = 5;

const KEY: &str = "tgs";
const HOLE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Everything that sampling needs.
    Model(ModelName),
    /// Everything that training needs to go on.
    Snapshot(ModelName),
}

/// An array of numbers as it lies in a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// A number that arrays may hold.
pub(crate) trait Number: Sized {
    /// Its name in files.
    const DTYPE: Dtype;
    /// Little-endian bytes.
    fn to_bytes(values: &[Self]) -> Vec<u8>;
    /// Back from [`Self::to_bytes`].
    fn from_bytes(bytes: &[u8]) -> Vec<Self>;
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Container<R> {
    /// The record.
    pub record: R,
    kind: FileKind,
    arrays: BTreeMap<String, Array>,
}

#[derive(Serialize)]
struct Sealed<'a, R, B, G> {
    digest: &'a str,
    version: u32,
    kind: String,
    record: &'a R,
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<&'a B>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given: Option<&'a G>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chosen: Option<&'a str>,
}

/// What is read of a [`Sealed`] before its digest is checked.
#[derive(Deserialize)]
struct Seal {
    digest: String,
    version: u32,
    kind: String,
}

/// What is read of it afterwards.
#[derive(Deserialize)]
struct Recorded<R> {
    record: R,
}

/// What may be said in a file by who knows nothing of its record.
#[derive(Debug, Deserialize)]
pub(crate) struct Asides<B, G> {
    /// What [`with_beside`] said.
    pub beside: Option<B>,
    /// What [`with_given`] said.
    pub given: Option<G>,
    /// What [`with_chosen`] said.
    #[serde(default)]
    pub chosen: Option<String>,
}

const NOTHING: Option<&()> = None;

/// Writes record and arrays; the same arguments give the same bytes.
pub(crate) fn write<R: Serialize>(
    kind: FileKind,
    record: &R,
    arrays: Vec<(String, Array)>,
) -> Result<Vec<u8>, EngineError> {
    write_with(kind, record, (NOTHING, NOTHING, None), arrays)
}

/// The same file with something said beside its record, by who knows nothing of the record.
///
/// # Errors
/// As [`read`].
pub(crate) fn with_beside<B: Serialize>(
    kind: FileKind,
    bytes: &[u8],
    beside: &B,
) -> Result<Vec<u8>, EngineError> {
    let file: Container<serde_json::Value> = read(kind, bytes)?;
    let said: Asides<IgnoredAny, IgnoredAny> = asides(kind, bytes)?;
    let said = (Some(beside), NOTHING, said.chosen.as_deref());
    write_with(kind, &file.record, said, file.arrays.into_iter().collect())
}

/// The same file, which says why this model was chosen among several; errors of [`read`].
pub(crate) fn with_chosen(kind: FileKind, bytes: &[u8], why: &str) -> Result<Vec<u8>, EngineError> {
    let file: Container<serde_json::Value> = read(kind, bytes)?;
    let said = (NOTHING, NOTHING, Some(why));
    write_with(kind, &file.record, said, file.arrays.into_iter().collect())
}

/// The same file, what stands beside its record with it, that says what its rows must be like;
/// `more`: what that needs.
///
/// # Errors
/// As [`read`].
pub(crate) fn with_given<G: Serialize>(
    kind: FileKind,
    bytes: &[u8],
    given: &G,
    more: Option<(String, Array)>,
) -> Result<Vec<u8>, EngineError> {
    let file: Container<serde_json::Value> = read(kind, bytes)?;
    let said: Asides<serde_json::Value, IgnoredAny> = asides(kind, bytes)?;
    let arrays = file.arrays.into_iter().chain(more).collect();
    let said = (said.beside.as_ref(), Some(given), said.chosen.as_deref());
    write_with(kind, &file.record, said, arrays)
}

/// What else is said in a file, beside its record.
///
/// # Errors
/// As [`read`].
pub(crate) fn asides<B: DeserializeOwned, G: DeserializeOwned>(
    kind: FileKind,
    bytes: &[u8],
) -> Result<Asides<B, G>, EngineError> {
    let read = serde_json::from_str(&checked(kind, bytes)?);
    read.map_err(|error| foreign(kind, format_args!("what stands beside its record ({error})")))
}

fn write_with<R: Serialize, B: Serialize, G: Serialize>(
    kind: FileKind,
    record: &R,
    (beside, given, chosen): (Option<&B>, Option<&G>, Option<&str>),
    arrays: Vec<(String, Array)>,
) -> Result<Vec<u8>, EngineError> {
    let fault = |why: String| EngineError::new(Code::Internal, format!("write a {kind}: {why}"));
    let version = match (beside, given) {
        (_, Some(_)) => GIVEN_VERSION,
        (Some(_), None) => BESIDE_VERSION,
        (None, None) => FORMAT_VERSION,
    };
    let (digest, kind_told) = (HOLE, kind.to_string());
    let sealed = Sealed { digest, version, kind: kind_told, record, beside, given, chosen };
    let text = serde_json::to_string(&sealed).map_err(|error| fault(error.to_string()))?;
    let metadata = Some([(KEY.to_owned(), text)].into());
    let mut bytes = safetensors::serialize(arrays, metadata).map_err(|e| fault(e.to_string()))?;
    let digest = Digest::of(&bytes).to_string();
    let hole = place(&bytes, HOLE).ok_or_else(|| fault("no room for the digest".to_owned()))?;
    bytes[hole..hole + HOLE.len()].copy_from_slice(digest.as_bytes());
    Ok(bytes)
}

/// Reads what [`write`] gave, after checking its digest.
///
/// # Errors
/// As [`FileKind::refuse`], when a byte differs or the kind is another; the same code when another
/// version wrote it.
pub(crate) fn read<R: DeserializeOwned>(
    kind: FileKind,
    bytes: &[u8],
) -> Result<Container<R>, EngineError> {
    let text = checked(kind, bytes)?;
    let Recorded { record } = serde_json::from_str(&text)
        .map_err(|error| foreign(kind, format_args!("its record is not understood ({error})")))?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(kind, error))?;
    let array = |view: &safetensors::tensor::TensorView| Array {
        dtype: view.dtype(),
        shape: view.shape().to_vec(),
        bytes: view.data().to_vec(),
    };
    let arrays = file.iter().map(|(name, view)| (name.to_owned(), array(&view))).collect();
    Ok(Container { record, kind, arrays })
}

/// The text of a whole file of this kind, of a version that is understood.
fn checked(kind: FileKind, bytes: &[u8]) -> Result<String, EngineError> {
    let (seal, text) = seal(bytes).map_err(|why| damaged(kind, why))?;
    if !is_whole(bytes, &seal) {
        return Err(damaged(kind, "they do not match their digest"));
    }
    if ![FORMAT_VERSION, BESIDE_VERSION, GIVEN_VERSION].contains(&seal.version) {
        let version = seal.version;
        return Err(foreign(
            kind,
            format_args!("its format is {version}, where format {GIVEN_VERSION} is understood"),
        ));
    }
    if FileKind::of(&seal.kind) != Some(kind) {
        return Err(kind.refuse(format_args!("it is a {}", seal.kind)));
    }
    Ok(text)
}

fn damaged(kind: FileKind, why: impl fmt::Display) -> EngineError {
    kind.refuse(format_args!("its bytes are damaged ({why})"))
}

fn foreign(kind: FileKind, why: impl fmt::Display) -> EngineError {
    let message = format!("open a {kind}: {why}; use the version of tgs that wrote it");
    EngineError::new(kind.code(), message)
}

/// What a file says it is; its digest is not checked.
///
/// # Errors
/// Why it is nothing that [`write`] gives.
pub(crate) fn kind_of(bytes: &[u8]) -> Result<FileKind, String> {
    let (seal, _) = seal(bytes)?;
    FileKind::of(&seal.kind).ok_or_else(|| format!("it is a `{}`, which is not known", seal.kind))
}

fn seal(bytes: &[u8]) -> Result<(Seal, String), String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)
        .map_err(|error| format!("it is not a safetensors file: {error}"))?;
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get(KEY));
    let text = text.ok_or("it was not written by tgs")?;
    let seal = serde_json::from_str(text).map_err(|error| format!("its record: {error}"))?;
    Ok((seal, text.clone()))
}

fn is_whole(bytes: &[u8], seal: &Seal) -> bool {
    if seal.digest.len() != HOLE.len() {
        return false;
    }
    let Some(at) = place(bytes, &seal.digest) else { return false };
    let mut whole = bytes.to_vec();
    whole[at..at + HOLE.len()].copy_from_slice(HOLE.as_bytes());
    Digest::of(&whole).to_string() == seal.digest
}

fn place(bytes: &[u8], text: &str) -> Option<usize> {
    memchr::memmem::find(bytes, text.as_bytes())
}

impl<R> Container<R> {
    /// Takes an array of this type of numbers.
    pub(crate) fn take<N: Number>(&mut self, name: &str) -> Result<Vec<N>, EngineError> {
        let array = self.array(name)?;
        if array.dtype != N::DTYPE {
            return Err(self.refuse(format_args!("array `{name}` holds {:?}", array.dtype)));
        }
        Ok(N::from_bytes(&array.bytes))
    }

    /// Takes an array of so many numbers.
    pub(crate) fn take_exactly<N: Number>(
        &mut self,
        name: &str,
        count: usize,
    ) -> Result<Vec<N>, EngineError> {
        let values = self.take(name)?;
        if values.len() == count {
            return Ok(values);
        }
        let found = values.len();
        Err(self.refuse(format_args!("array `{name}` holds {found} numbers, not {count}")))
    }

    /// Takes what [`Array::narrow`] gave.
    pub(crate) fn take_narrow(&mut self, name: &str) -> Result<Vec<u32>, EngineError> {
        let array = self.array(name)?;
        match array.dtype {
            Dtype::U8 => Ok(array.bytes.into_iter().map(u32::from).collect()),
            Dtype::U16 => Ok(u16::from_bytes(&array.bytes).into_iter().map(u32::from).collect()),
            Dtype::U32 => Ok(u32::from_bytes(&array.bytes)),
            other => Err(self.refuse(format_args!("array `{name}` holds {other:?}"))),
        }
    }

    /// As [`FileKind::refuse`].
    pub(crate) fn refuse(&self, why: impl fmt::Display) -> EngineError {
        self.kind.refuse(why)
    }

    fn array(&mut self, name: &str) -> Result<Array, EngineError> {
        let array = self.arrays.remove(name);
        array.ok_or_else(|| self.refuse(format_args!("array `{name}` is missing")))
    }
}

impl FileKind {
    /// The error of a file that cannot be used as this: `ModelUnreadable` for a model,
    /// `CheckpointCorrupt` for a snapshot.
    pub(crate) fn refuse(self, why: impl fmt::Display) -> EngineError {
        let remedy = match self {
            Self::Model(_) => "train it again or restore a copy",
            Self::Snapshot(_) => "use an older checkpoint",
        };
        EngineError::new(self.code(), format!("open a {self}: {why}; {remedy}"))
    }

    fn code(self) -> Code {
        match self {
            Self::Model(_) => Code::ModelUnreadable,
            Self::Snapshot(_) => Code::CheckpointCorrupt,
        }
    }

    fn of(text: &str) -> Option<Self> {
        let kinds = ModelName::ALL.into_iter().flat_map(|n| [Self::Model(n), Self::Snapshot(n)]);
        kinds.into_iter().find(|kind| kind.to_string() == text)
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(name) => write!(f, "{name} model"),
            Self::Snapshot(name) => write!(f, "{name} snapshot"),
        }
    }
}

impl Array {
    /// A list of numbers.
    pub(crate) fn list<N: Number>(values: &[N]) -> Self {
        Self::shaped(values, vec![values.len()])
    }
    /// Numbers in row-major order; `shape` multiplies to their count.
    pub(crate) fn shaped<N: Number>(values: &[N], shape: Vec<usize>) -> Self {
        Self { dtype: N::DTYPE, shape, bytes: N::to_bytes(values) }
    }
    /// Whole numbers in as few bytes as the largest needs.
    pub(crate) fn narrow(values: &[u32]) -> Self {
        match values.iter().max().copied().unwrap_or(0) {
            0..=0xFF => Self::list(&values.iter().map(|value| *value as u8).collect::<Vec<_>>()),
            0x100..=0xFFFF => {
                Self::list(&values.iter().map(|value| *value as u16).collect::<Vec<_>>())
            }
            _ => Self::list(values),
        }
    }
}

impl View for Array {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

macro_rules! numbers {
    ($($number:ident: $dtype:ident),*) => {$(
        impl Number for $number {
            const DTYPE: Dtype = Dtype::$dtype;
            fn to_bytes(values: &[Self]) -> Vec<u8> {
                values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }
            fn from_bytes(bytes: &[u8]) -> Vec<Self> {
                bytes.as_chunks().0.iter().map(|chunk| Self::from_le_bytes(*chunk)).collect()
            }
        }
    )*};
}
numbers!(f32: F32, f64: F64, u8: U8, u16: U16, u32: U32, u64: U64);

#[cfg(test)]
mod tests {
    use super::*;

    fn beside<B: DeserializeOwned>(kind: FileKind, bytes: &[u8]) -> Result<Option<B>, EngineError> {
        asides::<B, IgnoredAny>(kind, bytes).map(|said| said.beside)
    }

    const MODEL: FileKind = FileKind::Model(ModelName::Tabgraph);

    fn arrays() -> Vec<(String, Array)> {
        vec![
            ("weights".to_owned(), Array::shaped(&[1.5_f32, -2.0, 0.25], vec![3, 1])),
            ("values".to_owned(), Array::list(&[0.1, 1e300])),
            ("words".to_owned(), Array::list(&[u64::MAX, 7])),
            ("bins".to_owned(), Array::narrow(&[0, 255])),
            ("nodes".to_owned(), Array::narrow(&[0, 256])),
            ("codes".to_owned(), Array::narrow(&[65_536])),
        ]
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = write(MODEL, &"é \" record", arrays()).expect("writes");
        assert_eq!(bytes, write(MODEL, &"é \" record", arrays()).expect("writes again"));
        assert_eq!(kind_of(&bytes), Ok(MODEL));
        let mut file: Container<String> = read(MODEL, &bytes).expect("reads");
        assert_eq!(file.record, "é \" record");
        assert_eq!(file.take_exactly::<f32>("weights", 3).expect("is there"), [1.5, -2.0, 0.25]);
        assert_eq!(file.take::<f64>("values").expect("is there"), [0.1, 1e300]);
        assert_eq!(file.take::<u64>("words").expect("is there"), [u64::MAX, 7]);
        assert_eq!(file.take_narrow("bins").expect("is there"), [0, 255]);
        assert_eq!(file.take::<u16>("nodes").expect("is there"), [0, 256]);
        assert_eq!(file.take_narrow("codes").expect("is there"), [65_536]);
    }

    #[test]
    fn arrays_of_another_type_or_size_are_refused() {
        let bytes = write(MODEL, &(), arrays()).expect("writes");
        let mut file: Container<()> = read(MODEL, &bytes).expect("reads");
        let refused = [
            (file.take::<f64>("weights").err(), "array `weights` holds F32"),
            (file.take_exactly::<f64>("values", 3).err(), "holds 2 numbers, not 3"),
            (file.take_narrow("words").err(), "array `words` holds U64"),
            (file.take::<u8>("other").err(), "array `other` is missing"),
        ];
        for (error, part) in refused {
            let error = error.expect("must be refused");
            assert_eq!(error.code(), Some(Code::ModelUnreadable));
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let snapshot = FileKind::Snapshot(ModelName::Seqtree);
        let remedies = [
            (MODEL, Code::ModelUnreadable, "; train it again or restore a copy"),
            (snapshot, Code::CheckpointCorrupt, "; use an older checkpoint"),
        ];
        for (kind, code, remedy) in remedies {
            let bytes = write(kind, &"é \" record", arrays()).expect("writes");
            for at in 0..bytes.len() {
                for change in [1_u8, 0x20, 0x80] {
                    let mut torn = bytes.clone();
                    torn[at] ^= change;
                    let error = read::<String>(kind, &torn).expect_err("must be refused");
                    assert_eq!(error.code(), Some(code), "byte {at}");
                    assert!(error.to_string().ends_with(remedy), "byte {at}: {error}");
                }
                assert!(read::<String>(kind, &bytes[..at]).is_err(), "cut at {at}");
            }
        }
    }

    #[test]
    fn what_is_said_beside_a_record_changes_nothing_else() {
        let record = (0.1_f32, 1e300, u64::MAX, "é \" record".to_owned());
        let plain = write(MODEL, &record, arrays()).expect("writes");
        assert_eq!(beside::<String>(MODEL, &plain).expect("reads"), None);
        let more = with_beside(MODEL, &plain, &"more").expect("writes");
        assert_eq!(beside::<String>(MODEL, &more).expect("reads").as_deref(), Some("more"));
        let file: Container<(f32, f64, u64, String)> = read(MODEL, &more).expect("reads");
        assert_eq!((&file.record, file.arrays), (&record, arrays().into_iter().collect()));
        // Who reads format 3 only must not overlook it.
        let versions = [plain, more].map(|bytes| seal(&bytes).expect("is ours").0.version);
        assert_eq!(versions, [FORMAT_VERSION, BESIDE_VERSION]);
        let torn = beside::<String>(MODEL, b"PK").expect_err("is none");
        assert_eq!(torn.code(), Some(Code::ModelUnreadable));
    }

    #[test]
    fn another_kind_is_refused_by_its_name() {
        let bytes = write(MODEL, &(), Vec::new()).expect("writes");
        for name in ModelName::ALL {
            for kind in [FileKind::Model(name), FileKind::Snapshot(name)] {
                let refused = read::<()>(kind, &bytes).err().map(|error| error.to_string());
                match refused {
                    None => assert_eq!(kind, MODEL),
                    Some(said) => assert!(said.contains("it is a tabgraph model"), "{said}"),
                }
            }
        }
    }

    /// A safetensors file with this text as its record.
    fn with_record(text: Option<&str>) -> Vec<u8> {
        let metadata = text.map(|text| [(KEY.to_owned(), text.to_owned())].into());
        safetensors::serialize(arrays(), metadata).expect("writes")
    }

    #[test]
    fn files_of_others_have_no_kind() {
        let cases = [
            (b"PK\x03\x04 an archive".to_vec(), "it is not a safetensors file"),
            (with_record(None), "it was not written by tgs"),
            (with_record(Some(r#"{"version":1,"digest":"","body":""}"#)), "`kind`"),
            (
                with_record(Some(r#"{"digest":"","version":3,"kind":"forest model","record":1}"#)),
                "it is a `forest model`, which is not known",
            ),
        ];
        for (bytes, part) in cases {
            let why = kind_of(&bytes).expect_err("has none");
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn a_record_of_another_version_is_whole_and_yet_not_understood() {
        #[derive(Debug, Serialize, Deserialize)]
        struct Newer {
            width: u8,
        }
        let bytes = write(MODEL, &serde_json::json!({}), arrays()).expect("writes");
        let error = read::<Newer>(MODEL, &bytes).expect_err("must be refused");
        assert_eq!(error.code(), Some(Code::ModelUnreadable));
        let said = error.to_string();
        assert!(said.contains("its record is not understood (missing field `width`"), "{said}");
        assert!(said.ends_with("; use the version of tgs that wrote it"), "{said}");
    }

    #[test]
    fn a_file_of_another_format_is_refused_with_both_numbers() {
        let text = format!(r#"{{"digest":"{HOLE}","version":1,"kind":"tabgraph model"}}"#);
        let mut bytes = with_record(Some(&text));
        let digest = Digest::of(&bytes).to_string();
        let hole = place(&bytes, HOLE).expect("is there");
        bytes[hole..hole + HOLE.len()].copy_from_slice(digest.as_bytes());
        let error = read::<()>(MODEL, &bytes).expect_err("must be refused");
        assert_eq!(error.code(), Some(Code::ModelUnreadable));
        let said = error.to_string();
        assert!(said.contains("its format is 1, where format 5 is understood"), "{said}");
    }
}

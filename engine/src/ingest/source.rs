//! Opens a source file: what it is by its content, whatever its name says.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tgs_protocol::{code::Code, engine::EngineError};

/// How the rows of a source are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Delimited text.
    Csv,
    /// One JSON object per line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
    /// A workbook of Office Open XML.
    Excel,
}

/// An opened source.
#[derive(Debug)]
pub struct Source {
    /// As the user named it.
    pub path: PathBuf,
    /// What it holds.
    pub content: Content,
    /// Bytes of the file.
    pub length_bytes: u64,
    /// Things a user should know.
    pub notices: Vec<String>,
    packing: Packing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
}

/// The bytes of a source, unpacked, and how many bytes of the file were taken so far.
pub struct Unpacked {
    /// The content.
    pub reader: Box<dyn Read + Send>,
    /// Bytes of the file read.
    pub taken_bytes: Arc<AtomicU64>,
}

const HEAD_BYTES: u64 = 64 << 10;

impl Source {
    /// Opens a file and finds out what it holds.
    ///
    /// # Errors
    /// `DATA-0001` when it cannot be opened, `DATA-0002` when it is empty, `DATA-0006` when it
    /// holds something else than its name promises or nothing that is read, `DATA-0007` when it is
    /// packed and damaged.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let kind = fs::metadata(path).map_err(|cause| unreadable(path, cause))?;
        if kind.is_dir() {
            let message =
                format!("cannot read {}: it is a folder, name a file in it", path.display());
            return Err(EngineError::new(Code::SourceUnreadable, message));
        }
        let mut magic = Vec::new();
        let mut file = File::open(path).map_err(|cause| unreadable(path, cause))?;
        (&mut file).take(8).read_to_end(&mut magic).map_err(|cause| unreadable(path, cause))?;
        let packing = match magic.as_slice() {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            _ => Packing::None,
        };
        let mut source = Self {
            path: path.to_owned(),
            content: Content::Csv,
            length_bytes: kind.len(),
            notices: Vec::new(),
            packing,
        };
        let mut head = Vec::new();
        let unpacked = source.unpack()?;
        let taken = unpacked.reader.take(HEAD_BYTES).read_to_end(&mut head);
        taken.map_err(|cause| source.failed(cause))?;
        source.content = source.judge(&head)?;
        Ok(source)
    }

    /// Begins to read from the start.
    ///
    /// # Errors
    /// `DATA-0001` when it cannot be opened.
    pub fn unpack(&self) -> Result<Unpacked, EngineError> {
        let file = File::open(&self.path).map_err(|cause| unreadable(&self.path, cause))?;
        let taken_bytes = Arc::new(AtomicU64::new(0));
        let counted = Counted { file, taken_bytes: Arc::clone(&taken_bytes) };
        let reader: Box<dyn Read + Send> = match self.packing {
            Packing::None => Box::new(counted),
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(
                io::BufReader::with_capacity(1 << 18, counted),
            )),
            Packing::Zstd => Box::new(
                zstd::stream::read::Decoder::new(counted)
                    .map_err(|cause| unreadable(&self.path, cause))?,
            ),
        };
        Ok(Unpacked { reader, taken_bytes })
    }

    /// The error of a read that failed half-way.
    pub fn failed(&self, cause: io::Error) -> EngineError {
        let name = self.path.display();
        match self.packing {
            Packing::None => unreadable(&self.path, cause),
            Packing::Gzip | Packing::Zstd => {
                let format = if self.packing == Packing::Gzip { "gzip" } else { "zstd" };
                let message = format!(
                    "cannot unpack {name}: the {format} data end early or are damaged ({cause}); \
                     fetch the file again"
                );
                EngineError::because(Code::CorruptSource, message, cause)
            }
        }
    }

    fn judge(&mut self, head: &[u8]) -> Result<Content, EngineError> {
        let promised = Promise::of(&self.path);
        if head.is_empty() {
            let message = format!(
                "cannot read {}: the file is empty; check the export, or name another file",
                self.path.display()
            );
            return Err(EngineError::new(Code::EmptySource, message));
        }
        let found = if head.starts_with(b"PAR1") {
            Content::Parquet
        } else if head.starts_with(b"PK\x03\x04") {
            Content::Excel
        } else if let Some(other) = foreign(head) {
            return Err(self.not_that(&promised, &format!("it is {other}")));
        } else {
            self.judge_text(head, &promised)?
        };
        if self.packing != Packing::None && matches!(found, Content::Parquet | Content::Excel) {
            return Err(self.not_that(&promised, "it is packed twice: unpack it first"));
        }
        if promised.content.is_some_and(|promised| promised != found) {
            let notice = format!("the name promises {}, read as {}", promised.text, name_of(found));
            self.notices.push(notice);
        }
        Ok(found)
    }

    fn judge_text(&self, head: &[u8], promised: &Promise) -> Result<Content, EngineError> {
        if matches!(promised.content, Some(Content::Parquet | Content::Excel)) {
            return Err(self.not_that(promised, "its content is something else"));
        }
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        let opens_object = text.first() == Some(&b'{');
        if promised.content == Some(Content::JsonLines) {
            if opens_object || head[0] >= 0xfe || head.contains(&0) {
                return Ok(Content::JsonLines);
            }
            let is_array = text.first() == Some(&b'[');
            let found = if is_array { "it is a JSON array" } else { "no line begins with {" };
            return Err(self.not_that(promised, &format!("{found}: write one object per line")));
        }
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or(text);
        let is_object = opens_object
            && matches!(serde_json::from_slice(line), Ok(serde_json::Value::Object(_)));
        Ok(if is_object { Content::JsonLines } else { Content::Csv })
    }

    fn not_that(&self, promised: &Promise, why: &str) -> EngineError {
        let name = self.path.display();
        let message = match promised.content {
            Some(_) => format!("cannot read {name} as {}: {why}", promised.text),
            None => format!("cannot read {name}: {why}"),
        };
        let hint = "CSV, JSON lines, Parquet and xlsx are read";
        EngineError::new(Code::NotThatFormat, format!("{message} ({hint})"))
    }
}

/// What the name of a file says of its content.
struct Promise {
    content: Option<Content>,
    text: &'static str,
}

impl Promise {
    fn of(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
        let name = name.unwrap_or_default();
        let bare = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end));
        let name = bare.unwrap_or(&name);
        let content = match name.rsplit_once('.').map(|(_, end)| end) {
            Some("csv" | "tsv" | "tab" | "psv") => Some(Content::Csv),
            Some("jsonl" | "ndjson" | "json") => Some(Content::JsonLines),
            Some("parquet" | "pq") => Some(Content::Parquet),
            Some("xlsx" | "xlsm") => Some(Content::Excel),
            _ => None,
        };
        Self { content, text: content.map_or("a table", name_of) }
    }
}

fn name_of(content: Content) -> &'static str {
    match content {
        Content::Csv => "CSV",
        Content::JsonLines => "JSON lines",
        Content::Parquet => "Parquet",
        Content::Excel => "xlsx",
    }
}

/// Name of a well-known format that is not read.
fn foreign(head: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 15] = [
        (b"%PDF", "a PDF document"),
        (b"\xd0\xcf\x11\xe0", "an old Office document: save it as xlsx or CSV"),
        (b"SQLite format 3", "an SQLite database: export a table as CSV"),
        (b"ARROW1", "an Arrow file: save it as Parquet"),
        (b"BZh", "packed by bzip2: unpack it first"),
        (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
        (b"\xfd7zXZ", "packed by xz: unpack it first"),
        (b"Rar!", "a RAR archive: unpack it first"),
        (b"\x1f\x8b", "packed twice: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "packed twice: unpack it first"),
        (b"\x89PNG", "an image"),
        (b"\xff\xd8\xff", "an image"),
        (b"\x7fELF", "a program"),
        (b"<!DOCTYPE", "a web page"),
        (b"<html", "a web page"),
    ];
    let known = KNOWN.iter().find(|(magic, _)| head.starts_with(magic));
    known.map(|(_, name)| *name)
}

fn unreadable(path: &Path, cause: io::Error) -> EngineError {
    let message = format!(
        "cannot read {}: {cause}; check the name, and whether this user may read it",
        path.display()
    );
    EngineError::because(Code::SourceUnreadable, message, cause)
}

/// Counts the bytes taken from a file.
struct Counted {
    file: File,
    taken_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let taken = self.file.read(into)?;
        self.taken_bytes.fetch_add(taken as u64, Ordering::Relaxed);
        Ok(taken)
    }
}

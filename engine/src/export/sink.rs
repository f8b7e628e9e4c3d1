//! The file under a writer: compressed on the way in, digested on the way down, durable at the end.

use std::{
    error::Error,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use flate2::{GzBuilder, write::GzEncoder};
use sha2::{Digest as _, Sha256};
use tgs_protocol::{
    code::Code,
    digest::Digest,
    engine::{Compression, EngineError},
};

const ZSTD_LEVEL: i32 = 3;
const GZIP_LEVEL: u32 = 6;

/// A file whose bytes are digested as they are written.
pub(super) struct Sink {
    file: BufWriter<File>,
    hasher: Sha256,
    path: PathBuf,
}

impl Sink {
    pub(super) fn create(path: &Path) -> Result<Self, EngineError> {
        let file = File::create(path).map_err(|why| cannot_write(path, why))?;
        let file = BufWriter::with_capacity(1 << 18, file);
        Ok(Self { file, hasher: Sha256::new(), path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file durable.
    pub(super) fn finish(mut self) -> Result<Digest, EngineError> {
        let durable = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        durable.map_err(|why| cannot_write(&self.path, why))?;
        Ok(Digest::from_bytes(self.hasher.finalize().into()))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A sink behind a compressor.
pub(super) struct Encoded {
    encoder: Encoder,
    path: PathBuf,
}

enum Encoder {
    None(Sink),
    Gzip(GzEncoder<Sink>),
    Zstd(zstd::Encoder<'static, Sink>),
}

impl Encoded {
    pub(super) fn new(sink: Sink, compression: Compression) -> Result<Self, EngineError> {
        let path = sink.path.clone();
        let encoder = match compression {
            Compression::None => Encoder::None(sink),
            Compression::Gzip => {
                // No time and no name in the header: the same rows are the same bytes.
                let level = flate2::Compression::new(GZIP_LEVEL);
                Encoder::Gzip(GzBuilder::new().mtime(0).write(sink, level))
            }
            Compression::Zstd => {
                let encoder = zstd::Encoder::new(sink, ZSTD_LEVEL);
                Encoder::Zstd(encoder.map_err(|why| cannot_write(&path, why))?)
            }
        };
        Ok(Self { encoder, path })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let written = match &mut self.encoder {
            Encoder::None(sink) => sink.write_all(bytes),
            Encoder::Gzip(encoder) => encoder.write_all(bytes),
            Encoder::Zstd(encoder) => encoder.write_all(bytes),
        };
        written.map_err(|why| cannot_write(&self.path, why))
    }

    pub(super) fn finish(self) -> Result<Digest, EngineError> {
        let sink = match self.encoder {
            Encoder::None(sink) => Ok(sink),
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
        };
        sink.map_err(|why| cannot_write(&self.path, why))?.finish()
    }
}

/// What went wrong at `path`: a full disk is told apart, because waiting can help.
pub(super) fn cannot_write(
    path: &Path,
    why: impl Into<Box<dyn Error + Send + Sync>>,
) -> EngineError {
    let why = why.into();
    let mut cause: Option<&(dyn Error + 'static)> = Some(why.as_ref());
    let mut full = false;
    while let Some(error) = cause {
        let of_file = error.downcast_ref::<io::Error>();
        full |= of_file.is_some_and(|error| error.kind() == io::ErrorKind::StorageFull);
        cause = error.source();
    }
    let (code, remedy) = if full {
        (Code::DiskFull, "the disk is full; make room and try again")
    } else {
        (Code::CannotWrite, "check that the folder exists and may be written to")
    };
    EngineError::because(code, format!("write {}: {remedy}", path.display()), why)
}

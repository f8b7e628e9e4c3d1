//! A sealed file as an answer: whole or a part, under conditions, named by its digest.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{
        StatusCode,
        header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, ETAG, IF_RANGE, RANGE},
    },
    web::{Bytes, block},
};
use futures_util::{Stream, stream};
use tgs_protocol::{cause::with_causes, code::Code, digest::Digest};

use crate::{
    etag,
    problem::Problem,
    range::{Part, part},
};

/// Bytes that are read at one time.
const PIECE_BYTES: u64 = 256 << 10;

/// A file that never changes.
pub struct SealedFile {
    pub name: String,
    pub path: PathBuf,
    /// Of its bytes, where it is known.
    pub digest: Option<Digest>,
}

impl SealedFile {
    /// Answers a request for it, with these headers beside.
    pub async fn answer(
        self,
        request: &HttpRequest,
        headers: &[(&str, String)],
    ) -> Result<HttpResponse, Problem> {
        let tag = self.digest.as_ref().map(etag::of_file);
        if tag.as_ref().is_some_and(|tag| etag::is_known(request, tag)) {
            let tag = (ETAG, tag.unwrap_or_default());
            return Ok(HttpResponse::NotModified().insert_header(tag).finish());
        }
        let (path, name) = (self.path, &self.name);
        let opened = block(move || {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            io::Result::Ok((file, size))
        });
        let (file, size) = match opened.await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Problem::not_found("file", name));
            }
            Ok(Err(error)) => return Err(unreadable(name, &error)),
            Err(error) => return Err(unreadable(name, &error)),
        };
        let (status, first, length) = match wanted(request, tag.as_deref(), size) {
            Part::Whole => (StatusCode::OK, 0, size),
            Part::Bytes { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Part::None => return Err(Problem::no_such_range(name, size)),
        };
        let mut answer = HttpResponse::build(status);
        answer.content_type(content_type(name));
        answer.insert_header((ACCEPT_RANGES, "bytes"));
        answer.insert_header((CACHE_CONTROL, "private, no-store"));
        if let Some(tag) = tag {
            answer.insert_header((ETAG, tag));
        }
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {first}-{}/{size}", first + length - 1);
            answer.insert_header((CONTENT_RANGE, range));
        }
        for (name, value) in headers {
            answer.insert_header((*name, value.as_str()));
        }
        Ok(answer.body(SizedStream::new(length, pieces(file, first, length))))
    }
}

/// A part is only wanted of the very file that it was begun of: `If-Range`.
fn wanted(request: &HttpRequest, tag: Option<&str>, size: u64) -> Part {
    let text = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    match text(IF_RANGE) {
        Some(begun) if Some(begun.trim()) != tag => Part::Whole,
        _ => part(text(RANGE), size),
    }
}

/// The bytes, read when they are wanted.
fn pieces(file: File, first: u64, length: u64) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold((Some(file), first, length), async |(file, at, left)| {
        let mut file = file.filter(|_| left > 0)?;
        let count = left.min(PIECE_BYTES);
        let read = block(move || {
            let mut piece = vec![0; usize::try_from(count).unwrap_or_default()];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut piece)?;
            io::Result::Ok((file, piece))
        });
        Some(match read.await {
            Ok(Ok((file, piece))) => (Ok(piece.into()), (Some(file), at + count, left - count)),
            Ok(Err(error)) => (Err(error), (None, at, 0)),
            Err(error) => (Err(io::Error::other(error)), (None, at, 0)),
        })
    })
}

/// Endings of names, in the order of [`CONTENT_TYPES`]; every other one is of the last type.
const ENDINGS: [&str; 7] = ["html", "json", "csv", "jsonl", "parquet", "gz", "zst"];

/// Every content type that a file may have.
pub const CONTENT_TYPES: [&str; 8] = [
    "text/html; charset=utf-8",
    "application/json",
    "text/csv; charset=utf-8",
    "application/x-ndjson",
    "application/vnd.apache.parquet",
    "application/gzip",
    "application/zstd",
    "application/octet-stream",
];

fn content_type(name: &str) -> &'static str {
    let ending = name.rsplit('.').next();
    let at = ENDINGS.iter().position(|known| Some(*known) == ending);
    CONTENT_TYPES[at.unwrap_or(ENDINGS.len())]
}

fn unreadable(name: &str, error: &dyn std::error::Error) -> Problem {
    let message = format!("read {name}: {}; check that disk", with_causes(error));
    Problem::new(Code::CannotWrite, message)
}

//! Files to a server and back, whole or not at all, through lost connections.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    thread::sleep,
};

use tgs_protocol::{
    code::Code,
    dataset::{DatasetName, DatasetVersion, TableEnding},
    digest::Digest,
    residency::Residency,
    wire::{DatasetRef, PageView},
};
use ureq::{
    Body,
    http::{self, Request, Response},
};

use super::{AGAIN_AFTER, AGAIN_MAX, Ask, Client};
use crate::{failure::Failure, wiring::content};

/// Bytes that are sent at one time: what is lost with a connection.
const PIECE_BYTES: u64 = 8 << 20;

impl Client {
    /// Hands a table in under this name, not to leave these regions, unless the server has these
    /// bytes there already; `tell` hears how many bytes it has. A lost connection is opened again
    /// where it broke.
    pub fn hand_in(
        &self,
        file: &Path,
        dataset: &DatasetName,
        regions: &Residency,
        tell: impl Fn(u64, u64),
    ) -> Result<DatasetRef, Failure> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ending = TableEnding::of_name(&name)?;
        let unread = |error: io::Error| {
            let message = format!("read {}: {error}; check the file", file.display());
            Failure::new(Code::SourceUnreadable, message)
        };
        let (digest, size) = content::of_file(file).map_err(unread)?;
        if let Some(known) = self.known(dataset, (digest, &ending, regions))? {
            return Ok(known);
        }
        let file_name = format!("table.{}", ending.as_str());
        let mut begin = format!("/v1/uploads?dataset={dataset}&file={file_name}");
        if !regions.is_anywhere() {
            let named: Vec<&str> = regions.0.iter().map(String::as_str).collect();
            begin = format!("{begin}&regions={}", named.join(","));
        }
        let begun = self.request("POST", &begin, &[("Upload-Length", size.get())], &[])?;
        let place = begun.headers().get("Location").and_then(|it| it.to_str().ok());
        let place =
            place.map(str::to_owned).ok_or_else(|| self.lost(&begin, "no place is said"))?;
        let mut source = File::open(file).map_err(unread)?;
        let (mut at, mut lost) = (0, 0);
        while at < size.get() {
            tell(at, size.get());
            source.seek(SeekFrom::Start(at)).map_err(unread)?;
            let mut piece = Vec::new();
            (&mut source).take(PIECE_BYTES).read_to_end(&mut piece).map_err(unread)?;
            let sent = self.request("PATCH", &place, &[("Upload-Offset", at)], &piece);
            match sent.and_then(|answer| self.offset_in(&answer, &place)) {
                Ok(reached) => (at, lost) = (reached, 0),
                Err(failure) if failure.code != Code::ServerLost => return Err(failure),
                Err(failure) if lost >= AGAIN_MAX => return Err(failure),
                Err(_) => {
                    lost += 1;
                    sleep(AGAIN_AFTER);
                    at = self.offset(&place).unwrap_or(at);
                }
            }
        }
        tell(at, size.get());
        let version: DatasetVersion = self.ask(&place, Ask::Get)?;
        if version.digest != digest {
            let message = format!("hand in {}: it changed meanwhile; try again", file.display());
            return Err(Failure::new(Code::SourceChanged, message));
        }
        Ok(DatasetRef { dataset: version.dataset, version: Some(version.version) })
    }

    /// The version that has these bytes.
    fn known(
        &self,
        dataset: &DatasetName,
        (digest, ending, regions): (Digest, &TableEnding, &Residency),
    ) -> Result<Option<DatasetRef>, Failure> {
        let asked = self.ask(&format!("/v1/datasets/{dataset}"), Ask::Get);
        let versions: PageView<DatasetVersion> = match asked {
            Err(failure) if failure.code == Code::NoSuchThing => return Ok(None),
            asked => asked?,
        };
        let is_same = |it: &DatasetVersion| it.is_of(digest, ending, regions);
        let same = versions.items.into_iter().find(is_same);
        Ok(same.map(|it| DatasetRef { dataset: it.dataset, version: Some(it.version) }))
    }

    fn offset(&self, place: &str) -> Result<u64, Failure> {
        self.offset_in(&self.request("HEAD", place, &[], &[])?, place)
    }

    fn offset_in(&self, answer: &Response<Body>, place: &str) -> Result<u64, Failure> {
        let offset = answer.headers().get("Upload-Offset").and_then(|it| it.to_str().ok());
        let offset = offset.and_then(|text| text.parse().ok());
        offset.ok_or_else(|| self.lost(place, "it does not say where the upload goes on"))
    }

    /// Fetches a file; it has its name only once it is whole and, where the server tells its
    /// digest, the same.
    pub fn fetch(&self, path: &str, digest: Option<Digest>, to: &Path) -> Result<(), Failure> {
        let mut lost = 0;
        loop {
            match self.fetch_once(path, digest, to) {
                Err(failure) if failure.code == Code::ServerLost && lost < AGAIN_MAX => {
                    lost += 1;
                    sleep(AGAIN_AFTER);
                }
                fetched => return fetched,
            }
        }
    }

    fn fetch_once(&self, path: &str, digest: Option<Digest>, to: &Path) -> Result<(), Failure> {
        let answer = self.send(path, Ask::Get, None)?;
        let said = answer.headers().get("Content-Length").and_then(|it| it.to_str().ok());
        let said: Option<u64> = said.and_then(|text| text.parse().ok());
        let unwritten = |error| unwritten(to, &error);
        let folder = to.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(unwritten)?;
        let part = to.with_file_name(format!(
            ".{}.{}.part",
            to.file_name().unwrap_or_default().to_string_lossy(),
            std::process::id()
        ));
        let fetched = self.fetch_into(answer.into_body().into_reader(), &part, path);
        let whole = fetched.and_then(|(found, size)| {
            let is_whole =
                said.is_none_or(|said| said == size) && digest.is_none_or(|digest| digest == found);
            let broken = || self.lost(path, "it came incomplete");
            is_whole.then_some(()).ok_or_else(broken)
        });
        match whole {
            Ok(()) => fs::rename(&part, to).map_err(unwritten),
            Err(failure) => {
                let _ = fs::remove_file(&part);
                Err(failure)
            }
        }
    }

    fn fetch_into(
        &self,
        mut body: impl Read,
        part: &Path,
        path: &str,
    ) -> Result<(Digest, u64), Failure> {
        let unwritten = |error| unwritten(part, &error);
        let mut file = File::create(part).map_err(unwritten)?;
        let mut failed = None;
        let read = content::stream(&mut body, |piece| {
            file.write_all(piece).inspect_err(|error| failed = Some(io::Error::from(error.kind())))
        });
        match (read, failed) {
            (_, Some(error)) => Err(unwritten(error)),
            (Err(error), None) => Err(self.lost(path, &error.to_string())),
            (Ok((digest, size)), None) => {
                file.sync_all().map_err(unwritten)?;
                Ok((digest, size.get()))
            }
        }
    }

    /// One request with numbers in its headers.
    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, u64)],
        body: &[u8],
    ) -> Result<Response<Body>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("Authorization", format!("Bearer {}", self.token));
        if method == "PATCH" {
            request = request.header("Content-Type", "application/offset+octet-stream");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let wrong = |error: http::Error| {
            Failure::new(Code::BadRequest, format!("ask {}: {error}; check the URL", self.base))
        };
        let answered = match method {
            "HEAD" => self.agent.run(request.body(()).map_err(wrong)?),
            _ => self.agent.run(request.body(body).map_err(wrong)?),
        };
        self.accepted(path, answered)
    }
}

fn unwritten(file: &Path, error: &io::Error) -> Failure {
    let message = format!("write {}: {error}; check the folder and its disk", file.display());
    Failure::new(Code::CannotWrite, message)
}

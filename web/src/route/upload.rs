//! Uploads, resumable by the tus protocol 1.0 (tus.io): `POST` begins one, `PATCH` appends at an
//! offset, `HEAD` tells the offset to go on from, `DELETE` gives it up. The last byte makes it a
//! version of its dataset, which every later `HEAD` and `GET` names.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, LOCATION},
    },
    web::{BytesMut, Path, Payload, Query, ServiceConfig, resource},
};
use futures_util::StreamExt;
use serde::Deserialize;
use tgs_protocol::{
    code::Code,
    dataset::{Appended, DatasetVersion, Finished, TableEnding, Upload},
    id::UploadId,
    unit::ByteCount,
};

use super::InHouse;
use crate::{house::House, problem::Problem};

/// Bytes that are made durable at one time.
const PIECE_BYTES: usize = 4 << 20;
const PIECE_TYPE: &str = "application/offset+octet-stream";
const VERSION: (&str, &str) = ("Tus-Resumable", "1.0.0");

pub fn routes(config: &mut ServiceConfig) {
    use actix_web::web::{delete, get, head, method, patch, post};
    let options = || method(actix_web::http::Method::OPTIONS);
    config
        .service(resource("/uploads").route(post().to(begin)).route(options().to(abilities)))
        .service(
            resource("/uploads/{upload}")
                .route(head().to(offset))
                .route(get().to(show))
                .route(patch().to(append))
                .route(delete().to(abandon)),
        );
}

/// What the table will be called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// The dataset.
    dataset: String,
    /// The file's name; only its ending counts.
    file: String,
}

/// `OPTIONS /v1/uploads`
async fn abilities(house: InHouse) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header(VERSION)
        .insert_header(("Tus-Version", "1.0.0"))
        .insert_header(("Tus-Extension", "creation,termination"))
        .insert_header(("Tus-Max-Size", house.settings.upload_bytes_max))
        .finish()
}

/// `POST /v1/uploads?dataset=trial&file=trial.csv` with `Upload-Length`
async fn begin(
    house: InHouse,
    request: HttpRequest,
    named: Query<Named>,
) -> Result<HttpResponse, Problem> {
    let size = number(request.headers(), "Upload-Length")?;
    check_size(&house, size)?;
    let upload = Upload {
        id: UploadId::new(house.ids.name()),
        dataset: named.dataset.parse()?,
        ending: TableEnding::of_name(&named.file)?,
        size: ByteCount(size),
        began_at: house.clock.now(),
    };
    if !house.datasets.begin(&upload).await? {
        return Err(Problem::new(Code::Internal, "begin an upload: its name is taken; try again"));
    }
    Ok(HttpResponse::Created()
        .insert_header(VERSION)
        .insert_header((LOCATION, format!("/v1/uploads/{}", upload.id)))
        .insert_header(("Upload-Offset", 0))
        .json(upload))
}

/// `HEAD /v1/uploads/{upload}`
async fn offset(house: InHouse, upload: Path<String>) -> Result<HttpResponse, Problem> {
    let (upload, received) = find(&house, &upload).await?;
    Ok(HttpResponse::Ok()
        .insert_header(VERSION)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("Upload-Offset", received.get()))
        .insert_header(("Upload-Length", upload.size.get()))
        .finish())
}

/// `GET /v1/uploads/{upload}`: the version that it became.
async fn show(house: InHouse, upload: Path<String>) -> Result<HttpResponse, Problem> {
    let (upload, received) = find(&house, &upload).await?;
    if received < upload.size {
        return Err(Problem::with_status(
            StatusCode::CONFLICT,
            Code::BadRequest,
            format!("the upload has {received} of {} bytes; send the rest", upload.size),
        ));
    }
    Ok(HttpResponse::Ok().json(finish(&house, &upload.id).await?))
}

/// `PATCH /v1/uploads/{upload}` with `Upload-Offset`: what was made durable before a connection
/// broke stays.
async fn append(
    house: InHouse,
    request: HttpRequest,
    upload: Path<String>,
    mut body: Payload,
) -> Result<HttpResponse, Problem> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if kind != Some(PIECE_TYPE) {
        return Err(Problem::with_status(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::BadRequest,
            format!("cannot append to an upload: its Content-Type must be {PIECE_TYPE}"),
        ));
    }
    let (upload, _) = find(&house, &upload).await?;
    let mut at = ByteCount(number(request.headers(), "Upload-Offset")?);
    let mut piece = BytesMut::new();
    loop {
        let next = body.next().await;
        let is_last = next.is_none();
        match next {
            Some(Ok(bytes)) => piece.extend_from_slice(&bytes),
            Some(Err(error)) => {
                // Whole pieces stay; the client asks where to go on.
                return Err(broken_off(&error.to_string()));
            }
            None => {}
        }
        if piece.len() >= PIECE_BYTES || is_last {
            at = put(&house, &upload, at, &piece).await?;
            piece.clear();
        }
        if is_last {
            break;
        }
    }
    let mut answer = HttpResponse::NoContent();
    answer.insert_header(VERSION).insert_header(("Upload-Offset", at.get()));
    if at == upload.size {
        let DatasetVersion { dataset, version, .. } = finish(&house, &upload.id).await?;
        answer.insert_header(("Dataset-Version", format!("{dataset}@{version}")));
    }
    Ok(answer.finish())
}

async fn put(
    house: &House,
    upload: &Upload,
    at: ByteCount,
    piece: &[u8],
) -> Result<ByteCount, Problem> {
    match house.datasets.append(&upload.id, at, piece).await? {
        Appended::To(end) => Ok(end),
        Appended::NotThere(offset) => Err(Problem::with_status(
            StatusCode::CONFLICT,
            Code::BadRequest,
            format!("cannot append at {at}: the upload goes on at {offset}; ask HEAD for it"),
        )),
        Appended::TooLong => {
            let message = format!("cannot append at {at}: the upload has {} bytes", upload.size);
            Err(Problem::new(Code::TooLarge, message))
        }
        Appended::Unknown => Err(Problem::not_found("upload", upload.id.as_str())),
    }
}

/// `DELETE /v1/uploads/{upload}`
async fn abandon(house: InHouse, upload: Path<String>) -> Result<HttpResponse, Problem> {
    if house.datasets.abandon(&UploadId::new(upload.as_str())).await? {
        return Ok(HttpResponse::NoContent().insert_header(VERSION).finish());
    }
    Err(Problem::not_found("upload", &upload))
}

async fn finish(house: &House, upload: &UploadId) -> Result<DatasetVersion, Problem> {
    match house.datasets.finish(upload, house.clock.now()).await? {
        Finished::As(version) => Ok(version),
        Finished::NotWhole(received) => Err(broken_off(&format!("it has {received} bytes"))),
        Finished::Unknown => Err(Problem::not_found("upload", upload.as_str())),
    }
}

async fn find(house: &House, upload: &str) -> Result<(Upload, ByteCount), Problem> {
    let found = house.datasets.look(&UploadId::new(upload)).await?;
    found.ok_or_else(|| Problem::not_found("upload", upload))
}

fn check_size(house: &House, size: u64) -> Result<(), Problem> {
    let max = house.settings.upload_bytes_max;
    if (1..=max).contains(&size) {
        return Ok(());
    }
    let message = format!("cannot take a table of {size} bytes: send 1 to {max}");
    let code = if size == 0 { Code::EmptySource } else { Code::TooLarge };
    Err(Problem::new(code, message))
}

fn number(headers: &HeaderMap, name: &str) -> Result<u64, Problem> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.and_then(|text| text.trim().parse().ok()).ok_or_else(|| {
        let message = format!("cannot take the upload: the header {name} must be a number");
        Problem::new(Code::BadRequest, message)
    })
}

fn broken_off(why: &str) -> Problem {
    let message = format!("the upload was broken off ({why}); ask HEAD where it goes on");
    Problem::new(Code::BadRequest, message)
}

//! Uploads, resumable by the tus protocol 1.0 (tus.io): `POST` begins one, `PATCH` appends at an
//! offset, `HEAD` tells the offset to go on from, `DELETE` gives it up. The last byte makes it a
//! version of its dataset, which every later `HEAD` and `GET` names.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, LOCATION},
    },
    web::{BytesMut, Path, Payload, Query},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tgs_protocol::{
    code::Code,
    dataset::{Appended, DatasetName, DatasetVersion, Finished, TableEnding, Upload},
    id::UploadId,
    residency::Residency,
    unit::ByteCount,
    wire::schema::{regions_pattern, table_file_pattern},
};

use super::InHouse;
use crate::{
    body,
    endpoint::{
        Endpoint,
        header::{
            self, DATASET_VERSION, TUS_EXTENSION, TUS_MAX_SIZE, TUS_RESUMABLE, TUS_VERSION,
            UPLOAD_LENGTH, UPLOAD_OFFSET,
        },
    },
    house::House,
    number,
    problem::Problem,
};

/// Bytes that are made durable at one time.
const PIECE_BYTES: usize = 4 << 20;
const PIECE_TYPE: &str = "application/offset+octet-stream";
const VERSION: (&str, &str) = ("Tus-Resumable", "1.0.0");

pub fn endpoints() -> Vec<Endpoint> {
    let [told, begun] = [
        ("describeUploads", "What of the protocol tus 1.0 is spoken."),
        ("beginUpload", "Begins the upload of a table."),
    ];
    let [looked, shown, appended, abandoned] = [
        ("getUploadOffset", "Where an upload goes on."),
        ("getUpload", "The version of a dataset that an upload became."),
        ("appendToUpload", "Appends bytes at an offset; what came before a break stays."),
        ("abandonUpload", "Gives an upload up."),
    ];
    let (all, one) = ("/v1/uploads", "/v1/uploads/{upload}");
    let tus = TUS_RESUMABLE;
    let abilities_told = [tus, TUS_VERSION, TUS_EXTENSION, TUS_MAX_SIZE];
    vec![
        Endpoint::new(Method::OPTIONS, all, told, abilities)
            .gives_nothing(204, "In the headers.")
            .with(&abilities_told),
        Endpoint::new(Method::POST, all, begun, begin)
            .query::<Named>()
            .reads(&[UPLOAD_LENGTH])
            .gives::<Upload>(201, "It may be sent.")
            .with(&[tus, header::LOCATION, UPLOAD_OFFSET])
            .refuses(&[Code::TooLarge, Code::EmptySource, Code::DiskFull, Code::OutsideRegion]),
        Endpoint::new(Method::HEAD, one, looked, offset)
            .gives_nothing(200, "In the headers.")
            .with(&[tus, UPLOAD_OFFSET, UPLOAD_LENGTH])
            .refuses(&[Code::NoSuchThing]),
        Endpoint::new(Method::GET, one, shown, show)
            .gives::<DatasetVersion>(200, "It is whole.")
            .refuses(&[Code::NoSuchThing])
            .refuses_with(StatusCode::CONFLICT, Code::BadRequest),
        Endpoint::new(Method::PATCH, one, appended, append)
            .reads(&[UPLOAD_OFFSET])
            .takes_bytes(PIECE_TYPE)
            .gives_nothing(204, "They are durable.")
            .with(&[tus, UPLOAD_OFFSET, DATASET_VERSION])
            .refuses(&[Code::NoSuchThing, Code::TooLarge, Code::DiskFull, Code::OutsideRegion])
            .refuses_with(StatusCode::CONFLICT, Code::BadRequest)
            .refuses_with(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::BadRequest),
        Endpoint::new(Method::DELETE, one, abandoned, abandon)
            .gives_nothing(204, "It is given up.")
            .with(&[tus])
            .refuses(&[Code::NoSuchThing]),
    ]
}

/// What the table will be called.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// The dataset.
    #[schemars(with = "DatasetName")]
    dataset: String,
    /// The file's name; only its ending counts.
    #[schemars(regex(pattern = table_file_pattern()))]
    file: String,
    /// Regions that it may not leave, with all that is made of it; commas between. None if it may
    /// be anywhere.
    #[schemars(regex(pattern = regions_pattern()))]
    regions: Option<String>,
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
    let (dataset, ending) = (named.dataset.parse()?, TableEnding::of_name(&named.file)?);
    let regions: Residency = named.regions.as_deref().unwrap_or_default().parse()?;
    let size = number_in(request.headers(), "Upload-Length")?;
    check_size(&house, size)?;
    regions.check(&house.region, &format!("hand in {dataset}"))?;
    regions.check_known(house.datasets.regions(), &house.region)?;
    house.desk.health().has_room("begin an upload")?;
    let upload = Upload {
        id: UploadId::new(house.ids.name()),
        dataset,
        ending,
        size: ByteCount(size),
        began_at: house.clock.now(),
        regions,
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

/// `PATCH /v1/uploads/{upload}` with `Upload-Offset`: what came before a connection broke stays.
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
    house.desk.health().has_room("append to an upload")?;
    let mut at = ByteCount(number_in(request.headers(), "Upload-Offset")?);
    let mut piece = BytesMut::new();
    loop {
        let next = body::next(&mut body).await;
        let is_last = !matches!(next, Ok(Some(_)));
        if let Ok(Some(bytes)) = &next {
            piece.extend_from_slice(bytes);
        }
        if piece.len() >= PIECE_BYTES || is_last {
            // Also after a connection broke: what came is kept, and the client asks where to go on.
            at = put(&house, &upload, at, &piece).await?;
            piece.clear();
        }
        match next {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(why) => return Err(broken_off(&why)),
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

fn number_in(headers: &HeaderMap, name: &str) -> Result<u64, Problem> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.and_then(number::read).ok_or_else(|| {
        let message = format!("cannot take the upload: the header {name} must be a number");
        Problem::new(Code::BadRequest, message)
    })
}

fn broken_off(why: &str) -> Problem {
    let message = format!("the upload was broken off ({why}); ask HEAD where it goes on");
    Problem::new(Code::BadRequest, message)
}

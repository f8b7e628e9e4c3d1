//! What a job delivered, by name: listed, looked at, and downloaded in parts.

use std::path::{Path, PathBuf};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header::ContentDisposition},
    web,
};
use tgs_protocol::{
    artifact::Manifest,
    code::Code,
    digest::Digest,
    id::JobId,
    job::{JobRow, JobState},
    request::Goal,
    unit::ByteCount,
    wire::FileView,
};

use super::InHouse;
use crate::{
    endpoint::{Endpoint, header},
    file::{CONTENT_TYPES, SealedFile},
    house::House,
    problem::Problem,
};

const REPORT: &str = "report.html";
/// What the model is called among files; a manifest does not name it.
const MODEL: &str = "model";
const MANIFEST: &str = "manifest.json";
/// Names of the files beside the table.
const REPORT_FILES: [&str; 3] = [REPORT, "report.json", MANIFEST];
/// The page's script and style are its own, and it has no part in the origin that it comes from: it
/// can neither fetch anything nor read what a browser keeps of this server.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; \
                      sandbox allow-scripts";

pub fn endpoints() -> Vec<Endpoint> {
    let [got, looked, shown] = [
        ("downloadJobFile", "A file that a job delivered, or a part of it."),
        ("headJobFile", "The headers of such a file."),
        ("getJobReport", "The report of a job, as a page."),
    ];
    let conditions = [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH];
    let told = [header::ETAG.optional(), header::ACCEPT_RANGES];
    let file = "/v1/jobs/{job}/files/{file}";
    let described = |endpoint: Endpoint| {
        endpoint
            .reads(&conditions)
            .with(&told)
            .gives_nothing(304, "It is what is known already.")
            .with(&[header::ETAG])
            .refuses(&[Code::JobNotFound, Code::NoSuchThing, Code::OutsideRegion])
            .refuses_with(StatusCode::RANGE_NOT_SATISFIABLE, Code::BadRequest)
    };
    let part = "A part of it.";
    vec![
        described(
            Endpoint::new(Method::GET, file, got, download)
                .gives_bytes(206, part, &CONTENT_TYPES)
                .with(&[told[0], told[1], header::CONTENT_RANGE])
                .gives_bytes(200, "The whole file.", &CONTENT_TYPES),
        ),
        described(
            Endpoint::new(Method::HEAD, file, looked, download)
                .gives_nothing(206, part)
                .with(&[told[0], told[1], header::CONTENT_RANGE])
                .gives_nothing(200, "The whole file."),
        ),
        described(
            Endpoint::new(Method::GET, "/v1/jobs/{job}/report", shown, report)
                .gives_bytes(206, part, &CONTENT_TYPES[..1])
                .with(&[told[0], told[1], header::CONTENT_RANGE])
                .gives_bytes(200, "The page.", &CONTENT_TYPES[..1]),
        ),
    ]
}

/// `GET` and `HEAD /v1/jobs/{job}/files/{file}`
async fn download(
    house: InHouse,
    request: HttpRequest,
    names: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (job, name) = names.into_inner();
    answer(&house, &request, &JobId::new(job), &name).await
}

/// `GET /v1/jobs/{job}/report`
async fn report(
    house: InHouse,
    request: HttpRequest,
    job: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    answer(&house, &request, &JobId::new(job.into_inner()), REPORT).await
}

async fn answer(
    house: &House,
    request: &HttpRequest,
    job: &JobId,
    name: &str,
) -> Result<HttpResponse, Problem> {
    let row = house.desk.show(job).await?;
    let found = sealed(house, &row).await?.into_iter().find(|file| file.name == name);
    let not_found = || Problem::not_found("file", name);
    let Sealed { path, digest, .. } = found.ok_or_else(not_found)?;
    let path = house.desk.fetch(job, &path).await?.ok_or_else(not_found)?;
    let file = SealedFile { name: name.to_owned(), path, digest };
    // A report is looked at, everything else is kept.
    let headers = match name {
        REPORT => vec![
            ("Content-Disposition", "inline".to_owned()),
            ("Content-Security-Policy", POLICY.to_owned()),
            ("Referrer-Policy", "no-referrer".to_owned()),
        ],
        _ => {
            let kept = ContentDisposition::attachment(format!("{job}-{name}"));
            vec![("Content-Disposition", kept.to_string())]
        }
    };
    file.answer(request, &headers).await
}

/// The files that are there.
pub async fn files(house: &House, row: &JobRow) -> Result<Vec<FileView>, Problem> {
    let view = |Sealed { name, size, digest, .. }| FileView { name, size, digest };
    Ok(sealed(house, row).await?.into_iter().map(view).collect())
}

/// A file that is there.
struct Sealed {
    name: String,
    path: PathBuf,
    size: ByteCount,
    digest: Option<Digest>,
}

/// The files that are there, each with its digest: that of the manifest, whose own is looked for.
async fn sealed(house: &House, row: &JobRow) -> Result<Vec<Sealed>, Problem> {
    let places = places(row);
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let paths: Vec<_> = places.iter().map(|place| place.path.clone()).collect();
    let sizes = house.desk.delivered(&row.id, &paths).await?;
    // Of what may not be here sizes are told, and no digests.
    let may_be_here = |_: &&Place| row.regions.allows(&house.region);
    let named = places.iter().find(|place| place.role == MANIFEST);
    let manifest = match named.filter(may_be_here) {
        Some(place) => read(house, &row.id, &place.path).await?,
        None => None,
    };
    let written: Option<Manifest> =
        manifest.as_ref().and_then(|bytes| serde_json::from_slice(bytes).ok());
    let digest = |role: &str| match role {
        MANIFEST => manifest.as_ref().map(|bytes| Digest::of(bytes)),
        MODEL => row.done.model,
        _ => {
            let mut files = written.iter().flat_map(|it| &it.files);
            files.find(|it| it.role == role).map(|it| it.digest)
        }
    };
    let file = |(Place { role, path }, size): (Place, Option<ByteCount>)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Some(Sealed { name, path, size: size?, digest: digest(role) })
    };
    Ok(places.into_iter().zip(sizes).filter_map(file).collect())
}

/// The bytes of a small file; none if it is not there.
async fn read(house: &House, job: &JobId, path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    let Some(file) = house.desk.fetch(job, path).await? else { return Ok(None) };
    Ok(web::block(move || std::fs::read(file).ok()).await.unwrap_or_default())
}

/// A file that a job may deliver: what the manifest calls it, and where it lies.
struct Place {
    role: &'static str,
    path: PathBuf,
}

/// Every such file. A job that was cancelled or failed has none, but for the log of a program.
fn places(row: &JobRow) -> Vec<Place> {
    use tgs_protocol::job::Outcome::{Failed, Published, Withheld};
    let at = |role, path: &Path| Place { role, path: path.to_owned() };
    let JobState::Ended(outcome) = &row.state else { return Vec::new() };
    match (&row.request.goal, outcome) {
        (Goal::External { folder, .. }, Published { .. } | Failed(_)) => {
            let names = row.done.run.iter().flat_map(|run| &run.files);
            names.map(|name| at("file", &folder.join(name))).collect()
        }
        (Goal::Train { model_file, .. }, Published { .. } | Withheld { .. }) => {
            vec![at(MODEL, model_file)]
        }
        (Goal::Evaluate { report, .. }, Published { .. } | Withheld { .. }) => {
            REPORT_FILES.iter().take(2).map(|name| at(name, &report.join(name))).collect()
        }
        (
            Goal::Synthesize { output, .. } | Goal::Generate { output, .. },
            Published { .. } | Withheld { .. },
        ) => {
            let table = matches!(outcome, Published { .. }).then(|| at("table", &output.table));
            let beside = REPORT_FILES.iter().map(|name| at(name, &output.report.join(name)));
            table.into_iter().chain(beside).collect()
        }
        _ => Vec::new(),
    }
}

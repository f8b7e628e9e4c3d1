//! What a job delivered, by name: listed, and downloaded with ranges.

use std::path::{Path, PathBuf};

use actix_files::NamedFile;
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, ContentDisposition, HeaderValue},
    web,
};
use tgs_protocol::{
    artifact::Manifest,
    id::JobId,
    job::{JobRow, JobState},
    request::Goal,
    unit::ByteCount,
    wire::FileView,
};

use super::InHouse;
use crate::problem::Problem;

/// Names of the files beside the table.
const REPORT_FILES: [&str; 3] = ["report.html", "report.json", "manifest.json"];

/// `GET /v1/jobs/{job}/files/{file}`
pub async fn download(
    house: InHouse,
    request: HttpRequest,
    names: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (job, name) = names.into_inner();
    let row = house.desk.show(&JobId::new(job)).await?;
    let found = places(&row).into_iter().find(|(known, _)| *known == name);
    let Some((_, path)) = found.filter(|(_, path)| path.is_file()) else {
        return Err(Problem::not_found("file", &name));
    };
    let opened = NamedFile::open_async(&path).await;
    let file = opened.map_err(|_| Problem::not_found("file", &name))?;
    // A report is looked at, everything else is kept.
    let disposition = match name.as_str() {
        "report.html" => ContentDisposition::from_raw(&HeaderValue::from_static("inline")),
        _ => Ok(ContentDisposition::attachment(format!("{}-{name}", row.id))),
    };
    let mut response = file.use_etag(true).into_response(&request);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Some(value) = disposition.ok().and_then(|it| it.to_string().parse().ok()) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The files that are there.
pub async fn files(row: &JobRow) -> Vec<FileView> {
    if !row.state.is_final() {
        return Vec::new();
    }
    let places = places(row);
    let listed = web::block(move || {
        let manifest = manifest_among(&places);
        let view = |(name, path): &(String, PathBuf)| {
            let facts = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
            // The manifest calls a table so, whatever its file's name ends in.
            let role = if name.starts_with("table.") { "table" } else { name };
            let written = manifest.iter().flat_map(|it| &it.files).find(|it| it.role == role);
            let digest = written.map(|it| it.digest);
            Some(FileView { name: name.clone(), size: ByteCount(facts.len()), digest })
        };
        places.iter().filter_map(view).collect()
    });
    listed.await.unwrap_or_default()
}

fn manifest_among(places: &[(String, PathBuf)]) -> Option<Manifest> {
    let (_, path) = places.iter().find(|(name, _)| name == "manifest.json")?;
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Every file that a job may deliver, and where. A job that was cancelled or failed has none.
fn places(row: &JobRow) -> Vec<(String, PathBuf)> {
    use tgs_protocol::job::Outcome::{Published, Withheld};
    let named = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, path.to_owned())
    };
    let JobState::Ended(outcome @ (Published { .. } | Withheld { .. })) = &row.state else {
        return Vec::new();
    };
    match &row.request.goal {
        Goal::Train { model_file, .. } => vec![named(model_file)],
        Goal::Synthesize { output, .. } | Goal::Generate { output, .. } => {
            let table = matches!(outcome, Published { .. }).then(|| named(&output.table));
            let beside = REPORT_FILES.iter().map(|name| named(&output.report.join(name)));
            table.into_iter().chain(beside).collect()
        }
    }
}

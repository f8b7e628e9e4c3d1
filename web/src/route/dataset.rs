//! Datasets: listed, shown, removed. They come in by uploads.

use actix_web::{
    HttpResponse,
    web::{Path, Query, ServiceConfig, delete, get, resource},
};
use serde::Deserialize;
use tgs_protocol::{dataset::DatasetName, limits::PAGE_ROWS_MAX, wire::PageView};

use super::InHouse;
use crate::problem::Problem;

/// Datasets on a page, if not said.
const PAGE_DATASETS: usize = 100;

pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/datasets", get().to(list))
        .service(resource("/datasets/{dataset}").route(get().to(show)))
        .service(resource("/datasets/{dataset}/versions/{version}").route(delete().to(remove)));
}

/// Which part of the list is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    page_size: Option<usize>,
    page_token: Option<DatasetName>,
}

/// `GET /v1/datasets`: the newest version of each, in order of names.
async fn list(house: InHouse, wanted: Query<Wanted>) -> Result<HttpResponse, Problem> {
    let limit = wanted.page_size.unwrap_or(PAGE_DATASETS).clamp(1, PAGE_ROWS_MAX);
    let mut items = house.datasets.datasets(wanted.page_token.as_ref(), limit + 1).await?;
    let has_more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| has_more);
    let next_page_token = last.map(|version| version.dataset.to_string());
    Ok(HttpResponse::Ok().json(PageView { items, next_page_token }))
}

/// `GET /v1/datasets/{dataset}`: every version, newest first.
async fn show(house: InHouse, dataset: Path<String>) -> Result<HttpResponse, Problem> {
    let dataset: DatasetName = dataset.parse()?;
    let items = house.datasets.versions(&dataset).await?;
    if items.is_empty() {
        return Err(Problem::not_found("dataset", dataset.as_str()));
    }
    Ok(HttpResponse::Ok().json(PageView { items, next_page_token: None }))
}

/// `DELETE /v1/datasets/{dataset}/versions/{version}`
async fn remove(house: InHouse, named: Path<(String, u32)>) -> Result<HttpResponse, Problem> {
    let (dataset, version) = named.into_inner();
    if house.datasets.remove(&dataset.parse()?, version).await? {
        return Ok(HttpResponse::NoContent().finish());
    }
    Err(Problem::not_found("dataset", &format!("{dataset}@{version}")))
}

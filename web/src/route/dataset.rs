//! Datasets: listed, shown, removed. They come in by uploads.

use actix_web::{
    HttpResponse,
    http::Method,
    web::{Path, Query},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tgs_protocol::{
    code::Code,
    dataset::{DatasetName, DatasetVersion},
    limits::PAGE_ROWS_MAX,
    wire::PageView,
};

use super::InHouse;
use crate::{endpoint::Endpoint, problem::Problem};

/// Datasets on a page, if not said.
const PAGE_DATASETS: usize = 100;

pub fn endpoints() -> Vec<Endpoint> {
    let listed = ("listDatasets", "The newest version of each dataset, in order of names.");
    let shown = ("getDataset", "Every version of a dataset, newest first.");
    let removed = ("deleteDatasetVersion", "Removes one version of a dataset.");
    let version = "/v1/datasets/{dataset}/versions/{version}";
    vec![
        Endpoint::new(Method::GET, "/v1/datasets", listed, list)
            .query::<Wanted>()
            .gives::<PageView<DatasetVersion>>(200, "A part of the list."),
        Endpoint::new(Method::GET, "/v1/datasets/{dataset}", shown, show)
            .gives::<PageView<DatasetVersion>>(200, "Every version.")
            .refuses(&[Code::NoSuchThing]),
        Endpoint::new(Method::DELETE, version, removed, remove)
            .gives_nothing(204, "It is removed.")
            .refuses(&[Code::NoSuchThing]),
    ]
}

/// Which part of the list is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Datasets on a page; more than 1,000 are taken for 1,000.
    page_size: Option<usize>,
    /// Goes on where another page ended.
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

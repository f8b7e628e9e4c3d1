//! Models: listed, shown with their lineage, and asked for a few rows at once.

use actix_web::{
    HttpResponse,
    http::{Method, header::CACHE_CONTROL},
    web::{Path, Payload, Query},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tgs_protocol::{
    code::Code,
    id::JobId,
    limits::PAGE_ROWS_MAX,
    wire::{ModelView, PageView, SampleFormat, SampleOrder, schema::JOB_PAGE_PATTERN},
};

use super::InHouse;
use crate::{body, cursor, endpoint::Endpoint, problem::Problem};

/// Models on a page, if not said.
const PAGE_MODELS: usize = 50;
/// Bytes of an order for rows: it has three short fields.
const ORDER_BYTES_MAX: usize = 4 << 10;

pub fn endpoints() -> Vec<Endpoint> {
    let [listed, shown, sampled] = [
        ("listModels", "Models that jobs trained, newest first; a page may be short."),
        ("getModel", "One model, with what it was made from and what its report says."),
        ("sampleModel", "Rows of a model, at once: those that a job with this seed would deliver."),
    ];
    let texts = [SampleFormat::Csv.content_type(), SampleFormat::Jsonl.content_type()];
    vec![
        Endpoint::new(Method::GET, "/v1/models", listed, list)
            .query::<Wanted>()
            .gives::<PageView<ModelView>>(200, "A part of the list."),
        Endpoint::new(Method::GET, "/v1/models/{model}", shown, show)
            .gives::<ModelView>(200, "The model.")
            .refuses(&[Code::NoSuchThing]),
        Endpoint::new(Method::POST, "/v1/models/{model}:sample", sampled, sample)
            .takes::<SampleOrder>()
            .gives_bytes(200, "The rows.", &texts)
            .or::<Vec<serde_json::Map<String, serde_json::Value>>>()
            .refuses(&[Code::NoSuchThing, Code::Withheld, Code::RowsOutOfRange, Code::TooLarge])
            .refuses(&[Code::OutsideRegion])
            .refuses(&[Code::Busy, Code::ModelUnreadable, Code::DeviceFailed, Code::OutOfMemory]),
    ]
}

/// Which part of the list is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Models on a page; more than 1,000 are taken for 1,000.
    page_size: Option<usize>,
    /// Goes on where another page ended.
    #[schemars(regex(pattern = JOB_PAGE_PATTERN))]
    page_token: Option<String>,
}

/// `GET /v1/models`
async fn list(house: InHouse, wanted: Query<Wanted>) -> Result<HttpResponse, Problem> {
    let Wanted { page_size, page_token } = wanted.into_inner();
    let after = page_token.as_deref().map(cursor::job).transpose()?;
    let limit = page_size.unwrap_or(PAGE_MODELS).clamp(1, PAGE_ROWS_MAX);
    let page = house.models.models(after, limit).await?;
    let items: Vec<_> = page.rows.iter().filter_map(ModelView::of).collect();
    let next_page_token = page.next.as_ref().map(cursor::of_job);
    Ok(HttpResponse::Ok().json(PageView { items, next_page_token }))
}

/// `GET /v1/models/{model}`
async fn show(house: InHouse, model: Path<String>) -> Result<HttpResponse, Problem> {
    let row = house.models.model(&JobId::new(model.as_str())).await?;
    let view = ModelView::of(&row).ok_or_else(|| Problem::not_found("model", &model))?;
    Ok(HttpResponse::Ok().json(view))
}

/// `POST /v1/models/{model}:sample`
async fn sample(
    house: InHouse,
    model: Path<String>,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let order: SampleOrder = body::order("the order of rows", body, ORDER_BYTES_MAX).await?;
    let rows = house.models.sample(&JobId::new(model.into_inner()), order).await?;
    Ok(HttpResponse::Ok()
        .content_type(order.format.content_type())
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .body(rows))
}

//! Jobs: ordered, listed, shown, cancelled, gone on with.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{Bytes, Path, Payload, Query},
};
use serde::Deserialize;
use tgs_protocol::{
    code::Code,
    desk::Terms,
    digest::Digest,
    id::JobId,
    job::{JobRow, listing::Listing},
    limits::PAGE_ROWS_MAX,
    submission::{IdempotencyKey, Submission},
    wire::{JobOrder, JobView, PageView},
};

use super::{InHouse, job_file};
use crate::{cursor, house::House, problem::Problem};

mod order;

/// Jobs on a page, if not said.
const PAGE_ROWS: usize = 50;
const KEY_HEADER: &str = "Idempotency-Key";

/// `POST /v1/jobs`
pub async fn submit(
    house: InHouse,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let key = key_of(&request)?;
    let body = whole(body, house.settings.order_bytes_max).await?;
    let order: JobOrder = serde_json::from_slice(&body).map_err(|error| {
        Problem::new(Code::BadRequest, format!("cannot read the order of a job: {error}"))
    })?;
    let submission = key.map(|key| Submission { key, body: Digest::of(&body) });
    let terms = Terms { priority: order.priority(), submission };
    let taken = house.desk.submit(order::request(&house, order).await?, terms).await?;
    let status = if taken.before { StatusCode::OK } else { StatusCode::CREATED };
    Ok(HttpResponse::build(status)
        .insert_header((LOCATION, format!("/v1/jobs/{}", taken.row.id)))
        .json(JobView::of(&taken.row)))
}

/// Which part of the list is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    state: Option<String>,
    page_size: Option<usize>,
    page_token: Option<String>,
}

/// `GET /v1/jobs`
pub async fn list(house: InHouse, wanted: Query<Wanted>) -> Result<HttpResponse, Problem> {
    let Wanted { state, page_size, page_token } = wanted.into_inner();
    let listing = Listing {
        class: state.as_deref().map(str::parse).transpose()?,
        after: page_token.as_deref().map(cursor::read).transpose()?,
        limit: page_size.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_MAX),
    };
    let page = house.desk.list(&listing).await?;
    let items: Vec<_> = page.rows.iter().map(JobView::of).collect();
    let next_page_token = page.next.as_ref().map(cursor::write);
    Ok(HttpResponse::Ok().json(PageView { items, next_page_token }))
}

/// `GET /v1/jobs/{job}`
pub async fn show(house: InHouse, job: Path<String>) -> Result<HttpResponse, Problem> {
    let row = house.desk.show(&JobId::new(job.into_inner())).await?;
    Ok(HttpResponse::Ok().json(whole_view(&house, &row).await?))
}

/// `POST /v1/jobs/{job}:cancel`
pub async fn cancel(house: InHouse, job: Path<String>) -> Result<HttpResponse, Problem> {
    let job = JobId::new(job.into_inner());
    house.desk.cancel(&job).await?;
    let row = house.desk.show(&job).await?;
    Ok(HttpResponse::Ok().json(whole_view(&house, &row).await?))
}

/// `DELETE /v1/jobs/{job}`: a job that has ended, with its model, report and table.
pub async fn forget(house: InHouse, job: Path<String>) -> Result<HttpResponse, Problem> {
    house.desk.forget(&JobId::new(job.into_inner())).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /v1/jobs/{job}:resume`
pub async fn resume(house: InHouse, job: Path<String>) -> Result<HttpResponse, Problem> {
    let job = JobId::new(job.into_inner());
    house.desk.resume(&job).await?;
    let row = house.desk.show(&job).await?;
    Ok(HttpResponse::Ok().json(whole_view(&house, &row).await?))
}

/// All that can be shown of one job.
async fn whole_view(house: &House, row: &JobRow) -> Result<JobView, Problem> {
    let mut view = JobView::of(row);
    if !row.state.is_final() {
        view.waiting = house.desk.why(&row.id).await?;
        let told = house.desk.progress().await;
        view.progress = told.into_iter().find(|(job, _)| *job == row.id).map(|(_, told)| told);
    }
    view.timeline.clone_from(&row.timeline);
    view.files = job_file::files(row).await;
    Ok(view)
}

fn key_of(request: &HttpRequest) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(key) = request.headers().get(KEY_HEADER) else { return Ok(None) };
    Ok(Some(key.to_str().unwrap_or_default().parse()?))
}

/// A body that is read as a whole, and refused as soon as it is too long.
async fn whole(body: Payload, limit: usize) -> Result<Bytes, Problem> {
    let told = |message: String| Problem::new(Code::BadRequest, message);
    match body.to_bytes_limited(limit).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(told(format!("cannot read the order of a job: {error}"))),
        Err(_) => {
            let message = format!("cannot take the order: it has more than {limit} bytes");
            Err(Problem::new(Code::TooLarge, message))
        }
    }
}

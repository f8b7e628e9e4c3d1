//! Jobs: ordered, listed, shown, cancelled, gone on with.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{ETAG, LOCATION},
    },
    web::{Path, Payload, Query},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tgs_protocol::{
    code::Code,
    desk::{Taken, Terms},
    digest::Digest,
    id::JobId,
    job::{
        JobRow,
        listing::{Listing, StateClass},
        origin::Origin,
    },
    limits::PAGE_ROWS_MAX,
    submission::{IdempotencyKey, Submission},
    unit::{Millis, Timestamp},
    wire::{JobOrder, JobView, PageView, schema::JOB_PAGE_PATTERN},
};

use super::{InHouse, job_file};
use crate::{
    body, cursor,
    endpoint::{Endpoint, header},
    etag,
    house::House,
    problem::Problem,
};

mod again;

/// Jobs on a page, if not said.
const PAGE_ROWS: usize = 50;
const KEY_HEADER: &str = "Idempotency-Key";
const BEFORE: &str = "It was taken before, by the same order with the same key.";
/// What an order may be refused for, beside its form.
const ORDER_REFUSED: [Code; 16] = [
    Code::ProgramNotAllowed,
    Code::OutsideRegion,
    Code::NoSuchRows,
    Code::RowsOutOfRange,
    Code::BadMetadata,
    Code::UnknownConstant,
    Code::BadOutputName,
    Code::KeyTaken,
    Code::NoSuchThing,
    Code::TooLarge,
    Code::JobNotFound,
    Code::Withheld,
    Code::SourceUnreadable,
    Code::EmptySource,
    Code::ModelUnreadable,
    Code::SourceChanged,
];

pub fn endpoints() -> Vec<Endpoint> {
    let [ordered, listed, shown, forgotten] = [
        ("submitJob", "Orders a job."),
        ("listJobs", "Jobs, newest first."),
        ("getJob", "One job, with its timeline and its files."),
        ("deleteJob", "Forgets a job that has ended, with its model, report and table."),
    ];
    let [cancelled, resumed, again] = [
        ("cancelJob", "Ends a job for good; one that has ended stays as it is."),
        ("resumeJob", "Goes on with a job that was suspended."),
        ("retryJob", "Does what a job asked for that failed or was cancelled, as a new job."),
    ];
    let (all, one) = ("/v1/jobs", "/v1/jobs/{job}");
    vec![
        Endpoint::new(Method::POST, all, ordered, submit)
            .reads(&[header::IDEMPOTENCY_KEY])
            .takes::<JobOrder>()
            .gives::<JobView>(201, "It stands in the store and waits for its turn.")
            .with(&[header::LOCATION, header::ETAG])
            .gives::<JobView>(200, BEFORE)
            .with(&[header::LOCATION, header::ETAG])
            .refuses(&ORDER_REFUSED),
        Endpoint::new(Method::GET, all, listed, list)
            .query::<Wanted>()
            .gives::<PageView<JobView>>(200, "A part of the list."),
        Endpoint::new(Method::GET, one, shown, show)
            .reads(&[header::IF_NONE_MATCH])
            .gives_nothing(304, "It is what is known already.")
            .with(&[header::ETAG])
            .gives::<JobView>(200, "The job.")
            .with(&[header::ETAG])
            .refuses(&[Code::JobNotFound]),
        Endpoint::new(Method::DELETE, one, forgotten, forget)
            .reads(&[header::IF_MATCH])
            .gives_nothing(204, "It is forgotten.")
            .refuses(&[Code::JobNotFound, Code::Changed])
            .refuses_with(StatusCode::CONFLICT, Code::BadRequest),
        Endpoint::new(Method::POST, "/v1/jobs/{job}:cancel", cancelled, cancel)
            .reads(&[header::IF_MATCH])
            .gives::<JobView>(200, "It has ended.")
            .with(&[header::ETAG])
            .refuses(&[Code::JobNotFound, Code::Changed, Code::Overtaken]),
        Endpoint::new(Method::POST, "/v1/jobs/{job}:resume", resumed, resume)
            .reads(&[header::IF_MATCH])
            .gives::<JobView>(200, "It waits for its turn or runs.")
            .with(&[header::ETAG])
            .refuses(&[Code::JobNotFound, Code::Changed, Code::NothingToResume]),
        Endpoint::new(Method::POST, "/v1/jobs/{job}:retry", again, retry)
            .reads(&[header::IF_MATCH, header::IDEMPOTENCY_KEY])
            .gives::<JobView>(201, "A job of its own, with `retry_of`.")
            .with(&[header::LOCATION, header::ETAG])
            .gives::<JobView>(200, BEFORE)
            .with(&[header::LOCATION, header::ETAG])
            .refuses(&ORDER_REFUSED)
            .refuses(&[Code::Changed])
            .refuses_with(StatusCode::CONFLICT, Code::BadRequest),
    ]
}

/// `POST /v1/jobs`
async fn submit(
    house: InHouse,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let key = key_of(&request)?;
    let body = body::whole("the order of a job", body, house.settings.order_bytes_max).await?;
    let order: JobOrder = body::json("the order of a job", &body)?;
    let submission = key.map(|key| Submission { key, body: Digest::of(&body) });
    taken(house.desk.order(order, submission).await?)
}

/// Which part of the list is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only jobs in this state.
    #[schemars(with = "Option<StateClass>")]
    state: Option<String>,
    /// Jobs on a page; more than 1,000 are taken for 1,000.
    page_size: Option<usize>,
    /// Goes on where another page ended.
    #[schemars(regex(pattern = JOB_PAGE_PATTERN))]
    page_token: Option<String>,
}

/// `GET /v1/jobs`
async fn list(house: InHouse, wanted: Query<Wanted>) -> Result<HttpResponse, Problem> {
    let Wanted { state, page_size, page_token } = wanted.into_inner();
    let listing = Listing {
        class: state.as_deref().map(str::parse).transpose()?,
        after: page_token.as_deref().map(cursor::job).transpose()?,
        limit: page_size.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_MAX),
    };
    let page = house.desk.list(&listing).await?;
    let items: Vec<_> = page.rows.iter().map(JobView::of).collect();
    let next_page_token = page.next.as_ref().map(cursor::of_job);
    Ok(HttpResponse::Ok().json(PageView { items, next_page_token }))
}

/// `GET /v1/jobs/{job}`
async fn show(
    house: InHouse,
    request: HttpRequest,
    job: Path<String>,
) -> Result<HttpResponse, Problem> {
    let row = house.desk.show(&JobId::new(job.into_inner())).await?;
    let answer = whole_view(&house, &row).await?;
    if etag::is_known(&request, &answer.tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, answer.tag)).finish());
    }
    Ok(answer.with_status(StatusCode::OK))
}

/// `POST /v1/jobs/{job}:cancel`
async fn cancel(
    house: InHouse,
    request: HttpRequest,
    job: Path<String>,
) -> Result<HttpResponse, Problem> {
    let job = unchanged(&house, &request, job).await?.id;
    house.desk.cancel(&job).await?;
    shown(&house, &job).await
}

/// `DELETE /v1/jobs/{job}`: a job that has ended, with its model, report and table.
async fn forget(
    house: InHouse,
    request: HttpRequest,
    job: Path<String>,
) -> Result<HttpResponse, Problem> {
    let row = unchanged(&house, &request, job).await?;
    if !row.state.is_final() {
        let message = format!("cannot forget job {}: it has not ended; cancel it first", row.id);
        return Err(Problem::with_status(StatusCode::CONFLICT, Code::BadRequest, message));
    }
    house.desk.forget(&row.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /v1/jobs/{job}:resume`
async fn resume(
    house: InHouse,
    request: HttpRequest,
    job: Path<String>,
) -> Result<HttpResponse, Problem> {
    let job = unchanged(&house, &request, job).await?.id;
    house.desk.resume(&job).await?;
    shown(&house, &job).await
}

/// `POST /v1/jobs/{job}:retry`
async fn retry(
    house: InHouse,
    request: HttpRequest,
    job: Path<String>,
) -> Result<HttpResponse, Problem> {
    let row = unchanged(&house, &request, job).await?;
    let body = Digest::of(format!("retry {}", row.id).as_bytes());
    let submission = key_of(&request)?.map(|key| Submission { key, body });
    let again = again::retried(&house, &row).await?;
    let JobRow { id, origin, priority, regions, tenant, stays_off_spot, .. } = row;
    let origin = Origin { retry_of: Some(id), ..origin };
    let terms = Terms { priority, regions, tenant, stays_off_spot, submission, origin };
    taken(house.desk.submit(again, terms).await?)
}

/// What came of an order.
fn taken(taken: Taken) -> Result<HttpResponse, Problem> {
    let status = if taken.before { StatusCode::OK } else { StatusCode::CREATED };
    let answer = Shown::of(&taken.row, &JobView::of(&taken.row))?;
    let mut response = answer.with_status(status);
    let place = format!("/v1/jobs/{}", taken.row.id).parse();
    response.headers_mut().insert(LOCATION, place.map_err(unwritable)?);
    Ok(response)
}

/// A job that is what it was when whoever asks last looked.
async fn unchanged(
    house: &House,
    request: &HttpRequest,
    job: Path<String>,
) -> Result<JobRow, Problem> {
    let row = house.desk.show(&JobId::new(job.into_inner())).await?;
    etag::check_unchanged(request, &row)?;
    Ok(row)
}

async fn shown(house: &House, job: &JobId) -> Result<HttpResponse, Problem> {
    let row = house.desk.show(job).await?;
    Ok(whole_view(house, &row).await?.with_status(StatusCode::OK))
}

/// A job as it is answered, with its tag.
struct Shown {
    body: Vec<u8>,
    tag: String,
}

impl Shown {
    fn of(row: &JobRow, view: &JobView) -> Result<Self, Problem> {
        let body = serde_json::to_vec(view).map_err(unwritable)?;
        let tag = etag::of_job(row, &body);
        Ok(Self { body, tag })
    }

    fn with_status(self, status: StatusCode) -> HttpResponse {
        let mut answer = HttpResponse::build(status);
        answer.insert_header((ETAG, self.tag)).content_type("application/json").body(self.body)
    }
}

/// All that can be shown of one job.
async fn whole_view(house: &House, row: &JobRow) -> Result<Shown, Problem> {
    let mut view = JobView::of(row);
    if !row.state.is_final() {
        view.waiting = house.desk.why(&row.id).await?;
        // Who waits makes no progress, and who runs waits for nothing.
        if view.waiting.is_some() {
            let wait = house.desk.wait(&row.id).await?;
            let at = |wait: Millis| house.clock.now().get().saturating_add(wait.get());
            view.expected_start = wait.map(|wait| Timestamp(at(wait)));
        } else {
            let mut told = house.desk.progress().await.into_iter();
            view.progress = told.find(|(job, _)| *job == row.id).map(|(_, told)| told);
        }
    }
    view.estimate_because = row.estimate.as_ref().map(|estimate| estimate.because.clone());
    view.timeline.clone_from(&row.timeline);
    view.files = job_file::files(house, row).await?;
    Shown::of(row, &view)
}

fn unwritable(error: impl std::fmt::Display) -> Problem {
    Problem::new(Code::Internal, format!("write the answer: {error}"))
}

/// The name that a sender gives its order, if it may come again.
pub(super) fn key_of(request: &HttpRequest) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(key) = request.headers().get(KEY_HEADER) else { return Ok(None) };
    Ok(Some(key.to_str().unwrap_or_default().parse()?))
}

//! Events: over SSE, or over a WebSocket where one is asked for.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{HOST, HeaderMap, ORIGIN, UPGRADE},
    web::{Data, Path, Payload, Query},
};
use serde::Deserialize;
use serde_json::json;
use tgs_protocol::{code::Code, id::JobId, unit::EventNo};

use super::InHouse;
use crate::{
    live::{
        feed::Feed,
        socket, sse,
        ticket::{TICKET_LIFE_MS, Tickets},
    },
    problem::Problem,
};

/// Where to begin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    after: Option<u64>,
}

/// Where to begin, for sockets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketFrom {
    ticket: String,
    job: Option<String>,
    after: Option<u64>,
}

/// `GET /v1/events`
pub async fn of_all(
    house: InHouse,
    request: HttpRequest,
    from: Query<From>,
) -> Result<HttpResponse, Problem> {
    let after = match begin(&request, from.after)? {
        Some(after) => after,
        // Whoever does not say wants what happens from now on.
        None => house.events.newest_event().await?,
    };
    Ok(sse::answer(Feed::new(house, None, after)))
}

/// `GET /v1/jobs/{job}/events`
pub async fn of_job(
    house: InHouse,
    request: HttpRequest,
    job: Path<String>,
    from: Query<From>,
) -> Result<HttpResponse, Problem> {
    let job = JobId::new(job.into_inner());
    house.desk.show(&job).await?;
    let after = begin(&request, from.after)?.unwrap_or_default();
    Ok(sse::answer(Feed::new(house, Some(job), after)))
}

/// `POST /v1/tickets`
pub async fn ticket(house: InHouse, tickets: Data<Tickets>) -> Result<HttpResponse, Problem> {
    let secret = house.ids.secret();
    tickets.give(secret.clone(), house.clock.monotonic());
    let seconds = TICKET_LIFE_MS / 1_000;
    Ok(HttpResponse::Created().json(json!({"ticket": secret, "expires_in_seconds": seconds})))
}

/// `GET /events/socket`: the ticket stands for the token.
pub async fn socket(
    house: InHouse,
    tickets: Data<Tickets>,
    request: HttpRequest,
    from: Query<SocketFrom>,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    let SocketFrom { ticket, job, after } = from.into_inner();
    check_origin(request.headers())?;
    if !request.headers().contains_key(UPGRADE) {
        let message = "cannot answer here but over a WebSocket; GET /v1/events answers with SSE";
        return Err(Problem::new(Code::BadRequest, message));
    }
    if !tickets.take(&ticket, house.clock.monotonic()) {
        let message = "come in: the ticket was used or is too old; POST /v1/tickets gives another";
        return Err(Problem::new(Code::Unauthorised, message));
    }
    let job = job.map(JobId::new);
    if let Some(job) = &job {
        house.desk.show(job).await?;
    }
    let after = match (after, &job) {
        (Some(after), _) => EventNo(after),
        (None, Some(_)) => EventNo(0),
        (None, None) => house.events.newest_event().await?,
    };
    socket::answer(&request, body, Feed::new(house, job, after))
}

/// The number after which to begin: of the address, or of a browser that comes back.
fn begin(request: &HttpRequest, after: Option<u64>) -> Result<Option<EventNo>, Problem> {
    let Some(last) = request.headers().get("Last-Event-ID") else {
        return Ok(after.map(EventNo));
    };
    let number = last.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(EventNo).map(Some).ok_or_else(|| {
        let message = "cannot go on with events: Last-Event-ID is no number of an event";
        Problem::new(Code::BadRequest, message)
    })
}

/// Another site's page must not open a socket here with a ticket that it got hold of.
fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(ORIGIN) else { return Ok(()) }; // No browser.
    let host = origin.split_once("://").map(|(_, host)| host);
    if host.is_some() && host == text(HOST) {
        return Ok(());
    }
    let message = format!("cannot open a WebSocket for a page of {origin}: it is another site");
    Err(Problem::new(Code::Unauthorised, message))
}

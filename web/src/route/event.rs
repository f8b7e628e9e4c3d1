//! Events: over SSE, or over a WebSocket where one is asked for.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{HOST, HeaderMap, ORIGIN, UPGRADE},
    },
    web::{Data, Path, Payload, Query},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tgs_protocol::{code::Code, event::Event, id::JobId, unit::EventNo, wire::TicketView};

use super::InHouse;
use crate::{
    endpoint::{Endpoint, header::LAST_EVENT_ID},
    live::{
        feed::Feed,
        seat::Seats,
        socket, sse,
        ticket::{TICKET_LIFE_MS, Tickets},
    },
    number,
    problem::Problem,
};

pub fn endpoints() -> Vec<Endpoint> {
    let [all, one, passed, opened] = [
        ("followEvents", "Events of all jobs as they happen; without a place, from now on."),
        ("followJobEvents", "Events of one job, from its first on, until it ends."),
        (
            "createTicket",
            "A pass for one WebSocket: a browser can send no token when it opens one.",
        ),
        ("openSocket", "The same events over a WebSocket, one JSON object a message."),
    ];
    let told = "Server-sent events; the data of each that has an id is an Event.";
    vec![
        Endpoint::new(Method::GET, "/v1/events", all, of_all)
            .query::<From>()
            .reads(&[LAST_EVENT_ID])
            .streams::<Event>(200, told)
            .refuses(&[Code::Busy]),
        Endpoint::new(Method::GET, "/v1/jobs/{job}/events", one, of_job)
            .query::<From>()
            .reads(&[LAST_EVENT_ID])
            .streams::<Event>(200, told)
            .refuses(&[Code::JobNotFound, Code::Busy]),
        Endpoint::new(Method::POST, "/v1/tickets", passed, ticket)
            .gives::<TicketView>(201, "It works once and soon."),
        Endpoint::new(Method::GET, "/events/socket", opened, socket)
            .open()
            .query::<SocketFrom>()
            .gives_nothing(101, "What follows is a WebSocket; each message is an Event.")
            .refuses(&[Code::Unauthorised, Code::JobNotFound, Code::Busy]),
    ]
}

/// Where to begin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct From {
    /// Only what came after this event.
    after: Option<u64>,
}

/// Where to begin, for sockets.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SocketFrom {
    /// Stands for the token.
    ticket: String,
    /// Only of this job.
    job: Option<String>,
    /// Only what came after this event.
    after: Option<u64>,
}

/// `GET /v1/events`
async fn of_all(
    house: InHouse,
    seats: Data<Seats>,
    request: HttpRequest,
    from: Query<From>,
) -> Result<HttpResponse, Problem> {
    let after = match begin(&request, from.after)? {
        Some(after) => after,
        // Whoever does not say wants what happens from now on.
        None => house.events.newest_event().await?,
    };
    Ok(sse::answer(Feed::new(house, seats.take()?, None, after)))
}

/// `GET /v1/jobs/{job}/events`
async fn of_job(
    house: InHouse,
    seats: Data<Seats>,
    request: HttpRequest,
    job: Path<String>,
    from: Query<From>,
) -> Result<HttpResponse, Problem> {
    let job = JobId::new(job.into_inner());
    house.desk.show(&job).await?;
    let after = begin(&request, from.after)?.unwrap_or_default();
    Ok(sse::answer(Feed::new(house, seats.take()?, Some(job), after)))
}

/// `POST /v1/tickets`
async fn ticket(house: InHouse, tickets: Data<Tickets>) -> Result<HttpResponse, Problem> {
    let secret = house.ids.secret();
    tickets.give(secret.clone(), house.clock.monotonic());
    let expires_in_seconds = TICKET_LIFE_MS / 1_000;
    Ok(HttpResponse::Created().json(TicketView { ticket: secret, expires_in_seconds }))
}

/// `GET /events/socket`: the ticket stands for the token.
async fn socket(
    house: InHouse,
    passes: Data<Tickets>,
    seats: Data<Seats>,
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
    if !passes.take(&ticket, house.clock.monotonic()) {
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
    socket::answer(&request, body, Feed::new(house, seats.take()?, job, after))
}

/// The number after which to begin: of the address, or of a browser that comes back.
fn begin(request: &HttpRequest, after: Option<u64>) -> Result<Option<EventNo>, Problem> {
    let Some(last) = request.headers().get("Last-Event-ID") else {
        return Ok(after.map(EventNo));
    };
    let number = last.to_str().ok().and_then(number::read);
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

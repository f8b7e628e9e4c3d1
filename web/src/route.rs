//! Every address of the front.

mod dataset;
mod event;
mod health;
mod job;
mod job_file;
mod metric;
mod page;
mod upload;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{JsonConfig, PathConfig, QueryConfig, ServiceConfig, get, post, resource},
};
use tgs_protocol::code::Code;

use crate::{house::House, problem::Problem};

/// What anybody may ask for.
pub fn open(config: &mut ServiceConfig) {
    config
        .route("/", get().to(page::start))
        .route("/health/live", get().to(health::live))
        .route("/health/ready", get().to(health::ready))
        .route("/health/startup", get().to(health::ready))
        .route("/events/socket", get().to(event::socket));
}

/// What is asked for with the token, below `/v1`.
pub fn closed(config: &mut ServiceConfig) {
    config
        .app_data(JsonConfig::default().error_handler(|error, _| refuse_input(&error).into()))
        .app_data(QueryConfig::default().error_handler(|error, _| refuse_input(&error).into()))
        .app_data(PathConfig::default().error_handler(|error, _| refuse_input(&error).into()))
        .service(resource("/jobs").route(post().to(job::submit)).route(get().to(job::list)))
        .service(
            resource("/jobs/{job}")
                .route(get().to(job::show))
                .route(actix_web::web::delete().to(job::forget)),
        )
        .route("/jobs/{job}:cancel", post().to(job::cancel))
        .route("/jobs/{job}:resume", post().to(job::resume))
        .route("/jobs/{job}/events", get().to(event::of_job))
        .route("/jobs/{job}/files/{file}", get().to(job_file::download))
        .route("/events", get().to(event::of_all))
        .route("/tickets", post().to(event::ticket))
        .route("/metrics", get().to(metric::show))
        .configure(dataset::routes)
        .configure(upload::routes);
}

/// An address that leads nowhere.
pub async fn nothing_here(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let (method, path) = (request.method(), request.path());
    let message = format!("nothing answers to {method} {path}; GET /v1/openapi.json names it all");
    Err(Problem::new(Code::NoSuchThing, message))
}

fn refuse_input(error: &dyn std::error::Error) -> Problem {
    Problem::new(Code::BadRequest, format!("cannot read the request: {error}"))
}

/// How handlers get at the house.
pub type InHouse = actix_web::web::Data<House>;

//! Every address of the front.

mod dataset;
mod event;
mod health;
mod job;
mod job_file;
mod metric;
mod model;
mod node;
mod notice;
mod page;
mod subscription;
mod upload;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{JsonConfig, PathConfig, QueryConfig, ServiceConfig},
};
use tgs_protocol::code::Code;

use crate::{
    endpoint::{self, Endpoint},
    house::House,
    openapi,
    problem::Problem,
};

/// All of them. Whoever adds an address adds it to one of these lists.
pub fn endpoints() -> Vec<Endpoint> {
    let all = [
        job::endpoints(),
        job_file::endpoints(),
        model::endpoints(),
        node::endpoints(),
        dataset::endpoints(),
        upload::endpoints(),
        event::endpoints(),
        subscription::endpoints(),
        notice::endpoints(),
        metric::endpoints(),
        openapi::endpoints(),
        health::endpoints(),
        page::endpoints(),
    ];
    all.into_iter().flatten().collect()
}

/// What anybody may ask for.
pub fn open(config: &mut ServiceConfig) {
    let all = endpoints().into_iter().filter(|it| it.told.is_open);
    endpoint::serve(all.collect(), "", config);
    refuse_in_our_words(config);
}

/// What is asked for with the token, below `/v1`.
pub fn closed(config: &mut ServiceConfig) {
    let all = endpoints().into_iter().filter(|it| !it.told.is_open);
    endpoint::serve(all.collect(), "/v1", config);
    refuse_in_our_words(config);
}

fn refuse_in_our_words(config: &mut ServiceConfig) {
    config
        .app_data(JsonConfig::default().error_handler(|error, _| refuse_input(&error).into()))
        .app_data(QueryConfig::default().error_handler(|error, _| refuse_input(&error).into()))
        .app_data(PathConfig::default().error_handler(|error, _| refuse_input(&error).into()));
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

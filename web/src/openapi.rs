//! The document of the REST API (OpenAPI 3.1): made of the endpoints that are served, frozen in
//! `docs/openapi.json`. Shapes come from `protocol/src/wire` and what it is made of.

mod components;
mod parameters;
mod tidying;

use std::{collections::BTreeMap, sync::OnceLock};

use actix_web::{
    HttpResponse,
    http::{Method, StatusCode},
};
use serde_json::{Map, Value, json};
use tgs_protocol::code::Code;

use self::components::Components;
use crate::{
    endpoint::{
        Endpoint,
        header::{Header, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    problem::status_of,
    route,
};

/// What any address may refuse: its input, or that the node or its store fails.
const REFUSED_ANYWHERE: [Code; 6] = [
    Code::BadRequest,
    Code::Internal,
    Code::StoreCorrupt,
    Code::CannotWrite,
    Code::DiskFull,
    Code::StoreSilent,
];

pub fn endpoints() -> Vec<Endpoint> {
    let words = ("getDocument", "This document.");
    let document = Endpoint::new(Method::GET, "/v1/openapi.json", words, show).open();
    vec![document.gives::<Map<String, Value>>(200, "The document.")]
}

/// `GET /v1/openapi.json`
async fn show() -> HttpResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document(&route::endpoints()).to_string());
    HttpResponse::Ok().content_type("application/json").body(text.as_str())
}

/// The document of these endpoints.
pub fn document(endpoints: &[Endpoint]) -> Value {
    let mut components = Components::new();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints {
        let method = endpoint.method.as_str().to_ascii_lowercase();
        let operation = operation(endpoint, &mut components);
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(method, operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "TabGraphSyn",
            "summary": "Synthetic copies of private tables.",
            "description": "Jobs that make them, the datasets they learn from, and the models \
                            they leave. Refusals are problem documents with a stable code; each \
                            code has a page under docs/errors.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "Where this document was read."}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "What `tgs up` shows at its first start.",
                },
            },
            "schemas": components.schemas(),
        },
    })
}

fn operation(endpoint: &Endpoint, components: &mut Components) -> Value {
    let told = &endpoint.told;
    let mut operation = json!({
        "operationId": told.id,
        "summary": told.summary,
        "tags": [tag(endpoint.path)],
    });
    let fields = operation.as_object_mut().expect("it is one");
    if told.is_open {
        fields.insert("security".to_owned(), json!([]));
    }
    let parameters = parameters::of(endpoint, components);
    if !parameters.is_empty() {
        fields.insert("parameters".to_owned(), parameters.into());
    }
    if let Some((content_type, shape)) = told.body {
        let schema = shape.map_or_else(|| json!({}), |shape| components.taken(shape));
        let content = json!({content_type: {"schema": schema}});
        fields.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
    }
    fields.insert("responses".to_owned(), responses(endpoint, components));
    operation
}

/// Addresses are sorted by what they are about.
fn tag(path: &'static str) -> &'static str {
    let mut parts = path.trim_start_matches("/v1").split(['/', ':']).filter(|it| !it.is_empty());
    match parts.next() {
        Some(part @ ("jobs" | "datasets" | "uploads" | "models" | "events" | "webhooks")) => part,
        Some("tickets") => "events",
        Some("mail-subscriptions" | "notices") => "notices",
        _ => "node",
    }
}

fn responses(endpoint: &Endpoint, components: &mut Components) -> Value {
    let mut all = BTreeMap::new();
    for answer in &endpoint.told.answers {
        let mut response = json!({"description": answer.what});
        if !answer.content.is_empty() {
            let mut content = Map::new();
            for (content_type, shape) in &answer.content {
                let schema = match shape {
                    // No schema tells the form of a stream; that of an event's data stands beside.
                    Some(shape) if *content_type == "text/event-stream" => {
                        json!({"type": "string", "x-event-data": components.given(*shape)})
                    }
                    Some(shape) => components.given(*shape),
                    None if content_type.starts_with("text/") => json!({"type": "string"}),
                    None => json!({}),
                };
                content.insert((*content_type).to_owned(), json!({"schema": schema}));
            }
            response["content"] = content.into();
        }
        if !answer.headers.is_empty() {
            response["headers"] = headers(&answer.headers);
        }
        all.insert(answer.status.as_str().to_owned(), response);
    }
    let has_body = endpoint.method != Method::HEAD;
    for (status, codes) in refusals(endpoint) {
        all.insert(status.as_str().to_owned(), refusal(status, &codes, has_body, components));
    }
    json!(all)
}

/// Each status with the codes that it may come with.
fn refusals(endpoint: &Endpoint) -> BTreeMap<StatusCode, Vec<Code>> {
    let Endpoint { path, told, .. } = endpoint;
    let anywhere = REFUSED_ANYWHERE.map(|code| (status_of(code), code));
    let stranger = (status_of(Code::Unauthorised), Code::Unauthorised);
    let stranger = (!told.is_open).then_some(stranger);
    // With some names an address is no address.
    let nowhere = (status_of(Code::NoSuchThing), Code::NoSuchThing);
    let nowhere = path.contains('{').then_some(nowhere);
    let own = told.refusals.iter().copied();
    let mut all: BTreeMap<StatusCode, Vec<Code>> = BTreeMap::new();
    for (status, code) in anywhere.into_iter().chain(stranger).chain(nowhere).chain(own) {
        let codes = all.entry(status).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    all
}

fn refusal(
    status: StatusCode,
    codes: &[Code],
    has_body: bool,
    components: &mut Components,
) -> Value {
    let of = |code: &Code| format!("{code}: {}", code.meaning());
    let what = codes.iter().map(of).collect::<Vec<_>>().join(" ");
    let mut response = json!({"description": what});
    if has_body {
        let schema = json!({
            "allOf": [
                components.given(crate::endpoint::shape::<tgs_protocol::wire::Problem>),
                {"properties": {"status": {"const": status.as_u16()}, "code": {"enum": codes}}},
            ],
        });
        response["content"] = json!({"application/problem+json": {"schema": schema}});
    }
    match status {
        StatusCode::UNAUTHORIZED => response["headers"] = headers(&[WWW_AUTHENTICATE]),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            response["headers"] = headers(&[RETRY_AFTER]);
        }
        _ => {}
    }
    response
}

fn headers(headers: &[Header]) -> Value {
    let one = |header: &Header| {
        let told = json!({
            "description": header.what,
            "required": header.is_always,
            "schema": parameters::schema(header.form),
        });
        (header.name.to_owned(), told)
    };
    Value::Object(headers.iter().map(one).collect())
}

#[cfg(test)]
mod tests;

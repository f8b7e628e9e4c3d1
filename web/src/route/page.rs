//! The start page: jobs with live progress, and nothing that is loaded from elsewhere.

use actix_web::{HttpResponse, http::Method};

use crate::endpoint::Endpoint;

/// One file, embedded: the page works wherever the binary does.
const PAGE: &str = include_str!("page/start.html");

/// The page's script and style are its own; nothing else may run or be loaded in it.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                      connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

pub fn endpoints() -> Vec<Endpoint> {
    let page = Endpoint::new(Method::GET, "/", ("getStartPage", "The start page."), start).open();
    vec![page.gives_bytes(200, "The page.", &["text/html; charset=utf-8"])]
}

async fn start() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Content-Security-Policy", POLICY))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .body(PAGE)
}

//! One address with one method: who answers, and what the document of the API says of it.
//!
//! Both stand in one value, and only from such values is anything served, so that no address can
//! answer that the document does not know.

pub mod header;

use actix_web::{
    FromRequest, Handler, Responder, Route,
    http::{Method, StatusCode},
    web::{ServiceConfig, resource, to},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use tgs_protocol::code::Code;

use self::header::Header;
use crate::problem::{Problem, status_of};

/// One address with one method.
pub struct Endpoint {
    pub path: &'static str,
    pub method: Method,
    route: Route,
    pub told: Operation,
}

/// What the document says of it.
pub struct Operation {
    /// Name of the function that a generated client has for it.
    pub id: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// It answers without a token.
    pub is_open: bool,
    /// Parameters of the address.
    pub query: Option<Shape>,
    /// Headers that are read.
    pub reads: Vec<Header>,
    /// What is sent: its content type, and what it looks like if it is JSON.
    pub body: Option<(&'static str, Option<Shape>)>,
    /// How it answers when it does what was asked.
    pub answers: Vec<Answer>,
    /// How it may refuse, beside what every address refuses.
    pub refusals: Vec<(StatusCode, Code)>,
}

/// A good answer.
pub struct Answer {
    pub status: StatusCode,
    pub what: &'static str,
    /// Content types, each with what it looks like if it is JSON.
    pub content: Vec<(&'static str, Option<Shape>)>,
    pub headers: Vec<Header>,
}

/// How something looks.
pub type Shape = fn(&mut SchemaGenerator) -> Schema;

/// How values of this type look.
pub fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const JSON: &str = "application/json";

impl Endpoint {
    /// Asked for with this method, answered by `handler`.
    pub fn new<F, Args>(
        method: Method,
        path: &'static str,
        (id, summary): (&'static str, &'static str),
        handler: F,
    ) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = Route::new().method(method.clone()).to(handler);
        let (query, body) = (None, None);
        let (reads, answers, refusals) = (Vec::new(), Vec::new(), Vec::new());
        let is_open = false;
        let told = Operation { id, summary, is_open, query, reads, body, answers, refusals };
        Self { path, method, route, told }
    }

    /// Needs no token.
    pub fn open(mut self) -> Self {
        self.told.is_open = true;
        self
    }

    /// Takes parameters of the address.
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.told.query = Some(T::json_schema);
        self
    }

    /// Reads these headers.
    pub fn reads(mut self, headers: &[Header]) -> Self {
        self.told.reads.extend(headers);
        self
    }

    /// Takes JSON.
    pub fn takes<T: JsonSchema>(mut self) -> Self {
        self.told.body = Some((JSON, Some(shape::<T>)));
        self
    }

    /// Takes bytes.
    pub fn takes_bytes(mut self, content_type: &'static str) -> Self {
        self.told.body = Some((content_type, None));
        self
    }

    /// Answers with JSON.
    pub fn gives<T: JsonSchema>(self, status: u16, what: &'static str) -> Self {
        self.answers(status, what, vec![(JSON, Some(shape::<T>))])
    }

    /// Answers with server-sent events; the data of each is JSON.
    pub fn streams<T: JsonSchema>(self, status: u16, what: &'static str) -> Self {
        self.answers(status, what, vec![("text/event-stream", Some(shape::<T>))])
    }

    /// Answers with something else than JSON.
    pub fn gives_bytes(self, status: u16, what: &'static str, types: &[&'static str]) -> Self {
        self.answers(status, what, types.iter().map(|content_type| (*content_type, None)).collect())
    }

    /// Answers without a body.
    pub fn gives_nothing(self, status: u16, what: &'static str) -> Self {
        self.answers(status, what, Vec::new())
    }

    fn answers(
        mut self,
        status: u16,
        what: &'static str,
        content: Vec<(&'static str, Option<Shape>)>,
    ) -> Self {
        let status = StatusCode::from_u16(status).expect("a status is written by us");
        self.told.answers.push(Answer { status, what, content, headers: Vec::new() });
        self
    }

    /// The last answer also is of this type.
    pub fn or<T: JsonSchema>(mut self) -> Self {
        if let Some(last) = self.told.answers.last_mut() {
            last.content.insert(0, (JSON, Some(shape::<T>)));
        }
        self
    }

    /// The last answer has these headers.
    pub fn with(mut self, headers: &[Header]) -> Self {
        if let Some(last) = self.told.answers.last_mut() {
            last.headers.extend(headers);
        }
        self
    }

    /// Refuses with these codes, each with the status that it has everywhere.
    pub fn refuses(mut self, codes: &[Code]) -> Self {
        self.told.refusals.extend(codes.iter().map(|code| (status_of(*code), *code)));
        self
    }

    /// Refuses with a status of its own.
    pub fn refuses_with(mut self, status: StatusCode, code: Code) -> Self {
        self.told.refusals.push((status, code));
        self
    }
}

/// Serves these; `below` is the part of their addresses that the scope around them has taken.
/// Another method at one of the addresses is refused with those that there are.
pub fn serve(endpoints: Vec<Endpoint>, below: &str, config: &mut ServiceConfig) {
    let mut groups: Vec<(&'static str, Vec<Endpoint>)> = Vec::new();
    for endpoint in endpoints {
        match groups.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, group)) => group.push(endpoint),
            None => groups.push((endpoint.path, vec![endpoint])),
        }
    }
    for (path, group) in groups {
        let methods: Vec<_> = group.iter().map(|it| it.method.as_str()).collect();
        let allowed = methods.join(", ");
        let mut all = resource(pattern(path.strip_prefix(below).unwrap_or(path)));
        for endpoint in group {
            all = all.route(endpoint.route);
        }
        config.service(all.default_service(to(move || {
            let refusal = Problem::other_method(&allowed);
            async { Err::<&str, _>(refusal) }
        })));
    }
}

/// A name in an address holds no colon: behind it stands what is to be done with it.
fn pattern(path: &str) -> String {
    path.replace('}', ":[^/:]+}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_verb_are_told_apart() {
        assert_eq!(pattern("/jobs/{job}:cancel"), "/jobs/{job:[^/:]+}:cancel");
        assert_eq!(pattern("/metrics"), "/metrics");
    }
}

//! A client of a server: asks over HTTP, tells what went wrong in the server's own words.

mod transfer;

use std::{
    env,
    io::{BufRead, BufReader},
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::Value;
use tgs_protocol::{code::Code, event::Event, id::JobId, job::Outcome, unit::EventNo};
use ureq::{Agent, Body, http::Response};

use crate::failure::Failure;

/// How long a server may take to answer; events come when they come.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// How long to wait before a lost connection is opened again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often in a row a lost connection is opened again in vain.
const AGAIN_MAX: u32 = 120;

/// A server and the right to come in.
pub struct Client {
    agent: Agent,
    base: String,
    token: String,
}

/// What is asked.
pub enum Ask<'a> {
    Get,
    /// With a body, and the key of an order.
    Post(&'a [u8], Option<&'a str>),
}

impl Client {
    /// The server at this URL, with the token of TGS_TOKEN.
    pub fn new(base: &str) -> Result<Self, Failure> {
        let token = env::var("TGS_TOKEN").map_err(|_| {
            let remedy = "set TGS_TOKEN to the token that `tgs up` showed at its first start";
            Failure::new(Code::Unauthorised, format!("ask the server {base}: {remedy}"))
        })?;
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(ANSWER_WAIT))
            .timeout_recv_response(Some(ANSWER_WAIT))
            .build()
            .into();
        Ok(Self { agent, base: base.trim_end_matches('/').to_owned(), token })
    }

    /// Asks, and reads the answer.
    pub fn ask<T: DeserializeOwned>(&self, path: &str, ask: Ask<'_>) -> Result<T, Failure> {
        let mut answer = self.send(path, ask, None)?;
        answer.body_mut().read_json().map_err(|error| self.lost(path, &error.to_string()))
    }

    /// Every event of a job, each once and in order, until it ends; a lost connection is opened
    /// again where it broke.
    pub fn watch(&self, job: &JobId, mut hear: impl FnMut(Heard)) -> Result<Outcome, Failure> {
        let path = format!("/v1/jobs/{job}/events");
        let (mut last, mut lost) = (EventNo(0), 0);
        loop {
            let before = last;
            let heard = self.send(&path, Ask::Get, Some(last)).and_then(|answer| {
                let body = BufReader::new(answer.into_body().into_reader());
                self.hear(body, &mut last, &mut hear)
            });
            match heard {
                Ok(Some(outcome)) => return Ok(outcome),
                Err(failure) if failure.code != Code::ServerLost => return Err(failure),
                Err(failure) if lost >= AGAIN_MAX => return Err(failure),
                // An end that was never told as an event: of a job that an older version ended.
                Ok(None) if lost >= AGAIN_MAX => {
                    return Err(self.lost(&path, "the stream ends without the job's end"));
                }
                _ => {}
            }
            lost = if last > before { 0 } else { lost + 1 };
            std::thread::sleep(AGAIN_AFTER);
        }
    }

    fn hear(
        &self,
        body: impl BufRead,
        last: &mut EventNo,
        hear: &mut impl FnMut(Heard),
    ) -> Result<Option<Outcome>, Failure> {
        for line in body.lines() {
            let line = line.map_err(|error| self.lost("events", &error.to_string()))?;
            let Some(data) = line.strip_prefix("data: ") else { continue };
            match serde_json::from_str::<Event>(data) {
                Ok(event) => {
                    *last = event.no;
                    let outcome = match &event.what {
                        tgs_protocol::event::Happening::Ended(outcome) => Some(outcome.clone()),
                        _ => None,
                    };
                    hear(Heard::Event(event));
                    if outcome.is_some() {
                        return Ok(outcome);
                    }
                }
                Err(_) => {
                    if let Ok(told) = serde_json::from_str(data) {
                        hear(Heard::Progress(told));
                    }
                }
            }
        }
        Ok(None)
    }

    fn send(
        &self,
        path: &str,
        ask: Ask<'_>,
        last: Option<EventNo>,
    ) -> Result<Response<Body>, Failure> {
        let url = format!("{}{path}", self.base);
        let bearer = format!("Bearer {}", self.token);
        let answered = match ask {
            Ask::Get => {
                let mut asked = self.agent.get(&url).header("Authorization", &bearer);
                if let Some(last) = last {
                    asked = asked.header("Last-Event-ID", last.to_string());
                }
                asked.call()
            }
            Ask::Post(body, key) => {
                let mut asked = self.agent.post(&url).header("Authorization", &bearer);
                if let Some(key) = key {
                    asked = asked.header("Idempotency-Key", key);
                }
                asked.content_type("application/json").send(body)
            }
        };
        self.accepted(path, answered)
    }

    /// The answer, unless it is a refusal: that is told in the server's own words.
    fn accepted(
        &self,
        path: &str,
        answered: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, Failure> {
        let mut answer = answered.map_err(|error| self.lost(path, &error.to_string()))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (status, url) = (answer.status(), format!("{}{path}", self.base));
        let problem: Value = answer.body_mut().read_json().unwrap_or_default();
        let code = problem["code"].as_str().and_then(|code| code.parse().ok());
        let told = problem["detail"].as_str().map(str::to_owned);
        let message = told.unwrap_or_else(|| format!("{url} answered {status}"));
        Err(Failure::new(code.unwrap_or(Code::Internal), message))
    }

    fn lost(&self, what: &str, error: &str) -> Failure {
        let base = &self.base;
        let message = format!("ask {base} for {what}: {error}; is `tgs up` running there?");
        Failure::new(Code::ServerLost, message)
    }
}

/// What is heard of a job.
pub enum Heard {
    Event(Event),
    Progress(Value),
}

//! Whether this machine will be taken away: asked of its provider's metadata service, or of a file.
//!
//! | provider | what it says | how long before |
//! |---|---|---|
//! | AWS (IMDSv2) | `spot/instance-action` is there | 2 minutes |
//! | Google Cloud | `instance/preempted` is `TRUE` | 30 seconds |
//! | Azure | a scheduled event `Preempt` or `Terminate` of this machine | 30 seconds, or more |
//! | a file | it is there; its first line says why | as long as whoever made it gives |

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Method, Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tgs_protocol::{
    code::Code,
    interruption::{Interruption, InterruptionSource},
    refusal::Refusal,
};
use tokio::{
    net::TcpStream,
    sync::{Mutex, OnceCell},
};

/// The service is on this very machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: usize = 64 << 10;
const LINK_LOCAL: &str = "169.254.169.254:80";
/// For so long a pass of AWS is valid; a refused one is renewed.
const PASS_SECONDS: &str = "21600";
const NAME_OF_AZURE: &str = "/metadata/instance/compute/name?api-version=2021-02-01&format=text";
const EVENTS_OF_AZURE: &str = "/metadata/scheduledevents?api-version=2020-07-01";

/// Whom the setting names: `aws`, `gcp`, `azure`, each with `=HOST:PORT` for a service elsewhere,
/// or `file:PATH`.
///
/// # Errors
/// `BadRequest` with what would be right.
pub fn source(named: &str) -> Result<Arc<dyn InterruptionSource>, Refusal> {
    if let Some(path) = named.strip_prefix("file:").filter(|path| !path.is_empty()) {
        return Ok(Arc::new(File(PathBuf::from(path))));
    }
    let (provider, place) = named.split_once('=').unwrap_or((named, LINK_LOCAL));
    let service = Service(place.to_owned());
    match provider {
        "aws" => Ok(Arc::new(Aws { service, pass: Mutex::default() })),
        "gcp" if place == LINK_LOCAL => {
            Ok(Arc::new(Gcp(Service("metadata.google.internal:80".to_owned()))))
        }
        "gcp" => Ok(Arc::new(Gcp(service))),
        "azure" => Ok(Arc::new(Azure { service, name: OnceCell::new() })),
        _ => {
            let message = format!(
                "read the setting `spot`: {named:?} is none; write aws, gcp, azure or file:PATH"
            );
            Err(Refusal::new(Code::BadRequest, message))
        }
    }
}

struct File(PathBuf);

#[async_trait]
impl InterruptionSource for File {
    async fn look(&self) -> Result<Option<Interruption>, String> {
        match tokio::fs::read_to_string(&self.0).await {
            Ok(text) => {
                let said = text.lines().next().unwrap_or_default().trim();
                let place = self.0.display();
                Ok(Some(Interruption(format!("{place} says that this machine goes ({said})"))))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("read {}: {error}", self.0.display())),
        }
    }
}

struct Aws {
    service: Service,
    /// What its service gives out to be asked with (IMDSv2).
    pass: Mutex<Option<String>>,
}

#[async_trait]
impl InterruptionSource for Aws {
    async fn look(&self) -> Result<Option<Interruption>, String> {
        let mut pass = self.pass.lock().await;
        if pass.is_none() {
            let headers = [("x-aws-ec2-metadata-token-ttl-seconds", PASS_SECONDS)];
            let (status, body) =
                self.service.ask(Method::PUT, "/latest/api/token", &headers).await?;
            if status != 200 {
                return Err(self.service.refused(status, &body));
            }
            *pass = Some(body);
        }
        let headers = [("x-aws-ec2-metadata-token", pass.as_deref().unwrap_or_default())];
        let path = "/latest/meta-data/spot/instance-action";
        match self.service.ask(Method::GET, path, &headers).await? {
            (200, action) => Ok(Some(Interruption(format!("AWS takes this machine: {action}")))),
            (404, _) => Ok(None),
            (status, body) => {
                *pass = None;
                Err(self.service.refused(status, &body))
            }
        }
    }
}

struct Gcp(Service);

#[async_trait]
impl InterruptionSource for Gcp {
    async fn look(&self) -> Result<Option<Interruption>, String> {
        let headers = [("metadata-flavor", "Google")];
        let path = "/computeMetadata/v1/instance/preempted";
        match self.0.ask(Method::GET, path, &headers).await? {
            (200, said) if said.trim().eq_ignore_ascii_case("true") => {
                Ok(Some(Interruption("Google Cloud preempts this machine".to_owned())))
            }
            (200, _) => Ok(None),
            (status, body) => Err(self.0.refused(status, &body)),
        }
    }
}

struct Azure {
    service: Service,
    /// This machine's among those whose events are told.
    name: OnceCell<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Scheduled {
    #[serde(default)]
    events: Vec<ScheduledEvent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduledEvent {
    event_type: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    not_before: String,
}

impl Azure {
    async fn said(&self, path: &str) -> Result<String, String> {
        match self.service.ask(Method::GET, path, &[("metadata", "true")]).await? {
            (200, body) => Ok(body),
            (status, body) => Err(self.service.refused(status, &body)),
        }
    }
}

#[async_trait]
impl InterruptionSource for Azure {
    async fn look(&self) -> Result<Option<Interruption>, String> {
        let name = self.name.get_or_try_init(|| self.said(NAME_OF_AZURE)).await?;
        let said = self.said(EVENTS_OF_AZURE).await?;
        let scheduled: Scheduled = serde_json::from_str(&said)
            .map_err(|error| format!("read the events of {}: {error}", self.service.0))?;
        let mut events = scheduled.events.into_iter();
        let ours = events.find(|event| {
            matches!(event.event_type.as_str(), "Preempt" | "Terminate")
                && event.resources.iter().any(|machine| machine == name)
        });
        Ok(ours.map(|event| {
            let ScheduledEvent { event_type, not_before, .. } = event;
            Interruption(format!("Azure takes this machine: {event_type} at {not_before}"))
        }))
    }
}

/// A metadata service: `host:port`, plain HTTP as all of them are.
struct Service(String);

impl Service {
    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(u16, String), String> {
        let asked = tokio::time::timeout(ANSWER_LIMIT, self.exchange(method, path, headers)).await;
        match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(format!("ask the metadata service {}: {error}", self.0)),
            Err(_) => Err(format!("ask the metadata service {}: it does not answer", self.0)),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(u16, String), Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.0).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let host = self.0.strip_suffix(":80").unwrap_or(&self.0);
        let mut request = Request::builder().method(method).uri(path).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await?;
        connection.abort();
        Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    }

    fn refused(&self, status: u16, body: &str) -> String {
        let said: String = body.chars().take(200).collect();
        format!("ask the metadata service {}: it answers {status} ({said})", self.0)
    }
}

#[cfg(test)]
mod tests;

//! Notices over HTTP: one signed POST per attempt, as Standard Webhooks 1.0 says.
//!
//! A subscriber names any address, so this is where the server could be made to knock at doors of
//! its own network. For every attempt the name is looked up anew, addresses that are not public are
//! refused ([`address`]), and the connection goes to the very address that was looked at. No
//! redirect is followed, no proxy is asked, and of the answer little is read.

pub mod address;
mod answer;
mod connect;
pub mod sign;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use http_body_util::Full;
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tgs_protocol::notification::{
    Channel, Notice, Receipt, Target, Undelivered, WebhookUrl, channel::Again,
};
use tokio_rustls::{TlsConnector, rustls::ClientConfig};

use self::{address::Reach, connect::Stream};

/// What we call ourselves.
const AGENT: &str = concat!("TabGraphSyn/", env!("CARGO_PKG_VERSION"));

/// Sends notices to addresses of the web.
pub struct Webhook {
    reach: Reach,
    tls: TlsConnector,
}

impl Webhook {
    /// Trusts the certificates of Mozilla's list, and those of a PEM file beside them.
    ///
    /// # Errors
    /// If the file cannot be read or holds none; in words.
    pub fn new(reach: Reach, more_roots: Option<&Path>) -> Result<Self, String> {
        let config = connect::tls(more_roots)?;
        Ok(Self::over(reach, config))
    }

    fn over(reach: Reach, config: ClientConfig) -> Self {
        Self { reach, tls: TlsConnector::from(Arc::new(config)) }
    }
}

#[async_trait]
impl Channel for Webhook {
    async fn send(&self, notice: &Notice) -> Result<Receipt, Undelivered> {
        let Target::Webhook { url, .. } = &notice.target else {
            return Err(never("send a webhook: the notice is not for one; please report it"));
        };
        let body = serde_json::to_vec(&notice.envelope)
            .map_err(|error| never(format!("write the notice as JSON: {error}")))?;
        let request = request(notice, url, body)?;
        match connect::open(url, self.reach, &self.tls).await? {
            Stream::Plain(stream) => exchange(stream, request).await,
            Stream::Tls(stream) => exchange(stream, request).await,
        }
    }
}

fn request(
    notice: &Notice,
    url: &WebhookUrl,
    body: Vec<u8>,
) -> Result<Request<Full<Bytes>>, Undelivered> {
    let url = url.url();
    let seconds = notice.at.get() / 1_000;
    let signature = sign::signatures(&notice.secrets(), &notice.id, seconds, &body);
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    Request::post(format!("{}{query}", url.path()))
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, AGENT)
        .header(header::CONNECTION, "close")
        .header("webhook-id", &notice.id)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", signature)
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| never(format!("make the request: {error}")))
}

/// Sends and reads the answer's head; the connection ends with this.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Receipt, Undelivered>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let broken = |error: hyper::Error| {
        Undelivered::unanswered(format!("the connection broke: {}", innermost(&error)))
    };
    let opened = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(broken)?;
    let asked = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        answer::of(answer).await
    };
    // The connection moves the bytes; it is dropped once the answer is known.
    tokio::pin!(asked);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        answered = &mut asked => answered,
        ended = &mut connection => match ended {
            Ok(()) => asked.await,
            Err(error) => Err(broken(error)),
        }
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(deeper) = inner.source() {
        inner = deeper;
    }
    inner.to_string()
}

fn never(why: impl Into<String>) -> Undelivered {
    Undelivered { status: None, why: why.into(), again: Again::Never }
}

#[cfg(test)]
mod tests;

//! A connection to an address that was looked at, with TLS where its address of the web says so.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tgs_protocol::notification::{Undelivered, WebhookUrl};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, crypto,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use url::{Host, Url};

use super::address::Reach;

/// How long one address may take to answer before the next one of the name is tried.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);

/// An open connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects; what was looked up is connected to, and nothing else.
pub(super) async fn open(
    url: &WebhookUrl,
    reach: Reach,
    tls: &TlsConnector,
) -> Result<Stream, Undelivered> {
    let url = url.url();
    let stream = connect(&addresses(url, reach).await?).await?;
    let _ = stream.set_nodelay(true);
    if url.scheme() == "http" {
        return Ok(Stream::Plain(stream));
    }
    let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let named = ServerName::try_from(name.clone()).map_err(|error| {
        Undelivered::unanswered(format!("{name} is no name of a server: {error}"))
    })?;
    let greeted = tls.connect(named, stream).await;
    let stream = greeted
        .map_err(|error| Undelivered::unanswered(format!("no secure connection: {error}")))?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// Where a name leads now, of what may be reached.
async fn addresses(url: &Url, reach: Reach) -> Result<Vec<SocketAddr>, Undelivered> {
    let port = url.port_or_known_default().unwrap_or(443);
    let found = match url.host() {
        Some(Host::Ipv4(address)) => vec![SocketAddr::from((address, port))],
        Some(Host::Ipv6(address)) => vec![SocketAddr::from((address, port))],
        Some(Host::Domain(name)) => {
            let looked_up = lookup_host((name, port)).await;
            let told = |error| Undelivered::unanswered(format!("look up {name}: {error}"));
            looked_up.map_err(told)?.collect()
        }
        None => Vec::new(),
    };
    let permitted: Vec<_> = found.iter().copied().filter(|it| reach.permits(it.ip())).collect();
    if permitted.is_empty() {
        let host = url.host_str().unwrap_or_default();
        let said = match found.first() {
            Some(address) => format!(
                "{host} leads to {}, which is not a public address; the operator of this server \
                 may permit it with notify_private",
                address.ip()
            ),
            None => format!("look up {host}: it leads nowhere"),
        };
        return Err(Undelivered::unanswered(said));
    }
    Ok(permitted)
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Undelivered> {
    let mut trouble = String::new();
    for address in addresses {
        match timeout(CONNECT_LIMIT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => trouble = format!("connect to {address}: {error}"),
            Err(_) => trouble = format!("connect to {address}: no answer"),
        }
    }
    Err(Undelivered::unanswered(trouble))
}

/// Mozilla's list of certificates, and those of a PEM file.
pub(super) fn tls(more_roots: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(file) = more_roots {
        let told = |error: &dyn std::fmt::Display| {
            format!("read certificates from {}: {error}; name a PEM file", file.display())
        };
        let read = CertificateDer::pem_file_iter(file).map_err(|error| told(&error))?;
        let mut count = 0;
        for certificate in read {
            let certificate = certificate.map_err(|error| told(&error))?;
            roots.add(certificate).map_err(|error| told(&error))?;
            count += 1;
        }
        if count == 0 {
            return Err(told(&"it holds none"));
        }
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("make TLS ready: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

//! Connections between nodes: mutual TLS, so that both ends are of this cluster, over sockets that
//! say within seconds that nobody is there any more.

use std::{fmt, io, sync::Arc, time::Duration};

use ractor::ActorRef;
use ractor_cluster::{NetworkStream, NodeServerMessage};
use rustix::net::sockopt;
use tgs_protocol::limits::{LINK_OPEN_MS, LINK_PROBE_MS, LINK_SILENT_MS};
use tokio::{
    net::{TcpListener, TcpStream, lookup_host},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        self, ClientConfig, RootCertStore, ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
        server::WebPkiClientVerifier,
        version::TLS13,
    },
};

/// Every node of a cluster has this name in its certificate: which one it is, it says itself.
pub const CERTIFIED_NAME: &str = "node.tgs";
/// Strangers who say nothing keep nobody waiting who comes after so many of them.
const GREETED_AT_ONCE: usize = 64;
/// From one look whether somebody listens to the next.
const PROBE_AGAIN: Duration = Duration::from_millis(50);
/// After the machine had no descriptor for one more.
const REST: Duration = Duration::from_millis(100);

/// What lets a node have links to others, and others to it.
#[derive(Clone)]
pub struct LinkKeys {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    /// Tells clusters apart whose certificates are of one authority.
    pub(super) secret: String,
}

impl fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkKeys").finish_non_exhaustive()
    }
}

/// Why files are no keys.
#[derive(Debug, thiserror::Error)]
pub enum LinkKeysError {
    /// Text that holds no certificate or no key.
    #[error("what should be PEM is none: {0}")]
    NoPem(String),
    /// They do not belong together.
    #[error("certificate, key and authority do not go together: {0}")]
    Unfit(String),
}

impl LinkKeys {
    /// From PEM: the certificate of the authority, that of the node, and its key.
    ///
    /// # Errors
    /// Where one is none, or they do not belong together.
    pub fn of_pem(
        authority: &[u8],
        certificate: &[u8],
        key: &[u8],
        secret: &str,
    ) -> Result<Self, LinkKeysError> {
        let no_pem = |error: &dyn fmt::Display| LinkKeysError::NoPem(error.to_string());
        let unfit = |error: &dyn fmt::Display| LinkKeysError::Unfit(error.to_string());
        let certificates = |text: &[u8]| {
            let all = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
            all.map_err(|error| no_pem(&error))
        };
        let mut roots = RootCertStore::empty();
        for root in certificates(authority)? {
            roots.add(root).map_err(|error| unfit(&error))?;
        }
        let (roots, chain) = (Arc::new(roots), certificates(certificate)?);
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| no_pem(&error))?;
        let provider = Arc::new(default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build();
        let verifier = verifier.map_err(|error| unfit(&error))?;
        let tls = |error: rustls::Error| unfit(&error);
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(tls)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(tls)?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(tls)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(tls)?;
        let (acceptor, connector) = (Arc::new(server).into(), Arc::new(client).into());
        Ok(Self { acceptor, connector, secret: secret.to_owned() })
    }
}

/// Hands every connection to the server of links that comes from a node of this cluster. Strangers
/// hear nothing, and hold up nobody.
pub(super) async fn accept(
    listener: TcpListener,
    keys: LinkKeys,
    server: ActorRef<NodeServerMessage>,
) {
    let room = Arc::new(Semaphore::new(GREETED_AT_ONCE));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let Ok((stream, peer)) = listener.accept().await else {
            sleep(REST).await;
            continue;
        };
        let (keys, server) = (keys.clone(), server.clone());
        tokio::spawn(async move {
            let greeted = timeout(Duration::from_millis(LINK_OPEN_MS), greet(stream, &keys)).await;
            drop(place);
            match greeted {
                Ok(Ok(stream)) => hand_in(stream, true, &server),
                Ok(Err(error)) => tracing::warn!(%peer, %error, "a stranger was turned away"),
                Err(_) => tracing::info!(%peer, "somebody connected and said nothing"),
            }
        });
    }
}

async fn greet(stream: TcpStream, keys: &LinkKeys) -> io::Result<NetworkStream> {
    harden(&stream)?;
    let (peer_addr, local_addr) = (stream.peer_addr()?, stream.local_addr()?);
    let stream = keys.acceptor.accept(stream).await?;
    Ok(NetworkStream::TlsServer { peer_addr, local_addr, stream })
}

/// Connects to a node of this cluster, and hands the connection in.
pub(super) async fn dial(
    address: &str,
    keys: &LinkKeys,
    server: &ActorRef<NodeServerMessage>,
) -> io::Result<()> {
    let reach = async {
        let stream = TcpStream::connect(address).await?;
        harden(&stream)?;
        let (peer_addr, local_addr) = (stream.peer_addr()?, stream.local_addr()?);
        let name = ServerName::try_from(CERTIFIED_NAME).map_err(io::Error::other)?;
        let stream = keys.connector.connect(name, stream).await?;
        io::Result::Ok(NetworkStream::TlsClient { peer_addr, local_addr, stream })
    };
    let stream = timeout(Duration::from_millis(LINK_OPEN_MS), reach).await;
    hand_in(stream.map_err(|_| io::ErrorKind::TimedOut)??, false, server);
    Ok(())
}

fn hand_in(stream: NetworkStream, is_server: bool, server: &ActorRef<NodeServerMessage>) {
    let stream = Box::new(stream);
    let _ = server.cast(NodeServerMessage::ConnectionOpened { stream, is_server });
}

/// Whether the machine there says that nobody listens, at any address of this name. Where nothing
/// is heard nobody knows.
pub(super) async fn is_nobody_there(address: &str) -> bool {
    // A process that is killed gives its sockets up one after the other.
    let looks = async {
        loop {
            match is_refused(address).await {
                None => sleep(PROBE_AGAIN).await,
                Some(is_refused) => return is_refused,
            }
        }
    };
    timeout(Duration::from_millis(LINK_PROBE_MS), looks).await.unwrap_or(false)
}

/// None if somebody listens.
async fn is_refused(address: &str) -> Option<bool> {
    let Ok(all) = lookup_host(address).await else { return Some(false) };
    let mut is_refused = false;
    for one in all {
        match TcpStream::connect(one).await {
            Ok(_) => return None,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => is_refused = true,
            Err(_) => return Some(false),
        }
    }
    Some(is_refused)
}

/// Whether somebody listens there.
pub(super) async fn is_somebody_there(address: &str) -> bool {
    let reach = TcpStream::connect(address);
    timeout(Duration::from_millis(LINK_PROBE_MS), reach).await.is_ok_and(|it| it.is_ok())
}

/// Without these a socket believes for a quarter of an hour in a machine that is gone.
fn harden(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let silent = u32::try_from(LINK_SILENT_MS).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(stream, silent)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_millis(LINK_SILENT_MS / 2))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(1))?;
    Ok(())
}

/// The port of the node, for another actor that accepts there.
pub(super) fn listen(listener: &std::net::TcpListener) -> io::Result<TcpListener> {
    let again = listener.try_clone()?;
    again.set_nonblocking(true)?;
    TcpListener::from_std(again)
}

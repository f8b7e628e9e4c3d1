//! Connections between nodes: mutual TLS, so that both ends are of this cluster, over sockets that
//! say within seconds that nobody is there any more.

use std::{io, sync::Arc, time::Duration};

use ractor::ActorRef;
use ractor_cluster::{NetworkStream, NodeServerMessage};
use rustix::net::sockopt;
use tgs_protocol::limits::{LINK_OPEN_MS, LINK_PROBE_MS, LINK_SILENT_MS};
use tokio::{
    net::{TcpListener, TcpStream, lookup_host},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::rustls::pki_types::ServerName;

use super::{CERTIFIED_NAME, LinkKeys};

/// Strangers who say nothing keep nobody waiting who comes after so many of them.
const GREETED_AT_ONCE: usize = 64;
/// From one look whether somebody listens to the next.
const PROBE_AGAIN: Duration = Duration::from_millis(50);
/// After the machine had no descriptor for one more.
const REST: Duration = Duration::from_millis(100);

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
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    tracing::info!(%peer, "somebody connected and left");
                }
                Ok(Err(error)) => tracing::warn!(%peer, %error, "a stranger was turned away"),
                Err(_) => tracing::info!(%peer, "somebody connected and said nothing"),
            }
        });
    }
}

async fn greet(stream: TcpStream, keys: &LinkKeys) -> io::Result<NetworkStream> {
    harden(&stream)?;
    let (peer_addr, local_addr) = (stream.peer_addr()?, stream.local_addr()?);
    let stream = keys.acceptor().accept(stream).await?;
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
        let stream = keys.connector().connect(name, stream).await?;
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

//! The server: opened on an address, answering until it is told to stop.

use std::{any::Any, io, net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    middleware::{DefaultHeaders, from_fn},
    rt::net::TcpStream,
    web::Data,
};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::task::JoinHandle;

use crate::{
    discretion, guard,
    house::House,
    live::{seat::Seats, ticket::Tickets},
    pace, route,
};

/// Limits of the front.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Bytes of one order.
    pub order_bytes_max: usize,
    /// Bytes of one table that is handed in.
    pub upload_bytes_max: u64,
    /// Connections at one time.
    pub connections_max: usize,
    /// Threads that answer.
    pub threads: usize,
}

/// How long a client may take to send the head of its request.
const HEAD_WAIT: Duration = Duration::from_secs(10);
/// How long a connection lives whose other end takes nothing that is sent to it.
const TAKES_NOTHING_MS: u32 = 60_000;
/// How long answers that are under way may take once the server is to stop.
const LAST_ANSWERS_SECONDS: u64 = 5;

/// A running server.
pub struct Server {
    handle: ServerHandle,
    address: SocketAddr,
    task: JoinHandle<io::Result<()>>,
}

/// Why it could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}: {source}; name another address with --listen")]
pub struct ServeError {
    address: SocketAddr,
    source: io::Error,
}

/// Opens the front of a node. Must be called inside a tokio runtime.
///
/// # Errors
/// If the address is taken or not this machine's.
pub fn serve(house: House) -> Result<Server, ServeError> {
    let Settings { listen, connections_max, threads, .. } = house.settings.clone();
    let refuse = |source| ServeError { address: listen, source };
    let (house, tickets) = (Data::from(Arc::new(house)), Data::new(Tickets::default()));
    // Of all connections half may be watchers, which stay.
    let seats = Data::new(Seats::new(connections_max / 2));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(house.clone())
            .app_data(tickets.clone())
            .app_data(seats.clone())
            .wrap(from_fn(pace::measure))
            .wrap(DefaultHeaders::new().add(("X-Content-Type-Options", "nosniff")))
            .configure(route::open)
            .service(
                actix_web::web::scope("/v1")
                    .wrap(from_fn(guard::admit))
                    .wrap(from_fn(discretion::keep))
                    .configure(route::closed),
            )
            .default_service(actix_web::web::to(route::nothing_here))
    })
    .workers(threads)
    // The limit of actix-web is one of each of its threads.
    .max_connections((connections_max / threads.max(1)).max(1))
    .on_connect(|connection, _| send_away_who_takes_nothing(connection))
    .client_request_timeout(HEAD_WAIT)
    .shutdown_timeout(LAST_ANSWERS_SECONDS)
    .disable_signals()
    .bind(listen)
    .map_err(refuse)?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    let server = server.run();
    let handle = server.handle();
    Ok(Server { handle, address, task: tokio::spawn(server) })
}

/// A client that opens a stream and reads nothing holds a connection and a buffer for as long as
/// its machine lives. The kernel ends it: `TCP_USER_TIMEOUT` (RFC 5482) also counts the time in
/// which the other end has no room.
fn send_away_who_takes_nothing(connection: &dyn Any) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    if let Err(error) = set_tcp_user_timeout(stream, TAKES_NOTHING_MS) {
        tracing::debug!(%error, "a connection without a limit of silence");
    }
}

impl Server {
    /// Where it listens, with the port that it got.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes nothing more, ends what is under way, then returns.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the server did not end by itself");
        }
    }
}

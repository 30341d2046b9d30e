//! Connections: how many, how long their heads may take, and how they end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tower::Service;

/// How long running requests may take to finish after a stop was asked for.
pub const GRACE: Duration = Duration::from_secs(20);
/// For the head of a request, the wait for it on a kept connection included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// More callers wait until a connection ends.
const MAX_CONNECTIONS: u32 = 8_192;
/// After a failed accept (no file handles left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What one address answers.
#[derive(Clone)]
pub struct Served {
    /// Asked for most by far, so no page's routes are looked through first.
    pub under_v1: Router,
    pub elsewhere: Router,
}

impl From<Router> for Served {
    fn from(everything: Router) -> Served {
        Served { under_v1: everything.clone(), elsewhere: everything }
    }
}

impl hyper::service::Service<Request<Incoming>> for Served {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, request: Request<Incoming>) -> RouteFuture<Infallible> {
        let is_v1 = request.uri().path().starts_with("/v1/");
        let router = if is_v1 { &self.under_v1 } else { &self.elsewhere };
        router.clone().call(request)
    }
}

/// With room for as many callers as may come at once: one that finds none is not refused but tries again by
/// itself after a second. The system may allow fewer (`net.core.somaxconn`).
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library does: an address is free as soon as its process has ended.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(MAX_CONNECTIONS)
}

/// Serves until `stop`, then finishes what was accepted, at most for [`GRACE`].
pub async fn run(listener: TcpListener, served: Served, stop: impl Future<Output = ()>) {
    let (running, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(MAX_CONNECTIONS as usize)));
    tokio::pin!(stop);
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = running.watch(connection(stream, served.clone()));
                tokio::spawn(async move {
                    // A connection that breaks off concerns its caller only.
                    let _ = connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tracing::info!("stopping: no new connections, running requests finish");
    if tokio::time::timeout(GRACE, running.shutdown()).await.is_err() {
        tracing::warn!(grace_seconds = GRACE.as_secs(), "some requests did not finish in time");
    }
}

fn connection(stream: TcpStream, served: Served) -> http1::Connection<TokioIo<TcpStream>, Served> {
    // Small answers go out at once; without it they would wait for the peer's acknowledgement.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), served)
}

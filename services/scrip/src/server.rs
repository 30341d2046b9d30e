//! Connections: how many, how long their heads may take, and how they end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::Service;

use crate::proxies::Proxies;

/// How long running requests may take to finish after a stop was asked for.
pub const GRACE: Duration = Duration::from_secs(20);
/// For the head of a request, the wait for it on a kept connection included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// More callers wait until a connection ends.
const MAX_CONNECTIONS: usize = 8_192;
/// After a failed accept (no file handles left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What one address answers.
#[derive(Clone)]
pub struct Served {
    /// Asked for most by far, so no page's routes are looked through first.
    pub under_v1: Router,
    pub elsewhere: Router,
    pub proxies: Arc<Proxies>,
}

/// One connection.
struct Asked {
    served: Served,
    peer: IpAddr,
}

impl From<Router> for Served {
    fn from(everything: Router) -> Served {
        Served { under_v1: everything.clone(), elsewhere: everything, proxies: Arc::default() }
    }
}

impl hyper::service::Service<Request<Incoming>> for Asked {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, mut request: Request<Incoming>) -> RouteFuture<Infallible> {
        let Asked { served, peer } = self;
        if request.uri().path().starts_with("/v1/") {
            return served.under_v1.clone().call(request);
        }
        if let Some(client) = served.proxies.client(*peer, request.headers()) {
            request.extensions_mut().insert(ConnectInfo(client));
        }
        served.elsewhere.clone().call(request)
    }
}

/// Serves until `stop`, then finishes what was accepted, at most for [`GRACE`].
pub async fn run(listener: TcpListener, served: Served, stop: impl Future<Output = ()>) {
    let (running, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(MAX_CONNECTIONS)));
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
            Ok((stream, peer)) => {
                let asked = Asked { served: served.clone(), peer: peer.ip() };
                let connection = running.watch(connection(stream, asked));
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

fn connection(stream: TcpStream, asked: Asked) -> http1::Connection<TokioIo<TcpStream>, Asked> {
    // Small answers go out at once; without it they would wait for the peer's acknowledgement.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), asked)
}

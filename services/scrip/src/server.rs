//! Connections: how many, how long their heads may take, and how they end.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
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
use site::Peer;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tower::Service;

use crate::proxies::Proxies;

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

/// What one connection is answered.
struct Connected {
    served: Served,
    proxies: Arc<Proxies>,
    remote: IpAddr,
}

impl hyper::service::Service<Request<Incoming>> for Connected {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, mut request: Request<Incoming>) -> RouteFuture<Infallible> {
        if request.uri().path().starts_with("/v1/") {
            return self.served.under_v1.clone().call(request);
        }
        let (remote, headers) = (self.remote, request.headers());
        let peer = Peer {
            address: self.proxies.caller(remote, headers),
            public: self.proxies.client(remote, headers),
        };
        request.extensions_mut().insert(peer);
        self.served.elsewhere.clone().call(request)
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
pub async fn run(listener: TcpListener, served: Served, proxies: Proxies, stop: impl Future<Output = ()>) {
    let proxies = Arc::new(proxies);
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
            Ok((stream, remote)) => {
                let served = served.clone();
                let connected = Connected { served, proxies: proxies.clone(), remote: remote.ip() };
                let connection = running.watch(connection(stream, connected));
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

fn connection(stream: TcpStream, connected: Connected) -> http1::Connection<TokioIo<TcpStream>, Connected> {
    // Small answers go out at once; without it they would wait for the peer's acknowledgement.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), connected)
}

#[cfg(test)]
mod tests {
    use axum::Extension;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn pages_are_told_who_is_at_the_other_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let tell = async |Extension(peer): Extension<Peer>| format!("{} {:?}", peer.address, peer.public);
        let served: Served = Router::new().route("/who", get(tell)).into();
        let (stop, stopped) = oneshot::channel::<()>();
        let proxies = "127.0.0.1".parse().expect("a proxy");
        let server = tokio::spawn(run(listener, served, proxies, async {
            let _ = stopped.await;
        }));
        for (header, expected) in
            [("", "127.0.0.1 None"), ("X-Forwarded-For: 198.51.100.1\r\n", "198.51.100.1 Some(198.51.100.1)")]
        {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            let request = format!("GET /who HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{header}\r\n");
            stream.write_all(request.as_bytes()).await.expect("it reads");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("it answers");
            assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{answer}");
        }
        drop(stop);
        server.await.expect("it ends");
    }
}

//! Listeners: TLS over TCP and Unix sockets, and plain HTTP for a fixed identity.
//!
//! Invariants: a peer that does not finish its handshake or its headers in time, asks nothing or lets nothing be
//! written to its socket for too long is dropped ([`Limits`]); a connection's failure is its own; a shutdown stops
//! accepting at once and gives open requests a moment.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::Activity;
use crate::authn::{self, Identity};
use crate::intake::{self, Origin};
use crate::limits::Held;
use crate::{ApiServer, Limits};

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// HTTP/2: requests at once on one connection. Clients that want more open another.
const STREAMS_MAX: u32 = 250;
/// HTTP/2: requests that a peer took back before they were looked at, and such that it broke; one more ends the
/// connection (rapid reset).
const RESETS_PENDING_MAX: usize = 20;
const RESETS_MAX: usize = 100;
/// HTTP/2: bytes of bodies that a connection holds before anybody reads them.
const WINDOW_BYTES: u32 = 256 * 1024;
/// HTTP/1: bytes of headers, and of a response before it is flushed.
const BUFFER_BYTES_MAX: usize = 128 * 1024;

impl ApiServer {
    /// Serves TLS on a TCP listener until the token is cancelled.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        let accept = || async {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        self.serve_tls(accept, shutdown).await;
    }

    /// Serves TLS on a Unix socket: for a proxy that passes connections on without looking into them.
    pub async fn serve_unix_tls(&self, listener: UnixListener, shutdown: CancellationToken) {
        let accept = || async { Ok(listener.accept().await?.0) };
        self.serve_tls(accept, shutdown).await;
    }

    /// Serves plain HTTP on a Unix socket whose users are all one identity.
    pub async fn serve_unix(
        &self,
        listener: UnixListener,
        identity: Identity,
        shutdown: CancellationToken,
    ) {
        let (door, identity) = (Door::new(self), Arc::new(identity));
        let accept = || async { Ok(listener.accept().await?.0) };
        self.accept_all(accept, shutdown, |stream, shutdown| {
            connection(door.clone(), stream, Some(identity.clone()), shutdown)
        })
        .await;
    }

    async fn serve_tls<S, F>(&self, accept: impl Fn() -> F, shutdown: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = io::Result<S>>,
    {
        let (door, acceptor) = (Door::new(self), TlsAcceptor::from(self.pki().tls()));
        self.accept_all(accept, shutdown, |stream, shutdown| {
            tls_connection(door.clone(), acceptor.clone(), stream, shutdown)
        })
        .await;
    }

    /// Runs a task for each connection until the token is cancelled, then waits for them a little.
    async fn accept_all<S, F, C>(
        &self,
        accept: impl Fn() -> F,
        shutdown: CancellationToken,
        serve: impl Fn(Stream<S>, CancellationToken) -> C,
    ) where
        S: AsyncRead + AsyncWrite + Send + 'static,
        F: Future<Output = io::Result<S>>,
        C: Future<Output = ()> + Send + 'static,
    {
        let limits = self.limits();
        let mut gate = Gate::new(limits);
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            match accepted {
                Ok(stream) => {
                    let Some(place) = gate.enter() else { continue };
                    let served = serve(stalling(stream, limits), shutdown.clone());
                    connections.spawn(async move {
                        served.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most of the time: others must end first.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.close();
        if tokio::time::timeout(limits.end_timeout, connections.wait()).await.is_err() {
            let open = connections.len();
            tracing::warn!(open, "connections were still open after the shutdown");
        }
    }
}

/// Lets as many connections in as there may be.
struct Gate {
    places: Arc<Semaphore>,
    max: usize,
    /// Whether the last one was let in: a full server says so once, not for everyone it turns away.
    open: bool,
}

impl Gate {
    fn new(limits: &Limits) -> Self {
        let max = limits.connections_max.min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(max)), max, open: true }
    }

    fn enter(&mut self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        let place = self.places.clone().try_acquire_owned().ok();
        if place.is_none() && self.open {
            tracing::warn!(max = self.max, "too many connections; more are turned away");
        }
        self.open = place.is_some();
        place
    }
}

/// A listener as its connections see it.
#[derive(Clone)]
struct Door {
    server: ApiServer,
    /// What it holds of bodies; each listener counts for itself.
    bodies: Arc<Held>,
}

impl Door {
    fn new(server: &ApiServer) -> Self {
        Self { server: server.clone(), bodies: Arc::default() }
    }
}

type Stream<S> = Pin<Box<TimeoutStream<S>>>;

/// A stream that fails once its peer has taken nothing for too long.
fn stalling<S: AsyncRead + AsyncWrite>(stream: S, limits: &Limits) -> Stream<S> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.stall_timeout));
    Box::pin(stream)
}

async fn tls_connection<S>(
    door: Door,
    acceptor: TlsAcceptor,
    stream: S,
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limit = door.server.limits().handshake_timeout;
    let stream = match tokio::time::timeout(limit, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => return tracing::debug!("a TLS handshake took too long"),
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let identity = certificate.and_then(authn::from_certificate).map(Arc::new);
    connection(door, stream, identity, shutdown).await;
}

async fn connection<S>(
    door: Door,
    stream: S,
    identity: Option<Arc<Identity>>,
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::default());
    let idle = activity.clone();
    let limits = door.server.limits().clone();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (door, identity, open) = (door.clone(), identity.clone(), activity.begin());
        async move {
            let origin = Origin::Socket(door.bodies);
            let response = intake::answer(&door.server, request, identity, origin).await;
            Ok::<_, std::convert::Infallible>(open.until_sent(response))
        }
    });
    let builder = builder();
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = Box::pin(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = idle.idle(&limits) => None,
        () = shutdown.cancelled() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(limits.end_timeout, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::debug!("a connection did not end and was cut"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // It would also cut connections that are kept for a next request; those, and slow headers, are idle ones.
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    builder
}

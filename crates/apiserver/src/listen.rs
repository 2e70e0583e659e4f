//! Listeners: TLS over TCP and Unix sockets, and plain HTTP for a fixed identity.
//!
//! Invariants: a peer that does not finish its handshake or its headers in time is dropped; a connection's failure
//! is its own; a shutdown stops accepting at once and gives open requests a moment.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::authn::{self, Identity};
use crate::{ApiServer, intake};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const STREAMS_MAX: u32 = 1000;

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
        let identity = Arc::new(identity);
        let accept = || async { Ok(listener.accept().await?.0) };
        accept_all(accept, shutdown, |stream, shutdown| {
            connection(self.clone(), stream, Some(identity.clone()), shutdown)
        })
        .await;
    }

    async fn serve_tls<S, F>(&self, accept: impl Fn() -> F, shutdown: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = io::Result<S>>,
    {
        let acceptor = TlsAcceptor::from(self.pki().tls());
        accept_all(accept, shutdown, |stream, shutdown| {
            tls_connection(self.clone(), acceptor.clone(), stream, shutdown)
        })
        .await;
    }
}

/// Runs a task for each connection until the token is cancelled, then waits for them a little.
async fn accept_all<S, F, C>(
    accept: impl Fn() -> F,
    shutdown: CancellationToken,
    serve: impl Fn(S, CancellationToken) -> C,
) where
    F: Future<Output = io::Result<S>>,
    C: Future<Output = ()> + Send + 'static,
{
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok(stream) => drop(connections.spawn(serve(stream, shutdown.clone()))),
            Err(error) => {
                // Out of file descriptors, most of the time: others must end first.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.close();
    if tokio::time::timeout(SHUTDOWN_GRACE, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections were still open after the shutdown");
    }
}

async fn tls_connection<S>(
    server: ApiServer,
    acceptor: TlsAcceptor,
    stream: S,
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => return tracing::debug!("a TLS handshake took too long"),
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let identity = certificate.and_then(authn::from_certificate).map(Arc::new);
    connection(server, stream, identity, shutdown).await;
}

async fn connection<S>(
    server: ApiServer,
    stream: S,
    identity: Option<Arc<Identity>>,
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (server, identity) = (server.clone(), identity.clone());
        async move {
            Ok::<_, std::convert::Infallible>(intake::answer(&server, request, identity).await)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = Box::pin(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

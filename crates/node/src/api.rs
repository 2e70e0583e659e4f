//! The agent's client: plain HTTP/2 over the API server's Unix socket, one connection for everything.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kube::client::Body;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tower::service_fn;

/// A client of the API server behind a socket. Connects when used, and again when the connection is lost.
pub(crate) fn client(socket: PathBuf) -> kube::Client {
    let connector = service_fn(move |_: Uri| {
        let socket = socket.clone();
        Box::pin(async move {
            UnixStream::connect(socket).await.map(|stream| TokioIo::new(Socket(stream)))
        })
    });
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_only(true)
        // Watches of many objects share the connection, so its windows grow with what is read.
        .http2_adaptive_window(true)
        .build(connector);
    let service = service_fn(move |mut request: http::Request<Body>| {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        // The name is never resolved: the connector ignores it.
        let uri = format!("http://endstate{path}").parse();
        let response = match uri {
            Ok(uri) => {
                *request.uri_mut() = uri;
                Ok(http.request(request))
            }
            Err(error) => Err(tower::BoxError::from(error)),
        };
        async move { response?.await.map_err(tower::BoxError::from) }
    });
    kube::Client::new(service, "default")
}

/// A Unix stream as hyper's connection.
struct Socket(UnixStream);

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

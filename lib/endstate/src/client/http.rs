//! One HTTP request, for what a member tells in no other way to somebody without a user.

use std::io;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::tls::Endpoint;

/// The most bytes that an answer may have.
const BODY_MAX: usize = 4096;

/// The status code of a GET, and at most 4096 bytes of its body.
///
/// ```
/// # use endstate::client::{Endpoint, get};
/// async fn is_well(endpoint: &Endpoint) -> bool {
///     matches!(get(endpoint, "/health").await, Ok((200, _)))
/// }
/// ```
pub async fn get(endpoint: &Endpoint, path: &str) -> io::Result<(u16, Bytes)> {
    let uri: Uri = endpoint.url().parse().map_err(io::Error::other)?;
    let authority = uri.authority().ok_or_else(|| io::Error::other("no address"))?;
    let stream = TcpStream::connect(authority.as_str()).await?;
    match endpoint.config().map_err(io::Error::other)? {
        None => get_on(stream, authority.as_str(), path).await,
        Some((config, name)) => {
            let stream = TlsConnector::from(config).connect(name, stream).await?;
            get_on(stream, authority.as_str(), path).await
        }
    }
}

async fn get_on<S>(stream: S, host: &str, path: &str) -> io::Result<(u16, Bytes)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = Request::get(path)
        .header(header::HOST, host)
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), BODY_MAX).collect().await;
        Ok::<_, io::Error>((status, body.map_err(io::Error::other)?.to_bytes()))
    };
    tokio::select! {
        answer = answer => answer,
        ended = connection => Err(ended.map_or_else(io::Error::other, |()| {
            io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended")
        })),
    }
}

//! One HTTP request, for what a member tells in no other way to somebody without a user.

use std::io;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The status code of a GET. The body is not read.
pub(super) async fn status_of(endpoint: &str, path: &str) -> io::Result<u16> {
    let uri: Uri = endpoint.parse().map_err(io::Error::other)?;
    let authority = uri.authority().ok_or_else(|| io::Error::other("no address"))?;
    let stream = TcpStream::connect(authority.as_str()).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = Request::get(path)
        .header(header::HOST, authority.as_str())
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let answer = async { sender.send_request(request).await.map_err(io::Error::other) };
    tokio::select! {
        answer = answer => Ok(answer?.status().as_u16()),
        ended = connection => Err(ended.map_or_else(io::Error::other, |()| {
            io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended")
        })),
    }
}

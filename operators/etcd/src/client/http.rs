//! One HTTP request, for what a member tells in no other way to somebody without a user.

use std::io;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The most bytes that an answer may have.
const BODY_MAX: usize = 4096;

/// The status code of a GET, and at most so much of its body.
pub(super) async fn get(endpoint: &str, path: &str) -> io::Result<(u16, Bytes)> {
    let uri: Uri = endpoint.parse().map_err(io::Error::other)?;
    let authority = uri.authority().ok_or_else(|| io::Error::other("no address"))?;
    let stream = TcpStream::connect(authority.as_str()).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = Request::get(path)
        .header(header::HOST, authority.as_str())
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

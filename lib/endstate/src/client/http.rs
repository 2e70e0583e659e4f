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
const BODY_MAX: usize = 1 << 20;

/// The status code of a GET, and its body, of at most 1 MiB: a page of metrics fits.
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
    let answer = async move {
        let answer = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), BODY_MAX).collect().await;
        Ok::<_, io::Error>((status, body.map_err(io::Error::other)?.to_bytes()))
    };
    // A server may end the connection with its answer, so its end is none of the answer: that tells what went wrong
    // itself.
    let (answer, _) = tokio::join!(answer, connection);
    answer
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::health::{Endpoints, serve};
    use crate::{CancellationToken, Metrics};

    #[tokio::test]
    async fn an_answer_counts_though_the_server_ends_the_connection_with_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::plain(&listener.local_addr().unwrap().to_string());
        let (shutdown, report) = (CancellationToken::new(), "x".repeat(20_000));
        let told = report.clone();
        let told: crate::health::Report = Box::new(move || told.clone());
        let metrics = Metrics::default();
        let endpoints = Endpoints { is_ready: Box::new(|| true), metrics, report: Some(told) };
        let serving = tokio::spawn(serve(listener, endpoints, shutdown.clone()));
        for _ in 0..50 {
            let answer = get(&endpoint, "/report").await.unwrap();
            assert_eq!(answer, (200, report.clone().into()));
        }
        shutdown.cancel();
        serving.await.unwrap();
        assert!(get(&endpoint, "/report").await.is_err(), "nobody listens");
    }
}

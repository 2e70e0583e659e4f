//! Refusals of a server, as a type: the store's own errors keep the status of some requests to themselves.

use async_trait::async_trait;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

/// More than this of what a server says is not read.
const SAID_BYTES_MAX: usize = 64 << 10;

/// A server's answer that it will not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the server answers {status}: {said}")]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    said: String,
}

/// Connects as usual, and makes errors of refusals.
#[derive(Debug, Default)]
pub(crate) struct Connector(ReqwestConnector);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Client(self.0.connect(options)?)))
    }
}

#[derive(Debug)]
struct Client(HttpClient);

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let of_bucket = is_of_bucket(&request);
        let response = self.0.execute(request).await?;
        let status = response.status();
        if !is_refusal(status, of_bucket) {
            return Ok(response);
        }
        // What cannot be read is not said.
        let said = Limited::new(response.into_body(), SAID_BYTES_MAX).collect().await;
        let said = said.map(|it| it.to_bytes()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        // Of this kind none is tried again.
        Err(HttpError::new(HttpErrorKind::Unknown, Refusal { status, said }))
    }
}

/// The store itself knows what it means that an object is not there.
fn is_refusal(status: StatusCode, of_bucket: bool) -> bool {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::INSUFFICIENT_STORAGE => true,
        StatusCode::NOT_FOUND => of_bucket,
        _ => false,
    }
}

/// Whether it lists, or begins an upload: then it is the bucket that is not there.
fn is_of_bucket(request: &HttpRequest) -> bool {
    let words = || request.uri().query().unwrap_or_default().split('&');
    match *request.method() {
        Method::GET => words().any(|it| it.starts_with("list-type=") || it == "comp=list"),
        Method::POST => words().any(|it| it == "uploads" || it == "uploads="),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_a_bucket_are_told_from_those_of_an_object() {
        let is = |method: Method, uri: &str| {
            let request = http::Request::builder().method(method).uri(uri);
            is_of_bucket(&request.body(bytes::Bytes::new().into()).expect("a request"))
        };
        assert!(is(Method::GET, "http://h/b?delimiter=%2F&list-type=2&prefix=a"));
        assert!(is(Method::GET, "http://h/c?restype=container&comp=list"));
        assert!(is(Method::POST, "http://h/b/o?uploads"));
        assert!(!is(Method::GET, "http://h/b/o"));
        assert!(!is(Method::DELETE, "http://h/b/o?uploads"));
        assert!(!is(Method::POST, "http://h/b/o?uploadId=1"));
    }
}

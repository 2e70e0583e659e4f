//! What peers may cost: real connections against a server with small limits. Each test sees the server act on a limit
//! and never measures how long that took.

use std::sync::Arc;
use std::time::Duration;

use apiserver::Limits;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::connections::{Listening, listen};
use crate::harness::{SOON, Server};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const SHORT: Duration = Duration::from_millis(50);
/// HTTP/2 up to where the first request would come: the preface and empty settings.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Administrator,
    Nobody,
}

async fn limited(limits: Limits) -> Listening {
    listen(Server::limited(limits).await).await
}

/// A TLS connection that sends what the test says.
async fn connect(
    to: &Listening,
    who: Who,
    protocol: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let pki = to.server.api.pki();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pki.ca_pem().as_bytes()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots);
    let mut config = match who {
        Who::Nobody => config.with_no_client_auth(),
        Who::Administrator => {
            let admin = pki.admin();
            let certificate = CertificateDer::from_pem_slice(admin.certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(admin.key.as_bytes()).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(to.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn http1(to: &Listening, who: Who) -> TlsStream<TcpStream> {
    connect(to, who, "http/1.1").await.unwrap()
}

/// A request for a new object, of which `sent` bytes of the body are sent.
fn post(length: usize, sent: &str) -> String {
    format!(
        "POST {MAPS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{sent}"
    )
}

fn object(name: &str) -> String {
    json!({"metadata": {"name": name}, "data": {"k": "x".repeat(600)}}).to_string()
}

/// Reads until a text has come, and gives everything so far.
async fn read_to<S: tokio::io::AsyncRead + Unpin>(stream: &mut S, text: &str) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&all).contains(text) {
        let count = tokio::time::timeout(SOON, stream.read(&mut buffer)).await.expect("no answer");
        let count = count.unwrap();
        assert!(count > 0, "the end came before {text:?}: {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Waits until the server has closed a connection, and gives what came before.
async fn closed<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut all = Vec::new();
    let end = tokio::time::timeout(SOON, stream.read_to_end(&mut all)).await;
    drop(end.expect("the connection stays open"));
    String::from_utf8_lossy(&all).into_owned()
}

/// Connects and asks until that works: a place is free some time after the server has noticed an end, and a busy
/// machine may take longer over a handshake and a request than a short limit allows. Gives the connection after the
/// headers.
async fn asked(it: &Listening, who: Who, path: &str) -> TlsStream<TcpStream> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let tries = async {
        loop {
            if let Ok(mut stream) = connect(it, who, "http/1.1").await
                && stream.write_all(request.as_bytes()).await.is_ok()
                && stream.read_u8().await.is_ok()
            {
                read_to(&mut stream, "\r\n\r\n").await;
                return stream;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, tries).await.expect("nobody is let in")
}

/// A connection on which nothing is asked, until the server has closed it.
async fn says_nothing(it: &Listening, protocol: &str, start: &[u8]) {
    let mut stream = connect(it, Who::Administrator, protocol).await.unwrap();
    // It may be closed already.
    drop(stream.write_all(start).await);
    assert!(!closed(&mut stream).await.contains("200"));
}

#[tokio::test]
async fn who_may_not_ask_is_answered_before_a_body_is_read() {
    let it = limited(Limits::default()).await;
    let mut stream = http1(&it, Who::Nobody).await;
    stream.write_all(post(3_000_000, "").as_bytes()).await.unwrap();
    assert!(read_to(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 403"));
    let mut stream = http1(&it, Who::Administrator).await;
    stream.write_all(post(4_000_000, "").as_bytes()).await.unwrap();
    let answer = read_to(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "a length over the limit is enough: {answer}");
}

/// Clients that write all of a request before they read find the answer, and the connection serves their next one.
#[tokio::test]
async fn who_writes_before_reading_finds_the_refusal() {
    let it = limited(Limits::default()).await;
    let body = "x".repeat(4 << 20);
    for _ in 0..20 {
        for (who, code) in [(Who::Nobody, "403"), (Who::Administrator, "413")] {
            let mut stream = http1(&it, who).await;
            let request = post(body.len(), &body);
            let written = tokio::time::timeout(SOON, stream.write_all(request.as_bytes())).await;
            written.expect("the server takes nothing").unwrap();
            let answer = read_to(&mut stream, "\"code\"").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{answer}");
            stream.write_all(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            assert!(read_to(&mut stream, "gitVersion").await.contains("HTTP/1.1 200"));
        }
    }
}

/// What a refused sender may make the server read has an end as well.
#[tokio::test]
async fn who_goes_on_after_a_refusal_is_cut_off() {
    let it = limited(Limits { discard_bytes_max: 1000, ..Limits::default() }).await;
    let mut stream = http1(&it, Who::Nobody).await;
    let part = "x".repeat(64 << 10);
    stream.write_all(post(1 << 40, &part).as_bytes()).await.unwrap();
    let goes_on = async { while stream.write_all(part.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(SOON, goes_on).await.expect("the server reads for ever");
}

/// Sends bodies until one does not fit: one that is held counts as soon as the server has it.
async fn until_refused(it: &Listening) -> String {
    let body = object("second");
    let refused = async {
        loop {
            let mut stream = http1(it, Who::Administrator).await;
            stream.write_all(post(body.len(), &body).as_bytes()).await.unwrap();
            let answer = read_to(&mut stream, "\r\n\r\n").await;
            if answer.starts_with("HTTP/1.1 429") {
                return answer;
            }
        }
    };
    tokio::time::timeout(SOON, refused).await.expect("everything fits")
}

#[tokio::test]
async fn bodies_over_the_limit_of_all_are_to_be_sent_again_later() {
    let it = limited(Limits { body_bytes_max: 1000, ..Limits::default() }).await;
    let first = object("first");
    let mut holds = http1(&it, Who::Administrator).await;
    let (start, rest) = first.split_at(500);
    holds.write_all(post(first.len(), start).as_bytes()).await.unwrap();
    let answer = until_refused(&it).await.to_lowercase();
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    it.server.post(MAPS, json!({"metadata": {"name": "inside"}})).await.expect(201);
    holds.write_all(rest.as_bytes()).await.unwrap();
    assert!(read_to(&mut holds, "\r\n\r\n").await.starts_with("HTTP/1.1 201"));
    let third = object("third");
    holds.write_all(post(third.len(), &third).as_bytes()).await.unwrap();
    assert!(read_to(&mut holds, "\"third\"").await.contains("HTTP/1.1 201"), "all is given back");
}

/// A listener that holds all it may of bodies turns its own senders away, and nobody else's.
#[tokio::test]
async fn listeners_do_not_share_what_they_hold_of_bodies() {
    let it = limited(Limits { body_bytes_max: 1000, ..Limits::default() }).await;
    let other = listen(Server { api: it.server.api.clone(), ..Server::start().await }).await;
    let body = object("held");
    let mut holds = http1(&it, Who::Administrator).await;
    let (start, rest) = body.split_at(500);
    holds.write_all(post(body.len(), start).as_bytes()).await.unwrap();
    until_refused(&it).await;
    let mut stream = http1(&other, Who::Administrator).await;
    let body = object("elsewhere");
    stream.write_all(post(body.len(), &body).as_bytes()).await.unwrap();
    assert!(read_to(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 201"));
    holds.write_all(rest.as_bytes()).await.unwrap();
    assert!(read_to(&mut holds, "\r\n\r\n").await.starts_with("HTTP/1.1 201"));
}

#[tokio::test]
async fn one_connection_too_many_is_turned_away() {
    let it = limited(Limits { connections_max: 2, ..Limits::default() }).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = http1(&it, Who::Nobody).await;
        stream.write_all(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        read_to(&mut stream, "\r\n\r\n").await;
        open.push(stream);
    }
    let turned_away = tokio::time::timeout(SOON, connect(&it, Who::Administrator, "h2")).await;
    assert!(turned_away.unwrap().is_err());
    open.pop();
    asked(&it, Who::Nobody, "/version").await;
}

#[tokio::test]
async fn who_begins_no_handshake_is_dropped() {
    let it = limited(Limits { handshake_timeout: SHORT, ..Limits::default() }).await;
    let mut stream = TcpStream::connect(it.address).await.unwrap();
    closed(&mut stream).await;
}

#[tokio::test]
async fn who_asks_nothing_after_the_handshake_is_dropped() {
    let limits = Limits { headers_timeout: SHORT, end_timeout: SHORT, ..Limits::default() };
    let it = limited(limits).await;
    says_nothing(&it, "http/1.1", b"").await;
    says_nothing(&it, "http/1.1", b"GET /version HTTP/1.1\r\nhost: x\r\n").await;
    says_nothing(&it, "h2", HTTP2_PREFACE).await;
}

/// What a first request may take is no limit on how long a connection is kept for the next one.
#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let limits = Limits { headers_timeout: SHORT, end_timeout: SHORT, ..Limits::default() };
    let it = limited(limits).await;
    let mut kept = asked(&it, Who::Administrator, "/version").await;
    // Connections that come later and are closed for asking nothing: its time would have come as well.
    for _ in 0..3 {
        says_nothing(&it, "http/1.1", b"").await;
    }
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(read_to(&mut kept, "\r\n\r\nok").await.contains("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let limits = Limits { idle_timeout: SHORT, end_timeout: SHORT, ..Limits::default() };
    let it = limited(Limits { headers_timeout: SHORT, ..limits }).await;
    closed(&mut asked(&it, Who::Administrator, "/version").await).await;
    let mut half = asked(&it, Who::Administrator, "/version").await;
    drop(half.write_all(b"GET /healthz HTTP/1.1\r\n").await);
    closed(&mut half).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let it = limited(Limits { body_timeout: SHORT, ..Limits::default() }).await;
    let mut stream = http1(&it, Who::Administrator).await;
    stream.write_all(post(100, "{").as_bytes()).await.unwrap();
    assert!(read_to(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 504"));
}

#[tokio::test]
async fn a_watch_outlives_every_limit_and_an_idle_connection_does_not() {
    let limits = Limits {
        headers_timeout: SHORT,
        body_timeout: SHORT,
        idle_timeout: SHORT,
        stall_timeout: SHORT,
        end_timeout: SHORT,
        ..Limits::default()
    };
    let it = limited(limits).await;
    let path = format!("{MAPS}?watch=true&resourceVersion=0");
    let mut watch = asked(&it, Who::Administrator, &path).await;
    // Connections that come after the watch and are closed for doing nothing: its time has come as well.
    for _ in 0..4 {
        says_nothing(&it, "h2", HTTP2_PREFACE).await;
    }
    it.server.post(MAPS, json!({"metadata": {"name": "late"}})).await.expect(201);
    assert!(read_to(&mut watch, "\"late\"").await.contains("ADDED"));
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut_off() {
    let limits = Limits { connections_max: 1, stall_timeout: SHORT, ..Limits::default() };
    let it = limited(limits).await;
    let text = "x".repeat(1 << 20);
    for number in 0..16 {
        let body = json!({"metadata": {"name": format!("m{number}")}, "data": {"k": text}});
        it.server.post(MAPS, body).await.expect(201);
    }
    let mut stalls = http1(&it, Who::Administrator).await;
    stalls.write_all(format!("GET {MAPS} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    asked(&it, Who::Nobody, "/version").await;
}

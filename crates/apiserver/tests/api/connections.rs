//! Real connections: TLS, identities, HTTP versions, WebSockets, shutdown.

use std::net::SocketAddr;
use std::sync::Arc;

use apiserver::Identity;
use base64::Engine as _;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{AttachParams, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use store::MemoryStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::harness::{SOON, Server};
use crate::subresources::EchoNode;

pub(crate) struct Listening {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

pub(crate) async fn listen(server: Server) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let (api, token) = (server.api.clone(), shutdown.clone());
    let serving = tokio::spawn(async move { api.serve(listener, token).await });
    Listening { server, address, shutdown, serving }
}

impl Listening {
    async fn config(&self) -> Config {
        let text = self.server.api.pki().kubeconfig(&format!("https://{}", self.address));
        let kubeconfig = Kubeconfig::from_yaml(&text).unwrap();
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()
    }

    async fn client(&self) -> Client {
        Client::try_from(self.config().await).unwrap()
    }

    /// A client that shows a token, or nothing, instead of a certificate.
    /// What a request with a token is answered.
    pub(crate) async fn code_with_token(&self, token: &str) -> u16 {
        match self.with_token(Some(token)).await.list_core_api_versions().await {
            Ok(_) => 200,
            Err(kube::Error::Api(status)) => status.code,
            Err(error) => panic!("{error}"),
        }
    }

    async fn with_token(&self, token: Option<&str>) -> Client {
        let mut config = self.config().await;
        config.auth_info = kube::config::AuthInfo::default();
        config.auth_info.token = token.map(|token| token.to_owned().into());
        Client::try_from(config).unwrap()
    }
}

#[tokio::test]
async fn the_administrators_certificate_opens_everything() {
    let it = listen(Server::start().await).await;
    let client = it.client().await;
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "a"}})).unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn strangers_see_health_and_version_only() {
    let it = listen(Server::start().await).await;
    let client = it.with_token(None).await;
    assert_eq!(client.apiserver_version().await.unwrap().major, "1");
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    for error in
        [maps.list(&ListParams::default()).await.unwrap_err(), maps.get("x").await.unwrap_err()]
    {
        let kube::Error::Api(status) = error else { panic!("{error}") };
        assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    }
    assert!(client.list_core_api_versions().await.is_err());
    let maps: Api<ConfigMap> =
        Api::namespaced(it.with_token(Some("no.such.token")).await, "default");
    let error = maps.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(error, kube::Error::Api(status) if status.code == 401));
}

#[tokio::test]
async fn a_token_is_an_account() {
    let it = listen(Server::start().await).await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    it.server.post(accounts, json!({"metadata": {"name": "robot"}})).await.expect(201);
    let token = it.server.post(&format!("{accounts}/robot/token"), json!({})).await.expect(201);
    let token = token["status"]["token"].as_str().unwrap().to_owned();
    let client = it.with_token(Some(&token)).await;
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    let error = maps.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(error, kube::Error::Api(status) if status.code == 403), "it is not bound");
    it.server.bind("default", "view", json!([{"kind": "ServiceAccount", "name": "robot"}])).await;
    maps.list(&ListParams::default()).await.unwrap();
    it.server.delete(&format!("{accounts}/robot")).await.expect(200);
    assert!(maps.list(&ListParams::default()).await.is_err(), "its account is gone");
}

#[tokio::test]
async fn an_impersonated_user_is_who_asks() {
    let server = Server::start().await;
    let request = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
        .header("impersonate-user", "jane")
        .header("impersonate-group", "dev")
        .header("content-type", "application/json")
        .body(http_body_util::Full::from("{}"));
    let answer = crate::harness::answer(server.send(request.unwrap()).await).await;
    let info = answer.expect(201)["status"]["userInfo"].clone();
    assert_eq!(info, json!({"username": "jane", "groups": ["dev", "system:authenticated"]}));
}

#[tokio::test]
async fn a_unix_socket_has_one_identity() {
    let server = Server::start().await;
    let path = server.directory.path().join("api.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let shutdown = CancellationToken::new();
    let (api, token) = (server.api.clone(), shutdown.clone());
    let serving = tokio::spawn(async move {
        api.serve_unix(listener, Identity::masters("system:node"), token).await
    });
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream
        .write_all(b"GET /api/v1/namespaces HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("kube-system"), "{text}");
    shutdown.cancel();
    tokio::time::timeout(SOON, serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_no_tls_is_dropped_and_harms_nobody() {
    let it = listen(Server::start().await).await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\xff\xff", b"\0\0\0\0"] {
        let mut stream = TcpStream::connect(it.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        drop(tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap());
        assert!(!rest.starts_with(b"HTTP"));
    }
    it.client().await.apiserver_version().await.unwrap();
}

#[tokio::test]
async fn certificates_and_tokens_outlive_a_restart() {
    let server = Server::start().await;
    let again =
        apiserver::Pki::load_or_create(server.directory.path(), &["example.test".into()]).unwrap();
    assert_eq!(again.ca_pem(), server.api.pki().ca_pem());
    let authority = base64::engine::general_purpose::STANDARD.encode(again.ca_pem());
    assert!(again.kubeconfig("https://x").contains(&authority));
}

pub(crate) async fn streaming() -> Listening {
    let server = Server::with(Arc::new(MemoryStore::new()), Arc::new(EchoNode::default())).await;
    let pods = "/api/v1/namespaces/default/pods";
    let body =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    server.post(pods, body).await.expect(201);
    server
        .post(&format!("{pods}/p/binding"), json!({"target": {"kind": "Node", "name": "n"}}))
        .await
        .expect(201);
    listen(server).await
}

#[tokio::test]
async fn commands_run_over_a_web_socket() {
    let it = streaming().await;
    let pods: Api<Pod> = Api::namespaced(it.client().await, "default");
    let params = AttachParams::default().stdin(true).stdout(true).stderr(false);
    let mut process = pods.exec("p", ["cat"], &params).await.unwrap();
    process.stdin().unwrap().write_all(b"hello").await.unwrap();
    let mut output = String::new();
    let mut stdout = process.stdout().unwrap();
    tokio::time::timeout(SOON, stdout.read_to_string(&mut output)).await.unwrap().unwrap();
    assert_eq!(output, "hello");
    let status = process.take_status().unwrap().await.unwrap();
    assert_eq!(status.status.as_deref(), Some("Success"));
}

#[tokio::test]
async fn ports_are_forwarded_over_a_web_socket() {
    let it = streaming().await;
    let pods: Api<Pod> = Api::namespaced(it.client().await, "default");
    let mut forwarder = pods.portforward("p", &[80]).await.unwrap();
    let mut stream = forwarder.take_stream(80).unwrap();
    stream.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    tokio::time::timeout(SOON, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"ping");
}

#[tokio::test]
async fn a_shutdown_ends_listeners_and_watches() {
    let it = streaming().await;
    let client = it.client().await;
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    let watch = maps.watch(&kube::api::WatchParams::default(), "0").await.unwrap();
    it.server.api.shut_down();
    it.shutdown.cancel();
    use futures::StreamExt as _;
    let rest = tokio::time::timeout(SOON, watch.collect::<Vec<_>>()).await.unwrap();
    drop(rest);
    tokio::time::timeout(SOON, it.serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(it.address).await.is_err());
}

/// Collects what a kube watcher says until an object of a name appears.
async fn seen_until(
    client: Client,
    config: kube::runtime::watcher::Config,
    name: &str,
) -> Vec<String> {
    use futures::TryStreamExt as _;
    use kube::runtime::WatchStreamExt as _;
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    let mut stream = std::pin::pin!(kube::runtime::watcher(maps, config).applied_objects());
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != name) {
        let next = tokio::time::timeout(SOON, stream.try_next()).await.unwrap();
        seen.push(next.unwrap().unwrap().metadata.name.unwrap());
    }
    seen
}

#[tokio::test]
async fn kube_watchers_of_both_kinds_follow_in_process_and_over_tls() {
    use kube::runtime::watcher::Config;
    let it = listen(Server::start().await).await;
    for client in [it.server.kube(), it.client().await] {
        for config in [Config::default(), Config::default().streaming_lists()] {
            let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
            for name in ["a", "b"] {
                let map: ConfigMap =
                    serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
                maps.create(&PostParams::default(), &map).await.unwrap();
            }
            let watching = tokio::spawn(seen_until(client.clone(), config, "late"));
            let late: ConfigMap =
                serde_json::from_value(json!({"metadata": {"name": "late"}})).unwrap();
            maps.create(&PostParams::default(), &late).await.unwrap();
            let seen = watching.await.unwrap();
            assert_eq!(seen, ["a", "b", "late"]);
            for name in ["a", "b", "late"] {
                maps.delete(name, &kube::api::DeleteParams::default()).await.unwrap();
            }
        }
    }
}

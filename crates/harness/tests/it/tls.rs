//! TLS from outside: who gets in, and that it is turned on and off beneath a client.

use std::time::Duration;

use anyhow::{Context, Result};
use etcd_client::{Certificate, TlsOptions};
use harness::{EtcdCluster, EtcdReach, Up, Writer, forward};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use serde_json::{Value, json};

/// The longest time that a write may take, retries included, while members are changed one by one: one that a member
/// took down with it is given up after two seconds.
const SLOWEST_MAX: Duration = Duration::from_secs(8);

async fn etcdctl(up: &Up, cluster: &str, args: &[&str]) -> Result<String> {
    let service = format!("service/{cluster}-client");
    up.endstate(&[&["exec", &service, "--", "etcdctl"], args].concat()).await
}

/// How many members are listed with this scheme.
async fn listed(up: &Up, cluster: &str, scheme: &str) -> Result<usize> {
    let list = etcdctl(up, cluster, &["member", "list"]).await?;
    let peer = |line: &&str| line.contains(&format!(" {scheme}://")) && line.contains(":2380");
    Ok(list.lines().filter(peer).count())
}

/// Whoever has the bundle for clients reads and writes, and nobody else.
#[tokio::test]
async fn a_new_cluster_lets_in_who_has_a_certificate() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "safe", 3).await?;
    cluster.settled(3).await?;
    let (_forward, address) = forward(&up, "safe", 2379).await?;
    let reach = EtcdReach::new(&up, "safe", &address).await?;
    let mut client = reach.connect().await?;
    client.put("k", "v", None).await?;
    assert_eq!(client.get("k", None).await?.kvs()[0].value(), b"v");

    let mut plain = reach.connect_by(None).await?;
    assert!(plain.put("k", "plain", None).await.is_err(), "it listens with TLS only");
    let maps: Api<ConfigMap> = Api::default_namespaced(up.client().await?);
    let authority = maps.get("safe-client-ca").await?.data.context("empty")?["ca.crt"].clone();
    let anonymous = TlsOptions::new()
        .ca_certificate(Certificate::from_pem(&authority))
        .domain_name("safe-client.default.svc");
    let mut anonymous = reach.connect_by(Some(anonymous)).await?;
    assert!(anonymous.put("k", "anonymous", None).await.is_err(), "it asks for a certificate");
    assert_eq!(client.get("k", None).await?.kvs()[0].value(), b"v");

    etcdctl(&up, "safe", &["endpoint", "health"]).await?;
    assert_eq!(listed(&up, "safe", "https").await?, 3);
    let status = up.endstate(&["status", "etcd", "safe"]).await?;
    assert!(status.contains("https://safe-client.default.svc:2379"), "{status}");
    // A client's authority vouches for no member.
    let secrets: Api<Secret> = Api::default_namespaced(up.client().await?);
    let peer = secrets.get("safe-peer-tls").await?.data.context("empty")?["ca.crt"].clone();
    assert_ne!(peer.0, authority.into_bytes());
    up.endstate(&["delete", "etcdclusters.etcd.endstate.dev/safe", "--wait"]).await?;
    up.stop().await
}

fn tls(mode: &str) -> Value {
    json!({"tls": {"client": {"mode": mode}, "peer": {"mode": mode}}})
}

async fn on_and_off(storage: Value) -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let mut spec = json!({"size": 3, "version": "3.5.16", "storage": storage});
    spec["tls"] = tls("Off")["tls"].take();
    let object = json!({"apiVersion": "etcd.endstate.dev/v1", "kind": "EtcdCluster",
        "metadata": {"name": "turns"}, "spec": spec});
    up.apply(&object.to_string()).await?;
    let cluster = EtcdCluster::existing(&up, "turns").await?;
    cluster.settled(3).await?;
    assert_eq!(listed(&up, "turns", "http").await?, 3);
    let writer = Writer::start(&up, "turns").await?;
    for (mode, scheme) in [("Managed", "https"), ("Off", "http")] {
        cluster.patch(json!({"spec": tls(mode)})).await?;
        cluster.settled(3).await?;
        assert_eq!(listed(&up, "turns", scheme).await?, 3, "{mode}");
    }
    let slowest = writer.slowest();
    assert!(writer.check().await? > 0);
    assert!(slowest < SLOWEST_MAX, "a write took {slowest:?}");
    up.stop().await
}

#[tokio::test]
async fn tls_is_turned_on_and_off_under_a_writer() -> Result<()> {
    on_and_off(json!({"volume": {}})).await
}

/// Members whose data goes with their pods are moved: a successor joins, then the member leaves.
#[tokio::test]
async fn tls_is_turned_on_and_off_where_members_are_moved() -> Result<()> {
    on_and_off(json!({"emptyDir": {}})).await
}

/// Another authority takes over while a client, which reads its files again when it reconnects, goes on.
#[tokio::test]
async fn another_authority_takes_over_under_a_writer() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "heir", 3).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "heir").await?;
    let second = json!({"mode": "Managed", "authority": 2});
    cluster.patch(json!({"spec": {"tls": {"client": second, "peer": second}}})).await?;
    cluster.settled(3).await?;
    let slowest = writer.slowest();
    assert!(writer.check().await? > 0);
    assert!(slowest < SLOWEST_MAX, "a write took {slowest:?}");
    let secrets: Api<Secret> = Api::default_namespaced(up.client().await?);
    for (authority, there) in [("heir-client-ca", [false, true]), ("heir-peer-ca", [false, true])] {
        let mut found = vec![];
        for number in 1..=2 {
            found.push(secrets.get_opt(&format!("{authority}-{number}")).await?.is_some());
        }
        assert_eq!(found, there, "{authority}");
    }
    etcdctl(&up, "heir", &["endpoint", "health"]).await?;
    up.stop().await
}

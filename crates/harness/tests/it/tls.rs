//! TLS from outside: who gets in, and that it is turned on and off beneath a client.

use std::time::Duration;

use anyhow::{Context, Result};
use etcd_client::{Certificate, TlsOptions};
use harness::{EtcdCluster, EtcdReach, Up, Writer, forward};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::DynamicObject;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
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

/// An authority of a user's.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "a user's");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// A secret with a certificate for these names.
    fn secret(&self, secret: &str, names: &[String]) -> Result<String> {
        self.secret_trusting(&[self], (secret, names))
    }

    /// The same, by whose holder these are trusted.
    fn secret_trusting(
        &self,
        trusted: &[&Self],
        (secret, names): (&str, &[String]),
    ) -> Result<String> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.0)?.pem();
        let trusted: String = trusted.iter().map(|it| it.0.pem()).collect();
        let data =
            json!({"tls.crt": certificate, "tls.key": key.serialize_pem(), "ca.crt": trusted});
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret},
            "type": "kubernetes.io/tls", "stringData": data});
        Ok(object.to_string())
    }
}

/// Waits until the status says of changes that they are over, or why they are not, by this reason.
async fn says(cluster: &EtcdCluster, reason: &str) -> Result<String> {
    let progressing = |it: &DynamicObject| {
        let conditions = it.data["status"]["conditions"].as_array()?.iter();
        let progressing = conditions.filter(|it| it["type"] == "Progressing");
        progressing.clone().find(|it| it["status"] == "False" && it["reason"] == reason).cloned()
    };
    cluster.until(reason, move |it| progressing(it).is_some()).await?;
    let message = progressing(&cluster.object().await?).map(|it| it["message"].to_string());
    message.with_context(|| format!("it says {reason} no more"))
}

/// By what names members of a cluster are found. Who connects as a peer is looked up in the DNS, which answers with the
/// whole name.
fn names(cluster: &str) -> Vec<String> {
    let peers = format!("*.{cluster}-peer.default.svc");
    let whole = format!("{peers}.cluster.local");
    let client = format!("{cluster}-client.default.svc");
    [peers, whole, client]
        .into_iter()
        .chain(["localhost", "127.0.0.1"].map(str::to_owned))
        .collect()
}

/// The operator's certificates are replaced by a user's and these by the operator's again, while a client that has
/// one of each goes on. Until the secrets are there nothing is changed.
#[tokio::test]
async fn a_users_certificates_take_over_from_the_operators_and_back_under_a_writer() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "swap", 3).await?;
    cluster.settled(3).await?;
    let authority = Authority::new()?;
    let names = names("swap");
    for (secret, names) in [("swap-own-client", &names[3..]), ("swap-operator", &[])] {
        up.apply(&authority.secret(secret, names)?).await?;
    }
    let writer = Writer::start(&up, "swap").await?;
    let members = cluster.members().await?;
    let client =
        json!({"mode": "Secrets", "serverSecret": "swap-own", "operatorSecret": "swap-operator"});
    let peer = json!({"mode": "Secrets", "secret": "swap-own"});
    cluster.patch(json!({"spec": {"tls": {"client": client, "peer": peer}}})).await?;
    let why = says(&cluster, "CertificateUnusable").await?;
    assert!(why.contains("secret swap-own that"), "{why}");
    let secrets: Api<Secret> = Api::default_namespaced(up.client().await?);
    assert!(secrets.get_opt("swap-peer-ca-1").await?.is_some(), "nobody was changed yet");
    up.apply(&authority.secret("swap-own", &names)?).await?;
    says(&cluster, "UpToDate").await?;
    cluster.settled(3).await?;
    assert!(secrets.get_opt("swap-peer-ca-1").await?.is_none(), "nobody trusts it any more");
    etcdctl(&up, "swap", &["endpoint", "health"]).await?;
    let client = json!({"mode": "Managed", "serverSecret": null, "operatorSecret": null});
    let peer = json!({"mode": "Managed", "secret": null});
    cluster.patch(json!({"spec": {"tls": {"client": client, "peer": peer}}})).await?;
    cluster.settled(3).await?;
    assert!(secrets.get_opt("swap-own").await?.is_some(), "it is the user's");
    assert!(secrets.get_opt("swap-peer-ca-1").await?.is_some());
    assert_eq!(cluster.members().await?, members, "on their data, each by a pod made anew");
    let slowest = writer.slowest();
    assert!(writer.check().await? > 0);
    assert!(slowest < SLOWEST_MAX, "a write took {slowest:?}");
    etcdctl(&up, "swap", &["endpoint", "health"]).await?;
    up.stop().await
}

/// A user's authority is replaced by another in the same secrets, and a client that trusts both goes on: both are
/// trusted, then the certificates become those of the new one, then it is trusted alone.
#[tokio::test]
async fn another_authority_of_a_users_takes_over_under_a_writer() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let (old, new, names) = (Authority::new()?, Authority::new()?, names("next"));
    let secrets = [("next-own", &names[..]), ("next-operator", &[]), ("next-own-client", &[])];
    let put = async |signs: &Authority, trusted: &[&Authority]| -> Result<()> {
        for secret in secrets {
            up.apply(&signs.secret_trusting(trusted, secret)?).await?;
        }
        Ok(())
    };
    put(&old, &[&old]).await?;
    let tls = |authority: u32| {
        let peer = json!({"mode": "Secrets", "secret": "next-own", "authority": authority});
        json!({"peer": peer, "client": {"mode": "Secrets", "serverSecret": "next-own",
            "operatorSecret": "next-operator", "authority": authority}})
    };
    let spec = json!({"size": 3, "version": "3.5.16", "storage": {"volume": {"size": "64Mi"}}, "tls": tls(1)});
    let object = json!({"apiVersion": "etcd.endstate.dev/v1", "kind": "EtcdCluster",
        "metadata": {"name": "next"}, "spec": spec});
    up.apply(&object.to_string()).await?;
    let cluster = EtcdCluster::existing(&up, "next").await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "next").await?;
    let members = cluster.members().await?;
    put(&old, &[&old, &new]).await?;
    cluster.patch(json!({"spec": {"tls": tls(2)}})).await?;
    cluster.settled(3).await?;
    put(&new, &[&old, &new]).await?;
    cluster.patch(json!({"spec": {"tls": tls(3)}})).await?;
    cluster.settled(3).await?;
    put(&new, &[&new]).await?;
    cluster.patch(json!({"spec": {"tls": tls(4)}})).await?;
    cluster.settled(3).await?;
    assert_eq!(cluster.members().await?, members, "on their data, each by a pod made anew");
    let slowest = writer.slowest();
    assert!(writer.check().await? > 0);
    assert!(slowest < SLOWEST_MAX, "a write took {slowest:?}");
    etcdctl(&up, "next", &["endpoint", "health"]).await?;
    up.apply(&old.secret("next-former", &[])?).await?;
    let (_forward, address) = forward(&up, "next", 2379).await?;
    let mut former = EtcdReach::new(&up, "next", &address).await?.connect_as("next-former").await?;
    assert!(former.put("k", "former", None).await.is_err(), "the old authority is trusted no more");
    up.stop().await
}

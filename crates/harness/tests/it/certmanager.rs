//! Certificates by cert-manager: from the start, instead of the operator's, renewed, and not made. Who signs is a
//! small signer of the tests, which makes real certificates as cert-manager's objects ask for them.

mod signer;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use etcd_client::{Certificate, Identity, TlsOptions};
use harness::{EtcdCluster, EtcdReach, Up, Writer};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use signer::{Signer, name_of};

/// The longest time that a write may take, as members are changed one by one.
const SLOWEST_MAX: Duration = Duration::from_secs(8);
/// How long a secret may take to get into running pods, and a kind that is new to be seen.
const SEEN_MAX: Duration = Duration::from_secs(120);

const EXAMPLE: &str = include_str!("../../../../examples/etcd-cert-manager.yaml");

fn condition<'a>(object: &'a DynamicObject, kind: &str) -> Option<&'a Value> {
    let mut conditions = object.data["status"]["conditions"].as_array()?.iter();
    conditions.find(|it| it["type"] == *kind)
}

/// Waits until a condition says this; gives its message.
async fn says(cluster: &EtcdCluster, (kind, reason): (&str, &str), told: &[&str]) -> Result<()> {
    let is = |object: &DynamicObject| {
        condition(object, kind).is_some_and(|it| {
            let message = it["message"].as_str().unwrap_or_default();
            it["reason"] == *reason && told.iter().all(|it| message.contains(it))
        })
    };
    cluster.until(&format!("{kind} {reason}: {told:?}"), is).await
}

async fn pods(up: &Up, cluster: &str) -> Result<Vec<Pod>> {
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    let labels = ListParams::default().labels(&format!("endstate.dev/cluster={cluster}"));
    Ok(pods.list(&labels).await?.items)
}

fn uids(pods: &[Pod]) -> BTreeSet<Option<String>> {
    pods.iter().map(ResourceExt::uid).collect()
}

/// Waits until a member shows a certificate of this revision.
async fn shows(up: &Up, cluster: &str, pod: &str, revision: i64) -> Result<()> {
    let mut forward = up.spawn(&["forward", &format!("pod/{pod}"), "0:2379"])?;
    let stdout = forward.stdout.take().context("its output is piped")?;
    let line = BufReader::new(stdout).lines().next_line().await?.context("no forwarding")?;
    let address = line.split_whitespace().nth(1).context("forwarding tells its address")?;
    let reach = EtcdReach::new(up, cluster, address).await?;
    let secrets: Api<Secret> = Api::default_namespaced(up.client().await?);
    let own = secrets.get(&format!("{cluster}-own-client")).await?.data.context("empty")?;
    let tls = TlsOptions::new()
        .ca_certificate(Certificate::from_pem(&own["ca.crt"].0))
        .identity(Identity::from_pem(&own["tls.crt"].0, &own["tls.key"].0))
        .domain_name(name_of(revision));
    let shown = async {
        loop {
            if let Ok(mut client) = reach.connect_by(Some(tls.clone())).await
                && client.status().await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let shown = tokio::time::timeout(SEEN_MAX, shown).await;
    shown.with_context(|| format!("{pod} does not show revision {revision}"))
}

/// A new cluster gets all its certificates from cert-manager, and new ones reach members that go on running.
#[tokio::test]
async fn cert_manager_signs_for_a_new_cluster_and_renews_beneath_it() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let signer = Signer::install(&up).await?;
    up.apply(EXAMPLE).await?;
    let cluster = EtcdCluster::existing(&up, "signed").await?;
    cluster.settled(3).await?;
    let all = ["etcd-ca", "signed-operator", "signed-own-client", "signed-peer", "signed-server"];
    signer.is_asked(&all).await?;
    let secrets: Api<Secret> = Api::default_namespaced(up.client().await?);
    let own = secrets.list(&ListParams::default().labels("endstate.dev/cluster=signed")).await?;
    let own: Vec<_> = own.iter().map(ResourceExt::name_any).collect();
    assert_eq!(own, ["signed-operator", "signed-peer", "signed-server"], "none of the operator's");

    let writer = Writer::start(&up, "signed").await?;
    let before = pods(&up, "signed").await?;
    for pod in &before {
        shows(&up, "signed", &pod.name_any(), 1).await?;
    }
    // The authority first: members trust the one before, and it has the same key.
    let authority =
        async || Ok::<_, anyhow::Error>(secrets.get("etcd-ca").await?.data.context("empty")?);
    let first = authority().await?;
    signer.renew("etcd-ca").await?;
    while authority().await?["tls.crt"] == first["tls.crt"] {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(authority().await?["tls.key"], first["tls.key"]);
    for name in ["signed-server", "signed-peer", "signed-operator"] {
        signer.renew(name).await?;
    }
    for pod in &before {
        shows(&up, "signed", &pod.name_any(), 2).await?;
    }
    cluster.settled(3).await?;
    let etcdctl = ["exec", "service/signed-client", "--", "etcdctl", "endpoint", "health"];
    up.endstate(&etcdctl).await?;
    let after = pods(&up, "signed").await?;
    assert_eq!(uids(&after), uids(&before), "nobody was started anew");
    let restarts = |pod: &Pod| {
        let status = pod.status.as_ref().and_then(|it| it.container_statuses.as_ref());
        status.into_iter().flatten().map(|it| it.restart_count).sum::<i32>()
    };
    assert_eq!(after.iter().map(restarts).sum::<i32>(), 0);
    assert!(writer.check().await? > 0);
    up.stop().await
}

fn by(issuer: &str) -> Value {
    let cert_manager = json!({"issuerRef": {"name": issuer}});
    json!({"spec": {"tls": {
        "client": {"mode": "Secrets", "serverSecret": "turn-own", "operatorSecret": "turn-operator",
            "certManager": cert_manager},
        "peer": {"mode": "Secrets", "secret": "turn-own-peer", "certManager": cert_manager},
    }}})
}

/// What a client asks of cert-manager, and who signs.
const CLIENT: &str = r#"{"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "turn-own-client"},
    "spec": {"secretName": "turn-own-client", "commonName": "client", "usages": ["client auth"],
    "issuerRef": {"name": "etcd-ca"}}}"#;

/// Certificates that would do, in secrets of the names that cert-manager is asked to fill: those that members have, as
/// another issuer might have signed them before. The first is nobody's.
async fn leave_others(secrets: &Api<Secret>) -> Result<()> {
    let copies = [
        ("turn-server-tls", "turn-own"),
        ("turn-operator-tls", "turn-operator"),
        ("turn-peer-tls", "turn-own-peer"),
    ];
    for (own, name) in copies {
        let data = secrets.get(own).await?.data;
        let metadata =
            json!({"name": name, "annotations": (name != "turn-own").then(|| noted(name))});
        let copy = serde_json::from_value(
            json!({"type": "kubernetes.io/tls", "metadata": metadata, "data": data}),
        )?;
        secrets.create(&PostParams::default(), &copy).await?;
    }
    Ok(())
}

/// What cert-manager notes of an issuer that is not asked here.
fn noted(name: &str) -> Value {
    json!({
        "cert-manager.io/certificate-name": name,
        "cert-manager.io/issuer-name": "before",
        "cert-manager.io/issuer-kind": "Issuer",
        "cert-manager.io/issuer-group": "cert-manager.io",
    })
}

/// Without cert-manager it is refused, and with an issuer that does not sign it waits and says why, whatever the
/// secrets held before; nobody is changed by either. When there is one it goes on by itself, and comes back to the
/// operator's.
#[tokio::test]
async fn cert_manager_takes_over_from_the_operator_and_back_under_a_writer() -> Result<()> {
    let up = Up::with_operator(3, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "turn", 3).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "turn").await?;
    let (members, before) = (cluster.members().await?, pods(&up, "turn").await?);
    cluster.patch(by("etcd-ca")).await?;
    let told = ["cert-manager.io is not installed", "Install cert-manager, or remove certManager"];
    says(&cluster, ("SpecAccepted", "Refused"), &told).await?;

    let secrets: Api<Secret> = Api::default_namespaced(up.client().await?);
    leave_others(&secrets).await?;
    let signer = Signer::install(&up).await?;
    let told = "cert-manager did not put there what is in it, so cert-manager is not asked to overwrite it";
    says(&cluster, ("Progressing", "CertificateUnusable"), &[told]).await?;
    signer.is_asked(&["turn-operator", "turn-own-peer"]).await?;
    let patch = Patch::Merge(json!({"metadata": {"annotations": noted("turn-own")}}));
    secrets.patch("turn-own", &PatchParams::default(), &patch).await?;
    let told = "what is in it is of Issuer before, not of Issuer etcd-ca; Certificate turn-own says Ready=False \
                (DoesNotExist: Issuing certificate as Secret does not exist)";
    says(&cluster, ("Progressing", "CertificateUnusable"), &[told]).await?;
    signer.is_asked(&["turn-operator", "turn-own", "turn-own-peer"]).await?;
    assert_eq!(uids(&pods(&up, "turn").await?), uids(&before), "nobody was changed yet");
    assert!(secrets.get_opt("turn-peer-ca-1").await?.is_some());

    up.apply(CLIENT).await?;
    let issuers: Vec<_> = EXAMPLE.split("\n---\n").take(3).collect();
    up.apply(&issuers.join("\n---\n")).await?;
    says(&cluster, ("Progressing", "UpToDate"), &[]).await?;
    cluster.settled(3).await?;
    assert!(secrets.get_opt("turn-peer-ca-1").await?.is_none(), "nobody trusts it any more");
    for pod in pods(&up, "turn").await? {
        shows(&up, "turn", &pod.name_any(), 1).await?;
    }

    let client = json!({"mode": "Managed", "serverSecret": null, "operatorSecret": null, "certManager": null});
    let peer = json!({"mode": "Managed", "secret": null, "certManager": null});
    cluster.patch(json!({"spec": {"tls": {"client": client, "peer": peer}}})).await?;
    cluster.settled(3).await?;
    signer.is_asked(&["etcd-ca", "turn-own-client"]).await?;
    assert_eq!(cluster.members().await?, members, "on their data, each by a pod made anew");
    let slowest = writer.slowest();
    assert!(writer.check().await? > 0);
    assert!(slowest < SLOWEST_MAX, "a write took {slowest:?}");
    up.stop().await
}

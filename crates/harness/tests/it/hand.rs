//! What people do to a cluster behind its operator's back: each heals, or waits with the way out.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::{EtcdCluster, Up, Writer, kill_and_wipe};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

const OPERATOR_NAMESPACE: &str = "endstate-system";
const OPERATOR: &str = "endstate-etcd";

async fn etcdctl(up: &Up, member: &str, command: &[&str]) -> Result<String> {
    up.endstate(&[&["exec", member, "-c", "etcd", "--", "etcdctl"], command].concat()).await
}

/// Asks again until etcd takes it: it wants its members connected for five seconds before each change.
async fn accepted(up: &Up, member: &str, command: &[&str]) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match etcdctl(up, member, command).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => {}
        }
    }
}

fn consent(choice: &str) -> Value {
    json!({"metadata": {"annotations": {"endstate.dev/consent": choice}}})
}

async fn pods(up: &Up) -> Result<Api<Pod>> {
    Ok(Api::default_namespaced(up.client().await?))
}

async fn written(up: &Up, member: &str) -> Result<usize> {
    let found = etcdctl(up, member, &["get", "--prefix", "writer/", "--keys-only"]).await?;
    Ok(found.lines().filter(|it| it.starts_with("writer/")).count())
}

/// Waits until the status waits for something that is said so.
async fn waits(cluster: &EtcdCluster, text: &str) -> Result<()> {
    let told = |it: &DynamicObject| it.data["status"]["waiting"].to_string().contains(text);
    cluster.until(&format!("say \"{text}\""), told).await
}

async fn operators(up: &Up, count: u32) -> Result<()> {
    let client = up.client().await?;
    let api: Api<Deployment> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let spec = Patch::Merge(json!({"spec": {"replicas": count}}));
    api.patch(OPERATOR, &PatchParams::default(), &spec).await?;
    let running: Api<Pod> = Api::namespaced(client, OPERATOR_NAMESPACE);
    for pod in running.list(&ListParams::default()).await?.items.iter().filter(|_| count == 0) {
        gone(&running, &pod.name_any()).await?;
    }
    Ok(())
}

async fn gone(pods: &Api<Pod>, name: &str) -> Result<()> {
    let gone = await_condition(pods.clone(), name, |it: Option<&Pod>| it.is_none());
    tokio::time::timeout(Duration::from_secs(60), gone).await.context("it stays")??;
    Ok(())
}

/// The status is only what the operator remembers. The members know who they are.
#[tokio::test]
async fn a_deleted_status_is_made_again() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "forgot", 3).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "forgot").await?;
    let members = cluster.members().await?;
    cluster.forget_status().await?;
    cluster.settled(3).await?;
    assert_eq!(cluster.members().await?, members);
    kill_and_wipe(&up, &members[0], &[]).await?;
    cluster.without(&members[0]).await?;
    cluster.settled(3).await?;
    writer.check().await?;
    up.stop().await
}

/// With the pods gone too nobody knows whether the volumes are one cluster's. A person does.
#[tokio::test]
async fn members_whose_pods_and_record_are_gone_resume_by_consent() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "vanished", 3).await?;
    cluster.settled(3).await?;
    let acknowledged = Writer::start(&up, "vanished").await?.check().await?;
    let members = cluster.members().await?;
    operators(&up, 0).await?;
    let pods = pods(&up).await?;
    let now = DeleteParams::default().grace_period(0);
    pods.delete_collection(&now, &ListParams::default()).await?;
    for member in &members {
        gone(&pods, member).await?;
    }
    cluster.forget_status().await?;
    operators(&up, 1).await?;
    waits(&cluster, "\\\"resume\\\"").await?;
    assert_eq!(pods.list(&ListParams::default()).await?.items.len(), 0, "nothing was started");
    cluster.patch(consent("resume")).await?;
    cluster.settled(3).await?;
    assert_eq!(cluster.members().await?, members);
    assert!(written(&up, &members[0]).await? >= acknowledged);
    up.stop().await
}

/// One that somebody took off the list is replaced; one that somebody added stays until a person says otherwise.
#[tokio::test]
async fn members_that_people_remove_and_add_are_seen() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "meddled", 3).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "meddled").await?;
    let removed = cluster.followers().await?.remove(0);
    let list = etcdctl(&up, &removed, &["member", "list"]).await?;
    let line = list.lines().find(|it| it.contains(&removed)).context("it is listed")?;
    let id = line.split(',').next().context("with an id")?.to_owned();
    let other = cluster.followers().await?.remove(1);
    accepted(&up, &other, &["member", "remove", &id]).await?;
    cluster.without(&removed).await?;
    cluster.settled(3).await?;
    let members = cluster.members().await?;
    let stranger = "--peer-urls=https://elsewhere.example:2380";
    accepted(&up, &members[0], &["member", "add", "elsewhere", stranger]).await?;
    // Nothing tells the API of it: a look is due with the next change of the object.
    cluster.patch(json!({"metadata": {"annotations": {"example.com/looked": "now"}}})).await?;
    waits(&cluster, "remove elsewhere").await?;
    cluster.patch(consent("remove elsewhere")).await?;
    cluster.settled(3).await?;
    assert_eq!(cluster.members().await?, members);
    writer.check().await?;
    up.stop().await
}

/// What a deleted cluster left is kept and not used, unless who declares the next one of its name says so.
#[tokio::test]
async fn volumes_that_a_cluster_left_are_adopted_by_consent() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "again", 3).await?;
    cluster.settled(3).await?;
    let acknowledged = Writer::start(&up, "again").await?.check().await?;
    let members = cluster.members().await?;
    let delete = ["delete", "etcdclusters.etcd.endstate.dev/again", "--wait"];
    up.endstate(&delete).await?;
    let pods = pods(&up).await?;
    for member in &members {
        gone(&pods, member).await?;
    }
    let cluster = EtcdCluster::apply(&up, "again", 1).await?;
    cluster.settled(1).await?;
    let fresh = cluster.members().await?.remove(0);
    assert_eq!(written(&up, &fresh).await?, 0, "it began without them");
    up.endstate(&delete).await?;
    gone(&pods, &fresh).await?;

    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(up.client().await?);
    let kept = claims.get(&format!("data-{}", members[0])).await?;
    let uid = kept.labels()["endstate.dev/cluster-uid"].clone();
    let spec = json!({"size": 3, "version": "3.5.16"});
    let annotations = json!({"endstate.dev/consent": "adopt"});
    let object = json!({"apiVersion": "etcd.endstate.dev/v1", "kind": "EtcdCluster",
        "metadata": {"name": "again", "annotations": annotations}, "spec": spec});
    up.apply(&object.to_string()).await?;
    let cluster = EtcdCluster::existing(&up, "again").await?;
    waits(&cluster, &uid).await?;
    cluster.patch(consent(&format!("adopt {uid}"))).await?;
    cluster.settled(3).await?;
    assert_eq!(cluster.members().await?, members);
    assert!(written(&up, &members[0]).await? >= acknowledged);
    up.stop().await
}

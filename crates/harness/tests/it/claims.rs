//! Whose claims are, and how long they stay: real servers on real volumes.

use std::time::Duration;

use anyhow::{Context, Result};
use harness::{Cluster, Up};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use crate::zookeeper::ensemble;

/// How long anything may take.
const CHANGE_MAX: Duration = Duration::from_secs(60);

/// Ends the operator, or starts it again.
async fn operators(up: &Up, count: u32) -> Result<()> {
    let (of, count) = (["-n", "endstate-system"], format!("--replicas={count}"));
    up.kubectl(&[&of[..], &["scale", "deployment/endstate-zookeeper", &count]].concat()).await?;
    if count == "--replicas=0" {
        let gone = ["wait", "pod", "--all", "--for=delete", "--timeout=60s"];
        up.kubectl(&[&of[..], &gone].concat()).await?;
    }
    Ok(())
}

async fn claims(up: &Up) -> Result<Api<PersistentVolumeClaim>> {
    Ok(Api::default_namespaced(up.client().await?))
}

/// Waits until a claim is as asked.
async fn until(
    claims: &Api<PersistentVolumeClaim>,
    name: &str,
    done: impl Fn(Option<&PersistentVolumeClaim>) -> bool + Send,
) -> Result<()> {
    let wait = await_condition(claims.clone(), name, |it: Option<&_>| done(it));
    let waited = tokio::time::timeout(CHANGE_MAX, wait).await;
    waited.with_context(|| format!("{name} did not get as asked"))??;
    Ok(())
}

/// Labels are for everybody to edit. What they say is missing may be the only copy.
#[tokio::test]
async fn a_claim_that_loses_its_labels_while_its_pod_is_gone_is_its_members() -> Result<()> {
    let up = Up::start(1).await?;
    let zoo = ensemble(&up, "zoo", json!({"size": 3, "version": "3.9.5"})).await?;
    zoo.settled(3).await?;
    let members = zoo.members().await?;
    let (claims, pods) = (claims(&up).await?, Api::<Pod>::default_namespaced(up.client().await?));
    let labels = ["app", "member", "cluster-uid"].map(|it| format!("endstate.dev/{it}"));
    let taken: Vec<Value> = labels.iter().map(|it| json!({ it.as_str(): null })).collect();
    for (labels, member) in taken.into_iter().chain([Value::Null]).zip(members.iter().cycle()) {
        operators(&up, 0).await?;
        let (claim, pod) = (format!("data-{member}"), pods.get(member).await?);
        let whole = claims.get(&claim).await?;
        up.kubectl(&["delete", "pod", member]).await?;
        let bare = Patch::Merge(json!({ "metadata": { "labels": &labels } }));
        let bare = claims.patch(&claim, &PatchParams::default(), &bare).await?;
        assert_ne!(bare.labels(), whole.labels());
        operators(&up, 1).await?;
        until(&claims, &claim, |it| it.is_some_and(|it| it.labels() == whole.labels())).await?;
        zoo.settled(3).await?;
        assert_ne!(pods.get(member).await?.uid(), pod.uid());
        assert_eq!(zoo.members().await?, members, "{labels} were taken");
    }
    up.stop().await
}

/// How many claims a cluster has, and how many of them it owns.
async fn owned(claims: &Api<PersistentVolumeClaim>, name: &str) -> Result<(usize, usize)> {
    let labels = ListParams::default().labels(&format!("endstate.dev/cluster={name}"));
    let found = claims.list(&labels).await?.items;
    let by_cluster =
        |it: &&PersistentVolumeClaim| it.owner_references().iter().any(|it| it.name == name);
    Ok((found.len(), found.iter().filter(by_cluster).count()))
}

async fn retention(zoo: &Cluster, when_deleted: &str) -> Result<()> {
    let retention = json!({"whenDeleted": when_deleted, "whenScaled": "Retain"});
    zoo.patch(json!({"spec": {"storage": {"retention": retention}}})).await?;
    zoo.observed().await
}

/// By the policy of the last moment, and without the operator. It counts for the claims of servers that have left, too.
#[tokio::test]
async fn claims_go_with_their_cluster_if_they_are_to_and_only_then() -> Result<()> {
    let up = Up::start(1).await?;
    let claims = claims(&up).await?;
    let spec = json!({"size": 1, "observers": 1, "version": "3.9.5"});
    let kept = ensemble(&up, "kept", spec.clone()).await?;
    let gone = ensemble(&up, "gone", spec).await?;
    for zoo in [&kept, &gone] {
        zoo.settled(2).await?;
        retention(zoo, "Retain").await?;
        zoo.patch(json!({"spec": {"observers": 0}})).await?;
        zoo.observed().await?;
        zoo.settled(1).await?;
        assert_eq!(owned(&claims, &zoo.name).await?, (2, 0), "{}", zoo.name);
        retention(zoo, "Delete").await?;
        is_owned(&claims, &zoo.name, 2).await?;
    }
    // That of the server that has left, who does not say any more whose it is.
    let left = ListParams::default().labels("endstate.dev/cluster=kept,endstate.dev/role=observer");
    let left = claims.list(&left).await?.items.first().map(|it| it.name_any());
    let left = left.context("a claim of a server that has left")?;
    let bare = Patch::Merge(json!({"metadata": {"labels": {"endstate.dev/member": null}}}));
    claims.patch(&left, &PatchParams::default(), &bare).await?;
    retention(&kept, "Retain").await?;
    is_owned(&claims, "kept", 0).await?;

    operators(&up, 0).await?;
    let claim = format!("data-{}", gone.members().await?[0]);
    up.endstate(&["delete", "zk/kept", "zk/gone", "--wait"]).await?;
    until(&claims, &claim, |it| it.is_none()).await?;
    is_owned(&claims, "gone", 0).await?;
    assert_eq!(owned(&claims, "gone").await?, (0, 0));
    assert_eq!(owned(&claims, "kept").await?, (2, 0));
    up.stop().await
}

/// Waits until a cluster owns so many claims. Any change of a claim is looked at.
async fn is_owned(claims: &Api<PersistentVolumeClaim>, name: &str, count: usize) -> Result<()> {
    let watch = async {
        while owned(claims, name).await?.1 != count {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    let waited = tokio::time::timeout(CHANGE_MAX, watch).await;
    waited.with_context(|| format!("{name} does not own {count} claims"))?
}

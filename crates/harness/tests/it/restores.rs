//! A cluster's data kept elsewhere, tried, and restored into another cluster.

use anyhow::{Context, Result, ensure};
use etcd_client::{GetOptions, KeyValue};
use harness::{Beside, EtcdCluster, EtcdReach, Up, forward};
use kube::api::DynamicObject;
use serde_json::{Value, json};

/// How far revisions are raised unless a spec says otherwise.
const RAISED: i64 = 1_000_000_000;

fn is_ready(status: &Value) -> bool {
    status["conditions"][0]["status"] == "True"
}

/// A claim for backups, and the place that it is.
async fn place(up: &Up) -> Result<Value> {
    let spec =
        json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "kept"}, "spec": spec});
    up.apply(&claim.to_string()).await?;
    Ok(json!({"volume": {"claim": "kept", "path": "etcd"}}))
}

/// Every key with its value and its revisions.
async fn all(reach: &EtcdReach) -> Result<Vec<(Vec<u8>, Vec<u8>, [i64; 3])>> {
    let options = GetOptions::new().with_all_keys();
    let got = reach.connect().await?.get("", Some(options)).await?;
    let numbers = |it: &KeyValue| [it.create_revision(), it.mod_revision(), it.version()];
    let of = |it: &KeyValue| (it.key().to_vec(), it.value().to_vec(), numbers(it));
    Ok(got.kvs().iter().map(of).collect())
}

async fn write(reach: &EtcdReach, from: usize) -> Result<i64> {
    let mut client = reach.connect().await?;
    let mut revision = 0;
    for number in from..from + 40 {
        let key = format!("key-{number}");
        let mut tries = 0;
        // On a busy machine an answer may be late; the same write again is as good.
        let put = loop {
            match client.put(&*key, vec![b'x'; 1_000], None).await {
                Err(_) if tries < 5 => tries += 1,
                put => break put?,
            }
        };
        revision = put.header().context("a write without a header")?.revision();
    }
    Ok(revision)
}

#[tokio::test]
async fn what_a_cluster_had_is_kept_tried_and_comes_back_in_another() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let place = place(&up).await?;
    let cluster = EtcdCluster::apply(&up, "first", 3).await?;
    cluster.settled(3).await?;
    let (_forward, address) = forward(&up, "first", 2379).await?;
    let reach = EtcdReach::new(&up, "first", &address).await?;
    write(&reach, 0).await?;
    let backups = Beside::of(&up, "EtcdBackup").await?;
    let schedule = json!({"full": "1h", "delta": "1s", "trial": "1h"});
    let spec = json!({"cluster": "first", "to": place, "schedule": schedule});
    backups.declare(&up, "kept", &spec).await?;
    let tried = |it: &Value| is_ready(it) && it["trial"]["same"] == true;
    let status = backups.until("kept", "tried", tried).await?;
    ensure!(status["full"]["revision"].as_i64().is_some(), "{status:#}");
    let revision = write(&reach, 40).await?;
    let reached = |it: &Value| it["delta"]["revision"].as_i64().is_some_and(|it| it >= revision);
    let status = backups.until("kept", "kept up to the last write", reached).await?;
    let lineage = status["lineage"].as_str().context("no lineage")?;
    ensure!(lineage.starts_with("default.first."), "{lineage}");
    let before = Box::pin(all(&reach)).await?;

    // One more, once.
    backups.declare(&up, "once", &json!({"cluster": "first", "to": place})).await?;
    let status = backups.until("once", "complete", |it| it["state"] == "Complete").await?;
    ensure!(is_ready(&status) && status["full"]["bytes"].as_i64() > Some(0), "{status:#}");

    up.kubectl(&["delete", "etcdclusters.etcd.endstate.dev", "first"]).await?;
    let gone = |it: &Value| it["conditions"][0]["reason"] == "ClusterNotFound";
    backups.until("kept", "told that its cluster is gone", gone).await?;

    let bootstrap = json!({"restore": {"from": place, "revision": revision}});
    let spec = json!({"size": 3, "version": "3.5.16", "bootstrap": bootstrap});
    let cluster = EtcdCluster::etcd(&up, "second", spec).await?;
    cluster.settled(3).await?;
    let (_forward, address) = forward(&up, "second", 2379).await?;
    let reach = EtcdReach::new(&up, "second", &address).await?;
    let after = Box::pin(all(&reach)).await?;
    // What the full backup held has its revisions; what was written since has them raised.
    let plain = |all: &[(Vec<u8>, Vec<u8>, [i64; 3])]| -> Vec<_> {
        let lowered = |it: i64| if it > RAISED { it - RAISED } else { it };
        all.iter().map(|it| (it.0.clone(), it.1.clone(), it.2.map(lowered))).collect()
    };
    ensure!(plain(&after) == plain(&before), "{} and {} keys", after.len(), before.len());
    let status = reach.connect().await?.status().await?;
    let now = status.header().context("a status without a header")?.revision();
    ensure!(now >= revision + RAISED, "revision {now} after {revision}");
    up.stop().await
}

/// What cannot be restored is told, and nothing is formed in its place.
#[tokio::test]
async fn a_cluster_whose_backup_is_not_there_is_not_formed_empty() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    place(&up).await?;
    let bootstrap = json!({"restore": {"from": {"volume": {"claim": "kept"}}}});
    let spec = json!({"size": 1, "version": "3.5.16", "bootstrap": bootstrap});
    let cluster = EtcdCluster::etcd(&up, "nothing", spec).await?;
    let says = |it: &DynamicObject| it.data["status"].to_string().contains("no backup is there");
    cluster.until("say that there is no backup", says).await?;
    ensure!(
        cluster.object().await?.data["status"]["record"]["clusterId"].is_null(),
        "it is formed"
    );
    up.stop().await
}

/// Without a word of what was written later; a backup that is not there stops nobody; who has the volumes of before
/// keeps them.
#[tokio::test]
async fn a_cluster_begins_anew_with_what_was_kept() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let place = place(&up).await?;
    let cluster = EtcdCluster::apply(&up, "anew", 3).await?;
    cluster.settled(3).await?;
    let (_forward, address) = forward(&up, "anew", 2379).await?;
    let reach = EtcdReach::new(&up, "anew", &address).await?;
    write(&reach, 0).await?;
    let (backups, tasks) = (Beside::of(&up, "EtcdBackup"), Beside::of(&up, "EtcdTask"));
    let (backups, tasks) = (backups.await?, tasks.await?);
    backups.declare(&up, "once", &json!({"cluster": "anew", "to": place})).await?;
    backups.until("once", "complete", |it| it["state"] == "Complete").await?;
    let kept = Box::pin(all(&reach)).await?;
    let last = write(&reach, 40).await?;
    let former = cluster.members().await?;
    let service = ["get", "service", "anew-client", "-o", "jsonpath={.spec.clusterIP}"];
    let before = up.kubectl(&service).await?;

    let nowhere = json!({"from": {"volume": {"claim": "kept", "path": "nowhere"}}});
    tasks.declare(&up, "nothing", &json!({"cluster": "anew", "restore": nowhere})).await?;
    let says = |it: &Value| it.to_string().contains("nowhere is not there");
    tasks.until("nothing", "told that there is no backup", says).await?;
    ensure!(cluster.members().await? == former, "members went for nothing");
    let last = last.max(write(&reach, 80).await?);
    up.kubectl(&["delete", "etcdtask", "nothing"]).await?;
    cluster.settled(3).await?;

    tasks.declare(&up, "back", &json!({"cluster": "anew", "restore": {"from": place}})).await?;
    tasks.until("back", "complete", |it| it["state"] == "Complete").await?;
    cluster.settled(3).await?;
    let members = cluster.members().await?;
    ensure!(members.iter().all(|it| !former.contains(it)), "{members:?} after {former:?}");
    ensure!(up.kubectl(&service).await? == before, "clients have another address to go to");
    let (_forward, address) = forward(&up, "anew", 2379).await?;
    let reach = EtcdReach::new(&up, "anew", &address).await?;
    let after = Box::pin(all(&reach)).await?;
    ensure!(after == kept, "{} and {} keys", after.len(), kept.len());
    let status = reach.connect().await?.status().await?;
    let now = status.header().context("a status without a header")?.revision();
    ensure!(now > last, "revision {now} after {last}");
    let claims = up.kubectl(&["get", "pvc", "-o", "name"]).await?;
    ensure!(former.iter().all(|it| claims.contains(&format!("data-{it}"))), "{claims}");
    up.stop().await
}

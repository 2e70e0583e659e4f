//! etcd on volumes: what outlives pods, and how members get to other storage.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::{
    EtcdCluster, Up, Writer, claim_folder, claim_process, empty, freeze, is_true, kill,
    kill_and_wipe,
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use kube::runtime::wait::await_condition;
use serde_json::json;

async fn pods(up: &Up) -> Result<BTreeSet<String>> {
    let api: Api<Pod> = Api::default_namespaced(up.client().await?);
    uids(&api.list(&ListParams::default()).await?.items)
}

async fn claims(up: &Up) -> Result<BTreeSet<String>> {
    let api: Api<PersistentVolumeClaim> = Api::default_namespaced(up.client().await?);
    uids(&api.list(&ListParams::default()).await?.items)
}

fn uids(objects: &[impl ResourceExt]) -> Result<BTreeSet<String>> {
    objects.iter().map(|it| it.uid().context("a stored object has a uid")).collect()
}

/// Every pod is deleted at once: all come back on their volumes, with all data.
#[tokio::test]
async fn a_cluster_comes_back_from_the_loss_of_all_its_pods() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "gone", 3).await?;
    cluster.settled(3).await?;
    let (members, claims) = (cluster.members().await?, claims(&up).await?);
    assert_eq!(claims.len(), 3, "each member has a volume by default");
    let writer = Writer::start(&up, "gone").await?;
    let before = self::pods(&up).await?;
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    pods.delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default())
        .await?;
    let again = async || -> Result<bool> {
        let after = self::pods(&up).await?;
        Ok(after.len() == 3 && after.is_disjoint(&before))
    };
    while !again().await? {
        cluster.changed().await?;
    }
    cluster.settled(3).await?;
    assert!(writer.check().await? > 0);
    assert_eq!(cluster.members().await?, members, "no member was replaced");
    assert_eq!(self::claims(&up).await?, claims, "each has the volume that it had");
    up.stop().await
}

/// From a directory to a volume, to a larger and a smaller one, and back. Growth is in place; else members move.
#[tokio::test]
async fn members_move_to_other_storage_under_a_writer() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let directory = json!({"emptyDir": {"medium": "Memory"}});
    let spec = json!({"size": 3, "version": "3.5.16", "storage": directory});
    let cluster = EtcdCluster::etcd(&up, "moves", spec).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "moves").await?;
    let mut members: BTreeSet<_> = cluster.members().await?.into_iter().collect();
    let volume = |size| json!({"emptyDir": null, "volume": {"size": size}});
    let none = json!({"emptyDir": {}, "volume": null});
    let steps = [
        (volume("1Gi"), true, 3),
        (volume("2Gi"), false, 3),
        (volume("1Gi"), true, 3),
        (none, true, 0),
    ];
    for (storage, moves, volumes) in steps {
        cluster.patch(json!({"spec": {"storage": storage}})).await?;
        cluster.observed().await?;
        cluster.settled(3).await?;
        let after: BTreeSet<_> = cluster.members().await?.into_iter().collect();
        assert_eq!(after.is_disjoint(&members), moves, "{storage}: {members:?}, {after:?}");
        let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
        let on_claim = |it: &Pod| {
            let stays = it.metadata.deletion_timestamp.is_none();
            stays && json!(it.spec).to_string().contains("persistentVolumeClaim")
        };
        let found = pods.list(&ListParams::default()).await?;
        assert_eq!(found.iter().filter(|it| on_claim(it)).count(), volumes, "{storage}");
        members = after;
    }
    assert!(writer.check().await? > 0);
    up.stop().await
}

/// How many keys of a writer's a member has.
async fn written(up: &Up, member: &str) -> Result<usize> {
    let get = ["etcdctl", "get", "--prefix", "writer/", "--keys-only"];
    let command = [&["exec", member, "-c", "etcd", "--"][..], &get].concat();
    let found = up.endstate(&command).await?;
    Ok(found.lines().filter(|it| it.starts_with("writer/")).count())
}

/// Two of three lost their data: nothing is started anew, and by a person's consent the third goes on alone.
#[tokio::test]
async fn two_of_three_wiped_are_reported_and_the_survivors_data_is_gone_on_with() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "rest", 3).await?;
    cluster.settled(3).await?;
    let acknowledged = Writer::start(&up, "rest").await?.check().await?;
    let survivor = cluster.followers().await?.remove(0);
    for member in cluster.members().await?.iter().filter(|it| **it != survivor) {
        kill_and_wipe(&up, member, &[]).await?;
    }
    let told = |it: &kube::api::DynamicObject| {
        let waits = it.data["status"]["waiting"].to_string();
        is_true(it, "QuorumLost") && waits.contains("recover-from")
    };
    cluster.until("report the loss", told).await?;
    let consent = json!({"metadata": {"annotations": {"endstate.dev/consent": format!("recover-from {survivor}")}}});
    cluster.patch(consent).await?;
    cluster.until("serve again", |it| is_true(it, "Available")).await?;
    cluster.settled(3).await?;
    let found = written(&up, &survivor).await?;
    assert!(found >= acknowledged, "{found} of {acknowledged} keys are there");
    Writer::start(&up, "rest").await?.check().await?;
    assert!(cluster.members().await?.contains(&survivor));
    up.stop().await
}

/// Two of three volumes are deleted with their pods, and nobody has to be asked: the third's data serves again.
#[tokio::test]
async fn two_of_three_volumes_are_deleted_and_nobody_is_asked() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let spec = json!({"size": 3, "version": "3.5.16", "quorumRecovery": "Auto"});
    let cluster = EtcdCluster::etcd(&up, "alone", spec).await?;
    cluster.settled(3).await?;
    let acknowledged = Writer::start(&up, "alone").await?.check().await?;
    let survivor = cluster.followers().await?.remove(0);
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(up.client().await?);
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    let others: Vec<_> =
        cluster.members().await?.into_iter().filter(|it| *it != survivor).collect();
    for member in &others {
        claims.delete(&format!("data-{member}"), &DeleteParams::default()).await?;
    }
    let now = DeleteParams::default().grace_period(0);
    for member in &others {
        pods.delete(member, &now).await?;
    }
    let lost = Instant::now();
    cluster.until("lose its quorum", |it| is_true(it, "QuorumLost")).await?;
    println!("lost: {:.1} s", lost.elapsed().as_secs_f64());
    cluster.until("serve again", |it| is_true(it, "Available")).await?;
    println!("serves: {:.1} s", lost.elapsed().as_secs_f64());
    cluster.settled(3).await?;
    let found = written(&up, &survivor).await?;
    assert!(found >= acknowledged, "{found} of {acknowledged} keys are there");
    Writer::start(&up, "alone").await?.check().await?;
    up.stop().await
}

/// Of size 0 no process runs, and all data is there when the size is another.
#[tokio::test]
async fn a_cluster_hibernates_and_wakes_with_its_data() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "sleeps", 3).await?;
    cluster.settled(3).await?;
    let (members, claims) = (cluster.members().await?, claims(&up).await?);
    let acknowledged = Writer::start(&up, "sleeps").await?.check().await?;
    cluster.resize(0).await?;
    cluster.until("hibernate", |it| it.data["status"]["phase"] == "Hibernating").await?;
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    for member in &members {
        let gone = await_condition(pods.clone(), member, |it: Option<&Pod>| it.is_none());
        tokio::time::timeout(Duration::from_secs(60), gone).await.context("it runs on")??;
    }
    assert_eq!(self::claims(&up).await?, claims, "the data is kept");
    cluster.resize(3).await?;
    cluster.settled(3).await?;
    assert_eq!(cluster.members().await?, members, "the same members are back");
    let get = ["etcdctl", "get", "--prefix", "writer/", "--keys-only"];
    let command = [&["exec", &members[0], "-c", "etcd", "--"][..], &get].concat();
    let found = up.endstate(&command).await?;
    let found = found.lines().filter(|it| it.starts_with("writer/")).count();
    assert!(found >= acknowledged, "{found} of {acknowledged} keys are there");
    up.stop().await
}

/// How many files of its write-ahead log a member has in a folder of one of its volumes; nothing if it has no such.
async fn logs(up: &Up, (volume, member): (&str, &str), folder: &str) -> Result<Option<usize>> {
    let Some(key) = harness::claims(up).await?.remove(&format!("{volume}-{member}")) else {
        return Ok(None);
    };
    let folder = claim_folder(up.state(), &key)?.join(folder);
    let Ok(files) = std::fs::read_dir(folder) else { return Ok(None) };
    let is_log = |it: &std::path::Path| it.extension().is_some_and(|it| it == "wal");
    Ok(Some(files.filter_map(Result::ok).filter(|it| is_log(&it.path())).count()))
}

/// The write-ahead log gets a volume of its own, which grows, and loses it again, under a writer. No member's log
/// moves.
#[tokio::test]
async fn the_write_ahead_log_is_apart_for_as_long_as_that_is_asked_for() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let cluster = EtcdCluster::apply(&up, "apart", 3).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "apart").await?;
    let mut members: BTreeSet<_> = cluster.members().await?.into_iter().collect();
    let steps =
        [(json!({"size": "1Gi"}), true), (json!({"size": "2Gi"}), false), (json!(null), true)];
    for (wal, moves) in steps {
        cluster.patch(json!({"spec": {"storage": {"walVolume": wal}}})).await?;
        cluster.observed().await?;
        cluster.settled(3).await?;
        let after: BTreeSet<_> = cluster.members().await?.into_iter().collect();
        assert_eq!(after.is_disjoint(&members), moves, "{wal}: {members:?}, {after:?}");
        let apart = !wal.is_null();
        for member in &after {
            let (own, beside) = (("wal", &**member), ("data", &**member));
            let own = logs(&up, own, "wal").await?;
            let beside = logs(&up, beside, "member/wal").await?;
            let there = if apart { own } else { beside };
            assert!(there > Some(0), "{member}: {own:?}, {beside:?}");
            assert!(own.is_none() || beside.is_none(), "{member}: {own:?}, {beside:?}");
        }
        members = after;
    }
    assert!(writer.check().await? > 0);
    up.stop().await
}

/// A pod that is gone comes back on both volumes. Who lost its log has lost its data, and leaves neither volume.
#[tokio::test]
async fn a_member_that_lost_its_log_is_replaced() -> Result<()> {
    let up = Up::with_operator(1, "etcd").await?;
    let storage = json!({"volume": {"size": "1Gi"}, "walVolume": {"size": "1Gi"}});
    let spec = json!({"size": 3, "version": "3.5.16", "storage": storage});
    let cluster = EtcdCluster::etcd(&up, "logs", spec).await?;
    cluster.settled(3).await?;
    let writer = Writer::start(&up, "logs").await?;
    let members = cluster.members().await?;
    let before = self::pods(&up).await?;
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    pods.delete(&members[0], &DeleteParams::default().grace_period(0)).await?;
    while self::pods(&up).await?.difference(&before).count() == 0 {
        cluster.changed().await?;
    }
    cluster.settled(3).await?;
    assert_eq!(cluster.members().await?, members, "it is back on both");
    let tree = up.endstate(&["status", "etcd", "logs"]).await?;
    for member in &members {
        assert!(
            tree.contains(&format!("volume wal  claim wal-{member}  1Gi  /var/lib/etcd-wal")),
            "{tree}"
        );
        assert!(
            tree.contains(&format!("volume data  claim data-{member}  1Gi  /var/lib/etcd")),
            "{tree}"
        );
    }
    let lost = cluster.followers().await?.remove(0);
    let key =
        harness::claims(&up).await?.remove(&format!("wal-{lost}")).context("it has no log")?;
    let process = claim_process(&key)?;
    freeze(process)?;
    empty(&claim_folder(up.state(), &key)?)?;
    kill(process)?;
    cluster.without(&lost).await?;
    cluster.settled(3).await?;
    assert!(writer.check().await? > 0);
    let left = harness::claims(&up).await?;
    assert!(!left.keys().any(|it| it.ends_with(&*lost)), "{left:?}");
    assert_eq!(left.len(), 6, "{left:?}");
    up.stop().await
}

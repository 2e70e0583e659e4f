//! Pods that give up all they can, in namespaces that let no others in.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use harness::{Cluster, EtcdCluster, Up, Writer, ZnodeWriter, claim_folder, claim_process};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::json;

use crate::zookeeper::ensemble;

const LEVEL: &str = "pod-security.kubernetes.io/enforce=restricted";

/// One cluster of each application, and their operators, where nothing else is let in. Then their volumes become what
/// an earlier release left, whose members ran as root: both go on, as nobody in particular.
#[tokio::test]
async fn clusters_run_where_pods_are_restricted_on_what_root_left() -> Result<()> {
    let mut up = Up::start(1).await?;
    up.kubectl(&["label", "namespace", "default", LEVEL]).await?;
    up.endstate(&["install", "etcd"]).await?;
    let level = up.kubectl(&["get", "namespace", "-l", LEVEL, "-o", "name"]).await?;
    ensure!(level.contains("endstate-system"), "operators are restricted too: {level}");
    let etcd = EtcdCluster::apply(&up, "etcd", 3).await?;
    let zoo = ensemble(&up, "zoo", json!({"size": 3, "version": "3.9.5"})).await?;
    etcd.settled(3).await?;
    zoo.settled(3).await?;
    let acknowledged = Writer::start(&up, "etcd").await?.check().await?;
    let (names, _) = ZnodeWriter::start(&up, "zoo", "before").await?.check().await?;
    let members = [etcd.members().await?, zoo.members().await?];
    let claims = claims(&up).await?;
    for claim in &claims {
        ensure!(user(claim)? != 0, "{claim} is used by root");
    }

    up.kill().await?;
    for claim in &claims {
        give_to_root(&claim_folder(up.state(), claim)?)?;
    }
    up.restart().await?;
    let etcd = EtcdCluster::existing(&up, "etcd").await?;
    let zoo = Cluster::zookeeper(&up, "zoo", None).await?;
    assert!(Writer::start(&up, "etcd").await?.check().await? > 0);
    let (after, _) = ZnodeWriter::start(&up, "zoo", "after").await?.check().await?;
    assert!(acknowledged > 0 && !names.is_empty() && !after.is_empty());
    etcd.settled(3).await?;
    zoo.settled(3).await?;
    assert_eq!([etcd.members().await?, zoo.members().await?], members, "no member was replaced");
    up.stop().await
}

async fn claims(up: &Up) -> Result<Vec<String>> {
    let api: Api<PersistentVolumeClaim> = Api::default_namespaced(up.client().await?);
    let all = api.list(&ListParams::default()).await?.items;
    all.iter().map(|it| it.uid().context("a stored object has a uid")).collect()
}

/// As whom the member on a claim runs.
fn user(claim: &str) -> Result<u32> {
    let status = fs::read_to_string(format!("/proc/{}/status", claim_process(claim)?))?;
    let ids =
        status.lines().find_map(|it| it.strip_prefix("Uid:")).context("a process has a user")?;
    Ok(ids.split_whitespace().next().context("a user has a number")?.parse()?)
}

/// As etcd and the launcher leave their files: for nobody but their user.
fn give_to_root(path: &Path) -> Result<()> {
    let is = fs::symlink_metadata(path)?;
    let me = rustix::process::geteuid().as_raw();
    if is.is_dir() {
        for entry in fs::read_dir(path)? {
            give_to_root(&entry?.path())?;
        }
    }
    chown(path, Some(me), Some(rustix::process::getegid().as_raw()))?;
    fs::set_permissions(path, Permissions::from_mode(if is.is_dir() { 0o700 } else { 0o600 }))?;
    Ok(())
}

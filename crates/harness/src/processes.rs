//! The processes of pods, as the host sees them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use crate::Up;

/// The etcd process of a member: the one whose command line is etcd with `--name=MEMBER`.
pub fn member_process(member: &str) -> Result<u32> {
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|it| it.parse().ok()) else { continue };
        // A process may end while it is looked at.
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split('\0');
        let is_etcd = words.next().is_some_and(|it| it.ends_with("/etcd"));
        if is_etcd && words.any(|it| it.strip_prefix("--name=") == Some(member)) {
            return Ok(id);
        }
    }
    anyhow::bail!("no etcd process of {member} runs")
}

/// Whether this runs with the rights of root, which what changes another process's namespaces needs.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Stops a process where it is.
pub fn freeze(process: u32) -> Result<()> {
    signal("-STOP", process)
}

/// Lets it go on.
pub fn thaw(process: u32) -> Result<()> {
    signal("-CONT", process)
}

/// SIGKILL.
pub fn kill(process: u32) -> Result<()> {
    signal("-KILL", process)
}

fn signal(signal: &str, process: u32) -> Result<()> {
    let status = Command::new("kill").args([signal, &process.to_string()]).status()?;
    ensure!(status.success(), "cannot send {signal} to process {process}");
    Ok(())
}

/// Where the node keeps a pod: its volumes are in `volumes/`, on a real one in folders for each kind of them.
pub fn pod_folder(state: &Path, uid: &str) -> Result<PathBuf> {
    let real = (0..10).map(|it| state.join(format!("node-{it}/kubelet/pods")));
    let mut folders = [state.join("node/pods")].into_iter().chain(real).map(|it| it.join(uid));
    folders.find(|it| it.exists()).with_context(|| format!("pod {uid} has no folder"))
}

/// Where the node keeps a claim of this [key](claims).
pub fn claim_folder(state: &Path, key: &str) -> Result<PathBuf> {
    let mut folders =
        ["node/persistent", "tmp/hostpath_pv"].map(|it| state.join(it).join(key)).into_iter();
    folders.find(|it| it.exists()).with_context(|| format!("claim {key} has no folder"))
}

/// The claims of the default namespace, and the key of each: its folder has that name.
pub async fn claims(up: &Up) -> Result<BTreeMap<String, String>> {
    let client = up.client().await?;
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(client.clone());
    let volumes: Api<PersistentVolume> = Api::all(client);
    let volumes = volumes.list(&ListParams::default()).await?;
    let folder_of = |claim: &PersistentVolumeClaim| {
        let name = claim.spec.as_ref()?.volume_name.as_ref()?;
        let volume = volumes.iter().find(|it| it.name_any() == *name)?;
        let path = volume.spec.as_ref()?.host_path.as_ref()?.path.clone();
        Some(path.rsplit('/').next()?.to_owned())
    };
    let all = claims.list(&ListParams::default()).await?;
    Ok(all.iter().filter_map(|it| Some((it.name_any(), folder_of(it).or(it.uid())?))).collect())
}

/// The member's process that runs on a claim.
pub fn claim_process(uid: &str) -> Result<u32> {
    process_of(uid, &["java\0", "/usr/local/bin/etcd\0"])
}

/// The operator's process in a pod.
pub fn operator_process(uid: &str) -> Result<u32> {
    process_of(uid, &["/endstate\0operator\0"])
}

/// The process whose command line begins like one of these, and that has a volume of the pod or of the claim.
fn process_of(uid: &str, commands: &[&str]) -> Result<u32> {
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|it| it.parse().ok()) else { continue };
        // A process may end while it is looked at.
        let file = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let line = file("cmdline");
        if commands.iter().any(|it| line.starts_with(it)) && file("mountinfo").contains(uid) {
            return Ok(id);
        }
    }
    anyhow::bail!("no process of {commands:?} runs on the volumes of {uid}")
}

/// Kills the process of a member that runs on a claim, and empties the claim before, and these volumes of its pod. The
/// process is frozen, so that nothing happens in between.
pub async fn kill_and_wipe(up: &Up, member: &str, beside: &[&str]) -> Result<()> {
    let mut claims = claims(up).await?;
    let claim = claims.remove(&format!("data-{member}")).context("it has no claim")?;
    let pods: Api<Pod> = Api::default_namespaced(up.client().await?);
    let pod = pods.get(member).await?.uid().context("it has a uid")?;
    let process = claim_process(&claim)?;
    freeze(process)?;
    empty(&claim_folder(up.state(), &claim)?)?;
    for volume in beside {
        let volumes = pod_folder(up.state(), &pod)?.join("volumes");
        let real = volumes.join("kubernetes.io~empty-dir").join(volume);
        empty(&if real.exists() { real } else { volumes.join(volume) })?;
    }
    kill(process)
}

/// Removes everything in a folder, and not the folder.
pub fn empty(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

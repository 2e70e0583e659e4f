//! The processes of pods, as the host sees them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::{Api, ResourceExt};

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

/// Where the node keeps a pod: its volumes are in `volumes/`.
pub fn pod_folder(state: &Path, uid: &str) -> Result<PathBuf> {
    let folder = state.join("node/pods").join(uid);
    fs::metadata(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// Where the node keeps a claim.
pub fn claim_folder(state: &Path, uid: &str) -> Result<PathBuf> {
    let folder = state.join("node/persistent").join(uid);
    fs::metadata(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
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
    let client = up.client().await?;
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(client.clone());
    let claim = claims.get(&format!("data-{member}")).await?.uid().context("it has a uid")?;
    let pods: Api<Pod> = Api::default_namespaced(client);
    let pod = pods.get(member).await?.uid().context("it has a uid")?;
    let process = claim_process(&claim)?;
    freeze(process)?;
    empty(&claim_folder(up.state(), &claim)?)?;
    for volume in beside {
        empty(&pod_folder(up.state(), &pod)?.join("volumes").join(volume))?;
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

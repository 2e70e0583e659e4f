//! Losing a member: its process killed, its data removed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run;

/// Kills a member's etcd with SIGKILL and removes its data.
///
/// It is stopped first, so that it cannot be restarted between the two: what is restarted finds no data, for certain.
pub(crate) fn kill_and_wipe(state: &Path, member: &str) -> Result<()> {
    let process = process(member)?.with_context(|| format!("no etcd process of {member} runs"))?;
    signal("-STOP", process)?;
    let data = data_folder(state, member)?;
    for entry in fs::read_dir(&data).with_context(|| data.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
    }
    signal("-KILL", process)
}

fn signal(signal: &str, process: u32) -> Result<()> {
    run::check_quiet(run::command("kill").args([signal, &process.to_string()]))
}

/// The process whose command line is etcd with `--name=MEMBER`.
fn process(member: &str) -> Result<Option<u32>> {
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|it| it.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end while it is looked at.
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split('\0');
        let is_etcd = words.next().is_some_and(|it| it.ends_with("/etcd"));
        if is_etcd && words.any(|it| it.strip_prefix("--name=") == Some(member)) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The folder on the host that the member's data directory is.
fn data_folder(state: &Path, member: &str) -> Result<PathBuf> {
    let pods = state.join("node/pods");
    for pod in fs::read_dir(&pods).with_context(|| pods.display().to_string())? {
        let pod = pod?.path();
        let name = fs::read_to_string(pod.join("name")).unwrap_or_default();
        if name.trim().rsplit('/').next() == Some(member) {
            return Ok(pod.join("volumes/data"));
        }
    }
    anyhow::bail!("no pod folder of {member} below {}", pods.display())
}

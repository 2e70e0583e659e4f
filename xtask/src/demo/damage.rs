//! Losing a member: its process killed, its data removed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::run;

/// Kills the process of a program in whose mounts a uid occurs, and removes its data.
///
/// It is stopped first, so that it cannot be restarted between the two: what is restarted finds no data, for certain.
pub(super) fn kill_and_wipe(program: &str, uid: &str, data: &Path) -> Result<()> {
    let process = process(program, uid)?.with_context(|| format!("no {program} of {uid} runs"))?;
    signal("-STOP", process)?;
    for entry in fs::read_dir(data).with_context(|| data.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
    }
    signal("-KILL", process)
}

fn signal(signal: &str, process: u32) -> Result<()> {
    run::check_quiet(run::command("kill").args([signal, &process.to_string()]))
}

fn process(program: &str, uid: &str) -> Result<Option<u32>> {
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|it| it.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end while it is looked at.
        let file = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let line = file("cmdline");
        let first = line.split('\0').next().and_then(|it| it.rsplit('/').next());
        if first == Some(program) && file("mountinfo").contains(uid) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

//! What a stopped cluster must not leave: processes, mounts, files.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

/// Fails if anything of a state directory still lives. Namespaces live as long as a process or a mount of theirs does.
pub(super) fn check(state: &Path) -> Result<()> {
    let state_text = state.display().to_string();
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    ensure!(!mounts.contains(&state_text), "mounts are left below {state_text}");
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        if entry.file_name().to_str().is_none_or(|it| it.parse::<u32>().is_err()) {
            continue;
        }
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let own = entry.file_name().to_str() == Some(&std::process::id().to_string());
        ensure!(own || !line.contains(&state_text), "process {:?} is left", entry.file_name());
    }
    ensure!(!state.exists(), "files are left in {state_text}");
    Ok(())
}

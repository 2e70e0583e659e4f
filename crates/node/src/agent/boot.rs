//! Entering the namespaces. Everything here is synchronous and happens before any thread exists.

use std::process::{Command, ExitCode};

use super::{MAPPED, Report, SUBCOMMAND};
use crate::config::AgentConfig;
use crate::sys;

/// The first stage: from the host into the namespaces.
pub(super) fn enter(config: &str, parsed: &AgentConfig) -> Result<ExitCode, String> {
    sys::die_with_parent().map_err(|error| format!("set the parent-death signal: {error}"))?;
    sys::leave_session_keyring().map_err(|error| format!("leave the session keyring: {error}"))?;
    sys::set_oom_score_adj(parsed.oom.agent())
        .map_err(|error| format!("set the score for lack of memory: {error}"))?;
    sys::enter_user_namespace(parsed.processes.namespace).map_err(|error| {
        format!("create a user namespace: {error}; `endstate doctor` tells how to allow it")
    })?;
    Report::Unshared { pid: std::process::id() }.send();
    wait_for_ids()?;
    // Changing credentials cleared the parent-death signal.
    sys::die_with_parent().map_err(|error| format!("set the parent-death signal: {error}"))?;
    sys::enter_namespaces().map_err(|error| format!("create namespaces: {error}"))?;
    let executable = std::env::current_exe().map_err(|error| format!("find myself: {error}"))?;
    let status = Command::new(executable)
        .args([SUBCOMMAND, "run", config])
        .status()
        .map_err(|error| format!("start the second stage: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wait_for_ids() -> Result<(), String> {
    let mut byte = [0];
    // Not through std's buffered reader: what follows on stdin belongs to the second stage.
    match rustix::io::read(std::io::stdin(), &mut byte) {
        Ok(1) if byte[0] == MAPPED => Ok(()),
        _ => Err("the supervisor ended before mapping the ids".to_owned()),
    }
}

/// The second stage's first act, as process 1 of the namespaces.
pub(super) fn prepare(config: &AgentConfig) -> Result<(), String> {
    sys::die_with_parent().map_err(|error| format!("set the parent-death signal: {error}"))?;
    sys::raise_file_limit().map_err(|error| format!("raise the limit of open files: {error}"))?;
    let groups = config.limits.groups().into_iter().flat_map(|groups| groups.binds());
    sys::prepare_mounts(&config.paths().private(), groups)
        .map_err(|error| format!("prepare the mount namespace: {error}"))?;
    nix::unistd::sethostname(config.node_name(0))
        .map_err(|error| format!("set the hostname: {error}"))
}

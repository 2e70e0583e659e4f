//! The node's process inside the namespace: `endstate node-agent`.
//!
//! It enters in two steps, each a fresh execution of the same binary, because a process only becomes the first of a pid
//! namespace by being born there: `enter` makes the user namespace, waits until the supervisor has mapped its ids,
//! makes the other namespaces and starts `run`, which is their process 1. Both die with their parent, and when process
//! 1 dies the kernel kills everything in its pid namespace and drops the mount and network namespaces: a crash cleans
//! itself up.
//!
//! Invariant: no thread exists before the namespaces are entered, since they are entered per thread.

mod boot;
mod serve;

use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::config::AgentConfig;

/// The hidden subcommand under which the supervisor starts the agent.
pub const SUBCOMMAND: &str = "node-agent";

/// What the agent tells the supervisor, one JSON line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// In its user namespace, which has no ids yet.
    Unshared {
        pid: u32,
    },
    /// Pods can run: network, DNS and the stream socket are up.
    NetworkUp,
    /// All virtual nodes are registered with the API server.
    Registered,
    Failed {
        message: String,
    },
}

impl Report {
    pub(crate) fn send(&self) {
        use std::io::Write;
        let mut line = serde_json::to_vec(self).expect("plain data always encodes");
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        // When the supervisor is gone, so are we in a moment.
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

/// The supervisor's bytes on the agent's stdin.
pub(crate) const MAPPED: u8 = b'm';
pub(crate) const STOP: u8 = b's';

/// Runs the agent. `args` are those after the subcommand's name. Returns when the node has stopped.
pub fn main(args: Vec<String>) -> ExitCode {
    match run(&args) {
        Ok(code) => code,
        Err(message) => {
            tracing::error!(%message, "the node failed");
            Report::Failed { message }.send();
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<ExitCode, String> {
    let [stage, config] = args else {
        return Err("the node agent is started by `endstate up`, not by hand".to_owned());
    };
    let parsed: AgentConfig = serde_json::from_str(config)
        .map_err(|error| format!("unreadable configuration: {error}"))?;
    match stage.as_str() {
        "enter" => boot::enter(config, &parsed),
        "run" => {
            boot::prepare(&parsed)?;
            serve::run(AgentConfig { limits: parsed.limits.inside(), ..parsed })?;
            Ok(ExitCode::SUCCESS)
        }
        other => Err(format!("unknown stage {other:?}")),
    }
}

//! Process 1 of the node.
use crate::config::AgentConfig;
pub(super) fn run(_config: AgentConfig) -> Result<(), String> {
    Ok(())
}

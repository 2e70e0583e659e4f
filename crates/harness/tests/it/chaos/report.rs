//! Where it is written down.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use harness::Up;

use super::lane::Run;

/// What of logs is kept.
const LINES: &str = "--tail=400";

/// The file that `ENDSTATE_CHAOS_REPORT` names.
fn page() -> Option<PathBuf> {
    std::env::var_os("ENDSTATE_CHAOS_REPORT").map(PathBuf::from)
}

/// Writes the page, if one is wanted: as it is so far.
pub(super) fn write(run: &Run) -> Result<()> {
    let how = format!(
        "`cargo xtask chaos --faults {} --seed {} --clusters {}`",
        run.faults, run.seed, run.clusters
    );
    keep(&run.ledger.borrow().page(&how))
}

/// Writes a text to the page, if one is wanted.
pub(super) fn keep(text: &str) -> Result<()> {
    let Some(page) = page() else { return Ok(()) };
    fs::write(&page, text).with_context(|| format!("cannot write {}", page.display()))
}

/// Keeps what there is of a cluster that did what it should not, beside the page.
pub(super) async fn evidence(up: &Up, cluster: &str) {
    let Some(page) = page() else { return };
    let label = format!("endstate.dev/cluster={cluster}");
    let objects = "etcdclusters.etcd.endstate.dev,etcdtasks,etcdbackups.etcd.endstate.dev,pods,pvc";
    let commands: [&[&str]; 4] = [
        &["get", objects, "-o", "yaml"],
        &["get", "events", "--sort-by=.lastTimestamp"],
        &["logs", "-n", "endstate-system", "-l", "app.kubernetes.io/name=endstate-etcd", LINES],
        &["logs", "-l", &label, "--prefix", LINES],
    ];
    let mut kept = String::new();
    for command in commands {
        let said = up.kubectl(command).await.unwrap_or_else(|it| format!("{it:#}"));
        kept.push_str(&format!("== kubectl {}\n{said}\n", command.join(" ")));
    }
    let _ = fs::write(page.with_file_name(format!("{cluster}.txt")), kept);
}

//! A running `endstate up` of the benchmark's own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(30);

pub(crate) struct Up {
    process: Child,
    state: TempDir,
    /// From the start of the process to its `ready in` line.
    pub(crate) started_in: Duration,
}

impl Up {
    pub(crate) async fn start(executable: &Path, nodes: u16) -> Result<Up> {
        let state = tempfile::tempdir()?;
        let start = Instant::now();
        let mut process = Command::new(executable)
            .args(["up", "--listen", "127.0.0.1:0", "--nodes", &nodes.to_string(), "--state-dir"])
            .arg(state.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start endstate up")?;
        let stdout = process.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(START_MAX, lines.next_line()).await??;
        let ready = line.is_some_and(|it| it.starts_with("ready in "));
        ensure!(ready, "endstate up did not get ready");
        let started_in = start.elapsed();
        Ok(Up { process, state, started_in })
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.state.path().join("kubeconfig")
    }

    /// Resident memory of the process and all its children, in MB; shared pages count once (PSS).
    pub(crate) fn memory_mb(&self) -> Result<f64> {
        let root = self.process.id().context("it runs")?;
        let mut total = 0;
        let mut processes = vec![root];
        while let Some(process) = processes.pop() {
            total += pss_kb(process)?;
            processes.extend(children(process)?);
        }
        Ok(f64::from(total) / 1024.0)
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        let id = self.process.id().context("it runs")?;
        Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        let status = self.process.wait().await?;
        ensure!(status.success(), "endstate up ended with {status}");
        Ok(())
    }
}

fn pss_kb(process: u32) -> Result<u32> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let number =
        line.and_then(|it| it.split_whitespace().next()).context("no Pss in smaps_rollup")?;
    Ok(number.parse()?)
}

fn children(process: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("children"))?;
        children.extend(text.split_whitespace().filter_map(|it| it.parse::<u32>().ok()));
    }
    Ok(children)
}

//! Commands in a running container.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncReadExt;

use crate::runtime::{Exec, ProcessSpec, Runtime, Standard, Streams};

/// How much output of a probe or hook is kept.
const OUTPUT_BYTES_MAX: u64 = 10 * 1024;

/// Runs commands in one container.
#[derive(Debug, Clone)]
pub(crate) struct Commands {
    pub(crate) runtime: Runtime,
    pub(crate) container: String,
    /// The container's own process, whose environment and user a command gets.
    pub(crate) process: Arc<ProcessSpec>,
    pub(crate) scratch: PathBuf,
}

/// A command in progress; its scratch folder goes with it.
pub(crate) struct Running {
    pub(crate) exec: Exec,
    pub(crate) streams: Streams,
    _scratch: Scratch,
}

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Commands {
    pub(crate) async fn start(
        &self,
        command: &[String],
        standard: Standard,
    ) -> Result<Running, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let scratch = self.scratch.join(format!("x{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir_all(&scratch).map_err(|error| error.to_string())?;
        let scratch = Scratch(scratch);
        let mut process = (*self.process).clone();
        process.args = command.to_vec();
        if standard.terminal && !process.env.iter().any(|(name, _)| name == "TERM") {
            process.env.push(("TERM".to_owned(), "xterm".to_owned()));
        }
        let exec = self.runtime.exec(&self.container, &process, standard, &scratch.0).await;
        let (exec, streams) = exec.map_err(|error| crate::chain(&error))?;
        Ok(Running { exec, streams, _scratch: scratch })
    }

    /// Runs to the end; returns exit code and the first of its output.
    pub(crate) async fn run(&self, command: &[String]) -> Result<(i32, String), String> {
        let mut running = self.start(command, Standard::default()).await?;
        let Streams::Pipes { stdout, stderr, .. } = &mut running.streams else {
            return Err("the command has a terminal".to_owned());
        };
        let (mut out, err) = tokio::join!(first_of(stdout), first_of(stderr));
        let status = running.exec.child.wait().await.map_err(|error| error.to_string())?;
        if let Some(refusal) = running.exec.refusal().await {
            return Err(refusal);
        }
        out.extend(err);
        Ok((status.code().unwrap_or(-1), String::from_utf8_lossy(&out).into_owned()))
    }
}

/// The first bytes of a stream; the rest is read as well, so that the command is never blocked.
async fn first_of(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut kept = Vec::new();
    let _ = (&mut *stream).take(OUTPUT_BYTES_MAX).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
    kept
}

//! Commands in a running container.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;
use tokio::io::AsyncReadExt;

use crate::runtime::{ProcessSpec, Runtime, Standard, Streams};
use crate::sys::{Ended, Process};

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

/// A command in progress. Whoever drops it before its end kills it.
pub(crate) struct Running {
    process: Option<Process>,
}

impl Running {
    pub(crate) async fn wait(&mut self) -> std::io::Result<Ended> {
        let Some(process) = &self.process else {
            return Err(std::io::Error::other("the command was awaited before"));
        };
        let ended = process.wait().await;
        self.process = None;
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        let _ = process.signal(Signal::KILL);
        // It is our child and must be reaped.
        tokio::spawn(async move { process.wait().await });
    }
}

impl Commands {
    pub(crate) async fn start(
        &self,
        command: &[String],
        standard: Standard,
    ) -> Result<(Running, Streams), String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let scratch = self.scratch.join(format!("x{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir_all(&scratch).map_err(|error| error.to_string())?;
        let mut process = (*self.process).clone();
        process.args = command.to_vec();
        if standard.terminal && !process.env.iter().any(|(name, _)| name == "TERM") {
            process.env.push(("TERM".to_owned(), "xterm".to_owned()));
        }
        let started = self.runtime.exec(&self.container, &process, standard, &scratch).await;
        let _ = std::fs::remove_dir_all(&scratch);
        let started = started.map_err(|error| crate::chain(&error))?;
        Ok((Running { process: Some(started.process) }, started.streams))
    }

    /// Runs to the end; returns exit code and the first of its output.
    pub(crate) async fn run(&self, command: &[String]) -> Result<(i32, String), String> {
        let (mut running, streams) = self.start(command, Standard::default()).await?;
        let Streams::Pipes { mut stdout, mut stderr, .. } = streams else {
            return Err("the command has a terminal".to_owned());
        };
        let (mut out, err) = tokio::join!(first_of(&mut stdout), first_of(&mut stderr));
        let ended = running.wait().await.map_err(|error| error.to_string())?;
        out.extend(err);
        Ok((ended.exit_code, String::from_utf8_lossy(&out).into_owned()))
    }
}

/// The first bytes of a stream; the rest is read as well, so that the command is never blocked.
async fn first_of(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut kept = Vec::new();
    let _ = (&mut *stream).take(OUTPUT_BYTES_MAX).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
    kept
}

//! Containers, through the OCI runtime `runc`.
//!
//! A container is started detached: it becomes a child of the agent (process 1 of the namespace), which holds its
//! output pipes and reaps it. So no shim process stands beside each container, and all of them die with the agent.
//! Signals and the end go through a process descriptor, never through a process id that may have been reused.

mod console;
mod seccomp;
mod spec;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

pub(crate) use self::console::Console;
pub(crate) use self::spec::{
    Group, Mount, Process as ProcessSpec, Seccomp, Spec, User, capabilities, is_capability,
    is_default,
};
use crate::sys::Process;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {what}")]
    Io {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    /// The runtime's own words.
    #[error("{0}")]
    Refused(String),
}

trait Context<T> {
    fn doing(self, what: &'static str) -> Result<T, Error>;
}

impl<T> Context<T> for io::Result<T> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Io { what, source })
    }
}

/// The runtime's executable and where it keeps its state.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    executable: PathBuf,
    root: PathBuf,
}

/// A process that was just started.
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) streams: Streams,
}

/// The other ends of a container's standard streams.
pub(crate) enum Streams {
    Pipes { stdin: Option<ChildStdin>, stdout: ChildStdout, stderr: ChildStderr },
    Terminal(Console),
}

/// How to start a container or a command in one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standard {
    pub(crate) stdin: bool,
    pub(crate) terminal: bool,
}

impl Runtime {
    pub(crate) fn new(executable: PathBuf, root: PathBuf) -> Self {
        Self { executable, root }
    }

    /// Starts the container of a bundle (a folder with `config.json`).
    pub(crate) async fn start(
        &self,
        id: &str,
        bundle: &Path,
        standard: Standard,
    ) -> Result<Started, Error> {
        let pid_file = bundle.join("pid");
        let log = bundle.join("runtime.log");
        let mut command = self.command(&log);
        command.args(["run", "--detach", "--no-new-keyring", "--pid-file"]).arg(&pid_file);
        command.arg("--bundle").arg(bundle);
        let socket = self.console_socket(&mut command, standard)?;
        self.finish(command.arg(id), standard, (socket, &pid_file, &log)).await
    }

    /// Starts a command in a container. As with containers, the runtime only starts it; we see its end.
    pub(crate) async fn exec(
        &self,
        id: &str,
        process: &ProcessSpec,
        standard: Standard,
        scratch: &Path,
    ) -> Result<Started, Error> {
        let spec = scratch.join("process.json");
        let text = serde_json::to_vec(&process.to_json(standard.terminal));
        let text = text.expect("plain data always encodes");
        tokio::fs::write(&spec, text).await.doing("write the command")?;
        let log = scratch.join("runtime.log");
        let pid_file = scratch.join("pid");
        let mut command = self.command(&log);
        command.args(["exec", "--detach", "--pid-file"]).arg(&pid_file);
        command.arg("--process").arg(&spec);
        let socket = self.console_socket(&mut command, standard)?;
        self.finish(command.arg(id), standard, (socket, &pid_file, &log)).await
    }

    /// Runs the runtime, which leaves a process behind, and takes that over.
    async fn finish(
        &self,
        command: &mut Command,
        standard: Standard,
        files: (Option<console::Socket>, &Path, &Path),
    ) -> Result<Started, Error> {
        let (socket, pid_file, log) = files;
        let mut child = spawn(command, standard)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // The runtime may refuse before it connects to the console's socket.
        let mut console = None;
        let status = match socket {
            None => child.wait().await,
            Some(socket) => {
                let receive = socket.receive();
                tokio::pin!(receive);
                tokio::select! {
                    received = &mut receive => {
                        console = Some(received.doing("get the terminal")?);
                        child.wait().await
                    }
                    status = child.wait() => status,
                }
            }
        };
        if !status.doing("wait for the runtime")?.success() {
            return Err(Error::Refused(last_error(log).await));
        }
        let pid = tokio::fs::read_to_string(pid_file).await.doing("read the process id")?;
        let pid: i32 = pid.trim().parse().map_err(io::Error::other).doing("read the process id")?;
        let process = Process::open(pid).doing("open the process")?;
        let streams = match (console, stdout, stderr) {
            (Some(console), _, _) => Streams::Terminal(console),
            (None, Some(stdout), Some(stderr)) => Streams::Pipes { stdin, stdout, stderr },
            _ => return Err(Error::Refused("the runtime left no output".to_owned())),
        };
        Ok(Started { process, streams })
    }

    /// Gives a running container other limits.
    pub(crate) async fn update(
        &self,
        id: &str,
        resources: &serde_json::Value,
    ) -> Result<(), Error> {
        let log = self.root.with_file_name(format!("update-{id}.log"));
        let mut command = self.command(&log);
        command.args(["update", "--resources", "-"]).arg(id);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().doing("start the OCI runtime")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(resources.to_string().as_bytes()).await.doing("tell the limits")?;
        }
        let status = child.wait().await.doing("wait for the runtime")?;
        let refused = if status.success() { None } else { Some(last_error(&log).await) };
        let _ = tokio::fs::remove_file(&log).await;
        refused.map_or(Ok(()), |why| Err(Error::Refused(why)))
    }

    /// Removes what the runtime knows of a container; its process has ended.
    pub(crate) async fn delete(&self, id: &str) {
        // Its state is a folder in our private tmpfs; asking the runtime would only cost another process.
        let _ = tokio::fs::remove_dir_all(self.root.join(id)).await;
    }

    /// Beside the runtime's root, because a bundle's path may be too long for a socket.
    fn console_socket(
        &self,
        command: &mut Command,
        standard: Standard,
    ) -> Result<Option<console::Socket>, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if !standard.terminal {
            return Ok(None);
        }
        let path = self.root.with_file_name(format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let socket = console::Socket::bind(&path).doing("make the console socket")?;
        command.arg("--console-socket").arg(socket.path());
        Ok(Some(socket))
    }

    fn command(&self, log: &Path) -> Command {
        let mut command = Command::new(&self.executable);
        // With every id mapped the runtime would take itself for real root and insist on control groups.
        command.arg("--rootless=true").arg("--root").arg(&self.root);
        command.arg("--log").arg(log).args(["--log-format", "json"]);
        command
    }
}

fn spawn(command: &mut Command, standard: Standard) -> Result<Child, Error> {
    let piped = |wanted: bool| if wanted { Stdio::piped() } else { Stdio::null() };
    command.stdin(piped(standard.stdin && !standard.terminal));
    // With a terminal the runtime itself must not hold pipes that would never end.
    command.stdout(piped(!standard.terminal)).stderr(piped(!standard.terminal));
    command.spawn().doing("start the OCI runtime")
}

async fn last_error(log: &Path) -> String {
    let text = tokio::fs::read_to_string(log).await.unwrap_or_default();
    parse_error(&text).unwrap_or_else(|| "the OCI runtime failed without a word".to_owned())
}

/// The last error of a log of JSON lines.
fn parse_error(log: &str) -> Option<String> {
    log.lines().rev().find_map(|line| {
        let entry: serde_json::Value = serde_json::from_str(line).ok()?;
        (entry["level"] == "error").then(|| entry["msg"].as_str().unwrap_or_default().to_owned())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_last_error_of_a_log() {
        let log = r#"{"level":"warning","msg":"w"}
{"level":"error","msg":"first"}
{"level":"error","msg":"exec: \"/x\": no such file"}
not json"#;
        assert_eq!(super::parse_error(log).unwrap(), "exec: \"/x\": no such file");
        assert_eq!(super::parse_error(""), None);
    }
}

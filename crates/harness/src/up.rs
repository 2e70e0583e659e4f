//! A running `endstate up` with a state directory of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(30);
/// How long a command line may take.
const COMMAND_MAX: Duration = Duration::from_secs(180);

pub struct Up {
    process: Child,
    executable: PathBuf,
    state: TempDir,
    nodes: u16,
    /// From the start of the process to its `ready in` line.
    pub started_in: Duration,
}

impl Up {
    /// Starts the executable that `ENDSTATE_BIN` names.
    pub async fn start(nodes: u16) -> Result<Self> {
        let executable = std::env::var_os("ENDSTATE_BIN")
            .context("ENDSTATE_BIN is not set; run the tests with `cargo xtask test`")?;
        Self::start_executable(Path::new(&executable), nodes).await
    }

    /// The same, with an operator installed.
    pub async fn with_operator(nodes: u16, name: &str) -> Result<Self> {
        let up = Self::start(nodes).await?;
        up.endstate(&["install", name]).await?;
        Ok(up)
    }

    pub async fn start_executable(executable: &Path, nodes: u16) -> Result<Self> {
        // A second installation in one process is refused, and the first one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let state = tempfile::tempdir()?;
        let (process, started_in) = spawn(executable, state.path(), nodes).await?;
        Ok(Self { process, executable: executable.to_owned(), state, nodes, started_in })
    }

    /// Starts again on the same state directory.
    pub async fn restart(&mut self) -> Result<()> {
        let (process, started_in) = spawn(&self.executable, self.state.path(), self.nodes).await?;
        (self.process, self.started_in) = (process, started_in);
        Ok(())
    }

    /// Starts on another state directory; the one before is gone then.
    pub async fn restart_on(&mut self, state: TempDir) -> Result<()> {
        self.state = state;
        self.restart().await
    }

    pub fn state(&self) -> &Path {
        self.state.path()
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.state.path().join("kubeconfig")
    }

    /// The process id of `endstate up`.
    pub fn id(&self) -> Result<u32> {
        self.process.id().context("it runs")
    }

    pub async fn client(&self) -> Result<kube::Client> {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig())?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        Ok(kube::Client::try_from(config)?)
    }

    /// The API's revision, which every write raises by one: a list carries the one that it was read at.
    pub async fn revision(&self) -> Result<f64> {
        let namespaces: Api<Namespace> = Api::all(self.client().await?);
        let list = namespaces.list(&ListParams::default().limit(1)).await?;
        Ok(list.metadata.resource_version.context("a list has a version")?.parse()?)
    }

    /// What `endstate ARGS` prints; an error carries what it said.
    pub async fn endstate(&self, args: &[&str]) -> Result<String> {
        text(args, self.run(&self.executable, args, "").await?)
    }

    /// The same for `kubectl`.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        text(args, self.run(Path::new("kubectl"), args, "").await?)
    }

    /// `kubectl ARGS` with standard input.
    pub async fn kubectl_with(&self, args: &[&str], input: &str) -> Result<String> {
        text(args, self.run(Path::new("kubectl"), args, input).await?)
    }

    /// `endstate apply -f -`.
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        let args = ["apply", "-f", "-"];
        text(&args, self.run(&self.executable, &args, manifest).await?)
    }

    /// A command that goes on, its output piped; it ends when it is dropped.
    pub fn spawn(&self, args: &[&str]) -> Result<Child> {
        let mut command = self.endstate_command(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().context("cannot start endstate")
    }

    /// `endstate ARGS`, not started yet.
    pub fn endstate_command(&self, args: &[&str]) -> Command {
        self.command(&self.executable, args)
    }

    /// A command that finds this cluster; it ends when it is dropped.
    pub fn command(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env("KUBECONFIG", self.kubeconfig()).env("HOME", self.state.path());
        command.kill_on_drop(true);
        command
    }

    async fn run(&self, program: &Path, args: &[&str], input: &str) -> Result<Output> {
        let mut command = self.command(program, args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().context("its input is piped")?;
        // A command that reads nothing may be gone before all is written.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(COMMAND_MAX, child.wait_with_output()).await;
        Ok(output.with_context(|| format!("{args:?} goes on for ever"))??)
    }

    /// Resident memory of the process and all its children, in MB; shared pages count once (PSS).
    pub fn memory_mb(&self) -> Result<f64> {
        let mut total = 0;
        let mut processes = vec![self.id()?];
        while let Some(process) = processes.pop() {
            total += pss_kb(process)?;
            processes.extend(children(process)?);
        }
        Ok(f64::from(total) / 1024.0)
    }

    /// As a power cut: SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await.context("cannot kill endstate up")
    }

    /// As Ctrl-C; fails unless it ends well.
    pub async fn stop(mut self) -> Result<()> {
        self.end().await
    }

    /// Like [`Up::stop`], to be started again.
    pub async fn end(&mut self) -> Result<()> {
        let id = self.id()?.to_string();
        Command::new("kill").args(["-TERM", &id]).status().await?;
        let status = tokio::time::timeout(COMMAND_MAX, self.process.wait()).await??;
        ensure!(status.success(), "endstate up ended with {status}");
        Ok(())
    }
}

async fn spawn(executable: &Path, state: &Path, nodes: u16) -> Result<(Child, Duration)> {
    let start = Instant::now();
    let mut process = Command::new(executable)
        .args(["up", "--listen", "127.0.0.1:0", "--nodes", &nodes.to_string(), "--state-dir"])
        .arg(state)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start endstate up")?;
    let stdout = process.stdout.take().context("its output is piped")?;
    let mut lines = BufReader::new(stdout).lines();
    let line = tokio::time::timeout(START_MAX, lines.next_line()).await??;
    ensure!(line.is_some_and(|it| it.starts_with("ready in ")), "endstate up did not get ready");
    Ok((process, start.elapsed()))
}

fn text(args: &[&str], output: Output) -> Result<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}", args.join(" "), said.trim());
    Ok(String::from_utf8(output.stdout)?)
}

fn pss_kb(process: u32) -> Result<u32> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let number = line.and_then(|it| it.split_whitespace().next());
    Ok(number.context("no Pss in smaps_rollup")?.parse()?)
}

fn children(process: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("children"))?;
        children.extend(text.split_whitespace().filter_map(|it| it.parse::<u32>().ok()));
    }
    Ok(children)
}

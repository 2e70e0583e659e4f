//! A running `endstate up` with a state directory of its own, or a Kubernetes that is there.

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
    /// None of a Kubernetes that is there.
    process: Option<Child>,
    executable: PathBuf,
    home: TempDir,
    /// Where it keeps its kubeconfig, and all that pods have on this machine.
    state: PathBuf,
    nodes: u16,
    /// From the start of the process to its `ready in` line.
    pub started_in: Duration,
}

impl Up {
    /// Starts the executable that `ENDSTATE_BIN` names. If `ENDSTATE_TEST_KUBERNETES` names the folder of a Kubernetes
    /// that runs, as `cargo xtask oracle` makes it, that one is taken as it is, without what the test before left.
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
        let (home, executable) = (tempfile::tempdir()?, executable.to_owned());
        if let Some(state) = std::env::var_os("ENDSTATE_TEST_KUBERNETES") {
            let (state, started_in) = (state.into(), Duration::ZERO);
            let up = Self { process: None, executable, home, state, nodes, started_in };
            up.clear().await?;
            return Ok(up);
        }
        let (process, started_in) = spawn(&executable, home.path(), nodes).await?;
        let (process, state) = (Some(process), home.path().to_owned());
        Ok(Self { process, executable, home, state, nodes, started_in })
    }

    /// Removes all that a test leaves.
    async fn clear(&self) -> Result<()> {
        let definitions = self.kubectl(&["get", "crds", "-o", "name"]).await?;
        let names = definitions.lines().filter_map(|it| it.split_once('/')).map(|(_, name)| name);
        for kind in names {
            self.kubectl(&["delete", kind, "--all"]).await?;
        }
        self.kubectl(&["delete", "pods,pvc,secrets", "--all"]).await?;
        let owned = ["delete", "services,configmaps,pdb", "-l", "endstate.dev/cluster"];
        self.kubectl(&owned).await?;
        let system = ["delete", "namespace", "endstate-system", "--ignore-not-found"];
        self.kubectl(&system).await?;
        let level = "pod-security.kubernetes.io/enforce-";
        self.kubectl(&["label", "namespace", "default", level]).await?;
        self.kubectl(&["uncordon", "-l", "kubernetes.io/os=linux"]).await?;
        Ok(())
    }

    /// Whether this is a Kubernetes that was there before the test.
    pub fn is_given(&self) -> bool {
        self.process.is_none()
    }

    /// Starts again on the same state directory.
    pub async fn restart(&mut self) -> Result<()> {
        let (process, started_in) = spawn(&self.executable, &self.state, self.nodes).await?;
        (self.process, self.started_in) = (Some(process), started_in);
        Ok(())
    }

    /// Starts on another state directory; the one before is gone then.
    pub async fn restart_on(&mut self, state: TempDir) -> Result<()> {
        (self.state, self.home) = (state.path().to_owned(), state);
        self.restart().await
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    /// The process id of `endstate up`.
    pub fn id(&self) -> Result<u32> {
        self.process.as_ref().and_then(Child::id).context("no process of ours runs")
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
        command.args(args).env("KUBECONFIG", self.kubeconfig()).env("HOME", self.home.path());
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
        let process = self.process.as_mut().context("no process of ours runs")?;
        process.kill().await.context("cannot kill endstate up")
    }

    /// As Ctrl-C; fails unless it ends well.
    pub async fn stop(mut self) -> Result<()> {
        self.end().await
    }

    /// Like [`Up::stop`], to be started again.
    pub async fn end(&mut self) -> Result<()> {
        if self.is_given() {
            return Ok(());
        }
        let id = self.id()?.to_string();
        Command::new("kill").args(["-TERM", &id]).status().await?;
        let process = self.process.as_mut().context("no process of ours runs")?;
        let status = tokio::time::timeout(COMMAND_MAX, process.wait()).await??;
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

//! "By hand" of the README, typed into a shell line by line as it stands there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::Terminal;
use tokio::process::Command;

/// How long a line may take; the first build of a clone is the longest.
const LINE_MAX: Duration = Duration::from_secs(1800);

/// The lines of the first block below a heading.
fn block<'a>(readme: &'a str, heading: &str) -> Vec<&'a str> {
    let section = readme.split_once(heading).map_or("", |(_, section)| section);
    let is_code = |line: &&str| line.starts_with("    ") || line.is_empty();
    let block = section.lines().skip_while(|line| !line.starts_with("    ")).take_while(is_code);
    block.map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// An interactive shell whose prompt tells how the last command ended. It has a network of its own, so the ports that
/// the README names are free there.
struct Shell(Terminal);

impl Shell {
    async fn start(folder: &Path, state: &Path) -> Result<Self> {
        Self::start_by(Command::new("env"), folder, state).await
    }

    /// The same by a command that runs what its arguments say.
    async fn start_by(mut command: Command, folder: &Path, state: &Path) -> Result<Self> {
        // What a script starts in the background ignores Ctrl-C, and so does everything that it starts: also the
        // commands here, if the tests run so.
        command.args(["env", "--default-signal=INT", "unshare"]);
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        // The shell is the first process of its namespace: whatever it started ends with it.
        command.args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["setsid", "--ctty", "bash", "--norc", "--noprofile", "--noediting", "-i"]);
        command.current_dir(folder).env("PS1", "[$?]> ").env("XDG_STATE_HOME", state);
        command.kill_on_drop(true);
        // What cargo tells a test would have another cargo build everything anew.
        for (name, _) in std::env::vars().filter(|(name, _)| is_of_cargo(name)) {
            command.env_remove(name);
        }
        for name in ["KUBECONFIG", "ENDSTATE_BIN", "ENDSTATE_IMAGE_STORE", "LD_LIBRARY_PATH"] {
            command.env_remove(name);
        }
        let mut shell = Self(Terminal::start(command)?);
        shell.prompts().await?;
        shell.does("ip link set lo up").await?;
        Ok(shell)
    }

    /// Types a line and waits until it has ended well.
    async fn does(&mut self, line: &str) -> Result<String> {
        self.0.types(line)?;
        // What was typed is shown too.
        self.0.shows(line).await?;
        self.prompts().await.with_context(|| format!("after {line:?}"))
    }

    async fn prompts(&mut self) -> Result<String> {
        let shown = self.0.shows_within("]> ", LINE_MAX).await?;
        let code = shown.trim_end_matches("]> ").rsplit('[').next();
        ensure!(code == Some("0"), "{shown}");
        Ok(shown)
    }

    /// A line that goes on until Ctrl-C.
    async fn watches(&mut self, line: &str, until: &str) -> Result<()> {
        self.0.types(line)?;
        // What was typed is shown too, and may say what is waited for.
        self.0.shows(line).await?;
        self.0.shows(until).await.with_context(|| format!("after {line:?}"))?;
        // The shell reports the signal.
        self.0.interrupts()?;
        self.0.shows("]> ").await.with_context(|| format!("{line:?} does not end by Ctrl-C"))?;
        Ok(())
    }
}

fn is_of_cargo(name: &str) -> bool {
    let kept = ["CARGO_HOME", "CARGO_BUILD_JOBS", "CARGO_INCREMENTAL"];
    name.starts_with("CARGO") && !kept.contains(&name)
}

fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().context("the repository is two folders up")
}

#[tokio::test]
async fn by_hand_runs_as_it_stands() -> Result<()> {
    let (root, state) = (root()?, tempfile::tempdir()?);
    let readme = std::fs::read_to_string(root.join("README.md"))?;
    let lines = block(&readme, "## By hand");
    ensure!(lines.len() > 8, "the README has no block of commands below \"By hand\"");
    let mut shell = Shell::start(&root, state.path()).await?;
    for line in lines {
        let command = line.split_once(" #").map_or(line, |(command, _)| command).trim();
        if command.ends_with("--watch") {
            shell.watches(line, "3 of 3 members ready").await?;
            continue;
        }
        shell.does(line).await?;
        // A person types on when the background command has said that it is there.
        match command {
            "endstate up &" => drop(shell.0.shows("export KUBECONFIG=").await?),
            _ if command.ends_with('&') => drop(shell.0.shows("forwarding ").await?),
            _ => {}
        }
    }
    shell.does("wait").await?;
    Ok(())
}

#[tokio::test]
async fn ctrl_c_ends_a_command_although_the_tests_ignore_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut script = Command::new("sh");
    script.args(["-c", "trap '' INT; exec \"$@\"", "sh"]);
    let mut shell = Shell::start_by(script, folder.path(), folder.path()).await?;
    // What it shows comes from a process that has the terminal: before that Ctrl-C is the shell's.
    shell.watches("sh -c 'echo shown; exec sleep 600'", "shown").await
}

/// The command that the README gives for a Kubernetes of yours makes manifests that a server takes.
#[tokio::test]
async fn printed_manifests_are_applied_by_kubectl() -> Result<()> {
    let up = harness::Up::start(1).await?;
    let manifests = up.endstate(&["install", "etcd", "--print"]).await?;
    let args = ["apply", "--server-side", "-f", "-"];
    let applied = up.kubectl_with(&args, &manifests).await?;
    ensure!(applied.contains("deployment.apps/"), "{applied}");
    up.stop().await
}

#[test]
fn the_block_below_a_heading_is_found() {
    let readme = "# A\n\n    x\n\n## By hand\n\nText.\n\n    a  # why\n\n    b\n\nMore.\n\n    c\n";
    assert_eq!(block(readme, "## By hand"), ["a  # why", "b"]);
}

//! What a person at a terminal does: edit, follow, watch, and type into a container.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::{Terminal, Up};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

const LINE_MAX: Duration = Duration::from_secs(60);

/// A command that prints as things happen.
struct Follow {
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Follow {
    fn start(up: &Up, args: &[&str]) -> Result<Self> {
        let mut command = up.command("kubectl", args);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
        Ok(Self { lines, _child: child })
    }

    async fn prints(&mut self, text: &str) -> Result<()> {
        loop {
            let line = tokio::time::timeout(LINE_MAX, self.lines.next_line()).await;
            let line = line.with_context(|| format!("{text:?} does not come"))??;
            if line.context("it ended")?.contains(text) {
                return Ok(());
            }
        }
    }
}

async fn etcd(up: &Up) -> Result<()> {
    let image = "--image=quay.io/coreos/etcd:v3.5.16";
    up.kubectl(&["run", "e", image]).await?;
    up.kubectl(&["wait", "pod/e", "--for=condition=Ready", "--timeout=60s"]).await?;
    Ok(())
}

#[tokio::test]
async fn edit_writes_what_the_editor_leaves() -> Result<()> {
    let up = Up::start(1).await?;
    up.kubectl(&["create", "configmap", "c", "--from-literal=colour=green"]).await?;
    let mut edit = up.command("kubectl", &["edit", "configmap", "c"]);
    let status = edit.env("KUBE_EDITOR", "sed -i s/green/blue/").stdout(Stdio::null()).status();
    assert!(tokio::time::timeout(LINE_MAX, status).await??.success());
    let colour = up.kubectl(&["get", "configmap", "c", "-o", "jsonpath={.data.colour}"]).await?;
    assert_eq!(colour, "blue");
    up.stop().await
}

#[tokio::test]
async fn get_w_shows_changes_as_they_come() -> Result<()> {
    let up = Up::start(1).await?;
    up.kubectl(&["create", "configmap", "first"]).await?;
    let mut watch = Follow::start(&up, &["get", "configmaps", "-w", "--output-watch-events"])?;
    watch.prints("first").await?;
    up.kubectl(&["create", "configmap", "second"]).await?;
    watch.prints("second").await?;
    up.kubectl(&["delete", "configmap", "first"]).await?;
    watch.prints("DELETED").await?;
    up.stop().await
}

#[tokio::test]
async fn logs_f_follows() -> Result<()> {
    let up = Up::start(1).await?;
    etcd(&up).await?;
    let mut logs = Follow::start(&up, &["logs", "-f", "e"])?;
    logs.prints("serving client traffic").await?;
    // A defragmentation is something that etcd logs when it is asked to.
    up.kubectl(&["exec", "e", "--", "etcdctl", "defrag"]).await?;
    logs.prints("finished defragmenting").await?;
    up.stop().await
}

/// etcdctl asks for the parts of a transaction one by one: both directions of the terminal are needed.
#[tokio::test]
async fn exec_it_is_a_conversation() -> Result<()> {
    let up = Up::start(1).await?;
    etcd(&up).await?;
    let args = ["exec", "-it", "e", "--", "etcdctl", "txn", "--interactive"];
    let mut terminal = Terminal::start(up.command("kubectl", &args))?;
    terminal.shows("compares:").await?;
    terminal.types("")?;
    terminal.shows("success requests").await?;
    terminal.types("put typed here")?;
    terminal.types("")?;
    terminal.shows("failure requests").await?;
    terminal.types("")?;
    terminal.shows("SUCCESS").await?;
    assert!(terminal.ends().await?.success());
    let typed = up.kubectl(&["exec", "e", "--", "etcdctl", "get", "typed"]).await?;
    assert_eq!(typed, "typed\nhere\n");
    up.stop().await
}

#[tokio::test]
async fn exec_ends_with_its_command_and_waits_for_no_key() -> Result<()> {
    let up = Up::start(1).await?;
    etcd(&up).await?;
    for streams in ["-i", "-it"] {
        let args = ["exec", streams, "e", "--", "etcdctl", "version"];
        let mut terminal = Terminal::start(up.endstate_command(&args))?;
        terminal.shows("etcdctl version").await?;
        assert!(terminal.ends().await?.success(), "{streams}");
    }
    let args = ["exec", "-i", "e", "--", "etcdctl", "put", "piped"];
    assert!(pipes(&up, &args, "through").await?.contains("OK"));
    let got = up.endstate(&["exec", "e", "--", "etcdctl", "get", "piped"]).await?;
    assert_eq!(got, "piped\nthrough\n");
    up.stop().await
}

/// What a command prints that reads all of its input.
async fn pipes(up: &Up, args: &[&str], input: &str) -> Result<String> {
    let mut command = up.endstate_command(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("its input is piped")?.write_all(input.as_bytes()).await?;
    let output = tokio::time::timeout(LINE_MAX, child.wait_with_output()).await??;
    Ok(String::from_utf8(output.stdout)?)
}

/// The escapes of colours in what a terminal shows of a command.
async fn colours(up: &Up, args: &[&str], environment: (&str, &str)) -> Result<bool> {
    let mut command = up.endstate_command(args);
    // As in CI, where some libraries colour everything.
    command.env("CI", "true").env("TERM", "xterm").env_remove("NO_COLOR");
    command.env(environment.0, environment.1);
    let mut terminal = Terminal::start(command)?;
    let shown = terminal.shows("\n").await?;
    terminal.ends().await?;
    Ok(shown.contains("\x1b["))
}

#[tokio::test]
async fn colours_are_for_terminals_and_can_be_forbidden() -> Result<()> {
    let up = Up::start(1).await?;
    let missing = ["get", "pods", "x"];
    assert!(colours(&up, &missing, ("A", "b")).await?);
    assert!(!colours(&up, &missing, ("NO_COLOR", "1")).await?);
    assert!(!colours(&up, &missing, ("TERM", "dumb")).await?);
    let never = ["get", "pods", "x", "--color", "never"];
    assert!(!colours(&up, &never, ("A", "b")).await?);
    let always = ["doctor", "--color", "always"];
    assert!(up.endstate(&always).await?.contains("\x1b["));
    assert!(!up.endstate(&["doctor"]).await?.contains("\x1b["));
    up.stop().await
}

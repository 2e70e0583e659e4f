//! `endstate exec`: the streams of a command in a container, and its exit code.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{AttachParams, AttachedProcess, TerminalSize};
use kube::{Api, Client};
use rustix::termios;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::args::{Exec, Global};
use crate::connect::{Connection, connect};
use crate::output::{ReaderGone, unwritten};
use crate::service;

/// How much is passed on at once.
const PIECE_BYTES: usize = 16 * 1024;

pub(crate) async fn run(global: &Global, args: Exec) -> Result<ExitCode> {
    if args.tty && !std::io::stdin().is_terminal() {
        bail!("--tty needs a terminal as standard input; without one, omit -t");
    }
    let Connection { client, namespace } = connect(global).await?;
    let pod = pod(&client, &namespace, &args.pod).await?;
    let api: Api<Pod> = Api::namespaced(client, &namespace);
    let params = AttachParams {
        container: args.container,
        stdin: args.stdin,
        stdout: true,
        stderr: !args.tty,
        tty: args.tty,
        ..AttachParams::default()
    };
    let process = api.exec(&pod, args.command, &params).await;
    let mut process = process.with_context(|| format!("cannot run a command in pod {pod}"))?;
    let raw = args.tty.then(RawTerminal::enter).transpose()?;
    let status = attach(&mut process).await;
    drop(raw);
    exit_code(status?)
}

/// The pod that a target means; of a service, one that is ready now.
async fn pod(client: &Client, namespace: &str, target: &str) -> Result<String> {
    if let Some(name) = service::named(target) {
        service::wait(client, namespace, name).await?;
        return service::pod(&service::ready(client, namespace, name).await?, name);
    }
    match target.split_once('/') {
        None => Ok(target.to_owned()),
        Some(("pod" | "pods" | "po", name)) => Ok(name.to_owned()),
        Some((kind, _)) => {
            bail!("cannot run a command in a {kind}; name pod/NAME or service/NAME")
        }
    }
}

async fn attach(process: &mut AttachedProcess) -> Result<Option<Status>> {
    let status = process.take_status().context("the server gave no status channel")?;
    if let Some(mut sizes) = process.terminal_size() {
        tokio::spawn(async move {
            let mut changes = signal(SignalKind::window_change()).ok()?;
            loop {
                let size = termios::tcgetwinsize(std::io::stdout()).ok()?;
                let size = TerminalSize { height: size.ws_row, width: size.ws_col };
                futures::SinkExt::send(&mut sizes, size).await.ok()?;
                changes.recv().await?;
            }
            #[expect(unreachable_code, reason = "names the type of the block")]
            Some(())
        });
    }
    if let Some(stdin) = process.stdin() {
        tokio::spawn(pass_on(typed(), stdin));
    }
    let stdout = process.stdout().map(|it| tokio::spawn(copy(it, tokio::io::stdout(), unwritten)));
    let stderr = process.stderr().map(|it| tokio::spawn(copy(it, tokio::io::stderr(), Into::into)));
    let mut stdout = std::pin::pin!(ended(stdout));
    let status = tokio::select! {
        biased;
        status = status => status,
        // Nobody reads the output of the command, so it may block for ever.
        Err(error) = &mut stdout => return Err(error),
    };
    // The command has ended: its exit code counts, even if a reader left before the end of the output.
    match stdout.await {
        Err(error) if error.is::<ReaderGone>() => {}
        other => other?,
    }
    let _ = ended(stderr).await;
    Ok(status)
}

async fn ended(copy: Option<JoinHandle<Result<()>>>) -> Result<()> {
    match copy {
        Some(copy) => copy.await?,
        None => Ok(()),
    }
}

/// Standard input. It is read on a thread that nobody joins: a read of a terminal cannot be cancelled, and on a thread
/// of the runtime it would keep the process alive until a key is pressed.
fn typed() -> mpsc::Receiver<Vec<u8>> {
    let (sender, pieces) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(count @ 1..) = stdin.read(&mut buffer) {
            if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    pieces
}

async fn pass_on(mut pieces: mpsc::Receiver<Vec<u8>>, mut to: impl AsyncWrite + Unpin) {
    while let Some(piece) = pieces.recv().await {
        // The command may end without reading all of it.
        if to.write_all(&piece).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// Copies and flushes after each piece, since a person may be looking. `failed` names the errors of writing.
async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWrite + Unpin,
    failed: impl Fn(std::io::Error) -> anyhow::Error,
) -> Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await.map_err(failed);
        }
        to.write_all(&buffer[..read]).await.map_err(&failed)?;
        to.flush().await.map_err(&failed)?;
    }
}

fn exit_code(status: Option<Status>) -> Result<ExitCode> {
    let Some(status) = status else { bail!("the connection ended before the command did") };
    if status.status.as_deref() == Some("Success") {
        return Ok(ExitCode::SUCCESS);
    }
    let causes = status.details.and_then(|it| it.causes).unwrap_or_default();
    let code = causes.iter().find(|it| it.reason.as_deref() == Some("ExitCode"));
    match code.and_then(|it| it.message.as_ref()?.parse::<u8>().ok()) {
        Some(code) => Ok(ExitCode::from(code)),
        None => bail!("{}", status.message.unwrap_or_else(|| "the command failed".to_owned())),
    }
}

/// The terminal passes keys on as they are, until this is dropped.
struct RawTerminal(termios::Termios);

impl RawTerminal {
    fn enter() -> Result<Self> {
        let stdin = std::io::stdin();
        let before = termios::tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(&stdin, termios::OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nothing can be done if the terminal is gone.
        let _ = termios::tcsetattr(std::io::stdin(), termios::OptionalActions::Now, &self.0);
    }
}

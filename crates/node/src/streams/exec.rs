//! Exec and attach.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use machinery::stream::{Attach, CLOSE, ERROR, Exec, Frame, RESIZE, Resize, STDERR, STDIN, STDOUT};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::broadcast::error::RecvError;

use super::frames::FrameWriter;
use super::{Frames, Streams};
use crate::exec::Running;
use crate::logs::Stream;
use crate::pod::LiveContainer;
use crate::runtime::{Console, Standard, Streams as Standards};

/// How long output may be awaited after the command's end: something it left behind may hold the pipe.
const OUTPUT_DRAIN: Duration = Duration::from_secs(2);
const FAREWELL: Duration = Duration::from_secs(5);

type Writer = FrameWriter<OwnedWriteHalf>;

impl Streams {
    pub(super) async fn exec(&self, request: Exec, frames: Frames) -> io::Result<()> {
        let (from, to) = frames;
        let container = match self.container(&request.target) {
            Ok(container) => container,
            Err(error) => return to.refuse(&error).await,
        };
        let standard = Standard { stdin: request.stdin, terminal: request.tty };
        match container.commands.start(&request.command, standard).await {
            Ok(started) => {
                to.accept().await?;
                converse(started, (from, to)).await
            }
            // A client has to be told in the stream: it has been upgraded by the time the command is tried.
            Err(why) => {
                to.accept().await?;
                to.send(ERROR, &cannot_run(&why)).await?;
                farewell((from, to)).await
            }
        }
    }

    pub(super) async fn attach(&self, request: Attach, frames: Frames) -> io::Result<()> {
        let (from, to) = frames;
        match self.container(&request.target) {
            Ok(container) => {
                to.accept().await?;
                attached(container, request, (from, to)).await
            }
            Err(error) => to.refuse(&error).await,
        }
    }
}

/// Carries bytes both ways until the command ends or the client leaves, which ends the command.
async fn converse(started: (Running, Standards), frames: Frames) -> io::Result<()> {
    let (mut running, streams) = started;
    let (mut from, to) = frames;
    let (mut input, output) = match streams {
        Standards::Pipes { stdin, stdout, stderr } => {
            let both = (pump(stdout, STDOUT, to.clone()), pump(stderr, STDERR, to.clone()));
            let output = tokio::spawn(async move {
                let _ = tokio::join!(both.0, both.1);
            });
            (CommandInput::Pipe(stdin), output)
        }
        Standards::Terminal(console) => {
            let output = tokio::spawn(pump_terminal(console.clone(), to.clone()));
            (CommandInput::Terminal(console), output)
        }
    };
    let ended = loop {
        tokio::select! {
            ended = running.wait() => break ended?,
            frame = from.next() => match frame {
                Ok(Some(frame)) => input.take(frame).await,
                // Closing without a word is how clients end a command early; dropping it kills it.
                Ok(None) | Err(_) => return Ok(()),
            },
        }
    };
    let _ = tokio::time::timeout(OUTPUT_DRAIN, output).await;
    let message = match ended.exit_code {
        0 => json!({"metadata": {}, "status": "Success"}).to_string().into_bytes(),
        code => exit_status(code),
    };
    to.send(ERROR, &message).await?;
    farewell((from, to)).await
}

/// Ends our side, then waits for the client to end its own: a socket that is closed while bytes in it are unread resets
/// the connection.
async fn farewell(frames: Frames) -> io::Result<()> {
    let (mut from, to) = frames;
    to.finish().await?;
    let rest = async { while let Ok(Some(_)) = from.next().await {} };
    let _ = tokio::time::timeout(FAREWELL, rest).await;
    Ok(())
}

enum CommandInput {
    Pipe(Option<tokio::process::ChildStdin>),
    Terminal(Console),
}

impl CommandInput {
    async fn take(&mut self, frame: Frame) {
        match (&mut *self, frame.channel) {
            (Self::Pipe(Some(stdin)), STDIN) => {
                // A command that has closed its input is not an error.
                let written = stdin.write_all(&frame.payload).await;
                if written.and(stdin.flush().await).is_err() {
                    *self = Self::Pipe(None);
                }
            }
            (Self::Pipe(_), CLOSE) if frame.payload == [STDIN] => *self = Self::Pipe(None),
            (Self::Terminal(console), STDIN) => {
                let console = console.clone();
                let _ = tokio::task::spawn_blocking(move || console.write(&frame.payload)).await;
            }
            (Self::Terminal(console), RESIZE) => resize(console, &frame.payload),
            _ => {}
        }
    }
}

fn resize(console: &Console, payload: &[u8]) {
    if let Ok(size) = serde_json::from_slice::<Resize>(payload) {
        let _ = console.resize(size.width, size.height);
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, channel: u8, to: Writer) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        to.send(channel, &buffer[..count]).await?;
    }
}

async fn pump_terminal(console: Console, to: Writer) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<Vec<u8>>(16);
    tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let count = console.read(&mut buffer).unwrap_or(0);
            if count == 0 || sender.blocking_send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    while let Some(bytes) = receiver.recv().await {
        if to.send(STDOUT, &bytes).await.is_err() {
            return;
        }
    }
}

fn cannot_run(why: &str) -> Vec<u8> {
    status("InternalError", 500, why, json!([])).to_string().into_bytes()
}

fn exit_status(code: i32) -> Vec<u8> {
    let causes = json!([{"reason": "ExitCode", "message": code.to_string()}]);
    let text = format!("command terminated with non-zero exit code: exit status {code}");
    let mut status = status("NonZeroExitCode", 0, &text, causes);
    status.as_object_mut().expect("a literal object").remove("code");
    status.to_string().into_bytes()
}

fn status(reason: &str, code: u16, message: &str, causes: Value) -> Value {
    json!({"metadata": {}, "status": "Failure", "reason": reason, "code": code, "message": message,
        "details": {"causes": causes}})
}

async fn attached(
    container: Arc<LiveContainer>,
    request: Attach,
    frames: Frames,
) -> io::Result<()> {
    let (mut from, to) = frames;
    let mut output = container.log.output();
    loop {
        tokio::select! {
            piece = output.recv() => match piece {
                Ok((Stream::Stdout, bytes)) if request.stdout => to.send(STDOUT, &bytes).await?,
                Ok((Stream::Stderr, bytes)) if request.stderr => to.send(STDERR, &bytes).await?,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            () = container.done.cancelled() => {
                let fine = json!({"metadata": {}, "status": "Success"}).to_string();
                to.send(ERROR, fine.as_bytes()).await?;
                return farewell((from, to)).await;
            }
            frame = from.next() => match frame? {
                Some(frame) => feed(&container, &request, frame).await,
                None => return Ok(()),
            },
        }
    }
}

async fn feed(container: &LiveContainer, request: &Attach, frame: Frame) {
    match frame.channel {
        STDIN if request.stdin => {
            container.input.write(&frame.payload).await;
        }
        CLOSE if frame.payload == [STDIN] => container.input.close().await,
        RESIZE => {
            if let crate::pod::Input::Terminal(console) = &container.input {
                resize(console, &frame.payload);
            }
        }
        _ => {}
    }
}

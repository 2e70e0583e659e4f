//! A pseudo-terminal with a command on it, as a person would use it.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);

pub struct Terminal {
    keyboard: File,
    screen: mpsc::Receiver<String>,
    /// What was shown and not waited for yet.
    seen: String,
    child: Child,
}

/// What Ctrl-C sends.
const INTERRUPT: &[u8] = b"\x03";

impl Terminal {
    pub fn start(mut command: Command) -> Result<Self> {
        let own = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&own)?;
        unlockpt(&own)?;
        let theirs = ptsname(&own, Vec::new())?;
        let open = || rustix::fs::open(&theirs, OFlags::RDWR | OFlags::NOCTTY, Mode::empty());
        command.stdin(Stdio::from(open()?)).stdout(Stdio::from(open()?));
        let child = command.stderr(Stdio::from(open()?)).spawn().context("cannot start it")?;
        // The command keeps the other side open as long as it holds it; then reading ends.
        drop(command);
        let keyboard = File::from(own);
        let screen = read_on(keyboard.try_clone()?);
        Ok(Self { keyboard, screen, seen: String::new(), child })
    }

    /// Waits until the text is shown, after what was waited for before. Gives what was shown up to its end.
    pub async fn shows(&mut self, text: &str) -> Result<String> {
        self.shows_within(text, ANSWER_MAX).await
    }

    /// The same for what takes longer.
    pub async fn shows_within(&mut self, text: &str, time_max: Duration) -> Result<String> {
        let more = async {
            loop {
                if let Some(start) = self.seen.find(text) {
                    let rest = self.seen.split_off(start + text.len());
                    return Ok(std::mem::replace(&mut self.seen, rest));
                }
                let more = self.screen.recv().await;
                self.seen += &more.context("it ended")?;
            }
        };
        let outcome = tokio::time::timeout(time_max, more).await.context("it goes on for ever");
        outcome.flatten().with_context(|| format!("no {text:?} in {:?}", self.seen))
    }

    pub fn types(&mut self, line: &str) -> Result<()> {
        Ok(self.keyboard.write_all(format!("{line}\n").as_bytes())?)
    }

    /// Presses Ctrl-C.
    pub fn interrupts(&mut self) -> Result<()> {
        Ok(self.keyboard.write_all(INTERRUPT)?)
    }

    pub async fn ends(mut self) -> Result<ExitStatus> {
        let ended = tokio::time::timeout(ANSWER_MAX, self.child.wait()).await;
        Ok(ended.with_context(|| format!("it does not end; it showed {:?}", self.seen))??)
    }
}

/// Reads until the other side is closed, on a thread of its own: a terminal has no other way for both ends to wait.
fn read_on(mut screen: File) -> mpsc::Receiver<String> {
    let (shown, reader) = mpsc::channel(64);
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = screen.read(&mut bytes) {
            if shown.blocking_send(String::from_utf8_lossy(&bytes[..count]).into_owned()).is_err() {
                break;
            }
        }
    });
    reader
}

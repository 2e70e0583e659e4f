//! The thread that owns the agent's process.
//!
//! It is a thread of its own, because the kernel kills the agent when the *thread* that started it ends. It forwards
//! the agent's reports, reaps it, and starts the next one when an agent that had come up ended without being told to:
//! the pods are then restarted by their policy.
//!
//! Invariant: the slot holds an agent only while its process is not reaped, so that a kill never meets a stranger.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::delegation::Delegation;
use super::{Error, ids};
use crate::agent::{MAPPED, Report, STOP, SUBCOMMAND};
use crate::config::AgentConfig;

/// An agent that ended more often than this within [`RESTARTS_WITHIN`] is given up.
const RESTARTS_MAX: usize = 5;
const RESTARTS_WITHIN: Duration = Duration::from_secs(60);

/// How far the agent has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    Starting,
    NetworkUp,
    Registered,
    Failed(String),
    Ended,
}

/// The present agent, for those outside the thread.
#[derive(Default)]
pub(super) struct Slot {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    present: Option<Present>,
    /// No other agent is wanted.
    stopping: bool,
}

struct Present {
    pid: u32,
    stdin: ChildStdin,
}

impl Slot {
    pub(super) fn pid(&self) -> Option<u32> {
        self.lock().present.as_ref().map(|agent| agent.pid)
    }

    /// Tells the agent to stop; errors mean that it is gone, which the thread sees.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        if let Some(agent) = &mut state.present {
            let _ = agent.stdin.write_all(&[STOP]).and_then(|()| agent.stdin.flush());
        }
    }

    pub(super) fn kill(&self) {
        let mut state = self.lock();
        state.stopping = true;
        let pid = state.present.as_ref().and_then(|agent| i32::try_from(agent.pid).ok());
        if let Some(pid) = pid {
            let pid = nix::unistd::Pid::from_raw(pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }

    fn put(&self, agent: Present) {
        let mut state = self.lock();
        state.present = Some(agent);
        let stopping = state.stopping;
        drop(state);
        if stopping {
            self.kill();
        }
    }

    /// Empties the slot; returns whether no other agent is wanted.
    fn clear(&self) -> bool {
        let mut state = self.lock();
        state.present = None;
        state.stopping
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

/// Runs agents until none is wanted or none will run, and has the control group until then. The first one's start is
/// answered through the channel.
pub(super) fn keep(
    (config, delegation): (&AgentConfig, Option<Delegation>),
    slot: &Slot,
    channels: (oneshot::Sender<Result<(), Error>>, &watch::Sender<Progress>),
) {
    let (started, progress) = channels;
    let mut started = Some(started);
    let mut ends: Vec<Instant> = Vec::new();
    loop {
        let (mut child, present, reports) = match launch(config) {
            Ok(launched) => launched,
            Err(error) => {
                progress.send_replace(Progress::Failed(crate::chain(&error)));
                if let Some(started) = started.take() {
                    let _ = started.send(Err(error));
                }
                return;
            }
        };
        slot.put(present);
        if let Some(started) = started.take() {
            let _ = started.send(Ok(()));
        }
        let came_up = forward(reports, progress);
        // Its output is closed, so it is dead or about to be: nobody may signal it from here on.
        let stopping = slot.clear();
        let status = child.wait();
        if stopping {
            progress.send_replace(Progress::Ended);
            return;
        }
        ends.retain(|end| end.elapsed() < RESTARTS_WITHIN);
        ends.push(Instant::now());
        if !came_up || ends.len() > RESTARTS_MAX {
            // Why it failed, if it said so, tells more than that it ended.
            progress.send_if_modified(|state| {
                let silent = !matches!(state, Progress::Failed(_));
                if silent {
                    *state = Progress::Ended;
                }
                silent
            });
            return;
        }
        tracing::error!(?status, "the node's process ended by itself and is started again");
        if let Some(delegation) = &delegation {
            delegation.clear();
        }
        progress.send_replace(Progress::Starting);
    }
}

/// Passes reports on until the agent ends. Returns whether it had come up.
fn forward(reports: Reports, progress: &watch::Sender<Progress>) -> bool {
    let mut came_up = false;
    for line in reports.lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Report::NetworkUp) => {
                came_up = true;
                progress.send_replace(Progress::NetworkUp);
            }
            Ok(Report::Registered) => {
                progress.send_replace(Progress::Registered);
            }
            Ok(Report::Failed { message }) => {
                progress.send_replace(Progress::Failed(message));
            }
            Ok(Report::Unshared { .. }) | Err(_) => {}
        }
    }
    came_up
}

type Reports = BufReader<ChildStdout>;

fn launch(config: &AgentConfig) -> Result<(Child, Present, Reports), Error> {
    let executable = std::env::current_exe().map_err(Error::Spawn)?;
    let argument = serde_json::to_string(config).expect("plain data always encodes");
    let mut child = Command::new(executable)
        .args([SUBCOMMAND, "enter", &argument])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Error::Spawn)?;
    let mut stdin = child.stdin.take().expect("piped");
    let mut reports = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    let read = reports.read_line(&mut line);
    let first = read.ok().and_then(|_| serde_json::from_str::<Report>(&line).ok());
    match first {
        Some(Report::Unshared { .. }) => {}
        Some(Report::Failed { message }) => return Err(reap(child, Error::Failed(message))),
        _ => return Err(reap(child, Error::Ended)),
    }
    if let Err(message) = ids::map(child.id(), config.ids) {
        return Err(reap(child, Error::MapIds(message)));
    }
    if let Err(error) = stdin.write_all(&[MAPPED]).and_then(|()| stdin.flush()) {
        return Err(reap(child, Error::Spawn(error)));
    }
    let present = Present { pid: child.id(), stdin };
    Ok((child, present, reports))
}

fn reap(mut child: Child, error: Error) -> Error {
    let _ = child.kill();
    let _ = child.wait();
    error
}

//! etcd's own program that makes a data directory of a snapshot.
//!
//! Its exit code alone says nothing: the older program's command of that name prints a help text from 3.6 on and ends
//! well. So what it made is looked at.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use endstate_core::Version;
use etcd_plan::Made;
use tokio::process::Command;

use crate::error::AgentError;

/// The first versions whose program raises revisions.
const RAISES_FROM: (u32, u32) = (5, 10);

/// How much of what it says is shown.
const SAID_MAX: usize = 1_000;

/// The program of one version.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    programs: PathBuf,
    version: Version,
}

/// What is made of a snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Making<'a> {
    /// Whose data it will be.
    pub made: &'a Made,
    /// Where the data is to be.
    pub data: &'a Path,
    /// Where the write-ahead log is to be, if that is apart.
    pub wal: Option<&'a Path>,
    /// How far the revision is raised.
    pub bump: u64,
}

impl Tool {
    /// The program of this version in a folder.
    pub(crate) fn new(programs: &Path, version: Version) -> Self {
        Self { programs: programs.to_owned(), version }
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Whether it can raise the revision.
    pub(crate) fn raises(&self) -> bool {
        (self.version.minor, self.version.patch) >= RAISES_FROM
    }

    /// Makes a data directory of a snapshot that was verified.
    pub(crate) async fn restore(&self, snapshot: &Path, of: &Making<'_>) -> Result<(), AgentError> {
        let mut command = self.command(snapshot, of);
        let output = command.output().await.map_err(AgentError::run(&command))?;
        let wal = of.wal.map_or_else(|| of.data.join("member/wal"), Path::to_owned);
        let made = of.data.join("member/snap/db").exists() && has_log(&wal);
        if made && output.status.success() {
            return Ok(());
        }
        let said =
            [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        let said = said.join("\n");
        let end = said.trim().chars().rev().take(SAID_MAX).collect::<Vec<_>>();
        let said = end.into_iter().rev().collect();
        Err(AgentError::Tool { status: output.status, said })
    }

    fn command(&self, snapshot: &Path, of: &Making<'_>) -> Command {
        let name = if self.version.minor < 5 { "etcdctl" } else { "etcdutl" };
        let mut command = Command::new(self.programs.join(name));
        command.env("ETCDCTL_API", "3").args(["snapshot", "restore"]).arg(snapshot);
        let cluster = format!("{}={}", of.made.name, of.made.peer_url);
        command.arg(format!("--name={}", of.made.name));
        command.arg(format!("--initial-cluster={cluster}"));
        command.arg(format!("--initial-cluster-token={}", of.made.token));
        command.arg(format!("--initial-advertise-peer-urls={}", of.made.peer_url));
        command.arg("--data-dir").arg(of.data);
        of.wal.iter().for_each(|it| {
            command.arg("--wal-dir").arg(it);
        });
        // The digest at its end is part of what was verified when it was read from the archive.
        command.arg("--skip-hash-check=true");
        if of.bump > 0 && self.raises() {
            command.arg(format!("--bump-revision={}", of.bump)).arg("--mark-compacted=true");
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

fn has_log(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = entries.map(|it| it.path());
    names.any(|it| it.extension().is_some_and(|it| it == "wal"))
}

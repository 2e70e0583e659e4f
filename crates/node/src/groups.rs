//! Control groups of pods and containers, where the machine lets us have some.
//!
//! The supervisor makes the cluster's group on the host's side (`supervisor/delegation.rs`); the agent's mount
//! namespace has nothing else that is writable. In it each pod has a group, made here, and below that each run of a
//! container one, which the OCI runtime makes and fills.
//!
//! Both versions of the kernel's hierarchies are known: one unified tree, or a tree per controller.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::Settings;

/// Where control groups are mounted.
pub(crate) const MOUNT: &str = "/sys/fs/cgroup";
/// The controllers that limits need.
pub(crate) const NEEDED: [&str; 3] = ["cpu", "memory", "pids"];

/// A dead process leaves its group a moment after its parent has heard of the end.
const REMOVE_TRIES: u32 = 300;
const REMOVE_PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Version {
    Unified,
    /// A tree per controller.
    Legacy,
}

/// The cluster's group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Groups {
    pub(crate) version: Version,
    /// Its name for the OCI runtime: the path below the mount point.
    pub(crate) name: String,
    /// Its folder in every hierarchy, with the controllers of that.
    pub(crate) folders: Vec<(Vec<String>, PathBuf)>,
}

impl Groups {
    /// As the agent sees them. In the unified hierarchy it sees nothing but the cluster's group: the OCI runtime opens
    /// every file from the mount point and refuses to cross another mount.
    pub(crate) fn inside(self) -> Self {
        match self.version {
            Version::Legacy => self,
            Version::Unified => {
                let of_mount = |(controllers, _)| (controllers, PathBuf::from(MOUNT));
                let folders = self.folders.into_iter().map(of_mount).collect();
                Self { name: String::new(), folders, ..self }
            }
        }
    }

    /// Which folder of the host the agent sees where.
    pub(crate) fn binds(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.folders.iter().map(|(_, folder)| match self.version {
            Version::Legacy => (folder.as_path(), folder.as_path()),
            Version::Unified => (folder.as_path(), Path::new(MOUNT)),
        })
    }

    /// Makes a pod's group, or brings its settings up to date.
    pub(crate) fn set_pod(&self, uid: &str, settings: &Settings) -> io::Result<()> {
        for controller in NEEDED {
            let Some(folder) = self.folder(controller) else { continue };
            make(&folder.join(uid))?;
        }
        if self.version == Version::Unified
            && let Some(folder) = self.folder("memory")
        {
            enable(&folder.join(uid))?;
        }
        self.set(uid, settings)
    }

    /// Writes the settings of the group, or of one inside it.
    pub(crate) fn set(&self, inner: &str, settings: &Settings) -> io::Result<()> {
        for (controller, file, value) in files(self.version, settings) {
            let Some(folder) = self.folder(controller) else { continue };
            write(&folder.join(inner).join(file), &value)?;
        }
        Ok(())
    }

    /// Removes a pod's group. Its processes have ended.
    pub(crate) async fn remove_pod(&self, uid: &str) -> io::Result<()> {
        self.remove(Path::new(uid)).await
    }

    /// Removes the group of one run of a container.
    pub(crate) async fn remove_container(&self, uid: &str, run: &str) -> io::Result<()> {
        self.remove(&Path::new(uid).join(run)).await
    }

    async fn remove(&self, inner: &Path) -> io::Result<()> {
        let paths: Vec<_> = self.folders.iter().map(|(_, folder)| folder.join(inner)).collect();
        let removed = tokio::task::spawn_blocking(move || {
            paths.iter().try_for_each(|path| remove_patiently(path))
        });
        removed.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// How the OCI runtime names the group of one run of a container.
    pub(crate) fn container(&self, uid: &str, run: &str) -> String {
        format!("{}/{uid}/{run}", self.name)
    }

    /// Whether the kernel killed a process of the container because its group was out of memory.
    pub(crate) fn out_of_memory(&self, uid: &str, run: &str) -> bool {
        let file = match self.version {
            Version::Unified => "memory.events",
            Version::Legacy => "memory.oom_control",
        };
        let text = self
            .folder("memory")
            .and_then(|folder| fs::read_to_string(folder.join(uid).join(run).join(file)).ok());
        text.is_some_and(|text| kills(&text) > 0)
    }

    fn folder(&self, controller: &str) -> Option<&Path> {
        let has = |known: &[String]| known.iter().any(|name| name == controller);
        self.folders.iter().find(|(known, _)| has(known)).map(|(_, folder)| folder.as_path())
    }
}

const BUSY: i32 = rustix::io::Errno::BUSY.raw_os_error();

fn kills(events: &str) -> u64 {
    let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

pub(crate) fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Lets the groups below a folder of the unified hierarchy have limits.
pub(crate) fn enable(folder: &Path) -> io::Result<()> {
    let all: Vec<String> = NEEDED.iter().map(|name| format!("+{name}")).collect();
    write(&folder.join("cgroup.subtree_control"), &all.join(" "))
}

pub(crate) fn write(file: &Path, value: &str) -> io::Result<()> {
    fs::write(file, value)
        .map_err(|error| io::Error::new(error.kind(), format!("write {}: {error}", file.display())))
}

/// Removes a group and those in it, whose processes are dead or about to be.
pub(crate) fn remove_patiently(folder: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match remove_tree(folder) {
            Err(error) if error.raw_os_error() == Some(BUSY) && tries < REMOVE_TRIES => {
                tries += 1;
                std::thread::sleep(REMOVE_PAUSE);
            }
            other => return other,
        }
    }
}

/// From the innermost outwards. What is not there is no error.
pub(crate) fn remove_tree(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A group's settings as controller, file and value.
fn files(version: Version, settings: &Settings) -> Vec<(&'static str, &'static str, String)> {
    let period = Settings::PERIOD_MICROS;
    let number = |value: Option<i64>, none: &str| {
        value.map_or_else(|| none.to_owned(), |value| value.to_string())
    };
    let processes = settings.processes.map_or_else(|| "max".to_owned(), |it| it.to_string());
    match version {
        Version::Unified => vec![
            ("cpu", "cpu.weight", settings.weight().to_string()),
            ("cpu", "cpu.max", format!("{} {period}", number(settings.quota, "max"))),
            ("memory", "memory.max", number(settings.memory, "max")),
            ("pids", "pids.max", processes),
        ],
        Version::Legacy => vec![
            ("cpu", "cpu.shares", settings.shares.to_string()),
            ("cpu", "cpu.cfs_period_us", period.to_string()),
            ("cpu", "cpu.cfs_quota_us", number(settings.quota, "-1")),
            ("memory", "memory.limit_in_bytes", number(settings.memory, "-1")),
            ("pids", "pids.max", processes),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_files() {
        let settings = Settings {
            shares: 1024,
            quota: Some(50_000),
            memory: Some(1 << 20),
            processes: Some(9),
        };
        let text = |version, settings: &Settings| {
            let files = files(version, settings).into_iter();
            files.map(|(_, file, value)| format!("{file}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(
            text(Version::Unified, &settings),
            ["cpu.weight=39", "cpu.max=50000 100000", "memory.max=1048576", "pids.max=9"]
        );
        let unlimited = Settings { shares: 2, ..Settings::default() };
        assert_eq!(
            text(Version::Unified, &unlimited),
            ["cpu.weight=1", "cpu.max=max 100000", "memory.max=max", "pids.max=max"]
        );
        assert_eq!(
            text(Version::Legacy, &unlimited),
            [
                "cpu.shares=2",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=-1",
                "memory.limit_in_bytes=-1",
                "pids.max=max"
            ]
        );
    }

    #[test]
    fn kills_are_counted_by_the_kernel() {
        assert_eq!(kills("low 0\noom 5\noom_kill 2\noom_group_kill 1\n"), 2);
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"), 1);
        assert_eq!(kills("oom_kill_disable 1\n"), 0);
    }
}

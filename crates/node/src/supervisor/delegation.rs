//! The cluster's control group: where on this machine it may be, its making and its removal.
//!
//! In the unified hierarchy a group that has processes of its own cannot limit groups below it. So ours is made either
//! below our own group, if that is ours alone (as under `systemd-run --scope`): this process then moves aside into a
//! group beside it; or else below the nearest group above that is writable and already limits those below it. In both
//! cases enabling the controllers in our group keeps everybody else from disabling them above.
//! In the older hierarchies, a tree per controller, only root may have groups; they are made at the top.
//!
//! A group outlives its processes. Ours is locked while we live, so the next start recognises and removes what a killed
//! one left.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{Access, FlockOperation};

use crate::groups::{self, Groups, MOUNT, NEEDED, Version};
use crate::limits::Settings;

/// Ours are named by this, a process id and a number.
const PREFIX: &str = "endstate-";
/// Where this process moves when its own group must have none.
const ASIDE: &str = "control-plane";

/// Why there are no limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    #[error("no control groups are mounted at {MOUNT}")]
    NotMounted,
    #[error("this machine has the older control groups, which only root may use")]
    LegacyNeedsRoot,
    #[error("the older control groups of this machine lack {0}, or are read-only")]
    LegacyIncomplete(&'static str),
    #[error("no writable control group with cpu, memory and pids is delegated to this process")]
    NotDelegated,
    #[error("cannot use the control groups of this machine: {0}")]
    Failed(String),
}

/// Where the group would be made.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Below a group that is ours alone.
    Own(PathBuf),
    /// Below a group that limits those below it already.
    Above(PathBuf),
    /// At the top of every hierarchy.
    Legacy(Vec<Mount>),
}

/// Whether and where limits would be enforced; for `doctor`. Changes nothing.
pub(crate) fn look() -> Result<Version, Why> {
    place().map(|place| match place {
        Place::Own(_) | Place::Above(_) => Version::Unified,
        Place::Legacy(_) => Version::Legacy,
    })
}

/// The cluster's group, as long as this lives.
#[derive(Debug)]
pub(super) struct Delegation {
    pub(super) groups: Groups,
    /// The group that this process moved out of.
    left: Option<PathBuf>,
    _locks: Vec<OwnedFd>,
}

impl Delegation {
    /// Makes the group; `settings` are for all pods together.
    pub(super) fn create(settings: &Settings) -> Result<Self, Why> {
        let place = place()?;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let failed = |error: io::Error| Why::Failed(error.to_string());
        let (version, parents, left) = match place {
            Place::Own(own) => {
                move_aside(&own).map_err(failed)?;
                (Version::Unified, vec![(needed(), own.clone())], Some(own))
            }
            Place::Above(parent) => (Version::Unified, vec![(needed(), parent)], None),
            Place::Legacy(mounts) => {
                let all = mounts.into_iter().map(|it| (it.controllers, it.point)).collect();
                (Version::Legacy, all, None)
            }
        };
        for (_, parent) in &parents {
            remove_left(parent);
        }
        let made = make(version, &name, &parents).and_then(|mut made| {
            made.left.clone_from(&left);
            made.groups.set("", settings)?;
            Ok(made)
        });
        made.map_err(|error| {
            for (_, parent) in &parents {
                let _ = groups::remove_tree(&parent.join(&name));
            }
            if let Some(own) = &left {
                let _ = move_back(own);
            }
            failed(error)
        })
    }

    /// Removes what pods of an agent that has ended left.
    pub(super) fn clear(&self) {
        for (_, folder) in &self.groups.folders {
            for pod in folders_in(folder) {
                if let Err(error) = groups::remove_patiently(&pod) {
                    tracing::warn!(%error, path = %pod.display(), "cannot remove a control group");
                }
            }
        }
    }
}

impl Drop for Delegation {
    fn drop(&mut self) {
        for (_, folder) in &self.groups.folders {
            if let Err(error) = groups::remove_patiently(folder) {
                tracing::warn!(%error, path = %folder.display(), "cannot remove a control group");
            }
        }
        if let Some(own) = &self.left {
            // Where others have come meanwhile it stays as it is.
            let _ = move_back(own);
        }
    }
}

fn needed() -> Vec<String> {
    NEEDED.iter().map(|it| (*it).to_owned()).collect()
}

fn make(
    version: Version,
    name: &str,
    parents: &[(Vec<String>, PathBuf)],
) -> io::Result<Delegation> {
    let (mut folders, mut locks) = (Vec::new(), Vec::new());
    for (controllers, parent) in parents {
        let folder = parent.join(name);
        groups::make(&folder)?;
        locks.push(lock(&folder)?);
        folders.push((controllers.clone(), folder));
    }
    let (_, first) = folders.first().ok_or_else(|| io::Error::other("no hierarchy"))?;
    if version == Version::Unified {
        groups::enable(first)?;
    }
    let name = match version {
        Version::Unified => first.strip_prefix(MOUNT).unwrap_or(first).to_path_buf(),
        Version::Legacy => PathBuf::from(name),
    };
    let name = Path::new("/").join(name).to_string_lossy().into_owned();
    Ok(Delegation { groups: Groups { version, name, folders }, left: None, _locks: locks })
}

fn lock(folder: &Path) -> io::Result<OwnedFd> {
    let file = OwnedFd::from(File::open(folder)?);
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Removes groups of ours whose process has gone.
fn remove_left(parent: &Path) {
    for folder in folders_in(parent) {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let pid = pid.and_then(|pid| pid.parse::<u32>().ok());
        // One of a living process may not be locked yet; one of another pid namespace is.
        let left = pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists());
        if left && lock(&folder).is_ok() {
            let _ = groups::remove_tree(&folder);
        }
    }
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|it| it.file_type().is_ok_and(|it| it.is_dir())).map(|it| it.path()).collect()
}

/// Moves this process out of its group, so that the group may limit those below it.
fn move_aside(own: &Path) -> io::Result<()> {
    let aside = own.join(ASIDE);
    groups::make(&aside)?;
    groups::write(&aside.join("cgroup.procs"), "0")?;
    groups::enable(own)
}

fn move_back(own: &Path) -> io::Result<()> {
    let all: Vec<String> = NEEDED.iter().map(|name| format!("-{name}")).collect();
    groups::write(&own.join("cgroup.subtree_control"), &all.join(" "))?;
    groups::write(&own.join("cgroup.procs"), "0")?;
    fs::remove_dir(own.join(ASIDE))
}

fn place() -> Result<Place, Why> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = mounts(&table);
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    match mounts.iter().find(|it| it.point == Path::new(MOUNT) && it.unified) {
        Some(mount) => unified(mount, &own),
        None if mounts.is_empty() => Err(Why::NotMounted),
        None => legacy(mounts),
    }
}

fn unified(mount: &Mount, own: &str) -> Result<Place, Why> {
    let path = own_path(own, &mount.root).ok_or(Why::NotDelegated)?;
    let own = mount.point.join(path);
    let mine = format!("{}\n", std::process::id());
    let alone = read(&own, "cgroup.procs") == mine;
    // The top of all has no such file. Who has moved aside already finds the place above.
    let usable = own.join("cgroup.events").exists() && !own.ends_with(ASIDE);
    if alone && usable && has_needed(&read(&own, "cgroup.controllers")) && writable(&own) {
        return Ok(Place::Own(own));
    }
    let mut above = own.ancestors().take_while(|it| it.starts_with(&mount.point));
    let found = above
        .find(|it| has_needed(&read(it, "cgroup.subtree_control")) && writable(it))
        .map(Path::to_path_buf);
    found.map(Place::Above).ok_or(Why::NotDelegated)
}

fn legacy(mounts: Vec<Mount>) -> Result<Place, Why> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Why::LegacyNeedsRoot);
    }
    for controller in NEEDED {
        let mount = mounts.iter().find(|it| it.controllers.iter().any(|name| name == controller));
        if mount.is_none_or(|it| rustix::fs::access(&it.point, Access::WRITE_OK).is_err()) {
            return Err(Why::LegacyIncomplete(controller));
        }
    }
    Ok(Place::Legacy(mounts))
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap_or_default()
}

fn has_needed(list: &str) -> bool {
    NEEDED.iter().all(|name| list.split_whitespace().any(|known| known == *name))
}

/// Whether groups may be made here and processes of ours moved into them.
fn writable(folder: &Path) -> bool {
    let allowed = |path: &Path| rustix::fs::access(path, Access::WRITE_OK).is_ok();
    allowed(folder)
        && allowed(&folder.join("cgroup.procs"))
        && allowed(&folder.join("cgroup.subtree_control"))
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    /// Which group of the hierarchy the mount point shows.
    root: PathBuf,
    point: PathBuf,
    unified: bool,
    controllers: Vec<String>,
}

/// The hierarchies of a table of mounts.
fn mounts(table: &str) -> Vec<Mount> {
    table.lines().filter_map(mount).filter(|it| it.point.starts_with(MOUNT)).collect()
}

/// `id parent major:minor root point options [tag]... - type source options`
fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, point) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    let kind = right.next()?;
    let options = right.nth(1)?.split(',').map(str::to_owned).collect();
    let unified = match kind {
        "cgroup2" => true,
        "cgroup" => false,
        _ => return None,
    };
    let controllers = if unified { Vec::new() } else { options };
    Some(Mount { root: root.into(), point: point.into(), unified, controllers })
}

/// Our own group in the unified hierarchy, below what is mounted.
fn own_path(own: &str, root: &Path) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    Path::new(path).strip_prefix(root).ok().map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_in_the_table_of_mounts() {
        let table = "22 1 0:20 / /proc rw - proc proc rw\n\
            30 22 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n\
            31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct\n\
            32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            33 30 0:29 /docker/x /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
            34 22 0:30 / /elsewhere rw - cgroup2 cgroup2 rw\nbroken\n";
        let found: Vec<_> = mounts(table)
            .into_iter()
            .map(|it| (it.point.file_name().unwrap().to_owned(), it.unified, it.controllers))
            .collect();
        let names = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            found,
            [
                ("cpu,cpuacct".into(), false, names(&["rw", "cpu", "cpuacct"])),
                ("systemd".into(), false, names(&["rw", "xattr", "name=systemd"])),
                ("unified".into(), true, names(&[])),
            ]
        );
    }

    #[test]
    fn the_own_group_is_seen_through_the_mount() {
        let own = "4:memory:/x\n0::/docker/x/y\n";
        let path = |root: &str| own_path(own, Path::new(root));
        assert_eq!(path("/"), Some("docker/x/y".into()));
        assert_eq!(path("/docker/x"), Some("y".into()));
        assert_eq!(path("/other"), None);
        assert_eq!(own_path("4:memory:/x\n", Path::new("/")), None);
    }

    #[test]
    fn all_controllers_are_needed() {
        assert!(has_needed("cpuset cpu io memory pids\n"));
        assert!(!has_needed("cpuset io memory pids\n"));
        assert!(!has_needed(""));
    }
}
